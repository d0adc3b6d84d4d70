//! Whether a line of JSON is read as it is written: no member twice, no whole number of more digits than a number keeps. What a
//! parser would change without a word is refused.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// The code and the text of what is wrong.
pub fn check(line: &str) -> Result<(), (&'static str, String)> {
    if let Some(number) =
        whole_numbers(line).find(|number| number.parse::<i64>().is_err() && number.parse::<u64>().is_err())
    {
        let message = format!("the number {number} has more digits than a number keeps: write it as a text, in quotes");
        return Err(("wrong-type", message));
    }
    let mut parser = serde_json::Deserializer::from_str(line);
    match Once.deserialize(&mut parser) {
        // What is no JSON is told by who reads it.
        Err(error) if error.is_data() => Err(("repeated-field", error.to_string())),
        _ => Ok(()),
    }
}

/// The whole numbers of a text of JSON, outside of its strings.
fn whole_numbers(line: &str) -> impl Iterator<Item = &str> {
    let mut in_text = false;
    let mut escaped = false;
    line.split(move |character: char| {
        if in_text {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            in_text = !ends;
            return true;
        }
        in_text = character == '"';
        !(character.is_ascii_digit() || "-+.eE".contains(character))
    })
    .filter(|token| token.len() > 15 && token.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()))
}

/// Any value, whose objects name each member once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Once)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Once)?;
            if let Some(twice) = seen.replace(name) {
                return Err(A::Error::custom(format!("`{twice}` is there twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_changed_is_refused() {
        for line in [
            r#"{"a": 9223372036854775807, "b": 18446744073709551615, "c": -1.5e300, "d": {"a": [1, {"a": 2}]}}"#,
            r#"{"a": "12345678901234567890123", "b": "\\\"12345678901234567890123"}"#,
            "{",
        ] {
            assert_eq!(check(line), Ok(()), "{line}");
        }
        for (line, code, told) in [
            (r#"{"id": 12345678901234567890123}"#, "wrong-type", "12345678901234567890123"),
            (r#"{"id": "x", "list": [-9223372036854775809]}"#, "wrong-type", "-9223372036854775809"),
            (r#"{"userId": "j7", "event": "J", "userId": "j8"}"#, "repeated-field", "`userId` is there twice"),
            (r#"{"properties": {"a": 1, "b": 2, "a": 1}}"#, "repeated-field", "`a` is there twice"),
        ] {
            let (found, message) = check(line).unwrap_err();
            assert!(found == code && message.contains(told), "{line}: {found} {message}");
        }
    }
}
