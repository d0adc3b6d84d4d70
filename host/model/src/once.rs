//! JSON in which no object has a member twice. A parser keeps the last one without a word; whoever wrote it meant both, or knows
//! of one only.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

use crate::limits::step;

/// Reads a JSON text, and says where a member stands that is there for the second time.
///
/// # Errors
///
/// Where the text is not JSON.
pub fn from_slice(text: &[u8]) -> Result<(Value, Option<String>), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let (mut path, mut repeated) = (Vec::new(), None);
    let value = Reader { path: &mut path, repeated: &mut repeated }.deserialize(&mut reader)?;
    reader.end().map(|()| (value, repeated))
}

struct Reader<'a> {
    /// Where it is.
    path: &'a mut Vec<String>,
    /// The pointer of the first one.
    repeated: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.path.push(list.len().to_string());
            let item = items.next_element_seed(Reader { path: self.path, repeated: self.repeated });
            self.path.pop();
            match item? {
                Some(item) => list.push(item),
                None => return Ok(list.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.path.push(name.clone());
            if self.repeated.is_none() && object.contains_key(&name) {
                *self.repeated = Some(self.path.iter().fold(String::new(), |pointer, name| step(&pointer, name)));
            }
            let value = members.next_value_seed(Reader { path: self.path, repeated: self.repeated });
            self.path.pop();
            object.insert(name, value?);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::from_slice;
    use serde_json::Value;

    #[test]
    fn what_is_read_is_what_any_parser_reads_and_a_member_twice_is_pointed_at() {
        for (text, repeated) in [
            (r#"{"a": 1, "b": [1, -2, 2.5, 1e300, 18446744073709551615, null, true, "\u00e9", {"a": {}}]}"#, None),
            (" 7 ", None),
            (r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}"#, None),
            (r#"{"a": 1, "a": 2}"#, Some("/a")),
            (r#"{"x": [0, {"y/z": {"b": 1, "c": 1, "b": 2, "c": 2}}]}"#, Some("/x/1/y~1z/b")),
            (r#"{"a": 1, "\u0061": 1}"#, Some("/a")),
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(from_slice(text.as_bytes()).unwrap(), (plain, repeated.map(str::to_owned)), "{text}");
        }
        let deep = "[".repeat(10_000);
        for text in ["{", "{} {}", "", "1e999", r#"{"a": "\ud800"}"#, &deep] {
            let said = serde_json::from_str::<Value>(text).unwrap_err().to_string();
            assert_eq!(from_slice(text.as_bytes()).unwrap_err().to_string(), said, "{text}");
        }
    }
}
