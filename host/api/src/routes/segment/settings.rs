//! What the browser libraries of Segment and RudderStack ask for before they send: where to. There are no other destinations, since what
//! is done with events is the hub's.

use axum::Json;
use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::auth::WriteAccess;
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::{Problem, UNAUTHENTICATED};

/// Where `analytics.js` sends to.
///
/// A page names the hub as the library's `cdnURL`, and nothing else: `apiHost` is the host that the page has called.
#[utoipa::path(get, path = "/v1/projects/{write_key}/settings", tag = "segment",
    params(("write_key" = String, Path, description = "The page's key.")),
    security(("write_key" = ["events:write"])),
    responses((status = 200, body = Value), Problems))]
pub(crate) async fn project_settings(
    _access: WriteAccess,
    Path(write_key): Path<String>,
    headers: HeaderMap,
) -> Json<Value> {
    let (protocol, host) = called(&headers);
    let segment = json!({ "apiKey": write_key, "apiHost": format!("{host}/v1"), "protocol": protocol });
    Json(json!({
        "integrations": { "Segment.io": segment },
        "plan": { "track": {}, "identify": {}, "group": {} },
        "edgeFunction": {},
        "metrics": { "sampleRate": 0 },
    }))
}

/// Where RudderStack's library for browsers sends to: the data plane that it was loaded with.
#[utoipa::path(get, path = "/sourceConfig", tag = "segment",
    security(("write_key" = ["events:write"])),
    responses((status = 200, body = Value), Problems))]
pub(crate) async fn source_config(access: WriteAccess) -> Result<Json<Value>, Problem> {
    let Some(access) = access.authorized else {
        return Err(Problem::new(
            UNAUTHENTICATED,
            "The request has no write key. Send it as the user of Basic auth, or as `writeKey`.",
        ));
    };
    let collection = json!({ "errors": { "enabled": false }, "metrics": { "enabled": false } });
    Ok(Json(json!({
        "source": {
            "id": access.id, "name": "OpenHub", "enabled": true, "workspaceId": access.tenant().0.to_string(),
            "config": { "statsCollection": collection }, "destinations": [], "connections": [], "dataplanes": {},
        },
        "updatedAt": "2026-01-01T00:00:00Z",
    })))
}

/// By which name the hub was called, also through a proxy that says so.
fn called(headers: &HeaderMap) -> (&'static str, String) {
    let first = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.split(',').next().map(str::trim).filter(|text| !text.is_empty())
    };
    let host = first("x-forwarded-host").or_else(|| first(header::HOST.as_str())).unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    let host = if host.bytes().all(is_host) { host } else { "" };
    (if first("x-forwarded-proto") == Some("https") { "https" } else { "http" }, host.to_owned())
}
