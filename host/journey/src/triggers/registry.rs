//! The trigger types: a new one is a file beside this and a line here.

use openhub_model::condition::Needs;
use openhub_model::{Condition, Fault};
use serde::Serialize;
use serde_json::Value;

use crate::context::Moment;
use crate::document::read;
use crate::surroundings::Surroundings;
use crate::trigger::TriggerType;
use crate::triggers::{event, segment};

macro_rules! registry {
    ($($field:literal => $variant:ident($definition:ty),)*) => {
        /// What starts a run, told apart by the field that it has.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Trigger {
            $($variant($definition),)*
        }

        impl Trigger {
            /// Reads a trigger of the document at `pointer`. Without the field of any, it is read as the first.
            pub(crate) fn read(pointer: &str, value: &Value) -> Result<Trigger, Vec<Fault>> {
                let named = [$($field),*].into_iter().find(|field| value.get(field).is_some());
                match named.unwrap_or([$($field),*][0]) {
                    $($field => read::<$definition>(pointer, value).map(Trigger::$variant),)*
                    _ => unreachable!("every field of the list is matched"),
                }
            }

            fn as_type(&self) -> &dyn TriggerType {
                match self {
                    $(Trigger::$variant(trigger) => trigger,)*
                }
            }
        }
    };
}

registry! {
    "event" => Event(event::EventTrigger),
    "segment" => Segment(segment::SegmentTrigger),
}

impl Trigger {
    /// The name of the events that may start a run: under it the journey is found.
    pub fn key(&self) -> &str {
        self.as_type().key()
    }

    /// Whether an event of that name starts a run, if its customer satisfies the condition.
    pub fn starts(&self, event: &Moment<'_>) -> bool {
        self.as_type().starts(event)
    }

    /// What the customer must satisfy when it happens.
    pub fn condition(&self) -> Option<&Condition> {
        self.as_type().condition()
    }

    pub(crate) fn needs(&self, needs: &mut Needs) {
        self.as_type().needs(needs);
    }

    pub(crate) fn faults(&self, surroundings: &Surroundings) -> Vec<Fault> {
        let condition = self.condition().map(|condition| surroundings.faults(condition, "/trigger/condition"));
        [condition.unwrap_or_default(), self.as_type().faults(surroundings)].concat()
    }
}
