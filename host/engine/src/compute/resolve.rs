//! Identity: the identities that an event names besides its subject are judged by the tenant's policy and joined.
//!
//! A merge moves the actor of the other customer into this one. Which of them a batch may join is known before it starts:
//! they form a cluster, whose items are taken one at a time, so nothing of the other is under way.

use openhub_model::identity::{self, Authority, Refusal, Side};
use openhub_model::{Identity, PartId, Timestamp};
use openhub_store::{ClaimRow, ClaimStatus};
use serde_json::json;

use super::actor::Actor;
use super::batch::Batch;
use super::by::By;
use super::claims::REFUSED;
use super::effects::events::CausedEvent;
use super::effects::{Effect, apply};
use super::event::Happening;
use super::meanwhile::meanwhile_of;
use super::runs::keep_one_run;
use crate::body::Body;

/// Notes that the subject was seen; the first time, as a claim of the part by itself.
pub fn sight(batch: &mut Batch<'_>, actor: usize, part: PartId, event: &Happening) {
    let found = &mut batch.actors[actor];
    if found.member(part).is_none() {
        let Some(subject) = &event.subject else { return };
        found.add(part, subject.clone(), event.position, &event.message_id, false);
    }
    if !found.see(part, event.at) {
        return;
    }
    // Who is new, or is more than they were, is asked about everything.
    found.segments.touch(batch.catalog.segments.all());
    if let Some(member) = found.member(part) {
        batch.claims.make(ClaimRow {
            part,
            identity: member.part.identity.clone(),
            authority: Authority::Browser,
            policy: 0,
            position: event.position,
            source: event.message_id.to_string(),
            status: ClaimStatus::Joined,
        });
    }
}

pub fn claim(batch: &mut Batch<'_>, actor: usize, event: &Happening, body: &Body) {
    if !body.names_others() {
        return;
    }
    let (Some(part), Some(subject)) = (event.part, event.subject.clone()) else { return };
    let catalog = batch.catalog;
    let (since, policy) = catalog.policies.at(event.position);
    let mut named = body.claims(event.kind, &subject, policy);
    if let Some([visitor, user]) = body.previous(event.kind) {
        let is_known = |identity: &Identity| {
            let part = identity.part(batch.tenant);
            batch.homes.get(&part).is_some_and(|actor| batch.actors[*actor].member(part).is_some())
        };
        let previous = if is_known(&user) && !is_known(&visitor) { user } else { visitor };
        if previous != subject && !named.contains(&previous) {
            named.push(previous);
            policy.sort(&mut named);
        }
    }
    for (ordinal, identity) in named.into_iter().enumerate() {
        let claim = ClaimRow {
            part,
            authority: event.authority,
            policy: since,
            position: event.position,
            source: event.message_id.to_string(),
            status: ClaimStatus::Joined,
            identity,
        };
        judge(batch, actor, event, &subject, claim, ordinal as u32);
    }
}

fn judge(batch: &mut Batch<'_>, actor: usize, event: &Happening, subject: &Identity, claim: ClaimRow, ordinal: u32) {
    let key = (claim.part, claim.identity.clone(), claim.authority, claim.policy);
    let operates = claim.authority == Authority::Operator;
    match batch.claims.known.get(&key) {
        None => {}
        Some(ClaimStatus::Undone) if operates => {}
        Some(_) => return,
    }
    if !operates && batch.claims.retracted.contains(&(claim.part, claim.identity.clone())) {
        return;
    }
    let claimed = claim.identity.part(batch.tenant);
    let Some(other) = batch.homes.get(&claimed).copied() else { return };
    if other == actor && batch.actors[actor].member(claimed).is_some() {
        return batch.claims.make(claim);
    }
    let asked = identity::Claim {
        position: claim.position,
        subject: subject.clone(),
        identity: claim.identity.clone(),
        authority: claim.authority,
    };
    let mine = batch.actors[actor].kinds();
    let theirs = match batch.actors[other].members.is_empty() {
        true => vec![(claim.identity.kind.clone(), 1)],
        false => batch.actors[other].kinds(),
    };
    let policy = batch.catalog.policies.at(event.position).1;
    match policy.judge(&asked, &Side { kinds: &mine }, &Side { kinds: &theirs }) {
        Ok(()) => {
            join(batch, actor, other, &claim, claimed, event.now);
            batch.claims.make(claim);
        }
        Err(refusal) => {
            let owner = batch.actors[other].customer.as_ref().map(|owner| owner.customer);
            // A page may name an address that nobody has: that is an attribute, and no conflict.
            if owner.is_some() || refusal != Refusal::Authority {
                let why = policy.why(refusal, &asked, &Side { kinds: &mine }, &Side { kinds: &theirs });
                let properties = json!({
                    "kind": claim.identity.kind, "value": claim.identity.value, "reason": refusal.name(),
                    "message": why, "customer": owner.map(|owner| owner.to_string()),
                });
                let caused = CausedEvent {
                    cause: event,
                    by: By::of("openhub", "identity"),
                    ordinal,
                    name: REFUSED.into(),
                    properties,
                    to: None,
                };
                apply(batch, actor, Effect::Event(caused));
            }
            batch.claims.make(ClaimRow { status: ClaimStatus::Refused(refusal), ..claim });
        }
    }
}

fn join(batch: &mut Batch<'_>, actor: usize, other: usize, claim: &ClaimRow, claimed: PartId, now: Timestamp) {
    if batch.actors[other].members.is_empty() {
        batch.actors[actor].add(claimed, claim.identity.clone(), claim.position, &claim.source, true);
        batch.actors[actor].segments.touch(batch.catalog.segments.on_identity());
        batch.actors[actor].changed = true;
    }
    let cluster = batch.actors[other].cluster;
    let moved = std::mem::replace(&mut batch.actors[other], Actor { cluster, ..Actor::default() });
    let owed = meanwhile_of(batch, actor, &moved);
    for member in &moved.members {
        batch.homes.insert(member.part.id(), actor);
    }
    batch.homes.insert(claimed, actor);
    let merges = &batch.catalog.merges;
    batch.actors[actor].join(moved, merges, &batch.catalog.segments, now);
    keep_one_run(batch, actor, now);
    match owed {
        Some(owed) => batch.actors[actor].owed.extend(owed),
        None => batch.actors[actor].stall(),
    }
    batch.tally.joined += 1;
}
