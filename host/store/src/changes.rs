//! What the engine commits after a batch.

use openhub_model::message::NewMessage;
use openhub_model::run::{Run, Timer};
use openhub_model::{Customer, NewEvent, Timestamp};
use serde_json::Value;

use crate::customers::Claim;
use crate::journeys::JourneyStatus;
use crate::objects::ObjectChange;
use crate::plugins::PluginStatus;
use crate::runs::Entry;
use crate::segments::{Fill, Membership};

/// The changes of one batch. No row occurs twice in a list: each is the row's final state.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The position that the batch reached.
    pub checkpoint: i64,
    /// The tenant's clock after the batch.
    pub clock: Timestamp,
    /// The host's clock: when the messages may have their first attempt.
    pub wall: Timestamp,
    pub customers: Vec<Customer>,
    pub claims: Vec<Claim>,
    pub runs: Vec<Run>,
    pub armed: Vec<Timer>,
    /// Deleted before `armed` are inserted.
    pub disarmed: Vec<Timer>,
    pub entries: Vec<Entry>,
    pub objects: Vec<ObjectChange>,
    pub messages: Vec<NewMessage>,
    /// Caused events, in order; one whose `message_id` exists is left out.
    pub events: Vec<NewEvent>,
    /// Events for other customers: appended as arrived ones in the same transaction, to be handled at their position.
    pub arrivals: Vec<NewEvent>,
    pub counts: Vec<NodeCount>,
    pub set_aside: Vec<SetAside>,
    pub catalog: Vec<CatalogChange>,
    /// Who entered or left a segment: one row a customer and segment at most.
    pub memberships: Vec<Membership>,
    pub fills: Vec<Fill>,
}

/// How often runs entered a node since the last commit, and by how much the number of those that wait at it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCount {
    pub journey: String,
    pub version: i64,
    pub node: String,
    pub entered: i64,
    pub waiting: i64,
}

/// An event that the checkpoint passed although its COMPUTE failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    pub position: i64,
    pub message_id: String,
    pub fault: String,
    pub at: Timestamp,
}

/// A change of what the engine runs, taking effect at its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogChange {
    /// Settings and grant are what an admin agreed to with the change; `None` keeps them.
    Plugin {
        name: String,
        status: PluginStatus,
        settings: Option<Value>,
        grant: Option<Value>,
        position: i64,
    },
    RemovePlugin {
        name: String,
    },
    /// `version` is the one that starts runs from now on; `None` keeps the active one.
    Journey {
        name: String,
        status: JourneyStatus,
        version: Option<i64>,
        position: i64,
    },
    /// The version in force from now on.
    Segment {
        name: String,
        version: i64,
        position: i64,
    },
    RemoveSegment {
        name: String,
    },
}
