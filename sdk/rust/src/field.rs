//! Values of a record's fields, to and from JSON.

pub use serde_json::{Map, Value};

use crate::decimal::Decimal;
use crate::time::Timestamp;

/// A customer, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CustomerRef(pub String);

/// A field's type. An `Option` is a field that may be absent.
pub trait Field: Sized {
    /// None if the JSON is no such value.
    fn of(value: &Value) -> Option<Self>;
    /// Null for an absent one.
    fn json(&self) -> Value;
    /// Appends the value as JSON; never called on an absent one.
    fn write(&self, out: &mut String) {
        out.push_str(&self.json().to_string());
    }
    fn is_absent(&self) -> bool {
        false
    }
    /// What a record without this field holds, if it may lack it.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Field> Field for Option<T> {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::of(value).map(Some),
        }
    }

    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::json)
    }

    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }

    fn is_absent(&self) -> bool {
        self.as_ref().is_none_or(T::is_absent)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Several values. None of them is an absent field.
impl<T: Field> Field for Vec<T> {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Vec::new()),
            value => value.as_array()?.iter().map(T::of).collect(),
        }
    }

    fn json(&self) -> Value {
        if self.is_empty() { Value::Null } else { self.iter().map(T::json).collect() }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

macro_rules! fields {
    ($($type:ty, |$value:ident| $read:expr, |$field:ident| $json:expr, |$out:ident| $write:expr;)+) => {$(
        impl Field for $type {
            fn of($value: &Value) -> Option<Self> {
                $read
            }

            fn json(&self) -> Value {
                let $field = self;
                Value::from($json)
            }

            fn write(&self, $out: &mut String) {
                let $field = self;
                $write
            }
        }
    )+};
}

fields! {
    bool, |value| value.as_bool(), |field| *field, |out| out.push_str(if *field { "true" } else { "false" });
    i64, |value| value.as_i64(), |field| *field, |out| write_integer(out, *field);
    f64, |value| value.as_f64(), |field| *field, |out| out.push_str(&Value::from(*field).to_string());
    String, |value| value.as_str().map(str::to_owned), |field| field.as_str(), |out| write_text(out, field);
    Timestamp, |value| value.as_str().and_then(Timestamp::parse), |field| field.to_string(),
        |out| write_text(out, &field.to_string());
    CustomerRef, |value| value.as_str().map(|id| CustomerRef(id.to_owned())), |field| field.0.as_str(),
        |out| write_text(out, &field.0);
}

/// Appends an integer in decimal. Formatting through `core::fmt` costs a guest ten times as much.
pub fn write_integer(out: &mut String, value: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Appends a text as a JSON string (RFC 8259, section 7).
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => {
                out.push_str("\\u00");
                for nibble in [control >> 4, control & 15] {
                    out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
                }
            }
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

/// Read from a number or a text, and written as a number, which conditions add up and compare: exact for up to 15 digits.
impl<const SCALE: u32> Field for Decimal<SCALE> {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Decimal::parse(&number.to_string()),
            Value::String(text) => Decimal::parse(text),
            _ => None,
        }
    }

    fn json(&self) -> Value {
        self.to_string().parse().map_or(Value::Null, Value::Number)
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_serde_json_reads() {
        for text in ["", "gold", "\"\\\n\r\t\u{1}\u{1f}", "订单/é\u{7f}"] {
            let mut out = String::new();
            write_text(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text, "{out}");
        }
        for number in [0, 7, -7, 10, 1_234_567_890, i64::MAX, i64::MIN] {
            let mut out = String::new();
            write_integer(&mut out, number);
            assert_eq!(out, number.to_string());
        }
        let mut out = String::new();
        (Some(-3.5_f64), Some(true)).0.write(&mut out);
        assert_eq!(out, "-3.5");
    }
}
