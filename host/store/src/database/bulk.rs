//! Rows on their way into a bulk statement: a JSON array of arrays, written straight to text.
//!
//! PostgreSQL stores no U+0000, so it becomes U+FFFD here, on both databases alike.

use serde::Serialize;
use serde_json::Value;
use std::fmt::Display;
use std::io::Write;

use openhub_model::{Id, Timestamp};

/// So many rows tell how long a row is.
const FIRST: u64 = 50;

pub(crate) struct Rows {
    json: Vec<u8>,
    count: u64,
}

impl Rows {
    pub(crate) fn new() -> Rows {
        Rows { json: Vec::from(b"["), count: 0 }
    }

    /// The array of all `items`, each written by `write`; `None` if there are none, so that no statement is needed.
    pub(crate) fn of<T>(items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Row<'_>, T)) -> Option<Bulk> {
        let mut rows = Rows::new();
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            rows.add(|row| write(row, item));
            if rows.count == FIRST {
                // The rest is about as long: megabytes are not moved again and again while they grow.
                let each = rows.json.len() / FIRST as usize;
                rows.json.reserve(items.size_hint().0 * (each + each / 8));
            }
        }
        rows.finish()
    }

    pub(crate) fn add(&mut self, write: impl FnOnce(&mut Row<'_>)) {
        self.json.extend_from_slice(if self.count == 0 { b"[" } else { b",[" });
        self.count += 1;
        write(&mut Row { json: &mut self.json, first: true });
        self.json.push(b']');
    }

    pub(crate) fn finish(mut self) -> Option<Bulk> {
        self.json.push(b']');
        (self.count > 0).then(|| Bulk { json: into_text(self.json), count: self.count })
    }
}

/// A finished array and how many rows it has.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub(crate) json: String,
    pub(crate) count: u64,
}

/// A flat JSON array of texts, for `IN (SELECT atom FROM json_each($n))`.
pub(crate) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut json = Vec::from(b"[");
    for item in items {
        if json.len() > 1 {
            json.push(b',');
        }
        write_text(&mut json, &item.to_string());
    }
    json.push(b']');
    into_text(json)
}

pub(crate) struct Row<'a> {
    json: &'a mut Vec<u8>,
    first: bool,
}

impl Row<'_> {
    fn next(&mut self) -> &mut Vec<u8> {
        if !self.first {
            self.json.push(b',');
        }
        self.first = false;
        self.json
    }

    pub(crate) fn int(&mut self, value: i64) -> &mut Self {
        write_display(self.next(), value);
        self
    }

    pub(crate) fn maybe_int(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.int(value),
            None => self.null(),
        }
    }

    pub(crate) fn time(&mut self, value: Timestamp) -> &mut Self {
        self.int(value.micros())
    }

    pub(crate) fn maybe_time(&mut self, value: Option<Timestamp>) -> &mut Self {
        match value {
            Some(value) => self.time(value),
            None => self.null(),
        }
    }

    pub(crate) fn id(&mut self, value: Id) -> &mut Self {
        let json = self.next();
        json.push(b'"');
        write_display(json, value);
        json.push(b'"');
        self
    }

    pub(crate) fn maybe_id(&mut self, value: Option<Id>) -> &mut Self {
        match value {
            Some(value) => self.id(value),
            None => self.null(),
        }
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        write_text(self.next(), value);
        self
    }

    pub(crate) fn maybe_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A nested JSON value, written by the caller.
    pub(crate) fn json(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        write(self.next());
        self
    }

    pub(crate) fn value(&mut self, value: &Value) -> &mut Self {
        self.json(|json| write_value(json, value))
    }

    fn null(&mut self) -> &mut Self {
        self.next().extend_from_slice(b"null");
        self
    }
}

pub(crate) fn write_display(json: &mut Vec<u8>, value: impl Display) {
    write!(json, "{value}").expect("writing to memory does not fail");
}

pub(crate) fn write_text(json: &mut Vec<u8>, value: &str) {
    if value.as_bytes().contains(&0) {
        serialize(json, &value.replace('\0', "\u{FFFD}"));
    } else {
        serialize(json, value);
    }
}

pub(crate) fn write_value(json: &mut Vec<u8>, value: &Value) {
    let start = json.len();
    serialize(json, value);
    if json[start..].windows(6).any(|window| window == b"\\u0000") {
        json.truncate(start);
        serialize(json, &without_nul(value));
    }
}

/// A JSON value as it is stored in a column of its own.
pub(crate) fn json_text(value: &Value) -> String {
    let mut json = Vec::new();
    write_value(&mut json, value);
    into_text(json)
}

fn without_nul(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "\u{FFFD}")),
        Value::Array(items) => items.iter().map(without_nul).collect(),
        Value::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| (name.replace('\0', "\u{FFFD}"), without_nul(value))).collect(),
        ),
        other => other.clone(),
    }
}

fn serialize<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(json, value).expect("texts and JSON values serialise, and memory takes them");
}

pub(crate) fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("all parts were written as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_arrays_of_arrays_without_nul() {
        let bulk = Rows::of([("a\"b\0", 1), ("c", -2)], |row, (text, number)| {
            row.text(text).int(number).maybe_text(None).value(&json!({"k\0": ["\0", "\\u0000"]}));
        })
        .expect("two rows");
        assert_eq!(bulk.count, 2);
        let read: Value = serde_json::from_str(&bulk.json).expect("it is JSON");
        let nested = json!({"k\u{FFFD}": ["\u{FFFD}", "\\u0000"]});
        assert_eq!(read, json!([["a\"b\u{FFFD}", 1, null, nested], ["c", -2, null, nested]]));
        assert!(
            Rows::of(Vec::<i64>::new(), |row, number| {
                row.int(number);
            })
            .is_none()
        );
        assert_eq!(list(["x", "y\""]), r#"["x","y\""]"#);
    }
}
