//! What is wrong with a condition, before it is ever evaluated or turned into SQL.
//!
//! Bounds its size, so that no condition costs more than it should, and refuses values that can never fit their
//! comparison. Does not know which attributes a tenant has.

use serde_json::Value;

use super::{AttributeTest, Comparison, Condition};
use crate::fault::Fault;

/// A leaf alone has depth 1; each `all`, `any` or `not` around it adds 1.
pub const MAX_DEPTH: usize = 32;
/// Attribute and tag tests in one condition.
pub const MAX_LEAVES: usize = 1000;
/// Elements in one `in` list.
pub const MAX_VALUES: usize = 1000;

impl Condition {
    /// All faults, with JSON pointers that start with `pointer`: where this condition lies in its document.
    pub fn faults(&self, pointer: &str) -> Vec<Fault> {
        let mut check = Check { root: pointer, leaves: 0, faults: Vec::new() };
        check.condition(self, pointer, 1);
        check.faults
    }
}

struct Check<'a> {
    root: &'a str,
    leaves: usize,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn condition(&mut self, condition: &Condition, pointer: &str, depth: usize) {
        if depth > MAX_DEPTH {
            self.fault(pointer, "too-deep", format!("a condition is at most {MAX_DEPTH} levels deep"));
            return;
        }
        match condition {
            Condition::All(parts) => self.parts(parts, &format!("{pointer}/all"), depth),
            Condition::Any(parts) => self.parts(parts, &format!("{pointer}/any"), depth),
            Condition::Not(part) => self.condition(part, &format!("{pointer}/not"), depth + 1),
            Condition::Attribute(test) => {
                self.leaf();
                self.attribute(test, &format!("{pointer}/attribute"));
            }
            Condition::Tag(name) => {
                self.leaf();
                self.name(name, &format!("{pointer}/tag"));
            }
        }
    }

    fn parts(&mut self, parts: &[Condition], pointer: &str, depth: usize) {
        for (index, part) in parts.iter().enumerate() {
            self.condition(part, &format!("{pointer}/{index}"), depth + 1);
        }
    }

    /// Says once that there are too many.
    fn leaf(&mut self) {
        self.leaves += 1;
        if self.leaves == MAX_LEAVES + 1 {
            let root = self.root.to_owned();
            self.fault(&root, "too-many-leaves", format!("a condition has at most {MAX_LEAVES} tests"));
        }
    }

    fn name(&mut self, name: &str, pointer: &str) {
        if name.is_empty() {
            self.fault(pointer, "empty-name", "a name is not empty");
        }
        self.text(name, pointer);
    }

    fn text(&mut self, text: &str, pointer: &str) {
        if text.contains('\0') {
            self.fault(pointer, "bad-text", "a text holds no U+0000");
        }
    }

    fn attribute(&mut self, test: &AttributeTest, pointer: &str) {
        self.name(&test.name, &format!("{pointer}/name"));
        let at = format!("{pointer}/value");
        match (test.is, &test.value) {
            (Comparison::Exists | Comparison::Missing, Value::Null) => {}
            (Comparison::Exists | Comparison::Missing, _) => {
                self.fault(&at, "unexpected-value", "`exists` and `missing` take no value");
            }
            (_, Value::Null) => self.fault(&at, "missing-value", "this comparison needs a value"),
            (Comparison::In, Value::Array(values)) => self.list(values, &at),
            (Comparison::In, _) => self.fault(&at, "wrong-type", "`in` takes a list"),
            (Comparison::Eq | Comparison::Ne, value) => self.scalar(value, &at),
            (_, Value::Bool(_)) => self.fault(&at, "wrong-type", "booleans have no order: only `eq` and `ne` fit"),
            (_, value) => self.scalar(value, &at),
        }
    }

    fn list(&mut self, values: &[Value], pointer: &str) {
        if values.is_empty() {
            self.fault(pointer, "missing-value", "`in` needs at least one value");
        }
        if values.len() > MAX_VALUES {
            self.fault(pointer, "too-many-values", format!("`in` takes at most {MAX_VALUES} values"));
            return;
        }
        for (index, value) in values.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            self.scalar(value, &at);
            if kind(value).is_some() && kind(value) != kind(&values[0]) {
                self.fault(&at, "wrong-type", "the values of `in` are of one type");
            }
        }
    }

    fn scalar(&mut self, value: &Value, pointer: &str) {
        match value {
            Value::String(text) => self.text(text, pointer),
            _ if kind(value).is_none() => {
                self.fault(pointer, "wrong-type", "a value is a text, a number or a boolean");
            }
            _ => {}
        }
    }

    fn fault(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, code, message));
    }
}

/// The scalar type of a value; none for `null`, lists and objects.
fn kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Bool(_) => Some("boolean"),
        Value::Number(_) => Some("number"),
        Value::String(_) => Some("text"),
        _ => None,
    }
}
