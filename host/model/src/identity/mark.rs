//! What is hashed under the hub's key: marks, which are kept of something that was erased, so that it is known again when it
//! comes back; the seeds of plugins; and the ids of events that are caused.
//!
//! A plain hash of an address can be found by hashing addresses, and who names an event would know the code that a plugin
//! draws for it. Without the hub's key, nobody can tell either.

use std::fmt;

use crate::id::{Id, PartId, Seed};
use crate::tenant::TenantId;
use crate::time::Timestamp;

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

impl Marker {
    /// What a plugin draws from for a cause: the same at each attempt of that number, and known to nobody beforehand.
    pub fn seed(&self, cause: &[&[u8]], ordinal: u32, attempt: u32) -> Seed {
        Seed::keyed(&self.key, cause, ordinal, attempt)
    }

    /// The id of an event that a cause has at an instant: nobody can take it beforehand for an event of theirs.
    pub fn caused(&self, tenant: TenantId, at: Timestamp, cause: &[&[u8]]) -> Id {
        let tenant = tenant.0.to_le_bytes();
        Id::keyed_at(&self.key, at, &[&[b"caused".as_slice(), &tenant], cause].concat())
    }

    /// The mark on what an address to unsubscribe says.
    pub fn unsubscribing(&self, said: &[u8]) -> Id {
        Id::keyed(&self.key, &[b"unsubscribing", said])
    }

    /// A digest of what stood somewhere: equal for equal contents of a tenant, and nobody else can look for what fits it.
    pub fn content(&self, tenant: TenantId, bytes: &[u8]) -> Id {
        Id::keyed(&self.key, &[b"content", &tenant.0.to_le_bytes(), bytes])
    }

    /// Tells this key from others: eight hexadecimal digits.
    pub fn name(&self) -> String {
        Id::keyed(&self.key, &[b"name"]).as_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
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

    #[test]
    fn c5_nobody_without_the_key_knows_what_a_plugin_draws() {
        let marker = |key| Marker::derived("test", &[key; 32]);
        let seed = |key, attempt| marker(key).seed(&[b"order-1"], 0, attempt);
        assert_eq!(seed(1, 0), seed(1, 0));
        for other in [seed(2, 0), seed(1, 1), Seed::of(&[b"order-1"], 0, 0)] {
            assert_ne!(seed(1, 0), other);
        }
    }
}
