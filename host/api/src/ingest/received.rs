//! What a plugin's source yields, on its way into the log by the same door as everybody's events.

use openhub_engine::event_id;
use openhub_model::event::MESSAGE_REPORTED;
use openhub_model::fault::own_words;
use openhub_model::identity::Authority;
use openhub_model::{EventKind, Fault, Id, Identity, NewEvent, Timestamp};
use openhub_runtime::{Reason, Received, Report, SourceEvent};
use openhub_store::{MessageRow, Scope};
use serde_json::{Value, json};

use super::accept::{admit, delivery};
use super::advice::advice;
use super::check::Taken;
use crate::app::App;
use crate::problem::{HOOK_REFUSED, PLUGIN_FAILED, Problem};
use crate::suppression::faults_of;

/// Where a request came in.
#[derive(Clone, Copy)]
pub(crate) struct Hook<'a> {
    pub plugin: &'a str,
    /// Or its endpoint.
    pub source: &'a str,
    /// The channels of the plugin: it reports on what they sent.
    pub channels: &'a [&'a str],
}

/// Commits all of it, or nothing. Only who verified a signature is a source to believe as a server is, and reports on messages.
pub(crate) async fn accept_received(
    app: &App,
    scope: Scope,
    hook: Hook<'_>,
    received: &Received,
) -> Result<(), Problem> {
    let authority = if received.verified { Authority::Server } else { Authority::Browser };
    if !received.verified && !received.reports.is_empty() {
        return Err(faulty(app, &scope, hook, "unverified-report", "", None));
    }
    let mut events = Vec::with_capacity(received.events.len() + received.reports.len());
    if !received.events.is_empty() {
        let left_to_servers = match authority {
            Authority::Browser => app.store.settings(&scope).await?.pages.server_events,
            _ => Vec::new(),
        };
        let mut delivery = delivery(app, scope, authority, left_to_servers, super::BatchMode::Live).await?;
        // Its own events are its to say, which no page may: a call records nothing but events.
        delivery.pages = None;
        for (index, event) in received.events.iter().enumerate() {
            let id = || event_id(hook.plugin, &event.id);
            let raw = body((hook.plugin, hook.source), event).to_string();
            match delivery.read(&raw, Some(EventKind::Track), &format!("/events/{index}"), id) {
                Ok(Taken { event, .. }) => events.push(event),
                Err(faults) => return Err(unfit(app, &scope, hook, faults, Some(&event.id))),
            }
        }
        // Nobody can mend them: whoever is suppressed stays out, and the others come in.
        for (place, fault) in faults_of(app, &scope, &events).await?.into_iter().rev() {
            note(app, &scope, hook, &fault.code, "", None);
            events.remove(place);
        }
    }
    events.extend(reported(app, &scope, hook, &received.reports).await?);
    if !events.is_empty() {
        admit(app, &scope, authority, events.len()).await?;
        let appended = app.store.append(&scope, events).await?;
        metrics::counter!("openhub_events_accepted_total").increment(appended.accepted as u64);
        metrics::counter!("openhub_events_duplicate_total").increment(appended.duplicates as u64);
    }
    Ok(())
}

/// What was refused or failed stands in the list of faults, by its source or endpoint.
fn note(app: &App, scope: &Scope, hook: Hook<'_>, code: &str, pointer: &str, message_id: Option<&str>) {
    note_as(app, scope, hook, code, advice(code), pointer, message_id);
}

/// The plugin itself refused a request, by a code and in words of its own.
pub(crate) fn note_refused(app: &App, scope: &Scope, hook: Hook<'_>, reason: &Reason) {
    let text = saying("The plugin's source refused the request", reason);
    note_as(app, scope, hook, &reason.code, &text, "", None);
}

/// The source did not believe its caller. It may be a stranger, or a secret that was changed at one end.
pub(crate) fn note_turned_away(app: &App, scope: &Scope, hook: Hook<'_>, received: &Received) {
    if [401, 403].contains(&received.answer.status) {
        note(app, scope, hook, "turned-away", "", None);
    }
}

/// The plugin waits for its admin, and says what for.
pub(crate) fn note_misconfigured(app: &App, scope: &Scope, hook: Hook<'_>, reason: &Reason) {
    let what = "An admin must act: the plugin's source or endpoint is not set up, and takes nothing until it is";
    note_as(app, scope, hook, &reason.code, &saying(what, reason), "", None);
}

fn saying(what: &str, reason: &Reason) -> String {
    match own_words(&reason.message) {
        words if words.is_empty() => format!("{what}."),
        words => format!("{what}: {words}"),
    }
}

/// What a sender wrote, and the plugin passed on, can not be stored.
pub(crate) fn unfit(app: &App, scope: &Scope, hook: Hook<'_>, faults: Vec<Fault>, id: Option<&str>) -> Problem {
    for fault in &faults {
        note(app, scope, hook, &fault.code, &fault.pointer, id);
    }
    let first = faults.first().map_or("", |fault| fault.message.as_str());
    let detail = format!(
        "The plugin `{}` made of this request what the hub cannot store, so nothing was accepted: {first} Sending it again does not help.",
        hook.plugin
    );
    Problem::new(HOOK_REFUSED, detail).with_faults(faults)
}

/// The call failed: `code` is the kind of its fault.
pub(crate) fn note_failed(app: &App, scope: &Scope, hook: Hook<'_>, code: &str) {
    note(app, scope, hook, code, "", None);
}

fn note_as(app: &App, scope: &Scope, hook: Hook<'_>, code: &str, text: &str, pointer: &str, message_id: Option<&str>) {
    let key = format!("{}/{}", hook.plugin, hook.source);
    app.store.note_refused(scope, openhub_store::Refused { key: &key, code, text, pointer, message_id, at: app.now() });
}

fn faulty(app: &App, scope: &Scope, hook: Hook<'_>, code: &str, pointer: &str, id: Option<&str>) -> Problem {
    note(app, scope, hook, code, pointer, id);
    Problem::new(
        PLUGIN_FAILED,
        "The plugin's answer cannot be used, so nothing was accepted. The list of faults says why.",
    )
}

/// As a library would send it. Whose it is says its user id, else its anonymous id, else whatever else it has.
pub(super) fn body((plugin, by): (&str, &str), event: &SourceEvent) -> Value {
    let named = |kind: &str| event.identities.iter().find(|identity| identity.kind == kind);
    let mut body = json!({
        "type": "track", "event": event.name, "properties": event.properties,
        "context": {"source": {"plugin": plugin, "name": by, "id": event.id}},
    });
    if let Some(at) = event.occurred_at {
        body["timestamp"] = at.to_string().into();
    }
    match (named(Identity::USER_ID), named(Identity::ANONYMOUS_ID), event.identities.first()) {
        (Some(user), anonymous, _) => {
            body["userId"] = user.value.as_str().into();
            if let Some(anonymous) = anonymous {
                body["anonymousId"] = anonymous.value.as_str().into();
            }
        }
        (None, Some(anonymous), _) => body["anonymousId"] = anonymous.value.as_str().into(),
        (None, None, Some(first)) => {
            let Identity { kind, value } = first;
            body["anonymousId"] = Id::named(&[b"identity", kind.as_bytes(), value.as_bytes()]).to_string().into();
        }
        (None, None, None) => {}
    }
    let others = event.identities.iter();
    let others = others.filter(|identity| ![Identity::USER_ID, Identity::ANONYMOUS_ID].contains(&&*identity.kind));
    let others: Vec<Value> = others.map(|Identity { kind, value }| json!({"kind": kind, "value": value})).collect();
    body["identities"] = others.into();
    body
}

/// A report is an event of who was to get the message. Nothing of messages that are gone, or of another's.
async fn reported(app: &App, scope: &Scope, hook: Hook<'_>, reports: &[Report]) -> Result<Vec<NewEvent>, Problem> {
    if reports.is_empty() || hook.channels.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = reports.iter().map(|report| report.provider_id.as_str()).collect();
    let messages = app.store.messages_by_provider_ids(scope, hook.channels, &ids).await?;
    let received_at = app.now();
    let latest = app.engine.present(scope, received_at).await?;
    let event = |report: &Report| {
        let row = messages.get(&report.provider_id)?;
        Some(of_report(row, report, received_at, latest))
    };
    Ok(reports.iter().filter_map(event).collect())
}

fn of_report(row: &MessageRow, report: &Report, received_at: Timestamp, latest: Timestamp) -> NewEvent {
    let message = &row.message;
    let at = report.at.map(|at| at.micros().to_le_bytes().to_vec()).unwrap_or_default();
    let id = Id::named(&[b"report", message.id.as_bytes(), report.status.as_bytes(), &at]);
    let mut properties = json!({
        "message": message.id, "status": report.status, "channel": message.channel,
        "journey": message.journey, "node": message.node,
    });
    if let Some(reason) = &report.reason {
        properties["reason"] = json!({"code": reason.code, "message": reason.message});
    }
    NewEvent {
        message_id: format!("openhub:report:{id}"),
        kind: EventKind::Track,
        name: MESSAGE_REPORTED.to_owned(),
        part: Some(message.part),
        occurred_at: report.at.unwrap_or(latest).min(latest),
        received_at,
        historical: false,
        authority: Authority::Operator,
        cause: Some(message.id.to_string()),
        body: json!({"event": MESSAGE_REPORTED, "properties": properties}).to_string(),
    }
}
