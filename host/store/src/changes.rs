//! What the engine commits after a batch.

use std::sync::Arc;

use openhub_model::attribute::Declaration;
use openhub_model::identity::{Part, Policy};
use openhub_model::message::NewMessage;
use openhub_model::object_type::Declaration as ObjectDeclaration;
use openhub_model::run::Run;
use openhub_model::timer::Timer;
use openhub_model::{Customer, Id, NewEvent, PartId, Timestamp};
use serde_json::Value;

use crate::log::tombstones::Tombstone;
use crate::state::active_customers::Active;
use crate::state::claims::ClaimRow;
use crate::state::faults::NewFault;
use crate::state::former_fields::FormerFields;
use crate::state::journeys::JourneyStatus;
use crate::state::matches::{Decision, NewMatch};
use crate::state::object_types::{Migrating, Presumes};
use crate::state::objects::ObjectChange;
use crate::state::plugin_recordings::{NewRecording, RecordingOrder};
use crate::state::plugin_removals::RemovalStep;
use crate::state::plugin_trials::{Canary, Shadow, ShadowCount, ShadowRow};
use crate::state::plugin_versions::PluginMigrating;
use crate::state::plugins::PluginStatus;
use crate::state::runs::Entry;
use crate::state::segments::{Fill, Membership};
use crate::state::usage::Usage;

/// The changes of one batch. No row occurs twice in a list: each is the row's final state.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The position that the batch reached.
    pub checkpoint: i64,
    /// The tenant's clock after the batch.
    pub clock: Timestamp,
    /// A replay's clock does not come to where it was on its way to.
    pub clock_stopped: bool,
    /// The host's clock: when the messages may have their first attempt.
    pub wall: Timestamp,
    /// Folds, under the ids of their oldest parts.
    pub customers: Vec<Arc<Customer>>,
    /// The customers whose segments may change by time alone at another moment than before.
    pub wakes: Vec<Wake>,
    /// Ids that no customer has any more: they were joined to others.
    pub gone_customers: Vec<PartId>,
    pub parts: Vec<Part>,
    /// Parts that nothing names any more.
    pub gone_parts: Vec<PartId>,
    pub claims: Vec<ClaimRow>,
    pub matches: Vec<NewMatch>,
    pub decisions: Vec<Decision>,
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
    /// What is kept of events that arrived, by position: see [`crate::history::properties::kept`].
    pub kept: Vec<(i64, String)>,
    pub counts: Vec<NodeCount>,
    pub set_aside: Vec<SetAside>,
    /// What did not go through, for the list of faults.
    pub faults: Vec<NewFault>,
    /// What the plugins that were called used.
    pub usage: Vec<Usage>,
    /// The customers of whom events were handled that say so, at most one row for each month and customer.
    pub active: Vec<Active>,
    /// What shadows of plugins answered beside the active versions, and rows on which they differ.
    pub shadow_counts: Vec<ShadowCount>,
    pub shadow_rows: Vec<ShadowRow>,
    /// Calls of plugins that were recorded.
    pub recordings: Vec<NewRecording>,
    pub catalog: Vec<CatalogChange>,
    /// Who left a segment, and who entered one: at most one row of each kind a customer and segment. Who has both left
    /// and entered is a member.
    pub memberships: Vec<Membership>,
    pub fills: Vec<Fill>,
    /// Runs that ended for the sake of another one, with their parts: what is unsent of them is not sent.
    pub taken_back: Vec<(PartId, Id)>,
    /// Events that name an identity which the tenant suppresses: they are erased instead of computed.
    pub tombstones: Vec<Tombstone>,
}

impl Changes {
    /// Brings rows into the order of their keys, where they have no other: the writer then goes through a tree once.
    pub fn sort(&mut self) {
        self.customers.sort_unstable_by_key(|customer| customer.part);
        self.wakes.sort_unstable_by_key(|wake| wake.customer);
        self.parts.sort_unstable_by_key(Part::id);
        self.claims.sort_by_key(|claim| claim.part);
        self.runs.sort_unstable_by_key(|run| run.id);
        self.armed.sort_unstable();
        self.disarmed.sort_unstable();
        self.active.sort_unstable();
        self.kept.sort_unstable_by_key(|(position, _)| *position);
        self.messages.sort_unstable_by_key(|message| message.id);
        // Who left and came back left first.
        self.memberships.sort_by(|a, b| (&a.segment, a.customer).cmp(&(&b.segment, b.customer)));
    }
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
#[derive(Clone, Debug, PartialEq)]
pub enum CatalogChange {
    /// Settings and grant are what an admin agreed to with the change; `None` keeps them. The digest is the component that was
    /// agreed to: a candidate of that digest becomes the version that runs. `from` is the version that it was compared with:
    /// with another one active, nobody agreed to the difference.
    Plugin {
        name: String,
        status: PluginStatus,
        digest: Option<String>,
        from: Option<String>,
        settings: Option<Value>,
        grant: Option<Value>,
        position: i64,
    },
    /// A candidate serves a part of the customers from here on; none: the active version serves all. `from` is the active version.
    Canary {
        name: String,
        from: Option<String>,
        canary: Option<Canary>,
    },
    /// A candidate is called beside the active version from here on; none: none is.
    Shadow {
        name: String,
        from: Option<String>,
        shadow: Option<Shadow>,
    },
    /// Which calls of a plugin are recorded from here on; none: none are.
    Recording {
        name: String,
        order: Option<RecordingOrder>,
    },
    /// The identity kinds from that position on.
    IdentityKinds {
        policy: Policy,
        position: i64,
    },
    /// Declares an attribute, or takes its declaration away.
    Attribute {
        name: String,
        declaration: Option<Declaration>,
        position: i64,
    },
    /// Declares an object type, or takes its declaration away.
    ObjectType {
        name: String,
        declaration: Option<Box<ObjectDeclaration>>,
        /// The version that it is meant to follow, 0 if there is to be none; nothing: whatever is in force.
        expected: Option<i64>,
        /// Judged at its place.
        presumes: Presumes,
        position: i64,
    },
    /// How far the objects of a declared type have come on their way to its next version; none: they are on none.
    ObjectTypeMigrates {
        name: String,
        state: Option<Migrating>,
    },
    /// With its versions; nothing if runs wait in it.
    RemoveJourney {
        name: String,
    },
    /// The digest is the component that was meant.
    RemovePlugin {
        name: String,
        digest: Option<String>,
        position: i64,
    },
    /// How far the objects of a plugin have come on their way to the version that is to come into force; none: they are on none.
    PluginMigrates {
        plugin: String,
        state: Option<PluginMigrating>,
        /// Fields that its migration leaves out of the objects of this step.
        former: Vec<FormerFields>,
    },
    /// How far the removal of a plugin has come.
    PluginRemoval(RemovalStep),
    /// What blocks of subscriptions hold from here on, and what they hold no more.
    Blocks,
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

/// When a customer's segments may change by time alone; none while they cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    pub customer: PartId,
    pub due: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_of_their_keys_and_leaving_before_entering() {
        let [one, two] = {
            let mut ids = [Id::named(&[b"1"]), Id::named(&[b"2"])];
            ids.sort_unstable();
            ids
        };
        let membership = |customer, since: Option<i64>| Membership {
            segment: "gold".into(),
            customer,
            since: since.map(Timestamp::from_micros),
        };
        let wake = |customer| Wake { customer, due: None };
        let left_and_back = [membership(one, None), membership(one, Some(7))];
        let mut changes = Changes {
            wakes: vec![wake(two), wake(one)],
            memberships: [vec![membership(two, None)], left_and_back.to_vec()].concat(),
            ..Changes::default()
        };
        changes.sort();
        assert_eq!(changes.wakes, [wake(one), wake(two)]);
        assert_eq!(changes.memberships[..2], left_and_back);
    }
}
