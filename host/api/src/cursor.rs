//! Opaque cursors of lists: base64url of the list's name and the last key seen. A cursor carries no right: the
//! tenant always comes from the credential.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openhub_model::Fault;
use serde::Deserialize;
use std::str::FromStr;
use utoipa::IntoParams;

use crate::problem::{INVALID_QUERY, Problem};

/// The list of the log.
pub(crate) const EVENTS: &str = "events";
/// How many items a list has unless told.
const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 1000;

/// The cursor of the list `list` after `key`.
pub(crate) fn write(list: &str, key: &impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{}", key.to_string()))
}

/// Reads a cursor of the list `list`; `parameter` names the query parameter for the fault.
pub(crate) fn read<T: FromStr>(list: &str, parameter: &str, cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let parse = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let key = text.strip_prefix(list)?.strip_prefix(':')?;
        if key.contains('\0') { None } else { key.parse().ok() }
    };
    let fault = || {
        Fault::new(
            format!("/{parameter}"),
            "invalid-cursor",
            "This is not a cursor of this list. Use the `next` of the page before.",
        )
    };
    parse().map(Some).ok_or_else(|| Problem::fault(INVALID_QUERY, fault()))
}

/// The page's size.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(DEFAULT_LIMIT);
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    let fault = Fault::new("/limit", "out-of-range", format!("The limit must be 1 to {MOST}."));
    Err(Problem::fault(INVALID_QUERY, fault))
}

/// Which page of a list is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

impl Page {
    /// Behind which key the page of a list begins, and how many items it has.
    pub fn behind<K: FromStr>(&self, list: &str) -> Result<(Option<K>, usize), Problem> {
        Ok((read(list, "after", self.after.as_deref())?, limit(self.limit)?))
    }

    /// The page of a list that was read as a whole, as lists of what people set up are. `is_behind` says which items come after a key.
    pub fn of<T, K: FromStr + ToString>(
        &self,
        list: &str,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> K,
        is_behind: impl Fn(&K, &K) -> bool,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let (after, limit): (Option<K>, usize) = self.behind(list)?;
        let behind = items.into_iter().filter(|item| after.as_ref().is_none_or(|after| is_behind(&key(item), after)));
        Ok(page(list, behind.take(limit + 1).collect(), limit, &key))
    }
}

/// Cuts a page that was read with one item too many, and says where the next one begins.
pub(crate) fn page<T, K: ToString>(
    list: &str,
    mut items: Vec<T>,
    limit: usize,
    key: impl Fn(&T) -> K,
) -> (Vec<T>, Option<String>) {
    if items.len() <= limit {
        return (items, None);
    }
    items.truncate(limit);
    let next = items.last().map(|last| write(list, &key(last)));
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = write("events", &42);
        assert_eq!(read::<i64>("events", "after", Some(&cursor)).unwrap(), Some(42));
        assert_eq!(read::<i64>("events", "after", None).unwrap(), None);
        for foreign in ["", "!", "AAAA", &write("messages", &42), &write("events", &"x")] {
            assert!(read::<i64>("events", "after", Some(foreign)).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_list_that_was_read_as_a_whole_has_pages() {
        let of = |after: Option<String>| {
            Page { after, limit: Some(2) }
                .of("n", [9, 7, 5], |number: &i64| *number, |number, after| number < after)
                .unwrap()
        };
        let (first, next) = of(None);
        assert_eq!(first, [9, 7]);
        assert_eq!(of(next), (vec![5], None));
        // What the page before ended with is gone meanwhile.
        assert_eq!(of(Some(write("n", &6))), (vec![5], None));
    }

    #[test]
    fn a_full_page_has_a_next_only_if_more_follows() {
        let (items, next) = page("n", vec![1, 2, 3], 2, |n| *n);
        assert_eq!((items, next), (vec![1, 2], Some(write("n", &2))));
        let (items, next) = page("n", vec![1, 2], 2, |n| *n);
        assert_eq!((items, next), (vec![1, 2], None));
    }
}
