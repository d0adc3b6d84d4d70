//! A line of JSON as it is written, or not at all: no member twice, no number that a number does not keep. What a parser would
//! change without a word is refused.
//!
//! A number is kept if it is a whole number of 64 bits, or if the shortest text of the double that it becomes has the same
//! value: `29.330` is, `0.12345678901234567890` and `1e400` are not.

use openhub_model::fault;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::fmt;

/// What a line nests at most, as the parser has it.
const DEPTH: usize = 128;

/// The value of a line, or the code and the text of what is wrong.
pub fn read(line: &str) -> Result<Value, (&'static str, String)> {
    let whole: &RawValue = serde_json::from_str(line).map_err(no_json)?;
    value(whole.get(), DEPTH)
}

/// The number that a text of JSON is, if it is kept as it is written.
pub fn number(text: &str) -> Option<Number> {
    if text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
        let below_zero = || text.parse::<i64>().ok().map(Number::from);
        return text.parse::<u64>().ok().map(Number::from).or_else(below_zero);
    }
    let double: f64 = text.parse().ok()?;
    let kept = Number::from_f64(double)?;
    (decimal(text)? == decimal(&format!("{double:e}"))?).then_some(kept)
}

fn value(raw: &str, depth: usize) -> Result<Value, (&'static str, String)> {
    if depth == 0 {
        return Err(("invalid-json", format!("the line is too deep: at most {DEPTH} levels")));
    }
    Ok(match raw.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(raw).map_err(no_json)?;
            let mut object = Map::with_capacity(members.len());
            for (name, raw) in members {
                if object.contains_key(&name) {
                    return Err(("repeated-field", format!("`{name}` is there twice")));
                }
                object.insert(name, value(raw.get(), depth - 1)?);
            }
            Value::Object(object)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(no_json)?;
            items.into_iter().map(|raw| value(raw.get(), depth - 1)).collect::<Result<_, _>>()?
        }
        Some(b'-' | b'0'..=b'9') => Value::Number(number(raw).ok_or_else(|| {
            let message =
                format!("the number {raw} has more digits than a number keeps: write it as a text, in quotes");
            ("wrong-type", message)
        })?),
        _ => serde_json::from_str(raw).map_err(no_json)?,
    })
}

fn no_json(error: serde_json::Error) -> (&'static str, String) {
    // It is a line by itself.
    let told = fault::syntax(&error).replace(" at line 1 column ", " at column ");
    ("invalid-json", told.trim_end_matches('.').to_owned())
}

/// A number's sign, its digits without zeros at either end, and the power of ten of the last of them.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{}{decimals}", whole.trim_start_matches('-'));
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let last = exponent.checked_sub(i64::try_from(decimals.len()).ok()?)?;
    let last = last.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
    Some((mantissa.starts_with('-'), significant.trim_start_matches('0').to_owned(), last))
}

/// The members of an object in their order, also those of one name.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(All).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_changed_is_refused() {
        for line in [
            r#"{"a": 9223372036854775807, "b": 18446744073709551615, "c": -1.5e300, "d": {"a": [1, {"a": 2}]}}"#,
            r#"{"a": "12345678901234567890123", "b": "\\\"12345678901234567890123", "c": "é\n", "d": [null, true]}"#,
            r#"{"a": -9223372036854775808, "b": [], "c": {}}"#,
            " 7 ",
        ] {
            assert_eq!(read(line).unwrap(), serde_json::from_str::<Value>(line).unwrap(), "{line}");
        }
        for (line, code, told) in [
            (r#"{"id": 12345678901234567890123}"#, "wrong-type", "12345678901234567890123"),
            (r#"{"id": "x", "list": [-9223372036854775809]}"#, "wrong-type", "-9223372036854775809"),
            (r#"{"userId": "j7", "event": "J", "userId": "j8"}"#, "repeated-field", "`userId` is there twice"),
            (r#"{"properties": {"a": 1, "b": 2, "a": 1}}"#, "repeated-field", "`a` is there twice"),
            (r#"{"a": "\ud800"}"#, "invalid-json", ""),
            ("{", "invalid-json", ""),
            ("{} {}", "invalid-json", ""),
            ("", "invalid-json", ""),
        ] {
            let (found, message) = read(line).unwrap_err();
            assert!(found == code && message.contains(told), "{line}: {found} {message}");
        }
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(read(&deep).unwrap_err().0, "invalid-json");
    }

    #[test]
    fn a_number_that_a_double_does_not_keep_is_refused() {
        for kept in [
            "29.330",
            "0.1",
            "-0.5",
            "1e3",
            "1E+2",
            "0.0",
            "0e9",
            "-0.0",
            "1.5e300",
            "5e-324",
            "0.30000000000000004",
            "1.7976931348623157e308",
            "2.220446049250313e-16",
            "100000000000000000000.0",
            "1e22",
            "123456789012345.60",
        ] {
            let read = read(kept).unwrap_or_else(|fault| panic!("{kept}: {fault:?}"));
            assert_eq!(read.as_f64().unwrap(), kept.parse::<f64>().unwrap(), "{kept}");
        }
        for lost in [
            "0.12345678901234567890",
            "12345678901234567890.5",
            "1e400",
            "-1e400",
            "1e-400",
            "9007199254740993.0",
            "0.1000000000000000055511151231257827",
            "1e99999999999999999999",
            "3e-324",
        ] {
            let (code, message) = read(&format!("{{\"properties\": {{\"x\": {lost}}}}}")).expect_err(lost);
            assert!(code == "wrong-type" && message.contains(lost), "{lost}: {code} {message}");
        }
    }
}
