//! Events that plugins append by themselves, on their way to the door: who speaks, by which authority, and under which id each
//! event stands, so that what is given again is not appended again.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use openhub_model::identity::Authority;
use openhub_model::{Fault, Id};
use openhub_runtime::{Declined, EventLog, Tracked};
use openhub_store::{Scope, StoreError};

use crate::door::{Named, Teller, Turned, event_id};
use crate::shared::Shared;

/// What is called.
#[derive(Clone, Debug)]
pub enum Caller {
    Channel(String),
    Source(String),
    Endpoint(EndpointCall),
    Job(JobCall),
    /// About a customer who is given their data, or was erased.
    Privacy,
}

/// A call of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointCall {
    pub endpoint: String,
    /// The id of the caller's key, and what it may claim itself.
    pub key: String,
    pub authority: Authority,
    /// What the caller names it by.
    pub once: Option<String>,
}

/// A run of a job. `step` counts the runs that came to an end: one that is made again has the same.
#[derive(Clone, Debug)]
pub struct JobCall {
    pub job: String,
    pub step: i64,
    pub fence: i64,
}

impl Caller {
    fn name(&self) -> &str {
        match self {
            Caller::Channel(name) | Caller::Source(name) => name,
            Caller::Endpoint(call) => &call.endpoint,
            Caller::Job(call) => &call.job,
            Caller::Privacy => "privacy",
        }
    }

    /// Who calls a source is believed as far as it was verified, who calls an endpoint as far as its key. All others are
    /// called by the hub alone.
    fn authority(&self, verified: bool) -> Authority {
        match self {
            Caller::Source(_) if !verified => Authority::Browser,
            Caller::Endpoint(call) if !verified => call.authority,
            Caller::Source(_) | Caller::Endpoint(_) | Caller::Channel(_) | Caller::Job(_) | Caller::Privacy => {
                Authority::Server
            }
        }
    }

    pub(crate) fn fence(&self) -> Option<i64> {
        match self {
            Caller::Job(call) => Some(call.fence),
            Caller::Channel(_) | Caller::Source(_) | Caller::Endpoint(_) | Caller::Privacy => None,
        }
    }

    /// None if nothing names it.
    fn id_of(&self, plugin: &str, tracked: &Tracked) -> Option<String> {
        let id = &tracked.event.id;
        match self {
            _ if !id.is_empty() => Some(event_id(plugin, id)),
            Caller::Job(JobCall { job, step, .. }) => {
                let (step, number) = (step.to_le_bytes(), (tracked.number as u64).to_le_bytes());
                Some(format!("openhub:job:{}", Id::named(&[plugin.as_bytes(), job.as_bytes(), &step, &number])))
            }
            Caller::Endpoint(EndpointCall { endpoint, key, once: Some(once), .. }) => {
                let number = (tracked.number as u64).to_le_bytes();
                let by = [plugin.as_bytes(), endpoint.as_bytes(), key.as_bytes(), once.as_bytes(), &number];
                Some(format!("openhub:endpoint:{}", Id::named(&by)))
            }
            Caller::Channel(_) | Caller::Source(_) | Caller::Endpoint(_) | Caller::Privacy => None,
        }
    }
}

/// The events of one call.
pub(crate) struct Told {
    pub shared: Arc<Shared>,
    pub scope: Scope,
    pub plugin: String,
    pub caller: Caller,
}

impl EventLog for Told {
    fn track(&self, events: Vec<Tracked>, verified: bool) -> BoxFuture<'_, Result<Vec<Result<(), Fault>>, Declined>> {
        self.append(events, verified).boxed()
    }
}

impl Told {
    async fn append(&self, events: Vec<Tracked>, verified: bool) -> Result<Vec<Result<(), Fault>>, Declined> {
        let starts = || Declined::later("starting", "the hub is not ready yet");
        let door = self.shared.door_soon().await.ok_or_else(starts)?;
        self.still_moves().await?;
        let mut answers = Vec::with_capacity(events.len());
        let (mut named, mut places) = (Vec::new(), Vec::new());
        for (place, tracked) in events.into_iter().enumerate() {
            let Some(message_id) = self.caller.id_of(&self.plugin, &tracked) else {
                let message = "The event needs an id: only a job, and a call that has an idempotency key, may leave it to the hub.";
                answers.push(Err(Fault::new("/id", "invalid-id", message)));
                continue;
            };
            named.push(Named { message_id, event: tracked.event });
            places.push(place);
            answers.push(Ok(()));
        }
        let authority = self.caller.authority(verified);
        let teller = Teller { plugin: &self.plugin, by: self.caller.name(), authority };
        let told = door.take(self.scope, teller, named).await.map_err(|Turned { code, after_ms }| {
            let message = "the hub does not take these events now";
            match Declined::later(&code, message) {
                Declined::Later { reason, .. } => Declined::Later { after_ms, reason },
                never @ Declined::Never(_) => never,
            }
        })?;
        for (place, told) in places.into_iter().zip(told) {
            answers[place] = told;
        }
        Ok(answers)
    }

    /// A job whose node has lost the tenant meanwhile says nothing more: another runs it again.
    async fn still_moves(&self) -> Result<(), Declined> {
        let Some(fence) = self.caller.fence() else { return Ok(()) };
        match self.shared.store.is_held(&self.scope, fence).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(StoreError::FenceLost) => {
                Err(Declined::later("moved", "another node moves the tenant now"))
            }
            Err(error) => {
                tracing::warn!(error = error.detail(), "Whether the tenant is moved here could not be read.");
                Err(Declined::later("unavailable", "the hub's database does not answer"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_runtime::SourceEvent;

    fn tracked(number: usize, id: &str) -> Tracked {
        let event = SourceEvent {
            id: id.to_owned(),
            name: "Paid".to_owned(),
            occurred_at: None,
            identities: Vec::new(),
            properties: serde_json::Map::new(),
        };
        Tracked { number, event }
    }

    fn job(job: &str, step: i64) -> Caller {
        Caller::Job(JobCall { job: job.to_owned(), step, fence: 1 })
    }

    #[test]
    fn what_a_run_gives_again_has_the_same_id() {
        let id = |caller: &Caller, number| caller.id_of("shop", &tracked(number, ""));
        assert_eq!(id(&job("poll", 3), 0), id(&job("poll", 3), 0));
        let others = [id(&job("poll", 3), 0), id(&job("poll", 3), 1), id(&job("poll", 4), 0), id(&job("sync", 3), 0)];
        let different: std::collections::BTreeSet<_> = others.iter().flatten().collect();
        assert_eq!(different.len(), others.len());
        assert_eq!(id(&Caller::Source("hook".to_owned()), 0), None, "a request has no number");
    }

    #[test]
    fn an_id_of_the_plugins_own_is_one_whichever_way_it_comes() {
        let id = |caller: &Caller| caller.id_of("shop", &tracked(7, "order-1"));
        assert_eq!(id(&job("poll", 3)), id(&Caller::Source("hook".to_owned())));
        assert_eq!(id(&job("poll", 3)), Some(event_id("shop", "order-1")));
    }

    #[test]
    fn a_call_that_is_named_names_its_events_and_claims_what_its_key_may() {
        let call = |key: &str, once: Option<&str>| {
            let (endpoint, once) = ("redeem".to_owned(), once.map(str::to_owned));
            Caller::Endpoint(EndpointCall { endpoint, key: key.to_owned(), authority: Authority::Browser, once })
        };
        let id = |caller: Caller| caller.id_of("till", &tracked(0, ""));
        assert_eq!(id(call("k1", Some("a"))), id(call("k1", Some("a"))));
        let others = [id(call("k1", Some("a"))), id(call("k2", Some("a"))), id(call("k1", Some("b")))];
        assert_eq!(others.iter().flatten().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert_eq!(id(call("k1", None)), None);
        let authorities = [false, true].map(|verified| call("k1", None).authority(verified));
        assert_eq!(authorities, [Authority::Browser, Authority::Server]);
    }

    #[test]
    fn a_source_is_believed_as_far_as_it_verified() {
        let source = Caller::Source("hook".to_owned());
        assert_eq!([source.authority(false), source.authority(true)], [Authority::Browser, Authority::Server]);
        assert_eq!(job("poll", 0).authority(false), Authority::Server);
    }
}
