//! `GET /api/v1/customers/{id}/data`: everything that is held of a customer, for who asks for it.

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_engine::{Asked, ExportOf, keepers, why};
use openhub_model::identity::Part;
use openhub_model::{Id, PartId, Timestamp};
use openhub_runtime::{ExportedPage, Unanswered};
use openhub_store::{EventFilter, FaultCursor, FaultFilter, Faulted, KvOf, MessageFilter, ObjectKey, RunFilter, Scope};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, Exports};
use crate::auth::{Authorized, PrivacyRead};
use crate::export::{PAGE, Page, Style, Table, respond};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::people::person;
use crate::problem::Problem;
use crate::views::{CustomerView, EventView, ListedFaultView, MessageView, ObjectView};

/// Entries of plugins on a page: each may be large.
const KEPT: usize = 20;
/// Pages of one plugin: one that never ends is at fault.
const PAGES: usize = 10_000;
/// A plugin that cannot answer now is asked so often, and so far apart.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// The place that the next page is read from, and how far it has come in it.
enum Place {
    Customer,
    Identities,
    Standing,
    Events(Option<i64>),
    Runs(Option<Id>),
    Messages(Option<Id>),
    Objects(Option<ObjectKey>),
    /// Behind the entry of this plugin and key.
    Kept(Option<(String, String)>),
    Faults(Option<FaultCursor>),
    Plugins(Box<Plugins>),
}

/// The plugins that keep something elsewhere, one after the other.
struct Plugins {
    /// Names the answer to them.
    request: String,
    /// Those that are still to be asked, the next one last.
    left: Vec<String>,
    /// How far the next one has come, and how many pages it has given.
    after: Option<String>,
    pages: usize,
}

/// Everything that is held of one customer, with all of its identities: a JSON object a line, `{"kind": …, "data": …}`.
///
/// Kinds: `profile`, `attribute` and `tag` with who set them, `consent`, `identity` (with the state of its own, if it was
/// joined), `claim`, `match`, `membership`, `entry` (how often a journey was entered), `set-aside`, `event` with its body,
/// `run`, `message`, `object`, `kept` (what plugins keep of their own about the customer), `fault` (what did not go through of its events, runs and messages), `elsewhere`
/// (what a plugin keeps outside of the hub), `not-told` (a plugin that keeps something and did not answer, with the reason: ask again
/// later). What an attribute was before stands in the events that set it.
#[utoipa::path(get, path = "/api/v1/customers/{id}/data", tag = "privacy",
    params(("id" = String, Path, description = "The customer's id.")),
    security(("api_key" = ["privacy:read"])),
    responses((status = 200, description = "JSON lines, as a stream.",
        content((String = "application/x-ndjson"))), Problems))]
pub(crate) async fn customer_data(
    State(app): State<Arc<App>>,
    State(exports): State<Exports>,
    access: Authorized<PrivacyRead>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let place = exports.begin(access.tenant())?;
    let (scope, id) = (access.scope, id_in_path(&id, "customer")?);
    let table = Table { style: Style::LINES, columns: None };
    respond(table, "customer", place, move |place| page(Arc::clone(&app), scope, id, place.unwrap_or(Place::Customer)))
        .await
}

async fn page(app: Arc<App>, scope: Scope, id: PartId, place: Place) -> Result<Page<Place>, Problem> {
    let store = &app.store;
    match place {
        Place::Customer => Ok(Page { rows: profile(&app, &scope, id).await?, next: Some(Place::Identities) }),
        Place::Identities => Ok(Page { rows: identities(&app, &scope, id).await?, next: Some(Place::Standing) }),
        Place::Standing => Ok(Page { rows: standing(&app, &scope, id).await?, next: Some(Place::Events(None)) }),
        Place::Events(after) => {
            let filter = EventFilter { part: Some(id), after, limit: PAGE, ..EventFilter::default() };
            let events = store.events(&scope, &filter).await?;
            let last = events.last().filter(|_| events.len() == PAGE).map(|event| event.position);
            let next = last.map_or(Place::Runs(None), |last| Place::Events(Some(last)));
            let rows = events.into_iter().map(|event| line("event", EventView::from(event)));
            Ok(Page { rows: rows.collect(), next: Some(next) })
        }
        Place::Runs(after) => {
            let filter = RunFilter { part: Some(id), after, limit: PAGE, ..RunFilter::default() };
            let runs = store.runs(&scope, &filter).await?;
            let last = runs.last().filter(|_| runs.len() == PAGE).map(|run| run.id);
            let next = last.map_or(Place::Messages(None), |last| Place::Runs(Some(last)));
            let rows = runs.into_iter().map(|run| {
                let state: Value = serde_json::from_str(&run.state).unwrap_or_default();
                line("run", json!({
                    "id": run.id, "part": run.part, "journey": run.journey, "version": run.version, "node": run.node,
                    "step": run.step, "status": run.status, "awaits": run.awaits, "due": run.due, "state": state,
                    "started_at": run.started_at, "ended_at": run.ended_at, "fault": run.fault,
                    "served_by": run.served_by, "reason": run.told.reason, "updates": run.told.updates,
                }))
            });
            Ok(Page { rows: rows.collect(), next: Some(next) })
        }
        Place::Messages(after) => {
            let filter = MessageFilter { part: Some(id), after, limit: PAGE, ..MessageFilter::default() };
            let messages = store.messages(&scope, &filter).await?;
            let last = messages.last().filter(|_| messages.len() == PAGE).map(|row| row.message.id);
            let next = last.map_or(Place::Objects(None), |last| Place::Messages(Some(last)));
            let rows = messages.into_iter().map(|message| line("message", MessageView::from(message)));
            Ok(Page { rows: rows.collect(), next: Some(next) })
        }
        Place::Objects(after) => {
            let objects = store.objects_of(&scope, id, after.as_ref(), PAGE).await?;
            let last = objects.last().filter(|_| objects.len() == PAGE);
            let last = last.map(|last| ObjectKey::new(&last.kind, &last.key));
            let next = last.map_or(Place::Kept(None), |last| Place::Objects(Some(last)));
            let mut former = store.former_fields(&scope, &objects).await?;
            let rows = objects.into_iter().map(|object| {
                let left_out = former.remove(&ObjectKey::new(&object.kind, &object.key));
                let mut told = json!(ObjectView::from(object));
                // What a rollback would bring back is held, too.
                if let Some(left_out) = left_out {
                    told["left_out"] = json!(left_out);
                }
                line("object", told)
            });
            Ok(Page { rows: rows.collect(), next: Some(next) })
        }
        Place::Kept(after) => {
            let entries = store.kv_of(&scope, id, after.as_ref(), KEPT).await?;
            let last = entries.last().filter(|_| entries.len() == KEPT);
            let last = last.map(|last| (last.plugin.clone(), last.key.clone()));
            let next = last.map_or(Place::Faults(None), |last| Place::Kept(Some(last)));
            Ok(Page { rows: entries.into_iter().map(kept).collect(), next: Some(next) })
        }
        Place::Faults(before) => {
            let filter = FaultFilter { part: Some(id), before, limit: PAGE, ..FaultFilter::default() };
            let faults = store.faults(&scope, &filter).await?;
            let last = faults.last().filter(|_| faults.len() == PAGE).map(Faulted::cursor);
            let next = match last {
                Some(last) => Some(Place::Faults(Some(last))),
                None => plugins(&app, &scope).await?.map(|plugins| Place::Plugins(Box::new(plugins))),
            };
            let rows = faults.into_iter().map(|fault| line("fault", ListedFaultView::from(fault)));
            Ok(Page { rows: rows.collect(), next })
        }
        Place::Plugins(plugins) => elsewhere(&app, &scope, id, *plugins).await,
    }
}

/// None if no plugin keeps anything.
async fn plugins(app: &App, scope: &Scope) -> Result<Option<Plugins>, Problem> {
    let installed = app.store.plugins(scope).await?;
    let mut left: Vec<String> = keepers(&installed).map(|(plugin, _)| plugin.name.clone()).collect();
    left.reverse();
    Ok((!left.is_empty()).then(|| {
        let request = Id::at(app.now(), &[&(app.random)()]).to_string();
        Plugins { request, left, after: None, pages: 0 }
    }))
}

/// A page of what the next plugin keeps. One that does not answer is named, and leaves the others.
async fn elsewhere(app: &App, scope: &Scope, id: PartId, mut plugins: Plugins) -> Result<Page<Place>, Problem> {
    let Some(plugin) = plugins.left.pop() else { return Ok(Page { rows: Vec::new(), next: None }) };
    let parts = app.store.parts_around(scope, &[id]).await?;
    let of = ExportOf { plugin: &plugin, request: &plugins.request, after: plugins.after.take() };
    let mut rows = Vec::new();
    match asked(app, scope, &parts, of).await? {
        Ok(page) if plugins.pages < PAGES => {
            rows.extend(page.items.into_iter().map(|item| line("elsewhere", json!({"plugin": plugin, "item": item}))));
            if page.next.is_some() {
                plugins.after = page.next;
                plugins.pages += 1;
                plugins.left.push(plugin);
            }
        }
        Ok(_) => rows.push(line("not-told", json!({"plugin": plugin, "code": "too-many-pages"}))),
        Err(code) => rows.push(line("not-told", json!({"plugin": plugin, "code": code}))),
    }
    if plugins.after.is_none() {
        plugins.pages = 0;
    }
    let next = (!plugins.left.is_empty()).then(|| Place::Plugins(Box::new(plugins)));
    Ok(Page { rows, next })
}

/// A page, or the code of why there is none. Who cannot answer now is asked again.
async fn asked(
    app: &App,
    scope: &Scope,
    parts: &[Part],
    of: ExportOf<'_>,
) -> Result<Result<ExportedPage, String>, Problem> {
    let mut attempt = 1;
    loop {
        let answered = match app.engine.export_of(scope, parts, of.clone()).await? {
            Asked::Nobody => return Ok(Err("not-enabled".to_owned())),
            Asked::Busy => None,
            Asked::Answered(answered) => Some(*answered),
        };
        match answered {
            Some(Ok(page)) => return Ok(Ok(page)),
            None | Some(Err(Unanswered::Retry { .. })) if attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            None => return Ok(Err("busy".to_owned())),
            Some(Err(unanswered)) => {
                let (code, message, _) = why(&unanswered);
                tracing::warn!(plugin = of.plugin, code, message, "A plugin did not say what it keeps of a customer.");
                return Ok(Err(code.to_owned()));
            }
        }
    }
}

/// The profile as a whole, and each value of it, those too that were taken away.
async fn profile(app: &App, scope: &Scope, id: PartId) -> Result<Vec<Value>, Problem> {
    let person = person(app, scope, id).await?;
    let customer = &person.customer;
    let mut rows = Vec::new();
    for (kind, values) in
        [("attribute", &customer.attributes), ("tag", &customer.tags), ("consent", &customer.consents)]
    {
        rows.extend(values.iter().map(|(name, held)| {
            let cause = &held.cause;
            let at = Some(cause.at).filter(|at| *at != Timestamp::FIRST);
            let set = json!({"at": at, "event": cause.event, "plugin": cause.plugin, "rule": cause.rule});
            line(kind, json!({"name": name, "value": held.value, "cause": set}))
        }));
    }
    rows.insert(0, line("profile", CustomerView::new(person)));
    Ok(rows)
}

/// The parts and what they claimed, and what was proposed of them.
async fn identities(app: &App, scope: &Scope, id: PartId) -> Result<Vec<Value>, Problem> {
    let mut parts = app.store.parts_around(scope, &[id]).await?;
    parts.sort_by_key(|part| part.age);
    let ids: Vec<PartId> = parts.iter().map(Part::id).collect();
    let mut rows: Vec<Value> = parts.iter().map(identity).collect();
    rows.extend(app.store.claims_by_part(scope, &ids).await?.into_iter().map(|claim| {
        use openhub_store::ClaimStatus::*;
        let (status, reason) = match claim.status {
            Joined => ("joined", None),
            Refused(why) => ("refused", Some(why.name())),
            Undone => ("undone", None),
        };
        line(
            "claim",
            json!({
                "part": claim.part, "identity": claim.identity, "status": status, "reason": reason,
                "position": claim.position, "source": claim.source,
            }),
        )
    }));
    rows.extend(app.store.matches_of(scope, &parts).await?.into_iter().map(|found| {
        let proposal = found.proposal;
        line(
            "match",
            json!({
                "id": proposal.id, "part": proposal.part, "identity": proposal.identity, "score": proposal.score,
                "reason": proposal.reason, "source": proposal.source, "proposed_at": proposal.proposed_at,
                "status": found.status, "decided_at": found.decided_at,
            }),
        )
    }));
    Ok(rows)
}

fn identity(part: &Part) -> Value {
    let values = |values: &openhub_model::Values| -> Value {
        values.iter().map(|(name, held)| (name.clone(), held.value.clone())).collect()
    };
    let state = part.state.as_ref().map(|state| {
        json!({
            "attributes": values(&state.attributes), "tags": values(&state.tags), "consents": values(&state.consents),
            "first_seen_at": state.first_seen_at, "last_seen_at": state.last_seen_at,
        })
    });
    line(
        "identity",
        json!({
            "part": part.id(), "identity": part.identity, "since": part.age.position, "source": part.source, "state": state,
        }),
    )
}

async fn standing(app: &App, scope: &Scope, id: PartId) -> Result<Vec<Value>, Problem> {
    let parts = app.store.parts_around(scope, &[id]).await?;
    let ids: Vec<PartId> = parts.iter().map(Part::id).collect();
    let mut rows = Vec::new();
    rows.extend(
        app.store
            .memberships(scope, &ids)
            .await?
            .into_iter()
            .map(|membership| line("membership", json!({"segment": membership.segment, "since": membership.since}))),
    );
    rows.extend(app.store.entries_of(scope, &ids).await?.into_iter().map(|entry| {
        line(
            "entry",
            json!({
                "journey": entry.journey, "part": entry.part, "runs": entry.runs, "active": entry.active,
                "last_entered_at": entry.last_entered_at,
            }),
        )
    }));
    rows.extend(app.store.set_aside_of(scope, id).await?.into_iter().map(|(event, aside)| {
        line("set-aside", json!({"event": EventView::from(event), "fault": aside.fault, "at": aside.at}))
    }));
    rows.extend(app.store.plugin_recordings_of(scope, &ids).await?.into_iter().map(|(plugin, recording)| {
        let call: Value = serde_json::from_str(&recording).unwrap_or_default();
        line("recorded", json!({"plugin": plugin, "call": call}))
    }));
    rows.extend(app.store.shadow_rows_of(scope, &ids).await?.into_iter().map(|row| {
        let differs: Value = serde_json::from_str(&row.differs).unwrap_or_default();
        line(
            "shadow",
            json!({"plugin": row.plugin, "rule": row.rule, "message_id": row.message_id, "differs": differs}),
        )
    }));
    Ok(rows)
}

/// Its value as text, or in base64 if it is none.
fn kept(entry: KvOf) -> Value {
    let KvOf { plugin, key, value } = entry;
    match String::from_utf8(value) {
        Ok(value) => line("kept", json!({"plugin": plugin, "key": key, "value": value})),
        Err(bytes) => {
            let value = STANDARD.encode(bytes.as_bytes());
            line("kept", json!({"plugin": plugin, "key": key, "base64": value}))
        }
    }
}

fn line(kind: &str, data: impl Serialize) -> Value {
    json!({"kind": kind, "data": data})
}

#[cfg(test)]
mod tests {
    use openhub_store::tables::{Holds, TABLES};

    /// The lines in which the rows of each table are told that holds customers.
    const TOLD: &[(&str, &str)] = &[
        ("active_customers", "event: the last month in which there was one"),
        ("claims", "claim"),
        ("customer_events", "event"),
        ("customers", "profile, attribute, tag, consent"),
        ("entries", "entry"),
        ("faults", "fault"),
        ("matches", "match"),
        ("memberships", "membership"),
        ("messages", "message"),
        ("objects", "object"),
        ("parts", "identity"),
        ("plugin_kv", "kept"),
        ("plugin_recordings", "recorded"),
        ("plugin_shadow_rows", "shadow"),
        ("runs", "run"),
        ("set_aside", "set-aside"),
        ("timers", "run, with when it is due"),
        ("wakes", "membership: when one is looked at again follows from it and the events"),
        ("webhook_deliveries", "event: where it was sent is no matter of the customer"),
    ];

    #[test]
    fn every_table_that_holds_customers_is_told() {
        let hold = TABLES.iter().filter(|table| matches!(table.holds, Holds::Customer(_)));
        let told = TOLD.iter().map(|(table, _)| *table);
        assert_eq!(told.collect::<Vec<_>>(), hold.map(|table| table.name).collect::<Vec<_>>());
    }
}
