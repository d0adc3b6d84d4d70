//! What a value of a declared field must be: the one check for objects, whoever declares their type and by whichever door they
//! come.

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::fault::there_are;
use crate::id::PartId;
use crate::limits::{self, step};
use crate::manifest::{Field, OnDelete, Type};
use crate::time::Timestamp;
use crate::{Fault, condition, decimal};

/// Values of a list whose field sets no bound, and of any list.
pub const ITEMS: usize = 1_000;

impl Type {
    /// Whether a JSON value has this type.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Type::Boolean => value.is_boolean(),
            Type::Integer => value.is_i64(),
            Type::Number => value.is_number(),
            Type::Text => value.is_string(),
            Type::Timestamp => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
            Type::Decimal(scale) => decimal::from_json(value, *scale).is_some(),
            Type::Enum(values) => value.as_str().is_some_and(|text| values.iter().any(|known| known == text)),
            Type::Customer => value.as_str().is_some_and(|text| text.parse::<PartId>().is_ok()),
            Type::Object(_) => value.as_str().is_some_and(|key| (1..=limits::OBJECT_KEY).contains(&key.len())),
        }
    }

    /// The order of two values that have this type; none if it has no order.
    pub fn order(&self, left: &Value, right: &Value) -> Option<Ordering> {
        match self {
            Type::Integer | Type::Number => condition::order(left, right),
            Type::Decimal(scale) => Some(decimal::from_json(left, *scale)?.cmp(&decimal::from_json(right, *scale)?)),
            Type::Timestamp => {
                let instant = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
                Some(instant(left)?.cmp(&instant(right)?))
            }
            _ => None,
        }
    }
}

impl Type {
    /// The one form in which a value of this type is kept, so that it is compared alike by whatever door it came: a decimal is a
    /// number. None if it has that form already, or a number could not hold it exactly.
    pub fn normal(&self, value: &Value) -> Option<Value> {
        let Type::Decimal(scale) = self else { return None };
        let units = decimal::from_json(value, *scale)?;
        let number = decimal::to_json(units, *scale);
        (number != *value && decimal::from_json(&number, *scale) == Some(units)).then_some(number)
    }
}

impl Field {
    /// One that takes any value of its type.
    pub fn new(name: impl Into<String>, of: Type) -> Field {
        Field {
            name: name.into(),
            of,
            required: false,
            unique: false,
            label: BTreeMap::new(),
            default: None,
            list: false,
            html: false,
            min: None,
            max: None,
            min_length: None,
            max_length: None,
            max_items: None,
            on_delete: OnDelete::Refuse,
        }
    }

    /// What a value must be, as messages say it.
    pub fn in_words(&self) -> String {
        match self.list {
            true => format!("an array, of which each value is {}", self.of.in_words()),
            false => self.of.in_words(),
        }
    }

    /// The object type that it leads to.
    pub fn relation(&self) -> Option<&str> {
        match &self.of {
            Type::Object(kind) => Some(kind),
            _ => None,
        }
    }

    /// All that is wrong with a value that is there, which stands at `pointer`.
    pub fn faults(&self, value: &Value, pointer: &str) -> Vec<Fault> {
        if !self.list {
            return self.fault(value, pointer).into_iter().collect();
        }
        let Some(items) = value.as_array() else {
            return vec![Fault::new(pointer, "wrong-type", format!("`{}` must be {}.", self.name, self.in_words()))];
        };
        let most = self.max_items.unwrap_or(ITEMS);
        if items.len() > most {
            let message = format!("`{}` has {} values: at most {most}.", self.name, items.len());
            return vec![Fault::new(pointer, "too-many-values", message)];
        }
        let items = items.iter().enumerate();
        items.filter_map(|(index, item)| self.fault(item, &step(pointer, &index.to_string()))).collect()
    }

    fn fault(&self, value: &Value, pointer: &str) -> Option<Fault> {
        let name = &self.name;
        let fault = |code: &str, message: String| Some(Fault::new(pointer, code, message));
        if !self.of.holds(value) {
            return fault("wrong-type", format!("`{name}` must be {}.", self.of.in_words()));
        }
        let order = |bound: &Option<Value>| self.of.order(value, bound.as_ref()?);
        if let (Some(Ordering::Less), Some(min)) = (order(&self.min), &self.min) {
            return fault("too-small", format!("`{name}` is too small: at least {}.", shown(min)));
        }
        if let (Some(Ordering::Greater), Some(max)) = (order(&self.max), &self.max) {
            return fault("too-great", format!("`{name}` is too great: at most {}.", shown(max)));
        }
        let text = value.as_str()?;
        let length = if self.min_length.or(self.max_length).is_some() { text.chars().count() } else { 0 };
        if let Some(least) = self.min_length.filter(|least| length < *least) {
            return fault("too-short", format!("`{name}` is too short: at least {least} characters."));
        }
        if let Some(most) = self.max_length.filter(|most| length > *most) {
            return fault(limits::TOO_LONG, format!("`{name}` is too long: at most {most} characters."));
        }
        if self.unique { limits::length(text, limits::UNIQUE, || pointer.to_owned()).err() } else { None }
    }
}

/// A bound as a message shows it.
fn shown(bound: &Value) -> String {
    bound.as_str().map_or_else(|| bound.to_string(), str::to_owned)
}

/// All that is wrong with a record of these fields; `what` says what has them: "the object type `coupon`".
pub fn faults(fields: &[Field], record: &Map<String, Value>, what: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for field in fields {
        let at = step("", &field.name);
        match record.get(&field.name).filter(|value| !value.is_null()) {
            None if field.required => {
                faults.push(Fault::new(at, "required", format!("`{}` is required: set it.", field.name)));
            }
            None => {}
            Some(value) => faults.extend(field.faults(value, &at)),
        }
    }
    faults.extend(unknown(fields, record, what));
    faults
}

/// A fault at each member that is no field. A `null` takes a field away, and may name one that is gone.
pub fn unknown(fields: &[Field], record: &Map<String, Value>, what: &str) -> Vec<Fault> {
    let is_unknown = |name: &String| fields.iter().all(|field| field.name != *name);
    let unknown = record.iter().filter(|(name, value)| !value.is_null() && is_unknown(name));
    let fault = |(name, _): (&String, &Value)| {
        let known = there_are(fields.iter().map(|field| &field.name));
        Fault::new(step("", name), "unknown-field", format!("{what} has no field `{name}`. {known}"))
    };
    unknown.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn codes(field: &Field, value: Value) -> Vec<(String, String)> {
        field.faults(&value, "/f").into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn bounds_hold_for_each_type_that_has_an_order() {
        let bounded =
            |of: Type, min: Value, max: Value| Field { min: Some(min), max: Some(max), ..Field::new("f", of) };
        let integer = bounded(Type::Integer, json!(1), json!(10));
        let decimal = bounded(Type::Decimal(2), json!("0.10"), json!(9.5));
        let time = bounded(Type::Timestamp, json!("2026-01-01T00:00:00Z"), json!("2026-12-31T00:00:00+08:00"));
        for (field, below, within, above) in [
            (integer, json!(0), json!(10), json!(11)),
            (decimal, json!("0.09"), json!("9.50"), json!(9.51)),
            (time, json!("2025-12-31T23:59:59Z"), json!("2026-12-30T16:00:00Z"), json!("2026-12-30T16:00:01Z")),
        ] {
            assert_eq!(codes(&field, within), []);
            assert_eq!(codes(&field, below), [("/f".into(), "too-small".into())]);
            assert_eq!(codes(&field, above), [("/f".into(), "too-great".into())]);
        }
    }

    #[test]
    fn a_text_is_counted_in_characters() {
        let field = Field { min_length: Some(2), max_length: Some(3), ..Field::new("f", Type::Text) };
        assert_eq!(codes(&field, json!("优惠券")), []);
        assert_eq!(codes(&field, json!("券")), [("/f".into(), "too-short".into())]);
        assert_eq!(codes(&field, json!("abcd")), [("/f".into(), limits::TOO_LONG.into())]);
    }

    #[test]
    fn each_value_of_a_list_is_pointed_at() {
        let field = Field { list: true, max_items: Some(3), max: Some(json!(5)), ..Field::new("f", Type::Integer) };
        assert_eq!(codes(&field, json!([1, 2, 5])), []);
        let found = codes(&field, json!([1, "x", 6]));
        assert_eq!(found, [("/f/1".into(), "wrong-type".into()), ("/f/2".into(), "too-great".into())]);
        assert_eq!(codes(&field, json!([1, 2, 3, 4])), [("/f".into(), "too-many-values".into())]);
        assert_eq!(codes(&field, json!(1)), [("/f".into(), "wrong-type".into())]);
    }
}
