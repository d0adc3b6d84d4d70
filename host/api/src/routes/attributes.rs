//! Declared attributes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::attribute::{AttributeType, Declaration};
use openhub_model::customer::Merge;
use openhub_model::{Fault, PartId};
use openhub_store::{Scope, Then, Unfit, Walk};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, CustomersRead, SettingsWrite};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{INVALID_PATH, Problem};
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

const LIST: &str = "unfit";
/// Customers that the answer to a declaration names.
const EXAMPLES: usize = 10;

/// The declared attributes: by name, their `type`, how joined customers `merge` it, and a `description`.
#[utoipa::path(get, path = "/api/v1/attributes", tag = "identities",
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn list_attributes(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "attributes": app.store.declared_attributes(&access.scope).await? })))
}

/// One declared attribute.
#[utoipa::path(get, path = "/api/v1/attributes/{name}", tag = "identities",
    params(("name" = String, Path, description = "The attribute's name.")),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = Object), Problems))]
pub(crate) async fn get_attribute(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let declared = app.store.declared_attributes(&access.scope).await?.remove(&name);
    declared.map(|declared| Json(json!(declared))).ok_or_else(|| Problem::not_found("attribute"))
}

/// Declares an attribute: `{"type": "integer", "merge": "sum", "description": "…"}`.
///
/// Types: `text`, `number`, `integer`, `boolean`, `timestamp`, `date` (a day like `2026-01-31`, without a zone), `list`, `object`.
/// Merges of joined customers: `newest` (the default), `oldest`, `sum`, `non-empty`, `min`, `max`; in force from the next write to
/// each customer on.
///
/// `"pages": "open"` lets a page's key set it like any other, `"closed"` never; without it a page may set it as long as nothing
/// but pages has.
///
/// A value of another type is not written from then on, whoever would write it; the rest of its event is, and the hub's
/// event `Attribute Refused` says so. Values that are there stay. Without a type, any value is taken.
///
/// If customers have values of another type already, `unfit` of the answer counts them: `customers`, `complete` (`false` if there
/// were too many customers to look at all of them in time: then there are at least so many), up to ten `examples` by id, and in
/// `message` what happens to them. `/api/v1/attributes/{name}/unfit` lists them all. Only a key with `customers:read` is told.
#[utoipa::path(put, path = "/api/v1/attributes/{name}", tag = "identities", request_body = Object,
    params(("name" = String, Path, description = "The attribute's name.")),
    security(("api_key" = ["settings:write"])),
    responses((status = 200, body = Object), (status = 202, body = PendingView), Problems))]
pub(crate) async fn put_attribute(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
    MeantBody(declaration): MeantBody<Declaration>,
) -> Result<Response, Problem> {
    if !(1..=255).contains(&name.len()) {
        return Err(Problem::new(INVALID_PATH, "The name must have 1 to 255 bytes."));
    }
    let body = json!({ "attribute": name, "declaration": declaration });
    match change.commit("attribute.declared", body).await? {
        Progress::Done => {
            let mut answer = json!(declaration);
            if change.access.may::<CustomersRead>()
                && let Some(unfit) = unfit_values(&app, &change.scope, &name, declaration.of).await?
            {
                answer["unfit"] = unfit;
            }
            Ok(Json(answer).into_response())
        }
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

impl Meaning for Declaration {
    fn faults(&self) -> Vec<Fault> {
        let long = || Fault::new("/description", "too-long", "The description is too long: at most 1024 bytes.");
        let mut faults: Vec<Fault> = (self.description.len() > 1024).then(long).into_iter().collect();
        let fits = match (self.merge, self.of) {
            (Merge::Sum, Some(of)) => of == AttributeType::Integer,
            (Merge::Min | Merge::Max, Some(of)) => matches!(of, AttributeType::Integer | AttributeType::Number),
            _ => true,
        };
        if !fits {
            let message = "`sum` adds whole numbers, and `min` and `max` compare numbers: choose another `merge`, or another `type`.";
            faults.push(Fault::new("/merge", "wrong-type", message));
        }
        faults
    }
}

/// What is told of the values that were there before their attribute was declared; nothing if all of them fit.
async fn unfit_values(
    app: &App,
    scope: &Scope,
    name: &str,
    of: Option<AttributeType>,
) -> Result<Option<Value>, Problem> {
    let Some(of) = of else { return Ok(None) };
    let walk = Walk { after: None, keep: EXAMPLES, then: Then::Count, time: app.limits.preview_time };
    let Unfit { found, first, stopped_at } = app.store.unfit(scope, name, of, walk).await?;
    if found == 0 && stopped_at.is_none() {
        return Ok(None);
    }
    let many = if stopped_at.is_some() { "At least " } else { "" };
    let customers = if found == 1 { "customer has" } else { "customers have" };
    let message = format!(
        "{many}{found} {customers} a value that is not of the type {}. Such a value stays until it is set again. A condition \
         that compares it by size or time does not find it. `GET /api/v1/attributes/{name}/unfit` lists these customers.",
        of.in_words()
    );
    let examples: Vec<PartId> = first.into_iter().map(|(customer, _)| customer).collect();
    let complete = stopped_at.is_none();
    Ok(Some(json!({ "customers": found, "complete": complete, "examples": examples, "message": message })))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UnfitList {
    customers: Vec<UnfitView>,
    /// Cursor of the next page. A page may be shorter than its limit, and even empty, where it takes long to find more.
    next: Option<String>,
}

/// A customer whose value does not have its declared type.
#[derive(Serialize, ToSchema)]
#[schema(as = UnfitValue)]
pub(crate) struct UnfitView {
    /// The customer's id.
    #[schema(value_type = String, format = "uuid")]
    id: PartId,
    value: Value,
}

/// The customers whose value of a declared attribute is of another type, by id: it was there before the declaration.
#[utoipa::path(get, path = "/api/v1/attributes/{name}/unfit", tag = "identities",
    params(("name" = String, Path, description = "The attribute's name."), Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = UnfitList), Problems))]
pub(crate) async fn unfit_customers(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<UnfitList>, Problem> {
    let keep = cursor::limit(parameters.limit)?;
    let after = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let mut declared = app.store.declared_attributes(&access.scope).await?;
    let declaration = declared.remove(&name).ok_or_else(|| Problem::not_found("attribute"))?;
    let Some(of) = declaration.of else {
        return Ok(Json(UnfitList { customers: Vec::new(), next: None }));
    };
    let walk = Walk { after, keep, then: Then::Stop, time: app.limits.preview_time };
    let Unfit { first, stopped_at, .. } = app.store.unfit(&access.scope, &name, of, walk).await?;
    let customers = first.into_iter().map(|(id, value)| UnfitView { id, value }).collect();
    Ok(Json(UnfitList { customers, next: stopped_at.map(|at| cursor::write(LIST, &at)) }))
}

/// Takes an attribute's declaration away; values stay.
#[utoipa::path(delete, path = "/api/v1/attributes/{name}", tag = "identities",
    params(("name" = String, Path, description = "The attribute's name.")),
    security(("api_key" = ["settings:write"])),
    responses((status = 204), (status = 202, body = PendingView), Problems))]
pub(crate) async fn remove_attribute(
    State(app): State<Arc<App>>,
    change: Change<SettingsWrite>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    if !app.store.declared_attributes(&change.scope).await?.contains_key(&name) {
        return Err(Problem::not_found("attribute"));
    }
    let body = json!({ "attribute": name, "declaration": null });
    match change.commit("attribute.declared", body).await? {
        Progress::Done => Ok(StatusCode::NO_CONTENT.into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}
