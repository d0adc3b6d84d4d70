//! Comparisons and the values that fit them.

use serde_json::Value;

use super::{Check, MAX_VALUES};
use crate::condition::Comparison;
use crate::manifest::Type;
use crate::time::Span;

/// What is compared.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// A value of any type.
    Anything,
    /// A number that is always there: a count, a sum.
    Number,
    /// One of several texts without an order.
    Label,
    Declared(&'a Type),
}

impl Check<'_> {
    pub(super) fn name(&mut self, name: &str, pointer: &str) {
        if name.is_empty() {
            self.fault(pointer, "empty-name", "a name is not empty");
        }
        self.text(name, pointer);
    }

    pub(super) fn text(&mut self, text: &str, pointer: &str) {
        if text.contains('\0') {
            self.fault(pointer, "bad-text", "a text holds no U+0000");
        }
    }

    pub(super) fn span(&mut self, span: Option<Span>, pointer: &str) {
        if span.is_some_and(|span| span.micros() == 0) {
            self.fault(pointer, "empty-window", "a window is longer than nothing");
        }
    }

    /// A comparison at `pointer`, with `is` and `value` below it.
    pub(super) fn comparison(&mut self, is: Comparison, value: &Value, subject: Subject<'_>, pointer: &str) {
        let is_at = format!("{pointer}/is");
        if let Some(message) = unfit(is, subject) {
            self.fault(&is_at, "wrong-comparison", message);
            return;
        }
        let at = format!("{pointer}/value");
        match (is, value) {
            (Comparison::Exists | Comparison::Missing, Value::Null) => {}
            (Comparison::Exists | Comparison::Missing, _) => {
                self.fault(&at, "unexpected-value", "`exists` and `missing` take no value");
            }
            (_, Value::Null) => self.fault(&at, "missing-value", "this comparison needs a value"),
            (Comparison::In, Value::Array(values)) => self.list(values, subject, &at),
            (Comparison::In, _) => self.fault(&at, "wrong-type", "`in` takes a list"),
            (Comparison::Prefix | Comparison::Contains, value) if !value.is_string() => {
                self.fault(&at, "wrong-type", "`prefix` and `contains` take a text");
            }
            (Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge, Value::Bool(_)) => {
                self.fault(&at, "wrong-type", "booleans have no order: only `eq` and `ne` fit");
            }
            (is, value) => self.scalar(value, subject, &at, is),
        }
    }

    fn list(&mut self, values: &[Value], subject: Subject<'_>, pointer: &str) {
        if values.is_empty() {
            self.fault(pointer, "missing-value", "`in` needs at least one value");
        }
        if values.len() > MAX_VALUES {
            self.fault(pointer, "too-many-values", format!("`in` takes at most {MAX_VALUES} values"));
            return;
        }
        for (index, value) in values.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            self.scalar(value, subject, &at, Comparison::In);
            if kind(value).is_some() && kind(value) != kind(&values[0]) {
                self.fault(&at, "wrong-type", "the values of `in` are of one type");
            }
        }
    }

    fn scalar(&mut self, value: &Value, subject: Subject<'_>, pointer: &str, is: Comparison) {
        let Some(kind) = kind(value) else {
            self.fault(pointer, "wrong-type", "a value is a text, a number or a boolean");
            return;
        };
        if let Value::String(text) = value {
            self.text(text, pointer);
        }
        let expected: &[&str] = match subject {
            Subject::Anything => return,
            Subject::Number => &["number"],
            Subject::Label => &["text"],
            Subject::Declared(of) => match of {
                Type::Boolean => &["boolean"],
                Type::Integer | Type::Number => &["number"],
                Type::Text | Type::Enum(_) | Type::Customer => &["text"],
                Type::Timestamp | Type::Decimal(_) => &["text", "number"],
            },
        };
        if !expected.contains(&kind) {
            self.fault(
                pointer,
                "wrong-type",
                format!("this compares with a {}, not with a {kind}", expected.join(" or ")),
            );
        } else if let (Subject::Declared(Type::Enum(values)), Value::String(text)) = (subject, value)
            && matches!(is, Comparison::Eq | Comparison::Ne | Comparison::In)
            && !values.contains(text)
        {
            self.fault(pointer, "unknown-value", format!("it is one of {}", values.join(", ")));
        }
    }
}

/// Why a comparison does not fit what is compared.
fn unfit(is: Comparison, subject: Subject<'_>) -> Option<&'static str> {
    use Comparison::*;
    let orders = matches!(is, Lt | Le | Gt | Ge);
    let looks_inside = matches!(is, Prefix | Contains);
    match subject {
        Subject::Number if looks_inside => Some("only texts have a prefix or contain something"),
        Subject::Number if matches!(is, Exists | Missing) => Some("a number that is computed always exists"),
        Subject::Label if orders => Some("identities have no order"),
        Subject::Declared(Type::Boolean) if orders => Some("booleans have no order: only `eq` and `ne` fit"),
        Subject::Declared(Type::Boolean | Type::Integer | Type::Number) if looks_inside => {
            Some("only texts have a prefix or contain something")
        }
        _ => None,
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
