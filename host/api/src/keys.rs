//! What makers of keys share.

use openhub_model::{Principal, TenantId, Timestamp};
use openhub_store::Key;

use crate::app::App;
use crate::auth::MintedKey;

/// Random bytes of a new key.
pub(crate) fn drawn(app: &App) -> [u8; 40] {
    let mut drawn = [0; 40];
    for piece in drawn.chunks_mut(16) {
        piece.copy_from_slice(&(app.random)()[..piece.len()]);
    }
    // So that no id is like one that was drawn for something else: sources that count are for tests.
    drawn.iter_mut().for_each(|byte| *byte = !*byte);
    drawn
}

/// A new key as it is stored: from everywhere, and without an end.
pub(crate) fn stored(minted: MintedKey, tenant: TenantId, name: String, made_by: Principal, now: Timestamp) -> Key {
    Key {
        id: minted.id,
        tenant,
        name,
        scopes: minted.scopes,
        hash: minted.hash,
        page: false,
        addresses: Vec::new(),
        created_at: now,
        made_by: Some(made_by),
        expires_at: None,
        revoked_at: None,
        rotated_at: None,
        former: None,
        last_used_at: None,
        line: Default::default(),
        pages: Default::default(),
    }
}
