//! Asks plugins to erase what they keep of who was erased, each until it has answered.
//!
//! A call that a hub leaves unanswered is made again with the same request: the plugin, or its provider, has to know it again. So
//! nothing is claimed, and the answer is written under the lease.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use openhub_model::{Span, TenantId, Timestamp};
use openhub_runtime::{CallFault, Erased, FaultKind, Person, Unanswered};
use openhub_store::{Called, DueRequest, ErasureAnswer, Lease, NewFault, Scope, StoreError};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{sealed_as, why};
use crate::catalog::Enabled;
use crate::delivery::call;
use crate::schedule::rest::{self, Half, Rests};
use crate::secrets::Owner;
use crate::shared::Shared;
use crate::shares;
use crate::tracked::Caller;

/// Requests of a tenant that are asked at the same time, and that are read at once.
const AT_ONCE: usize = 4;
const ROWS: usize = 64;
/// What is appended is no news of a request most of the time.
const LOOKS: Duration = Duration::from_secs(1);
/// Whatever was missed is found then.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After the database gave no answer.
const BACKOFF: Duration = Duration::from_millis(500);

const SECOND: i64 = 1_000_000;
/// Before the second attempt; twice as long each time, up to an hour.
const FIRST: i64 = 10 * SECOND;
const LONGEST: i64 = 3_600 * SECOND;
/// A plugin that is at it is asked again after a week at the latest.
const LATEST: i64 = 7 * 86_400 * SECOND;
/// What passes by itself is told to nobody: from this attempt on it stands in the list of faults.
const TOLD_FROM: i64 = 3;

pub struct Requests {
    shared: Arc<Shared>,
    tenant: TenantId,
    scope: Scope,
    fence: i64,
    rests: Arc<Rests>,
    stop: CancellationToken,
}

impl Requests {
    pub fn new(shared: Arc<Shared>, lease: Lease, rests: Arc<Rests>, stop: CancellationToken) -> Requests {
        let (tenant, fence) = (lease.tenant, lease.fence);
        Requests { shared, tenant, scope: Scope::of(tenant), fence, rests, stop }
    }

    /// Runs until it is stopped or the lease is lost.
    pub async fn run(self) {
        let mut appended = self.shared.store.appended(self.tenant);
        // An erasure that is done puts a catalog there, and so does a plugin that is enabled.
        let mut changed = self.shared.catalogs.changed(self.tenant);
        while !self.stop.is_cancelled() {
            appended.mark_unchanged();
            changed.mark_unchanged();
            let looked_at = Instant::now();
            let next = match self.look().await {
                Ok(next) => next,
                Err(StoreError::FenceLost) => {
                    tracing::warn!(tenant.id = self.tenant.0, "The lease was lost while plugins were asked to erase.");
                    break;
                }
                Err(error) => {
                    let error = error.detail();
                    tracing::error!(
                        tenant.id = self.tenant.0,
                        error,
                        "What plugins are to erase could not be read or written."
                    );
                    self.rests.says(Half::Requests, false);
                    tokio::select! {
                        () = tokio::time::sleep(BACKOFF) => {}
                        () = self.stop.cancelled() => {}
                    }
                    continue;
                }
            };
            self.rests.says(Half::Requests, rest::is_far(next, (self.shared.clock)(), self.shared.config.hold));
            let is_open = next.is_some();
            tokio::select! {
                _ = changed.changed() => {}
                () = told(&mut appended, looked_at), if is_open => {}
                () = due(&self.shared, next), if is_open => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Asks what is due, and answers when the next is.
    async fn look(&self) -> Result<Option<Timestamp>, StoreError> {
        let store = &self.shared.store;
        let Some(next) = store.next_erasure_request(&self.scope).await? else { return Ok(None) };
        if next > (self.shared.clock)() {
            return Ok(Some(next));
        }
        self.rests.says(Half::Requests, false);
        self.rests.worked();
        let requests = store.due_erasure_requests(&self.scope, (self.shared.clock)(), ROWS).await?;
        for some in requests.chunks(AT_ONCE) {
            let asked: Vec<_> = some.iter().map(|request| self.ask(request)).collect();
            for answered in futures::future::join_all(asked).await {
                answered?;
            }
        }
        store.next_erasure_request(&self.scope).await
    }

    async fn ask(&self, request: &DueRequest) -> Result<(), StoreError> {
        let asked = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let asked = asked.unwrap_or_else(|_| Err(failed("host", "the call broke off on the hub's side")));
        if self.stop.is_cancelled() {
            // It may have been broken off: whoever moves the tenant next asks again.
            return Ok(());
        }
        let now = (self.shared.clock)();
        let DueRequest { erasure, plugin, attempt, .. } = request;
        let (erasure, attempt) = (*erasure, *attempt);
        let answer = match asked {
            Ok(Erased::Done(receipt)) => ErasureAnswer::Done(receipt),
            Ok(Erased::Nothing) => ErasureAnswer::Nothing,
            Ok(Erased::Later(seconds)) => {
                let seconds = i64::from(seconds.max(1)).saturating_mul(SECOND).min(LATEST);
                ErasureAnswer::Later(now + Span::from_micros(seconds))
            }
            Err(unanswered) => {
                let (code, message, _) = why(&unanswered);
                tracing::warn!(
                    tenant.id = self.tenant.0, plugin, code, message, erasure = %erasure,
                    "A plugin did not erase what it keeps of a customer."
                );
                let fault =
                    is_told(&unanswered, attempt).then(|| Box::new(NewFault::of_erasure(erasure, plugin, code, TEXT)));
                ErasureAnswer::Failed { code: code.to_owned(), again: now + pause(&unanswered, attempt), fault }
            }
        };
        self.shared.store.answer_erasure_request(&self.scope, self.fence, (erasure, plugin.clone()), answer, now).await
    }

    async fn answer(&self, request: &DueRequest) -> Result<Erased, Unanswered> {
        if let Some(recipient) = shares::recipient_of(&request.plugin) {
            let names: Vec<String> = self.who(request)?;
            let (store, now) = (&self.shared.store, (self.shared.clock)());
            let pair = (self.tenant, recipient);
            let carried = shares::carry_on(store, pair, request.erasure, &names, now).await;
            return carried.map_err(|error| failed("host", &error.to_string()));
        }
        let Some(enabled) = self.enabled(&request.plugin) else {
            return Err(failed("not-enabled", "the plugin is not enabled"));
        };
        let who: Person = self.who(request)?;
        // A place is somebody's for a while: channels and sources go on meanwhile.
        let Some(_place) = self.shared.job_places.take_within(self.tenant, LOOK_AGAIN).await else {
            return Err(failed("busy", "other calls of the tenant take too long"));
        };
        drop(self.shared.door_soon().await);
        let context = call::context(&self.shared, self.tenant, &enabled, Caller::Privacy).map_err(|error| {
            tracing::error!(tenant.id = self.tenant.0, %error, "A plugin cannot be asked to erase.");
            failed("host", "the plugin cannot be called: see the hub's log")
        })?;
        let stopped = async {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.changed(&enabled) => {}
            }
        };
        let (erased, receipt) = enabled.plugin.erase(context, &request.erasure.to_string(), who, stopped).await;
        let of = (&enabled.installation, Called::Privacy, "erase");
        self.shared.meters.call(self.tenant, of, 1, erased.is_err(), &receipt);
        erased
    }

    fn enabled(&self, plugin: &str) -> Option<Arc<Enabled>> {
        let position = || *self.shared.positions.watch(self.tenant).borrow();
        let catalog = self.shared.catalogs.get(self.tenant)?;
        let enabled = catalog.plugins.get(plugin).filter(|it| it.installation.manifest.privacy.is_some())?;
        (!self.shared.halts.hold(self.tenant, plugin, position)).then(|| enabled.clone())
    }

    /// Over once the plugin is not what it was.
    async fn changed(&self, enabled: &Arc<Enabled>) {
        let mut changed = self.shared.catalogs.changed(self.tenant);
        let old = &enabled.installation;
        while self.enabled(&old.name).is_some_and(|now| now.installation.digest == old.digest) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn who<T: DeserializeOwned>(&self, DueRequest { erasure, plugin, who, .. }: &DueRequest) -> Result<T, Unanswered> {
        let owner = Owner { tenant: self.tenant, plugin, name: &sealed_as(*erasure) };
        let opened = self.shared.sealer.open(owner, who).map_err(|error| failed("unreadable", &error.to_string()))?;
        serde_json::from_slice(&opened).map_err(|error| failed("unreadable", &error.to_string()))
    }
}

const TEXT: &str = "A plugin has not erased what it keeps of a customer who was erased: the erasure is not complete. It is asked again by \
    itself. A retry asks at once; a discard gives it up.";

fn failed(code: &str, message: &str) -> Unanswered {
    match code {
        "host" => Unanswered::Failed(CallFault::new(FaultKind::Host, message)),
        _ => Unanswered::Misconfigured(openhub_runtime::Reason {
            code: code.to_owned(),
            message: message.to_owned(),
            args: Vec::new(),
        }),
    }
}

/// An admin is told at once of what does not pass by itself.
fn is_told(unanswered: &Unanswered, attempt: i64) -> bool {
    let passes = matches!(unanswered, Unanswered::Retry { .. } | Unanswered::Failed(_));
    !passes || attempt + 1 >= TOLD_FROM
}

fn pause(unanswered: &Unanswered, attempt: i64) -> Span {
    let asked = why(unanswered).2.map_or(0, |after_ms| i64::from(after_ms) * 1_000);
    let backoff = FIRST.saturating_mul(1 << attempt.clamp(0, 20)).min(LONGEST);
    Span::from_micros(if asked == 0 { backoff } else { asked.clamp(SECOND, LATEST) })
}

/// Something was appended, or somebody asks for another attempt.
async fn told(appended: &mut watch::Receiver<u64>, looked_at: Instant) {
    if appended.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep_until(looked_at + LOOKS).await;
}

/// Until the next request is due by the clock, which is a parameter and may jump; or it is time to look again.
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

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_runtime::Reason;

    fn reason() -> Reason {
        Reason { code: "away".to_owned(), message: String::new(), args: Vec::new() }
    }

    #[test]
    fn what_passes_is_asked_again_ever_more_seldom_and_told_from_the_third_attempt_on() {
        let away = Unanswered::Retry { after_ms: 0, reason: reason() };
        let pauses: Vec<i64> = (0..12).map(|attempt| pause(&away, attempt).micros()).collect();
        assert_eq!((pauses[0], pauses[1], pauses[11]), (FIRST, 2 * FIRST, LONGEST));
        assert_eq!(pause(&away, i64::MAX).micros(), LONGEST);
        assert_eq!([0, 1, 2].map(|attempt| is_told(&away, attempt)), [false, false, true]);
        assert!(is_told(&Unanswered::Misconfigured(reason()), 0) && is_told(&Unanswered::Rejected(reason()), 0));
    }

    #[test]
    fn a_plugin_says_when_within_bounds() {
        let asks = |after_ms| pause(&Unanswered::Retry { after_ms, reason: reason() }, 5).micros();
        assert_eq!((asks(30_000), asks(1)), (30 * SECOND, SECOND));
        assert_eq!(asks(u32::MAX), LATEST);
    }
}
