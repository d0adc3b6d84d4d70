//! A tenant that is awake: its lane, its delivery, its jobs, its webhooks and what its plugins are asked to erase, until all have rested for long
//! enough. Of a tenant that was restored only the lane goes, until somebody says that it may send.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Shared as Awaited;
use openhub_store::{Asleep, Lease, Scope, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::delivery::Delivery;
use crate::jobs::Jobs;
use crate::lane::Lane;
use crate::privacy::requests::Requests;
use crate::schedule::rest::Rests;
use crate::shared::Shared;
use crate::webhooks::Webhooks;

/// How often it is asked whether a tenant may send.
const HELD: Duration = Duration::from_secs(2);

/// What becomes of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Its row says when it has something to do.
    Asleep,
    /// It goes on.
    Awake,
    /// Another node may have it by now, or it is to be given up.
    Lost,
}

pub async fn moves(shared: Arc<Shared>, lease: Lease, stop: CancellationToken) -> After {
    let (ends, rests) = (stop.child_token(), Arc::new(Rests::default()));
    let lane = Lane::new(shared.clone(), lease, rests.clone(), ends.clone());
    let delivery = Delivery::new(shared.clone(), lease, rests.clone(), ends.clone());
    let jobs = Jobs::new(shared.clone(), lease, rests.clone(), ends.clone());
    let requests = Requests::new(shared.clone(), lease, rests.clone(), ends.clone());
    let webhooks = Webhooks::new(shared.clone(), lease, rests.clone(), ends.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(lane.run());
    let released = released(shared.clone(), lease).boxed().shared();
    tasks.spawn(when(released.clone(), ends.clone(), delivery.run()));
    tasks.spawn(when(released.clone(), ends.clone(), jobs.run()));
    tasks.spawn(when(released.clone(), ends.clone(), requests.run()));
    tasks.spawn(when(released, ends.clone(), webhooks.run()));
    let rested = tokio::select! {
        // It has lost its fence, or panicked.
        Some(ended) = tasks.join_next() => {
            told(ended);
            false
        }
        () = rests.all_for(shared.config.hold) => true,
        () = stop.cancelled() => false,
    };
    ends.cancel();
    while let Some(ended) = tasks.join_next().await {
        told(ended);
    }
    shared.catalogs.remove(lease.tenant);
    if !rested || stop.is_cancelled() {
        return After::Lost;
    }
    if !rests.all() {
        // Something came at the last moment, and may not be done.
        return After::Awake;
    }
    let Ok(_turn) = shared.starts.acquire().await else { return After::Lost };
    match shared.store.put_to_sleep(&Scope::of(lease.tenant), &lease).await {
        // Whoever claims the lease anew takes it over.
        Ok(Asleep { left: true, .. }) => After::Lost,
        Ok(_) => After::Asleep,
        Err(StoreError::FenceLost) => After::Lost,
        Err(error) => {
            // It is looked at again.
            tracing::warn!(tenant.id = lease.tenant.0, %error, "When a tenant has something to do could not be noted.");
            After::Asleep
        }
    }
}

/// What reaches the world waits for it.
async fn when(released: Awaited<impl Future<Output = ()>>, stop: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        () = released => task.await,
        () = stop.cancelled() => {}
    }
}

/// Until the tenant may send.
async fn released(shared: Arc<Shared>, lease: Lease) {
    let scope = Scope::of(lease.tenant);
    let mut held = lease.sends_held;
    while held {
        tokio::time::sleep(HELD).await;
        held = shared.store.sends_held(&scope).await.unwrap_or(true);
    }
}

fn told(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "A task of the engine panicked.");
    }
}
