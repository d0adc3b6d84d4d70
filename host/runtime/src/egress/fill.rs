//! Where a secret stands in a query, a form or a JSON document.
//!
//! Nothing that a plugin writes stands for a secret. The host keeps at which byte each secret belongs, reads what is around it as the
//! receiver will, and finds the secret's place in what it has read. Queries and forms it then writes anew, field by field.

use openhub_model::manifest::SecretPlace;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

use super::request::To;
use crate::bindings::http::http::Part;
use crate::masks::percent_encode;

/// What a plugin wrote, and before which of its bytes each secret stands.
pub struct Written<'p> {
    pub text: String,
    secrets: Vec<(usize, &'p str)>,
}

impl<'p> Written<'p> {
    pub fn of(parts: &'p [Part]) -> Result<Written<'p>, &'static str> {
        let mut written = Written { text: String::new(), secrets: Vec::new() };
        for part in parts {
            match part {
                Part::Text(text) => written.text.push_str(text),
                Part::Bytes(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| "what surrounds a secret must be UTF-8")?;
                    written.text.push_str(text);
                }
                Part::Secret(secret) => written.secrets.push((written.text.len(), secret)),
            }
        }
        Ok(written)
    }

    /// Where the first secret stands.
    pub fn first(&self) -> Option<usize> {
        self.secrets.first().map(|(at, _)| *at)
    }

    /// The fields from `start` on, written anew. A secret is the whole value of a field that `here` allows by its name.
    pub fn fields(
        &self,
        start: usize,
        to: &To<'_>,
        here: impl Fn(&[u8], &SecretPlace) -> bool,
    ) -> Result<String, String> {
        let whole = "a secret must be the whole value of a parameter";
        let mut secrets = self.secrets.iter().copied().peekable();
        let (mut at, mut fields) = (start, Vec::new());
        for field in self.text[start..].split('&') {
            let (name, value) = field.split_once('=').map_or((field, None), |(name, value)| (name, Some(value)));
            let name = decoded(name);
            let (value_at, end) = (at + field.len() - value.map_or(0, str::len), at + field.len());
            let secret = secrets.next_if(|(at, _)| *at <= end);
            let value = match (secret, value) {
                (Some((at, secret)), Some("")) if at == value_at => {
                    Some(to.secret(secret, |place| here(&name, place))?.into())
                }
                (Some(_), _) => return Err(whole.to_owned()),
                (None, value) => value.map(decoded),
            };
            if secrets.peek().is_some_and(|(at, _)| *at <= end) {
                return Err(whole.to_owned());
            }
            fields.push(match value {
                Some(value) => format!("{}={}", percent_encode(&name), percent_encode(&value)),
                None => percent_encode(&name),
            });
            at = end + 1;
        }
        Ok(fields.join("&"))
    }

    /// The JSON document, each secret within the text at a pointer that the manifest names.
    pub fn document(&self, to: &To<'_>) -> Result<String, String> {
        let not_json = |_| "a body with a secret must be JSON or a form (`application/x-www-form-urlencoded`)";
        serde_json::from_str::<IgnoredAny>(&self.text).map_err(not_json)?;
        let (mut filled, mut copied) = (String::with_capacity(self.text.len()), 0);
        for (at, secret) in &self.secrets {
            let here = |place: &SecretPlace| match place {
                SecretPlace::Body(pointer) if pointer.starts_with('/') => text_at(&self.text, pointer)
                    .is_some_and(|(start, end)| is_within(&self.text[start..end], *at, start)),
                _ => false,
            };
            let value = std::str::from_utf8(to.secret(secret, here)?).map_err(|_| "a secret in JSON must be UTF-8")?;
            let quoted = serde_json::Value::from(value).to_string();
            filled.push_str(&self.text[copied..*at]);
            filled.push_str(&quoted[1..quoted.len() - 1]);
            copied = *at;
        }
        filled.push_str(&self.text[copied..]);
        Ok(filled)
    }
}

/// A name or a value of a form, as its readers decode it.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['+', '%']) {
        return text.as_bytes().into();
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', _, _) => plain.push(b' '),
            _ => plain.push(*byte),
        }
        at += 1;
    }
    plain.into()
}

/// Whether a byte of the document is between the quotes of this text, which begins at `start`, and within no escape.
fn is_within(text: &str, at: usize, start: usize) -> bool {
    let Some((before, after)) = at.checked_sub(start).and_then(|at| text.split_at_checked(at)) else { return false };
    let is_text = |text: String| serde_json::from_str::<String>(&text).is_ok();
    !before.is_empty() && !after.is_empty() && is_text(format!("{before}\"")) && is_text(format!("\"{after}"))
}

/// From where to where the text at a pointer (RFC 6901) stands in a document, with its quotes. None if there is no text, or a
/// member on the way is there twice: which of them counts is up to the reader.
fn text_at(json: &str, pointer: &str) -> Option<(usize, usize)> {
    let steps: Vec<String> =
        pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let mut document = serde_json::Deserializer::from_str(json);
    let found = At(&steps).deserialize(&mut document).ok()??;
    let start = found.as_ptr().addr() - json.as_ptr().addr();
    found.starts_with('"').then_some((start, start + found.len()))
}

/// What is below the steps, as it is written.
struct At<'s>(&'s [String]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return serde::Deserialize::deserialize(deserializer).map(|raw: &'de RawValue| Some(raw.get()));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != self.0[0] {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value_seed(At(&self.0[1..]))?).is_some() {
                return Err(A::Error::custom("a member on the way is there twice"));
            }
        }
        Ok(found.flatten())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        for index in 0_usize.. {
            if self.0[0] == index.to_string() {
                let Some(item) = seq.next_element_seed(At(&self.0[1..]))? else { break };
                found = item;
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}
