//! What libraries write in ways of their own is brought into the one form that all readers know, once and at the door: traits that
//! stand in the context, a page's name among its properties, a member that is written twice, an id of more digits than a number
//! has. Members keep their text otherwise, digit for digit.

use openhub_model::{EventKind, Fault};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::Hash;

use super::item::{Item, Scalar};

/// The members of an object, each with its JSON text.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Members<'a> {
    pub fn of(raw: &'a str) -> Members<'a> {
        serde_json::from_str(raw).unwrap_or_default()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_ref())
    }

    pub fn set(&mut self, name: &'a str, text: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, held)) => *held = text.into(),
            None => self.0.push((name.into(), text.into())),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// Leaves out what repeats a member with the same text; the name of one that is repeated with another.
    fn settle(&mut self) -> Option<String> {
        match settled(std::mem::take(&mut self.0)) {
            Ok(members) => self.0 = members,
            Err(name) => return Some(name.into_owned()),
        }
        None
    }
}

/// Each pair once, in order; or the first name that stands with two texts. An event has thousands of members.
fn settled<N: Eq + Hash, T: Eq>(members: Vec<(N, T)>) -> Result<Vec<(N, T)>, N> {
    let mut first: HashMap<&N, usize> = HashMap::with_capacity(members.len());
    let firsts = members.iter().enumerate().map(|(at, (name, _))| *first.entry(name).or_insert(at));
    let firsts: Vec<usize> = firsts.collect();
    if let Some(other) = (0..members.len()).find(|at| members[*at].1 != members[firsts[*at]].1) {
        let other = members.into_iter().nth(other).map(|(name, _)| name);
        return other.map_or(Ok(Vec::new()), Err);
    }
    let kept = members.into_iter().enumerate().filter(|(at, _)| firsts[*at] == *at);
    Ok(kept.map(|(_, member)| member).collect())
}

impl fmt::Display for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        for (index, (name, text)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}:{text}", serde_json::Value::from(name.as_ref()))?;
        }
        f.write_char('}')
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<Scalar>()? {
                    let Scalar::Text(name) = name else { return Err(A::Error::custom("a member has no name")) };
                    members.0.push((name, map.next_value::<&RawValue>()?.get().into()));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The event in the one form, if it is in another.
pub(super) fn amended(
    raw: &str,
    item: &Item<'_>,
    called: Option<EventKind>,
    pointer: &str,
) -> Result<Option<String>, Fault> {
    let calls = |name: &str, kind: EventKind| match called {
        Some(called) => called == kind,
        None => matches!(&item.kind, Scalar::Text(text) if text == name),
    };
    let lifts_traits = calls("identify", EventKind::Identify) && is_empty(&item.traits) && item.traits_in_context;
    let views = calls("page", EventKind::Page) || calls("screen", EventKind::Screen);
    let lifts_name =
        views && is_empty(&item.name) && matches!(&item.name_in_properties, Scalar::Text(text) if !text.is_empty());
    if item.repeated.is_none() && item.long_ids.is_empty() && !lifts_traits && !lifts_name {
        return Ok(None);
    }
    let mut members = Members::of(raw);
    if let Some(name) = members.settle() {
        let message = "The field is there twice, with different values: remove one.";
        return Err(Fault::new(openhub_model::limits::step(pointer, &name), "repeated-field", message));
    }
    for name in &item.long_ids {
        let digits = members.get(name).map(str::to_owned).unwrap_or_default();
        members.set(name, format!("\"{digits}\""));
    }
    if lifts_traits && let Some(context) = members.get("context").map(str::to_owned) {
        let mut context = Members::of(&context);
        if let Some(traits) = context.get("traits").map(str::to_owned) {
            // Moved, and not copied: an event has a size.
            context.remove("traits");
            members.set("context", context.to_string());
            members.set("traits", traits);
        }
    }
    if lifts_name && let Scalar::Text(name) = &item.name_in_properties {
        members.set("name", serde_json::Value::from(name.as_ref()).to_string());
    }
    Ok(Some(members.to_string()))
}

fn is_empty(value: &Scalar<'_>) -> bool {
    matches!(value, Scalar::Absent | Scalar::Null | Scalar::EmptyArray | Scalar::EmptyObject)
        || matches!(value, Scalar::Text(text) if text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::*;

    /// Counts how often it is compared.
    struct Name<'c>(usize, &'c Cell<usize>);

    impl PartialEq for Name<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Name<'_> {}

    impl Hash for Name<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn a_member_that_is_there_twice_costs_no_comparison_of_all_with_all() {
        const MANY: usize = 4_000;
        let compared = Cell::new(0);
        let members = |last: &'static str| {
            let named = (0..MANY).map(|name| (Name(name, &compared), "1"));
            named.chain([(Name(7, &compared), last)]).collect::<Vec<_>>()
        };
        let kept = settled(members("1")).map_err(|name| name.0).unwrap();
        assert!(kept.iter().map(|(name, _)| name.0).eq(0..MANY), "each once, in order");
        assert_eq!(settled(members("2")).err().map(|name| name.0), Some(7));
        assert!(compared.get() < 10 * MANY, "{} comparisons", compared.get());
    }
}
