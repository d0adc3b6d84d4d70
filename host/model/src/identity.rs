//! Typed identifiers of a customer.

use serde::{Deserialize, Serialize};

use crate::id::{Id, PartId};
use crate::tenant::TenantId;

/// `kind` is one of the tenant's identity kinds (`user_id`, `anonymous_id`, `email`, `phone`, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    pub kind: String,
    pub value: String,
}

impl Identity {
    pub const USER_ID: &'static str = "user_id";
    pub const ANONYMOUS_ID: &'static str = "anonymous_id";

    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Identity {
        Identity { kind: kind.into(), value: value.into() }
    }

    /// The part that is first seen under this identity. A function of tenant, kind and value alone, so
    /// that the append knows it without a look-up.
    pub fn part(&self, tenant: TenantId) -> PartId {
        Id::named(&[b"part", &tenant.0.to_le_bytes(), self.kind.as_bytes(), self.value.as_bytes()])
    }
}
