//! From the outbox through channel plugins to the world: at least once, under a stable idempotency key.
//!
//! A message is claimed in a commit before its channel is called, and leaves the outbox when its verdict is committed under that
//! claim. What was claimed when a process died, or lost its lease, is unknown to the next: the channel's setting says whether
//! it is sent again, with the same key, or parked. The second time in a row it is parked: the hub may die of it.

mod apart;
mod breaker;
pub mod call;
mod due;
mod gate;
mod opted_out;
pub mod places;
mod queue;
mod settle;
mod verdict;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use openhub_model::manifest::UnknownOutcome;
use openhub_model::price::Meter;
use openhub_model::tenant::Home;
use openhub_model::{Id, TenantId, Timestamp};
use openhub_store::{Lease, Outgoing, Scope, Settled, StoreError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::call::{Call, Order, UnderWay};
use self::due::{Due, rests};
use self::places::Place;
use self::queue::{MESSAGES, Queue};
use self::settle::Verdicts;
use self::verdict::{HOLD, dropped, hold, hub_stopped, left};
use crate::catalog::{Catalog, Channel};
use crate::quotas::More;
use crate::schedule::rest::{self, Half, Rests};
use crate::shared::Shared;
use crate::tracked::Caller;

/// Messages of a channel that are read from the outbox at a time.
const READ_AHEAD: usize = 400;
/// How often to look for what an earlier holder of the lease has left.
const LOOK_OVER: Duration = Duration::from_secs(5);

pub struct Delivery {
    shared: Arc<Shared>,
    tenant: TenantId,
    scope: Scope,
    fence: i64,
    rests: Arc<Rests>,
    stop: CancellationToken,
    /// Once it is stopped or has lost its lease.
    ending: CancellationToken,
    queues: BTreeMap<String, Queue>,
    /// Which channel comes first, so that none always does.
    turn: usize,
    calls: JoinSet<Call>,
    /// The calls, by their numbers.
    under_way: HashMap<u64, UnderWay>,
    numbered: u64,
    verdicts: Verdicts,
    /// The last message under which a hub died: the next one waits until what came of it is committed.
    suspect: Option<Id>,
    /// How often messages had been erased when these were read.
    erased: u64,
    /// When what an earlier holder has left was looked for last.
    looked_over: Option<Instant>,
    /// Their claim had no answer: they may be claimed, and are in no call.
    doubtful: Vec<Id>,
    /// When something in the outbox waits to be sent, as of the last look.
    due: Due,
}

/// The messages of a call that is to begin, with its place.
struct Batch {
    channel: String,
    messages: Vec<Outgoing>,
    /// Where their receivers live, as far as it is known.
    homes: HashMap<Id, Home>,
    place: Place,
}

/// What is to be done after a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more to do at once.
    Again,
    /// A call has begun: its end is waited for.
    Called,
    /// Nothing is to be done now.
    Idle,
    /// Others hold the places that it needs.
    Crowded,
}

impl Delivery {
    pub fn new(shared: Arc<Shared>, lease: Lease, rests: Arc<Rests>, stop: CancellationToken) -> Delivery {
        let scope = Scope::of(lease.tenant);
        Delivery {
            verdicts: Verdicts::new(shared.clone(), scope, lease.fence, stop.clone()),
            shared,
            tenant: lease.tenant,
            scope,
            fence: lease.fence,
            rests,
            stop,
            ending: CancellationToken::new(),
            queues: BTreeMap::new(),
            turn: 0,
            calls: JoinSet::new(),
            under_way: HashMap::new(),
            numbered: 0,
            suspect: None,
            erased: 0,
            looked_over: None,
            doubtful: Vec::new(),
            due: Due::Now,
        }
    }

    /// Runs until it is stopped or the lease is lost, then waits for the calls under way, commits their verdicts and gives back what
    /// was claimed for no call.
    pub async fn run(mut self) {
        let mut appended = self.shared.store.appended(self.tenant);
        let mut changed = self.shared.catalogs.changed(self.tenant);
        let mut freed = self.shared.places.freed();
        while !self.stop.is_cancelled() {
            appended.mark_unchanged();
            freed.mark_unchanged();
            if changed.has_changed().unwrap_or_default() {
                changed.mark_unchanged();
                self.review();
            }
            let next = match self.begin().await {
                Ok(next) => next,
                Err(StoreError::FenceLost) => {
                    tracing::warn!(tenant.id = self.tenant.0, "The lease was lost while messages were sent.");
                    break;
                }
                Err(error) => {
                    tracing::error!(tenant.id = self.tenant.0, %error, "Messages could not be read from the outbox.");
                    tokio::time::sleep(settle::BACKOFF).await;
                    Next::Idle
                }
            };
            self.rests.says(Half::Delivery, next == Next::Idle && self.may_sleep());
            if next != Next::Idle {
                self.rests.worked();
            }
            if next == Next::Again {
                tokio::task::yield_now().await;
                continue;
            }
            let full = self.brims();
            let gathered_at = self.verdicts.gathered_at();
            let (shared, due) = (self.shared.clone(), self.due);
            tokio::select! {
                Some(call) = self.calls.join_next() => self.came_back(call),
                () = self.verdicts.saved(), if self.verdicts.is_saving() => {}
                _ = appended.changed(), if !full => {}
                _ = changed.changed() => self.review(),
                _ = freed.changed(), if next == Next::Crowded => {}
                () = rests(&shared, due), if !full && next != Next::Called => {}
                () = tokio::time::sleep_until(gathered_at), if self.verdicts.gathers() => {}
                () = self.stop.cancelled() => {}
            }
            let is_last = self.calls.is_empty() && !self.shared.backlogs.behind(self.tenant);
            if self.brims() || is_last || self.verdicts.gathered_at() <= Instant::now() {
                self.verdicts.save();
            }
        }
        self.ending.cancel();
        while let Some(call) = self.calls.join_next().await {
            self.came_back(call);
        }
        self.verdicts.save_all().await;
        if let Err(error) = self.give_back().await {
            tracing::warn!(tenant.id = self.tenant.0, %error, "Claimed messages were not given back.");
        }
    }

    /// Calls of a channel at a time: one while the log is far ahead of the engine, since what waits in it may take back a
    /// consent.
    fn bound(&self) -> usize {
        if self.shared.backlogs.behind(self.tenant) { 1 } else { self.shared.config.delivery_concurrency.max(1) }
    }

    /// Whether so many verdicts wait that no call is started before they are committed.
    fn brims(&self) -> bool {
        self.verdicts.unsaved() >= self.shared.config.delivery_concurrency.max(1) * MESSAGES
    }

    /// Whether nothing is in hand, and nothing is left to do for a while.
    fn may_sleep(&self) -> bool {
        let now = (self.shared.clock)();
        let is_far = match self.due {
            Due::Now => false,
            Due::At(due) => rest::is_far(Some(due), now, self.shared.config.hold),
            Due::Never => true,
        };
        let in_hand = self.queues.values().any(|queue| !queue.is_idle() || queue.breaker.opens_at(now).is_some());
        is_far && !in_hand && self.calls.is_empty() && self.verdicts.unsaved() == 0 && self.doubtful.is_empty()
    }

    /// A channel that may send: in the catalog, and not about to end.
    fn channel<'c>(&self, catalog: &'c Catalog, name: &str) -> Option<&'c Channel> {
        let channel = catalog.channels.get(name)?;
        let position = || *self.shared.positions.watch(self.tenant).borrow();
        let ends = self.shared.halts.hold(self.tenant, &channel.owner.installation.name, position);
        (!ends).then_some(channel)
    }

    /// Breaks off the calls of channels that have gone.
    fn review(&mut self) {
        let Some(catalog) = self.shared.catalogs.get(self.tenant) else { return };
        for call in self.under_way.values() {
            call.review(self.channel(&catalog, &call.channel));
        }
    }

    /// One turn: reads, claims, and starts as many calls as there is room for.
    async fn begin(&mut self) -> Result<Next, StoreError> {
        self.due = Due::Now;
        let Some(catalog) = self.shared.catalogs.get(self.tenant) else { return Ok(Next::Idle) };
        let erased = self.shared.erasures.count(self.tenant);
        if erased != self.erased || !self.doubtful.is_empty() {
            self.give_back().await?;
            self.erased = erased;
        }
        if self.brims() {
            return Ok(Next::Idle);
        }
        self.take_over(&catalog).await?;
        let now = (self.shared.clock)();
        self.stand_off(&catalog, now).await?;
        self.read(&catalog, now).await?;
        self.claim(&catalog, now).await?;
        self.call(&catalog, now).await
    }

    /// What an earlier holder of the lease had claimed: nobody knows whether it went.
    async fn take_over(&mut self, catalog: &Catalog) -> Result<(), StoreError> {
        if self.looked_over.is_some_and(|at| at.elapsed() < LOOK_OVER) {
            return Ok(());
        }
        let taken = self.shared.store.take_over_messages(&self.scope, self.fence, READ_AHEAD).await?;
        self.looked_over = (taken.len() < READ_AHEAD).then(Instant::now);
        if !taken.is_empty() {
            tracing::warn!(
                tenant.id = self.tenant.0,
                messages = taken.len(),
                "Messages were left by who was sending them: they are parked or sent again, as their channels say, and parked the second time."
            );
            let now = (self.shared.clock)();
            let settled = taken.iter().map(|taken| left(catalog.channels.get(&taken.message.channel), taken, now));
            self.verdicts.add(settled.collect());
        }
        Ok(())
    }

    /// Lets wait what cannot be sent now: its channel is not enabled, or fails.
    async fn stand_off(&mut self, catalog: &Catalog, now: Timestamp) -> Result<(), StoreError> {
        let names: Vec<String> = self.queues.keys().cloned().collect();
        for name in names {
            let enabled = self.channel(catalog, &name).is_some();
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            let (until, why) = match (enabled, queue.breaker.opens_at(now)) {
                (true, None) => {
                    queue.blocked_until = None;
                    continue;
                }
                (true, Some(until)) => (until, "its channel fails"),
                (false, _) => (now + HOLD, "its channel is not enabled"),
            };
            let held = queue.claimed.drain(..).map(|claimed| hold(&claimed, until, now, why)).collect();
            self.verdicts.add(held);
            if !enabled && !queue.ready.is_empty() {
                let (stopped, others): (Vec<_>, Vec<_>) = queue.ready.iter().partition(|ready| hub_stopped(ready));
                for (messages, why) in [(others, why), (stopped, verdict::STOPPED_ONCE)] {
                    let ids: Vec<Id> = messages.iter().map(|ready| ready.message.id).collect();
                    if !ids.is_empty() {
                        self.shared.store.hold_messages(&self.scope, &ids, until, why).await?;
                    }
                }
                queue.ready.clear();
                queue.blocked_until = Some(until);
            }
        }
        Ok(())
    }

    /// Reads ahead, unless a channel that has room has enough to go on with.
    async fn read(&mut self, catalog: &Catalog, now: Timestamp) -> Result<(), StoreError> {
        let bound = self.bound();
        let provided = |(name, queue): (&String, &Queue)| {
            let room = queue.room(bound);
            let open = self.channel(catalog, name).is_some() && queue.breaker.opens_at(now).is_none();
            open && room > 0 && queue.unsuspected() + queue.claimed.len() >= room * MESSAGES
        };
        if self.queues.iter().any(provided) {
            return Ok(());
        }
        let pending = self.shared.store.pending_channels(&self.scope).await?;
        self.due = match pending.iter().map(|(_, due)| *due).min() {
            None => Due::Never,
            Some(due) if due <= now => Due::Now,
            Some(due) => Due::At(due),
        };
        for (channel, due) in pending {
            let enabled = self.channel(catalog, &channel).is_some();
            let queue = self.queues.entry(channel.clone()).or_default();
            let blocked = queue.blocked_until.filter(|until| !enabled && *until > now);
            if due > now || blocked.is_some() || queue.room(bound) == 0 || queue.unsuspected() >= bound * MESSAGES {
                continue;
            }
            let rows = queue.ready.len() + READ_AHEAD;
            let due = self.shared.store.pending_messages(&self.scope, &channel, now, rows).await?;
            queue.read(due);
        }
        self.queues.retain(|name, queue| {
            !queue.is_idle() || queue.blocked_until.is_some() || catalog.channels.contains_key(name)
        });
        Ok(())
    }

    /// Claims for all channels in one commit.
    async fn claim(&mut self, catalog: &Catalog, now: Timestamp) -> Result<(), StoreError> {
        let bound = self.bound();
        let open = |name: &String| self.channel(catalog, name).map(|channel| (name.clone(), channel.shape.unknown));
        let open: HashMap<String, UnknownOutcome> = self.queues.keys().filter_map(open).collect();
        let mut suspects = !self.under_way.values().any(UnderWay::is_suspect)
            && !self.queues.values().any(Queue::has_suspect)
            && !self.suspect.is_some_and(|last| self.verdicts.holds(last));
        let mut wanted: Vec<Id> = Vec::new();
        let mut taken: Vec<(&mut Queue, Vec<Outgoing>)> = Vec::new();
        for (name, queue) in &mut self.queues {
            let Some(unknown) = open.get(name) else { continue };
            if queue.breaker.opens_at(now).is_some() {
                continue;
            }
            let messages = queue.take(bound, *unknown, suspects);
            if let Some(suspect) = messages.iter().find(|outgoing| hub_stopped(outgoing)) {
                (suspects, self.suspect) = (false, Some(suspect.message.id));
            }
            wanted.extend(messages.iter().map(|outgoing| outgoing.message.id));
            taken.push((queue, messages));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let claimed = self.shared.store.claim_messages(&self.scope, self.fence, &wanted).await;
        let claimed: HashSet<Id> = claimed.inspect_err(|_| self.doubtful = wanted)?;
        for (queue, messages) in taken {
            queue.claimed.extend(messages.into_iter().filter(|outgoing| claimed.contains(&outgoing.message.id)));
        }
        Ok(())
    }

    /// Starts calls with what is claimed, past the gate.
    async fn call(&mut self, catalog: &Arc<Catalog>, now: Timestamp) -> Result<Next, StoreError> {
        let bound = self.bound();
        let mut names: Vec<String> = self.queues.keys().cloned().collect();
        let first = self.turn.checked_rem(names.len()).unwrap_or_default();
        names.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        let mut batches: Vec<Batch> = Vec::new();
        let mut crowded = false;
        for name in names {
            let Some(queue) = self.queues.get_mut(&name) else { continue };
            for _ in 0..queue.room(bound) {
                if queue.claimed.is_empty() {
                    break;
                }
                let Some(place) = self.shared.places.take(self.tenant) else {
                    crowded = true;
                    break;
                };
                let messages = queue.next_call();
                batches.extend(messages.map(|messages| Batch {
                    channel: name.clone(),
                    messages,
                    homes: HashMap::new(),
                    place,
                }));
            }
        }
        if batches.is_empty() {
            return Ok(if crowded { Next::Crowded } else { Next::Idle });
        }
        let batches = match self.gate(catalog, batches, now).await? {
            Some(batches) => batches,
            None => return Ok(Next::Again),
        };
        let mut next = Next::Again;
        for batch in batches {
            if !batch.messages.is_empty() && self.spawn(catalog, batch) {
                next = Next::Called;
            }
        }
        Ok(next)
    }

    /// Leaves out what may not be sent. None if what was read is stale: messages were erased meanwhile.
    async fn gate(
        &mut self,
        catalog: &Catalog,
        mut batches: Vec<Batch>,
        now: Timestamp,
    ) -> Result<Option<Vec<Batch>>, StoreError> {
        let outgoing = batches.iter().flat_map(|batch| &batch.messages);
        let asks = outgoing.filter(|outgoing| gate::goes_to_a_person(&outgoing.message));
        let asks: Vec<Id> = asks.map(|outgoing| outgoing.message.part).collect();
        let customers = match asks.is_empty() {
            true => Ok(HashMap::new()),
            false => self.shared.store.customers_by_part(&self.scope, &asks).await,
        };
        let stale = self.shared.erasures.count(self.tenant) != self.erased;
        if customers.is_err() || stale {
            for Batch { channel, messages, .. } in batches {
                self.queues.entry(channel).or_default().claimed.extend(messages);
            }
            return customers.map(|_| None);
        }
        let customers = customers?;
        for Batch { channel, messages, homes, .. } in &mut batches {
            let mut refused = Vec::new();
            messages.retain(|outgoing| {
                let refusal = gate::refusal(
                    &outgoing.message,
                    customers.get(&outgoing.message.part).map(|customer| &**customer),
                    now,
                );
                refused.extend(refusal.map(|refusal| dropped(outgoing, now, refusal)));
                refusal.is_none()
            });
            self.refuse_beyond(channel, messages, &mut refused, now).await;
            self.verdicts.add(refused);
            let receivers = messages.iter().map(|outgoing| outgoing.message.part);
            let known = receivers.filter_map(|part| Some((part, &**customers.get(&part)?)));
            *homes = crate::home::homes(catalog, known);
        }
        Ok(Some(batches))
    }

    /// Leaves out what goes beyond a quota that says so, or beyond the cap. Who cannot be asked refuses nothing.
    async fn refuse_beyond(
        &self,
        channel: &str,
        messages: &mut Vec<Outgoing>,
        refused: &mut Vec<Settled>,
        now: Timestamp,
    ) {
        let Shared { store, quotas, .. } = &*self.shared;
        for outgoing in std::mem::take(messages) {
            let more = More { meter: &Meter::Messages, of: Some(channel), quantity: 1 };
            match quotas.refuse(store, &self.scope, &more, now).await {
                Ok(Some(_)) => refused.push(dropped(&outgoing, now, "quota-exhausted")),
                Ok(None) => messages.push(outgoing),
                Err(error) => {
                    tracing::warn!(tenant.id = self.tenant.0, %error, "Quotas could not be read.");
                    messages.push(outgoing);
                }
            }
        }
    }

    /// Starts a call; says whether it could be.
    fn spawn(&mut self, catalog: &Arc<Catalog>, batch: Batch) -> bool {
        let Batch { channel: name, messages, homes, place } = batch;
        let Some(channel) = self.channel(catalog, &name) else {
            self.queues.entry(name).or_default().claimed.extend(messages);
            return false;
        };
        match call::context(&self.shared, self.tenant, &channel.owner, Caller::Channel(name.clone())) {
            Ok(io) => {
                let (under_way, stop) = UnderWay::of(&name, &channel.owner, messages.iter().any(hub_stopped));
                self.numbered += 1;
                let id = self.numbered;
                self.under_way.insert(id, under_way);
                self.queues.entry(name.clone()).or_default().calls += 1;
                let (tenant, ending) = (self.tenant, self.ending.clone());
                let order = Order { id, tenant, channel: name, io, messages, homes, stop, ending, place };
                self.calls.spawn(call::call(self.shared.clone(), catalog.clone(), order));
                true
            }
            Err(error) => {
                tracing::error!(tenant.id = self.tenant.0, %error, "A channel cannot be called.");
                let now = (self.shared.clock)();
                let why = "its plugin cannot be called: see the log";
                self.verdicts.add(messages.iter().map(|outgoing| hold(outgoing, now + HOLD, now, why)).collect());
                false
            }
        }
    }

    fn came_back(&mut self, call: Result<Call, JoinError>) {
        let now = (self.shared.clock)();
        let mut next = Some(call);
        while let Some(call) = next {
            match call {
                Ok(call) => {
                    self.under_way.remove(&call.id);
                    let queue = self.queues.entry(call.channel).or_default();
                    queue.calls = queue.calls.saturating_sub(1);
                    if call.accepted {
                        queue.breaker.succeeded()
                    } else {
                        queue.breaker.failed(now)
                    }
                    self.verdicts.add(call.settled);
                }
                Err(error) => tracing::error!(tenant.id = self.tenant.0, %error, "A channel call panicked."),
            }
            next = self.calls.try_join_next();
        }
    }

    /// Forgets what was read, and gives back what was claimed for no call.
    async fn give_back(&mut self) -> Result<(), StoreError> {
        let claimed = self.queues.values().flat_map(|queue| &queue.claimed);
        let ids = claimed.map(|outgoing| outgoing.message.id);
        let ids: Vec<Id> = ids.chain(self.doubtful.iter().copied()).collect();
        if !ids.is_empty() {
            self.shared.store.release_messages(&self.scope, self.fence, &ids).await?;
        }
        self.doubtful.clear();
        for queue in self.queues.values_mut() {
            queue.ready.clear();
            queue.claimed.clear();
        }
        Ok(())
    }
}
