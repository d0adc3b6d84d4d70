//! What another version of a type asks of the objects that there are: nothing if it only widens.

use serde_json::Value;
use std::cmp::Ordering;

use super::Declaration;
use crate::Fault;
use crate::manifest::{Field, Type};

/// Something that an object of the version before may not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// The field that it is about; none if it is about the type.
    pub field: Option<String>,
    /// What it is, and where in the new declaration.
    pub fault: Fault,
}

impl Declaration {
    /// How this version is narrower than the one before, all of it. Empty: each object of the version before is one of this.
    pub fn narrows(&self, before: &Declaration) -> Vec<Narrowing> {
        let mut found = Vec::new();
        let mut narrow = |field: Option<&str>, pointer: String, message: String| {
            let fault = Fault::new(pointer, "narrows", message);
            found.push(Narrowing { field: field.map(str::to_owned), fault });
        };
        for old in &before.fields {
            if self.field(&old.name).is_none() {
                let message = format!("The field `{}` is gone, and objects may have it.", old.name);
                narrow(Some(&old.name), "/fields".to_owned(), message);
            }
        }
        for (index, field) in self.fields.iter().enumerate() {
            let pointer = |member: &str| format!("/fields/{index}/{member}");
            match before.field(&field.name) {
                None if field.required && field.default.is_none() => {
                    let message = format!("`{}` is new and required, and objects lack it.", field.name);
                    narrow(Some(&field.name), pointer("required"), message);
                }
                None => {}
                Some(old) => {
                    for (member, message) in of_field(field, old) {
                        narrow(Some(&field.name), pointer(member), message);
                    }
                }
            }
        }
        if self.owner != before.owner {
            narrow(None, "/owner".to_owned(), "Objects belong to customers by the owner that they had.".to_owned());
        }
        if self.key != before.key {
            narrow(None, "/key".to_owned(), "Objects have the keys that they were created with.".to_owned());
        }
        found
    }
}

fn of_field(new: &Field, old: &Field) -> Vec<(&'static str, String)> {
    let name = &new.name;
    let mut found = Vec::new();
    if let Some(message) = of_type(&new.of, &old.of) {
        return vec![("type", format!("`{name}`: {message}"))];
    }
    if new.list != old.list {
        found.push(("list", format!("`{name}` has one value in objects, or several: it cannot change.")));
    }
    if new.required && !old.required && new.default.is_none() {
        found.push(("required", format!("`{name}` becomes required, and objects may lack it.")));
    }
    if new.unique && !old.unique {
        found.push(("unique", format!("`{name}` becomes unique, and objects may share a value.")));
    }
    let tighter = |new_bound: &Option<Value>, old_bound: &Option<Value>, wrong: Ordering| match (new_bound, old_bound) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(bound), Some(before)) => new.of.order(bound, before).is_none_or(|order| order == wrong),
    };
    if tighter(&new.min, &old.min, Ordering::Greater) {
        found.push(("min", format!("`min` of `{name}` is greater than before.")));
    }
    if tighter(&new.max, &old.max, Ordering::Less) {
        found.push(("max", format!("`max` of `{name}` is smaller than before.")));
    }
    if new.min_length.unwrap_or(0) > old.min_length.unwrap_or(0) {
        found.push(("min_length", format!("`min_length` of `{name}` is greater than before.")));
    }
    if new.max_length.unwrap_or(usize::MAX) < old.max_length.unwrap_or(usize::MAX) {
        found.push(("max_length", format!("`max_length` of `{name}` is smaller than before.")));
    }
    if new.max_items.unwrap_or(usize::MAX) < old.max_items.unwrap_or(usize::MAX) {
        found.push(("max_items", format!("`max_items` of `{name}` is smaller than before.")));
    }
    found
}

/// Why a value of one type may not be of another.
fn of_type(new: &Type, old: &Type) -> Option<String> {
    match (new, old) {
        (new, old) if new == old => None,
        (Type::Number, Type::Integer) => None,
        (Type::Text, Type::Enum(_) | Type::Customer | Type::Timestamp) => None,
        (Type::Decimal(more), Type::Decimal(less)) if more >= less => None,
        (Type::Enum(new), Type::Enum(old)) => {
            let gone: Vec<&str> = old.iter().filter(|value| !new.contains(value)).map(String::as_str).collect();
            (!gone.is_empty()).then(|| format!("objects may have a value that is gone: {}.", gone.join(", ")))
        }
        (new, old) => Some(format!("objects have {}, which may not be {}.", old.in_words(), new.in_words())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(value: Value) -> Declaration {
        serde_json::from_value(value).expect("a declaration")
    }

    fn narrowings(before: Value, after: Value) -> Vec<String> {
        declared(json!({"fields": after}))
            .narrows(&declared(json!({"fields": before})))
            .into_iter()
            .map(|narrowing| narrowing.fault.pointer)
            .collect()
    }

    #[test]
    fn what_widens_needs_nothing() {
        let before = json!([
            {"name": "a", "type": {"enum": ["x", "y"]}, "required": true, "unique": true},
            {"name": "b", "type": "integer", "min": 1, "max": 10},
            {"name": "c", "type": "text", "min_length": 2, "max_length": 5},
            {"name": "d", "type": {"decimal": 1}, "list": true, "max_items": 2},
        ]);
        let after = json!([
            {"name": "a", "type": "text", "label": {"zh": "甲"}},
            {"name": "b", "type": "number", "min": 0.5},
            {"name": "c", "type": "text", "min_length": 1, "max_length": 6, "default": "xx"},
            {"name": "d", "type": {"decimal": 2}, "list": true, "max_items": 3},
            {"name": "e", "type": "text"},
            {"name": "f", "type": "integer", "required": true, "default": 1},
        ]);
        assert_eq!(narrowings(before, after), [""; 0]);
    }

    #[test]
    fn what_narrows_is_told_at_its_place() {
        let before = json!([
            {"name": "a", "type": {"enum": ["x", "y"]}},
            {"name": "b", "type": "integer", "min": 1},
            {"name": "c", "type": "text"},
            {"name": "d", "type": "text"},
            {"name": "gone", "type": "text"},
        ]);
        let after = json!([
            {"name": "a", "type": {"enum": ["x", "z"]}},
            {"name": "b", "type": "integer", "min": 2, "max": 9, "required": true},
            {"name": "c", "type": "number"},
            {"name": "d", "type": "text", "unique": true, "max_length": 5, "min_length": 1},
            {"name": "new", "type": "text", "required": true},
        ]);
        let expected = [
            "/fields",
            "/fields/0/type",
            "/fields/1/required",
            "/fields/1/min",
            "/fields/1/max",
            "/fields/2/type",
            "/fields/3/unique",
            "/fields/3/min_length",
            "/fields/3/max_length",
            "/fields/4/required",
        ];
        assert_eq!(narrowings(before, after), expected);
    }
}
