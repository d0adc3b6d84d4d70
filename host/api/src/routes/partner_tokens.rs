//! `/api/v1/partner-tokens`: a key lets another firm do a part of what it may do itself, for an hour at most.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use openhub_model::fault::instead_of;
use openhub_model::{Fault, Timestamp, limits};
use openhub_store::act;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, Caller, KeyScopes, PartnerTokensWrite, TokenText, covers, name_of_secret, secret_shown};
use crate::body::{Meaning, MeantBody};
use crate::openapi::Problems;
use crate::problem::{CONFLICT, Problem, WIDER_THAN_OWN};

const LONGEST_S: u32 = 3600;
const SHORTEST_S: u32 = 60;
const MOST_SCOPES: usize = 50;
/// What lets others in is done by who belongs to the tenant.
const NOT_FOR_PARTNERS: [&str; 5] = ["*", "keys:write", "persons:write", "tenants:write", "partner-tokens:write"];

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PartnerTokenToMake)]
pub(crate) struct ToMake {
    /// Whom it is for, as the audit log will name it: 1 to 64 bytes.
    partner: String,
    /// What it may do, at most what the key has that makes it; neither `*`, nor what makes keys, people, tenants or tokens.
    scopes: Vec<String>,
    /// For how many seconds it works, 60 to 3600 (default 3600).
    lasts_s: Option<u32>,
}

/// A token, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = PartnerToken)]
pub(crate) struct TokenView {
    /// To be sent as `Authorization: Bearer`. The hub does not keep it.
    token: String,
    partner: String,
    scopes: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    ends_at: Timestamp,
}

impl Meaning for ToMake {
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = limits::label(&self.partner, "/partner").err().into_iter().collect();
        match self.scopes.len() {
            0 => faults.push(Fault::new("/scopes", "missing", "A token needs at least one scope.")),
            1..=MOST_SCOPES => {}
            _ => faults.push(Fault::new("/scopes", "too-many", format!("There are too many: at most {MOST_SCOPES}."))),
        }
        for (index, scope) in self.scopes.iter().enumerate() {
            let pointer = || format!("/scopes/{index}");
            if !KeyScopes::exists(scope) {
                let message = format!("There is no scope `{scope:.64}`. {}", instead_of(scope, KeyScopes::ALL));
                faults.push(Fault::new(pointer(), "unknown-scope", message));
            } else if NOT_FOR_PARTNERS.contains(&scope.as_str()) {
                let message = format!("A partner cannot have the scope `{scope}`. Name what it may do here.");
                faults.push(Fault::new(pointer(), "not-for-partners", message));
            }
        }
        if self.lasts_s.is_some_and(|seconds| !(SHORTEST_S..=LONGEST_S).contains(&seconds)) {
            let message = format!("This must be {SHORTEST_S} to {LONGEST_S} seconds.");
            faults.push(Fault::new("/lasts_s", "out-of-range", message));
        }
        faults
    }
}

/// Makes a token for a partner, which is shown this once. It does what its scopes say, in this tenant and from where the key works that
/// made it, for an hour at most. It ends sooner if that key is revoked, or the secret that made it ends.
///
/// Nobody gives more than they have. Only a key makes one, because it ends with its maker.
#[utoipa::path(post, path = "/api/v1/partner-tokens", tag = "access", request_body = ToMake,
    security(("api_key" = ["partner-tokens:write"])),
    responses((status = 201, body = TokenView), Problems))]
pub(crate) async fn create_partner_token(
    State(app): State<Arc<App>>,
    access: Authorized<PartnerTokensWrite>,
    headers: HeaderMap,
    MeantBody(ToMake { partner, scopes, lasts_s }): MeantBody<ToMake>,
) -> Result<(StatusCode, Json<TokenView>), Problem> {
    let by_key = || Problem::new(CONFLICT, "Only a key makes a token for a partner. Make a key, and use that.");
    let Caller::Key(maker) = access.caller() else { return Err(by_key()) };
    let secret = secret_shown(&headers, maker).ok_or_else(by_key)?;
    if let Some(scope) = scopes.iter().find(|scope| !covers(access.scopes(), scope)) {
        let detail = format!("You do not have the scope `{scope}`, so you cannot give it. Use a key that has it.");
        return Err(Problem::new(WIDER_THAN_OWN, detail));
    }
    let now = app.now();
    let lasts = i64::from(lasts_s.unwrap_or(LONGEST_S)) * 1_000_000;
    let ends_at = Timestamp::from_micros(now.micros() + lasts);
    let ends_at = maker.expires_at.map_or(ends_at, |end| end.min(ends_at));
    let text = TokenText {
        tenant: access.tenant(),
        maker: maker.id.clone(),
        secret: name_of_secret(secret),
        partner: partner.clone(),
        scopes: scopes.clone(),
        made_at: now,
        ends_at,
    };
    act::note_subject(partner.as_str());
    act::note_after(&json!({"partner": partner, "scopes": scopes, "ends_at": ends_at}));
    // Nothing is stored but that it was done.
    app.store.transact(&access.scope, Vec::new()).await?;
    Ok((StatusCode::CREATED, Json(TokenView { token: text.signed(&app.sealer), partner, scopes, ends_at })))
}
