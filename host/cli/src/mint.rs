//! New keys of a tenant: the store keeps a hash, the text is shown once.

use anyhow::{Result, ensure};
use openhub_api::{KeyScopes, mint_key};
use openhub_model::{Network, Principal, TenantId, Timestamp};
use openhub_store::{Key, Store};

use crate::config::Config;

/// A key to be made.
pub struct Wanted {
    pub tenant: TenantId,
    pub name: String,
    pub scopes: Vec<String>,
    pub page: bool,
    pub addresses: Vec<Network>,
    pub expires_at: Option<Timestamp>,
}

impl Wanted {
    pub fn of(tenant: TenantId, name: &str, scopes: &[&str]) -> Wanted {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Wanted { tenant, name: name.to_owned(), scopes, page: false, addresses: Vec::new(), expires_at: None }
    }

    /// Of a page.
    pub fn page(tenant: TenantId, name: &str) -> Wanted {
        Wanted { page: true, ..Wanted::of(tenant, name, KeyScopes::WRITE) }
    }
}

/// Makes and stores a key; the answer is its record and its text.
pub async fn mint(store: &Store, config: &Config, wanted: &Wanted, now: Timestamp) -> Result<(Key, String)> {
    for scope in &wanted.scopes {
        ensure!(
            KeyScopes::exists(scope),
            "there is no scope `{scope}`; there are: {}, plugins:call:<plugin>, and * for all",
            KeyScopes::ALL.join(", ")
        );
    }
    let scopes: Vec<&str> = wanted.scopes.iter().map(String::as_str).collect();
    let mut random = [0; 40];
    rand::fill(&mut random[..]);
    let minted = mint_key(&config.environment, &scopes, random);
    let key = Key {
        id: minted.id,
        tenant: wanted.tenant,
        name: wanted.name.clone(),
        scopes: minted.scopes,
        hash: minted.hash,
        page: wanted.page,
        addresses: wanted.addresses.clone(),
        created_at: now,
        made_by: Some(Principal::Operator),
        expires_at: wanted.expires_at,
        revoked_at: None,
        rotated_at: None,
        former: None,
        last_used_at: None,
        line: Default::default(),
        pages: Default::default(),
    };
    store.create_key(&key).await?;
    Ok((key, minted.shown))
}
