//! Webhooks: events of the log, posted to receivers that a tenant names.
//!
//! The log is followed as far as the engine is done with it; what a webhook wants is written as a delivery, in the transaction that notes
//! how far the log was looked through. A delivery is sent until the receiver takes it, over days, at least once: nothing is claimed, since
//! whoever takes over sends what is not settled again, with the same id. What it says is read from the log when it is sent, so that what
//! was erased meanwhile is not.
//!
//! Each receiver is sent to a few at once, and one that fails rests ever longer; all that fail or are slow share a few of the tenant's
//! places, so the others go on as if those were not there.

mod follow;
mod hook;
mod pace;
pub mod send;
mod sign;
mod verdict;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use openhub_model::{Span, TenantId, Timestamp};
use openhub_store::{AfterAttempts, Lease, Scope, StoreError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::hook::Hook;
use self::send::{Order, Sent, send};
use crate::delivery::places::Place;
use crate::schedule::rest::{self, Half, Rests};
use crate::shared::Shared;

pub use self::sign::{sealed_as, secret_text};

/// The control events of webhooks: what they tell is stored already, and read anew.
pub const SAVED: &str = "webhook.saved";
pub const REMOVED: &str = "webhook.removed";
pub const ROTATED: &str = "webhook.secret-rotated";
pub const SENT_AGAIN: &str = "webhook.sent-again";
pub const DISABLED: &str = "webhook.disabled";

/// Sends of a node at the same time, shared by its tenants; and of one tenant at most.
pub const PLACES: usize = 256;
const AT_ONCE: usize = 64;
/// Of those of a tenant, to receivers that fail or are slow.
const DOUBTFUL: usize = 8;
/// How long a delivery is kept once it is settled.
const KEPT: i64 = 14 * 86_400_000_000;
/// How often old ones are looked for.
const TIDY: i64 = 3_600_000_000;
/// Whatever was missed is found then.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After the database gave no answer.
const BACKOFF: Duration = Duration::from_millis(500);
/// What is being sent when the hub stops may come to its end for so long.
pub const GRACE: Duration = Duration::from_secs(3);

pub struct Webhooks {
    shared: Arc<Shared>,
    tenant: TenantId,
    scope: Scope,
    fence: i64,
    rests: Arc<Rests>,
    stop: CancellationToken,
    hooks: BTreeMap<String, Hook>,
    /// A send that broke on the hub's side answers no more than which it was.
    sends: JoinSet<(Key, Option<Sent>)>,
    /// What came of sends, until it is written.
    after: AfterAttempts,
    /// Whose turn it was last.
    last: String,
    tidied_at: Option<Timestamp>,
}

/// A webhook, as long as it is the same one, and an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    webhook: String,
    created_at: Timestamp,
    position: i64,
}

/// What is to be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Next {
    /// When the next delivery is due.
    due: Option<Timestamp>,
    /// Others hold the places that a send needs.
    crowded: bool,
}

impl Webhooks {
    pub fn new(shared: Arc<Shared>, lease: Lease, rests: Arc<Rests>, stop: CancellationToken) -> Webhooks {
        Webhooks {
            shared,
            tenant: lease.tenant,
            scope: Scope::of(lease.tenant),
            fence: lease.fence,
            rests,
            stop,
            hooks: BTreeMap::new(),
            sends: JoinSet::new(),
            after: AfterAttempts::default(),
            last: String::new(),
            tidied_at: None,
        }
    }

    /// Runs until it is stopped or the lease is lost; then writes what came of what it sent.
    pub async fn run(mut self) {
        // Whoever changes a webhook says so in the log, which puts a catalog there.
        let mut changed = self.shared.catalogs.changed(self.tenant);
        let mut computed = self.shared.positions.watch(self.tenant);
        let mut freed = self.shared.webhook_places.freed();
        let mut is_stale = true;
        while !self.stop.is_cancelled() {
            is_stale |= changed.has_changed().unwrap_or_default();
            changed.mark_unchanged();
            computed.mark_unchanged();
            freed.mark_unchanged();
            let next = match self.look(is_stale).await {
                Ok(next) => next,
                Err(StoreError::FenceLost) => {
                    tracing::warn!(tenant.id = self.tenant.0, "The lease was lost while webhooks were sent.");
                    break;
                }
                Err(error) => {
                    let error = error.detail();
                    tracing::error!(tenant.id = self.tenant.0, error, "Webhooks could not be read or written.");
                    is_stale = true;
                    self.rests.says(Half::Webhooks, false);
                    tokio::select! {
                        () = tokio::time::sleep(BACKOFF) => {}
                        () = self.stop.cancelled() => {}
                    }
                    continue;
                }
            };
            is_stale = false;
            self.rests.says(Half::Webhooks, self.may_sleep(next));
            let has_hooks = !self.hooks.is_empty();
            tokio::select! {
                Some(over) = self.sends.join_next() => self.over(over),
                _ = changed.changed() => is_stale = true,
                _ = computed.changed(), if has_hooks => {}
                _ = freed.changed(), if next.crowded => {}
                () = due(&self.shared, next.due), if has_hooks => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.finish().await;
    }

    async fn finish(&mut self) {
        let ends = Instant::now() + GRACE;
        while let Ok(Some(over)) = tokio::time::timeout_at(ends, self.sends.join_next()).await {
            self.over(over);
        }
        self.sends.abort_all();
        if let Err(error) = self.write_down().await {
            // What was sent is sent again, and what was looked through is looked through again.
            tracing::warn!(tenant.id = self.tenant.0, error = error.detail(), "What came of webhooks was not written.");
        }
    }

    /// All that is known here and not stored.
    async fn write_down(&mut self) -> Result<(), StoreError> {
        self.save().await?;
        self.mark().await
    }

    fn may_sleep(&self, next: Next) -> bool {
        self.sends.is_empty() && !next.crowded && rest::is_far(next.due, (self.shared.clock)(), self.shared.config.hold)
    }

    /// Writes what came of sends, looks through the log, and sends what is due.
    async fn look(&mut self, is_stale: bool) -> Result<Next, StoreError> {
        while let Some(over) = self.sends.try_join_next() {
            self.over(over);
        }
        self.save().await?;
        if is_stale {
            self.reload().await?;
        }
        if self.hooks.is_empty() {
            return Ok(Next::default());
        }
        self.follow().await?;
        self.tidy().await?;
        self.start().await
    }

    async fn save(&mut self) -> Result<(), StoreError> {
        let nothing = self.after.tried.is_empty() && self.after.gone.is_empty();
        if nothing && self.after.given_up.is_empty() {
            return Ok(());
        }
        let now = (self.shared.clock)();
        self.shared.store.after_attempts(&self.scope, self.fence, self.after.clone(), now).await?;
        self.after = AfterAttempts::default();
        Ok(())
    }

    /// Reads the webhooks anew. What is being sent stays so.
    async fn reload(&mut self) -> Result<(), StoreError> {
        let rows = self.shared.store.webhooks(&self.scope).await?;
        let mut old = std::mem::take(&mut self.hooks);
        if rows.is_empty() {
            return Ok(());
        }
        let mut dues: BTreeMap<String, Timestamp> =
            self.shared.store.next_deliveries(&self.scope).await?.into_iter().collect();
        for row in rows.into_iter().filter(|row| row.enabled) {
            let (before, due) = (old.remove(&row.name), dues.remove(&row.name));
            self.hooks.insert(row.name.clone(), Hook::of(row, due, before));
        }
        Ok(())
    }

    async fn tidy(&mut self) -> Result<(), StoreError> {
        let now = (self.shared.clock)();
        if self.tidied_at.is_some_and(|at| now.micros() - at.micros() < TIDY) {
            return Ok(());
        }
        let before = now - Span::from_micros(KEPT);
        // There may be many: some each time that it is looked.
        if !self.shared.store.forget_deliveries(&self.scope, self.fence, before).await? {
            self.tidied_at = Some(now);
        }
        Ok(())
    }

    /// Sends what is due, as far as there are places, and answers when the next is.
    async fn start(&mut self) -> Result<Next, StoreError> {
        let now = (self.shared.clock)();
        let (ready, mut next) = self.ready(now);
        if !ready.is_empty() {
            // Before anything is sent: a tenant that falls asleep breaks off what it sends, and it is sent again.
            self.rests.says(Half::Webhooks, false);
        }
        for name in ready {
            if self.stop.is_cancelled() {
                break;
            }
            // What waits for another send of this tenant goes on at its end.
            let Some(room) = self.hooks.get(&name).map(|hook| hook.room().min(self.room_for(hook))) else { continue };
            let take = || self.shared.webhook_places.take(self.tenant);
            let places: Vec<Place> = std::iter::from_fn(take).take(room).collect();
            if places.is_empty() {
                next.crowded |= room > 0;
                continue;
            }
            let orders = self.orders(&name, places, now).await?;
            if !orders.is_empty() {
                self.last.clone_from(&name);
                self.rests.worked();
            }
            orders.into_iter().for_each(|order| self.spawn(order));
            let Some(hook) = self.hooks.get(&name).filter(|hook| hook.room() > 0) else { continue };
            match hook.due() {
                // There was no place for more. Behind what is gone there may be.
                Some(due) if due <= now && self.after.gone.is_empty() => next.crowded = true,
                due => next.due = [next.due, due].into_iter().flatten().min(),
            }
        }
        self.save().await?;
        Ok(next)
    }

    /// Whose deliveries are due, each in turn: whoever had one goes last. And when the next are.
    fn ready(&self, now: Timestamp) -> (Vec<String>, Next) {
        let mut next = Next::default();
        let mut ready = Vec::new();
        let behind = self.hooks.range::<String, _>((Bound::Excluded(&self.last), Bound::Unbounded));
        for (name, hook) in behind.chain(self.hooks.range::<String, _>(..=&self.last)) {
            match hook.due() {
                Some(due) if due > now => next.due = [next.due, Some(due)].into_iter().flatten().min(),
                Some(_) if hook.room() > 0 && ready.len() < AT_ONCE => ready.push(name.clone()),
                // One that is left out has its turn when a send has ended.
                Some(_) | None => {}
            }
        }
        (ready, next)
    }

    /// What is sent to a webhook now, one for each place at most; and notes when the next is due.
    async fn orders(&mut self, name: &str, mut places: Vec<Place>, now: Timestamp) -> Result<Vec<Order>, StoreError> {
        let Some(hook) = self.hooks.get_mut(name) else { return Ok(Vec::new()) };
        let rows = hook.under_way.len() + places.len() + 1;
        let found = self.shared.store.due_deliveries(&self.scope, name, now, rows).await?;
        let mut orders = Vec::new();
        hook.next = None;
        for delivery in found.into_iter().filter(|delivery| !hook.under_way.contains(&delivery.position)) {
            if delivery.due_at > now || places.is_empty() {
                hook.next = Some(delivery.due_at);
                break;
            }
            // Nothing is told of who was erased, and nothing that whoever set it up may not see.
            if !hook.may_see(&delivery) {
                self.after.gone.push((name.to_owned(), delivery.position));
                hook.next = Some(now);
                continue;
            }
            let Some(place) = places.pop() else { break };
            orders.push(Order {
                shared: self.shared.clone(),
                tenant: self.tenant,
                webhook: hook.row.clone(),
                delivery,
                place,
            });
        }
        hook.under_way.extend(orders.iter().map(|order| order.delivery.position));
        Ok(orders)
    }

    /// How many more of the tenant's places a receiver like this may have.
    fn room_for(&self, hook: &Hook) -> usize {
        let left = AT_ONCE.saturating_sub(self.sends.len());
        if !hook.is_doubtful() {
            return left;
        }
        let doubtful = self.hooks.values().filter(|hook| hook.is_doubtful()).map(|hook| hook.under_way.len());
        left.min(DOUBTFUL.saturating_sub(doubtful.sum()))
    }

    fn spawn(&mut self, order: Order) {
        let Order { webhook, delivery, .. } = &order;
        let (created_at, position) = (webhook.created_at, delivery.position);
        let key = Key { webhook: webhook.name.clone(), created_at, position };
        self.sends.spawn(async move { (key, AssertUnwindSafe(send(order)).catch_unwind().await.ok().flatten()) });
    }

    fn over(&mut self, over: Result<(Key, Option<Sent>), JoinError>) {
        let (key, sent) = match over {
            Ok(over) => over,
            Err(error) => return tracing::error!(tenant.id = self.tenant.0, %error, "A webhook's send panicked."),
        };
        let now = (self.shared.clock)();
        let mut hook = self.hooks.get_mut(&key.webhook).filter(|hook| hook.row.created_at == key.created_at);
        if let Some(hook) = &mut hook {
            hook.under_way.remove(&key.position);
        }
        let Some(sent) = sent else {
            // It was not sent for a reason of the hub's own.
            let soon = now + Span::from_micros(1_000_000);
            return hook.into_iter().for_each(|hook| hook.wait_until(soon));
        };
        let tried = verdict::of(&sent, now);
        if let Some(due) = tried.due_at
            && let Some(hook) = &mut hook
        {
            hook.wait_until(due);
        }
        self.after.tried.push(tried);
        let Some(hook) = hook else { return };
        let (health, reason) = verdict::health(hook.health, &sent, now);
        hook.slow = sent.attempt.duration_ms > pace::SLOW_MS;
        if health != hook.health {
            hook.health = health;
            self.after.healths.retain(|(webhook, _)| *webhook != key.webhook);
            self.after.healths.push((key.webhook.clone(), health));
        }
        if let Some(why) = reason {
            let row = hook.row.clone();
            tracing::warn!(tenant.id = self.tenant.0, webhook = row.name, why, "A webhook is disabled.");
            self.after.given_up.push(verdict::given_up(&row, self.tenant, why, now));
            self.hooks.remove(&key.webhook);
        }
    }
}

/// Until the next delivery is due by the clock, which is a parameter and may jump; or it is time to look again.
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
