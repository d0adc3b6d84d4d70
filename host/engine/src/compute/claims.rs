//! Claims: the identities that an event names besides its subject, and what became of them.

use hashbrown::{HashMap, HashSet};
use openhub_model::identity::Authority;
use openhub_model::{Event, Identity, PartId};
use openhub_store::{ClaimRow, ClaimStatus, Judged};

use crate::body::Body;
use crate::catalog::Catalog;

/// The event that says that a claim joined nothing.
pub const REFUSED: &str = "Identity Refused";
/// A pair, as its row is keyed: part, identity, authority, and where the policy took effect.
type Key = (PartId, Identity, Authority, i64);

/// What the database has of the batch's pairs, and what the batch adds.
#[derive(Default)]
pub struct Claims {
    pub known: HashMap<Key, ClaimStatus>,
    /// Pairs that a human took apart.
    pub retracted: HashSet<(PartId, Identity)>,
    pub made: Vec<ClaimRow>,
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

    pub fn make(&mut self, claim: ClaimRow) {
        let key = (claim.part, claim.identity.clone(), claim.authority, claim.policy);
        self.known.insert(key, claim.status);
        self.made.push(claim);
    }
}

/// All identities that an event may join to its subject.
pub fn named(body: &Body, event: &Event, catalog: &Catalog) -> Vec<Identity> {
    if !body.names_others() {
        return Vec::new();
    }
    let Some(subject) = body.subject() else { return Vec::new() };
    let mut named = body.claims(event.kind, &subject, catalog.policies.at(event.position).1);
    named.extend(body.previous(event.kind).into_iter().flatten().filter(|previous| *previous != subject));
    named
}
