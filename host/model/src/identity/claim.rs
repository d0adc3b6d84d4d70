//! Claims and their retraction: what events say of identities that belong together.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::Identity;

/// On whose word a claim stands. The number is what the database stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum Authority {
    /// A key that anybody can read in a page's source. It may attach an anonymous id that nobody owns.
    #[default]
    Browser = 0,
    /// A key that is kept on a server: it may join two known customers.
    Server = 1,
    /// A human, or the policy that a human set, who accepted a match: it may join anew what was taken apart.
    Operator = 2,
}

impl Authority {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<Authority> {
        [Authority::Browser, Authority::Server, Authority::Operator].into_iter().find(|one| one.code() == code)
    }
}

/// That `identity` belongs to the customer of `subject`, said by the event at `position`.
///
/// A claim of an identity by itself says that its part was seen: events have it as their subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    pub position: i64,
    pub subject: Identity,
    pub identity: Identity,
    pub authority: Authority,
}

impl Claim {
    pub fn is_sighting(&self) -> bool {
        self.subject == self.identity
    }

    /// The two identities, as a retraction names them.
    pub fn pair(&self) -> (Identity, Identity) {
        (self.subject.clone(), self.identity.clone())
    }
}

/// Takes all claims of a pair back, for good: later claims of the pair count only if an operator makes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Retraction {
    pub position: i64,
    pub subject: Identity,
    pub identity: Identity,
}

/// Why a claim joins nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum Refusal {
    /// The value is on the kind's block list.
    Blocked = 1,
    /// The value is empty, over-long or not of the kind's format.
    Format = 2,
    /// The customer would have more identities of a kind than its limit.
    Limit = 3,
    /// The claim came by a key that may not join it.
    Authority = 4,
}

impl Refusal {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<Refusal> {
        [Refusal::Blocked, Refusal::Format, Refusal::Limit, Refusal::Authority]
            .into_iter()
            .find(|one| one.code() == code)
    }

    /// The stable name that events and answers carry.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::Blocked => "blocked",
            Refusal::Format => "format",
            Refusal::Limit => "limit",
            Refusal::Authority => "authority",
        }
    }
}

/// The claims that stand: those of a pair that was never retracted, and an operator's after its last retraction.
pub fn live<'a>(
    claims: impl IntoIterator<Item = &'a Claim>,
    retractions: &'a BTreeSet<Retraction>,
) -> impl Iterator<Item = &'a Claim> {
    let mut last: BTreeMap<(&Identity, &Identity), i64> = BTreeMap::new();
    for retraction in retractions {
        let at = last.entry((&retraction.subject, &retraction.identity)).or_insert(retraction.position);
        *at = retraction.position.max(*at);
    }
    claims.into_iter().filter(move |claim| {
        last.get(&(&claim.subject, &claim.identity))
            .is_none_or(|retracted| claim.authority == Authority::Operator && claim.position > *retracted)
    })
}
