//! Marks: what is kept of something that was erased, so that it is known again when it comes back.
//!
//! A plain hash of an address can be found by hashing addresses. A mark is keyed: without the hub's key, nobody can
//! tell whose it is.

use std::fmt;

use crate::id::{Id, PartId};
use crate::tenant::TenantId;

/// Begins the message id that is left of an erased event. No client may send such an id.
const ERASED: &str = "openhub:erased:";

#[derive(Clone, Copy)]
pub struct Marker {
    key: [u8; 32],
}

impl Marker {
    /// A key of its own, derived from another one for a purpose.
    pub fn derived(purpose: &str, key: &[u8; 32]) -> Marker {
        Marker { key: blake3::derive_key(purpose, key) }
    }

    /// The mark of an identity on the suppression list.
    pub fn suppression(&self, tenant: TenantId, part: PartId) -> Id {
        Id::keyed(&self.key, &[b"suppression", &tenant.0.to_le_bytes(), part.as_bytes()])
    }

    /// What the message id of an erased event becomes.
    pub fn message(&self, tenant: TenantId, message_id: &str) -> String {
        let mark = Id::keyed(&self.key, &[b"message", &tenant.0.to_le_bytes(), message_id.as_bytes()]);
        format!("{ERASED}{mark}")
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_mark_depends_on_key_tenant_and_identity() {
        let marker = |key| Marker::derived("test", &[key; 32]);
        let part = |value: &str| Identity::new(Identity::EMAIL, value).part(TenantId(1));
        let mark = marker(1).suppression(TenantId(1), part("a@b.c"));
        assert_eq!(mark, marker(1).suppression(TenantId(1), part("a@b.c")));
        assert_ne!(mark, marker(2).suppression(TenantId(1), part("a@b.c")));
        assert_ne!(mark, marker(1).suppression(TenantId(2), part("a@b.c")));
        assert_ne!(mark, marker(1).suppression(TenantId(1), part("a@b.d")));
        assert_ne!(marker(1).message(TenantId(1), "m"), marker(2).message(TenantId(1), "m"));
    }
}
