//! Events that are caused.

use openhub_model::identity::Authority;
use openhub_model::{EventKind, NewEvent, Origin, PartId};
use openhub_store::{FaultKind, NewFault};
use serde_json::{Value, json};

use crate::body::{self, PROPOSED};
use crate::compute::batch::Batch;
use crate::compute::by::By;
use crate::compute::event::{Happening, MAX_CAUSED, MAX_DEPTH};
use crate::compute::propose::propose;

pub fn file_uncaused(batch: &mut Batch<'_>, (by, cause): (By<'_>, &Happening), code: &str, event: &str, text: String) {
    let subject = format!("{}/{}", by.plugin, by.rule);
    let fault = NewFault::counted(FaultKind::RowSkipped, subject, code, event, text);
    batch.faults.push(fault.example(&cause.message_id, cause.position, cause.depth));
}

/// An event that is caused.
pub struct CausedEvent<'a> {
    pub cause: &'a Happening,
    pub by: By<'a>,
    /// Which of those that `by` causes on account of it.
    pub ordinal: u32,
    pub name: String,
    pub properties: Value,
    /// Of another customer, whom a relation names.
    pub to: Option<PartId>,
}

/// It is handled before the customer's next event or timer. One that names another customer goes through the log, so that its
/// place there does not depend on the batch.
pub fn cause(batch: &mut Batch<'_>, actor: usize, event: CausedEvent<'_>) {
    let CausedEvent { cause, by, ordinal, name, properties, to } = event;
    if cause.depth >= MAX_DEPTH {
        batch.tally.too_deep += 1;
        tracing::warn!(tenant.id = batch.tenant.0, event.name = name, "An event at depth 8 would cause another.");
        let text = format!("An event at depth {MAX_DEPTH} would cause another event, `{name}`. The chain ends here.");
        return file_uncaused(batch, (by, cause), "too-deep", &name, text);
    }
    if batch.actors[actor].causes >= MAX_CAUSED {
        batch.tally.too_many += 1;
        tracing::warn!(tenant.id = batch.tenant.0, event.name = name, "An event would cause more than 1,000 others.");
        let text = format!("An event caused too many others, so `{name}` was left out: at most {MAX_CAUSED}.");
        return file_uncaused(batch, (by, cause), "too-many", &name, text);
    }
    batch.actors[actor].causes += 1;
    let customer = &batch.actors[actor];
    let own = cause.part.and_then(|part| customer.member(part)).or(customer.members.first());
    let own = own.map(|member| member.part.identity.clone());
    let to = to.filter(|part| customer.member(*part).is_none());
    let (part, subject) = match to {
        Some(part) => (Some(part), None),
        None => (own.as_ref().map(|own| own.part(batch.tenant)), own),
    };
    let id = by.id(&batch.marker, batch.tenant, cause, ordinal);
    let mut event = NewEvent {
        message_id: id.to_string(),
        kind: EventKind::Track,
        name,
        part,
        occurred_at: cause.at,
        received_at: cause.now,
        historical: cause.historical,
        authority: Authority::Server,
        cause: Some(cause.message_id.to_string()),
        body: String::new(),
    };
    // What goes through the log takes its depth along.
    let depth = to.is_some().then_some(cause.depth + 1);
    let served = by.served.map(|served| json!({"plugin": served.plugin, "name": by.rule, "digest": served.digest}));
    event.body = body::track(&event, subject.as_ref(), &properties, (depth, served));
    batch.spent.bytes += event.body.len() as u64;
    let place = batch.actors[actor].place;
    if to.is_some() {
        batch.arrivals.push((place, event));
        return;
    }
    if event.name == PROPOSED {
        let proposes = Happening { part: event.part, subject: subject.clone(), ..Happening::noted(cause) };
        propose(batch, actor, &proposes, &properties);
    }
    batch.actors[actor].caused.push_back(Box::new(Happening {
        message_id: event.message_id.as_str().into(),
        part: event.part,
        authority: event.authority,
        kind: event.kind,
        name: event.name.clone(),
        at: event.occurred_at,
        now: cause.now,
        bound: cause.bound,
        historical: event.historical,
        origin: Origin::Caused,
        depth: cause.depth + 1,
        position: cause.position,
        active_in: None,
        body: None,
        properties,
        subject,
        only: None,
    }));
    batch.events.push((place, event));
}
