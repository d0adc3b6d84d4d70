//! Who did what: one entry for each act, each with the hash of the one before it, so that an entry that is changed, taken out or
//! put in between breaks the chain.
//!
//! An entry has no data of customers: what a path says of one is left out, and contents are there as digests that only the hub
//! can make. The last entry's hash is signed by who holds the hub's key, so that nobody else can cut the end off, or write the
//! whole chain anew. The hub signs an end only if it follows one that it has signed: see [`BEGINNINGS`].

use serde::{Deserialize, Serialize};

use crate::principal::Principal;
use crate::tenant::TenantId;
use crate::time::Timestamp;

/// Tells these hashes from all others, and this form of them from later ones.
const PURPOSE: &str = "openhub audit entry, version 1";

/// An act, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// 1 for the tenant's first, one more for each further one.
    pub number: i64,
    pub at: Timestamp,
    pub doer: Doer,
    /// What was done: method and route, like `PUT /api/v1/segments/{name}`, or a command, like `openhub key create`.
    pub act: String,
    /// To what: the names in the path. Empty where that would say who a customer is.
    pub subject: String,
    /// The address that it came from; empty for a command.
    pub origin: String,
    /// The request's id.
    pub request: String,
    /// Digests of what was there before and after; empty where nothing was, or it is not known.
    pub before: String,
    pub after: String,
    /// The hash of the entry before; empty for the first.
    pub previous: String,
    pub hash: String,
}

impl AuditEntry {
    /// The hash that the entry has if nobody has changed it: of each of its parts, with its length before it.
    pub fn hashed(&self, tenant: TenantId) -> String {
        let mut hasher = blake3::Hasher::new_derive_key(PURPOSE);
        let numbers = [tenant.0.to_le_bytes(), self.number.to_le_bytes(), self.at.micros().to_le_bytes()];
        for number in &numbers {
            hasher.update(number);
        }
        for text in [
            &self.doer.kind,
            &self.doer.who,
            &self.doer.more,
            &self.act,
            &self.subject,
            &self.origin,
            &self.request,
            &self.before,
            &self.after,
            &self.previous,
        ] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Who did it, as it is stored and hashed: what kind of principal it is, which one, and of which version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doer {
    pub kind: String,
    pub who: String,
    pub more: String,
}

impl Doer {
    /// Who it was; none if somebody has written here what is no principal.
    pub fn principal(&self) -> Option<Principal> {
        let id = || self.who.clone();
        let principal = match self.kind.as_str() {
            "key" => Principal::Key { id: id() },
            "person" => Principal::Person { id: id() },
            "plugin" => Principal::Plugin { name: id(), digest: self.more.clone() },
            "partner" => Principal::Partner { id: id() },
            "subscription" => Principal::Subscription { id: id() },
            "operator" => Principal::Operator,
            "hub" => Principal::Hub,
            _ => return None,
        };
        (Doer::from(&principal) == *self).then_some(principal)
    }
}

impl From<&Principal> for Doer {
    fn from(principal: &Principal) -> Doer {
        let (kind, who, more) = match principal {
            Principal::Key { id } => ("key", id.as_str(), ""),
            Principal::Person { id } => ("person", id.as_str(), ""),
            Principal::Plugin { name, digest } => ("plugin", name.as_str(), digest.as_str()),
            Principal::Partner { id } => ("partner", id.as_str(), ""),
            Principal::Subscription { id } => ("subscription", id.as_str(), ""),
            Principal::Operator => ("operator", "", ""),
            Principal::Hub => ("hub", "", ""),
        };
        Doer { kind: kind.to_owned(), who: who.to_owned(), more: more.to_owned() }
    }
}

/// Makes the end of a chain the operator's responsibility, where the hub does not sign it by itself.
pub const SIGNING: &str = "openhub audit sign";

/// The acts with which a chain begins: a tenant is made, or its owner comes in. A chain that begins with another one has lost its
/// beginning, and its end is not signed.
pub const BEGINNINGS: [&str; 3] = ["openhub tenant create", "POST /api/v1/claim", SIGNING];

/// Where a tenant's chain ends, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Of the last entry.
    pub number: i64,
    pub hash: String,
    /// By the hub's key; empty if who wrote the entry did not have it.
    pub signature: String,
}

impl AuditHead {
    /// What is signed.
    pub fn signed(tenant: TenantId, number: i64, hash: &str) -> Vec<u8> {
        format!("openhub audit head 1\n{}\n{number}\n{hash}", tenant.0).into_bytes()
    }
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Tampering {
    /// What the entry says is not what was hashed.
    Edited { number: i64 },
    /// The entry does not follow the one before it.
    Unlinked { number: i64 },
    /// Entries that were there are not there any more.
    Missing { from: i64, to: i64 },
    /// The chain ends before, or behind, the entry that was signed, or in another one.
    OtherEnd { signed: i64, found: i64 },
    /// There are entries, and nothing says where they end.
    NoEnd,
    /// There is nothing, although somebody works in the tenant.
    Empty,
    /// The end was written by somebody without the hub's key, or it follows an end that the hub has not signed.
    Unsigned,
    /// The signature is not the hub's.
    OtherSignature,
    /// The entry is another one than when its hash was written down elsewhere.
    Rewritten { number: i64 },
}

/// Walks a chain from its first entry.
#[derive(Debug)]
pub struct Walk {
    tenant: TenantId,
    number: i64,
    hash: String,
    /// An end that was written down elsewhere.
    kept: Option<AuditHead>,
    found: Vec<Tampering>,
}

/// Faults that are listed; there may be more.
const MOST: usize = 1000;

impl Walk {
    pub fn new(tenant: TenantId) -> Walk {
        Walk { tenant, number: 0, hash: String::new(), kept: None, found: Vec::new() }
    }

    /// Looks, too, whether the chain still has an end that was written down elsewhere: whoever can write all of the database can
    /// bring back an older one, with its signature.
    pub fn since(self, kept: Option<AuditHead>) -> Walk {
        Walk { kept, ..self }
    }

    /// The next entry, by number.
    pub fn pass(&mut self, entry: &AuditEntry) {
        let next = self.number + 1;
        if entry.number > next {
            self.tell(Tampering::Missing { from: next, to: entry.number - 1 });
        } else if entry.number < next || entry.previous != self.hash {
            self.tell(Tampering::Unlinked { number: entry.number });
        }
        if entry.hashed(self.tenant) != entry.hash {
            self.tell(Tampering::Edited { number: entry.number });
        }
        if self.kept.as_ref().is_some_and(|kept| kept.number == entry.number && kept.hash != entry.hash) {
            self.tell(Tampering::Rewritten { number: entry.number });
        }
        // What stands where nothing can stand is told, and is nothing that others follow.
        if entry.number >= next {
            self.number = entry.number;
            self.hash.clone_from(&entry.hash);
        }
    }

    /// How many entries were passed.
    pub fn last(&self) -> i64 {
        self.number
    }

    /// What is wrong, all in all. `is_ours` says whether a signature is the hub's.
    pub fn end(mut self, head: Option<&AuditHead>, is_ours: impl Fn(&[u8], &str) -> bool) -> Vec<Tampering> {
        if let Some(kept) = self.kept.take() {
            if !is_ours(&AuditHead::signed(self.tenant, kept.number, &kept.hash), &kept.signature) {
                self.tell(Tampering::OtherSignature);
            }
            if kept.number > self.number {
                self.tell(Tampering::Missing { from: self.number + 1, to: kept.number });
                return self.found;
            }
        }
        let Some(head) = head else {
            if self.number > 0 {
                self.tell(Tampering::NoEnd);
            }
            return self.found;
        };
        if head.number > self.number {
            self.tell(Tampering::Missing { from: self.number + 1, to: head.number });
        } else if (head.number, &head.hash) != (self.number, &self.hash) {
            self.tell(Tampering::OtherEnd { signed: head.number, found: self.number });
        }
        if head.signature.is_empty() {
            self.tell(Tampering::Unsigned);
        } else if !is_ours(&AuditHead::signed(self.tenant, head.number, &head.hash), &head.signature) {
            self.tell(Tampering::OtherSignature);
        }
        self.found
    }

    fn tell(&mut self, fault: Tampering) {
        if self.found.len() < MOST {
            self.found.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: TenantId = TenantId(7);

    fn chain(length: i64) -> (Vec<AuditEntry>, AuditHead) {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for number in 1..=length {
            let mut entry = AuditEntry {
                number,
                at: Timestamp::from_micros(number),
                doer: Doer::from(&Principal::key("ab12")),
                act: "PUT /api/v1/segments/{name}".to_owned(),
                subject: format!("segment-{number}"),
                origin: "10.0.0.1".to_owned(),
                request: "r".to_owned(),
                before: String::new(),
                after: "d".to_owned(),
                previous: entries.last().map(|last| last.hash.clone()).unwrap_or_default(),
                hash: String::new(),
            };
            entry.hash = entry.hashed(SHOP);
            entries.push(entry);
        }
        let hash = entries.last().map(|last| last.hash.clone()).unwrap_or_default();
        let signature = signature(&AuditHead::signed(SHOP, length, &hash));
        (entries, AuditHead { number: length, hash, signature })
    }

    /// Stands for a signature: nobody in these tests makes another.
    fn signature(bytes: &[u8]) -> String {
        blake3::hash(bytes).to_hex().to_string()
    }

    fn walked(entries: &[AuditEntry], head: Option<&AuditHead>) -> Vec<Tampering> {
        let mut walk = Walk::new(SHOP);
        entries.iter().for_each(|entry| walk.pass(entry));
        walk.end(head, |bytes, given| signature(bytes) == given)
    }

    #[test]
    fn a_chain_that_nobody_touched_is_whole() {
        let (entries, head) = chain(5);
        assert_eq!(walked(&entries, Some(&head)), []);
        assert_eq!(walked(&[], None), []);
    }

    #[test]
    fn each_part_of_an_entry_is_hashed() {
        let (entries, head) = chain(3);
        type Edit = fn(&mut AuditEntry);
        let edits: [Edit; 10] = [
            |entry| entry.at = Timestamp::from_micros(99),
            |entry| entry.doer = Doer::from(&Principal::Operator),
            |entry| entry.doer.kind = "person".into(),
            |entry| entry.doer.more = "x".into(),
            |entry| entry.act.push('x'),
            |entry| entry.subject.clear(),
            |entry| entry.origin = "10.0.0.2".into(),
            |entry| entry.request.push('x'),
            |entry| entry.before = "d".into(),
            |entry| entry.after.clear(),
        ];
        for (which, edit) in edits.into_iter().enumerate() {
            let mut edited = entries.clone();
            edit(&mut edited[1]);
            assert_eq!(walked(&edited, Some(&head)), [Tampering::Edited { number: 2 }], "{which}");
            // With a hash that fits, the next one does not follow.
            edited[1].hash = edited[1].hashed(SHOP);
            assert_eq!(walked(&edited, Some(&head)), [Tampering::Unlinked { number: 3 }], "{which}");
        }
        // Nor does a letter that moves from one part to the next go unseen.
        let mut moved = entries[0].clone();
        (moved.subject, moved.origin) = (String::new(), format!("{}{}", moved.subject, moved.origin));
        assert_ne!(moved.hashed(SHOP), entries[0].hash);
        assert_ne!(entries[0].hashed(TenantId(8)), entries[0].hash, "an entry belongs to its tenant");
    }

    #[test]
    fn what_was_taken_out_is_missed() {
        let (entries, head) = chain(5);
        let without = [&entries[..1], &entries[3..]].concat();
        assert_eq!(walked(&without, Some(&head)), [Tampering::Missing { from: 2, to: 3 }]);
        assert_eq!(walked(&entries[..3], Some(&head)), [Tampering::Missing { from: 4, to: 5 }]);
        assert_eq!(walked(&[], Some(&head)), [Tampering::Missing { from: 1, to: 5 }]);
        assert_eq!(walked(&entries, None), [Tampering::NoEnd]);
    }

    #[test]
    fn breaker14_2_what_stands_before_the_first_is_found() {
        let (entries, head) = chain(3);
        let forged = |number| AuditEntry { number, ..entries[1].clone() };
        let with = [&[forged(-5), forged(0)], &entries[..]].concat();
        let found = walked(&with, Some(&head));
        let unlinked = |number| found.contains(&Tampering::Unlinked { number });
        assert!(unlinked(-5) && unlinked(0) && !unlinked(1), "{found:?}");
    }

    #[test]
    fn breaker14_4_what_is_no_principal_is_none() {
        let all = [
            Principal::key("ab12"),
            Principal::Person { id: "p".into() },
            Principal::Plugin { name: "points".into(), digest: "d".into() },
            Principal::Partner { id: "p".into() },
            Principal::Subscription { id: "s".into() },
            Principal::Operator,
            Principal::Hub,
        ];
        for principal in all {
            let doer = Doer::from(&principal);
            assert_eq!(doer.principal(), Some(principal.clone()));
            let other = Doer { kind: "keyx".into(), ..doer.clone() };
            assert_eq!(other.principal(), None);
            if !matches!(principal, Principal::Plugin { .. }) {
                assert_eq!(Doer { more: "x".into(), ..doer }.principal(), None);
            }
        }
    }

    #[test]
    fn an_end_that_is_written_anew_is_not_signed() {
        let (entries, head) = chain(5);
        let third = AuditHead { number: 3, hash: entries[2].hash.clone(), ..head.clone() };
        assert_eq!(walked(&entries[..3], Some(&third)), [Tampering::OtherSignature]);
        let unsigned = AuditHead { signature: String::new(), ..third };
        assert_eq!(walked(&entries[..3], Some(&unsigned)), [Tampering::Unsigned]);
        // Who brings back the whole of an earlier day is found by who has written down a later one.
        let (entries, earlier) = chain(3);
        let mut walk = Walk::new(SHOP).since(Some(head.clone()));
        entries.iter().for_each(|entry| walk.pass(entry));
        let found = walk.end(Some(&earlier), |bytes, given| signature(bytes) == given);
        assert_eq!(found, [Tampering::Missing { from: 4, to: 5 }]);
        let (longer, _) = chain(6);
        assert_eq!(walked(&longer, Some(&head)), [Tampering::OtherEnd { signed: 5, found: 6 }]);
    }
}
