//! `/api/v1/tenants`: the tenants below one's own. Nothing here reads what a tenant keeps: who owns one administers it, and sees
//! none of its customers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::ceiling::{Ceiling, FULL_WEIGHT};
use openhub_model::fault::instead_of;
use openhub_model::{ClockKind, Fault, TenantId, Timestamp, tenant};
use openhub_store::{Key, NewTenant, Scope, StoreError, TenantDeletion, TenantStatus, TreeTenant, Unplaced, act};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, KeyCache, KeyScopes, TenantsClaim, TenantsRead, TenantsWrite, mint_key};
use crate::body::{JsonBody, Meaning, MeantBody};
use crate::cursor;
use crate::keys::drawn;
use crate::openapi::{Absent, Problems};
use crate::parameters::{Path, Query};
use crate::problem::{
    ALREADY_EXISTS, CONFLICT, IN_USE, INVALID_QUERY, Problem, TENANT_CYCLE, UNAUTHENTICATED, WIDER_CEILING,
};
use crate::views::{CeilingView, KeyView, NewKeyView, NewTenantView, TenantDeletionList, TenantList, TenantView};

const LIST: &str = "tenants";
const DELETIONS: &str = "tenant-deletions";
/// How long the key works by which an owner comes in: a week.
const SETUP_MICROS: i64 = 7 * DAY_MICROS;
const DAY_MICROS: i64 = 86_400_000_000;
/// Days until a tenant is deleted, and the most and the fewest.
const GRACE_DAYS: i64 = 30;
const MOST_GRACE_DAYS: i64 = 365;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Those directly below this tenant, by id (default: your own).
    parent: Option<i64>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// A tenant to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantToMake)]
pub(crate) struct ToMake {
    /// 1 to 64 letters, digits, `-`, `_` and `.`, a letter or a digit first. No two tenants of a hub have the same.
    name: String,
    /// What its time follows, for good: `live` (the default) or `replay`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    clock: Option<ClockKind>,
    /// The tenant that it is to be below, by id (default: your own).
    parent: Option<i64>,
    #[serde(default)]
    ceiling: CeilingView,
}

/// A change of a tenant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantChange)]
pub(crate) struct ToChange {
    /// Takes the place of the whole ceiling that it has.
    ceiling: CeilingView,
}

/// Where a tenant goes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantMove)]
pub(crate) struct ToMove {
    /// The tenant that it is to be below, by id: your own, or one below yours.
    parent: i64,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Grace {
    /// Days until its data is deleted, 1 to 365 (default 30).
    grace_days: Option<i64>,
}

impl Meaning for ToMake {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = of_ceiling(&self.ceiling);
        if !tenant::is_name(&self.name) {
            let message = "Use 1 to 64 letters, digits, `-`, `_` and `.`, a letter or a digit first.";
            faults.push(Fault::new("/name", "invalid-name", message));
        }
        faults
    }
}

impl Meaning for ToChange {
    fn faults(&self) -> Vec<Fault> {
        of_ceiling(&self.ceiling)
    }
}

fn of_ceiling(ceiling: &CeilingView) -> Vec<Fault> {
    let unknown = |(index, scope): (usize, &String)| {
        let message = format!("There is no scope `{scope:.64}`. {}", instead_of(scope, KeyScopes::ALL));
        Fault::new(format!("/ceiling/scopes/{index}"), "unknown-scope", message)
    };
    let scopes = ceiling.scopes.iter().flatten().enumerate();
    let mut faults: Vec<Fault> = scopes.filter(|(_, scope)| !KeyScopes::exists(scope)).take(20).map(unknown).collect();
    // In the configuration 0 is no limit; here it would let nobody in, not even whoever claims the tenant.
    let rates = [
        ("requests_per_minute", ceiling.requests_per_minute),
        ("event_requests_per_minute", ceiling.event_requests_per_minute),
    ];
    let none = rates.into_iter().filter(|(_, most)| *most == Some(0)).map(|(name, _)| {
        let message = "This must be 1 or more. Leave it out for no limit, or pause the tenant.";
        Fault::new(format!("/ceiling/{name}"), "out-of-range", message)
    });
    faults.extend(none);
    if ceiling.weight.is_some_and(|weight| weight == 0 || weight > FULL_WEIGHT) {
        let message = format!("A weight is 1 to {FULL_WEIGHT}.");
        faults.push(Fault::new("/ceiling/weight", "out-of-range", message));
    }
    faults
}

/// The tenants directly below yours, or below one of those.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "access", params(Parameters),
    security(("api_key" = ["tenants:read"])),
    responses((status = 200, body = TenantList), Problems, Absent))]
pub(crate) async fn list_tenants(
    State(app): State<Arc<App>>,
    access: Authorized<TenantsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<TenantList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after: Option<i64> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let of = or_own(&app, &access.scope, parameters.parent).await?;
    let tenants = app.store.tenants_below(&of, after.map(TenantId), limit + 1).await?;
    let (tenants, next) = cursor::page(LIST, tenants, limit, |tenant| tenant.id.0);
    Ok(Json(TenantList { tenants: tenants.into_iter().map(TenantView::from).collect(), next }))
}

/// One's own tenant, or one below it.
async fn or_own(app: &App, scope: &Scope, id: Option<i64>) -> Result<Scope, Problem> {
    match id {
        None => Ok(*scope),
        Some(id) if TenantId(id) == scope.tenant() => Ok(*scope),
        Some(id) => Ok(Scope::of(below(app, scope, id).await?.id)),
    }
}

async fn below(app: &App, scope: &Scope, id: i64) -> Result<TreeTenant, Problem> {
    app.store.tenant_below(scope, TenantId(id)).await?.ok_or_else(|| Problem::not_found("tenant"))
}

/// Makes a tenant below yours.
///
/// The answer has a setup key. Whoever gets it makes the tenant's first key with it, once (`POST /api/v1/claim`). So the owner of a tenant
/// knows that nobody else has its keys: if somebody came first, the setup key does not work any more, and the tenant's audit log says when and
/// from where.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "access", request_body = ToMake,
    security(("api_key" = ["tenants:write"])),
    responses((status = 201, body = NewTenantView), Problems, Absent))]
pub(crate) async fn create_tenant(
    State(app): State<Arc<App>>,
    access: Authorized<TenantsWrite>,
    MeantBody(wanted): MeantBody<ToMake>,
) -> Result<(StatusCode, Json<NewTenantView>), Problem> {
    let now = app.now();
    let parent = or_own(&app, &access.scope, wanted.parent).await?;
    let ceiling = Ceiling::from(wanted.ceiling);
    let minted = mint_key(&app.environment, &["tenants:claim"], drawn(&app));
    let shown = minted.shown.clone();
    let made_by = access.principal.clone();
    let key = move |tenant| Key {
        expires_at: Some(Timestamp::from_micros(now.micros() + SETUP_MICROS)),
        ..crate::keys::stored(minted, tenant, "setup".to_owned(), made_by, now)
    };
    act::note_subject(wanted.name.as_str());
    act::note_after(&json!({"name": wanted.name, "parent": parent.tenant(), "ceiling": ceiling}));
    let new = NewTenant { name: wanted.name, clock: wanted.clock.unwrap_or(ClockKind::Live), ceiling, at: now };
    let made = match app.store.create_below(&access.scope, parent.tenant(), new, key).await {
        Err(StoreError::AlreadyExists(name)) => {
            return Err(Problem::new(ALREADY_EXISTS, format!("The name `{name}` is taken. Choose another one.")));
        }
        made => made?.map_err(refusal)?,
    };
    let view = below(&app, &access.scope, made.0).await?.into();
    Ok((StatusCode::CREATED, Json(NewTenantView { setup_key: shown, view })))
}

/// A tenant below yours.
#[utoipa::path(get, path = "/api/v1/tenants/{id}", tag = "access",
    params(("id" = i64, Path, description = "The tenant's id.")),
    security(("api_key" = ["tenants:read"])),
    responses((status = 200, body = TenantView), Problems))]
pub(crate) async fn get_tenant(
    State(app): State<Arc<App>>,
    access: Authorized<TenantsRead>,
    Path(id): Path<String>,
) -> Result<Json<TenantView>, Problem> {
    Ok(Json(below(&app, &access.scope, number(&id)?).await?.into()))
}

fn number(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::not_found("tenant"))
}

/// Sets what a tenant, and all below it, may have at most: no more than those above it have. In force everywhere within five seconds.
#[utoipa::path(patch, path = "/api/v1/tenants/{id}", tag = "access", request_body = ToChange,
    params(("id" = i64, Path, description = "The tenant's id.")),
    security(("api_key" = ["tenants:write"])),
    responses((status = 200, body = TenantView), Problems))]
pub(crate) async fn change_tenant(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<TenantsWrite>,
    Path(id): Path<String>,
    MeantBody(ToChange { ceiling }): MeantBody<ToChange>,
) -> Result<Json<TenantView>, Problem> {
    let before = below(&app, &access.scope, number(&id)?).await?;
    let (id, ceiling) = (before.id, Ceiling::from(ceiling));
    act::note_before(&json!(before.ceiling));
    act::note_after(&json!(ceiling));
    app.store.set_ceiling(&access.scope, id, ceiling).await?.map_err(refusal)?;
    keys.forget_all();
    Ok(Json(below(&app, &access.scope, id.0).await?.into()))
}

/// Puts a tenant, with all below it, below another one. Refused if it would stand below itself, or if its ceiling would be wider than before.
#[utoipa::path(post, path = "/api/v1/tenants/{id}/move", tag = "access", request_body = ToMove,
    params(("id" = i64, Path, description = "The tenant's id.")),
    security(("api_key" = ["tenants:write"])),
    responses((status = 200, body = TenantView), Problems))]
pub(crate) async fn move_tenant(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<TenantsWrite>,
    Path(id): Path<String>,
    JsonBody(ToMove { parent }): JsonBody<ToMove>,
) -> Result<Json<TenantView>, Problem> {
    let before = below(&app, &access.scope, number(&id)?).await?;
    act::note_before(&json!({"parent": before.parent}));
    act::note_after(&json!({"parent": parent}));
    app.store.move_tenant(&access.scope, before.id, TenantId(parent)).await?.map_err(refusal)?;
    keys.forget_all();
    Ok(Json(below(&app, &access.scope, before.id.0).await?.into()))
}

/// Closes the doors of a tenant, and of all below it, within five seconds: requests under its keys are answered 503 `tenant-closed`.
///
/// Nothing of it is lost. What was accepted before goes on: journeys move, and messages are sent.
#[utoipa::path(post, path = "/api/v1/tenants/{id}/pause", tag = "access",
    params(("id" = i64, Path, description = "The tenant's id.")),
    security(("api_key" = ["tenants:write"])),
    responses((status = 200, body = TenantView), Problems))]
pub(crate) async fn pause_tenant(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<TenantsWrite>,
    Path(id): Path<String>,
) -> Result<Json<TenantView>, Problem> {
    set_status(&app, &keys, &access, &id, (TenantStatus::Paused, None)).await
}

/// Opens the doors of a tenant again. One that is to be deleted, and has not been yet, stays.
#[utoipa::path(post, path = "/api/v1/tenants/{id}/resume", tag = "access",
    params(("id" = i64, Path, description = "The tenant's id.")),
    security(("api_key" = ["tenants:write"])),
    responses((status = 200, body = TenantView), Problems))]
pub(crate) async fn resume_tenant(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<TenantsWrite>,
    Path(id): Path<String>,
) -> Result<Json<TenantView>, Problem> {
    set_status(&app, &keys, &access, &id, (TenantStatus::Active, None)).await
}

/// Deletes a tenant after a time of grace. Its doors close at once; `resume` keeps it, as long as the time has not passed.
///
/// Then all its rows are deleted, and `GET /api/v1/tenant-deletions` has the receipt. A tenant with others below it is not deleted.
#[utoipa::path(delete, path = "/api/v1/tenants/{id}", tag = "access",
    params(("id" = i64, Path, description = "The tenant's id."), Grace),
    security(("api_key" = ["tenants:write"])),
    responses((status = 200, body = TenantView), Problems))]
pub(crate) async fn delete_tenant(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<TenantsWrite>,
    Path(id): Path<String>,
    Query(Grace { grace_days }): Query<Grace>,
) -> Result<Json<TenantView>, Problem> {
    let days = grace_days.unwrap_or(GRACE_DAYS);
    if !(1..=MOST_GRACE_DAYS).contains(&days) {
        let fault = Fault::new("/grace_days", "out-of-range", format!("This must be 1 to {MOST_GRACE_DAYS} days."));
        return Err(Problem::fault(INVALID_QUERY, fault));
    }
    let at = Timestamp::from_micros(app.now().micros() + days * DAY_MICROS);
    set_status(&app, &keys, &access, &id, (TenantStatus::Deleting, Some(at))).await
}

async fn set_status(
    app: &App,
    keys: &KeyCache,
    access: &Authorized<TenantsWrite>,
    id: &str,
    (status, delete_at): (TenantStatus, Option<Timestamp>),
) -> Result<Json<TenantView>, Problem> {
    let before = below(app, &access.scope, number(id)?).await?;
    if (before.status, before.delete_at) != (status, delete_at) {
        act::note_before(&json!({"status": before.status, "delete_at": before.delete_at}));
        act::note_after(&json!({"status": status, "delete_at": delete_at}));
        app.store.set_tenant_status(&access.scope, before.id, status, delete_at).await?.map_err(refusal)?;
        keys.forget_all();
    }
    Ok(Json(below(app, &access.scope, before.id.0).await?.into()))
}

/// The receipts of tenants that were below yours and were deleted: how many rows of each table.
#[utoipa::path(get, path = "/api/v1/tenant-deletions", tag = "access", params(cursor::Page),
    security(("api_key" = ["tenants:read"])),
    responses((status = 200, body = TenantDeletionList), Problems))]
pub(crate) async fn tenant_deletions(
    State(app): State<Arc<App>>,
    access: Authorized<TenantsRead>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<TenantDeletionList>, Problem> {
    let deletions = app.store.tenant_deletions(&access.scope).await?;
    // The last first, so a place among them is found from the end.
    let place = |deletion: &TenantDeletion| Place(deletion.begun_at.micros(), deletion.tenant.0);
    let (deletions, next) = page.of(DELETIONS, deletions, place, |place, after| place < after)?;
    Ok(Json(TenantDeletionList { deletions: deletions.into_iter().map(Into::into).collect(), next }))
}

/// Makes a new tenant's first key, for everything that its ceiling allows, with the setup key that came with the tenant. Works once: the
/// setup key ends with it.
#[utoipa::path(post, path = "/api/v1/claim", tag = "access",
    security(("api_key" = ["tenants:claim"])),
    responses((status = 201, body = NewKeyView), Problems))]
pub(crate) async fn claim_tenant(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<TenantsClaim>,
) -> Result<(StatusCode, Json<NewKeyView>), Problem> {
    if access.scopes() != ["tenants:claim"] {
        return Err(Problem::new(
            CONFLICT,
            "This is no setup key: the tenant has been claimed. Use `POST /api/v1/keys`.",
        ));
    }
    let now = app.now();
    let minted = mint_key(&app.environment, KeyScopes::EVERYTHING, drawn(&app));
    let shown = minted.shown.clone();
    let key = crate::keys::stored(minted, access.tenant(), "owner".to_owned(), access.principal.clone(), now);
    act::note_subject(key.id.as_str());
    act::note_after(&json!(KeyView::of(key.clone(), now)));
    match app.store.exchange_key(&access.scope, &access.id, &key, now).await {
        Err(StoreError::NotFound) => {
            return Err(Problem::new(UNAUTHENTICATED, "The setup key was used already. Use another key."));
        }
        done => done?,
    }
    keys.forget(access.tenant());
    Ok((StatusCode::CREATED, Json(NewKeyView { key: shown, view: KeyView::of(key, now) })))
}

/// Of a deletion in the list of them, as a cursor writes it.
#[derive(PartialEq, PartialOrd)]
struct Place(i64, i64);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Place, ParseIntError> {
        let (begun_at, tenant) = text.split_once(':').unwrap_or_default();
        Ok(Place(begun_at.parse()?, tenant.parse()?))
    }
}

fn refusal(why: Unplaced) -> Problem {
    match why {
        Unplaced::Cycle => Problem::new(TENANT_CYCLE, "The tenant would stand below itself. Choose another parent."),
        Unplaced::TooDeep => {
            Problem::new(CONFLICT, "The tenant would stand too deep: eight tenants above one at most.")
        }
        Unplaced::Wider(what) => {
            let detail = format!("A ceiling only gets tighter on the way down, but {what}. Set less.");
            Problem::new(WIDER_CEILING, detail)
        }
        Unplaced::Stands(TenantStatus::Paused) => Problem::new(CONFLICT, "The tenant is paused. Resume it first."),
        Unplaced::Stands(_) => Problem::new(CONFLICT, "The tenant is deleted, or about to be."),
        Unplaced::HasOthers => Problem::new(IN_USE, "There are tenants below it. Delete or move them first."),
    }
}
