//! Writes the meters of the calls that no commit belongs to, calls of the API, what plugins logged, and calls that were recorded. A hub that is killed loses those of its last second.

use std::sync::Arc;
use std::time::Duration;

use openhub_model::price::Meter;
use openhub_store::{Metered, Scope};
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

const EVERY: Duration = Duration::from_secs(1);

/// Writes what has gathered, until nothing moves any more, and then once more.
pub async fn write_gathered(shared: Arc<Shared>, ended: CancellationToken) {
    loop {
        let is_last = tokio::time::timeout(EVERY, ended.cancelled()).await.is_ok();
        write(&shared).await;
        if is_last {
            return;
        }
    }
}

/// What cannot be written of the meters now goes on gathering; lines are lost.
async fn write(shared: &Shared) {
    for (tenant, meter) in shared.meters.take() {
        let used = meter.clone().finish();
        if let Err(error) = shared.store.add_usage(&Scope::of(tenant), (shared.clock)(), &used).await {
            tracing::warn!(tenant.id = tenant.0, %error, "What plugins used could not be written.");
            shared.meters.add(tenant, meter);
        }
    }
    for ((tenant, quarter), calls) in shared.api_calls.take() {
        let counted = vec![Metered::new(quarter, Meter::ApiCalls, "", calls)];
        if let Err(error) = shared.store.add_metered(&Scope::of(tenant), counted).await {
            tracing::warn!(tenant.id = tenant.0, %error, "Calls of the API could not be counted.");
            shared.api_calls.add((tenant, quarter), calls);
        }
    }
    for (tenant, recordings) in shared.prepared.watch.take_recordings() {
        let now = (shared.clock)();
        if let Err(error) = shared.store.add_plugin_recordings(&Scope::of(tenant), now, &recordings).await {
            tracing::warn!(tenant.id = tenant.0, %error, "Recorded calls of plugins could not be written.");
        }
    }
    for (tenant, lines) in shared.prepared.watch.take() {
        let now = (shared.clock)();
        if let Err(error) = shared.store.add_plugin_logs(&Scope::of(tenant), now, &lines).await {
            tracing::warn!(tenant.id = tenant.0, lines = lines.len(), %error, "What plugins logged could not be written.");
        }
    }
}
