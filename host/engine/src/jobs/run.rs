//! One run of a job, and what breaks it off.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use openhub_model::{TenantId, Timestamp};
use openhub_runtime::{CallFault, FaultKind, JobFailure, JobRunCall, Ran, Receipt};
use openhub_store::{Called, JobKey, JobRow};
use tokio_util::sync::CancellationToken;

use super::end::Over;
use super::plan::Jobs;
use crate::catalog::Enabled;
use crate::delivery::call;
use crate::delivery::places::Place;
use crate::shared::Shared;
use crate::tracked::{Caller, JobCall};

/// What a run needs.
pub struct Order {
    pub shared: Arc<Shared>,
    pub tenant: TenantId,
    pub fence: i64,
    pub owner: Arc<Enabled>,
    /// As it was claimed.
    pub row: JobRow,
    pub scheduled: Timestamp,
    pub wall_ms: u32,
    pub stop: CancellationToken,
    /// Held until it is over.
    pub place: Place,
}

/// A run that is under way.
pub struct UnderWay {
    owner: Arc<Enabled>,
    stop: CancellationToken,
}

impl UnderWay {
    pub fn of(owner: &Arc<Enabled>) -> (UnderWay, CancellationToken) {
        let stop = CancellationToken::new();
        (UnderWay { owner: owner.clone(), stop: stop.clone() }, stop)
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Breaks the run off unless its job is still there, of the same version, and with all that it was granted.
    pub fn review(&self, key: &JobKey, jobs: &Jobs) {
        let stays = jobs.get(key).is_some_and(|job| {
            let (old, new) = (&self.owner.installation, &job.owner.installation);
            let has_secrets = old.secrets.keys().all(|secret| new.secrets.contains_key(secret));
            old.digest == new.digest && old.grant == new.grant && has_secrets
        });
        if !stays {
            self.stop.cancel();
        }
    }
}

/// Whatever happens, it answers what came of it.
pub async fn run(order: Order) -> Over {
    let Order { shared, tenant, fence, owner, row, scheduled, wall_ms, stop, place: _place } = order;
    // What it reads and says goes through it.
    drop(shared.door_soon().await);
    let caller = Caller::Job(JobCall { job: row.key.job.clone(), step: row.step, fence });
    let ran = match call::context(&shared, tenant, &owner, caller) {
        Ok(context) => {
            let call = JobRunCall { job: &row.key.job, scheduled, cursor: row.cursor.as_deref(), wall_ms };
            let running = owner.plugin.run_job(context, call, stop.cancelled());
            let ran = AssertUnwindSafe(running).catch_unwind().await;
            ran.unwrap_or_else(|_| broke_off("the call broke off".to_owned()))
        }
        Err(error) => {
            tracing::error!(tenant.id = tenant.0, %error, "A job cannot be run.");
            broke_off("its plugin cannot be called: see the hub's log".to_owned())
        }
    };
    let of = (&owner.installation, Called::Job, &*row.key.job);
    shared.meters.call(tenant, of, 1, ran.outcome.is_err(), &ran.receipt);
    let (version, digest) = (owner.installation.version.clone(), Some(owner.installation.digest.clone()));
    Over { row, ran: Some(ran), scheduled, ended_at: (shared.clock)(), version, digest }
}

fn broke_off(message: String) -> Ran {
    let fault = CallFault::new(FaultKind::Host, message);
    Ran { outcome: Err(JobFailure::Failed(fault)), receipt: Receipt::default(), lines: Vec::new() }
}
