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

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! fields {
    ($($type:ty, |$value:ident| $read:expr, |$field:ident| $json:expr;)+) => {$(
        impl Field for $type {
            fn of($value: &Value) -> Option<Self> {
                $read
            }

            fn json(&self) -> Value {
                let $field = self;
                Value::from($json)
            }
        }
    )+};
}

fields! {
    bool, |value| value.as_bool(), |field| *field;
    i64, |value| value.as_i64(), |field| *field;
    f64, |value| value.as_f64(), |field| *field;
    String, |value| value.as_str().map(str::to_owned), |field| field.as_str();
    Timestamp, |value| value.as_str().and_then(Timestamp::parse), |field| field.to_string();
    CustomerRef, |value| value.as_str().map(|id| CustomerRef(id.to_owned())), |field| field.0.as_str();
}

/// Read from a number or a text, written as a text, which is exact everywhere.
impl<const SCALE: u32> Field for Decimal<SCALE> {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Decimal::parse(&number.to_string()),
            Value::String(text) => Decimal::parse(text),
            _ => None,
        }
    }

    fn json(&self) -> Value {
        Value::from(self.to_string())
    }
}
