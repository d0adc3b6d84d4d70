//! The doors under the names by which libraries of the field call them. What stands behind each is one of the Segment calls.
//!
//! | library | door |
//! | --- | --- |
//! | `analytics.js` and the mobile libraries of Segment | `/v1/t`, `/v1/i`, `/v1/p`, `/v1/s`, `/v1/g`, `/v1/a`, `/v1/b`, `/v1/m` |
//! | Dittofeed | `/api/public/apps/{call}` |
//! | Jitsu | `/api/s/{call}`, `/api/s/s2s/{call}` |
//! | RudderStack | `/beacon/v1/batch`, `/sourceConfig` |

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};
use openhub_model::EventKind;
use std::sync::Arc;

use super::{batch, import, settings};
use crate::app::{App, Shared};
use crate::auth::{KeyCache, WriteAccess};
use crate::body::EventBody;
use crate::ingest::{Receipt, accept_one};
use crate::problem::{Problem, UNKNOWN_ROUTE};

const CALLS: [(&str, char, EventKind); 6] = [
    ("track", 't', EventKind::Track),
    ("identify", 'i', EventKind::Identify),
    ("page", 'p', EventKind::Page),
    ("screen", 's', EventKind::Screen),
    ("group", 'g', EventKind::Group),
    ("alias", 'a', EventKind::Alias),
];

/// The other names of the Segment calls, and all names with a slash behind them.
pub(crate) fn doors() -> Vec<(String, MethodRouter<Shared>)> {
    let mut doors = Vec::new();
    for (call, letter, kind) in CALLS {
        doors.extend(
            [format!("/v1/{letter}"), format!("/v1/{letter}/"), format!("/v1/{call}/")].map(|path| (path, one(kind))),
        );
    }
    for path in ["/v1/b", "/v1/b/", "/v1/batch/", "/beacon/v1/batch", "/beacon/v1/batch/", "/api/public/apps/batch"] {
        doors.push((path.to_owned(), post(batch::batch)));
    }
    for path in ["/api/public/apps/{call}", "/api/s/{call}", "/api/s/s2s/{call}"] {
        doors.push((path.to_owned(), post(named)));
    }
    // Measurements of a library about itself.
    doors.extend(["/v1/m", "/v1/m/"].map(|path| (path.to_owned(), post(async || StatusCode::OK))));
    doors.push(("/v1/import/".to_owned(), post(import::import)));
    doors.push(("/sourceConfig/".to_owned(), get(settings::source_config)));
    doors.push(("/v1/projects/{write_key}/settings/".to_owned(), get(settings::project_settings)));
    doors
}

/// Where a browser asks beforehand whether a page may send.
pub(crate) fn asked() -> Vec<String> {
    let called = CALLS.map(|(call, _, _)| format!("/v1/{call}")).into_iter();
    let others = ["/v1/batch", "/v1/import", "/v1/projects/{write_key}/settings", "/sourceConfig"].map(str::to_owned);
    called.chain(others).chain(doors().into_iter().map(|(path, _)| path)).collect()
}

fn one(kind: EventKind) -> MethodRouter<Shared> {
    post(
        move |State(app): State<Arc<App>>,
              State(keys): State<Arc<KeyCache>>,
              access: WriteAccess,
              EventBody(body): EventBody| async move { accept_one(&app, &keys, access, kind, &body).await },
    )
}

/// The call that the path ends with.
async fn named(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    Path(call): Path<String>,
    access: WriteAccess,
    EventBody(body): EventBody,
) -> Result<Json<Receipt>, Problem> {
    let Some((_, _, kind)) = CALLS.into_iter().find(|(name, _, _)| *name == call) else {
        let calls = CALLS.map(|(name, _, _)| name).join(", ");
        return Err(Problem::new(UNKNOWN_ROUTE, format!("There is no call `{call}`. There are: {calls}, batch.")));
    };
    accept_one(&app, &keys, access, kind, &body).await
}
