//! `GET /api/v1/segments/{name}/export`: all members, as a stream that is read a page at a time.

use axum::extract::State;
use axum::response::Response;
use openhub_model::PartId;
use openhub_store::Scope;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Exports};
use crate::auth::{Authorized, CustomersRead, SegmentsRead};
use crate::export::{Asked, Decimal, Format, PAGE, Page, Read, Style, Table, are_known_kinds, columns, respond};
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::people::people;
use crate::problem::Problem;
use crate::routes::export::customers;
use crate::segments::find;
use crate::views::CustomerView;

const USUAL: [&str; 2] = ["id", "since"];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
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
    /// The columns, separated by commas (default `id,since`): `since`, the columns of the export of all customers,
    /// `attributes.<name>`, `consents.<purpose>`, or the kind of an identity, like `email`.
    fields: Option<String>,
}

/// A segment's members with chosen fields, by id. It also needs `segments:read`.
#[utoipa::path(get, path = "/api/v1/segments/{name}/export", tag = "segments",
    params(("name" = String, Path, description = "The segment's name."), Parameters),
    security(("api_key" = ["customers:read", "segments:read"])),
    responses((status = 200, description = "The rows, as a stream.",
        content((String = "text/csv"), (String = "application/x-ndjson"))), Problems))]
pub(crate) async fn export_segment(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<CustomersRead>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    access.must::<SegmentsRead>()?;
    let Parameters { format, excel, bom, delimiter, decimal, fields } = parameters;
    let place = exports.begin(access.tenant())?;
    let style = Style::of(&Asked { format, excel, bom, delimiter: delimiter.as_deref(), decimal })?;
    let scope = access.scope;
    let segment = find(&app, &scope, &name).await?.name;
    let table = Table { style, columns: Some(columns(fields.as_deref(), &USUAL, &customers::NAMED, read)?) };
    are_known_kinds(table.columns.iter().flatten(), app.engine.policies(&scope).await?.latest())?;
    let file = segment.clone();
    respond(table, &file, place, move |after| page(Arc::clone(&app), scope, segment.clone(), after)).await
}

async fn page(app: Arc<App>, scope: Scope, segment: String, after: Option<PartId>) -> Result<Page<PartId>, Problem> {
    let members = app.store.members(&scope, &segment, after, PAGE).await?;
    let next = members.last().filter(|_| members.len() == PAGE).map(|(customer, _)| *customer);
    let ids: Vec<PartId> = members.iter().map(|(customer, _)| *customer).collect();
    let since: HashMap<PartId, _> = members.into_iter().collect();
    let people = people(&app, &scope, &ids).await?;
    let rows = people.into_iter().map(|person| {
        let since = since.get(&person.customer.customer);
        let mut row = serde_json::to_value(CustomerView::new(person)).unwrap_or(Value::Null);
        row["since"] = json!(since);
        row
    });
    Ok(Page { rows: rows.collect(), next })
}

fn read(name: &str) -> Option<Read> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    customers::read(name).or_else(|| match name.split_once('.') {
        Some(("attributes", path)) => Read::below(&["attributes"], path),
        Some(("consents", key)) if !key.is_empty() => {
            Some(Read::Path(["consents", key, "state"].map(str::to_owned).into()))
        }
        None if name == "since" => Read::below(&[], name),
        None if !name.is_empty() && name.bytes().all(plain) => Some(Read::Identity(name.to_owned())),
        _ => None,
    })
}
