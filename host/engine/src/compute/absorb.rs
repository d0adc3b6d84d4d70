//! What an event itself says of its customer: that they exist, their attributes, tags and consents, and their claims.

use openhub_model::identity::Authority;
use openhub_model::{Cause, EventKind};
use openhub_store::{Decision, MatchStatus};

use super::batch::Batch;
use super::effects::source::{Source, Word};
use super::effects::state::Change;
use super::effects::{Effect, apply};
use super::event::Happening;
use super::propose::propose;
use super::resolve::{claim, sight};
use crate::body::{Body, PROPOSED};

/// The attribute that keeps the group of the last `group` call.
const GROUP: &str = "group_id";

pub fn absorb(batch: &mut Batch<'_>, actor: usize, event: &mut Happening) {
    let mut said = event.body.take();
    let mut nothing = Body::default();
    let body = said.as_deref_mut().unwrap_or(&mut nothing);
    let Some(part) = event.part else { return };
    if body.verdict {
        return batch.actors[actor].segments.touch(batch.catalog.segments.on_message());
    }
    if event.arrived() {
        sight(batch, actor, part, event);
        claim(batch, actor, event, body);
        decide(batch, event, body);
        // A program on a server may propose as a rule does.
        if event.kind == EventKind::Track && event.name == PROPOSED && event.authority >= Authority::Server {
            propose(batch, actor, event, &event.properties);
        }
    }
    let (catalog, met) = (batch.catalog, &mut batch.actors[actor]);
    if met.customer.is_none() {
        return;
    }
    if body.review {
        return met.segments.touch(catalog.segments.all());
    }
    if !event.arrived() {
        // It says nothing of the customer, and nobody was seen.
        return;
    }
    let (kind, at) = (event.kind, event.at);
    if !matches!(kind, EventKind::Identify | EventKind::Update | EventKind::Group) {
        let counts = event.triggers();
        return met.did(part, |state| if counts { state.did(at) } else { state.saw(at) });
    }
    let cause = Cause { at, event: event.message_id.clone(), plugin: None, rule: None };
    let word = Word {
        page: event.authority == Authority::Browser && kind != EventKind::Update,
        timeless: event.historical && !body.timed,
    };
    let source = Source { part: Some(part), cause, word, seen: Some(at) };
    let group = body.group(kind).map(|group| Change::Attribute(GROUP.into(), group.into()));
    // The traits of a group are the group's.
    let said = if kind == EventKind::Group { Body::default() } else { std::mem::take(body) };
    let changes = group.into_iter().chain(changes(said)).collect();
    apply(batch, actor, Effect::Changes(source, changes));
}

/// What a human or a policy said of a proposed match.
fn decide(batch: &mut Batch<'_>, event: &Happening, body: &Body) {
    if let Some(decided) = &body.decided {
        let status = if decided.accepted { MatchStatus::Accepted } else { MatchStatus::Rejected };
        batch.decisions.retain(|decision| decision.id != decided.id);
        batch.decisions.push(Decision { id: decided.id, status, at: event.now });
    }
}

/// What an event says of its customer.
fn changes(mut said: Body) -> impl Iterator<Item = Change<'static>> {
    let (tags, consents) = (std::mem::take(&mut said.tags), std::mem::take(&mut said.consents));
    let tags = tags.into_iter().map(|(tag, present)| Change::Tag(tag.into(), present));
    let consents = consents.into_iter().map(|(key, consent)| Change::Consent(key.into(), consent));
    let attributes = said.attributes().into_iter().map(|(name, value)| Change::Attribute(name.into(), value));
    tags.chain(consents).chain(attributes)
}
