//! An event of the customer.

use openhub_model::condition::{PropertyTest, properties_match, property_faults};
use openhub_model::{Condition, Fault, limits};
use serde::{Deserialize, Serialize};

use crate::context::Moment;
use crate::surroundings::Surroundings;
use crate::trigger::TriggerType;

/// `{"event": "Order Completed", "where": […], "condition": …}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTrigger {
    /// The event's name.
    pub event: String,
    /// What the event's own properties must satisfy.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PropertyTest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

impl TriggerType for EventTrigger {
    fn key(&self) -> &str {
        &self.event
    }

    fn starts(&self, event: &Moment<'_>) -> bool {
        properties_match(&self.tests, event.properties)
    }

    fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    fn faults(&self, surroundings: &Surroundings) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.event.is_empty() {
            faults.push(Fault::new("/trigger/event", "empty", "The event has no name: set `event`."));
        }
        faults.extend(limits::length(&self.event, limits::EVENT_NAME, || "/trigger/event".to_owned()).err());
        faults.extend(property_faults(&self.tests, surroundings.paths(), "/trigger/where"));
        faults
    }
}
