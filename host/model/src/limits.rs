//! How long what is stored and compared may be, and how deep a value: sizes that the indexes of both databases take, and
//! that every reader behind a door can read again. Every door checks with these, and nothing else does it in its own way.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::Span;
use crate::fault::Fault;
use crate::identity::Identity;
use crate::plain::misleads;

/// Bytes of an identity's kind.
pub const KIND: usize = 64;
/// Bytes of an identity's value.
pub const IDENTITY: usize = 255;
/// Identities that one event may list.
pub const IDENTITIES: usize = 32;
/// Bytes of a `messageId`.
pub const MESSAGE_ID: usize = 255;
/// Bytes of an event's name.
pub const EVENT_NAME: usize = 1024;
/// Bytes of a name: an attribute, a tag, a purpose, a journey's node, what a manifest declares.
pub const NAME: usize = 255;
/// Bytes of an object's key.
pub const OBJECT_KEY: usize = 256;
/// Bytes of a unique field's value.
pub const UNIQUE: usize = 512;
/// Attributes, tags, and consents that a customer may have; and how many they have before a page adds none. A value that was
/// taken away is one, too: it keeps an older one from coming back.
pub const VALUES: usize = 1_000;
pub const PAGE_VALUES: usize = 200;
pub const PAGE_CONSENTS: usize = 50;
/// Bytes of a value that a page sets, and of all that pages have set of a customer before a page sets no more.
pub const PAGE_VALUE: usize = 2 * 1024;
pub const PAGE_BYTES: usize = 32 * 1024;
/// Identities of a customer before a page's claim joins no more.
pub const PAGE_IDENTITIES: u32 = 250;
/// Events of a customer's history before a page adds none, and before nobody does: what conditions ask of them is read whenever they
/// come back.
pub const PAGE_EVENTS: i64 = 100_000;
pub const EVENTS: i64 = 1_000_000;
/// Runs of a customer that wait, before what a page says starts none, and before nobody starts one: each event looks at all of them.
pub const PAGE_RUNS: usize = 1_000;
pub const RUNS: usize = 10_000;
/// The shortest rest of a run that makes a cycle, and the shortest wait of a plugin's step: what goes round faster is mostly a
/// mistake, and costs as much as a crowd.
pub const SHORTEST_WAIT: Span = Span::from_micros(1_000_000);
/// Digits that a number may have behind its point, an exponent counted: what PostgreSQL's NUMERIC takes.
pub const DECIMALS: usize = 16_383;
/// How deep lists and objects may lie in each other. What is stored is wrapped a few times, and JSON is read to 128.
pub const DEPTH: usize = 64;

/// The stable code of a fault of length.
pub const TOO_LONG: &str = "too-long";
/// The stable code of a fault of depth.
pub const TOO_DEEP: &str = "too-deep";
/// The stable code of a fault of a number.
pub const TOO_MANY_DIGITS: &str = "too-many-digits";

/// Whether a value takes more bytes than `most` as JSON, about: looked at no further than that.
pub fn is_longer(value: &Value, most: usize) -> bool {
    left(value, most).is_none()
}

/// Bytes of a value as JSON, about.
pub fn size(value: &Value) -> usize {
    usize::MAX - left(value, usize::MAX).unwrap_or(0)
}

fn left(value: &Value, most: usize) -> Option<usize> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => most.checked_sub(4),
        Value::String(text) => most.checked_sub(text.len() + 2),
        Value::Array(items) => {
            items.iter().try_fold(most.checked_sub(2)?, |most, item| left(item, most)?.checked_sub(1))
        }
        Value::Object(fields) => fields.iter().try_fold(most.checked_sub(2)?, |most, (name, field)| {
            left(field, most.checked_sub(name.len() + 3)?)?.checked_sub(1)
        }),
    }
}

/// Refuses a text of more bytes than `most`.
pub fn length(text: &str, most: usize, pointer: impl FnOnce() -> String) -> Result<(), Fault> {
    if text.len() <= most {
        return Ok(());
    }
    Err(Fault::new(pointer(), TOO_LONG, format!("This is too long: at most {most} bytes.")))
}

/// Refuses a name that is empty or over-long.
pub fn name(name: &str, pointer: impl FnOnce() -> String) -> Result<(), Fault> {
    if (1..=NAME).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    Err(Fault::new(pointer(), "invalid-name", format!("A name must have 1 to {NAME} bytes, and no U+0000.")))
}

/// Bytes of a label at most.
const LABEL: usize = 64;

/// Refuses what people give a key or a person as a name, and others read in lists, if it is empty, over-long, or more than letters to be read.
pub fn label(name: &str, pointer: &str) -> Result<(), Fault> {
    self::name(name, || pointer.to_owned())?;
    if name.len() > LABEL {
        return Err(Fault::new(pointer, "too-long", format!("The name is too long: at most {LABEL} bytes.")));
    }
    match name.contains(misleads) {
        true => Err(Fault::new(
            pointer,
            "bad-name",
            "Leave out line breaks, codes for terminals and marks that are not shown.",
        )),
        false => Ok(()),
    }
}

/// Whether both halves of an identity can be keys.
pub fn is_identity(Identity { kind, value }: &Identity) -> bool {
    (1..=KIND).contains(&kind.len()) && value.len() <= IDENTITY && !kind.contains('\0') && !value.contains('\0')
}

/// Refuses an identity whose kind or value is over-long; its place is below `pointer`.
pub fn identity(identity: &Identity, pointer: &str) -> Result<(), Fault> {
    if identity.kind.is_empty() {
        return Err(Fault::new(
            format!("{pointer}/kind"),
            "unknown-kind",
            "The kind is empty: set `kind`, like `email`.",
        ));
    }
    length(&identity.kind, KIND, || format!("{pointer}/kind"))?;
    length(&identity.value, IDENTITY, || format!("{pointer}/value"))
}

/// The first U+0000, or the first place that lies too deep, in `value`, as a fault below `pointer`.
pub fn value(value: &Value, pointer: &str) -> Option<Fault> {
    within(value, pointer, DEPTH)
}

fn within(value: &Value, pointer: &str, left: usize) -> Option<Fault> {
    let nul =
        |pointer: &str| Some(Fault::new(pointer, "null-character", "The character U+0000 is not allowed: remove it."));
    let deep = || Some(Fault::new(pointer, TOO_DEEP, format!("This is nested too deeply: at most {DEPTH} levels.")));
    match value {
        Value::String(text) if text.contains('\0') => nul(pointer),
        Value::Array(_) | Value::Object(_) if left == 0 => deep(),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| within(item, &format!("{pointer}/{index}"), left - 1))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if name.contains('\0') { nul(pointer) } else { within(field, &step(pointer, name), left - 1) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Digits behind the point of a number as JSON writes it.
fn decimals(number: &str) -> usize {
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
    let behind = i64::try_from(behind).unwrap_or(i64::MAX).saturating_sub(exponent);
    usize::try_from(behind).unwrap_or(0)
}

/// Refuses the first number of a text of JSON that has more digits behind its point than are stored. Once it is read as a value,
/// each has few enough; only a door that keeps the text asks this.
pub fn digits(json: &str, pointer: &str) -> Option<Fault> {
    if !may_be_long(json) {
        return None;
    }
    digits_within(serde_json::from_str(json).ok()?, pointer)
}

/// Whether an exponent of four digits stands there, or a row of digits that is long. Of other numbers none has too many.
fn may_be_long(json: &str) -> bool {
    let bytes = json.as_bytes();
    let is_row = |row: &[u8]| row.iter().all(u8::is_ascii_digit);
    let is_exponent =
        |at: usize| at > 0 && matches!(bytes[at - 1], b'e' | b'E') && bytes.get(at + 1..at + 5).is_some_and(is_row);
    json.match_indices('-').any(|(at, _)| is_exponent(at)) || bytes.chunks_exact(DECIMALS / 4).any(is_row)
}

fn digits_within(json: &RawValue, pointer: &str) -> Option<Fault> {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            fields.into_iter().find_map(|(name, field)| digits_within(field, &step(pointer, &name)))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            items.into_iter().enumerate().find_map(|(index, item)| digits_within(item, &format!("{pointer}/{index}")))
        }
        Some(b'-' | b'0'..=b'9') if decimals(text) > DECIMALS => {
            let message = format!("This number has too many digits behind its point: at most {DECIMALS}.");
            Some(Fault::new(pointer, TOO_MANY_DIGITS, message))
        }
        _ => None,
    }
}

/// Whether a text of JSON lies no deeper than it may. Looks at brackets only: whether it is JSON, its parser says.
pub fn is_shallow(json: &str) -> bool {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest <= DEPTH
}

/// Bytes that a text of JSON takes in memory once it is read to values, with the text itself: a few bytes of text can become
/// hundreds. Looks at brackets and separators only, which is a bound whether it is JSON or not.
pub fn weight(json: &[u8]) -> usize {
    // A map has room for three members from its first one on, a list for four; both grow by half and more.
    const MAP: usize = 480;
    const LIST: usize = 288;
    const MEMBER: usize = 144;
    const NAME: usize = 32;
    let (mut weight, mut quoted, mut escaped) = (json.len(), false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' => weight += MAP,
            b'[' => weight += LIST,
            b',' => weight += MEMBER,
            b':' => weight += NAME,
            _ => {}
        }
    }
    weight
}

/// `pointer` one step further, with the escapes of RFC 6901.
pub fn step(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    #[test]
    fn breaker14_8_a_label_steers_no_terminal() {
        assert_eq!(label("till 顾客", "/name"), Ok(()));
        let code = |text: &str| label(text, "/name").expect_err("a fault").code;
        for text in ["a\n\u{1b}[31mFAKE valid", "\u{202e}", "a\tb"] {
            assert_eq!(code(text), "bad-name", "{text:?}");
        }
        assert_eq!((code(""), code(&"a".repeat(65))), ("invalid-name".into(), "too-long".into()));
    }

    #[test]
    fn what_lies_too_deep_is_pointed_at() {
        assert_eq!(value(&nested(DEPTH), ""), None);
        let fault = value(&json!({"a/b": nested(DEPTH)}), "/traits").expect("it is too deep");
        assert_eq!(fault.code, TOO_DEEP);
        assert!(fault.pointer.starts_with("/traits/a~1b/0/0"), "{}", fault.pointer);
        for levels in [0, 1, DEPTH, DEPTH + 1] {
            assert_eq!(is_shallow(&nested(levels).to_string()), levels <= DEPTH, "{levels}");
        }
        assert!(is_shallow(&json!({"\"[[": "[".repeat(500)}).to_string()));
    }

    #[test]
    fn small_values_weigh_more_than_their_text() {
        let maps = json!({"p": vec![json!({"a": 0}); 4_000]}).to_string();
        assert!(maps.len() < 40_000 && weight(maps.as_bytes()) > 2_000_000);
        let text = json!({"p": "{[,:\\\"{[,:".repeat(4_000)}).to_string();
        assert!(weight(text.as_bytes()) < text.len() + 1_000, "what stands in a text is a text");
    }

    #[test]
    fn c13_a_number_of_too_many_digits_is_pointed_at() {
        let long = format!("0.{}", "3".repeat(DECIMALS));
        for (number, is_taken) in [
            ("1e-20000", false),
            ("0E-16384", false),
            ("1e-16383", true),
            ("1.5e-16383", false),
            ("1e-99999999999999999999", false),
            ("1e+20", true),
            ("12.5", true),
            (&*long, true),
            (&*format!("{long}3"), false),
            (&*format!("{long}3e1"), true),
        ] {
            let json = format!(r#"{{"a/b":[{{"text":"1e-20000"}},{number}]}}"#);
            let pointed = digits(&json, "/properties").map(|fault| (fault.pointer, fault.code));
            let expected = ("/properties/a~1b/1".to_owned(), TOO_MANY_DIGITS.to_owned());
            assert_eq!(pointed, (!is_taken).then_some(expected), "{}", &number[..number.len().min(20)]);
        }
    }

    #[test]
    fn a_nul_is_pointed_at() {
        let fault = value(&json!({"a/b": ["x", {"c~d": "bad\0"}]}), "/body").expect("there is one");
        assert_eq!((fault.pointer.as_str(), fault.code.as_str()), ("/body/a~1b/1/c~0d", "null-character"));
        assert_eq!(value(&json!({"a": "ok \\u0000"}), ""), None);
    }

    #[test]
    fn keys_have_lengths() {
        let of = |kind: usize, value: usize| identity(&Identity::new("k".repeat(kind), "v".repeat(value)), "/i");
        assert_eq!(of(KIND, IDENTITY), Ok(()));
        assert_eq!(of(KIND + 1, 1).unwrap_err().pointer, "/i/kind");
        assert_eq!(of(1, IDENTITY + 1).unwrap_err().pointer, "/i/value");
        assert_eq!(of(0, 1).unwrap_err().code, "unknown-kind");
    }
}
