//! Comparisons and the values that fit them.

use serde_json::Value;

use super::{Check, MAX_VALUES};
use crate::condition::Comparison;
use crate::condition::instant::{Relative, instant, looks_relative};
use crate::decimal;
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

    /// A comparison of an attribute or of an object's field, which may be with a time relative to now.
    pub(super) fn timed(&mut self, is: Comparison, value: &Value, subject: Subject<'_>, pointer: &str) {
        if !value.as_object().is_some_and(|members| members.contains_key("now")) {
            return self.comparison(is, value, subject, pointer);
        }
        let at = format!("{pointer}/value");
        if Relative::of(value).is_none() {
            let message = r#"a time relative to now is {"now": "+30d"} or {"now": "-36h"}: a sign and a span"#;
            self.fault(&at, "bad-time", message);
        } else if !matches!(subject, Subject::Anything | Subject::Declared(Type::Timestamp)) {
            self.fault(&at, "wrong-type", "only a timestamp is compared with a time relative to now");
        } else if !matches!(is, Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge) {
            let message = "a time relative to now is compared by `lt`, `le`, `gt` or `ge`";
            self.fault(&format!("{pointer}/is"), "wrong-comparison", message);
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
            let message = match value {
                Value::Object(members) if members.contains_key("now") => {
                    "only an attribute or an object's field is compared with a time relative to now"
                }
                _ => "a value is a text, a number or a boolean",
            };
            self.fault(pointer, "wrong-type", message);
            return;
        };
        if let Value::String(text) = value {
            self.text(text, pointer);
        }
        let expected: &[&str] = match subject {
            Subject::Anything => {
                let orders = matches!(is, Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge);
                if orders && value.as_str().is_some_and(looks_relative) {
                    self.fault(pointer, "wrong-type", RELATIVE);
                }
                return;
            }
            Subject::Number => &["number"],
            Subject::Label => &["text"],
            Subject::Declared(of) => match of {
                Type::Boolean => &["boolean"],
                Type::Integer | Type::Number => &["number"],
                Type::Text | Type::Enum(_) | Type::Customer => &["text"],
                Type::Timestamp => &["text"],
                Type::Decimal(_) => &["text", "number"],
            },
        };
        if !expected.contains(&kind) {
            self.fault(
                pointer,
                "wrong-type",
                format!("this compares with a {}, not with a {kind}", expected.join(" or ")),
            );
        } else if let (Subject::Declared(Type::Timestamp), Value::String(text)) = (subject, value)
            && !matches!(is, Comparison::Prefix | Comparison::Contains)
            && instant(text).is_none()
        {
            let message = if looks_relative(text) { RELATIVE } else { NO_INSTANT };
            self.fault(pointer, "wrong-type", message);
        } else if let (Subject::Declared(Type::Decimal(scale)), Value::String(text)) = (subject, value)
            && !matches!(is, Comparison::Prefix | Comparison::Contains)
            && decimal::parse(text, *scale).is_none()
        {
            self.fault(pointer, "wrong-type", format!("this compares with a decimal with at most {scale} places"));
        } else if let (Subject::Declared(Type::Enum(values)), Value::String(text)) = (subject, value)
            && matches!(is, Comparison::Eq | Comparison::Ne | Comparison::In)
            && !values.contains(text)
        {
            self.fault(pointer, "unknown-value", format!("it is one of {}", values.join(", ")));
        }
    }
}

const RELATIVE: &str = r#"this is a text: a time relative to now is {"now": "+30d"} or {"now": "-36h"}"#;
const NO_INSTANT: &str =
    r#"this compares with an instant, like 2026-01-31T22:00:00Z, or with a time relative to now, {"now": "+30d"}"#;

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
