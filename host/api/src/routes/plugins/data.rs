//! `GET /api/v1/plugins/{name}/data`: what a plugin keeps, or left behind.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_engine::remove::kept_types;
use openhub_store::{KvEntry, KvRange, ObjectFilter, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

use super::find;
use crate::app::{App, Exports};
use crate::auth::{Authorized, ObjectsRead};
use crate::export::{PAGE, Page, Style, Table, respond};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::ObjectView;

/// Entries on a page: each may be large.
const ENTRIES: usize = 100;

/// Where the next page begins: behind this object of this type, or behind this entry.
#[derive(Clone)]
enum Place {
    Objects(usize, Option<String>),
    Entries(Option<String>),
}

/// Everything that a plugin keeps, also one that was removed and left it behind: a JSON object a line, `{"kind": …, "data": …}`.
///
/// Kinds: `object`, an object of one of its types, and `entry`, an entry of its own state with its `key`, and its `value`, or
/// `base64` if it is no text.
#[utoipa::path(get, path = "/api/v1/plugins/{name}/data", tag = "plugins",
    params(("name" = String, Path, description = "The plugin's name.")),
    security(("api_key" = ["objects:read"])),
    responses((status = 200, description = "JSON lines, as a stream.",
        content((String = "application/x-ndjson"))), Problems))]
pub(crate) async fn plugin_data(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<ObjectsRead>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let scope = access.scope;
    let plugin = match find(&app, &scope, &name).await {
        Ok(plugin) => plugin,
        Err(missing) => app.store.removed_plugin(&scope, &name).await?.ok_or(missing)?,
    };
    let place = exports.begin(access.tenant())?;
    let kinds: Arc<[String]> = kept_types(&app.store, &scope, &plugin.name).await?.into();
    let table = Table { style: Style::LINES, columns: None };
    respond(table, "plugin", place, move |place| {
        let place = place.unwrap_or(Place::Objects(0, None));
        page(Arc::clone(&app), scope, plugin.name.clone(), Arc::clone(&kinds), place)
    })
    .await
}

async fn page(
    app: Arc<App>,
    scope: Scope,
    plugin: String,
    kinds: Arc<[String]>,
    place: Place,
) -> Result<Page<Place>, Problem> {
    match place {
        Place::Objects(index, after) => {
            let Some(kind) = kinds.get(index) else {
                return Ok(Page { rows: Vec::new(), next: Some(Place::Entries(None)) });
            };
            let filter = ObjectFilter { kind: kind.clone(), part: None, after, limit: PAGE };
            let objects = app.store.objects(&scope, &filter).await?;
            let next = match objects.last().filter(|_| objects.len() == PAGE) {
                Some(last) => Place::Objects(index, Some(last.key.clone())),
                None => Place::Objects(index + 1, None),
            };
            let rows = objects.into_iter().map(|object| json!({"kind": "object", "data": ObjectView::from(object)}));
            Ok(Page { rows: rows.collect(), next: Some(next) })
        }
        Place::Entries(after) => {
            let range = KvRange { prefix: String::new(), after, limit: ENTRIES };
            let entries = app.store.kv_entries(&scope, &plugin, range, app.now()).await?;
            let last = entries.last().filter(|_| entries.len() == ENTRIES).map(|entry| entry.key.clone());
            let next = last.map(|last| Place::Entries(Some(last)));
            Ok(Page { rows: entries.into_iter().map(entry).collect(), next })
        }
    }
}

fn entry(KvEntry { key, value, .. }: KvEntry) -> Value {
    let data = match String::from_utf8(value) {
        Ok(value) => json!({"key": key, "value": value}),
        Err(bytes) => json!({"key": key, "base64": STANDARD.encode(bytes.as_bytes())}),
    };
    json!({"kind": "entry", "data": data})
}
