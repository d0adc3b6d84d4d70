//! `GET /api/v1/export/objects`

use axum::extract::State;
use axum::response::Response;
use openhub_store::{ObjectFilter, Scope};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Exports};
use crate::auth::{Authorized, ObjectsRead};
use crate::export::{Format, PAGE, Page, Read, Table, columns, respond};
use crate::objects::expect_type;
use crate::openapi::{Absent, Problems};
use crate::parameters::{Query, id_in_query};
use crate::problem::Problem;
use crate::views::ObjectView;

const USUAL: [&str; 6] = ["key", "customer", "version", "fields", "created_at", "updated_at"];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The object type.
    kind: String,
    /// `csv` or `jsonl` (default `jsonl`).
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// The columns, separated by commas: `key`, `customer`, `version`, `field.<name>`, `fields`, `created_at`, `updated_at`.
    fields: Option<String>,
    /// Only objects of this customer, by id.
    customer: Option<String>,
}

/// All objects of a type, by key.
#[utoipa::path(get, path = "/api/v1/export/objects", tag = "objects", params(Parameters),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, description = "The rows, as a stream.",
        content((String = "text/csv"), (String = "application/x-ndjson"))), Problems, Absent))]
pub(crate) async fn export_objects(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<ObjectsRead>,
    Query(Parameters { kind, format, fields, customer }): Query<Parameters>,
) -> Result<Response, Problem> {
    let place = exports.begin(access.tenant())?;
    let part = id_in_query("customer", customer.as_deref())?;
    let table = Table { format, columns: Some(columns(fields.as_deref(), &USUAL, read)?) };
    let scope = access.scope;
    expect_type(&app, &scope, &kind).await?;
    respond(table, "objects", place, move |after| {
        page(Arc::clone(&app), scope, ObjectFilter { kind: kind.clone(), part, after, limit: PAGE })
    })
    .await
}

async fn page(app: Arc<App>, scope: Scope, filter: ObjectFilter) -> Result<Page<String>, Problem> {
    let objects = app.store.objects(&scope, &filter).await?;
    let next = objects.last().filter(|_| objects.len() == PAGE).map(|object| object.key.clone());
    let rows = objects.into_iter().map(|object| serde_json::to_value(ObjectView::from(object)).unwrap_or(Value::Null));
    Ok(Page { rows: rows.collect(), next })
}

fn read(name: &str) -> Option<Read> {
    match name.split_once('.') {
        None => USUAL.contains(&name).then(|| Read::Path(vec![name.to_owned()])),
        Some(("field", path)) => Read::below(&["fields"], path),
        Some(_) => None,
    }
}
