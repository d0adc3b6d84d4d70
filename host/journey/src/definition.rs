//! A journey as an author writes it: the JSON document of a draft or a published version.
//!
//! Only the shape; what it must fulfil to be published is in `check`, and how it moves in `journey`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::nodes::registry::Node;
use crate::triggers::registry::Trigger;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Definition {
    pub trigger: Trigger,
    pub reentry: Reentry,
    /// The node that a run begins at.
    pub start: String,
    pub nodes: BTreeMap<String, Node>,
}

/// Whether a customer who was in the journey may enter it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reentry {
    /// Once a customer, ever. What a definition without `reentry` means.
    #[default]
    Never,
    /// At every trigger, beside runs that still wait.
    Always,
    /// When no run of theirs is waiting.
    AfterExit,
}
