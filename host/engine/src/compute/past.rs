//! What customers did that a run may have waited for, and what a run has to make up for.

use std::sync::Arc;

use hashbrown::HashMap;
use openhub_model::{EventKind, Id, PartId, Timestamp};
use openhub_store::Sought;
use serde_json::Value;

/// An event that a run may have waited for.
#[derive(Debug)]
pub struct Past {
    /// Where what it goes back to stands in the log.
    pub root: i64,
    pub message_id: Arc<str>,
    pub name: String,
    pub at: Timestamp,
    pub properties: Value,
}

/// What was done before the batch, as far as it was asked for.
#[derive(Default)]
pub struct Meanwhile(HashMap<(PartId, String), Behind>);

/// What a part did behind a position.
struct Behind {
    since: i64,
    past: Vec<Arc<Past>>,
}

impl Meanwhile {
    pub fn of(brought: Vec<(Sought, Vec<Past>)>) -> Meanwhile {
        let brought = brought.into_iter();
        let by_part = brought.map(|(Sought { part, name, since }, past)| {
            ((part, name), Behind { since, past: past.into_iter().map(Arc::new).collect() })
        });
        Meanwhile(by_part.collect())
    }

    /// What a part did behind a position; none if that is not known.
    pub fn since(&self, sought: &Sought) -> Option<&[Arc<Past>]> {
        let Behind { since, past } = self.0.get(&(sought.part, sought.name.clone()))?;
        (*since <= sought.since).then_some(past)
    }
}

/// What a run has to make up for.
pub struct Owed {
    pub run: Id,
    pub past: Arc<Past>,
}

/// Whether runs wait for events of this kind.
pub fn is_awaited(kind: EventKind) -> bool {
    matches!(kind, EventKind::Track | EventKind::Page | EventKind::Screen)
}
