//! Trying a fault again: what was set aside goes through the log once more, so that it takes effect at a place of its own and
//! replays there.

use openhub_model::identity::Authority;
use openhub_model::{Event, EventKind, NewEvent, Timestamp};
use openhub_store::{FaultKind, NewFault, Remedy, Scope, Store, StoreError};
use serde_json::json;

use crate::body::{Body, Retry};

/// What tries a fault again; none if nothing can, or what it is about is not there any more.
pub async fn remedy(
    store: &Store,
    scope: &Scope,
    fault: &NewFault,
    now: Timestamp,
) -> Result<Option<Remedy>, StoreError> {
    if [FaultKind::Message, FaultKind::Erasure].contains(&fault.kind) {
        return Ok(Some(Remedy::Retry));
    }
    let Some(message_id) = fault.message_id.as_deref().filter(|_| fault.kind.can_retry()) else { return Ok(None) };
    let event = store.event(scope, message_id).await?;
    Ok(event.and_then(|event| again(fault, &event, now)).map(|event| Remedy::Event(Box::new(event))))
}

/// The event that tries a fault again, of the event that it is about; none if the kind of fault has none. The original time
/// stays, and `now` is when it is received.
///
/// An event that was set aside comes as itself under another messageId. For a rule that failed, an update has that rule alone
/// look at the event: all else of it was done.
fn again(fault: &NewFault, event: &Event, now: Timestamp) -> Option<NewEvent> {
    let part = event.part.or(fault.part);
    let same = NewEvent {
        message_id: format!("openhub:retry:{}:{}", fault.id, fault.count),
        kind: event.kind,
        name: event.name.clone(),
        part,
        occurred_at: event.occurred_at,
        received_at: now,
        historical: event.historical,
        authority: event.authority,
        cause: Some(event.message_id.clone()),
        body: event.body.clone(),
    };
    match fault.kind {
        FaultKind::Event | FaultKind::Control => Some(same),
        FaultKind::Rule => {
            let (plugin, rule) = fault.subject.split_once('/')?;
            let said = Body::read(event.kind, &event.body);
            let subject = said.subject()?;
            let retry = Retry {
                plugin: plugin.to_owned(),
                rule: rule.to_owned(),
                message_id: event.message_id.clone(),
                event: event.name.clone(),
                properties: said.properties,
            };
            Some(NewEvent {
                kind: EventKind::Update,
                name: String::new(),
                authority: Authority::Operator,
                body: json!({"identity": subject, "retry": retry}).to_string(),
                ..same
            })
        }
        _ => None,
    }
}
