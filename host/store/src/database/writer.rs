//! The one task that writes. What waits (appends, commits, settled messages, API writes) becomes SAVEPOINTs of one
//! transaction and is answered after its COMMIT: one fsync for all, and batches that size themselves.
//!
//! The task owns its connection and is never cancelled: a caller that goes away leaves its work to finish unheard,
//! so no transaction is ever left begun. When the connection dies, everyone in the transaction is told so, and the
//! next turn connects anew; when it dies at the COMMIT, they are told what became of it (`fate`).

use futures::future::BoxFuture;
use openhub_model::{NewEvent, TenantId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::act::{Notary, pending};
use crate::database::connection::{Conn, WAIT, execute, in_time};
use crate::database::fate::{Fate, Turns, connect};
use crate::database::full::Full;
use crate::database::open::{Link, Opener};
use crate::database::queues::{Apart, Class, Queued, Queues};
use crate::database::scrub::{Scrubbed, scrub};
use crate::database::signals::{Signal, Signals};
use crate::database::transaction::{Bounds, Tx, Weight, begin, keep, undo};
use crate::error::StoreError;
use crate::log::events::{Append, Appended, append_all};
use crate::weights::Weights;

/// How many appends of a tenant, and how many other pieces of its work, wait before its callers do.
const PLACES: usize = 512;

/// Work in its savepoint.
type Run = Box<dyn for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Ran> + Send>;
/// Tells the caller once the fate of the transaction is known.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

enum Ran {
    Done(Answer),
    /// It failed alone, and the caller knows.
    Refused,
    /// The connection is lost, and so is the transaction.
    Lost(StoreError),
}

enum Work {
    /// Appends of a tenant that wait together become one insert.
    Append {
        append: Append,
        reply: oneshot::Sender<Result<Appended, StoreError>>,
    },
    Run {
        tenant: Option<TenantId>,
        weight: Weight,
        run: Run,
    },
    /// Between two transactions, with nothing else under way.
    Scrub {
        reply: oneshot::Sender<Result<Scrubbed, StoreError>>,
    },
    Close,
}

/// Work on its way to the writer, with the place that it takes among its tenant's.
struct Placed(Work, Option<OwnedSemaphorePermit>);

impl Queued for Placed {
    fn tenant(&self) -> Option<TenantId> {
        match &self.0 {
            Work::Append { append, .. } => Some(append.tenant),
            Work::Run { tenant, .. } => *tenant,
            Work::Scrub { .. } | Work::Close => None,
        }
    }

    fn class(&self) -> Class {
        match &self.0 {
            Work::Append { append, .. } => Class::Append(append.events.len()),
            Work::Run { weight: Weight::Heavy, .. } => Class::Heavy,
            _ => Class::Light,
        }
    }
}

impl Work {
    fn appends_to(&self) -> Option<TenantId> {
        match self {
            Work::Append { append, .. } => Some(append.tenant),
            _ => None,
        }
    }
}

/// The callers' side.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::UnboundedSender<Placed>,
    places: Arc<Mutex<HashMap<Kind, Arc<Semaphore>>>>,
    /// Since when the database owes an answer; none while it answers.
    owes: watch::Receiver<Option<Instant>>,
    full: Arc<Full>,
    /// Signs the audit log, once it is known.
    pub(crate) notary: Arc<OnceLock<Notary>>,
}

/// A tenant's appends, or its other work.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Appends(TenantId),
    Others(Option<TenantId>),
}

impl Writer {
    /// `session` names this writer and no other.
    pub(crate) fn start(
        opener: Opener,
        link: Link,
        session: String,
        signals: Arc<Signals>,
        commits: watch::Sender<u64>,
        weights: &Weights,
    ) -> Writer {
        let (queue, waiting) = mpsc::unbounded_channel();
        let (owing, owes) = watch::channel(None);
        let turns = Turns::of(session);
        let full = Arc::new(Full::default());
        let apart = if opener.is_sqlite() { Apart::Yes } else { Apart::OnlyHeavy };
        let queues = Queues::new(apart, weights);
        let task = Task { waiting, opener, link: Some(link), turns, owing, signals, commits, full: full.clone() };
        tokio::spawn(task.run(queues));
        Writer { queue, places: Arc::default(), owes, full, notary: Arc::default() }
    }

    /// Waits for a place among the tenant's own: what one tenant has under way holds up no other.
    async fn enqueue(&self, kind: Kind, work: Work) -> Result<(), StoreError> {
        let places = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(kind).or_insert_with(|| Arc::new(Semaphore::new(PLACES))))
        };
        let place = places.acquire_owned().await.map_err(|_| StoreError::Unavailable)?;
        self.queue.send(Placed(work, Some(place))).map_err(|_| StoreError::Unavailable)
    }

    /// For a store that is only looked at.
    pub(crate) fn none() -> Writer {
        let (queue, owes) = (mpsc::unbounded_channel().0, watch::channel(None).1);
        Writer { queue, places: Arc::default(), owes, full: Arc::default(), notary: Arc::default() }
    }

    /// Whether what was written last found no room.
    pub(crate) fn is_full(&self) -> bool {
        self.full.is(Instant::now())
    }

    /// For how long the database has owed an answer.
    pub(crate) fn owed_for(&self) -> Duration {
        self.owes.borrow().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// As [`Writer::write`], for a caller who is answered in time, whatever the database does.
    pub(crate) async fn write_in_time<T, F>(&self, tenant: TenantId, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let answer = in_time(self.hand_over(Weight::Light, Some(tenant), work)).await??;
        answered(answer).await.inspect(|_| self.full.written())
    }

    pub(crate) async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let (reply, answer) = oneshot::channel();
        // What found no place in time was not handed over, and is not done.
        in_time(self.enqueue(Kind::Appends(append.tenant), Work::Append { append, reply })).await??;
        answered(answer).await.inspect(|_| self.full.written())
    }

    /// Runs `work` in a savepoint of its own and answers after the COMMIT.
    pub(crate) async fn write<T, F>(&self, tenant: Option<TenantId>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.write_with(Weight::Light, tenant, work).await
    }

    /// As [`Writer::write`], of work whose weight is known.
    pub(crate) async fn write_with<T, F>(
        &self,
        weight: Weight,
        tenant: Option<TenantId>,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        self.hand_over(weight, tenant, work).await?.await.map_err(|_| StoreError::Unavailable)?
    }

    /// Answers where the answer will come.
    async fn hand_over<T, F>(
        &self,
        weight: Weight,
        tenant: Option<TenantId>,
        work: F,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel::<Result<T, StoreError>>();
        let full = self.full.clone();
        let (act, notary) = (pending(tenant), Arc::clone(&self.notary));
        let run: Run = Box::new(move |tx| {
            Box::pin(async move {
                let mut done = work(tx).await;
                if let (Ok(_), Some(act)) = (&done, &act)
                    && let Err(error) = act.record(tx, notary.get()).await
                {
                    done = Err(error);
                }
                match done {
                    Ok(value) => {
                        let answer: Answer = Box::new(move |fate| {
                            if let (Ok(()), Some(act)) = (&fate, &act) {
                                act.is_recorded();
                            }
                            // A caller that went away needs no answer.
                            let _ = reply.send(fate.map(|()| value));
                        });
                        Ran::Done(answer)
                    }
                    Err(error) if error.is_fatal() => {
                        // Before the COMMIT: nothing is written.
                        let _ = reply.send(Err(StoreError::Unavailable));
                        Ran::Lost(error)
                    }
                    Err(error) => {
                        full.note(&error);
                        let _ = reply.send(Err(error));
                        Ran::Refused
                    }
                }
            })
        });
        self.enqueue(Kind::Others(tenant), Work::Run { tenant, weight, run }).await?;
        Ok(answer)
    }

    pub(crate) async fn scrub(&self) -> Result<Scrubbed, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Placed(Work::Scrub { reply }, None)).map_err(|_| StoreError::Unavailable)?;
        answer.await.map_err(|_| StoreError::Unavailable)?
    }

    /// Finishes what waits, then ends the task.
    pub(crate) async fn close(&self) {
        if self.queue.send(Placed(Work::Close, None)).is_ok() {
            self.queue.closed().await;
        }
    }
}

/// What has no answer in time may be done, or will be.
async fn answered<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(WAIT, answer).await {
        Ok(answer) => answer.map_err(|_| StoreError::Unavailable)?,
        Err(_) => Err(StoreError::Unknown),
    }
}

struct Task {
    waiting: mpsc::UnboundedReceiver<Placed>,
    opener: Opener,
    link: Option<Link>,
    turns: Turns,
    owing: watch::Sender<Option<Instant>>,
    signals: Arc<Signals>,
    /// Counts the transactions, for who looks after the write-ahead log.
    commits: watch::Sender<u64>,
    full: Arc<Full>,
}

impl Task {
    async fn run(mut self, mut queues: Queues<Placed>) {
        let mut scrubs = Vec::new();
        let mut closing = false;
        loop {
            let idle = queues.is_empty() && scrubs.is_empty();
            if idle && closing && self.waiting.is_empty() {
                break;
            }
            let mut first = if idle { self.waiting.recv().await } else { None };
            if idle && first.is_none() {
                break;
            }
            while let Some(placed) = first.take().or_else(|| self.waiting.try_recv().ok()) {
                match placed.0 {
                    Work::Scrub { reply } => scrubs.push(reply),
                    Work::Close => closing = true,
                    Work::Append { .. } | Work::Run { .. } => queues.push(placed),
                }
            }
            // Their places are free for others now, who are put behind them.
            let mut together: Vec<Work> = queues.take().into_iter().map(|Placed(work, _place)| work).collect();
            while !together.is_empty() {
                if self.turn(&mut together).await.is_none() {
                    // Whoever waits is told; dropping the work does that.
                    together.clear();
                    queues.clear();
                }
            }
            if !scrubs.is_empty() {
                self.scrub(scrubs.drain(..)).await;
            }
        }
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }

    /// Between two transactions.
    async fn scrub(&self, asked: impl Iterator<Item = oneshot::Sender<Result<Scrubbed, StoreError>>>) {
        let scrubbed = scrub(&self.opener).await;
        for reply in asked {
            // Who asked and went away needs no answer.
            let _ = reply.send(scrubbed.as_ref().copied().map_err(|_| StoreError::Unavailable));
        }
        if let Err(error) = scrubbed {
            tracing::warn!(%error, "The free pages of the database could not be overwritten.");
        }
    }

    /// One transaction with as much of `works` as it can take: all, unless the connection dies in it. None if there is no
    /// connection to be had.
    async fn turn(&mut self, works: &mut Vec<Work>) -> Option<()> {
        self.owing.send_if_modified(|since| since.is_none() && since.replace(Instant::now()).is_none());
        let link = match self.link.take() {
            Some(link) => Ok(link),
            None => self.connect().await,
        };
        let mut link = match link {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(error = %error, "the writer cannot connect to the database");
                return None;
            }
        };
        let mut answers = Answers::default();
        let fate = match transaction(&mut link, &mut self.turns, works, &mut answers).await {
            Ok(()) => {
                self.turns.ended();
                self.link = Some(link);
                Fate::Committed
            }
            Err(Lost::Before(error)) => {
                self.full.note(&error);
                tracing::error!(error = ?error, "a transaction of the writer failed as a whole; connecting anew");
                Fate::Undone
            }
            Err(Lost::At(error)) => {
                drop(link);
                let (fate, link) = self.turns.look(&self.opener).await;
                tracing::error!(error = ?error, ?fate, "a COMMIT had no answer");
                self.link = link;
                fate
            }
        };
        if self.link.is_some() {
            self.owing.send_replace(None);
        }
        if answers.no_room {
            self.full.found_none();
        }
        let answer = match fate {
            Fate::Committed => {
                self.commits.send_modify(|count| *count += 1);
                answers.signals.drain(..).for_each(|signal| self.signals.send(signal));
                || Ok(())
            }
            Fate::Undone => || Err(StoreError::Unavailable),
            Fate::Unknown => || Err(StoreError::Unknown),
        };
        answers.pending.drain(..).for_each(|pending| pending(answer()));
        Some(())
    }

    async fn connect(&mut self) -> Result<Link, StoreError> {
        let mut link = connect(&self.opener).await?;
        self.turns.bury(&mut link).await?;
        Ok(link)
    }
}

/// When a transaction was lost.
enum Lost {
    /// Before its COMMIT was sent: nothing of it was written.
    Before(StoreError),
    /// The COMMIT was sent and had no answer.
    At(StoreError),
}

impl From<StoreError> for Lost {
    fn from(error: StoreError) -> Lost {
        Lost::Before(error)
    }
}

/// Who is to be told what once the transaction's fate is known.
#[derive(Default)]
struct Answers {
    pending: Vec<Answer>,
    signals: Vec<Signal>,
    /// An append found none.
    no_room: bool,
}

async fn transaction(
    link: &mut Link,
    turns: &mut Turns,
    works: &mut Vec<Work>,
    answers: &mut Answers,
) -> Result<(), Lost> {
    if let Err(error) = turns.begin(link).await {
        works.clear();
        return Err(error.into());
    }
    let bounds = bounds_of(link, works);
    let mut queue = std::mem::take(works).into_iter().peekable();
    while let Some(work) = queue.next() {
        let result = match work {
            Work::Append { append, reply } => {
                let mut group = vec![(append, reply)];
                while let Some(Work::Append { append, reply }) = queue
                    .next_if(|next| matches!(next, Work::Append { append, .. } if append.tenant == group[0].0.tenant))
                {
                    group.push((append, reply));
                }
                append_group(link, bounds, group, answers).await
            }
            Work::Run { tenant, run, .. } => savepoint(link, bounds, tenant, run, answers).await,
            Work::Scrub { .. } | Work::Close => Ok(()),
        };
        if let Err(error) = result {
            // What has not run yet goes on with the next connection.
            works.extend(queue);
            return Err(error.into());
        }
    }
    match execute!(link.conn(), "COMMIT") {
        Ok(_) => Ok(()),
        Err(error) if error.is_fatal() => Err(Lost::At(error)),
        // The database says that it undid everything.
        Err(error) => Err(Lost::Before(error)),
    }
}

/// Runs one piece of work between SAVEPOINT and RELEASE. An error means that the connection is lost.
async fn savepoint(
    link: &mut Link,
    bounds: Bounds,
    tenant: Option<TenantId>,
    run: Run,
    answers: &mut Answers,
) -> Result<(), StoreError> {
    begin(link, bounds, tenant).await?;
    let mut tx = Tx::of(link, bounds);
    let ran = run(&mut tx).await;
    let signals = tx.into_signals();
    match ran {
        Ran::Done(answer) => {
            keep(link, bounds).await?;
            answers.signals.extend(signals);
            answers.pending.push(answer);
            Ok(())
        }
        Ran::Refused => undo(link, bounds).await,
        Ran::Lost(error) => Err(error),
    }
}

type Waiting = (Append, oneshot::Sender<Result<Appended, StoreError>>);

/// All appends of a tenant in one savepoint; if that fails, each in its own, so that one bad event fails only its own.
async fn append_group(
    link: &mut Link,
    bounds: Bounds,
    mut group: Vec<Waiting>,
    answers: &mut Answers,
) -> Result<(), StoreError> {
    let tenant = group[0].0.tenant;
    begin(link, bounds, Some(tenant)).await?;
    let mut tx = Tx::of(link, bounds);
    let events: Vec<&[NewEvent]> = group.iter().map(|(append, _)| &append.events[..]).collect();
    let marker = group[0].0.marker;
    let result = append_all(&mut tx, tenant, &events, marker.as_ref()).await;
    let signals = tx.into_signals();
    match result {
        Ok(appended) => {
            keep(link, bounds).await?;
            answers.signals.extend(signals);
            for ((_, reply), appended) in group.into_iter().zip(appended) {
                answers.pending.push(Box::new(move |fate: Result<(), StoreError>| {
                    let _ = reply.send(fate.map(|()| appended));
                }));
            }
            Ok(())
        }
        Err(error) if error.is_fatal() => Err(error),
        Err(error) => {
            answers.no_room |= error.is_want_of_room();
            undo(link, bounds).await?;
            if group.len() == 1 {
                if let Some((_, reply)) = group.pop() {
                    let _ = reply.send(Err(error));
                }
                return Ok(());
            }
            for waiting in group {
                Box::pin(append_group(link, Bounds::Savepoint, vec![waiting], answers)).await?;
            }
            Ok(())
        }
    }
}

/// What undoes one of these, and no other.
fn bounds_of(link: &mut Link, works: &[Work]) -> Bounds {
    let first = works.first().and_then(Work::appends_to);
    let is_one = works.len() == 1 || (first.is_some() && works.iter().all(|work| work.appends_to() == first));
    match link.conn() {
        Conn::Sqlite(_) if is_one => Bounds::Transaction,
        _ => Bounds::Savepoint,
    }
}
