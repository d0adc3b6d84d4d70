//! What is due by the clock and belongs to no lane, while the hub runs: tenants whose day has come are deleted, and statements made.

use openhub_engine::statements;
use openhub_store::Store;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::serve::wall_clock;

/// How often it is looked for them.
const EACH: Duration = Duration::from_secs(60);

/// Until the hub stops. What is interrupted goes on at the next start, or on another node.
pub async fn run(store: Store, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(EACH) => {}
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = both(&store) => {}
        }
    }
}

async fn both(store: &Store) {
    sweep(store).await;
    if let Err(error) = statements::make_due(store, wall_clock()).await {
        tracing::warn!(%error, "Statements that are due were not looked for.");
    }
}

async fn sweep(store: &Store) {
    let due = match store.tenants_to_delete(wall_clock()).await {
        Ok(due) => due,
        Err(error) => return tracing::warn!(%error, "Tenants whose day has come were not looked for."),
    };
    for (tenant, parent) in &due {
        match store.delete_tenant(*tenant, *parent, wall_clock).await {
            Ok(receipt) => {
                let rows: i64 = receipt.iter().flat_map(|receipt| receipt.counts.values()).sum();
                tracing::info!(tenant.id = tenant.0, rows, "A tenant was deleted.");
            }
            Err(error) => tracing::warn!(%error, tenant.id = tenant.0, "A tenant was not deleted. It is tried again."),
        }
    }
    // What was deleted is in no free page any more.
    if !due.is_empty()
        && let Err(error) = store.scrub().await
    {
        tracing::warn!(%error, "The free pages of the database were not overwritten.");
    }
}
