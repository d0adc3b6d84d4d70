//! All places where a document does not have its form, at once. A reader stops at the first place that does not fit: whoever wrote
//! five mistakes would hear of them one by one. So each place is told, given a stand-in that fits, and the document is read again.
//!
//! A stand-in hides no other fault and makes none: what is wrong at its place, or below, is not told a second time.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use serde_path_to_error::Segment;
use std::collections::HashMap;

use crate::limits;
use crate::strict::Strict;

/// Places that are told at most.
pub const TOLD: usize = 20;
/// Times that a document is read at most. A large one is read fewer times: see [`tries`].
const TRIES: usize = 200;
/// Bytes that are read for the faults of one document, about.
const BYTES: usize = 4 << 20;

/// A place that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// A JSON pointer to the innermost value that was being read.
    pub pointer: String,
    /// The same with the name of the field behind it, where that is unknown or missing.
    pub place: String,
    /// What serde says.
    pub said: String,
}

/// What was read.
#[derive(Debug)]
pub struct Read<T> {
    /// The document: with stand-ins where there are misfits. None if no stand-in fits.
    pub value: Option<T>,
    pub misfits: Vec<Misfit>,
    /// Where stand-ins are.
    stand_ins: Vec<String>,
}

impl<T> Read<T> {
    /// Whether what is at a place was written there, and everything beside it, too: only then is its meaning worth a word.
    pub fn is_as_written(&self, place: &str) -> bool {
        let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
        let beside = |stand_in: &str| stand_in.rsplit_once('/').is_some_and(|(of, _)| of == parent);
        !self.stand_ins.iter().any(|stand_in| is_within(place, stand_in) || beside(stand_in))
    }
}

/// Reads a document whose structs are objects.
pub fn read<T: DeserializeOwned>(value: &Value) -> Read<T> {
    let mut misfits = Vec::new();
    let first = match attempt(value) {
        Ok(read) => return Read { value: Some(read), misfits, stand_ins: Vec::new() },
        Err(misfit) => misfit,
    };
    let mut repair = Repair { value: value.clone(), tried: HashMap::new(), last: None };
    let mut next = Some(first);
    let mut tries = tries(value);
    let read = loop {
        let misfit = match next.take() {
            Some(misfit) => misfit,
            None => match attempt(&repair.value) {
                Ok(read) => break Some(read),
                Err(misfit) => repair.blamed(misfit),
            },
        };
        let is_new = !repair.tried.keys().any(|stand_in| is_within(&misfit.place, stand_in));
        if is_new && misfits.len() == TOLD {
            break None;
        }
        tries = tries.saturating_sub(1);
        let is_repaired = tries > 0 && repair.stand_in(&misfit);
        if is_new {
            misfits.push(misfit);
        }
        if !is_repaired {
            break None;
        }
    };
    Read { value: read, misfits, stand_ins: repair.tried.into_keys().collect() }
}

/// How often a document of this size is read at most.
fn tries(value: &Value) -> usize {
    (BYTES / limits::size(value).max(1)).clamp(1, TRIES)
}

/// Whether a place is another one, or lies below it.
fn is_within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn attempt<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    serde_path_to_error::deserialize(Strict(value)).map_err(|error| {
        let pointer = error.path().iter().fold(String::new(), |pointer, segment| match segment {
            Segment::Seq { index } => format!("{pointer}/{index}"),
            Segment::Map { key } => limits::step(&pointer, key),
            Segment::Enum { variant } => limits::step(&pointer, variant),
            Segment::Unknown => pointer,
        });
        let said = error.into_inner().to_string();
        let field = quoted(&said, "missing field `").or_else(|| quoted(&said, "unknown field `"));
        let place = match field {
            // Of an unknown one, serde may have the name in its path.
            Some(field) if !pointer.ends_with(&limits::step("", field)) || said.starts_with("missing") => {
                limits::step(&pointer, field)
            }
            _ => pointer.clone(),
        };
        Misfit { pointer, place, said }
    })
}

/// The name that serde quotes after `prefix`.
pub fn quoted<'a>(said: &'a str, prefix: &str) -> Option<&'a str> {
    said.strip_prefix(prefix)?.split('`').next()
}

/// A document on its way to one that can be read.
struct Repair {
    value: Value,
    /// How many stand-ins each place has had.
    tried: HashMap<String, Tried>,
    /// The place that had the last one.
    last: Option<String>,
}

#[derive(Default)]
struct Tried {
    hints: usize,
    any: usize,
}

impl Repair {
    /// What is wrong around the last stand-in, and was not before, is wrong with the stand-in.
    fn blamed(&self, misfit: Misfit) -> Misfit {
        let last = self.last.as_ref().filter(|last| is_within(last, &misfit.place));
        match last.filter(|_| !self.tried.contains_key(&misfit.place)) {
            Some(last) => Misfit { place: last.clone(), ..misfit },
            None => misfit,
        }
    }

    /// Puts the next stand-in at the place; false if none is left.
    fn stand_in(&mut self, misfit: &Misfit) -> bool {
        let tried = self.tried.entry(misfit.place.clone()).or_default();
        self.last = Some(misfit.place.clone());
        let Some((parent, name)) = misfit.place.rsplit_once('/') else {
            return match stand_in(tried, &misfit.said, self.value.is_object()) {
                Some(stand_in) => {
                    self.value = stand_in;
                    true
                }
                None => false,
            };
        };
        let Some(parent) = self.value.pointer_mut(parent) else { return false };
        match parent {
            Value::Object(fields) => {
                let name = name.replace("~1", "/").replace("~0", "~");
                if fields.contains_key(&name) && tried.any == 0 && tried.hints == 0 {
                    // It may be one that can be left out.
                    tried.any = 1;
                    fields.shift_remove(&name);
                    return true;
                }
                tried.any = tried.any.max(1);
                let was_object = fields.get(&name).is_some_and(Value::is_object);
                stand_in(tried, &misfit.said, was_object).map(|value| fields.insert(name, value)).is_some()
            }
            Value::Array(items) => {
                tried.any = tried.any.max(1);
                let Some(item) = name.parse().ok().and_then(|index: usize| items.get_mut(index)) else { return false };
                stand_in(tried, &misfit.said, item.is_object()).map(|value| *item = value).is_some()
            }
            _ => false,
        }
    }
}

/// A value that may fit: by what serde expects, else one of each form.
fn stand_in(tried: &mut Tried, said: &str, is_object: bool) -> Option<Value> {
    let expected = said.split_once(", expected ").map(|(_, expected)| expected).unwrap_or_default();
    let hint = expected.split('`').nth(1).filter(|_| said.starts_with("unknown variant"));
    if let Some(hint) = hint {
        tried.hints += 1;
        let content = |content: Value| Value::Object(Map::from_iter([(hint.to_owned(), content)]));
        let hints = [content(json!([])), Value::from(hint), content(json!("x")), content(json!({}))];
        let from = if is_object { 0 } else { 1 };
        if let Some(value) = hints.into_iter().cycle().skip(from).take(4).nth(tried.hints - 1) {
            return Some(value);
        }
    }
    tried.any += 1;
    let any = [
        json!("x"),
        json!(1),
        json!("1d"),
        json!("2026-01-01T00:00:00Z"),
        json!(true),
        json!({}),
        json!([]),
        json!({"all": []}),
        Value::Null,
    ];
    any.into_iter().nth(tried.any.saturating_sub(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Condition, Span, Timestamp};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Color {
        Red,
        Blue,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Shop {
        name: String,
        size: u32,
        color: Color,
        opens: Timestamp,
        rest: Option<Span>,
        is_open: bool,
        tags: Vec<String>,
        place: Place,
        visits: Option<Condition>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Place {
        city: String,
        zip: Option<String>,
    }

    fn places(value: &Value) -> Vec<String> {
        let mut places: Vec<String> = read::<Shop>(value).misfits.into_iter().map(|misfit| misfit.place).collect();
        places.sort();
        places
    }

    fn whole() -> Value {
        json!({"name": "a", "size": 3, "color": "red", "opens": "2026-01-31T12:00:00Z", "rest": "1h", "is_open": true,
            "tags": ["x"], "place": {"city": "Rome"}})
    }

    #[test]
    fn what_fits_is_read_and_nothing_is_told() {
        assert_eq!(places(&whole()), Vec::<String>::new());
    }

    #[test]
    fn every_place_is_told_once() {
        let all = json!({"name": 1, "size": "many", "color": "bleu", "opens": "soon", "rest": "1 hour", "is_open": "yes",
            "tags": ["x", 7, {"y": 1}], "place": {"city": [], "street": "a"}, "colour": "red", "a/b": 1,
            "visits": {"all": [{"tags": "vip"}, {"attribute": {"name": "x", "is": "above", "vlue": 1}}, {"tag": 7},
                {"attribute": ["x"]}]}});
        let expected = [
            "/a~1b",
            "/color",
            "/colour",
            "/is_open",
            "/name",
            "/opens",
            "/place/city",
            "/place/street",
            "/rest",
            "/size",
            "/tags/1",
            "/tags/2",
            "/visits/all/0",
            "/visits/all/1/attribute/is",
            "/visits/all/1/attribute/vlue",
            "/visits/all/2/tag",
            "/visits/all/3/attribute",
        ];
        assert_eq!(places(&all), expected);
        assert!(read::<Shop>(&all).value.is_some());
        let missing = ["/color", "/is_open", "/name", "/opens", "/place", "/size", "/tags"];
        assert_eq!(places(&json!({})), missing);
        assert_eq!(places(&json!(7)), [""]);
        let nothing: Vec<Value> = (0..100).map(|number| json!(number)).collect();
        let mut long = whole();
        long["tags"] = json!(nothing);
        assert_eq!(places(&long).len(), TOLD);
    }

    #[test]
    fn each_fault_alone_is_what_serde_says_first() {
        for (pointer, wrong) in
            [("/name", json!(1)), ("/place", json!([])), ("/rest", json!("soon")), ("/tags", json!({}))]
        {
            let mut value = whole();
            *value.pointer_mut(pointer).unwrap() = wrong;
            let said =
                serde_json::from_value::<Shop>(value.clone()).map_or_else(|error| error.to_string(), |_| String::new());
            let told = read::<Shop>(&value).misfits;
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].pointer == pointer && (told[0].said == said || pointer == "/place"), "{told:?} {said}");
        }
    }

    #[test]
    fn what_is_beside_a_stand_in_is_not_judged() {
        let value = json!({"attribute": {"name": "", "is": "above", "value": []}});
        let read = read::<Condition>(&value);
        assert!(!read.is_as_written("/attribute/name") && !read.is_as_written("/attribute/is"));
        assert!(read.is_as_written("/other/name"));
    }

    #[test]
    fn a_large_document_is_read_a_few_times_only() {
        assert_eq!(tries(&json!({})), TRIES);
        assert_eq!(tries(&json!(["x".repeat(1 << 20)])), 3);
        assert_eq!(tries(&json!("x".repeat(32 << 20))), 1);
    }
}
