//! The attempts of a lane: LOAD, COMPUTE, COMMIT, again and again, under a lease.
//!
//! An attempt that fails is made again: with half the batch if a plugin failed, with another seed if a key
//! existed, with what it lacked if it lacked an object. Nothing is written by an attempt that fails.

use std::panic::AssertUnwindSafe;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use futures::FutureExt;
use hashbrown::HashSet;
use openhub_model::timer::Timer;
use openhub_model::{ClockKind, Event, Id, Timestamp};
use openhub_store::{Lease, Prepared, Room, StoreError};
use tokio::task::JoinHandle;

use crate::ahead::Ahead;
use crate::alone::{Alone, halved};
use crate::aside::{ATTEMPTS, Reason};
use crate::compute::{Course, Input, Made, Order, Output, Stop, Tally, Time, compute};
use crate::error::EngineError;
use crate::gather;
use crate::held::Rest;
use crate::lane::Lane;
use crate::load::{Moves, Next, Reader};
use crate::schedule::rest::{self, Half, Woken};
use crate::suppression::Suppressions;

/// Runs of a batch for what it lacks, before its items are taken one at a time.
const SERIAL_AFTER: u32 = 8;
const BACKOFF: Duration = Duration::from_millis(500);
/// After an attempt that fails because of something in it, which the next one comes closer to.
const SOON: Duration = Duration::from_millis(20);
/// A batch whose objects others change meanwhile is made again so often before it is bisected.
const RERUNS: u32 = 20;

/// Bytes of memory that what an attempt reads may take; a batch that has more is halved.
const ROOM: usize = 256 << 20;

enum Progress {
    Moved,
    Idle,
}

impl Lane {
    /// Runs until it is stopped or the lease is lost.
    pub async fn run(mut self) {
        let mut appended = self.shared.store.appended(self.lease.tenant);
        let mut rest = Rest::of(self.shared.held.clone());
        let mut loaded = false;
        while !self.stop.is_cancelled() {
            appended.mark_unchanged();
            self.scrub_if_due().await;
            let progress = if loaded { self.try_once().await } else { self.begin().await.map(|()| Progress::Moved) };
            let pause = match progress {
                Ok(Progress::Moved) => {
                    if loaded {
                        self.rests.worked();
                    }
                    loaded = true;
                    rest.ends();
                    continue;
                }
                Ok(Progress::Idle) => {
                    self.courtesy.rests(Instant::now());
                    self.hold(&mut rest);
                    match self.next_due().await {
                        Ok(due) => {
                            self.rests.says(Half::Lane, self.may_sleep_until(due));
                            let (clock, poll) = (&self.shared.clock, self.shared.config.poll);
                            let has_work = || {
                                self.hold(&mut rest);
                                self.scrubs.is_due() || self.is_revoked()
                            };
                            let woken = rest::rest(clock, poll, &mut appended, due, &self.stop, has_work).await;
                            if matches!(woken, Woken::Called | Woken::Due) {
                                self.rests.says(Half::Lane, false);
                            }
                            continue;
                        }
                        Err(error) => {
                            tracing::error!(tenant.id = self.lease.tenant.0, %error, "The next timer could not be read.");
                            BACKOFF
                        }
                    }
                }
                Err(EngineError::Store(StoreError::FenceLost)) => {
                    tracing::warn!(tenant.id = self.lease.tenant.0, "Another node moves this tenant now.");
                    return;
                }
                Err(error) if loaded && (error.is_of_an_item() || self.is_too_slow(&error).await) => {
                    match self.failed(&error).await {
                        Ok(()) => SOON,
                        Err(EngineError::Store(StoreError::FenceLost)) => continue,
                        Err(error) => {
                            tracing::error!(tenant.id = self.lease.tenant.0, %error, "What fails could not be set aside yet.");
                            loaded = false;
                            BACKOFF
                        }
                    }
                }
                Err(error) => {
                    tracing::error!(tenant.id = self.lease.tenant.0, %error, "An attempt failed; it is made again.");
                    // Whether its commit was made is not known: the lane begins anew with what is stored.
                    loaded = false;
                    // What took the database too long takes less so.
                    self.limit = halved(self.limit, self.limit);
                    BACKOFF
                }
            };
            self.rests.says(Half::Lane, false);
            // Whoever appends is no reason to hurry what fails.
            tokio::select! {
                () = tokio::time::sleep(pause) => self.hold(&mut rest),
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Whether one item alone took the database longer than any statement may, though it answers others: then it would for ever.
    async fn is_too_slow(&self, error: &EngineError) -> bool {
        self.limit == 1 && error.is_cut_off() && self.shared.store.answers().await.is_ok()
    }

    /// When the tenant has something to do by time alone. A replay's clock is moved by events.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        match self.lease.clock_kind {
            ClockKind::Replay => Ok(None),
            ClockKind::Live => self.shared.store.next_due(&self.scope).await,
        }
    }

    /// Whether nothing is left to do before that. What stands out is shown by who is awake.
    fn may_sleep_until(&self, due: Option<Timestamp>) -> bool {
        let done = self.unfilled.is_empty() && !self.scrubs.is_asked() && self.catalog.faults.is_empty();
        done && rest::is_far(due, (self.shared.clock)(), self.shared.config.hold)
    }

    /// From what the database says, which the lane may not know: the answer to its last commit may have been lost.
    async fn begin(&mut self) -> Result<(), EngineError> {
        self.forget();
        let shared = self.shared.clone();
        let _start = shared.starts.acquire().await.map_err(|_| EngineError::Stopping)?;
        self.lease = shared.store.rouse(&self.scope, &self.lease).await?;
        // A hub that died in between has erased somebody and not yet overwritten the free pages.
        if self.shared.store.unscrubbed(&self.scope).await? {
            self.scrubs.ask();
        }
        self.reload().await
    }

    /// A panic ends the attempt and not the lane.
    async fn try_once(&mut self) -> Result<Progress, EngineError> {
        let attempt = AssertUnwindSafe(self.attempt()).catch_unwind();
        attempt.await.unwrap_or_else(|panic| Err(EngineError::panicked(&*panic)))
    }

    /// One attempt, and as long as they succeed those that were read ahead of its commit.
    async fn attempt(&mut self) -> Result<Progress, EngineError> {
        if self.is_revoked() {
            self.reload().await?;
        }
        if self.stands_long() && self.brake().await? {
            return Ok(Progress::Moved);
        }
        let gathers = self.gathers.take();
        self.gather(gathers).await;
        let (store, tenant) = (self.shared.store.clone(), self.lease.tenant);
        let limit = self.courtesy.give_way(|| store.is_crowded(tenant), self.limit, &self.stop).await;
        let mut since = Instant::now();
        let now = (self.shared.clock)();
        self.tried = limit;
        let mut computed = match self.load(&self.lease, None, limit, now).await? {
            Loaded::Idle if self.unfilled.is_empty() => return Ok(Progress::Idle),
            Loaded::Idle => {
                self.fill_in_turn(now).await?;
                return Ok(Progress::Moved);
            }
            Loaded::Control(event) => {
                // It stands alone at any size.
                self.tried = 1;
                self.control(*event).await?;
                return Ok(Progress::Moved);
            }
            Loaded::Batch(batch) => self.compute(batch).await?,
        };
        loop {
            let Computed { batch, full, alone, outcome, gathers, loading, computing } = computed;
            self.tried = batch;
            let Done { prepared, ahead, made, tally, is_cut, is_late } = match outcome {
                Ok(done) => done,
                Err(stop) => {
                    self.stopped(stop, batch, alone, now).await?;
                    return Ok(Progress::Moved);
                }
            };
            let began = Instant::now();
            let (committed, next) = tokio::join!(
                async {
                    let committed = self.commit(prepared).await;
                    (committed, began.elapsed())
                },
                async { self.ahead(&ahead, gathers).await.unwrap_or_else(|error| self.met_ahead(&error)) },
            );
            let (committed, committing) = committed;
            if committed.is_err() {
                self.forget();
            }
            let lease = match committed {
                Ok(lease) => lease,
                Err(EngineError::Store(StoreError::UniqueConflict(clashes))) => {
                    if self.retries.spend_first(&made, &clashes) {
                        return Ok(Progress::Moved);
                    }
                    return self.rerun();
                }
                // Loaded objects, or what leads to them, moved meanwhile: the next attempt loads them again.
                Err(EngineError::Store(
                    StoreError::VersionConflict(_) | StoreError::LeadsNowhere(_) | StoreError::LedTo(_),
                )) => return self.rerun(),
                Err(error) => return Err(error),
            };
            let is_on = lease.checkpoint > self.lease.checkpoint;
            self.reached(lease);
            self.stood(tally.events + tally.timers, is_on);
            if is_late {
                metrics::counter!("openhub_attempts_late_total").increment(1);
                let seconds = computing.as_secs_f64();
                tracing::warn!(
                    tenant.id = tenant.0,
                    batch,
                    seconds,
                    "A batch took long: what was done of it is stored."
                );
                self.limit = halved(batch, self.limit);
            }
            if let Some(events) = full.filter(|_| !is_cut) {
                self.shared.pressure.note(tenant, events, since.elapsed());
            }
            since = Instant::now();
            if !is_cut {
                self.order = Order::Waves;
            }
            record(tally, loading, computing, committing);
            match next {
                Some(next) if !self.stop.is_cancelled() && !self.stands_long() && !self.is_revoked() => computed = next,
                next => {
                    // What was computed ahead and is not committed did not happen.
                    if next.is_some() {
                        self.forget();
                    }
                    self.gathers = gathers;
                    self.fill_in_turn(now).await?;
                    return Ok(Progress::Moved);
                }
            }
        }
    }

    /// The batch is made again: with other seeds, or with the objects as they are by now.
    fn rerun(&mut self) -> Result<Progress, EngineError> {
        self.reruns += 1;
        if self.reruns > RERUNS { Err(EngineError::InTheWay) } else { Ok(Progress::Moved) }
    }

    /// What fails ahead of its turn is met again in its turn.
    fn met_ahead(&self, error: &EngineError) -> Option<Computed> {
        tracing::warn!(tenant.id = self.lease.tenant.0, %error, "Reading ahead failed.");
        self.forget();
        None
    }

    /// Lets events come in, as long as they do.
    async fn gather(&self, until: Option<Instant>) {
        let Some(until) = until else { return };
        gather::gather(until, &mut self.shared.store.appended(self.lease.tenant), &self.stop).await;
    }

    async fn commit(&self, prepared: JoinHandle<Prepared>) -> Result<Lease, EngineError> {
        let prepared = prepared.await?;
        Ok(self.shared.store.commit_prepared(&self.scope, &self.lease, prepared).await?)
    }

    /// LOAD and COMPUTE of the batch behind this one, while it commits. None if there is none, or if it is not
    /// plain: then it is read once more when the commit is known.
    async fn ahead(&self, ahead: &Ahead, gathers: Option<Instant>) -> Result<Option<Computed>, EngineError> {
        // A first fill has its turn between two attempts; whether a message of the batch is there is told by its commit.
        if !self.unfilled.is_empty() || self.catalog.segments.needs().messages.is_some() {
            return Ok(None);
        }
        self.gather(gathers).await;
        if self.courtesy.is_left() && self.shared.store.is_crowded(self.lease.tenant) {
            return Ok(None);
        }
        let lease = Lease { checkpoint: ahead.checkpoint, clock: ahead.clock, ..self.lease };
        let limit = self.widened();
        match self.load(&lease, Some(ahead), limit, (self.shared.clock)()).await? {
            Loaded::Batch(batch) => {
                let computed = self.compute(batch).await?;
                Ok(computed.outcome.is_ok().then_some(computed))
            }
            Loaded::Idle | Loaded::Control(_) => Ok(None),
        }
    }

    async fn load(
        &self,
        lease: &Lease,
        ahead: Option<&Ahead>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Loaded, EngineError> {
        let began = Instant::now();
        // One item alone is read whatever it takes.
        let room = if limit > 1 { Room::of(ROOM) } else { Room::endless() };
        let plain = Reader { lease, ahead, room, ..self.reader(Moves::Yes) };
        // What the last attempt asked for, it asked for in its turn.
        let reader = match ahead {
            Some(_) => plain,
            None => Reader {
                needs: &self.needs,
                sought: &self.sought,
                values: &self.values,
                referred: &self.referred,
                ..plain
            },
        };
        Ok(match reader.next(limit, now).await? {
            Next::Idle => {
                self.shared.backlogs.note(lease.tenant, 0, limit);
                Loaded::Idle
            }
            Next::Control(event) => Loaded::Control(event),
            Next::Batch { input, timers } => {
                self.shared.backlogs.note(lease.tenant, input.events.len(), limit);
                let gathers = gather::until(began, input.events.len(), limit);
                // What it takes while it gives way says nothing of what it could take.
                let full = Some(input.events.len()).filter(|events| *events >= limit && limit >= self.limit);
                Loaded::Batch(LoadedBatch { input, full, timers, gathers, loading: began.elapsed() })
            }
        })
    }

    async fn compute(&self, batch: LoadedBatch) -> Result<Computed, EngineError> {
        let began = Instant::now();
        let LoadedBatch { input, full, timers, gathers, loading } = batch;
        let alone = Alone::of(&input.plan, &input.events, &timers);
        let batch = input.events.len() + timers.len();
        let turn = self.shared.turns.take(self.lease.tenant).await;
        let (catalog, retries) = (self.catalog.clone(), self.retries.clone());
        let (order, links, stop) = (self.order, self.links.clone(), self.stop.clone());
        let slice = self.shared.config.slice;
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let fire = input.plan.fire;
            let is_cancelled = || stop.is_cancelled();
            let began = Instant::now();
            let time = Time { slice, elapsed: &|| began.elapsed() };
            let course = Course::of(order, &links, &is_cancelled, time);
            let mut output = compute(*input, &catalog, &retries, &course)?;
            let disarmed: HashSet<Id> = output.changes.disarmed.iter().map(|timer| timer.id).collect();
            // What fired and belongs to nobody any more would be due for ever.
            let fired = timers.into_iter().filter(|timer| fire.reaches(timer) && output.passes(timer));
            let orphans: Vec<Timer> = fired.filter(|timer| !disarmed.contains(&timer.id)).collect();
            output.changes.disarmed.extend(orphans);
            Ok(output)
        });
        let outcome = match computed.await? {
            Ok(output) => Ok(self.done(output).await?),
            Err(stop) => Err(stop),
        };
        Ok(Computed { batch, full, alone, outcome, gathers, loading, computing: began.elapsed() })
    }

    /// The lane holds the customers of the batch from now on. Its changes are written out as rows while the commit before it,
    /// or what is read next, goes on.
    async fn done(&self, output: Output) -> Result<Done, EngineError> {
        let (is_cut, is_late) = (output.is_cut(), output.is_late);
        let Output { mut changes, made, tally, mut known, .. } = output;
        let (store, scope, catalog) = (&self.shared.store, &self.scope, &*self.catalog);
        let marker = self.shared.sealer.marker();
        Suppressions { store, scope, catalog, marker }.unpropose(&mut changes).await?;
        changes.wall = (self.shared.clock)();
        changes.set_aside.iter_mut().for_each(|aside| aside.at = changes.wall);
        metrics::counter!("openhub_set_aside_total").increment(changes.set_aside.len() as u64);
        for fault in &changes.faults {
            metrics::counter!("openhub_faults_total", "kind" => fault.kind.name()).increment(1);
        }
        let catalog = self.catalog.clone();
        let done = tokio::task::spawn_blocking(move || {
            let (needs, picks) = (catalog.segments.needs(), catalog.segments.picks());
            known.iter_mut().for_each(|known| known.facts.history.prune(needs, picks, changes.clock));
            changes.sort();
            (known, Ahead::of(&changes, needs), changes)
        });
        let (known, ahead, changes) = done.await?;
        let prepared = tokio::task::spawn_blocking(move || Prepared::of(&changes));
        self.held.lock().unwrap_or_else(PoisonError::into_inner).put(known);
        Ok(Done { prepared, ahead, made, tally, is_cut, is_late })
    }

    async fn stopped(
        &mut self,
        stop: Stop,
        batch: usize,
        alone: Option<Alone>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        match stop {
            Stop::Lacks(lacks) => {
                self.needs.extend(lacks.objects);
                self.sought.extend(lacks.deeds);
                self.links.extend(lacks.links);
                self.values.extend(lacks.values);
                self.referred.extend(lacks.referred);
                self.again += 1;
                // One item at a time, nobody needs to be linked; and a smaller batch lacks less.
                if self.again > SERIAL_AFTER {
                    self.order = Order::Serial;
                }
                if self.again.is_multiple_of(4 * SERIAL_AFTER) {
                    self.limit = halved(batch, self.limit);
                }
            }
            Stop::Over => self.order = Order::Serial,
            // Nothing is written; the lane sees that it is to stop.
            Stop::Cancelled => {}
            Stop::Fault(fault) => match alone {
                None => {
                    tracing::warn!(tenant.id = self.lease.tenant.0, %fault, batch, "A batch failed and is halved.");
                    self.limit = halved(batch, self.limit);
                }
                Some(alone) => {
                    self.failures += 1;
                    tracing::warn!(tenant.id = self.lease.tenant.0, %fault, attempt = self.failures, "An item failed.");
                    // The last time, what the machine stopped is the fault of the row that it stopped at.
                    self.retries.give_up = self.failures + 1 >= ATTEMPTS;
                    if self.failures >= ATTEMPTS {
                        self.set_aside(alone, &Reason::from(&fault), now).await?;
                    }
                }
            },
        }
        Ok(())
    }
}

enum Loaded {
    Idle,
    Control(Box<Event>),
    Batch(LoadedBatch),
}

struct LoadedBatch {
    input: Box<Input>,
    /// How many events it took, if that is as many as it may.
    full: Option<usize>,
    timers: Vec<Timer>,
    /// Until when the batch behind it may be waited for.
    gathers: Option<Instant>,
    loading: Duration,
}

/// A batch on which nothing remains to be done but to commit it.
struct Computed {
    /// How many items it has.
    batch: usize,
    full: Option<usize>,
    alone: Option<Alone>,
    outcome: Result<Done, Stop>,
    gathers: Option<Instant>,
    loading: Duration,
    computing: Duration,
}

/// What COMPUTE made of a batch.
struct Done {
    /// Its changes, as they are being written out as rows.
    prepared: JoinHandle<Prepared>,
    ahead: Ahead,
    made: Made,
    tally: Tally,
    /// Whether something of it is left for the next attempt, and whether that is for the time that it took.
    is_cut: bool,
    is_late: bool,
}

fn record(tally: Tally, load: Duration, compute: Duration, commit: Duration) {
    metrics::counter!("openhub_events_processed_total").increment(tally.events);
    metrics::counter!("openhub_timers_fired_total").increment(tally.timers);
    metrics::counter!("openhub_plugin_calls_total").increment(tally.calls);
    metrics::counter!("openhub_plugin_rows_total").increment(tally.rows);
    metrics::counter!("openhub_plugin_fuel_total").increment(tally.fuel);
    metrics::counter!("openhub_plugin_row_faults_total").increment(tally.row_faults);
    metrics::counter!("openhub_events_too_deep_total").increment(tally.too_deep);
    metrics::counter!("openhub_events_too_many_total").increment(tally.too_many);
    metrics::counter!("openhub_attribute_values_refused_total").increment(tally.values_refused);
    metrics::counter!("openhub_waves_total").increment(tally.waves);
    metrics::histogram!("openhub_attempt_load_seconds").record(load);
    metrics::histogram!("openhub_attempt_compute_seconds").record(compute);
    metrics::histogram!("openhub_attempt_commit_seconds").record(commit);
}
