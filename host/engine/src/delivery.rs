//! From the outbox through channel plugins to the world: at least once, under a stable idempotency key.
//!
//! A message leaves the outbox when its verdict is committed. What was in flight when a process died is sent
//! again, with the same key.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use openhub_model::customer::Consent;
use openhub_model::message::MessageStatus;
use openhub_model::{Id, TenantId, Timestamp};
use openhub_runtime::{CallContext, IoContext, OutMessage, hosts};
use openhub_store::{Installation, Outgoing, Scope, Settled, StoreError, Verdicts};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::EngineError;
use crate::breaker::Breaker;
use crate::catalog::{Catalog, Channel, Enabled};
use crate::engine::Shared;
use crate::verdict::{HOLD, count, hold, settlements};

/// Messages of one call at most.
const MESSAGES: usize = 20;
/// Messages that are read from the outbox at a time.
const READ_AHEAD: usize = 400;
/// How long verdicts gather before they are committed together; longer while the engine is behind its log and needs the
/// writer for itself.
const GATHER: Duration = Duration::from_millis(25);
const GATHER_BEHIND: Duration = Duration::from_millis(250);
const BACKOFF: Duration = Duration::from_millis(500);

pub struct Delivery {
    shared: Arc<Shared>,
    tenant: TenantId,
    scope: Scope,
    stop: CancellationToken,
    /// Read from the outbox and not settled yet: in a call, or about to be.
    in_flight: HashSet<Id>,
    /// About to be, by channel.
    ready: BTreeMap<String, VecDeque<Outgoing>>,
    breakers: HashMap<String, Breaker>,
    calls: JoinSet<Call>,
    /// Came back and are not committed yet. One commit is under way at a time, so they gather while it lasts.
    verdicts: Vec<Settled>,
    gathering_since: Instant,
    saving: JoinSet<Vec<Id>>,
    /// Verdicts that have come back and are not committed, those under way included.
    unsaved: usize,
    /// How often messages had been erased when these were read.
    erased: u64,
}

/// A call that has come back.
struct Call {
    channel: String,
    settled: Vec<Settled>,
    accepted: bool,
}

impl Delivery {
    pub fn new(shared: Arc<Shared>, tenant: TenantId, stop: CancellationToken) -> Delivery {
        Delivery {
            shared,
            tenant,
            scope: Scope::of(tenant),
            stop,
            in_flight: HashSet::new(),
            ready: BTreeMap::new(),
            breakers: HashMap::new(),
            calls: JoinSet::new(),
            verdicts: Vec::new(),
            gathering_since: Instant::now(),
            saving: JoinSet::new(),
            unsaved: 0,
            erased: 0,
        }
    }

    /// Runs until it is stopped, then waits for the calls under way and commits their verdicts.
    pub async fn run(mut self) {
        let mut appended = self.shared.store.appended();
        while !self.stop.is_cancelled() {
            appended.mark_unchanged();
            if self.calls.is_empty() && self.ready.is_empty() && self.unsaved == 0 {
                // What a failed read, or a call that panicked, left behind is read again.
                self.in_flight.clear();
            }
            let began = match self.begin().await {
                Ok(began) => began,
                Err(error) => {
                    tracing::error!(tenant.id = self.tenant.0, %error, "Messages could not be read from the outbox.");
                    tokio::time::sleep(BACKOFF).await;
                    false
                }
            };
            let full = self.room() == 0;
            let (gathers, gathered_at) = (self.gathers(), self.gathered_at());
            tokio::select! {
                Some(call) = self.calls.join_next() => self.came_back(call),
                Some(saved) = self.saving.join_next() => self.saved(saved),
                _ = appended.changed(), if !full => {}
                () = tokio::time::sleep(self.shared.config.poll), if !full && !began => {}
                () = tokio::time::sleep_until(gathered_at), if gathers => {}
                () = self.stop.cancelled() => {}
            }
            let is_last = self.calls.is_empty() && !self.shared.backlogs.behind(self.tenant);
            if self.brims() || is_last || self.gathered_at() <= Instant::now() {
                self.save();
            }
        }
        while let Some(call) = self.calls.join_next().await {
            self.came_back(call);
        }
        while self.unsaved > 0 {
            self.save();
            let Some(saved) = self.saving.join_next().await else { break };
            self.saved(saved);
        }
    }

    /// Calls that may be started: so many at a time, and none while their verdicts wait to be committed. One at a
    /// time while the log is far ahead of the engine: what waits in it may take back a consent.
    fn room(&self) -> usize {
        let most = self.shared.config.delivery_concurrency.max(1);
        let calls = if self.shared.backlogs.behind(self.tenant) { 1 } else { most };
        if self.brims() { 0 } else { calls.saturating_sub(self.calls.len()) }
    }

    /// Whether so many verdicts wait that no call is started before they are committed.
    fn brims(&self) -> bool {
        self.unsaved >= self.shared.config.delivery_concurrency.max(1) * MESSAGES
    }

    /// Whether verdicts gather for the next commit of them.
    fn gathers(&self) -> bool {
        !self.verdicts.is_empty() && self.saving.is_empty()
    }

    /// When the verdicts that gather are committed at the latest.
    fn gathered_at(&self) -> Instant {
        let behind = self.shared.backlogs.behind(self.tenant);
        self.gathering_since + if behind { GATHER_BEHIND } else { GATHER }
    }

    /// Starts as many calls as there is room for. Says whether it started one.
    async fn begin(&mut self) -> Result<bool, StoreError> {
        let mut room = self.room();
        let Some(catalog) = self.shared.catalogs.get(self.tenant).filter(|_| room > 0) else { return Ok(false) };
        let erased = self.shared.erasures.count(self.tenant);
        if erased != self.erased {
            self.erased = erased;
            for stale in std::mem::take(&mut self.ready).into_values().flatten() {
                self.in_flight.remove(&stale.message.id);
            }
        }
        let now = (self.shared.clock)();
        if self.ready.values().map(VecDeque::len).sum::<usize>() < room * MESSAGES {
            self.read(now).await?;
        }
        let mut held = Vec::new();
        let mut began = false;
        let names: Vec<String> = self.ready.keys().cloned().collect();
        for name in names {
            let open = self.breakers.get(&name).and_then(|breaker| breaker.opens_at(now));
            let until = match (catalog.channels.get(&name), open) {
                (Some(channel), None) => {
                    while room > 0
                        && let Some(messages) = self.take(&name, MESSAGES)
                    {
                        began |= self.call(&catalog, channel, messages).await?;
                        room -= 1;
                    }
                    continue;
                }
                (None, _) => (now + HOLD, "its channel is not enabled"),
                (Some(_), Some(until)) => (until, "its channel fails"),
            };
            while let Some(messages) = self.take(&name, MESSAGES) {
                held.extend(messages.iter().map(|outgoing| hold(outgoing, until.0, now, until.1)));
            }
        }
        if !held.is_empty() {
            self.settled(held).await?;
        }
        Ok(began)
    }

    /// Reads ahead: what is in flight comes first in the outbox, so it is read again and left out.
    async fn read(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let limit = self.in_flight.len() + READ_AHEAD;
        for outgoing in self.shared.store.pending_messages(&self.scope, now, limit).await? {
            if self.in_flight.insert(outgoing.message.id) {
                self.ready.entry(outgoing.message.channel.clone()).or_default().push_back(outgoing);
            }
        }
        Ok(())
    }

    /// The next messages of a channel; none if there are none.
    fn take(&mut self, channel: &str, most: usize) -> Option<Vec<Outgoing>> {
        let ready = self.ready.get_mut(channel)?;
        let messages: Vec<Outgoing> = ready.drain(..most.min(ready.len())).collect();
        if ready.is_empty() {
            self.ready.remove(channel);
        }
        (!messages.is_empty()).then_some(messages)
    }

    /// Commits settlements; their messages are no longer in flight.
    async fn settled(&mut self, settled: Vec<Settled>) -> Result<(), StoreError> {
        let ids: Vec<Id> = settled.iter().map(|settled| settled.id).collect();
        settle(&self.shared, &self.scope, &settled).await?;
        for id in ids {
            self.in_flight.remove(&id);
        }
        Ok(())
    }

    async fn call(
        &mut self,
        catalog: &Arc<Catalog>,
        channel: &Channel,
        messages: Vec<Outgoing>,
    ) -> Result<bool, StoreError> {
        let messages = self.gate(messages).await?;
        if messages.is_empty() {
            return Ok(false);
        }
        let io = match self.context(&channel.owner, &messages) {
            Ok(io) => io,
            Err(error) => {
                tracing::error!(tenant.id = self.tenant.0, %error, "A channel cannot be called.");
                let now = (self.shared.clock)();
                let held = messages
                    .iter()
                    .map(|out| hold(out, now + HOLD, now, "its plugin cannot be called: see the log"))
                    .collect();
                self.settled(held).await?;
                return Ok(false);
            }
        };
        if self.shared.erasures.count(self.tenant) != self.erased {
            // Some of these may be gone meanwhile: the rest is read again.
            for stale in &messages {
                self.in_flight.remove(&stale.message.id);
            }
            return Ok(false);
        }
        let name = channel.shape.name.clone();
        let (catalog, clock) = (catalog.clone(), self.shared.clock.clone());
        self.calls.spawn(async move {
            let Some(channel) = catalog.channels.get(&name) else {
                return Call { channel: name, settled: Vec::new(), accepted: false };
            };
            let out = messages.iter().map(out_message).collect();
            let sent = channel.owner.plugin.send(io, &name, out).await;
            let (settled, accepted) = settlements(channel, &messages, sent, clock());
            Call { channel: name, settled, accepted }
        });
        Ok(true)
    }

    /// The gate that no plugin can pass around: a message under a purpose needs the customer's consent to it, by its
    /// channel if that was asked for, and one that has expired is not sent.
    async fn gate(&mut self, messages: Vec<Outgoing>) -> Result<Vec<Outgoing>, StoreError> {
        let asks: Vec<Id> = messages
            .iter()
            .filter(|outgoing| !outgoing.message.purpose.is_empty())
            .map(|outgoing| outgoing.message.part)
            .collect();
        let customers = if asks.is_empty() {
            HashMap::new()
        } else {
            self.shared.store.customers_by_part(&self.scope, &asks).await?
        };
        let now = (self.shared.clock)();
        let mut dropped = Vec::new();
        let mut passed = Vec::with_capacity(messages.len());
        for outgoing in messages {
            let message = &outgoing.message;
            let customer = customers.get(&message.part);
            let consent = customer.map(|customer| customer.consent(&message.purpose, Some(&message.channel)));
            let agreed = consent == Some(Consent::Granted);
            let refusal = if message.expires_at.is_some_and(|at| at <= now) {
                Some("expired")
            } else if !message.purpose.is_empty() && !agreed {
                Some("no consent to its purpose")
            } else {
                None
            };
            match refusal {
                Some(fault) => dropped.push(Settled {
                    status: MessageStatus::Dropped,
                    next_attempt_at: None,
                    ..hold(&outgoing, now, now, fault)
                }),
                None => passed.push(outgoing),
            }
        }
        if !dropped.is_empty() {
            self.settled(dropped).await?;
        }
        Ok(passed)
    }

    fn context(&self, enabled: &Enabled, messages: &[Outgoing]) -> Result<IoContext, EngineError> {
        let installation = &enabled.installation;
        let first = messages.first().map(|outgoing| outgoing.message.id.to_string()).unwrap_or_default();
        let mut secrets = BTreeMap::new();
        for (name, sealed) in &installation.secrets {
            let unopened = || EngineError::Sealed { plugin: installation.name.clone() };
            secrets.insert(name.clone(), self.shared.sealer.open(sealed).map_err(|_| unopened())?);
        }
        Ok(IoContext {
            call: CallContext {
                id: format!("{}/{first}", self.tenant.0),
                settings: enabled.settings.clone(),
                dry_run: false,
            },
            hosts: granted_hosts(installation)?,
            secrets: Arc::new(secrets),
            clock: self.shared.clock.clone(),
        })
    }

    fn came_back(&mut self, call: Result<Call, JoinError>) {
        let now = (self.shared.clock)();
        let mut next = Some(call);
        while let Some(call) = next {
            match call {
                Ok(call) => {
                    let breaker = self.breakers.entry(call.channel).or_default();
                    if call.accepted {
                        breaker.succeeded()
                    } else {
                        breaker.failed(now)
                    }
                    count(&call.settled);
                    if self.verdicts.is_empty() {
                        self.gathering_since = Instant::now();
                    }
                    self.unsaved += call.settled.len();
                    self.verdicts.extend(call.settled);
                }
                Err(error) => tracing::error!(tenant.id = self.tenant.0, %error, "A channel call panicked."),
            }
            next = self.calls.try_join_next();
        }
    }

    /// Begins to commit the verdicts that have gathered, unless a commit is under way.
    fn save(&mut self) {
        if self.verdicts.is_empty() || !self.saving.is_empty() {
            return;
        }
        let verdicts = std::mem::take(&mut self.verdicts);
        let (shared, scope, stop) = (self.shared.clone(), self.scope, self.stop.clone());
        self.saving.spawn(async move {
            let ids = verdicts.iter().map(|settled| settled.id).collect();
            while let Err(error) = settle(&shared, &scope, &verdicts).await {
                tracing::error!(tenant.id = scope.tenant().0, %error, "Verdicts could not be committed.");
                if stop.is_cancelled() {
                    break;
                }
                tokio::time::sleep(BACKOFF).await;
            }
            ids
        });
    }

    fn saved(&mut self, saved: Result<Vec<Id>, JoinError>) {
        match saved {
            Ok(ids) => {
                self.unsaved -= ids.len();
                for id in ids {
                    self.in_flight.remove(&id);
                }
            }
            Err(error) => {
                tracing::error!(tenant.id = self.tenant.0, %error, "A commit of verdicts panicked.");
                self.unsaved = self.verdicts.len();
            }
        }
    }
}

/// Commits settlements. They are written again if meanwhile a segment was published that mentions messages: its first
/// fill may have come before them.
async fn settle(shared: &Shared, scope: &Scope, settled: &[Settled]) -> Result<(), StoreError> {
    let heard = || match shared.catalogs.get(scope.tenant()) {
        Some(catalog) if !catalog.segments.on_message().is_empty() => Verdicts::Heard,
        _ => Verdicts::Unheard,
    };
    let verdicts = heard();
    shared.store.settle_messages(scope, settled.to_vec(), verdicts).await?;
    match (verdicts, heard()) {
        (Verdicts::Unheard, Verdicts::Heard) => {
            shared.store.settle_messages(scope, settled.to_vec(), Verdicts::Heard).await
        }
        _ => Ok(()),
    }
}

/// Hosts of the manifest that the admin granted, with settings resolved.
fn granted_hosts(installation: &Installation) -> Result<Vec<String>, EngineError> {
    let granted = installation.grant["hosts"].as_array();
    let hosts = installation.manifest.hosts.iter();
    let hosts = hosts.filter(|host| granted.is_none_or(|granted| granted.iter().any(|one| one.as_str() == Some(host))));
    let hosts: Vec<String> = hosts.cloned().collect();
    hosts::resolve(&hosts, &installation.settings).map_err(|faults| EngineError::Settings {
        plugin: installation.name.clone(),
        fault: faults.first().map(|fault| format!("{}: {}", fault.pointer, fault.message)).unwrap_or_default(),
    })
}

fn out_message(outgoing: &Outgoing) -> OutMessage {
    let message = &outgoing.message;
    OutMessage {
        idempotency_key: message.id.to_string(),
        attempt: outgoing.attempt as u32 + 1,
        address: message.address.clone(),
        customer: message.part.to_string(),
        purpose: message.purpose.clone(),
        locale: "en".to_owned(),
        time_zone: "UTC".to_owned(),
        expires_at: message.expires_at,
        unsubscribe_url: None,
        content: message.content.clone(),
    }
}
