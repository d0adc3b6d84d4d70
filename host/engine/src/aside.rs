//! What fails belongs to what caused it. A panic, or a statement that the database refuses, is bisected to the one event, timer
//! or control event that it comes with, and that one is set aside with its reason; the checkpoint passes it, and it stands in
//! the list of faults.
//!
//! A database that is away is none of it: then the same attempt is made again, and nothing is set aside.

use openhub_model::Event;
use openhub_model::run::{Run, RunStatus};
use openhub_model::timer::{Timer, TimerKind};
use openhub_model::{Span, Timestamp};
use openhub_store::{Changes, FaultKind, NewFault, NodeCount, SetAside, StoreError, Wake};

use crate::alone::{Alone, halved};
use crate::compute::ComputeFault;
use crate::error::EngineError;
use crate::lane::Lane;
use crate::load::{Moves, Picked};

/// An item that fails alone this often is set aside.
pub const ATTEMPTS: u32 = 3;
/// By the tenant's clock: when a waking that was set aside is tried again.
const AGAIN: Span = Span::from_micros(3_600_000_000);

/// Why an item is set aside.
pub struct Reason {
    code: &'static str,
    /// The same on every database.
    short: String,
    /// With what the database says, for who may see the customer's data.
    pub text: String,
}

impl Reason {
    fn new(code: &'static str, short: String) -> Reason {
        Reason { code, text: short.clone(), short }
    }
}

impl From<&EngineError> for Reason {
    fn from(error: &EngineError) -> Reason {
        match error {
            EngineError::Panicked(_) => Reason::new("panic", error.to_string()),
            EngineError::Store(StoreError::Corrupt(_)) => Reason::new("unreadable", error.to_string()),
            EngineError::Store(slow) if slow.is_cut_off() => {
                Reason::new("too-slow", "the database takes too long for it".to_owned())
            }
            EngineError::Store(refusal) => {
                Reason { text: refusal.detail(), ..Reason::new("database-refuses", refusal.to_string()) }
            }
            _ => Reason::new("failed", error.to_string()),
        }
    }
}

impl From<&ComputeFault> for Reason {
    fn from(fault: &ComputeFault) -> Reason {
        Reason::new("plugin-failed", fault.to_string())
    }
}

impl Lane {
    /// After an attempt that failed because of something in it: the next one is smaller, until one item stands alone.
    pub(crate) async fn failed(&mut self, error: &EngineError) -> Result<(), EngineError> {
        let (tenant, batch) = (self.lease.tenant.0, self.tried);
        let reason = Reason::from(error);
        self.forget();
        // A panic beside the commit leaves open whether it was made.
        self.lease = self.shared.store.held_lease(&self.scope, &self.lease).await?;
        if self.limit > 1 {
            tracing::warn!(tenant.id = tenant, code = reason.code, batch, "A batch failed and is halved.");
            self.limit = halved(batch, self.limit);
            return Ok(());
        }
        self.failures += 1;
        tracing::warn!(tenant.id = tenant, code = reason.code, attempt = self.failures, "An item failed.");
        if self.failures < ATTEMPTS {
            return Ok(());
        }
        let now = (self.shared.clock)();
        match self.alone(now).await? {
            Some(alone) => self.set_aside(alone, &reason, now).await,
            None => Ok(()),
        }
    }

    /// The item that an attempt of one takes.
    async fn alone(&self, now: Timestamp) -> Result<Option<Alone>, EngineError> {
        let picked = self.reader(Moves::Yes).pick(1, now).await;
        // What was read is read again by the next attempt.
        self.forget();
        match picked {
            Ok(Picked::Idle) => Ok(None),
            Ok(Picked::Control(event)) => Ok(Some(Alone::Control { event })),
            Ok(Picked::Batch { plan, events, timers }) => Ok(Alone::of(&plan, &events, &timers)),
            Err(error) if error.is_of_an_item() => {
                let next = self.shared.store.next_position(&self.scope, self.lease.checkpoint).await?;
                Ok(next.map(|(position, message_id)| Alone::Event {
                    position,
                    message_id,
                    part: None,
                    clock: self.lease.clock,
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// The checkpoint passes an event that cannot be computed; a run whose timer cannot be computed fails. A customer whose
    /// waking cannot be computed is woken once more later. A control event changes nothing.
    pub(crate) async fn set_aside(&mut self, alone: Alone, reason: &Reason, now: Timestamp) -> Result<(), EngineError> {
        self.forget();
        let mut changes =
            Changes { checkpoint: self.lease.checkpoint, clock: self.lease.clock, wall: now, ..Changes::default() };
        let is_control = matches!(alone, Alone::Control { .. });
        let (kind, of) = match &alone {
            Alone::Timer { timer, .. } => (FaultKind::Run, timer.id.to_string()),
            Alone::Event { position, .. } => (FaultKind::Event, position.to_string()),
            Alone::Control { event } => (FaultKind::Event, event.position.to_string()),
        };
        match alone {
            Alone::Event { position, message_id, part, clock } => {
                changes.checkpoint = position;
                changes.clock = clock;
                let fault = NewFault::one(FaultKind::Event, &message_id, "event", reason.code, reason.text.as_str());
                let (position_of, id) = (Some(position), Some(message_id.clone()));
                changes.faults.push(NewFault { position: position_of, message_id: id, part, ..fault });
                changes.set_aside.push(SetAside { position, message_id, fault: reason.short.clone(), at: now });
            }
            Alone::Control { event } => {
                changes.checkpoint = event.position;
                changes.faults.push(control_fault(&event, reason.code, &reason.text));
            }
            Alone::Timer { timer, until } if timer.kind == TimerKind::Wake => {
                let due = until + AGAIN;
                changes.disarmed.push(timer);
                changes.armed.push(Timer::wake(timer.part, due));
                changes.wakes.push(Wake { customer: timer.part, due: Some(due) });
                let of = timer.part.to_string();
                let fault = NewFault::one(FaultKind::Run, &of, "segments", reason.code, reason.text.as_str());
                changes.faults.push(NewFault { part: Some(timer.part), ..fault });
            }
            Alone::Timer { timer, .. } => {
                match self.fail_run(timer, reason, &mut changes).await {
                    Err(error) if error.is_of_an_item() || error.is_cut_off() => {}
                    done => done?,
                }
                changes.disarmed.push(timer);
            }
        }
        let mut committed = self.shared.store.commit(&self.scope, &self.lease, &changes).await;
        if committed.as_ref().is_err_and(StoreError::is_refusal) {
            // Not even that: then the checkpoint passes it, and nothing more is written of it than that it was there, and when
            // who is woken for their segments is woken again.
            let text = "It failed, and the reason could not be stored.";
            let least = Changes {
                checkpoint: changes.checkpoint,
                clock: changes.clock,
                wall: now,
                disarmed: changes.disarmed,
                armed: changes.armed,
                wakes: changes.wakes,
                faults: vec![NewFault {
                    place: of.clone(),
                    ..NewFault::one(kind, &of, kind.name(), reason.code, text)
                }],
                ..Changes::default()
            };
            committed = self.shared.store.commit(&self.scope, &self.lease, &least).await;
        }
        let lease = committed?;
        metrics::counter!("openhub_set_aside_total").increment(1);
        self.reached(lease);
        // Who waits for a control event is answered with the catalog that stays in force.
        if is_control { self.reload().await } else { Ok(()) }
    }

    /// The run of a timer ends as failed: its node counts one less that waits, and its customer may enter again.
    async fn fail_run(&self, timer: Timer, reason: &Reason, changes: &mut Changes) -> Result<(), EngineError> {
        let (store, scope) = (&self.shared.store, &self.scope);
        let runs = store.waiting_runs(scope, &[timer.part]).await?;
        let Some(run) = runs.into_iter().find(|run| run.id == timer.id) else { return Ok(()) };
        let mut entries = store.entries(scope, std::slice::from_ref(&run.journey), &[run.part]).await?;
        entries.retain(|entry| entry.part == run.part && entry.active > 0);
        entries.iter_mut().for_each(|entry| entry.active -= 1);
        changes.entries.append(&mut entries);
        changes.counts.push(NodeCount {
            journey: run.journey.clone(),
            version: run.version,
            node: run.node.clone(),
            entered: 0,
            waiting: -1,
        });
        let subject = format!("{}/{}", run.journey, run.node);
        let fault = NewFault::one(FaultKind::Run, &run.id.to_string(), subject, reason.code, reason.text.as_str());
        changes.faults.push(NewFault { part: Some(run.part), ..fault });
        changes.runs.push(Run {
            status: RunStatus::Failed,
            fault: Some(reason.short.clone()),
            ended_at: Some(timer.due),
            due: None,
            awaits: Vec::new(),
            ..run
        });
        Ok(())
    }
}

/// A control event whose change has not taken effect.
pub fn control_fault(event: &Event, code: &str, text: &str) -> NewFault {
    let fault = NewFault::one(FaultKind::Control, &event.message_id, event.name.as_str(), code, text);
    NewFault { position: Some(event.position), message_id: Some(event.message_id.clone()), ..fault }
}
