//! The customer enters a segment, or leaves it.

use openhub_model::event::{SEGMENT_ENTERED, SEGMENT_LEFT};
use openhub_model::fault::instead_of;
use openhub_model::{Condition, Fault};
use serde::{Deserialize, Serialize};

use crate::context::Moment;
use crate::surroundings::Surroundings;
use crate::trigger::TriggerType;

/// `{"segment": "vip", "on": "left", "condition": …}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentTrigger {
    /// The segment's name.
    pub segment: String,
    #[serde(default)]
    pub on: Crossing,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crossing {
    #[default]
    Entered,
    Left,
}

impl TriggerType for SegmentTrigger {
    fn key(&self) -> &str {
        match self.on {
            Crossing::Entered => SEGMENT_ENTERED,
            Crossing::Left => SEGMENT_LEFT,
        }
    }

    fn starts(&self, event: &Moment<'_>) -> bool {
        event.properties["segment"] == self.segment.as_str()
    }

    fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    fn faults(&self, surroundings: &Surroundings) -> Vec<Fault> {
        let Some(named) = &surroundings.named else { return Vec::new() };
        if named.segments.contains(&self.segment) {
            return Vec::new();
        }
        let message = format!("There is no segment `{}`. {}", self.segment, instead_of(&self.segment, &named.segments));
        vec![Fault::new("/trigger/segment", "unknown-segment", message)]
    }
}
