//! Who a tenant lets say who its people are, without the client's secret.

use openhub_model::{Role, Timestamp};
use openhub_store::IdentityProvider;
use serde::Serialize;
use utoipa::ToSchema;

/// A tenant's identity provider.
#[derive(Serialize, ToSchema)]
#[schema(as = IdentityProvider)]
pub(crate) struct IdentityProviderView {
    issuer: String,
    client_id: String,
    domains: Vec<String>,
    /// The role of whom nobody has invited. `null`: such a one does not come in.
    #[schema(value_type = Option<String>)]
    newcomers: Option<Role>,
    /// What the provider has to know: where it sends people back to. `null`: the hub has no `public_url`, and nobody logs in this way.
    redirect_uri: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl IdentityProviderView {
    pub fn of(provider: IdentityProvider, redirect_uri: Option<String>) -> IdentityProviderView {
        let IdentityProvider { issuer, client_id, client_secret: _, domains, newcomers, updated_at } = provider;
        IdentityProviderView { issuer, client_id, domains, newcomers, redirect_uri, updated_at }
    }
}
