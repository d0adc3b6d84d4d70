//! `GET /api/v1/export/objects`

use axum::extract::State;
use axum::response::Response;
use openhub_model::manifest::Type;
use openhub_model::{Identity, Object, PartId};
use openhub_store::{ObjectFilter, Scope};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Exports};
use crate::auth::{Authorized, CustomersRead, ObjectsRead};
use crate::export::{Asked, Format, PAGE, Page, Read, Style, Table, columns, respond};
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
    /// `csv` or `jsonl` (default `jsonl`; with `excel`, `csv`).
    #[param(inline)]
    format: Option<Format>,
    /// `true`: a CSV for Excel, with a byte order mark, `;` between cells, and no text that Excel would compute.
    excel: Option<bool>,
    /// `true`: a CSV begins with the byte order mark of UTF-8.
    bom: Option<bool>,
    /// What stands between the cells of a CSV: one character, or `tab` (default `,`; with `excel`, `;`).
    delimiter: Option<String>,
    /// The columns, separated by commas: `key`, `customer`, `version`, `field.<name>`, `fields`, `created_at`, `updated_at`.
    fields: Option<String>,
    /// Only objects of this customer, by id.
    customer: Option<String>,
}

/// All objects of a type, by key.
///
/// To a key that may also read customers (`customers:read`), a field that names a customer has an identity, like `user_id:42`, which
/// an import into another hub understands; `customer` has the id. A customer whom the hub has not met yet has only an id.
#[utoipa::path(get, path = "/api/v1/export/objects", tag = "objects", params(Parameters),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, description = "The rows, as a stream.",
        content((String = "text/csv"), (String = "application/x-ndjson"))), Problems, Absent))]
pub(crate) async fn export_objects(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<ObjectsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let Parameters { kind, format, excel, bom, delimiter, fields, customer } = parameters;
    let place = exports.begin(access.tenant())?;
    let style = Style::of(&Asked { format, excel, bom, delimiter: delimiter.as_deref() })?;
    let part = id_in_query("customer", customer.as_deref())?;
    let table = Table { style, columns: Some(columns(fields.as_deref(), &USUAL, read)?) };
    let scope = access.scope;
    expect_type(&app, &scope, &kind).await?;
    let customers =
        if access.may::<CustomersRead>() { customer_fields(&app, &scope, &kind).await? } else { Vec::new() };
    respond(table, "objects", place, move |after| {
        let filter = ObjectFilter { kind: kind.clone(), part, after, limit: PAGE };
        page(Arc::clone(&app), scope, filter, customers.clone())
    })
    .await
}

/// The fields of a type that name customers.
async fn customer_fields(app: &App, scope: &Scope, kind: &str) -> Result<Vec<String>, Problem> {
    let catalog = app.engine.in_force(scope).await?;
    let fields = catalog.objects.get(kind).into_iter().flat_map(|object| &object.shape.fields);
    Ok(fields.filter(|field| field.of == Type::Customer).map(|field| field.name.clone()).collect())
}

/// The values of a field, which may be a list.
fn several(value: &Value) -> &[Value] {
    match value {
        Value::Array(several) => several,
        one => std::slice::from_ref(one),
    }
}

/// Puts identities in the place of customers' ids, as far as they are known.
async fn name_customers(app: &App, scope: &Scope, objects: &mut [Object], fields: &[String]) -> Result<(), Problem> {
    let id = |value: &Value| value.as_str()?.parse::<PartId>().ok();
    let named = objects.iter().flat_map(|object| fields.iter().map(|field| &object.fields[field]));
    let ids: HashSet<PartId> = named.flat_map(several).filter_map(id).collect();
    let identities = app.store.identities_of(scope, &ids.into_iter().collect::<Vec<_>>()).await?;
    for object in objects {
        for field in fields {
            let held = match object.fields.get_mut(field) {
                Some(Value::Array(several)) => several.as_mut_slice(),
                Some(one) => std::slice::from_mut(one),
                None => continue,
            };
            for value in held {
                if let Some(Identity { kind, value: of_kind }) = id(value).and_then(|id| identities.get(&id)) {
                    *value = format!("{kind}:{of_kind}").into();
                }
            }
        }
    }
    Ok(())
}

async fn page(
    app: Arc<App>,
    scope: Scope,
    filter: ObjectFilter,
    customers: Vec<String>,
) -> Result<Page<String>, Problem> {
    let mut objects = app.store.objects(&scope, &filter).await?;
    name_customers(&app, &scope, &mut objects, &customers).await?;
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
