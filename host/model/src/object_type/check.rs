//! What is wrong with a declaration: all of it at once, with pointers into it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{Declaration, FIELDS};
use crate::fault::there_are;
use crate::field::ITEMS;
use crate::limits::{self, step};
use crate::manifest::{Field, OnDelete, Type};
use crate::{Fault, decimal};

/// Bytes of a title, a label or a description.
const TEXT: usize = 1024;
/// Languages that something is shown in.
const LANGUAGES: usize = 20;
/// Values of an enum.
const VALUES: usize = 1_000;
/// Bytes of a name.
const NAME: usize = 64;
/// Bytes of a default as JSON, about.
const DEFAULT: usize = 4 * 1024;

/// Whether a type may have this name: it stands in addresses, in names of events and in conditions.
pub fn is_type_name(name: &str) -> bool {
    is_word(name, |byte| byte == b'-' || byte == b'_')
}

/// What a type's name must be.
pub fn name_fault() -> String {
    format!("The name is not valid: at most {NAME} characters `a-z`, `0-9`, `-` and `_`, the first of them a letter.")
}

fn is_word(name: &str, also: impl Fn(u8) -> bool) -> bool {
    (1..=NAME).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || also(byte))
}

impl Declaration {
    /// All that is wrong with it by itself.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        texts(&self.title, "/title", &mut faults);
        texts(&self.description, "/description", &mut faults);
        if !(1..=FIELDS).contains(&self.fields.len()) {
            faults.push(Fault::new("/fields", "wrong-number", format!("A type must have 1 to {FIELDS} fields.")));
        }
        let mut names = BTreeSet::new();
        for (index, field) in self.fields.iter().enumerate().take(FIELDS) {
            let pointer = format!("/fields/{index}");
            if !names.insert(&field.name) {
                let message = format!("There is another field `{}`: take another name.", field.name);
                faults.push(Fault::new(format!("{pointer}/name"), "repeated-field", message));
            }
            FieldCheck { field, pointer: &pointer, faults: &mut faults }.all();
        }
        self.owner_fault(&mut faults);
        self.key_fault(&mut faults);
        faults
    }

    fn owner_fault(&self, faults: &mut Vec<Fault>) {
        let Some(owner) = &self.owner else { return };
        match self.field(owner) {
            Some(field) if field.of == Type::Customer && !field.list && !field.unique => {}
            Some(field) if field.unique => {
                let message = format!("`{owner}` names the owner, whose parts may be joined: it cannot be unique.");
                faults.push(Fault::new("/owner", "wrong-type", message));
            }
            Some(_) => {
                let message = format!("`{owner}` must have the type `customer`, and one value.");
                faults.push(Fault::new("/owner", "wrong-type", message));
            }
            None => faults.push(self.no_field("/owner", owner)),
        }
    }

    fn key_fault(&self, faults: &mut Vec<Fault>) {
        let Some(key) = &self.key else { return };
        match self.field(key) {
            Some(field) if field.list || !matches!(field.of, Type::Text | Type::Integer | Type::Enum(_)) => {
                let message = format!("`{key}` must be a text, an integer or an enum, and have one value.");
                faults.push(Fault::new("/key", "wrong-type", message));
            }
            Some(field) if !field.required || field.default.is_some() => {
                let message = format!("Each object has its own key: `{key}` must be required, and have no default.");
                faults.push(Fault::new("/key", "not-required", message));
            }
            Some(_) => {}
            None => faults.push(self.no_field("/key", key)),
        }
    }

    fn no_field(&self, pointer: &str, name: &str) -> Fault {
        let known = there_are(self.fields.iter().map(|field| &field.name));
        Fault::new(pointer, "unknown-field", format!("There is no field `{name}`. {known}"))
    }
}

/// What is wrong with a text in several languages.
pub(crate) fn texts(texts: &BTreeMap<String, String>, pointer: &str, faults: &mut Vec<Fault>) {
    if texts.len() > LANGUAGES {
        let message = format!("There are too many languages: at most {LANGUAGES}.");
        faults.push(Fault::new(pointer, "too-many-values", message));
    }
    for (language, text) in texts.iter().take(LANGUAGES) {
        let at = step(pointer, language);
        let is_tag = (2..=35).contains(&language.len())
            && language
                .split('-')
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !is_tag {
            let message = "This is not the tag of a language. Write it like `en`, `zh` or `zh-Hant`.";
            faults.push(Fault::new(at, "unknown-language", message));
        } else if text.is_empty() {
            faults.push(Fault::new(at, "empty-text", "The text is empty: write one, or leave the language out."));
        } else {
            faults.extend(limits::length(text, TEXT, || at).err());
        }
    }
}

/// The check of one field.
struct FieldCheck<'a> {
    field: &'a Field,
    pointer: &'a str,
    faults: &'a mut Vec<Fault>,
}

impl FieldCheck<'_> {
    fn fault(&mut self, member: &str, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}/{member}", self.pointer), code, message));
    }

    fn all(mut self) {
        if !is_word(&self.field.name, |byte| byte == b'_') {
            let message = format!(
                "The name of a field has at most {NAME} characters `a-z`, `0-9` and `_`, the first of them a letter. What people \
                 are shown is its `label`."
            );
            self.fault("name", "invalid-name", message);
        }
        let label = format!("{}/label", self.pointer);
        texts(&self.field.label, &label, self.faults);
        let before = self.faults.len();
        self.of();
        // What is measured by a type that is none would be told twice.
        if self.faults.len() == before {
            self.bounds();
            self.lengths();
            self.lists();
            self.uniqueness();
            self.deletion();
            self.markup();
            self.default();
        }
    }

    fn of(&mut self) {
        match &self.field.of {
            Type::Enum(values) => {
                let distinct: BTreeSet<&String> = values.iter().collect();
                let is_long = |value: &String| value.is_empty() || value.len() > limits::NAME;
                if !(1..=VALUES).contains(&values.len()) {
                    self.fault("type/enum", "wrong-number", format!("An enum must have 1 to {VALUES} values."));
                } else if distinct.len() < values.len() {
                    self.fault("type/enum", "repeated-value", "A value is there twice: remove one.");
                } else if let Some(index) = values.iter().position(is_long) {
                    let message = format!("A value of an enum must have 1 to {} bytes.", limits::NAME);
                    self.fault(&format!("type/enum/{index}"), "wrong-length", message);
                }
            }
            Type::Decimal(scale) if *scale > decimal::MAX_SCALE => {
                let message = format!("There are too many digits after the point: at most {}.", decimal::MAX_SCALE);
                self.fault("type/decimal", "out-of-range", message);
            }
            Type::Object(kind) if !is_type_name(kind) => {
                let message = format!("`{kind:.64}` cannot be the name of an object type.");
                self.fault("type/object", "unknown-object", message);
            }
            _ => {}
        }
    }

    fn bounds(&mut self) {
        let field = self.field;
        let mut sound = true;
        for (member, bound) in [("min", &field.min), ("max", &field.max)] {
            let Some(bound) = bound else { continue };
            if field.of.order(bound, bound).is_some() && field.of.holds(bound) {
                continue;
            }
            sound = false;
            match field.of {
                Type::Integer | Type::Number | Type::Decimal(_) | Type::Timestamp => {
                    self.fault(member, "wrong-type", format!("`{member}` must be {}.", field.of.in_words()));
                }
                _ => {
                    let message = format!("Only numbers, decimals and timestamps have a `{member}`: remove it.");
                    self.fault(member, "unexpected-value", message);
                }
            }
        }
        if let (true, Some(min), Some(max)) = (sound, &field.min, &field.max)
            && field.of.order(min, max) == Some(Ordering::Greater)
        {
            self.fault("min", "out-of-range", "`min` is greater than `max`.");
        }
    }

    fn lengths(&mut self) {
        let field = self.field;
        for (member, length) in [("min_length", field.min_length), ("max_length", field.max_length)] {
            if length.is_some() && field.of != Type::Text {
                let message = format!("Only texts have a `{member}`: remove it.");
                self.fault(member, "unexpected-value", message);
            }
        }
        if field.min_length.zip(field.max_length).is_some_and(|(min, max)| min > max) {
            self.fault("min_length", "out-of-range", "`min_length` is greater than `max_length`.");
        }
    }

    fn lists(&mut self) {
        match self.field.max_items {
            Some(_) if !self.field.list => {
                self.fault("max_items", "unexpected-value", "Only lists have `max_items`: set `list`, or remove it.");
            }
            Some(most) if !(1..=ITEMS).contains(&most) => {
                self.fault("max_items", "out-of-range", format!("`max_items` must be 1 to {ITEMS}."));
            }
            _ => {}
        }
    }

    fn uniqueness(&mut self) {
        let field = self.field;
        let of = matches!(field.of, Type::Text | Type::Integer | Type::Enum(_) | Type::Customer | Type::Object(_));
        if field.unique && (field.list || !of) {
            let message =
                "Only a text, an integer, an enum, a customer or an object can be unique, and only with one value.";
            self.fault("unique", "wrong-type", message);
        }
    }

    fn markup(&mut self) {
        if self.field.html && self.field.of != Type::Text {
            self.fault("html", "unexpected-value", "Only a text can be HTML: remove `html`.");
        }
    }

    fn deletion(&mut self) {
        let field = self.field;
        if field.on_delete == OnDelete::Clear && field.relation().is_none() {
            self.fault("on_delete", "unexpected-value", "Only a relation to an object has `on_delete`: remove it.");
        } else if field.on_delete == OnDelete::Clear && field.required {
            let message = "What is required cannot be cleared: set `on_delete` to `refuse`, or `required` to false.";
            self.fault("on_delete", "unexpected-value", message);
        }
    }

    fn default(&mut self) {
        let field = self.field;
        let Some(default) = field.default.as_ref() else { return };
        if field.unique || matches!(field.of, Type::Customer | Type::Object(_)) {
            let message = "A field that is unique, or that names a customer or an object, cannot have a default.";
            return self.fault("default", "unexpected-value", message);
        }
        if limits::is_longer(default, DEFAULT) || default.is_null() {
            let message = format!("The default must be a value of at most {DEFAULT} bytes.");
            return self.fault("default", "wrong-type", message);
        }
        let at = format!("{}/default", self.pointer);
        self.faults.extend(field.faults(default, &at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn faults(declaration: Value) -> Vec<(String, String)> {
        let declaration: Declaration = serde_json::from_value(declaration).expect("a declaration");
        declaration.faults().into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn a_sound_declaration_has_no_faults() {
        let declaration = json!({
            "title": {"en": "Store", "zh": "门店"}, "key": "code", "owner": "manager",
            "fields": [
                {"name": "code", "type": "text", "required": true, "max_length": 20, "label": {"zh-Hans": "编号"}},
                {"name": "manager", "type": "customer"},
                {"name": "status", "type": {"enum": ["open", "closed"]}, "default": "open"},
                {"name": "rating", "type": {"decimal": 1}, "min": 0, "max": "5.0", "default": "3.5"},
                {"name": "tags", "type": "text", "list": true, "max_items": 5, "default": ["a"]},
                {"name": "city", "type": {"object": "city"}, "unique": true},
                {"name": "near", "type": {"object": "store"}, "list": true, "on_delete": "clear"},
            ],
        });
        assert_eq!(faults(declaration), []);
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let declaration = json!({
            "title": {"english": "Store", "": "x", "zh": ""}, "key": "status", "owner": "code",
            "fields": [
                {"name": "Code", "type": "text", "max_items": 2, "min": 1, "min_length": 3, "max_length": 2},
                {"name": "status", "type": {"enum": ["open", "open"]}},
                {"name": "status", "type": {"decimal": 40}},
                {"name": "size", "type": "integer", "min": 3, "max": 2, "default": "x", "max_length": 1},
                {"name": "at", "type": "timestamp", "unique": true, "max": "soon", "on_delete": "clear"},
                {"name": "list", "type": "text", "list": true, "unique": true, "max_items": 0},
                {"name": "who", "type": "customer", "default": "x"},
                {"name": "to", "type": {"object": "A B"}},
                {"name": "rel", "type": {"object": "a"}, "required": true, "on_delete": "clear"},
            ],
        });
        let found = faults(declaration);
        let found: Vec<(&str, &str)> = found.iter().map(|(at, code)| (at.as_str(), code.as_str())).collect();
        let expected = [
            ("/title/", "unknown-language"),
            ("/title/zh", "empty-text"),
            ("/fields/0/name", "invalid-name"),
            ("/fields/0/min", "unexpected-value"),
            ("/fields/0/min_length", "out-of-range"),
            ("/fields/0/max_items", "unexpected-value"),
            ("/fields/1/type/enum", "repeated-value"),
            ("/fields/2/name", "repeated-field"),
            ("/fields/2/type/decimal", "out-of-range"),
            ("/fields/3/min", "out-of-range"),
            ("/fields/3/max_length", "unexpected-value"),
            ("/fields/3/default", "wrong-type"),
            ("/fields/4/max", "wrong-type"),
            ("/fields/4/unique", "wrong-type"),
            ("/fields/4/on_delete", "unexpected-value"),
            ("/fields/5/max_items", "out-of-range"),
            ("/fields/5/unique", "wrong-type"),
            ("/fields/6/default", "unexpected-value"),
            ("/fields/7/type/object", "unknown-object"),
            ("/fields/8/on_delete", "unexpected-value"),
            ("/owner", "unknown-field"),
            ("/key", "not-required"),
        ];
        assert_eq!(found, expected);
    }
}
