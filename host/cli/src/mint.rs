//! New keys of a tenant: the store keeps a hash, the text is shown once.

use anyhow::{Result, ensure};
use openhub_api::{KeyScopes, mint_key};
use openhub_model::{TenantId, Timestamp};
use openhub_store::{Key, Store};

/// Makes and stores a key; the answer is its record and its text.
pub async fn mint(
    store: &Store,
    tenant: TenantId,
    environment: &str,
    name: &str,
    scopes: &[&str],
    now: Timestamp,
) -> Result<(Key, String)> {
    for scope in scopes {
        ensure!(
            KeyScopes::exists(scope),
            "there is no scope `{scope}`; there are: {}, plugins:call:<plugin>",
            KeyScopes::ALL.join(", ")
        );
    }
    let mut random = [0; 40];
    rand::fill(&mut random[..]);
    let minted = mint_key(environment, scopes, random);
    let key = Key {
        id: minted.id,
        tenant,
        name: name.to_owned(),
        scopes: minted.scopes,
        hash: minted.hash,
        created_at: now,
        expires_at: None,
        revoked_at: None,
        pages: Default::default(),
    };
    store.create_key(&key).await?;
    Ok((key, minted.shown))
}
