//! What a run keeps between its steps: the trigger's and the objects' data that its graph uses, nothing else.
//!
//! Stored as the JSON text in `Run::state`; `{}` for a graph that uses nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use crate::context::Moment;
use crate::uses::{Uses, Wanted};

pub(crate) const EMPTY: &str = "{}";

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(default, skip_serializing_if = "KeptTrigger::is_empty")]
    pub(crate) trigger: KeptTrigger,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) objects: BTreeMap<String, Map<String, Value>>,
    /// What the plugin's step keeps in which the run waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<KeptStep>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptStep {
    /// The plugin's bytes, as Base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state: String,
    /// The version that the step had when it left them.
    #[serde(default)]
    pub(crate) version: u32,
    /// An event that happened while the run must not move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missed: Option<Missed>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Missed {
    /// Its number among those that the step declares.
    pub(crate) event: u32,
    pub(crate) at: Timestamp,
    pub(crate) properties: Value,
}

impl KeptStep {
    pub(crate) fn of(state: &[u8], version: u32) -> KeptStep {
        KeptStep { state: STANDARD.encode(state), version, missed: None }
    }

    pub(crate) fn state(&self) -> Vec<u8> {
        // What is no Base64 was written by nobody: as good as no state.
        STANDARD.decode(&self.state).unwrap_or_default()
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptTrigger {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) properties: Map<String, Value>,
}

impl KeptTrigger {
    fn is_empty(&self) -> bool {
        *self == KeptTrigger::default()
    }
}

impl Kept {
    /// What is kept of a trigger.
    pub(crate) fn of(trigger: &Moment<'_>, uses: &Uses) -> Kept {
        let mut properties = Map::new();
        if let Value::Object(all) = trigger.properties {
            keep(all, &uses.properties, &mut properties);
        }
        let name = uses.trigger.wants("name").then(|| trigger.name.to_owned());
        let at = uses.trigger.wants("at").then_some(trigger.at);
        Kept { trigger: KeptTrigger { name, at, properties }, objects: BTreeMap::new(), step: None }
    }

    pub(crate) fn read(state: &str) -> Result<Kept, serde_json::Error> {
        if state == EMPTY { Ok(Kept::default()) } else { serde_json::from_str(state) }
    }

    pub(crate) fn write(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Keeps what is wanted of an object that was made, its key among its fields.
    pub(crate) fn object(&mut self, name: &str, wanted: &Wanted, key: &str, fields: &Value) {
        let mut kept = Map::new();
        if let Value::Object(all) = fields {
            keep(all, wanted, &mut kept);
        }
        if wanted.wants("key") {
            kept.insert("key".to_owned(), key.into());
        }
        self.objects.insert(name.to_owned(), kept);
    }
}

/// A `null` is as good as absent.
fn keep(all: &Map<String, Value>, wanted: &Wanted, into: &mut Map<String, Value>) {
    match wanted {
        Wanted::Nothing => {}
        Wanted::Only(names) => {
            let found = names.iter().filter_map(|name| all.get_key_value(name));
            into.extend(found.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())));
        }
        Wanted::All => {
            let found = all.iter().filter(|(_, value)| !value.is_null());
            into.extend(found.map(|(name, value)| (name.clone(), value.clone())));
        }
    }
}
