//! `GET /api/v1/export/customers`

use axum::extract::State;
use axum::response::Response;
use openhub_model::{Condition, Fault, PartId};
use openhub_store::{CustomerFilter, Scope};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

use crate::app::{App, Exports, Previews};
use crate::auth::{Authorized, CustomersRead};
use crate::condition;
use crate::export::{Asked, Decimal, Format, PAGE, Page, Read, Style, Table, are_known_kinds, columns, respond};
use crate::openapi::{Problems, Unfit};
use crate::parameters::Query;
use crate::people::with_identities;
use crate::problem::{INVALID_QUERY, Problem};
use crate::views::CustomerView;

/// How long a page waits for other conditions of its tenant.
const TURN: Duration = Duration::from_secs(60);

const USUAL: [&str; 7] = ["id", "identities", "attributes", "tags", "consents", "first_seen_at", "last_seen_at"];
/// A cell of a CSV would have many consents in one.
const USUAL_IN_CSV: [&str; 6] = ["id", "identities", "attributes", "tags", "first_seen_at", "last_seen_at"];

/// Columns that each customer may have others of.
pub(in crate::routes) const NAMED: [&str; 4] =
    ["identity.<kind>", "attribute.<name>", "tag.<name>", "consent.<purpose>"];

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
    /// The columns, separated by commas: `id`, `identity.<kind>`, `attribute.<name>`, `tag.<name>`, `consent.<purpose>`,
    /// `identities`, `attributes`, `tags`, `consents` (not in CSV by default), `first_seen_at`, `last_seen_at`, and beside one `consent.<purpose>` also its `timestamp`.
    fields: Option<String>,
    /// Only customers for whom this condition holds, as JSON.
    condition: Option<String>,
}

/// All customers, by id.
///
/// A condition also needs the scopes of what it asks about: `objects:read`, `messages:read`.
#[utoipa::path(get, path = "/api/v1/export/customers", tag = "customers", params(Parameters),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, description = "The rows, as a stream.",
        content((String = "text/csv"), (String = "application/x-ndjson"))), Problems, Unfit))]
pub(crate) async fn export_customers(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    State(previews): State<Previews>,
    access: Authorized<CustomersRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let Parameters { format, excel, bom, delimiter, decimal, fields, condition } = parameters;
    let place = exports.begin(access.tenant())?;
    let style = Style::of(&Asked { format, excel, bom, delimiter: delimiter.as_deref(), decimal })?;
    let condition = condition::in_query(&app, &access, condition.as_deref()).await?;
    let time = time(fields.as_deref())?;
    let read = |name: &str| if name == TIME { time.clone() } else { read(name) };
    let usual: &[&str] = if style.format == Format::Csv { &USUAL_IN_CSV } else { &USUAL };
    let table = Table { style, columns: Some(columns(fields.as_deref(), usual, &NAMED, read)?) };
    let scope = access.scope;
    are_known_kinds(table.columns.iter().flatten(), app.engine.policies(&scope).await?.latest())?;
    respond(table, "customers", place, move |after| {
        page(Arc::clone(&app), previews.clone(), scope, condition.clone(), after)
    })
    .await
}

async fn page(
    app: Arc<App>,
    previews: Previews,
    scope: Scope,
    condition: Option<Condition>,
    after: Option<PartId>,
) -> Result<Page<PartId>, Problem> {
    // It has been answered 200: it waits rather than breaks off.
    let turn = match condition {
        Some(_) => Some(previews.turn(scope.tenant(), TURN).await?),
        None => None,
    };
    let filter = CustomerFilter {
        condition,
        after,
        limit: PAGE,
        time: Some(app.limits.export_time),
        ..CustomerFilter::default()
    };
    let customers = app.store.customers(&scope, &filter).await?;
    drop(turn);
    let next = customers.last().filter(|_| customers.len() == PAGE).map(|customer| customer.part);
    let people = with_identities(&app, &scope, customers).await?;
    let rows = people.into_iter().map(|person| serde_json::to_value(CustomerView::new(person)).unwrap_or(Value::Null));
    Ok(Page { rows: rows.collect(), next })
}

/// What an import takes a row's time from.
const TIME: &str = "timestamp";

/// The time of a row, if it is asked for: of its one consent, since an import has one time for all that a row says.
fn time(fields: Option<&str>) -> Result<Option<Read>, Problem> {
    let fields = || fields.into_iter().flat_map(|fields| fields.split(',')).map(str::trim);
    if !fields().any(|name| name == TIME) {
        return Ok(None);
    }
    let consents: Vec<&str> = fields().filter_map(|name| name.strip_prefix("consent.")).collect();
    match consents.as_slice() {
        [one] => Ok(Some(Read::ConsentTime((*one).to_owned()))),
        _ => {
            let message = "`timestamp` is the time of a consent. List it with exactly one `consent.<purpose>`.";
            Err(Problem::fault(INVALID_QUERY, Fault::new("/fields", "ambiguous-field", message)))
        }
    }
}

/// Where a customer's row has what a column is called after.
pub(in crate::routes) fn read(name: &str) -> Option<Read> {
    match name.split_once('.') {
        None if name == "consents" => Some(Read::Consents),
        None => USUAL.contains(&name).then(|| Read::Path(vec![name.to_owned()])),
        Some(("identity", kind)) if !kind.is_empty() => Some(Read::Identity(kind.to_owned())),
        Some(("attribute", path)) => Read::below(&["attributes"], path),
        Some(("tag", tag)) if !tag.is_empty() => Some(Read::Tag(tag.to_owned())),
        Some(("consent", key)) if !key.is_empty() => Some(Read::Consent(key.to_owned())),
        Some(_) => None,
    }
}
