//! A rule of an enabled plugin, with its reads and writes resolved and its tenant's bindings applied.

use std::sync::Arc;

use openhub_model::manifest::{RuleShape, Type};
use serde_json::Value;

use super::enabled::Enabled;
use super::path::{ReadPath, WritePath, bound_path};
use crate::enable;

/// A rule by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    pub plugin: String,
    pub rule: String,
}

pub struct Reading {
    pub path: ReadPath,
    pub of: Type,
    pub required: bool,
}

pub struct Writing {
    pub path: WritePath,
    pub of: Type,
}

pub struct Rule {
    pub name: Arc<str>,
    pub on: Vec<String>,
    pub reads: Vec<Reading>,
    pub writes: Vec<Writing>,
    /// Its parameters as JSON text: the settings under the rule's name.
    pub params: String,
    pub owner: Arc<Enabled>,
    /// Of the owner's component, for what the rule is the cause of.
    pub digest: Arc<str>,
    /// Whether a read touches state, so that each event must see the effects of the customer's earlier ones.
    pub reads_state: bool,
}

impl Rule {
    /// A manifest's paths were checked when the plugin was installed; a path that does not parse reads as absent.
    pub fn of(shape: &RuleShape, owner: &Arc<Enabled>) -> Rule {
        let settings = &owner.installation.settings;
        let binding = &settings["bindings"][&shape.name];
        let reads = shape.reads.iter().filter_map(|read| {
            let path = bound_path(settings, &shape.name, read)?;
            Some(Reading { path, of: read.of.clone(), required: read.required })
        });
        let reads: Vec<Reading> = reads.collect();
        let writes = shape
            .writes
            .iter()
            .filter_map(|write| Some(Writing { path: WritePath::parse(&write.path)?, of: write.of.clone() }))
            .collect();
        let params = match &settings[&shape.name] {
            Value::Object(params) => Value::Object(params.clone()).to_string(),
            _ => "{}".to_owned(),
        };
        let reads_state = reads.iter().any(|read| matches!(read.path, ReadPath::Attribute(_) | ReadPath::Tag(_)));
        let on = names(&binding["on"]).unwrap_or_else(|| shape.on.clone());
        let (name, digest) = (shape.name.as_str().into(), owner.installation.digest.as_str().into());
        Rule { name, on, reads, writes, params, owner: owner.clone(), digest, reads_state }
    }

    pub fn is(&self, only: &RuleName) -> bool {
        self.owner.installation.name == only.plugin && *self.name == *only.rule
    }

    pub fn node(&self) -> enable::Node {
        enable::Node {
            id: (self.owner.installation.name.clone(), self.name.as_ref().to_owned()),
            reads: self.reads.iter().filter_map(|read| enable::state_read(&read.path)).collect(),
            writes: self.writes.iter().filter_map(|write| enable::state_written(&write.path)).collect(),
        }
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    let names = value.as_array()?.iter().filter_map(|name| name.as_str().map(str::to_owned));
    Some(names.collect())
}
