//! `GET /api/v1/customers/{id}/attributes/{name}/history`: who said what of an attribute.

use axum::Json;
use axum::extract::State;
use openhub_model::{EventKind, Timestamp};
use openhub_store::EventFilter;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::problem::Problem;

const PAGE: usize = 1_000;

#[derive(Serialize, ToSchema)]
#[schema(as = AttributeHistory)]
pub(crate) struct History {
    /// What events said, in the order of the log, and what the customer has now if a rule or a journey set it.
    entries: Vec<Entry>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AttributeHistoryEntry)]
pub(crate) struct Entry {
    #[schema(value_type = Object)]
    value: Value,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The event's `message_id`.
    event: String,
    /// Digest of the plugin's component, if a rule set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

/// Who said what of a customer's attribute, and when.
#[utoipa::path(get, path = "/api/v1/customers/{id}/attributes/{name}/history", tag = "customers",
    params(("id" = String, Path, description = "The customer's id."),
        ("name" = String, Path, description = "The attribute's name.")),
    responses((status = 200, body = History), Problems))]
pub(crate) async fn attribute_history(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<History>, Problem> {
    let (scope, id) = (&access.scope, id_in_path(&id, "customer")?);
    let customer = app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let mut entries = Vec::new();
    let mut filter = EventFilter { part: Some(id), limit: PAGE, ..EventFilter::default() };
    loop {
        let events = app.store.events(scope, &filter).await?;
        filter.after = events.last().map(|event| event.position);
        let said = events.iter().filter(|event| matches!(event.kind, EventKind::Identify | EventKind::Update));
        entries.extend(said.filter_map(|event| {
            let body: Value = serde_json::from_str(&event.body).ok()?;
            let value = ["attributes", "traits"].into_iter().find_map(|field| body.get(field)?.get(&name))?.clone();
            Some(Entry { value, at: event.occurred_at, event: event.message_id.clone(), plugin: None, rule: None })
        }));
        if events.len() < PAGE {
            break;
        }
    }
    if let Some(now) = customer.attributes.get(&name).filter(|now| now.cause.rule.is_some()) {
        let (value, cause) = (now.value.clone(), &now.cause);
        let text = |text: &Arc<str>| text.as_ref().to_owned();
        let (plugin, rule) = (cause.plugin.as_ref().map(text), cause.rule.as_ref().map(text));
        entries.push(Entry { value, at: cause.at, event: text(&cause.event), plugin, rule });
    }
    Ok(Json(History { entries }))
}
