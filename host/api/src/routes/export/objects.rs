//! `GET /api/v1/export/objects`

use axum::extract::State;
use axum::response::Response;
use openhub_model::manifest::{Field, Type};
use openhub_model::{Identity, Object, PartId};
use openhub_store::{ObjectFilter, Scope};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Exports};
use crate::auth::{Authorized, CustomersRead, ObjectsRead};
use crate::export::{Asked, Column, Decimal, Format, PAGE, Page, Read, Style, Table, columns, respond};
use crate::objects::expect_type;
use crate::openapi::{Absent, Problems};
use crate::parameters::{Query, id_in_query};
use crate::problem::Problem;
use crate::views::ObjectView;

const USUAL: [&str; 6] = ["key", "customer", "version", "fields", "created_at", "updated_at"];
/// Where the fields stand among them.
const FIELDS: &str = "fields";

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
    /// What stands before the decimals of a number in a CSV: `comma` or `point` (default `point`; with `excel` and `;`, `comma`).
    #[param(inline)]
    decimal: Option<Decimal>,
    /// The columns, separated by commas: `key`, `customer`, `version`, `field.<name>`, `fields`, `created_at`, `updated_at`. Without
    /// it, a CSV has a column for each field that the type declares, and `jsonl` has `fields`.
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
    let Parameters { kind, format, excel, bom, delimiter, decimal, fields, customer } = parameters;
    let place = exports.begin(access.tenant())?;
    let style = Style::of(&Asked { format, excel, bom, delimiter: delimiter.as_deref(), decimal })?;
    let part = id_in_query("customer", customer.as_deref())?;
    let scope = access.scope;
    let declared = declared(&app, &scope, &kind).await?;
    let table = Table { style, columns: Some(chosen(fields.as_deref(), style.format, declared.as_deref())?) };
    expect_type(&app, &scope, &kind).await?;
    let customers = if access.may::<CustomersRead>() { of_type(declared, &Type::Customer) } else { Vec::new() };
    respond(table, "objects", place, move |after| {
        let filter = ObjectFilter { kind: kind.clone(), part, after, limit: PAGE };
        page(Arc::clone(&app), scope, filter, customers.clone())
    })
    .await
}

/// The fields of a type; none if nobody declares it any more, though there are objects.
async fn declared(app: &App, scope: &Scope, kind: &str) -> Result<Option<Vec<Field>>, Problem> {
    let catalog = app.engine.in_force(scope).await?;
    Ok(catalog.objects.get(kind).map(|object| object.shape.fields.clone()))
}

/// The names of those of a type.
fn of_type(declared: Option<Vec<Field>>, of: &Type) -> Vec<String> {
    let fields = declared.into_iter().flatten();
    fields.filter(|field| field.of == *of).map(|field| field.name).collect()
}

/// The columns. A field that the type does not declare would be a column without a value.
fn chosen(fields: Option<&str>, format: Format, declared: Option<&[Field]>) -> Result<Vec<Column>, Problem> {
    let Some(declared) = declared else { return columns(fields, &USUAL, &["field.<name>"], read) };
    let named: Vec<String> = declared.iter().map(|field| format!("field.{}", field.name)).collect();
    let usual: Vec<String> = match format {
        Format::Jsonl => USUAL.map(str::to_owned).into(),
        Format::Csv => {
            let usual = USUAL.iter().map(|name| match *name {
                FIELDS => named.clone(),
                name => vec![name.to_owned()],
            });
            usual.flatten().collect()
        }
    };
    let is_there = |name: &str| !name.starts_with("field.") || named.iter().any(|named| named == name);
    let mut columns = columns(fields, &usual, &named, |name| read(name).filter(|_| is_there(name)))?;
    for column in &mut columns {
        let field = declared.iter().zip(&named).find(|(_, named)| **named == column.name).map(|(field, _)| field);
        column.is_decimal = field.is_some_and(|field| matches!(field.of, Type::Decimal(_)));
    }
    Ok(columns)
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
