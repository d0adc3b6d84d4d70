//! What is wrong with a version of an offering by itself: all of it at once, with pointers into it.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::{Document, ITEMS, Item, PARAMETERS, parameters_in};
use crate::fault::there_are;
use crate::object_type::{Declaration, is_type_name, name_fault};
use crate::price::quota_faults;
use crate::webhook::is_name;
use crate::{Fault, field, object_type};

/// What is wrong with a text that people are shown, by language.
pub fn text_faults(texts: &BTreeMap<String, String>, pointer: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    object_type::texts(texts, pointer, &mut faults);
    faults
}

impl Document {
    /// All that is wrong with it by itself.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = self.parameter_faults();
        if !(1..=ITEMS).contains(&self.items.len()) {
            faults.push(Fault::new("/items", "wrong-number", format!("A version must have 1 to {ITEMS} items.")));
        }
        let mut ids = BTreeSet::new();
        for (index, item) in self.items.iter().enumerate().take(ITEMS) {
            let pointer = format!("/items/{index}/{}", item.kind());
            if !ids.insert(item.id()) {
                let message = format!("There is another item `{}`: remove one.", item.id());
                faults.push(Fault::new(&pointer, "repeated-item", message));
            }
            item.check(&pointer, &mut faults);
            self.names(item, &pointer, &mut faults);
        }
        faults
    }

    /// Parameters are declared as fields of an object are.
    fn parameter_faults(&self) -> Vec<Fault> {
        if self.parameters.len() > PARAMETERS {
            let message = format!("There are too many parameters: at most {PARAMETERS}.");
            return vec![Fault::new("/parameters", "wrong-number", message)];
        }
        let texts =
            Declaration { title: self.notes.clone(), fields: self.parameters.clone(), ..Declaration::default() };
        let beside = |mut fault: Fault| {
            fault.pointer = match fault.pointer.strip_prefix("/fields") {
                Some("") => return None,
                Some(rest) => format!("/parameters{rest}"),
                None => fault.pointer.replacen("/title", "/notes", 1),
            };
            Some(fault)
        };
        texts.faults().into_iter().filter_map(beside).collect()
    }

    /// The parameters that an item names are there.
    fn names(&self, item: &Item, pointer: &str, faults: &mut Vec<Fault>) {
        for (at, name) in item.values(pointer).into_iter().flat_map(|(at, value)| parameters_in(value, &at)) {
            let known = || self.parameters.iter().map(|parameter| parameter.name.as_str());
            match name {
                Some(name) if known().any(|known| known == name) => {}
                Some(name) => {
                    let message = format!("There is no parameter `{name:.64}`. {}", there_are(known()));
                    faults.push(Fault::new(at, "unknown-parameter", message));
                }
                None => faults.push(Fault::new(at, "wrong-type", "This must be the name of a parameter.")),
            }
        }
    }

    /// The values of a subscription, with the defaults of what it does not say; or all that is wrong with them, below `pointer`.
    ///
    /// # Errors
    ///
    /// A required parameter is missing, a value does not fit, or there is no such parameter.
    pub fn values(&self, given: &Map<String, Value>, pointer: &str) -> Result<Map<String, Value>, Vec<Fault>> {
        let mut values = given.clone();
        values.retain(|_, value| !value.is_null());
        for parameter in &self.parameters {
            if let Some(default) = &parameter.default {
                values.entry(&parameter.name).or_insert_with(|| default.clone());
            }
        }
        let mut faults = field::faults(&self.parameters, &values, "The offering");
        for fault in &mut faults {
            if fault.code == "required" {
                fault.code = "missing-parameter".to_owned();
            }
            fault.pointer.insert_str(0, pointer);
        }
        if faults.is_empty() { Ok(values) } else { Err(faults) }
    }
}

impl Item {
    fn check(&self, pointer: &str, faults: &mut Vec<Fault>) {
        match self {
            Item::ObjectType(item) => {
                if !is_type_name(&item.name) {
                    faults.push(Fault::new(format!("{pointer}/name"), "invalid-name", name_fault()));
                }
                let declared = item.declaration.faults().into_iter();
                let below =
                    |fault: Fault| Fault { pointer: format!("{pointer}/declaration{}", fault.pointer), ..fault };
                faults.extend(declared.map(below));
            }
            Item::Quota(quota) => {
                let alone = quota_faults(std::slice::from_ref(quota), "").into_iter();
                let at = |fault: Fault| Fault { pointer: fault.pointer.replacen("/0", pointer, 1), ..fault };
                faults.extend(alone.map(at));
            }
            Item::Price(plan) => faults.extend(plan.faults(pointer)),
            Item::Plugin(_) | Item::Segment(_) | Item::Journey(_) => {
                if !self.name().is_some_and(is_name) {
                    let message = "The name has 1 to 64 characters `a-z`, `0-9`, `-` and `_`.";
                    faults.push(Fault::new(format!("{pointer}/name"), "invalid-name", message));
                }
            }
        }
    }

    /// Where parameters may stand in it, with pointers.
    fn values(&self, pointer: &str) -> Option<(String, &Value)> {
        match self {
            Item::Plugin(item) => Some((format!("{pointer}/settings"), &item.settings)),
            Item::Segment(item) => Some((format!("{pointer}/condition"), &item.condition)),
            Item::Journey(item) => Some((format!("{pointer}/definition"), &item.definition)),
            Item::ObjectType(_) | Item::Quota(_) | Item::Price(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(value: Value) -> Document {
        serde_json::from_value(value).unwrap()
    }

    fn codes(faults: &[Fault]) -> Vec<(&str, &str)> {
        faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect()
    }

    fn win_back() -> Value {
        json!({
            "notes": {"en": "Wins customers back.", "zh": "唤回流失客户。"},
            "parameters": [
                {"name": "days", "type": "integer", "default": 30, "min": 1},
                {"name": "text", "type": "text", "required": true}
            ],
            "items": [
                {"object-type": {"name": "visit", "declaration": {"fields": [{"name": "code", "type": "text"}]}}},
                {"segment": {"name": "lapsed", "condition": {"attribute": "days", "is": {"$parameter": "days"}}}},
                {"journey": {"name": "win-back", "definition": {"nodes": {"a": {"text": {"$parameter": "text"}}}}}},
                {"plugin": {"name": "points", "settings": {"most": {"$parameter": "days"}}}}
            ]
        })
    }

    #[test]
    fn all_faults_of_a_version_are_told_at_once() {
        assert_eq!(document(win_back()).faults(), []);
        let mut wrong = win_back();
        wrong["parameters"][0]["default"] = json!("x");
        wrong["items"][0]["object-type"]["declaration"]["fields"] = json!([]);
        wrong["items"][1]["segment"]["condition"]["is"] = json!({"$parameter": "weeks"});
        wrong["items"][2]["journey"]["name"] = json!("Win back");
        wrong["items"][3]["plugin"]["settings"]["most"] = json!({"$parameter": 7});
        let again = wrong["items"][1].clone();
        wrong["items"].as_array_mut().unwrap().push(again);
        let faults = document(wrong).faults();
        assert_eq!(
            codes(&faults),
            [
                ("/parameters/0/default", "wrong-type"),
                ("/items/0/object-type/declaration/fields", "wrong-number"),
                ("/items/1/segment/condition/is", "unknown-parameter"),
                ("/items/2/journey/name", "invalid-name"),
                ("/items/3/plugin/settings/most", "wrong-type"),
                ("/items/4/segment", "repeated-item"),
                ("/items/4/segment/condition/is", "unknown-parameter"),
            ]
        );
        assert_eq!(codes(&document(json!({"items": []})).faults()), [("/items", "wrong-number")]);
    }

    #[test]
    fn a_subscription_has_the_defaults_of_what_it_does_not_say() {
        let document = document(win_back());
        let values = |given: Value| document.values(given.as_object().unwrap(), "/parameters");
        assert_eq!(values(json!({"text": "Come back"})).map(Value::from), Ok(json!({"text": "Come back", "days": 30})));
        let wrong = values(json!({"days": 0, "more": 1})).unwrap_err();
        assert_eq!(
            codes(&wrong),
            [
                ("/parameters/days", "too-small"),
                ("/parameters/text", "missing-parameter"),
                ("/parameters/more", "unknown-field")
            ]
        );
    }
}
