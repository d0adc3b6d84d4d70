//! Privacy: a plugin is asked for what it keeps of a customer outside of the hub, to hand it out or to erase it.

use openhub_model::Identity;
use serde_json::{Value, json};

use crate::answer::Receipt;
use crate::bindings::privacy::exports::openhub::privacy::privacy as bound;
use crate::bindings::types::types as shared;
use crate::capabilities::log::escape;
use crate::fault::{CallFault, FaultKind};
use crate::io::{Bounds, Called, IoContext};
use crate::plugin::Plugin;
use crate::receive::{Unanswered, unanswered};

/// Milliseconds by the clock.
const WALL_MS: u32 = 60_000;
/// Some limits are for each message of a channel. A call has those of so many.
const ITEMS: usize = 20;
/// Characters of what a plugin says when it is done, and bytes of where it goes on.
const RECEIPT: usize = 500;
const NEXT: usize = 4 * 1024;
/// Items of a page, and bytes of them.
const MANY: usize = 1_000;
const BYTES: usize = 4 * 1024 * 1024;

/// Who it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Person {
    /// All ids by which plugins were told of the customer.
    pub customers: Vec<String>,
    /// Of the kinds that the manifest declares.
    pub identities: Vec<Identity>,
}

/// What became of what the plugin keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// With what it says of it, in one line.
    Done(String),
    /// Not before so many seconds.
    Later(u32),
    Nothing,
}

/// A page of what the plugin keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedPage {
    pub items: Vec<Value>,
    pub next: Option<String>,
}

impl Plugin {
    /// Has the plugin erase what it keeps, until `stopped` is over; also answers what the call used. The same `request` until it is done.
    pub async fn erase(
        &self,
        context: IoContext,
        request: &str,
        who: Person,
        stopped: impl Future<Output = ()>,
    ) -> (Result<Erased, Unanswered>, Receipt) {
        let Some(extension) = &self.privacy else { return (Err(not_there()), Receipt::default()) };
        let given = || json!({"request": request, "who": who});
        let asked = person(who.clone());
        let Called { answer, receipt, .. } = self
            .io(context, self.bounds("erase", &given), stopped, async |store| {
                let instance = extension.instantiate_async(&mut *store).await?;
                instance.openhub_privacy_privacy().call_erase(&mut *store, request, &asked).await
            })
            .await;
        let erased = answer.map_err(Unanswered::Failed).and_then(|erased| erased.map_err(unanswered));
        let erased = erased.map(|erased| match erased {
            bound::Erased::Done(said) => Erased::Done(escape(&said, RECEIPT)),
            bound::Erased::Later(seconds) => Erased::Later(seconds),
            bound::Erased::Nothing => Erased::Nothing,
        });
        (erased, receipt)
    }

    /// Has the plugin hand out a page of what it keeps, until `stopped` is over. The same `request` for all pages.
    pub async fn export(
        &self,
        context: IoContext,
        request: &str,
        (who, after): (Person, Option<String>),
        stopped: impl Future<Output = ()>,
    ) -> (Result<ExportedPage, Unanswered>, Receipt) {
        let Some(extension) = &self.privacy else { return (Err(not_there()), Receipt::default()) };
        let given = || json!({"request": request, "who": who, "after": after});
        let asked = person(who.clone());
        let Called { answer, receipt, .. } = self
            .io(context, self.bounds("export", &given), stopped, async |store| {
                let instance = extension.instantiate_async(&mut *store).await?;
                instance.openhub_privacy_privacy().call_export(&mut *store, request, &asked, after.as_deref()).await
            })
            .await;
        let given = answer.map_err(Unanswered::Failed).and_then(|given| given.map_err(unanswered));
        (given.and_then(|given| page(given).map_err(Unanswered::from)), receipt)
    }

    fn bounds<'a>(&self, name: &'a str, given: &'a (dyn Fn() -> Value + Sync)) -> Bounds<'a> {
        Bounds { kind: "privacy", name, given, items: ITEMS, wall_ms: self.machine.limits.io_wall_ms.min(WALL_MS) }
    }
}

fn not_there() -> Unanswered {
    Unanswered::Failed(CallFault::new(FaultKind::Host, "the plugin keeps nothing of customers elsewhere"))
}

fn person(Person { customers, identities }: Person) -> bound::Person {
    let identity = |Identity { kind, value }: Identity| shared::Identity { kind, value };
    bound::Person { customers, identities: identities.into_iter().map(identity).collect() }
}

fn page(page: bound::Page) -> Result<ExportedPage, String> {
    let bound::Page { items, next } = page;
    if items.len() > MANY {
        return Err(format!("the plugin gave {} items at once: at most {MANY}", items.len()));
    }
    let bytes: usize = items.iter().map(String::len).sum();
    if bytes > BYTES {
        return Err(format!("the plugin gave {bytes} bytes at once: at most {BYTES}"));
    }
    if next.as_ref().is_some_and(|next| next.len() > NEXT) {
        return Err(format!("the plugin gave a `next` that is too long: at most {NEXT} bytes"));
    }
    let items = items.iter().map(|item| serde_json::from_str(item));
    let items =
        items.collect::<Result<Vec<Value>, _>>().map_err(|_| "the plugin gave an item that is not JSON".to_owned())?;
    Ok(ExportedPage { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(items: Vec<String>, next: Option<String>) -> Result<ExportedPage, String> {
        page(bound::Page { items, next })
    }

    #[test]
    fn a_page_is_json_of_a_bounded_size() {
        let good = given(vec![r#"{"a":1}"#.to_owned(), "[]".to_owned()], Some("2".to_owned())).unwrap();
        assert_eq!((good.items.len(), good.next.as_deref()), (2, Some("2")));
        assert!(given(vec!["{".to_owned()], None).is_err());
        assert!(given(vec!["1".to_owned(); MANY + 1], None).is_err());
        assert!(given(vec![format!("\"{}\"", "x".repeat(BYTES))], None).is_err());
        assert!(given(Vec::new(), Some("x".repeat(NEXT + 1))).is_err());
    }
}
