//! Identities: typed identifiers of a customer, and how claims between them make customers.
//!
//! Each identity has one *part*, whose id is a hash of tenant, kind and value. An event belongs to the part of its
//! subject and *claims* the other identities that it names. Accepted claims join parts; a customer is a connected
//! component of them, called by its oldest part. What a policy refuses joins nothing, and an undone claim leaves no
//! trace: everything is a function of the set of claims, whatever their order of arrival.

mod claim;
mod mark;
mod normal;
mod part;
mod policy;
mod resolve;

pub use claim::{Authority, Claim, Refusal, Retraction, live};
pub use mark::Marker;
pub use normal::{is_junk, number, plain};
pub use part::{Age, Part};
pub use policy::{ErasurePolicy, Format, Kind, MAX_KINDS, MatchPolicy, Policies, Policy};
pub use resolve::{Placed, Resolution, Resolver, Side, order, resolve, touched};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Id, PartId};
use crate::limits;
use crate::tenant::TenantId;

/// `kind` is one of the tenant's identity kinds (`user_id`, `anonymous_id`, `email`, `phone`, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub kind: String,
    pub value: String,
}

impl Identity {
    pub const USER_ID: &'static str = "user_id";
    pub const ANONYMOUS_ID: &'static str = "anonymous_id";
    pub const EMAIL: &'static str = "email";
    pub const PHONE: &'static str = "phone";

    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Identity {
        Identity { kind: kind.into(), value: value.into() }
    }

    /// What a client lists as an identity: a kind and a value, which may be a number. Other members say nothing.
    pub fn read(item: &Value) -> Option<Identity> {
        let kind = item["kind"].as_str()?;
        let value = match &item["value"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => normal::number(number),
            _ => return None,
        };
        Some(Identity::new(kind, value))
    }

    /// Whose an event is that names a user and a visitor: the user's, else the visitor's. An id that a program sends when
    /// it knows none is nobody's; what is over-long can be nobody's.
    pub fn subject(user: Option<&str>, visitor: Option<&str>) -> Option<Identity> {
        let of = |kind: &str, value: Option<&str>| {
            let value = plain(value?);
            (!normal::is_nobody(&value) && value.len() <= limits::IDENTITY).then(|| Identity::new(kind, value))
        };
        of(Identity::USER_ID, user).or_else(|| of(Identity::ANONYMOUS_ID, visitor))
    }

    /// The part of this identity. A function of tenant, kind and value alone, so that the append knows it without a
    /// look-up.
    pub fn part(&self, tenant: TenantId) -> PartId {
        Id::named(&[b"part", &tenant.0.to_le_bytes(), self.kind.as_bytes(), self.value.as_bytes()])
    }
}
