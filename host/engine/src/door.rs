//! The door that everybody's events pass, and by which everybody reads and writes, is the API's. The engine knows it as this, so that
//! plugins pass it, too.

use std::sync::Arc;

use futures::future::BoxFuture;
use openhub_model::identity::Authority;
use openhub_model::{Event, Fault, Id, Principal};
use openhub_runtime::{Customers, Objects, SourceEvent};
use openhub_store::Scope;

/// The way into the log, with its checks, limits, suppression and back pressure.
pub trait Door: Send + Sync {
    /// All that can be taken is committed before this answers: one answer an event, in order.
    fn take<'a>(
        &'a self,
        scope: Scope,
        teller: Teller<'a>,
        events: Vec<Named>,
    ) -> BoxFuture<'a, Result<Vec<Result<(), Fault>>, Turned>>;

    /// An event as whoever reads the log sees it, as JSON.
    fn show(&self, event: Event) -> String;

    /// The tenant's customers and objects, for this plugin: what it writes is written in its name.
    fn records(&self, scope: Scope, plugin: Principal) -> (Arc<dyn Customers>, Arc<dyn Objects>);
}

/// Who says that something happened.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    pub plugin: &'a str,
    /// Its channel, source, endpoint or job.
    pub by: &'a str,
    pub authority: Authority,
}

/// An event, and its id in the log.
#[derive(Clone, Debug)]
pub struct Named {
    pub message_id: String,
    pub event: SourceEvent,
}

/// Nothing was taken: again, after a while.
#[derive(Clone, Debug)]
pub struct Turned {
    pub code: String,
    pub after_ms: u32,
}

/// The id, in the log, of an event that has an id within its plugin. No client can use one like it.
pub fn event_id(plugin: &str, id: &str) -> String {
    format!("openhub:source:{}", Id::named(&[plugin.as_bytes(), id.as_bytes()]))
}
