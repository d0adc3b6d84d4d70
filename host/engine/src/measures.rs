//! Measures what each tenant has stored, once a day (UTC), as far as it is looked at: see `statements`.

use openhub_model::identity::Authority;
use openhub_model::{Day, EventKind, NewEvent, Principal, Quarter, Timestamp};
use openhub_store::{Measured, Scope, Store, StoreError};
use serde_json::json;

/// The control event of a measure, in the tenant's log.
pub const MEASURED: &str = "usage.measured";

/// Measures a tenant, unless that was done today.
pub async fn measure(store: &Store, scope: &Scope, now: Timestamp) -> Result<(), StoreError> {
    let day = Day::of(now);
    let Some(measured) = store.measure(scope, day).await? else { return Ok(()) };
    let event = event(day, &measured, now);
    store.count_measured(scope, (day, Quarter::of(now)), &measured, event).await
}

fn event(day: Day, Measured { objects, bytes }: &Measured, now: Timestamp) -> NewEvent {
    let objects: serde_json::Map<_, _> = objects.iter().map(|(kind, rows)| (kind.clone(), json!(rows))).collect();
    let body = json!({"day": day, "object_rows": objects, "storage_bytes": bytes, "principal": Principal::Hub});
    NewEvent {
        message_id: format!("openhub:measured:{day}"),
        kind: EventKind::Control,
        name: MEASURED.to_owned(),
        part: None,
        occurred_at: now,
        received_at: now,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}
