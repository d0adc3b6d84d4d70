//! Recordings of the I/O lane show no personal data: what people wrote and are known by is blanked, letter by letter, so that lengths and
//! forms stay. What is left are the words of programs: kinds, statuses, numbers, times.

use std::collections::BTreeSet;

use openhub_model::Timestamp;
use serde_json::{Map, Value};

use crate::masks::Masks;

/// A text of bytes, in place of a list of numbers.
const TEXT: &str = "$text";
/// Digits in a row that may be somebody's number.
const DIGITS: usize = 7;
/// Characters of a word with a digit that may be somebody's id.
const ID: usize = 16;
/// A name that is shorter is found in words that mean nobody.
const SHORTEST: usize = 4;

/// Members in which a call and its host speak of people.
const OF_PEOPLE: [&str; 9] =
    ["address", "content", "customer", "customers", "fields", "id", "properties", "unsubscribe_url", "value"];

/// What is told of people in a call.
#[derive(Default)]
pub struct Blanks {
    known: BTreeSet<String>,
    secrets: Masks,
}

impl Blanks {
    /// Secrets are masked, too.
    pub fn of(secrets: Masks) -> Blanks {
        Blanks { secrets, ..Blanks::default() }
    }

    /// Learns what is told of people in this.
    pub fn learn_people(&mut self, of: &Value) {
        match of {
            Value::Array(all) => all.iter().for_each(|one| self.learn_people(one)),
            Value::Object(all) => {
                for (name, value) in all {
                    match OF_PEOPLE.contains(&name.as_str()) {
                        true => self.learn(value),
                        false => self.learn_people(value),
                    }
                }
            }
            _ => {}
        }
    }

    pub fn text(&self, text: &str) -> String {
        self.blanked(text)
    }

    /// Each text in this is somebody's, also one that looks like a word of a program.
    pub fn learn(&mut self, of: &Value) {
        match of {
            Value::String(text) => match inner(text) {
                Some(inner) => self.learn(&inner),
                None if text.len() >= SHORTEST => drop(self.known.insert(text.clone())),
                None => {}
            },
            Value::Array(all) => all.iter().for_each(|one| self.learn(one)),
            Value::Object(all) => all.values().for_each(|one| self.learn(one)),
            _ => {}
        }
    }

    /// Blanks all of it.
    pub fn blank(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.blanked(text),
            Value::Array(all) => match bytes(all).map(String::from_utf8) {
                Some(Ok(text)) => *value = as_bytes(&self.blanked(&text)),
                Some(Err(_)) => all.iter_mut().for_each(|byte| *byte = 0.into()),
                None => all.iter_mut().for_each(|one| self.blank(one)),
            },
            Value::Object(all) => all.values_mut().for_each(|one| self.blank(one)),
            _ => {}
        }
    }

    fn blanked(&self, text: &str) -> String {
        if let Some(mut inner) = inner(text) {
            self.blank(&mut inner);
            return inner.to_string();
        }
        if is_time(text) {
            return text.to_owned();
        }
        let masked = self.secrets.mask(text.as_bytes().to_vec());
        let mut text = String::from_utf8_lossy(&masked).into_owned();
        // The longest first: a name may be part of an address.
        let mut known: Vec<&String> = self.known.iter().filter(|known| text.contains(known.as_str())).collect();
        known.sort_by_key(|known| std::cmp::Reverse(known.len()));
        for known in known {
            text = text.replace(known.as_str(), &letters(known));
        }
        let words = text.split_inclusive([' ', '&', '=', '?', '/', ',', ';', '"', '<', '>', '\n']);
        words.map(|word| if is_of_a_program(word) { word.to_owned() } else { letters(word) }).collect()
    }
}

/// JSON within a text.
fn inner(text: &str) -> Option<Value> {
    let value: Value = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten()?;
    // Written anew it is the same, or its blanks would have other lengths.
    serde_json::to_string(&value).is_ok_and(|written| written == text).then_some(value)
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.parse::<Timestamp>().is_ok()
}

/// `order.paid`, `GET`, `application/json`, `2`: nobody is called so, unless we know it.
fn is_of_a_program(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || !c.is_ascii_alphanumeric() && c.is_ascii();
    let is_caps =
        word.len() <= DIGITS && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_punctuation() || c == ' ');
    if word.contains('@') || !(word.chars().all(is_plain) || is_caps) {
        return false;
    }
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let runs = word.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() >= DIGITS);
    !(runs || has_digit && word.len() >= ID)
}

/// Letters and digits are blanked; what stands between them stays, and so does the length in bytes.
pub fn letters(word: &str) -> String {
    let blank = |c: char| match c {
        'a'..='z' => "x".to_owned(),
        'A'..='Z' => "X".to_owned(),
        '0'..='9' => "0".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => "x".repeat(c.len_utf8()),
    };
    word.chars().map(blank).collect()
}

fn bytes(all: &[Value]) -> Option<Vec<u8>> {
    if all.is_empty() {
        return None;
    }
    all.iter().map(|value| value.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
}

fn as_bytes(text: &str) -> Value {
    Value::Array(text.bytes().map(Value::from).collect())
}

/// Lists of bytes that are a text are written as one: shorter, and readable.
pub fn pack(value: &mut Value) {
    match value {
        Value::Array(all) => match bytes(all).map(String::from_utf8) {
            Some(Ok(text)) if all.len() > 3 => *value = Value::Object(Map::from_iter([(TEXT.to_owned(), text.into())])),
            _ => all.iter_mut().for_each(pack),
        },
        Value::Object(all) => all.values_mut().for_each(pack),
        _ => {}
    }
}

/// The way back.
pub fn unpack(value: &mut Value) {
    match value {
        Value::Object(all) if all.len() == 1 && all.get(TEXT).is_some_and(Value::is_string) => {
            let text = all[TEXT].as_str().unwrap_or_default();
            *value = as_bytes(text);
        }
        Value::Object(all) => all.values_mut().for_each(unpack),
        Value::Array(all) => all.iter_mut().for_each(unpack),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_are_blanked_and_words_of_programs_stay() {
        let mut blanks = Blanks::default();
        blanks
            .learn(&json!({"address": "ada@example.com", "content": "{\"name\":\"ada lovelace\",\"tier\":\"gold\"}"}));
        let mut value = json!({
            "to": "Ada@Example.com", "text": "hello ada lovelace", "status": "order.paid", "at": "2026-01-31T12:00:00Z", "n": 7,
            "phone": "+49 151 23456789", "method": "GET", "name": "Müller", "url": "https://api.example.com/v1/ada@example.com?x=1",
            "id": "018f3c2a-77aa-7bbb-8ccc-0123456789ab", "body": "{\"mail\":\"bob@example.com\",\"event\":\"paid\"}",
            "bytes": [104, 195, 188],
        });
        blanks.blank(&mut value);
        assert_eq!(
            value,
            json!({
                "to": "Xxx@Xxxxxxx.xxx", "text": "hello xxx xxxxxxxx", "status": "order.paid", "at": "2026-01-31T12:00:00Z", "n": 7,
                "phone": "+49 151 00000000", "method": "GET", "name": "Xxxxxxx", "url": "https://api.example.com/v1/xxx@xxxxxxx.xxx?x=1",
                "id": "000x0x0x-00xx-0xxx-0xxx-0000000000xx", "body": "{\"mail\":\"xxx@xxxxxxx.xxx\",\"event\":\"paid\"}",
                "bytes": [120, 120, 120],
            })
        );
    }

    #[test]
    fn bytes_that_are_a_text_are_written_as_one() {
        let plain =
            json!({"body": [123, 34, 97, 34, 58, 49, 125], "few": [1, 2], "none": [], "mac": [255, 254, 253, 252]});
        let mut packed = plain.clone();
        pack(&mut packed);
        assert_eq!(
            packed,
            json!({"body": {"$text": "{\"a\":1}"}, "few": [1, 2], "none": [], "mac": [255, 254, 253, 252]})
        );
        unpack(&mut packed);
        assert_eq!(packed, plain);
    }
}
