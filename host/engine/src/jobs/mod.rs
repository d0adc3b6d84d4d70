//! Jobs of plugins: run by the clock, one at a time each, from where the run before has left off.
//!
//! A run is claimed in a commit before it begins, and its cursor is written with its outcome under that claim, as messages are: see
//! `delivery`. What was claimed by a node that is gone is lost: nobody knows how far it came, and it is made again from the same
//! cursor, with the same names for its events.

mod end;
mod plan;
mod run;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use openhub_model::fault::own_words;
use openhub_model::schedule::Choice;
use openhub_model::{ClockKind, TenantId, Timestamp};
use openhub_store::{JobClaim, JobEnd, JobKey, JobOutcome, JobPlan, JobRow, Lease, Refused, Scope, StoreError};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::end::{Over, end};
use self::plan::{Job, changes, jobs_of};
use self::run::{Order, UnderWay, run};
use crate::delivery::places::Place;
use crate::schedule::rest::{self, Half, Rests};
use crate::shared::Shared;

/// Jobs of a tenant that run at the same time.
const AT_ONCE: usize = 4;
/// What is appended is no news of a job most of the time, so it is looked at no more often than this.
const LOOKS: Duration = Duration::from_secs(1);
/// Whatever was missed is found then.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After the database gave no answer.
const BACKOFF: Duration = Duration::from_millis(500);

pub struct Jobs {
    shared: Arc<Shared>,
    tenant: TenantId,
    scope: Scope,
    fence: i64,
    kind: ClockKind,
    rests: Arc<Rests>,
    stop: CancellationToken,
    jobs: plan::Jobs,
    /// A run that broke on the hub's side answers no more than which it was.
    runs: JoinSet<(JobKey, Option<Over>)>,
    under_way: HashMap<JobKey, UnderWay>,
    /// What runs came to, until it is written.
    unsaved: Vec<JobEnd>,
}

/// What is to be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Next {
    /// When the next job is due.
    due: Option<Timestamp>,
    /// Others hold the places that a job needs.
    crowded: bool,
}

impl Jobs {
    pub fn new(shared: Arc<Shared>, lease: Lease, rests: Arc<Rests>, stop: CancellationToken) -> Jobs {
        Jobs {
            shared,
            tenant: lease.tenant,
            scope: Scope::of(lease.tenant),
            fence: lease.fence,
            kind: lease.clock_kind,
            rests,
            stop,
            jobs: plan::Jobs::new(),
            runs: JoinSet::new(),
            under_way: HashMap::new(),
            unsaved: Vec::new(),
        }
    }

    /// Runs until it is stopped or the lease is lost; then breaks off what runs, and writes what came of it.
    pub async fn run(mut self) {
        let mut appended = self.shared.store.appended(self.tenant);
        let mut changed = self.shared.catalogs.changed(self.tenant);
        let mut freed = self.shared.job_places.freed();
        while !self.stop.is_cancelled() {
            appended.mark_unchanged();
            changed.mark_unchanged();
            freed.mark_unchanged();
            let looked_at = Instant::now();
            let next = match self.look().await {
                Ok(next) => next,
                Err(StoreError::FenceLost) => {
                    tracing::warn!(tenant.id = self.tenant.0, "The lease was lost while jobs ran.");
                    break;
                }
                Err(error) => {
                    tracing::error!(
                        tenant.id = self.tenant.0,
                        error = error.detail(),
                        "Jobs could not be read or written."
                    );
                    self.rests.says(Half::Jobs, false);
                    tokio::select! {
                        () = tokio::time::sleep(BACKOFF) => {}
                        () = self.stop.cancelled() => {}
                    }
                    continue;
                }
            };
            self.rests.says(Half::Jobs, self.may_sleep(next));
            let has_jobs = !self.jobs.is_empty();
            tokio::select! {
                Some(over) = self.runs.join_next() => self.over(over),
                _ = changed.changed() => {}
                () = told(&mut appended, looked_at), if has_jobs => {}
                _ = freed.changed(), if next.crowded => {}
                () = due(&self.shared, next.due), if has_jobs => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.under_way.values().for_each(UnderWay::stop);
        while let Some(over) = self.runs.join_next().await {
            self.over(over);
        }
        if let Err(error) = self.save().await {
            // Whoever takes the lease over finds them claimed, and runs them again.
            tracing::warn!(tenant.id = self.tenant.0, error = error.detail(), "What jobs came to was not written.");
        }
    }

    /// Whether nothing is in hand, and nothing is due for a while.
    fn may_sleep(&self, next: Next) -> bool {
        let is_far = rest::is_far(next.due, (self.shared.clock)(), self.shared.config.hold);
        is_far && !next.crowded && self.under_way.is_empty() && self.unsaved.is_empty()
    }

    /// One look: at what is enabled, at what is due, and at what others have left.
    async fn look(&mut self) -> Result<Next, StoreError> {
        self.save().await?;
        self.refresh();
        if self.jobs.is_empty() {
            // What is off its schedule was taken off when its plugin was disabled.
            return Ok(Next::default());
        }
        let mut rows = self.shared.store.jobs(&self.scope).await?;
        if self.take_over(&rows).await? {
            rows = self.shared.store.jobs(&self.scope).await?;
        }
        let now = (self.shared.clock)();
        let changes = changes(&self.jobs, &rows, self.kind, now);
        if !changes.are_none() {
            self.shared.store.plan_jobs(&self.scope, self.fence, changes.plans, changes.gone).await?;
            rows = self.shared.store.jobs(&self.scope).await?;
        }
        // Whoever asks for a run after a change of the plugin's settings has a run with those.
        self.refresh();
        self.start(rows, now).await
    }

    /// Looks at what is enabled now, and breaks off what is not to run any more.
    fn refresh(&mut self) {
        let catalog = self.shared.catalogs.get(self.tenant);
        self.jobs = catalog.map(|catalog| jobs_of(&catalog, self.tenant)).unwrap_or_default();
        self.halt();
        for (key, run) in &self.under_way {
            run.review(key, &self.jobs);
        }
    }

    /// Leaves out the jobs of plugins whose end is asked for.
    fn halt(&mut self) {
        let position = || *self.shared.positions.watch(self.tenant).borrow();
        let halts = &self.shared.halts;
        self.jobs.retain(|key, _| !halts.hold(self.tenant, &key.plugin, position));
    }

    /// What is claimed and does not run here is lost: its node is gone, or its end was not written.
    async fn take_over(&mut self, rows: &[JobRow]) -> Result<bool, StoreError> {
        let is_lost = |row: &&JobRow| row.claimed_by.is_some() && !self.under_way.contains_key(&row.key);
        let lost: Vec<JobRow> = rows.iter().filter(is_lost).cloned().collect();
        let found = !lost.is_empty();
        for row in lost {
            tracing::warn!(
                tenant.id = self.tenant.0,
                plugin = row.key.plugin,
                job = row.key.job,
                "A run of a job was left by who ran it."
            );
            let job = self.jobs.get(&row.key);
            let version = job.map(|job| job.owner.installation.version.clone()).unwrap_or_default();
            // Nobody knows which component it was.
            let digest = None;
            let (scheduled, ended_at) = (row.slot.or(row.started_at).unwrap_or_default(), (self.shared.clock)());
            let end = end(Over { row, ran: None, scheduled, ended_at, version, digest }, job, self.kind);
            self.note(&end);
            self.unsaved.push(end);
        }
        self.save().await?;
        Ok(found)
    }

    /// Begins the runs that are due, as far as there are places, and answers when the next is.
    async fn start(&mut self, rows: Vec<JobRow>, now: Timestamp) -> Result<Next, StoreError> {
        let mut next = Next::default();
        let note_due = |next: &mut Next, due: Option<Timestamp>| {
            next.due = [next.due, due].into_iter().flatten().min();
        };
        // Whose run began longest ago comes first.
        let mut rows: Vec<JobRow> = rows.into_iter().filter(|row| row.claimed_by.is_none()).collect();
        rows.sort_by_key(|row| row.due);
        for row in rows {
            if !self.jobs.contains_key(&row.key) {
                continue;
            }
            if row.due.is_none_or(|due| due > now) {
                note_due(&mut next, row.due);
                continue;
            }
            let choice = self.choose(&row, now);
            if let Some(Choice::Wait(slot)) = choice {
                let plan = JobPlan { key: row.key.clone(), schedule: row.schedule.clone(), slot };
                self.shared.store.put_off_job(&self.scope, self.fence, plan).await?;
                note_due(&mut next, slot);
                continue;
            }
            let serves = match choice {
                Some(Choice::Run(slot)) => Some(slot),
                _ => None,
            };
            if self.under_way.len() >= AT_ONCE {
                // The end of another is waited for anyway.
                continue;
            }
            let Some(place) = self.shared.job_places.take(self.tenant) else {
                next.crowded = true;
                continue;
            };
            let claim = JobClaim { key: row.key.clone(), serves, at: now };
            let Some(row) = self.shared.store.claim_job(&self.scope, self.fence, claim).await? else { continue };
            self.rests.worked();
            self.spawn(row, now, place);
        }
        Ok(next)
    }

    /// What a time of the schedule that has come asks for; none if it is another reason for which the job is due.
    fn choose(&self, row: &JobRow, now: Timestamp) -> Option<Choice> {
        let slot = row.slot.filter(|slot| *slot <= now && self.kind == ClockKind::Live)?;
        let job = self.jobs.get(&row.key)?;
        if row.begun {
            return Some(Choice::Run(slot));
        }
        match job.schedule.choose(slot, now) {
            // Somebody asks for it now.
            Choice::Wait(_) if row.asked => None,
            choice => Some(choice),
        }
    }

    fn spawn(&mut self, row: JobRow, now: Timestamp, place: Place) {
        let Some(job) = self.jobs.get(&row.key) else { return };
        let Job { owner, schedule, .. } = job;
        let scheduled = row.slot.filter(|slot| row.begun && *slot <= now).unwrap_or(now);
        let wall_ms = u32::try_from(schedule.timeout().micros() / 1_000).unwrap_or(u32::MAX);
        let (under_way, stop) = UnderWay::of(owner);
        let (shared, owner) = (self.shared.clone(), owner.clone());
        self.under_way.insert(row.key.clone(), under_way);
        let (tenant, fence) = (self.tenant, self.fence);
        let key = row.key.clone();
        let order = Order { shared, tenant, fence, owner, row, scheduled, wall_ms, stop, place };
        self.runs.spawn(async move { (key, AssertUnwindSafe(run(order)).catch_unwind().await.ok()) });
    }

    fn over(&mut self, over: Result<(JobKey, Option<Over>), JoinError>) {
        let (key, over) = match over {
            Ok(over) => over,
            Err(error) => return tracing::error!(tenant.id = self.tenant.0, %error, "A run of a job panicked."),
        };
        self.under_way.remove(&key);
        // It is still claimed, and is taken over as one that is lost.
        let Some(over) = over else { return };
        let end = end(over, self.jobs.get(&key), self.kind);
        self.note(&end);
        self.unsaved.push(end);
    }

    /// Writes what runs came to.
    async fn save(&mut self) -> Result<(), StoreError> {
        while let Some(end) = self.unsaved.last() {
            self.shared.store.end_job(&self.scope, self.fence, end.clone()).await?;
            self.unsaved.pop();
        }
        Ok(())
    }

    /// What failed, and is not tried again soon, stands in the list of faults; what failed by no word of the plugin does at once.
    fn note(&self, end: &JobEnd) {
        let JobEnd { key, run, .. } = end;
        let Some(code) = &run.code else { return };
        tracing::warn!(
            tenant.id = self.tenant.0,
            plugin = key.plugin,
            job = key.job,
            code,
            note = run.note.as_deref().unwrap_or_default(),
            "A job failed."
        );
        if run.outcome != JobOutcome::Failed {
            return;
        }
        let place = format!("{}/{}", key.plugin, key.job);
        let mut text = "A job of a plugin failed, and waits for the next time of its schedule".to_owned();
        match run.note.as_deref().map(own_words) {
            Some(words) if !words.is_empty() => text.extend([": ", &words]),
            _ => text.push_str(": `openhub plugin jobs` shows its runs."),
        }
        let refused = Refused { key: &place, code, text: &text, pointer: "", message_id: None, at: run.ended_at };
        self.shared.store.note_refused(&self.scope, refused);
    }
}

/// Something was appended, or somebody asks for a run.
async fn told(appended: &mut watch::Receiver<u64>, looked_at: Instant) {
    if appended.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep_until(looked_at + LOOKS).await;
}

/// Until the next job is due by the clock, which is a parameter and may jump; or it is time to look again.
async fn due(shared: &Shared, due: Option<Timestamp>) {
    let began = Instant::now();
    loop {
        let now = (shared.clock)();
        if due.is_some_and(|due| due <= now) || began.elapsed() >= LOOK_AGAIN {
            return;
        }
        tokio::time::sleep(rest::sleep(due, now, shared.config.poll)).await;
    }
}
