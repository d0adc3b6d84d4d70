//! Events into a hub as its clients would send them: batches of 100, several requests under way at a time.

use anyhow::{Result, anyhow};
use openhub_model::NewEvent;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

use crate::costs::{Cost, Meter, thread_cpu_seconds};
use crate::events::BATCH;
use crate::hub::Hub;

/// Clients that send at the same time, one request each.
pub const CONNECTIONS: usize = 16;
/// Batches that are made ahead of the clients.
const AHEAD: usize = 64;

pub struct Fed {
    /// Events that were no duplicates.
    pub accepted: usize,
    /// From the first append until the engine has committed the last event; without the making of the events, which is
    /// a thread's own.
    pub cost: Cost,
}

pub async fn feed(hub: &Hub, events: impl Iterator<Item = NewEvent> + Send + 'static) -> Result<Fed> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let meter = Meter::start()?;
    let making = std::thread::spawn(move || make(events, &sender));
    let receiver = Arc::new(Mutex::new(receiver));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (store, scope, receiver) = (hub.store.clone(), hub.scope, receiver.clone());
            tokio::spawn(async move {
                let (mut accepted, mut position) = (0, 0);
                loop {
                    let next = receiver.lock().await.recv().await;
                    let Some(batch) = next else { return anyhow::Ok((accepted, position)) };
                    let appended = store.append(&scope, batch).await?;
                    accepted += appended.accepted;
                    position = appended.position.max(position);
                }
            })
        })
        .collect();
    let (mut accepted, mut position) = (0, 0);
    for client in clients {
        let (own, reached) = client.await??;
        accepted += own;
        position = reached.max(position);
    }
    hub.reached(position).await?;
    let mut cost = meter.stop()?;
    cost.cpu_seconds -= making.join().map_err(|_| anyhow!("the events could not be made"))??;
    Ok(Fed { accepted, cost })
}

/// Answers the CPU seconds that it took.
fn make(mut events: impl Iterator<Item = NewEvent>, sender: &mpsc::Sender<Vec<NewEvent>>) -> Result<f64> {
    loop {
        let batch: Vec<NewEvent> = events.by_ref().take(BATCH).collect();
        if batch.is_empty() || sender.blocking_send(batch).is_err() {
            return thread_cpu_seconds();
        }
    }
}
