//! Proposed matches: that two identities are one customer, said by a rule or by a program on a server.

use openhub_model::identity::Authority;
use openhub_model::{EventKind, Id, Identity, NewEvent, limits};
use openhub_store::NewMatch;
use serde_json::{Value, json};

use super::batch::Batch;
use super::event::Happening;

/// Keeps what a rule proposes, and accepts it at once if the tenant's policy says so.
pub fn propose(batch: &mut Batch<'_>, actor: usize, event: &Happening, properties: &Value) {
    let (Some(part), Some(subject)) = (event.part, &event.subject) else { return };
    let policy = batch.catalog.policies.at(event.position).1;
    let text = |name: &str| properties[name].as_str().map(str::to_owned);
    let (Some(kind), Some(value)) = (text("kind"), text("value")) else { return };
    let identity = policy.normal(Identity::new(kind, value));
    if identity == *subject
        || !limits::is_identity(&identity)
        || policy.check(&identity).is_err()
        || policy.check(subject).is_err()
    {
        return;
    }
    let id = Id::named(&[b"match", part.as_bytes(), identity.kind.as_bytes(), identity.value.as_bytes()]);
    let score = properties["score"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0);
    if policy.matches.accept_from.is_some_and(|from| score >= from) {
        let accepted = decision(event, subject, &identity, id, true);
        // Proposed more than once, it is accepted once, whichever of them is good enough.
        if batch.arrivals.iter().all(|(_, arrival)| arrival.message_id != accepted.message_id) {
            batch.arrivals.push((batch.actors[actor].place, accepted));
        }
    }
    if batch.matches.iter().any(|known| known.id == id) {
        return;
    }
    batch.matches.push(NewMatch {
        id,
        part,
        identity,
        score,
        reason: text("reason").unwrap_or_default(),
        source: event.message_id.to_string(),
        proposed_at: event.now,
    });
}

/// The event by which a proposed match is decided: by a human, or by the policy that accepts it.
fn decision(cause: &Happening, subject: &Identity, identity: &Identity, id: Id, accepted: bool) -> NewEvent {
    let identities = if accepted { vec![identity] } else { Vec::new() };
    NewEvent {
        message_id: format!("openhub:match:{id}"),
        kind: EventKind::Update,
        name: String::new(),
        part: cause.part,
        occurred_at: cause.now,
        received_at: cause.now,
        historical: false,
        authority: Authority::Operator,
        cause: Some(cause.message_id.to_string()),
        body: json!({
            "identity": subject, "identities": identities, "match": { "id": id, "accepted": accepted },
        })
        .to_string(),
    }
}
