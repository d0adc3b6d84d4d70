//! From a request's text to the answer: 2xx only after the commit of the append.

use axum::Json;
use openhub_engine::Admission;
use openhub_model::fault::{form, nearest};
use openhub_model::identity::Authority;
use openhub_model::{EventKind, Fault, NewEvent, strict};
use openhub_store::{PageSettings, Scope};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use utoipa::ToSchema;

use super::advice::{advice, advice_for};
use super::check::{Delivery, Taken, WRONG_TYPE, earliest_of_page, event_too_large};
use super::fields::{instant, no_json};
use super::item::Scalar;
use super::misspelt::MISSPELT;
use super::quota::within_quota;
use super::split::{message_id, split};
use crate::app::App;
use crate::auth::{KeyCache, WriteAccess, authorize_write, key_in_body};
use crate::cursor;
use crate::declared;
use crate::problem::{
    INVALID_BODY, INVALID_EVENT, INVALID_JSON, MISSING_SCOPE, ORIGIN_NOT_ALLOWED, Problem, TOO_FAR_BEHIND, TOO_LARGE,
};
use crate::suppression::faults_of;
use crate::views::FaultView;

/// Where a batch comes from, and whether it tells of the present or of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchMode {
    Live,
    /// Of a file, which can be mended.
    Imported,
    /// Likewise; changes state and triggers nothing.
    Historical,
}

/// The answer of the Segment calls.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Always true.
    success: bool,
    /// The events of a batch that were not accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused>,
    /// Parts of accepted events that were left out: their key may not say them (`authority`), their call does not record them
    /// (`not-recorded`), a trait is not of the type that its attribute was declared with (`wrong-type`), or a member is most likely
    /// misspelt, and has no effect (`misspelt-member`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Refused>,
    /// How many more parts were left out than `left_out` lists.
    #[serde(skip_serializing_if = "is_zero")]
    left_out_more: usize,
    /// How many events have another time than they came with: a time in the future counts as that of the receipt, and a page's
    /// key tells of 14 days at most.
    #[serde(skip_serializing_if = "is_zero")]
    moved: usize,
    /// Of a file: how many events the hub had already, by their `messageId`: they change nothing.
    #[serde(skip_serializing_if = "is_zero")]
    duplicates: usize,
    /// Of a file (`historical` is in the query): the position in the log of the last of its events. The hub has handled them when
    /// `checkpoint` of `GET /api/v1/status` has reached it.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<i64>,
    /// Of a file: a cursor (`after`) of `GET /api/v1/events`. What the hub makes of the events, such as `Identity Refused`, stands
    /// behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// The code under which a value that was left out stands in the list of faults.
const LEFT_OUT_VALUE: &str = "value-left-out";
/// What is left out and listed: a page could else be answered far more than it sent.
const LEFT_OUT: usize = 100;
/// The same of a file: whoever imports it wants to know of each row.
const LEFT_OUT_OF_A_FILE: usize = 5_000;

impl Receipt {
    fn of(mode: BatchMode, refused: Vec<Refused>, mut left_out: Vec<Refused>, moved: usize) -> Receipt {
        let most = if mode == BatchMode::Live { LEFT_OUT } else { LEFT_OUT_OF_A_FILE };
        let left_out_more = left_out.len().saturating_sub(most);
        left_out.truncate(most);
        // What was accepted is stored for good.
        Receipt { success: true, refused, left_out, left_out_more, moved, ..Receipt::default() }
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One event of a batch that was not accepted, or the part of one that was left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refused {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Stable, kebab-case.
    pub code: String,
    /// JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    pub message: String,
    /// What else is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FaultView>)]
    pub more: Vec<Fault>,
}

impl Refused {
    /// One of a list in the body, as `/batch` is, with its first fault; the others stand beside.
    pub fn all(index: usize, list: &str, faults: Vec<Fault>) -> Option<Refused> {
        let place = |fault: Fault| Fault { pointer: format!("/{list}/{index}{}", fault.pointer), ..fault };
        let mut faults = faults.into_iter().map(place);
        let Fault { pointer, code, message } = faults.next()?;
        Some(Refused { index, code, pointer, message, more: faults.collect() })
    }

    fn of(index: usize, Fault { pointer, code, message }: Fault) -> Refused {
        Refused { index, code, pointer: format!("/batch/{index}{pointer}"), message, more: Vec::new() }
    }
}

/// Accepts the single event of a call like `/v1/track`.
pub(crate) async fn accept_one(
    app: &App,
    keys: &KeyCache,
    access: WriteAccess,
    kind: EventKind,
    body: &str,
) -> Result<Json<Receipt>, Problem> {
    let Sender { scope, authority, server_events, key } = sender(app, keys, access, body).await?;
    let limits = &app.limits;
    if body.len() > limits.event_bytes {
        note(app, &scope, &key, TOO_LARGE.1, "", message_id(body).as_deref());
        return Err(Problem::new(TOO_LARGE, event_too_large(limits.event_bytes)));
    }
    let mut delivery = delivery(app, scope, authority, server_events, BatchMode::Live).await?;
    delivery.key = Some(key.clone());
    let Taken { event, left_out, is_moved } =
        delivery.read(body, Some(kind), "", || app.fresh_id()).map_err(|faults| {
            match serde_json::from_str::<&RawValue>(body) {
                Ok(_) => {
                    for fault in &faults {
                        note(app, &scope, &key, &fault.code, &fault.pointer, message_id(body).as_deref());
                    }
                    refuse_all(INVALID_EVENT, faults)
                }
                Err(error) => {
                    note(app, &scope, &key, INVALID_JSON.1, "", message_id(body).as_deref());
                    Problem::new(INVALID_JSON, no_json(body, &error))
                }
            }
        })?;
    if let Some((_, fault)) = faults_of(app, &scope, std::slice::from_ref(&event)).await?.pop() {
        note(app, &scope, &key, &fault.code, &fault.pointer, Some(&event.message_id));
        return Err(refuse(INVALID_EVENT, fault));
    }
    let left_out = left_out.into_iter().map(|Fault { pointer, code, message }| Refused {
        index: 0,
        code,
        pointer,
        message,
        more: Vec::new(),
    });
    let (left_out, moved): (Vec<Refused>, _) = (left_out.collect(), usize::from(is_moved));
    note_values(app, &scope, &key, &left_out, Some(&event.message_id)).await?;
    let read = Read { events: vec![event], refused: Vec::new(), refused_ids: BTreeMap::new(), left_out, moved };
    append(app, scope, authority, BatchMode::Live, read).await
}

/// Accepts what is acceptable of a batch; the others are listed in the answer.
pub(crate) async fn accept_batch(
    app: &App,
    keys: &KeyCache,
    access: WriteAccess,
    mode: BatchMode,
    body: &str,
) -> Result<Json<Receipt>, Problem> {
    let sender = sender(app, keys, access, body).await?;
    may_import(mode, sender.authority)?;
    let read = read_batch(app, &sender, mode, body).await;
    let Sender { scope, authority, key, .. } = sender;
    let read = read.inspect_err(|problem| {
        if problem.is_of_the_body() {
            note(app, &scope, &key, problem.code(), "", None);
        }
    })?;
    for Refused { index, code, pointer, more, .. } in &read.refused {
        let id = read.refused_ids.get(index).map(String::as_str);
        note(app, &scope, &key, code, pointer, id);
        more.iter().for_each(|fault| note(app, &scope, &key, &fault.code, &fault.pointer, id));
    }
    note_values(app, &scope, &key, &read.left_out, None).await?;
    append(app, scope, authority, mode, read).await
}

/// What [`accept_batch`] would answer, without accepting anything.
pub(crate) async fn try_batch(
    app: &App,
    keys: &KeyCache,
    access: WriteAccess,
    mode: BatchMode,
    body: &str,
) -> Result<Json<Receipt>, Problem> {
    let sender = sender(app, keys, access, body).await?;
    if mode == BatchMode::Historical {
        may_import(mode, sender.authority)?;
    }
    let Read { events, refused, left_out, moved, .. } = read_batch(app, &sender, mode, body).await?;
    let mut receipt = Receipt::of(mode, refused, left_out, moved);
    // A page could else find out what was said under which id.
    if sender.authority == Authority::Server {
        let ids: Vec<String> = events.into_iter().map(|event| event.message_id).collect();
        let met = app.store.met(&sender.scope, EventKind::Track, &ids).await?;
        let mut seen = HashSet::new();
        receipt.duplicates = ids.iter().filter(|id| met.contains_key(*id) || !seen.insert(id.as_str())).count();
    }
    Ok(Json(receipt))
}

/// The events of a request that are acceptable, what is left out of them, and the others' reasons.
struct Read {
    events: Vec<NewEvent>,
    refused: Vec<Refused>,
    /// The `messageId` of each that is refused, by its place.
    refused_ids: BTreeMap<usize, String>,
    left_out: Vec<Refused>,
    /// Events whose time lay in the future.
    moved: usize,
}

async fn read_batch(app: &App, sender: &Sender, mode: BatchMode, body: &str) -> Result<Read, Problem> {
    let batch = Batch::of(body)?;
    let scope = sender.scope;
    if batch.events.len() > app.limits.batch_events {
        return Err(Problem::new(
            TOO_LARGE,
            format!("The batch has too many events: at most {}.", app.limits.batch_events),
        ));
    }
    let mut delivery = delivery(app, scope, sender.authority, sender.server_events.clone(), mode).await?;
    delivery.key = Some(sender.key.clone());
    if let Some(sent_at) = batch.sent_at {
        let sent_at = serde_json::from_str(sent_at).unwrap_or(Scalar::Object);
        delivery.sent_at = instant(&sent_at, "/sentAt").map_err(|fault| refuse(INVALID_BODY, fault))?;
    }
    let mut events = Vec::with_capacity(batch.events.len());
    let mut places = Vec::with_capacity(batch.events.len());
    let (mut refused, mut left_out) = (Vec::new(), Vec::new());
    let mut moved = BTreeSet::new();
    for (index, raw) in batch.events.iter().enumerate() {
        match delivery.read(raw, None, "", || app.fresh_id()) {
            Ok(Taken { event, left_out: of_it, is_moved }) => {
                moved.extend(is_moved.then_some(index));
                events.push(event);
                places.push(index);
                left_out.extend(of_it.into_iter().map(|fault| Refused::of(index, fault)));
            }
            Err(faults) => refused.extend(Refused::all(index, "batch", faults)),
        }
    }
    let mut faults: BTreeMap<usize, Vec<Fault>> = BTreeMap::new();
    for (place, fault) in faults_of(app, &scope, &events).await? {
        faults.entry(place).or_default().push(fault);
    }
    if mode != BatchMode::Live {
        for (place, of_values) in declared::faults_of(app, &scope, &events).await? {
            faults.entry(place).or_default().extend(of_values);
        }
    }
    for (place, faults) in faults.into_iter().rev() {
        events.remove(place);
        moved.remove(&places[place]);
        left_out.retain(|left: &Refused| left.index != places[place]);
        refused.extend(Refused::all(places[place], "batch", faults));
    }
    refused.sort_by_key(|refused| refused.index);
    let id = |refused: &Refused| Some((refused.index, message_id(batch.events[refused.index])?));
    let refused_ids = refused.iter().filter_map(id).collect();
    Ok(Read { events, refused, refused_ids, left_out, moved: moved.len() })
}

async fn append(
    app: &App,
    scope: Scope,
    authority: Authority,
    mode: BatchMode,
    read: Read,
) -> Result<Json<Receipt>, Problem> {
    let Read { events, refused, left_out, moved, .. } = read;
    let mut receipt = Receipt::of(mode, refused, left_out, moved);
    metrics::counter!("openhub_events_refused_total").increment(receipt.refused.len() as u64);
    if !events.is_empty() {
        within_quota(app, &scope, events.len() as i64).await?;
        admit(app, &scope, authority, events.len()).await?;
        let appended = app.store.append(&scope, events).await?;
        metrics::counter!("openhub_events_accepted_total").increment(appended.accepted as u64);
        metrics::counter!("openhub_events_duplicate_total").increment(appended.duplicates as u64);
        // A page could else find out what was said under which id.
        if mode != BatchMode::Live {
            receipt.duplicates = appended.duplicates;
        }
        receipt.position = Some(appended.position).filter(|position| mode != BatchMode::Live && *position > 0);
        receipt.after = receipt.position.map(|position| cursor::write(cursor::EVENTS, &position));
    }
    Ok(Json(receipt))
}

/// Waits its turn while the tenant's log is far ahead of the engine; refused if it is too far ahead.
pub(crate) async fn admit(app: &App, scope: &Scope, authority: Authority, events: usize) -> Result<(), Problem> {
    match app.engine.admit(scope, authority, events).await? {
        Admission::After(wait) => {
            if !wait.is_zero() {
                metrics::histogram!("openhub_ingest_slowed_seconds").record(wait);
                tokio::time::sleep(wait).await;
            }
            Ok(())
        }
        Admission::Refused(wait) => {
            metrics::counter!("openhub_requests_shed_total", "door" => "backlog").increment(1);
            let later = wait.as_secs_f64().ceil().max(1.0) as u32;
            Err(Problem::new(
                TOO_FAR_BEHIND,
                "Too many events of this tenant wait for the engine, so nothing was accepted. Send it again later.",
            )
            .retry_after(later))
        }
    }
}

pub(super) async fn delivery(
    app: &App,
    scope: Scope,
    authority: Authority,
    server_events: Vec<String>,
    mode: BatchMode,
) -> Result<Delivery, Problem> {
    let received_at = app.now();
    let page = authority == Authority::Browser;
    let latest = match page {
        true => app.engine.present(&scope, received_at).await?.min(received_at),
        false => received_at,
    };
    Ok(Delivery {
        tenant: scope.tenant(),
        received_at,
        latest,
        earliest: page.then(|| earliest_of_page(latest)),
        types: app.engine.types(&scope).await?,
        pages: if page { Some(app.engine.pages(&scope).await?) } else { None },
        server_events,
        sent_at: None,
        key: None,
        historical: mode == BatchMode::Historical,
        of_a_file: mode != BatchMode::Live && !page,
        authority,
        event_bytes: app.limits.event_bytes,
        policies: app.engine.policies(&scope).await?,
    })
}

/// Who sends events.
struct Sender {
    scope: Scope,
    authority: Authority,
    /// What it does not say, since a page's key can be read by anybody.
    server_events: Vec<String>,
    /// The key's id.
    key: String,
}

/// By the key of the headers, else the one in the body.
async fn sender(app: &App, keys: &KeyCache, access: WriteAccess, body: &str) -> Result<Sender, Problem> {
    let authorized = match access.authorized {
        Some(authorized) => authorized,
        None => {
            let key = key_in_body(body.as_bytes())?;
            authorize_write(app, keys, key.as_deref(), access.from).await?
        }
    };
    let is_page = authorized.authority == Authority::Browser;
    let nothing = PageSettings::default();
    let PageSettings { origins, server_events } = authorized.caller().pages().unwrap_or(&nothing);
    if let Some(origin) = access.origin.filter(|_| is_page && !origins.is_empty())
        && !origins.contains(&origin)
    {
        let detail =
            format!("Pages of `{origin}` may not send events to this tenant. Allowed: {}.", origins.join(", "));
        return Err(Problem::new(ORIGIN_NOT_ALLOWED, detail));
    }
    let server_events = if is_page { server_events.clone() } else { Vec::new() };
    Ok(Sender { scope: authorized.scope, authority: authorized.authority, server_events, key: authorized.id.clone() })
}

/// What is refused stands in the list of faults, too, for who looks after the key.
fn note(app: &App, scope: &Scope, key: &str, code: &str, pointer: &str, message_id: Option<&str>) {
    app.store.note_refused(
        scope,
        openhub_store::Refused { key, code, text: advice(code), pointer, message_id, at: app.now() },
    );
}

/// Values that do not have their declared type, and members that are misspelt, though their events were accepted: no library looks
/// at an answer that says so.
async fn note_values(
    app: &App,
    scope: &Scope,
    key: &str,
    left_out: &[Refused],
    message_id: Option<&str>,
) -> Result<(), Problem> {
    if left_out.iter().all(|left| ![WRONG_TYPE, MISSPELT].contains(&left.code.as_str())) {
        return Ok(());
    }
    let types = app.engine.types(scope).await?;
    for Refused { pointer, code, .. } in left_out {
        let name = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let (code, text) = match code.as_str() {
            WRONG_TYPE => {
                let declared = types.get(&name).map(|of| advice_for(*of));
                (LEFT_OUT_VALUE, declared.unwrap_or_else(|| advice(LEFT_OUT_VALUE)))
            }
            MISSPELT => (MISSPELT, advice(MISSPELT)),
            _ => continue,
        };
        app.store.note_refused(scope, openhub_store::Refused { key, code, text, pointer, message_id, at: app.now() });
    }
    Ok(())
}

/// History is a server's to tell: a page's key can be read by anybody.
fn may_import(mode: BatchMode, authority: Authority) -> Result<(), Problem> {
    if mode == BatchMode::Live || authority != Authority::Browser {
        return Ok(());
    }
    let detail =
        "To import history, use a key with the scope `identities:write`. Send events that happen now to `/v1/batch`.";
    Err(Problem::new(MISSING_SCOPE, detail))
}

/// A batch, whose events stay raw, so that one that is faulty does not sink the others.
struct Batch<'a> {
    events: Vec<&'a str>,
    sent_at: Option<&'a str>,
}

impl<'a> Batch<'a> {
    fn of(body: &'a str) -> Result<Batch<'a>, Problem> {
        #[derive(Deserialize)]
        struct Sent<'a> {
            #[serde(borrow)]
            batch: Vec<&'a RawValue>,
            #[serde(borrow, rename = "sentAt")]
            sent_at: Option<&'a RawValue>,
        }
        let error = match strict::from_slice::<Sent>(body.as_bytes()) {
            Ok(Sent { batch, sent_at }) => {
                let events = batch.into_iter().map(RawValue::get).collect();
                return Ok(Batch { events, sent_at: sent_at.map(RawValue::get) });
            }
            Err(error) => error,
        };
        // What is wrong may be one event's own.
        match split(body).filter(|(events, _)| error.is_syntax() && !events.is_empty()) {
            Some((events, sent_at)) => Ok(Batch { events, sent_at }),
            None => Err(not_a_batch(body, &error)),
        }
    }
}

/// Off the hot path: where and why a body is no batch.
fn not_a_batch(body: &str, error: &serde_json::Error) -> Problem {
    if error.is_syntax() || error.is_eof() {
        return Problem::new(INVALID_JSON, no_json(body, error));
    }
    if let Some(member) = ["batch", "sentAt"].iter().find(|name| error.to_string().contains(&format!("field `{name}`")))
        && error.to_string().starts_with("duplicate")
    {
        let message = format!("`{member}` is in the body twice, and only one of them could count: write it once.");
        return refuse(INVALID_BODY, Fault::new(format!("/{member}"), "repeated-field", message));
    }
    let pointer = match serde_json::from_str::<serde_json::Value>(body) {
        Ok(body) if !body.is_object() => {
            return refuse(
                INVALID_BODY,
                Fault::new("", "wrong-form", "This must be an object, with the events in `batch`."),
            );
        }
        Ok(body) if !body["batch"].is_array() => "/batch",
        Ok(body) if !body["sentAt"].is_null() && !body["sentAt"].is_string() => "/sentAt",
        _ => "",
    };
    let said = error.to_string();
    let message = form(said.split(" at line ").next().unwrap_or(&said));
    let of_body: BTreeMap<String, &RawValue> = serde_json::from_str(body).unwrap_or_default();
    let meant = if of_body.contains_key("batch") { None } else { nearest("batch", of_body.keys().map(String::as_str)) };
    let meant = meant.map(|name| format!(" Did you mean it by `{name}`?")).unwrap_or_default();
    refuse(INVALID_BODY, Fault::new(pointer, "wrong-form", format!("{message}{meant}")))
}

fn refuse(kind: crate::problem::Kind, fault: Fault) -> Problem {
    refuse_all(kind, vec![fault])
}

fn refuse_all(kind: crate::problem::Kind, faults: Vec<Fault>) -> Problem {
    metrics::counter!("openhub_events_refused_total").increment(1);
    Problem::faults(kind, faults)
}
