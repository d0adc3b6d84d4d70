//! `GET /api/v1/export/events`

use axum::extract::State;
use axum::response::Response;
use openhub_model::identity::Authority;
use openhub_model::{Event, EventKind, Origin, PartId};
use openhub_store::{EventFilter, Scope, own_id};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::IntoParams;

use crate::app::{App, Exports};
use crate::auth::{Authorized, EventsRead};
use crate::export::{Asked, Decimal, Format, PAGE, Page, Read, Style, Table, columns, respond};
use crate::ingest::{BY, MOVED, ORIGINAL};
use crate::openapi::Problems;
use crate::parameters::{Query, id_in_query};
use crate::problem::Problem;

const USUAL: [&str; 9] =
    ["messageId", "type", "event", "userId", "anonymousId", "timestamp", "properties", "traits", BY];
/// What the hub says of an event beside its body.
const STAMPS: [&str; 6] = ["position", "customer", "receivedAt", "origin", "historical", "cause"];

/// What each event may have others of, and what the hub says of it.
const NAMED: [&str; 10] = [
    "properties.<name>",
    "traits.<name>",
    "context",
    "context.<name>",
    "position",
    "customer",
    "receivedAt",
    "origin",
    "historical",
    "cause",
];

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
    /// The columns, separated by commas: `messageId`, `type`, `event`, `userId`, `anonymousId`, `timestamp`, `properties.<path>`,
    /// `traits.<path>`, `context.<path>`, `properties`, `traits`, `context`, `position`, `customer`, `receivedAt`,
    /// `origin`, `historical`, `cause`, `openhub:by` (who said it: `server`, `page` or `hub`). Without it, `jsonl` gives the events as they came.
    fields: Option<String>,
    /// Only events of this name.
    name: Option<String>,
    /// Only events of this customer, by id.
    customer: Option<String>,
}

/// All events of the Segment kinds that are in the log now, in order, caused ones too.
#[utoipa::path(get, path = "/api/v1/export/events", tag = "events", params(Parameters),
    security(("api_key" = ["events:read"])),
    responses((status = 200, description = "The rows, as a stream.",
        content((String = "text/csv"), (String = "application/x-ndjson"))), Problems))]
pub(crate) async fn export_events(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<EventsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let Parameters { format, excel, bom, delimiter, decimal, fields, name, customer } = parameters;
    let place = exports.begin(access.tenant())?;
    let style = Style::of(&Asked { format, excel, bom, delimiter: delimiter.as_deref(), decimal })?;
    let part = id_in_query("customer", customer.as_deref())?;
    let columns = match (style.format, &fields) {
        (Format::Jsonl, None) => None,
        _ => Some(columns(fields.as_deref(), &USUAL, &NAMED, read)?),
    };
    let scope = access.scope;
    let head = app.store.standing(&scope).await?.head;
    let whole = columns.is_none();
    respond(Table { style, columns }, "events", place, move |after| {
        let filter = EventFilter { name: name.clone(), part, after, limit: PAGE, ..EventFilter::default() };
        page(Arc::clone(&app), scope, filter, head, if whole { as_it_came } else { with_stamps })
    })
    .await
}

async fn page(
    app: Arc<App>,
    scope: Scope,
    filter: EventFilter,
    head: i64,
    row: fn(Event) -> Value,
) -> Result<Page<i64>, Problem> {
    let events = app.store.events(&scope, &filter).await?;
    let last = events.last().filter(|last| events.len() == PAGE && last.position < head);
    let next = last.map(|last| last.position);
    let is_segment = |event: &Event| event.position <= head && (event.kind.code() <= EventKind::Alias.code());
    Ok(Page { rows: events.into_iter().filter(is_segment).map(row).collect(), next })
}

/// As a Segment call, complete enough to be sent again.
fn as_it_came(event: Event) -> Value {
    let mut row: Map<String, Value> = serde_json::from_str(&event.body).unwrap_or_default();
    // The time is the corrected one, so that it stays when the event is sent again.
    row.shift_remove("sentAt");
    row.shift_remove(ORIGINAL);
    row.shift_remove(MOVED);
    let by = match (event.origin, event.authority) {
        (Origin::Caused, _) => "hub",
        (Origin::Arrived, Authority::Browser) => "page",
        (Origin::Arrived, _) => "server",
    };
    row.insert("type".to_owned(), json!(event.kind));
    row.insert("messageId".to_owned(), own_id(&event.message_id).into());
    row.insert("timestamp".to_owned(), json!(event.occurred_at));
    row.insert(BY.to_owned(), by.into());
    Value::Object(row)
}

fn with_stamps(event: Event) -> Value {
    let part: Option<PartId> = event.part;
    let stamps = [
        ("position", json!(event.position)),
        ("customer", json!(part)),
        ("receivedAt", json!(event.received_at)),
        ("origin", json!(event.origin)),
        ("historical", json!(event.historical)),
        ("cause", json!(event.cause)),
        ("event", Value::from(event.name.as_str())),
    ];
    let mut row = as_it_came(event);
    for (name, value) in stamps {
        row[name] = value;
    }
    row
}

fn read(name: &str) -> Option<Read> {
    let plain = |name: &str| USUAL.contains(&name) || STAMPS.contains(&name) || name == "context";
    match name.split_once('.') {
        None => plain(name).then(|| Read::Path(vec![name.to_owned()])),
        Some(("properties" | "traits" | "context", _)) => Read::below(&[], name),
        Some(_) => None,
    }
}
