//! `/api/v1/identity-provider`: who a tenant lets say who its people are. Whoever sets it can come in as anybody, and so has to be able to do
//! everything.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::{Fault, Role};
use openhub_store::{IdentityProvider, act};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use super::oidc::redirect_uri;
use super::persons::{is_kept, may_give, unknown_role};
use crate::app::App;
use crate::auth::{Authorized, PersonsRead, PersonsWrite};
use crate::body::{Meaning, MeantBody};
use crate::oidc::secret_owner;
use crate::openapi::{Absent, Changed, Problems};
use crate::problem::{INVALID_BODY, Problem};
use crate::views::IdentityProviderView;

/// Domains that a tenant may name.
const DOMAINS: usize = 100;
/// Bytes of an issuer, a client's id and its secret.
const LONGEST: usize = 1_000;

/// An OpenID provider, and what it knows the hub as.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IdentityProviderToSet)]
pub(crate) struct ToSet {
    /// `https://…`, exactly as the provider's own description and tokens name it.
    issuer: String,
    /// By which the provider knows the hub.
    client_id: String,
    /// Left out: the one so far. The hub shows it to nobody.
    client_secret: Option<String>,
    /// Behind the at sign of an address, like `example.com`, up to 100. Empty (the default): any.
    #[serde(default)]
    domains: Vec<String>,
    /// The role of somebody whom nobody has invited; `domains` has to name at least one domain then. `null` (the default): only those come
    /// in who were invited.
    newcomers: Option<String>,
}

impl Meaning for ToSet {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (text, pointer) in [
            (Some(&self.issuer), "/issuer"),
            (Some(&self.client_id), "/client_id"),
            (self.client_secret.as_ref(), "/client_secret"),
        ] {
            let Some(text) = text else { continue };
            if text.is_empty() {
                faults.push(Fault::new(pointer, "missing", "This is empty."));
            } else if text.len() > LONGEST {
                faults.push(Fault::new(pointer, "too-long", format!("This has at most {LONGEST} bytes.")));
            } else if text.chars().any(char::is_control) {
                faults.push(Fault::new(pointer, "invalid-name", "This has a character that nobody can see."));
            }
        }
        if self.issuer.contains(['?', '#']) {
            faults.push(Fault::new("/issuer", "invalid-url", "An issuer has no query and no fragment."));
        }
        for (index, domain) in self.domains.iter().enumerate() {
            if domain.is_empty()
                || domain.len() > 253
                || domain.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
            {
                let message = "This is no domain. Write what stands behind the at sign, like `example.com`.";
                faults.push(Fault::new(format!("/domains/{index}"), "invalid-domain", message));
            }
        }
        if self.domains.len() > DOMAINS {
            faults.push(Fault::new("/domains", "too-many", format!("There are at most {DOMAINS} domains.")));
        }
        let role = self.newcomers.iter().filter_map(|role| unknown_role(role));
        faults.extend(role.map(|fault| Fault { pointer: "/newcomers".to_owned(), ..fault }));
        if self.newcomers.is_some() && self.domains.is_empty() {
            let message = "Name the domains of those who may come uninvited: else everybody with an account there may.";
            faults.push(Fault::new("/domains", "missing", message));
        }
        faults
    }
}

/// The tenant's identity provider.
#[utoipa::path(get, path = "/api/v1/identity-provider", tag = "access",
    security(("api_key" = ["persons:read"])),
    responses((status = 200, body = IdentityProviderView), Problems, Absent))]
pub(crate) async fn get_identity_provider(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsRead>,
) -> Result<Json<IdentityProviderView>, Problem> {
    let provider = app.store.identity_provider(&access.scope).await?;
    Ok(Json(shown(&app, provider.ok_or_else(|| Problem::not_found("identity provider"))?)))
}

/// Sets the tenant's identity provider: its people log in there, too.
///
/// It can let in anybody as anybody, so you need each scope of an owner. The issuer is checked as the URLs of webhooks are: `https`, and no
/// private address unless the operator allows it in `allow_private`.
#[utoipa::path(put, path = "/api/v1/identity-provider", tag = "access", request_body = ToSet,
    security(("api_key" = ["persons:write"])),
    responses((status = 200, body = IdentityProviderView), Problems, Changed))]
pub(crate) async fn put_identity_provider(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsWrite>,
    MeantBody(wanted): MeantBody<ToSet>,
) -> Result<Json<IdentityProviderView>, Problem> {
    may_give(&access, Role::Owner)?;
    app.runtime.check_target(&wanted.issuer).map_err(|why| {
        let message = format!("The hub does not ask this URL: {why}.");
        Problem::fault(INVALID_BODY, Fault::new("/issuer", "invalid-url", message))
    })?;
    let known = app.store.identity_provider(&access.scope).await?;
    let ToSet { issuer, client_id, client_secret, domains, newcomers } = wanted;
    let client_secret = match (client_secret, &known) {
        (Some(secret), _) => app.sealer.seal(secret_owner(access.tenant()), secret.as_bytes()),
        // A secret is never sent to another issuer than it was given for.
        (None, Some(known)) if known.issuer == issuer => known.client_secret.clone(),
        (None, _) => {
            let message = "A new issuer needs the secret of its client.";
            return Err(Problem::fault(INVALID_BODY, Fault::new("/client_secret", "missing", message)));
        }
    };
    let domains = domains.into_iter().map(|domain| domain.to_lowercase()).collect();
    let newcomers = newcomers.as_deref().and_then(Role::from_word);
    let provider = IdentityProvider { issuer, client_id, client_secret, domains, newcomers, updated_at: app.now() };
    if let Some(known) = known {
        act::note_before(&json!(shown(&app, known)));
    }
    act::note_after(&json!(shown(&app, provider.clone())));
    app.store.put_identity_provider(&access.scope, &provider).await?;
    Ok(Json(shown(&app, provider)))
}

/// Removes the tenant's identity provider. Who is logged in stays so; whom it let in without a password has to be invited again.
#[utoipa::path(delete, path = "/api/v1/identity-provider", tag = "access",
    security(("api_key" = ["persons:write"])),
    responses((status = 204), Problems, Absent, Changed))]
pub(crate) async fn remove_identity_provider(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsWrite>,
) -> Result<StatusCode, Problem> {
    may_give(&access, Role::Owner)?;
    let known = app.store.identity_provider(&access.scope).await?;
    act::note_before(&json!(shown(&app, known.ok_or_else(|| Problem::not_found("identity provider"))?)));
    is_kept(app.store.drop_identity_provider(&access.scope).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(app: &App, provider: IdentityProvider) -> IdentityProviderView {
    IdentityProviderView::of(provider, redirect_uri(app))
}
