//! Comparisons and the values that fit them.

use serde_json::Value;

use super::{Check, MAX_VALUES};
use crate::condition::Comparison;
use crate::condition::instant::{Relative, instant, is_date, looks_relative};
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
    /// A day of the calendar.
    Date,
    Declared(&'a Type),
    /// Several values: whether there are any is all that can be asked.
    List,
}

impl Subject<'_> {
    /// Why it cannot be added up, if its declared type is none of numbers.
    pub(super) fn why_no_number(self) -> Option<&'static str> {
        let is_number = match self {
            Subject::Anything | Subject::Number => true,
            Subject::Declared(of) => matches!(of, Type::Integer | Type::Number | Type::Decimal(_)),
            Subject::Label | Subject::Date | Subject::List => false,
        };
        (!is_number)
            .then_some("This aggregate takes numbers only, and the property has none: name another one in `of`.")
    }
}

impl Check<'_> {
    pub(super) fn name(&mut self, name: &str, pointer: &str) {
        if name.is_empty() {
            self.fault(pointer, "empty-name", "The name is empty: set a name.");
        }
        self.text(name, pointer);
    }

    pub(super) fn text(&mut self, text: &str, pointer: &str) {
        if text.contains('\0') {
            self.fault(pointer, "bad-text", "The character U+0000 is not allowed: remove it.");
        }
    }

    pub(super) fn span(&mut self, span: Option<Span>, pointer: &str) {
        if span.is_some_and(|span| span.micros() == 0) {
            self.fault(pointer, "empty-window", "The time span must be longer than zero, like 36h or 60d.");
        }
    }

    /// A comparison of an attribute or of an object's field, which may be with a time relative to now.
    pub(super) fn timed(&mut self, is: Comparison, value: &Value, subject: Subject<'_>, pointer: &str) {
        if !value.as_object().is_some_and(|members| members.contains_key("now")) {
            return self.comparison(is, value, subject, pointer);
        }
        let at = format!("{pointer}/value");
        if matches!(subject, Subject::Date) {
            self.fault(&at, "wrong-type", NO_DATE);
        } else if Relative::of(value).is_none() {
            let message =
                r#"Write a time relative to now as {"now": "+30d"} or {"now": "-36h"}: a sign and a time span."#;
            self.fault(&at, "bad-time", message);
        } else if !matches!(subject, Subject::Anything | Subject::Declared(Type::Timestamp)) {
            self.fault(&at, "wrong-type", "Only a timestamp can be compared with a time relative to now.");
        } else if !matches!(is, Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge) {
            let message = "A time relative to now works only with `lt`, `le`, `gt` and `ge`.";
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
                self.fault(&at, "unexpected-value", "`exists` and `missing` take no value: remove it.");
            }
            (_, Value::Null) => self.fault(&at, "missing-value", "This comparison needs a value: set `value`."),
            (Comparison::In, Value::Array(values)) => self.list(values, subject, &at),
            (Comparison::In, _) => self.fault(&at, "wrong-type", "`in` needs an array of values."),
            (Comparison::Prefix | Comparison::Contains, value) if !value.is_string() => {
                self.fault(&at, "wrong-type", "`prefix` and `contains` need a string.");
            }
            (Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge, Value::Bool(_))
                if !matches!(subject, Subject::Date) =>
            {
                self.fault(&at, "wrong-type", BOOLEAN);
            }
            (is, value) => self.scalar(value, subject, &at, is),
        }
    }

    fn list(&mut self, values: &[Value], subject: Subject<'_>, pointer: &str) {
        if values.is_empty() {
            self.fault(pointer, "missing-value", "The array is empty: `in` needs at least one value.");
        }
        if values.len() > MAX_VALUES {
            self.fault(
                pointer,
                "too-many-values",
                format!("There are too many values: `in` takes at most {MAX_VALUES}."),
            );
            return;
        }
        for (index, value) in values.iter().enumerate() {
            let at = format!("{pointer}/{index}");
            self.scalar(value, subject, &at, Comparison::In);
            if kind(value).is_some() && kind(value) != kind(&values[0]) {
                self.fault(&at, "wrong-type", "All values of `in` must have the same type.");
            }
        }
    }

    fn scalar(&mut self, value: &Value, subject: Subject<'_>, pointer: &str, is: Comparison) {
        if matches!(subject, Subject::Date) {
            if !value.as_str().is_some_and(is_date) {
                self.fault(pointer, "wrong-type", NO_DATE);
            }
            return;
        }
        let Some(kind) = kind(value) else {
            let message = match value {
                Value::Object(members) if members.contains_key("now") => {
                    "Only an attribute or an object's field can be compared with a time relative to now."
                }
                _ => "The value must be a string, a number or a boolean.",
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
            Subject::Label | Subject::Date | Subject::List => &["string"],
            Subject::Declared(of) => match of {
                Type::Boolean => &["boolean"],
                // A decimal is kept as a number: a text would be compared with nothing.
                Type::Integer | Type::Number | Type::Decimal(_) => &["number"],
                Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_) => &["string"],
                Type::Timestamp => &["string"],
            },
        };
        if !expected.contains(&kind) {
            let of_text = value.as_str().filter(|text| expected == ["number"] && is_number(text));
            let unquoted = of_text.map(|text| format!(" Write {text} without quotes.")).unwrap_or_default();
            let message = format!("The value must be a {}, not a {kind}.{unquoted}", expected.join(" or a "));
            self.fault(pointer, "wrong-type", message);
        } else if let (Subject::Declared(Type::Timestamp), Value::String(text)) = (subject, value)
            && !matches!(is, Comparison::Prefix | Comparison::Contains)
            && instant(text).is_none()
        {
            let message = if looks_relative(text) { RELATIVE } else { NO_INSTANT };
            self.fault(pointer, "wrong-type", message);
        } else if let (Subject::Declared(Type::Enum(values)), Value::String(text)) = (subject, value)
            && matches!(is, Comparison::Eq | Comparison::Ne | Comparison::In)
            && !values.contains(text)
        {
            self.fault(pointer, "unknown-value", format!("Allowed values: {}.", values.join(", ")));
        }
    }
}

fn is_number(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Number(_)))
}

const RELATIVE: &str = r#"This is only a string. Write a time relative to now as {"now": "+30d"} or {"now": "-36h"}."#;
const NO_INSTANT: &str =
    r#"The value must be a time like 2026-01-31T22:00:00Z, or a time relative to now like {"now": "+30d"}."#;

const NO_DATE: &str = "The value must be a date like 2026-01-31: year, month and day, without a time or a zone.";

const BOOLEAN: &str = "Booleans have no order: use `eq` or `ne`.";

/// Why a comparison does not fit what is compared.
fn unfit(is: Comparison, subject: Subject<'_>) -> Option<&'static str> {
    use Comparison::*;
    let orders = matches!(is, Lt | Le | Gt | Ge);
    let looks_inside = matches!(is, Prefix | Contains);
    match subject {
        Subject::Number if looks_inside => Some("`prefix` and `contains` work only with strings."),
        Subject::Number if matches!(is, Exists | Missing) => {
            Some("A computed number always exists: do not use `exists` or `missing`.")
        }
        Subject::List if !matches!(is, Exists | Missing) => {
            Some("A field with several values is compared with nothing: use `exists` or `missing`.")
        }
        Subject::Label if orders => Some("Identities have no order: do not use `lt`, `le`, `gt` or `ge`."),
        Subject::Date if looks_inside => {
            Some("A date is compared as a whole: use `eq`, `ne`, `lt`, `le`, `gt`, `ge` or `in`.")
        }
        Subject::Declared(Type::Boolean) if orders => Some(BOOLEAN),
        Subject::Declared(Type::Boolean | Type::Integer | Type::Number | Type::Decimal(_)) if looks_inside => {
            Some("`prefix` and `contains` work only with strings.")
        }
        _ => None,
    }
}

/// The scalar type of a value; none for `null`, lists and objects.
fn kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Bool(_) => Some("boolean"),
        Value::Number(_) => Some("number"),
        Value::String(_) => Some("string"),
        _ => None,
    }
}
