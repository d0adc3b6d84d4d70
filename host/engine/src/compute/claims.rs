//! Claims: the identities that an event names besides its subject, judged by the tenant's policy and joined.
//!
//! A merge moves the lane of the other customer into this one. Which lanes a batch may join is known before it starts:
//! they form a cluster, whose items are taken one at a time, so nothing of the other lane is under way.

use hashbrown::{HashMap, HashSet};
use openhub_model::identity::{self, Authority, Refusal, Side};
use openhub_model::{Id, Identity, PartId, Timestamp, limits};
use openhub_store::{Claim, ClaimStatus, Judged, NewMatch};
use serde_json::{Value, json};

use super::customer::Lane;
use super::event::Happening;
use super::rules::By;
use super::wave::Batch;
use crate::body::{self, Body};

/// The event that says that a claim joined nothing.
pub const REFUSED: &str = "Identity Refused";
/// The event by which a rule proposes that two identities are one customer.
pub const PROPOSED: &str = "Match Proposed";

/// A pair, as its row is keyed: part, identity, authority, and where the policy took effect.
type Key = (PartId, Identity, Authority, i64);

/// What the database has of the batch's pairs, and what the batch adds.
#[derive(Default)]
pub struct Claims {
    known: HashMap<Key, ClaimStatus>,
    /// Pairs that a human took apart.
    retracted: HashSet<(PartId, Identity)>,
    pub made: Vec<Claim>,
}

impl Claims {
    pub fn stored(stored: Vec<Judged>) -> Claims {
        let mut claims = Claims::default();
        for claim in stored {
            if claim.status == ClaimStatus::Undone {
                claims.retracted.insert((claim.part, claim.identity.clone()));
            }
            claims.known.insert((claim.part, claim.identity, claim.authority, claim.policy), claim.status);
        }
        claims
    }

    fn make(&mut self, claim: Claim) {
        let key = (claim.part, claim.identity.clone(), claim.authority, claim.policy);
        self.known.insert(key, claim.status);
        self.made.push(claim);
    }
}

impl Batch<'_> {
    /// Notes that the subject was seen; the first time, as a claim of the part by itself.
    pub(super) fn sight(&mut self, lane: usize, part: PartId, event: &Happening) {
        let found = &mut self.lanes[lane];
        if found.member(part).is_none() {
            let Some(subject) = &event.subject else { return };
            found.add(part, subject.clone(), event.position, &event.message_id, false);
        }
        if !found.see(part, event.at, &self.catalog.merges) {
            return;
        }
        // Who is new, or is more than they were, is asked about everything.
        found.standing.touch(self.catalog.segments.all());
        if let Some(member) = found.member(part) {
            self.claims.make(Claim {
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

    pub(super) fn claim(&mut self, lane: usize, event: &Happening, body: &Body) {
        if !body.names_others() {
            return;
        }
        let (Some(part), Some(subject)) = (event.part, event.subject.clone()) else { return };
        let catalog = self.catalog;
        let (since, policy) = catalog.policies.at(event.position);
        let mut named = body.claims(event.kind, &subject, policy);
        if let Some([visitor, user]) = body.previous(event.kind) {
            let is_known = |identity: &Identity| {
                let part = identity.part(self.tenant);
                self.homes.get(&part).is_some_and(|lane| self.lanes[*lane].member(part).is_some())
            };
            let previous = if is_known(&user) && !is_known(&visitor) { user } else { visitor };
            if previous != subject && !named.contains(&previous) {
                named.push(previous);
                policy.sort(&mut named);
            }
        }
        for (ordinal, identity) in named.into_iter().enumerate() {
            let claim = Claim {
                part,
                authority: event.authority,
                policy: since,
                position: event.position,
                source: event.message_id.to_string(),
                status: ClaimStatus::Joined,
                identity,
            };
            self.judge(lane, event, &subject, claim, ordinal as u32);
        }
    }

    fn judge(&mut self, lane: usize, event: &Happening, subject: &Identity, claim: Claim, ordinal: u32) {
        let key = (claim.part, claim.identity.clone(), claim.authority, claim.policy);
        let operates = claim.authority == Authority::Operator;
        match self.claims.known.get(&key) {
            None => {}
            Some(ClaimStatus::Undone) if operates => {}
            Some(_) => return,
        }
        if !operates && self.claims.retracted.contains(&(claim.part, claim.identity.clone())) {
            return;
        }
        let claimed = claim.identity.part(self.tenant);
        let Some(other) = self.homes.get(&claimed).copied() else { return };
        if other == lane && self.lanes[lane].member(claimed).is_some() {
            return self.claims.make(claim);
        }
        let asked = identity::Claim {
            position: claim.position,
            subject: subject.clone(),
            identity: claim.identity.clone(),
            authority: claim.authority,
        };
        let mine = self.lanes[lane].kinds();
        let theirs = match self.lanes[other].members.is_empty() {
            true => vec![(claim.identity.kind.clone(), 1)],
            false => self.lanes[other].kinds(),
        };
        let policy = self.catalog.policies.at(event.position).1;
        match policy.judge(&asked, &Side { kinds: &mine }, &Side { kinds: &theirs }) {
            Ok(()) => {
                self.join(lane, other, &claim, claimed, event.now);
                self.claims.make(claim);
            }
            Err(refusal) => {
                let owner = self.lanes[other].customer.as_ref().map(|owner| owner.customer);
                // A page may name an address that nobody has: that is an attribute, and no conflict.
                if owner.is_some() || refusal != Refusal::Authority {
                    let properties = json!({
                        "kind": claim.identity.kind, "value": claim.identity.value, "reason": refusal.name(),
                        "customer": owner.map(|owner| owner.to_string()),
                    });
                    self.cause(lane, event, By::of("openhub", "identity"), ordinal, REFUSED.into(), properties, None);
                }
                self.claims.make(Claim { status: ClaimStatus::Refused(refusal), ..claim });
            }
        }
    }

    fn join(&mut self, lane: usize, other: usize, claim: &Claim, claimed: PartId, now: Timestamp) {
        if self.lanes[other].members.is_empty() {
            self.lanes[lane].add(claimed, claim.identity.clone(), claim.position, &claim.source, true);
            self.lanes[lane].standing.touch(self.catalog.segments.on_identity());
            self.lanes[lane].changed = true;
        }
        let cluster = self.lanes[other].cluster;
        let moved = std::mem::replace(&mut self.lanes[other], Lane { cluster, ..Lane::default() });
        let owed = self.meanwhile_of(lane, &moved);
        for member in &moved.members {
            self.homes.insert(member.part.id(), lane);
        }
        self.homes.insert(claimed, lane);
        let merges = &self.catalog.merges;
        self.lanes[lane].join(moved, merges, &self.catalog.segments, now);
        self.keep_one_run(lane, now);
        match owed {
            Some(owed) => self.lanes[lane].owed.extend(owed),
            None => self.lanes[lane].stall(),
        }
        self.tally.joined += 1;
    }

    /// Keeps what a rule proposes, and accepts it at once if the tenant's policy says so.
    pub(super) fn propose(&mut self, lane: usize, event: &Happening, properties: &Value) {
        let (Some(part), Some(subject)) = (event.part, &event.subject) else { return };
        let policy = self.catalog.policies.at(event.position).1;
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
        if self.matches.iter().any(|known| known.id == id) {
            return;
        }
        let score = properties["score"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0);
        if policy.matches.accept_from.is_some_and(|from| score >= from) {
            let accepted = body::decision(event, subject, &identity, id, true);
            self.arrivals.push((self.lanes[lane].place, accepted));
        }
        self.matches.push(NewMatch {
            id,
            part,
            identity,
            score,
            reason: text("reason").unwrap_or_default(),
            source: event.message_id.to_string(),
            proposed_at: event.now,
        });
    }
}
