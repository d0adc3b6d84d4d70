//! Which jobs the enabled plugins have, and which of them are not on the schedule that they have now.

use std::collections::BTreeMap;
use std::sync::Arc;

use openhub_model::schedule::Schedule;
use openhub_model::{ClockKind, TenantId, Timestamp};
use openhub_store::{JobKey, JobPlan, JobRow};

use crate::catalog::{Catalog, Enabled};

/// A job of an enabled plugin.
pub struct Job {
    pub owner: Arc<Enabled>,
    pub schedule: Schedule,
    /// As it is stored: whether it has changed is seen from it.
    text: String,
}

impl Job {
    /// The next time of its schedule. A replaying tenant's jobs have none: its clock is moved by events, and what they do to the world
    /// would be done again by each replay.
    pub fn next(&self, kind: ClockKind, after: Timestamp) -> Option<Timestamp> {
        match kind {
            ClockKind::Live => self.schedule.next(after),
            ClockKind::Replay => None,
        }
    }
}

pub type Jobs = BTreeMap<JobKey, Job>;

/// The jobs of a catalog; one whose schedule this version cannot read stays out.
pub fn jobs_of(catalog: &Catalog, tenant: TenantId) -> Jobs {
    let mut jobs = Jobs::new();
    for (plugin, owner) in &catalog.plugins {
        for shape in &owner.installation.manifest.jobs {
            let key = JobKey { plugin: plugin.clone(), job: shape.name.clone() };
            match Schedule::of(shape, &[&tenant.0.to_le_bytes(), plugin.as_bytes()]) {
                Ok(schedule) => {
                    let text = serde_json::to_string(shape).unwrap_or_default();
                    jobs.insert(key, Job { owner: owner.clone(), schedule, text });
                }
                Err(why) => {
                    tracing::error!(tenant.id = tenant.0, plugin, job = shape.name, why, "A job has no schedule.")
                }
            }
        }
    }
    jobs
}

/// What has to be written so that each job is on its schedule, and nothing else is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub plans: Vec<JobPlan>,
    pub gone: Vec<JobKey>,
}

impl Changes {
    pub fn are_none(&self) -> bool {
        self.plans.is_empty() && self.gone.is_empty()
    }
}

/// What runs is left alone until it has ended.
pub fn changes(jobs: &Jobs, rows: &[JobRow], kind: ClockKind, now: Timestamp) -> Changes {
    let row_of = |key: &JobKey| rows.iter().find(|row| row.key == *key);
    let is_off = |key: &JobKey, job: &Job| match row_of(key) {
        None => true,
        Some(row) if row.claimed_by.is_some() => false,
        // A time of its schedule is due, whatever it was planned for: it was off, and is on again.
        Some(row) => row.schedule != job.text || (row.due.is_none() && job.next(kind, now).is_some()),
    };
    let plans = jobs.iter().filter(|(key, job)| is_off(key, job)).map(|(key, job)| JobPlan {
        key: key.clone(),
        schedule: job.text.clone(),
        slot: job.next(kind, now),
    });
    let is_gone = |row: &&JobRow| row.due.is_some() && row.claimed_by.is_none() && !jobs.contains_key(&row.key);
    let gone = rows.iter().filter(is_gone).map(|row| row.key.clone());
    Changes { plans: plans.collect(), gone: gone.collect() }
}
