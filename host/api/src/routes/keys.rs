//! `/api/v1/keys`: the keys of a tenant, made and ended by those who have them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::fault::instead_of;
use openhub_model::{Fault, Network, Timestamp, limits};
use openhub_store::{Key, KeyCursor, Rotation, Scope, StoreError, act};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, KeyCache, KeyScopes, KeysRead, KeysWrite, covers, mint_key};
use crate::body::{Meaning, MeantBody, OptionalJsonBody};
use crate::cursor;
use crate::keys::{drawn, stored};
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{CONFLICT, INVALID_BODY, Problem, WIDER_THAN_OWN};
use crate::views::{KeyList, KeyView, NewKeyView};

const LIST: &str = "keys";
/// Addresses and networks of one key.
const MOST_ADDRESSES: usize = 100;
const MOST_SCOPES: usize = 100;
/// A week: how long the secret before a rotation works at most.
const MOST_KEPT_S: u32 = 7 * 24 * 3600;
const USUALLY_KEPT_S: u32 = 24 * 3600;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyToMake)]
pub(crate) struct ToMake {
    /// What it is for, to tell it from others: 1 to 64 bytes.
    name: String,
    /// What it may do, at most what the key has that makes it. `*` is everything.
    #[serde(default)]
    scopes: Vec<String>,
    /// `true`: it stands in a page, where anybody can read it. It sends events as a page may, and does nothing else; leave out `scopes`.
    #[serde(default)]
    page: bool,
    /// When it ends (default: when the key ends that makes it).
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Addresses and networks from which it works, like `203.0.113.7` or `10.0.0.0/8`, up to 100 (default: those of the key that makes
    /// it; none: from everywhere).
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    addresses: Vec<String>,
}

impl Meaning for ToMake {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(limits::label(&self.name, "/name").err());
        match (self.page, self.scopes.is_empty()) {
            (false, true) => {
                let message = "A key needs at least one scope. For a page, set `page` to true.";
                faults.push(Fault::new("/scopes", "missing", message));
            }
            (true, false) => {
                let message = "A page's key sends events, and does nothing else. Leave `scopes` out, or `page`.";
                faults.push(Fault::new("/scopes", "page-scopes", message));
            }
            _ => {}
        }
        for (list, name, most) in
            [(&self.scopes, "/scopes", MOST_SCOPES), (&self.addresses, "/addresses", MOST_ADDRESSES)]
        {
            if list.len() > most {
                faults.push(Fault::new(name, "too-many", format!("There are too many: at most {most}.")));
            }
        }
        for (index, scope) in self.scopes.iter().enumerate().filter(|(_, scope)| !KeyScopes::exists(scope)) {
            let message = format!("There is no scope `{scope:.64}`. {}", instead_of(scope, KeyScopes::ALL));
            faults.push(Fault::new(format!("/scopes/{index}"), "unknown-scope", message));
        }
        for (index, text) in self.addresses.iter().enumerate() {
            if let Err(error) = text.parse::<Network>() {
                faults.push(Fault::new(format!("/addresses/{index}"), "invalid-address", error.to_string()));
            }
        }
        faults
    }
}

/// A new secret for a key.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotation)]
pub(crate) struct ToRotate {
    /// For how many seconds the secret so far works, too, 0 to 604800 (default 86400). 0: every earlier secret ends at once.
    keep_s: Option<u32>,
}

/// The tenant's keys, without their secrets, the newest first.
#[utoipa::path(get, path = "/api/v1/keys", tag = "access", params(Parameters),
    security(("api_key" = ["keys:read"])),
    responses((status = 200, body = KeyList), Problems))]
pub(crate) async fn list_keys(
    State(app): State<Arc<App>>,
    access: Authorized<KeysRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<KeyList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let behind: Option<Behind> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let behind = behind.map(|Behind(key)| key);
    let keys = app.store.newest_keys(&access.scope, behind.as_ref(), limit + 1).await?;
    let (keys, next) = cursor::page(LIST, keys, limit, |key| Behind((key.created_at, key.id.clone())));
    let now = app.now();
    Ok(Json(KeyList { keys: keys.into_iter().map(|key| KeyView::of(key, now)).collect(), next }))
}

/// Makes a key, whose text is shown this once.
///
/// A key gives at most what it has: the new one has none but its scopes, works from none but its addresses, and ends no later.
#[utoipa::path(post, path = "/api/v1/keys", tag = "access", request_body = ToMake,
    security(("api_key" = ["keys:write"])),
    responses((status = 201, body = NewKeyView), Problems))]
pub(crate) async fn create_key(
    State(app): State<Arc<App>>,
    access: Authorized<KeysWrite>,
    MeantBody(wanted): MeantBody<ToMake>,
) -> Result<(StatusCode, Json<NewKeyView>), Problem> {
    let now = app.now();
    if wanted.expires_at.is_some_and(|end| end <= now) {
        let message = "This is in the past: the key would never work.";
        return Err(Problem::fault(INVALID_BODY, Fault::new("/expires_at", "out-of-range", message)));
    }
    let ToMake { name, scopes, page, expires_at, addresses } = wanted;
    let scopes = if page { KeyScopes::WRITE.iter().map(|scope| (*scope).to_owned()).collect() } else { scopes };
    let mut addresses: Vec<Network> = addresses.iter().filter_map(|text| text.parse().ok()).collect();
    if addresses.is_empty() {
        addresses = access.caller().addresses().to_vec();
    }
    let expires_at = expires_at.or(access.caller().expires_at());
    may_give(&access, &scopes, &addresses, expires_at)?;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let minted = mint_key(&app.environment, &scopes, drawn(&app));
    let shown = minted.shown.clone();
    let new = stored(minted, access.tenant(), name, access.principal.clone(), now);
    let key = Key { page, addresses, expires_at, ..new };
    act::note_subject(key.id.as_str());
    act::note_after(&json!(KeyView::of(key.clone(), now)));
    app.store.create_key(&key).await?;
    Ok((StatusCode::CREATED, Json(NewKeyView { key: shown, view: KeyView::of(key, now) })))
}

/// A key, without its secret.
#[utoipa::path(get, path = "/api/v1/keys/{id}", tag = "access",
    params(("id" = String, Path, description = "The key's id.")),
    security(("api_key" = ["keys:read"])),
    responses((status = 200, body = KeyView), Problems))]
pub(crate) async fn get_key(
    State(app): State<Arc<App>>,
    access: Authorized<KeysRead>,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    let key = key(&app, &access.scope, &id).await?;
    Ok(Json(KeyView::of(key, app.now())))
}

/// Gives a key another secret, which is shown this once. The one so far works on for a day, or as long as you say; so two are alive at
/// most. To end a secret that somebody else knows, rotate with `keep_s` 0: every earlier secret then ends within five seconds.
#[utoipa::path(post, path = "/api/v1/keys/{id}/rotate", tag = "access", request_body = ToRotate,
    params(("id" = String, Path, description = "The key's id.")),
    security(("api_key" = ["keys:write"])),
    responses((status = 200, body = NewKeyView), Problems))]
pub(crate) async fn rotate_key(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<KeysWrite>,
    Path(id): Path<String>,
    OptionalJsonBody(ToRotate { keep_s }): OptionalJsonBody<ToRotate>,
) -> Result<Json<NewKeyView>, Problem> {
    let keep_s = keep_s.unwrap_or(USUALLY_KEPT_S);
    if keep_s > MOST_KEPT_S {
        let message = format!("This must be 0 to {MOST_KEPT_S} seconds.");
        return Err(Problem::fault(INVALID_BODY, Fault::new("/keep_s", "out-of-range", message)));
    }
    let (scope, now) = (&access.scope, app.now());
    let held = key(&app, scope, &id).await?;
    may_give(&access, &held.scopes, &held.addresses, held.expires_at)?;
    let minted = mint_key(&app.environment, &[], drawn(&app));
    let secret = minted.shown.rsplit('_').next().unwrap_or_default();
    let shown = format!("oh_{}_{id}_{secret}", app.environment);
    let keep_until = (keep_s > 0).then(|| Timestamp::from_micros(now.micros() + i64::from(keep_s) * 1_000_000));
    act::note_before(&json!(KeyView::of(held.clone(), now)));
    let rotation = Rotation { hash: minted.hash, at: now, keep_until };
    match app.store.rotate_key(scope, &id, rotation).await {
        Err(StoreError::NotFound) if held.revoked_at.is_some() => {
            return Err(Problem::new(CONFLICT, "The key is revoked. Make another one."));
        }
        Err(StoreError::NotFound) => {
            let detail = "The secret before the last rotation still works, and a key has two at most. Wait until `former_until`, \
                          or rotate with `keep_s` 0, which ends both earlier secrets at once.";
            return Err(Problem::new(CONFLICT, detail));
        }
        done => done?,
    }
    keys.forget(access.tenant());
    Ok(Json(NewKeyView { key: shown, view: KeyView::of(key(&app, scope, &id).await?, now) }))
}

/// Revokes a key, for good: within five seconds it works nowhere any more. A key that is revoked stays so.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "access",
    params(("id" = String, Path, description = "The key's id.")),
    security(("api_key" = ["keys:write"])),
    responses((status = 200, body = KeyView), Problems))]
pub(crate) async fn revoke_key(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<KeysWrite>,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    let (scope, now) = (&access.scope, app.now());
    let held = key(&app, scope, &id).await?;
    if let Some(scope) = held.scopes.iter().find(|scope| !covers(access.scopes(), scope)) {
        return Err(wider(format!("The key `{id}` has the scope `{scope}`, which you do not have.")));
    }
    if held.revoked_at.is_none() {
        act::note_before(&json!(KeyView::of(held, now)));
        app.store.revoke_key(scope, &id, now).await?;
        keys.forget(access.tenant());
    }
    Ok(Json(KeyView::of(key(&app, scope, &id).await?, now)))
}

async fn key(app: &App, scope: &Scope, id: &str) -> Result<Key, Problem> {
    app.store.key(scope, id).await?.ok_or_else(|| Problem::not_found("key"))
}

/// Nobody gives what he does not have: a scope, an address, or a day.
fn may_give(
    access: &Authorized<KeysWrite>,
    scopes: &[String],
    addresses: &[Network],
    ends: Option<Timestamp>,
) -> Result<(), Problem> {
    let own = access.caller();
    if let Some(scope) = scopes.iter().find(|scope| !covers(own.scopes(), scope)) {
        return Err(wider(format!("You do not have the scope `{scope}`, so you cannot give it.")));
    }
    let is_within = |network: &Network| own.addresses().iter().any(|there| there.covers(network));
    let everywhere = addresses.is_empty() && !own.addresses().is_empty();
    if everywhere || (!own.addresses().is_empty() && !addresses.iter().all(is_within)) {
        return Err(wider("Your key works from certain addresses only, and cannot give others.".to_owned()));
    }
    if let Some(own) = own.expires_at()
        && ends.is_none_or(|ends| ends > own)
    {
        return Err(wider(format!("Your key ends at {own}, and cannot give what works longer.")));
    }
    Ok(())
}

fn wider(detail: String) -> Problem {
    Problem::new(WIDER_THAN_OWN, format!("{detail} Ask somebody who has more, or use another key."))
}

/// Where a page begins, as a cursor writes it.
struct Behind(KeyCursor);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, id) = &self.0;
        write!(f, "{}:{id}", at.micros())
    }
}

impl FromStr for Behind {
    type Err = ();

    fn from_str(text: &str) -> Result<Behind, ()> {
        let (at, id) = text.split_once(':').ok_or(())?;
        Ok(Behind((Timestamp::from_micros(at.parse().map_err(|_| ())?), id.to_owned())))
    }
}
