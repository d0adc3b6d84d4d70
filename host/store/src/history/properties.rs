//! What conditions ask of an event's properties: from the event's body, or as it was kept beside the customer's other events
//! when the engine passed it, so that the bodies, which lie in the log's order, need not be read.
//!
//! Kept are the properties that conditions asked for at that time, each as a list: of its value, or of nothing if the event
//! has no such property: `{"total": [29.33], "coupon": []}`. What is not among them is read from the body.

use std::borrow::Cow;
use std::collections::BTreeSet;

use openhub_model::condition::EventNeed;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Value};

use crate::database::bulk::{into_text, write_text};

/// A longer value stays in the body alone, in bytes.
const LONG: usize = 128;

/// What to keep of an event about which this is asked; nothing if no property is.
pub fn kept(need: &EventNeed, properties: &Value) -> Option<String> {
    let mut text = String::new();
    for name in &need.properties {
        let value = match properties.get(name) {
            Some(value) => value.to_string(),
            None => String::new(),
        };
        // A number is kept if it is read again as it is: the shortest text of some is not.
        let same = |value: &Value, text: &str| serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value);
        if value.len() > LONG || properties.get(name).is_some_and(|original| !same(original, &value)) {
            continue;
        }
        text.push(if text.is_empty() { '{' } else { ',' });
        let mut key = Vec::with_capacity(name.len() + 2);
        write_text(&mut key, name);
        text.push_str(&String::from_utf8_lossy(&key));
        text.extend([":[", &value, "]"]);
    }
    (!text.is_empty()).then(|| text + "}")
}

/// What a commit keeps of its events, as a list of texts: the first of them for the event at `first` and one for
/// each position from there on, `null` where nothing is. A flat list, since a statement that reads fields of JSON calls functions,
/// for which SQLite copies each page that the statement changes.
pub(crate) struct Kept {
    pub(crate) first: i64,
    pub(crate) list: String,
}

impl Kept {
    /// `kept` is sorted by position.
    pub(crate) fn of(kept: &[(i64, String)]) -> Kept {
        let first = kept.first().map_or(0, |(first, _)| *first);
        let mut list = Vec::from(b"[");
        let mut next = first;
        for (position, text) in kept {
            list.extend(std::iter::repeat_n(&b"null,"[..], usize::try_from(position - next).unwrap_or(0)).flatten());
            write_text(&mut list, text);
            list.push(b',');
            next = position + 1;
        }
        // In place of the last comma.
        list.truncate(list.len().max(2) - 1);
        list.push(b']');
        Kept { first, list: into_text(list) }
    }
}

/// Those that are asked about, of what was kept; `None` if one of them was not, and `null` if the event has none of them.
pub(crate) fn of_kept(kept: &str, asked: &BTreeSet<String>) -> Option<Value> {
    let mut kept: Map<String, Value> = serde_json::from_str(kept).ok()?;
    let mut found = Map::with_capacity(asked.len());
    for name in asked {
        let Value::Array(mut value) = kept.get_mut(name)?.take() else { return None };
        if let Some(value) = value.pop() {
            found.insert(name.clone(), value);
        }
    }
    Some(object(found))
}

/// Those that are asked about, of an event's body; `null` if it has none of them.
pub(crate) fn of_body(body: &str, asked: &BTreeSet<String>) -> Value {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        properties: Option<&'a RawValue>,
    }
    let body = serde_json::from_str::<Body<'_>>(body).ok().and_then(|body| body.properties);
    let read = body.and_then(|properties| Asked(asked).deserialize(&mut Deserializer::from_str(properties.get())).ok());
    read.map_or(Value::Null, object)
}

fn object(found: Map<String, Value>) -> Value {
    if found.is_empty() { Value::Null } else { Value::Object(found) }
}

/// Reads an object's fields of these names and passes over the others.
struct Asked<'a>(&'a BTreeSet<String>);

impl<'de> DeserializeSeed<'de> for Asked<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Asked<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut asked = Map::with_capacity(self.0.len());
        while let Some(name) = fields.next_key::<Cow<'_, str>>()? {
            match self.0.contains(&*name) {
                true => drop(asked.insert(name.into_owned(), fields.next_value()?)),
                false => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn need(properties: &[&str]) -> EventNeed {
        EventNeed { window: None, properties: names(properties) }
    }

    #[test]
    fn what_is_kept_is_what_the_body_says() {
        let all = ["total", "paid", "\"quoted\"", "items", "nothing"];
        let said = json!({"total": 0.1, "paid": null, "\"quoted\"": "a\nb", "items": [1, {"sku": "x"}], "note": "no"});
        let text = kept(&need(&all), &said).expect("properties are asked");
        let body = json!({"properties": said}).to_string();
        for asked in [&all[..], &all[..1], &["nothing"], &["items", "paid"]] {
            let asked = names(asked);
            assert_eq!(of_kept(&text, &asked), Some(of_body(&body, &asked)), "{asked:?} of {text}");
        }
        assert!(!text.contains("note"));
    }

    #[test]
    fn a_list_has_a_place_for_each_position() {
        let list = |kept: &[(i64, &str)]| {
            let kept: Vec<_> = kept.iter().map(|(position, text)| (*position, (*text).to_owned())).collect();
            let Kept { first, list } = Kept::of(&kept);
            (first, list)
        };
        assert_eq!(list(&[]), (0, "[]".to_owned()));
        assert_eq!(list(&[(7, "{}")]), (7, r#"["{}"]"#.to_owned()));
        assert_eq!(list(&[(7, "a"), (8, "b"), (11, "c")]), (7, r#"["a","b",null,null,"c"]"#.to_owned()));
    }

    #[test]
    fn what_was_not_asked_or_is_long_is_left_to_the_body() {
        let text =
            kept(&need(&["long", "total"]), &json!({"total": 5, "long": "x".repeat(LONG)})).expect("one is kept");
        assert_eq!(of_kept(&text, &names(&["total"])), Some(json!({"total": 5})));
        assert_eq!(of_kept(&text, &names(&["long", "total"])), None);
        assert_eq!(of_kept(&text, &names(&["coupon"])), None);
        assert_eq!(kept(&need(&[]), &json!({"total": 5})), None);
    }
}
