//! A lane moves one partition: LOAD, COMPUTE, COMMIT, again and again, under a lease.
//!
//! An attempt that fails is made again: with half the batch if a plugin failed, with another seed if a key
//! existed, with what it lacked if it lacked an object. Nothing is written by an attempt that fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openhub_model::run::{RunStatus, Timer};
use openhub_model::{Event, Identity, PartId, Timestamp};
use openhub_store::{
    CatalogChange, Changes, Claim, ClaimStatus, JourneyStatus, Lease, PluginStatus, Scope, SetAside, StoreError,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::catalog::Catalog;
use crate::compute::{ComputeFault, Input, Made, Output, Retries, Stop, Tally, compute};
use crate::engine::Shared;
use crate::load::{Next, Reader};
use crate::unmerge::Surroundings;

/// An item whose COMPUTE fails alone this often is set aside.
const ATTEMPTS: u32 = 3;
/// The control event that takes claims back.
pub const UNDONE: &str = "identity.undone";
const BACKOFF: Duration = Duration::from_millis(500);

pub struct Lane {
    shared: Arc<Shared>,
    scope: Scope,
    lease: Lease,
    catalog: Arc<Catalog>,
    stop: CancellationToken,
    limit: usize,
    failures: u32,
    retries: Retries,
    needs: Vec<(String, String)>,
}

enum Progress {
    Moved,
    Idle,
}

impl Lane {
    pub fn new(shared: Arc<Shared>, lease: Lease, stop: CancellationToken) -> Lane {
        let limit = shared.config.batch.max(1);
        Lane {
            scope: Scope::of(lease.tenant),
            shared,
            lease,
            catalog: Arc::default(),
            stop,
            limit,
            failures: 0,
            retries: Retries::default(),
            needs: Vec::new(),
        }
    }

    /// Runs until it is stopped or the lease is lost.
    pub async fn run(mut self) {
        let mut appended = self.shared.store.appended();
        let mut loaded = false;
        while !self.stop.is_cancelled() {
            appended.mark_unchanged();
            let progress = if loaded { self.attempt().await } else { self.reload().await.map(|()| Progress::Moved) };
            let pause = match progress {
                Ok(Progress::Moved) => {
                    loaded = true;
                    continue;
                }
                Ok(Progress::Idle) => self.shared.config.poll,
                Err(EngineError::Store(StoreError::FenceLost)) => {
                    tracing::warn!(tenant.id = self.lease.tenant.0, "Another node moves this tenant now.");
                    return;
                }
                Err(error) => {
                    tracing::error!(tenant.id = self.lease.tenant.0, %error, "An attempt failed; it is made again.");
                    BACKOFF
                }
            };
            tokio::select! {
                _ = appended.changed() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn reload(&mut self) -> Result<(), EngineError> {
        let catalog = Catalog::load(&self.shared.store, &self.scope, &self.shared.prepared).await?;
        self.catalog = Arc::new(catalog);
        self.shared.catalogs.put(self.lease.tenant, self.catalog.clone());
        self.shared.positions.reach(self.lease.tenant, self.lease.checkpoint);
        Ok(())
    }

    async fn attempt(&mut self) -> Result<Progress, EngineError> {
        let began = Instant::now();
        let now = (self.shared.clock)();
        let reader = Reader {
            store: &self.shared.store,
            scope: &self.scope,
            lease: &self.lease,
            catalog: &self.catalog,
            needs: &self.needs,
        };
        match reader.next(self.limit, now).await? {
            Next::Idle => Ok(Progress::Idle),
            Next::Control(event) => {
                self.control(*event).await?;
                Ok(Progress::Moved)
            }
            Next::Batch { input, timers } => {
                let loaded = began.elapsed();
                let alone = Alone::of(&input, &timers);
                let batch = input.events.len() + timers.len();
                match self.compute(input).await? {
                    Ok(output) => self.commit(output, now, began, loaded).await?,
                    Err(stop) => self.stopped(stop, batch, alone, now).await?,
                }
                Ok(Progress::Moved)
            }
        }
    }

    async fn compute(&self, input: Box<Input>) -> Result<Result<Output, Stop>, EngineError> {
        let permit = self.shared.workers.clone().acquire_owned().await.map_err(|_| EngineError::Panicked)?;
        let (catalog, retries) = (self.catalog.clone(), self.retries.clone());
        let computed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            compute(*input, &catalog, &retries)
        });
        computed.await.map_err(|_| EngineError::Panicked)
    }

    async fn commit(
        &mut self,
        output: Output,
        now: Timestamp,
        began: Instant,
        loaded: Duration,
    ) -> Result<(), EngineError> {
        let computed = began.elapsed();
        let Output { mut changes, made, tally } = output;
        changes.wall = now;
        let (checkpoint, clock) = (changes.checkpoint, changes.clock);
        match self.shared.store.commit(&self.scope, &self.lease, changes).await {
            Ok(()) => {}
            Err(StoreError::UniqueConflict(keys)) => {
                self.conflict(&made, keys.into_iter().map(|key| (key.kind, key.key)));
                return Ok(());
            }
            // Loaded objects moved meanwhile: the next attempt loads them again.
            Err(StoreError::VersionConflict(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.reached(checkpoint, clock);
        record(tally, loaded, computed - loaded, began.elapsed() - computed);
        Ok(())
    }

    fn reached(&mut self, checkpoint: i64, clock: Timestamp) {
        self.lease.checkpoint = checkpoint;
        self.lease.clock = clock;
        self.shared.positions.reach(self.lease.tenant, checkpoint);
        self.failures = 0;
        self.needs.clear();
        if !self.retries.is_empty() {
            self.retries = Retries::default();
        }
        self.limit = (self.limit * 2).min(self.shared.config.batch.max(1));
    }

    fn conflict(&mut self, made: &Made, keys: impl Iterator<Item = (String, String)>) {
        for key in keys {
            if let Some(request) = made.get(&key) {
                self.retries.spend(*request);
            }
        }
    }

    async fn stopped(
        &mut self,
        stop: Stop,
        batch: usize,
        alone: Option<Alone>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        match stop {
            Stop::Needs(keys) => self.needs.extend(keys),
            Stop::Conflict(request) => self.retries.spend(request),
            Stop::Fault(fault) => match alone {
                None => {
                    tracing::warn!(tenant.id = self.lease.tenant.0, %fault, batch, "A batch failed and is halved.");
                    self.limit = (batch.min(self.limit * 2) / 2).max(1);
                }
                Some(alone) => {
                    self.failures += 1;
                    tracing::warn!(tenant.id = self.lease.tenant.0, %fault, attempt = self.failures, "An item failed.");
                    if self.failures >= ATTEMPTS {
                        self.set_aside(alone, &fault, now).await?;
                    }
                }
            },
        }
        Ok(())
    }

    /// The checkpoint passes an event that cannot be computed; a run whose timer cannot be computed fails.
    async fn set_aside(&mut self, alone: Alone, fault: &ComputeFault, now: Timestamp) -> Result<(), EngineError> {
        let mut changes =
            Changes { checkpoint: self.lease.checkpoint, clock: self.lease.clock, wall: now, ..Changes::default() };
        match alone {
            Alone::Event { position, message_id, clock } => {
                changes.checkpoint = position;
                changes.clock = clock;
                changes.set_aside.push(SetAside { position, message_id, fault: fault.to_string(), at: now });
            }
            Alone::Timer(timer) => {
                let runs = self.shared.store.waiting_runs(&self.scope, &[timer.part]).await?;
                changes.runs.extend(runs.into_iter().filter(|run| run.id == timer.id).map(|mut run| {
                    run.status = RunStatus::Failed;
                    run.fault = Some(fault.to_string());
                    run.ended_at = Some(timer.due);
                    run.due = None;
                    run.awaits = None;
                    run
                }));
                changes.disarmed.push(timer);
            }
        }
        let (checkpoint, clock) = (changes.checkpoint, changes.clock);
        self.shared.store.commit(&self.scope, &self.lease, changes).await?;
        metrics::counter!("openhub_set_aside_total").increment(1);
        self.reached(checkpoint, clock);
        Ok(())
    }

    /// Publishing, enabling and the like take effect at their position: nothing is computed across them.
    async fn control(&mut self, event: Event) -> Result<(), EngineError> {
        let undone = self.unmerged(&event).await?;
        let change = if undone.is_some() { None } else { catalog_change(&event) };
        if change.is_none() && undone.is_none() {
            tracing::warn!(tenant.id = self.lease.tenant.0, event.name, "A control event says nothing that is known.");
        }
        let changes = Changes {
            checkpoint: event.position,
            clock: self.lease.clock,
            wall: (self.shared.clock)(),
            catalog: change.into_iter().collect(),
            ..undone.unwrap_or_default()
        };
        self.shared.store.commit(&self.scope, &self.lease, changes).await?;
        self.lease.checkpoint = event.position;
        // Who waits for the position is answered once the new catalog is in force.
        self.reload().await
    }
}

impl Lane {
    /// What an unmerge changes: of a claim `{"part", "kind", "value"}`, or of all that joined an `{"identity"}`.
    async fn unmerged(&self, event: &Event) -> Result<Option<Changes>, EngineError> {
        if event.name != UNDONE {
            return Ok(None);
        }
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        let Ok(identity) = serde_json::from_value::<Identity>(body["identity"].clone()) else { return Ok(None) };
        let named = identity.part(self.lease.tenant);
        let part: Option<PartId> = body["part"].as_str().and_then(|part| part.parse().ok());
        let undone = |claim: &Claim| match part {
            Some(part) => claim.part == part && claim.identity == identity,
            None => claim.status == ClaimStatus::Joined && (claim.identity == identity || claim.part == named),
        };
        let around = Surroundings::load(&self.shared.store, &self.scope, part.unwrap_or(named)).await?;
        Ok(Some(around.without(undone, &self.scope, &self.catalog.policies, &self.catalog.merges)))
    }
}

/// The one item of an attempt, if it is one.
enum Alone {
    Event { position: i64, message_id: String, clock: Timestamp },
    Timer(Timer),
}

impl Alone {
    fn of(input: &Input, timers: &[Timer]) -> Option<Alone> {
        match (input.events.as_slice(), timers) {
            ([event], []) => Some(Alone::Event {
                position: event.position,
                message_id: event.message_id.clone(),
                clock: input.plan.clock,
            }),
            ([], [timer]) => Some(Alone::Timer(*timer)),
            _ => None,
        }
    }
}

fn catalog_change(event: &Event) -> Option<CatalogChange> {
    let body: Value = serde_json::from_str(&event.body).ok()?;
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    let plugin = |status| {
        let agreed = |field: &str| Some(&body[field]).filter(|value| value.is_object()).cloned();
        let (settings, grant) = (agreed("settings"), agreed("grant"));
        Some(CatalogChange::Plugin { name: text("plugin")?, status, settings, grant, position: event.position })
    };
    let journey = |status, version| {
        Some(CatalogChange::Journey { name: text("journey")?, status, version, position: event.position })
    };
    match event.name.as_str() {
        "plugin.enabled" => plugin(PluginStatus::Enabled),
        "plugin.disabled" => plugin(PluginStatus::Disabled),
        "plugin.removed" => Some(CatalogChange::RemovePlugin { name: text("plugin")? }),
        "identity.kinds" => {
            let policy = serde_json::from_value(body["policy"].clone()).ok()?;
            Some(CatalogChange::IdentityKinds { policy, position: event.position })
        }
        "attribute.declared" => {
            let declaration = serde_json::from_value(body["declaration"].clone()).ok();
            Some(CatalogChange::Attribute { name: text("attribute")?, declaration, position: event.position })
        }
        "journey.published" => journey(JourneyStatus::Published, Some(body["version"].as_i64()?)),
        "journey.paused" => journey(JourneyStatus::Paused, None),
        "journey.resumed" => journey(JourneyStatus::Published, None),
        _ => None,
    }
}

fn record(tally: Tally, load: Duration, compute: Duration, commit: Duration) {
    metrics::counter!("openhub_events_processed_total").increment(tally.events);
    metrics::counter!("openhub_timers_fired_total").increment(tally.timers);
    metrics::counter!("openhub_plugin_calls_total").increment(tally.calls);
    metrics::counter!("openhub_plugin_rows_total").increment(tally.rows);
    metrics::counter!("openhub_plugin_fuel_total").increment(tally.fuel);
    metrics::counter!("openhub_plugin_row_faults_total").increment(tally.row_faults);
    metrics::counter!("openhub_events_too_deep_total").increment(tally.too_deep);
    metrics::counter!("openhub_waves_total").increment(tally.waves);
    metrics::histogram!("openhub_attempt_load_seconds").record(load);
    metrics::histogram!("openhub_attempt_compute_seconds").record(compute);
    metrics::histogram!("openhub_attempt_commit_seconds").record(commit);
}
