//! Sources: one is handed a request from outside, and answers it with events and with what became of messages.

use openhub_model::fault::there_are;
use openhub_model::manifest::SourceShape;
use openhub_model::{Fault, Identity, Timestamp, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::{Reason, Receipt};
use crate::bindings::channel::openhub::types::types as shared;
use crate::bindings::source::exports::openhub::source::source as bound;
use crate::bindings::types::types::Failure;
use crate::fault::{CallFault, FaultKind};
use crate::happened::{self, Wrong, invalid_id};
use crate::io::{Bounds, Called, IoContext};
use crate::plugin::Plugin;

/// Who calls waits no longer. Milliseconds.
pub(crate) const WALL_MS: u32 = 20_000;
/// Events, and reports, of one request.
const MANY: usize = 1_000;
const ANSWER: usize = 1 << 20;
const HEADERS: usize = 32;

/// A request as it came from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// 200 to 599.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a source made of a request. Its events are declared, and their properties fit the declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub answer: HttpResponse,
    pub events: Vec<SourceEvent>,
    pub reports: Vec<Report>,
    /// Whether the source verified a signature in this call: only then its word on identities counts like a server's.
    pub verified: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SourceEvent {
    /// Dedupe key, within the plugin.
    pub id: String,
    pub name: String,
    pub occurred_at: Option<Timestamp>,
    /// At least one.
    pub identities: Vec<Identity>,
    /// A JSON object.
    pub properties: Map<String, Value>,
}

/// What became of a message that was sent earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// As the channel's receipt had it.
    pub provider_id: String,
    /// Kebab-case.
    pub status: String,
    pub at: Option<Timestamp>,
    pub reason: Option<Reason>,
}

/// Why a request has no answer of the plugin's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The plugin says: again, not before so many milliseconds.
    Retry { after_ms: u32, reason: Reason },
    /// The plugin says: never like this.
    Rejected(Reason),
    /// The plugin says: an admin must act.
    Misconfigured(Reason),
    /// What it passed on of the request has no value that can be stored: the next time neither.
    Unfit(Fault),
    /// The call failed, or its answer cannot be used.
    Failed(CallFault),
}

/// The plugin is wrong, whoever calls it.
impl From<String> for Unanswered {
    fn from(message: String) -> Unanswered {
        Unanswered::Failed(CallFault::malformed(message))
    }
}

impl Plugin {
    /// Hands a request to a source, until `stopped` is over; also answers what the call used.
    pub async fn receive(
        &self,
        context: IoContext,
        source: &str,
        request: HttpRequest,
        stopped: impl Future<Output = ()>,
    ) -> (Result<Received, Unanswered>, Receipt) {
        let shape = self.manifest().sources.iter().find(|shape| shape.name == source);
        let (Some(shape), Some(extension)) = (shape, &self.source) else {
            let message = format!("the plugin has no source `{source}`");
            return (Err(Unanswered::Failed(CallFault::new(FaultKind::Host, message))), Receipt::default());
        };
        let given = || json!({"request": request});
        let wall_ms = self.machine.limits.io_wall_ms.min(WALL_MS);
        let bounds = Bounds { kind: "source", name: source, given: &given, items: 1, wall_ms };
        let HttpRequest { method, path, query, headers, body } = request.clone();
        let asked = shared::Request { method, path, query, headers, body };
        let Called { answer, verified, receipt, .. } = self
            .io(context, bounds, stopped, async |store| {
                let instance = extension.instantiate_async(&mut *store).await?;
                instance.openhub_source_source().call_receive(&mut *store, source, &asked).await
            })
            .await;
        let received = answer.map_err(Unanswered::Failed).and_then(|answer| answer.map_err(unanswered));
        (received.and_then(|received| self.received(shape, received, verified)), receipt)
    }

    /// What a source answered, if it is what it declares.
    fn received(&self, shape: &SourceShape, received: bound::Received, verified: bool) -> Result<Received, Unanswered> {
        let bound::Received { answer, events, reports } = received;
        for (what, count) in [("events", events.len()), ("reports", reports.len())] {
            if count > MANY {
                return Err(format!("the source gave {count} {what} for one request: at most {MANY}").into());
            }
        }
        let answer = self::answer("source", answer)?;
        let events = events.into_iter().enumerate().map(|(index, event)| self.event(shape, index, event));
        let (events, reports) = (events.collect::<Result<_, _>>()?, reports.into_iter().enumerate().map(report));
        let reports = reports.collect::<Result<_, _>>()?;
        Ok(Received { answer, events, reports, verified })
    }

    fn event(&self, shape: &SourceShape, index: usize, event: shared::NewEvent) -> Result<SourceEvent, Unanswered> {
        let at = |fault: Fault| {
            let Fault { pointer, code, message } = fault;
            Unanswered::Unfit(Fault::new(format!("/events/{index}{pointer}"), code, message))
        };
        let undeclared = |name: &str| {
            let declared = there_are(&shape.events);
            Unanswered::from(format!("the source gave an event {name:?}, which it does not declare. {declared}"))
        };
        if !shape.events.contains(&event.name) {
            return Err(undeclared(&event.name));
        }
        if event.id.is_empty() {
            return Err(at(Fault::new("/id", "invalid-id", invalid_id())));
        }
        happened::event(&self.manifest.events, event).map_err(|wrong| match wrong {
            Wrong::Undeclared(name) => undeclared(&name),
            Wrong::NoObject(name) => format!("the event {name:?} has properties that are not a JSON object").into(),
            Wrong::Unfit(fault) => at(fault),
        })
    }
}

pub(crate) fn unanswered(failure: Failure) -> Unanswered {
    match failure {
        Failure::Retry(retry) => Unanswered::Retry { after_ms: retry.after_ms, reason: retry.reason.into() },
        Failure::Rejected(reason) => Unanswered::Rejected(reason.into()),
        Failure::Misconfigured(reason) => Unanswered::Misconfigured(reason.into()),
    }
}

/// `who` answers.
pub(crate) fn answer(who: &str, answer: shared::Response) -> Result<HttpResponse, String> {
    let shared::Response { status, headers, body } = answer;
    if !(200..=599).contains(&status) {
        return Err(format!("the {who} answered with the status {status}: use 200 to 599"));
    }
    if body.len() > ANSWER {
        return Err(format!("the {who} answered with {} bytes: at most {ANSWER}", body.len()));
    }
    if headers.len() > HEADERS {
        return Err(format!("the {who} answered with {} headers: at most {HEADERS}", headers.len()));
    }
    Ok(HttpResponse { status, headers, body })
}

fn report((index, report): (usize, bound::Report)) -> Result<Report, Unanswered> {
    let bound::Report { provider_id, status, at, reason } = report;
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if status.len() > limits::NAME || !status.split('-').all(word) {
        return Err(format!(
            "the source reported the status {status:.60?}: use kebab-case, at most {} bytes",
            limits::NAME
        )
        .into());
    }
    if !(1..=limits::NAME).contains(&provider_id.len()) || provider_id.contains('\0') {
        let message = format!("A message's provider id must have 1 to {} bytes, without U+0000.", limits::NAME);
        return Err(Unanswered::Unfit(Fault::new(format!("/reports/{index}/provider_id"), "invalid-id", message)));
    }
    let at = happened::time(at).map_err(|message| {
        Unanswered::Unfit(Fault::new(format!("/reports/{index}/at"), "invalid-timestamp", message))
    })?;
    Ok(Report { provider_id, status, at, reason: reason.map(Reason::from) })
}
