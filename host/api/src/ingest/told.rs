//! What a plugin says by itself, on its way into the log by the same door as everybody's events.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use openhub_engine::{Door, Named, Teller, Turned};
use openhub_model::identity::Authority;
use openhub_model::{Event, EventKind, Fault, Principal};
use openhub_runtime::{Customers, Objects};
use openhub_store::{Refused, Scope};

use super::accept::{admit, delivery};
use super::advice::advice;
use super::check::Taken;
use super::received::body;
use crate::app::App;
use crate::problem::Problem;
use crate::records::Records;
use crate::suppression::faults_of;
use crate::views::EventView;

/// Where a plugin is told to wait and not for how long.
const LATER_MS: u32 = 1_000;

type Answers = Vec<Result<(), Fault>>;

impl Door for App {
    fn take<'a>(
        &'a self,
        scope: Scope,
        teller: Teller<'a>,
        events: Vec<Named>,
    ) -> BoxFuture<'a, Result<Answers, Turned>> {
        take(self, scope, teller, events).map(|taken| taken.map_err(turned)).boxed()
    }

    fn show(&self, event: Event) -> String {
        serde_json::to_string(&EventView::from(event)).unwrap_or_else(|_| "null".to_owned())
    }

    fn records(&self, scope: Scope, plugin: Principal) -> (Arc<dyn Customers>, Arc<dyn Objects>) {
        let records = Arc::new(Records::of(self, scope, plugin));
        (records.clone(), records)
    }
}

fn turned(problem: Problem) -> Turned {
    let after_ms = problem.waits().map_or(LATER_MS, |seconds| seconds.saturating_mul(1_000));
    Turned { code: problem.code().to_owned(), after_ms }
}

fn unsaid() -> Fault {
    Fault::new("", "invalid-event", "The event is refused.")
}

/// Those that can be taken, in one commit.
async fn take(app: &App, scope: Scope, teller: Teller<'_>, events: Vec<Named>) -> Result<Answers, Problem> {
    let Teller { plugin, by, authority } = teller;
    let left_to_servers = match authority {
        Authority::Browser => app.store.settings(&scope).await?.pages.server_events,
        _ => Vec::new(),
    };
    let mut delivery = delivery(app, scope, authority, left_to_servers, super::BatchMode::Live).await?;
    // Its own events are its to say, which no page may: they record nothing but events.
    delivery.pages = None;
    let mut answers = Vec::with_capacity(events.len());
    let (mut taken, mut places) = (Vec::new(), Vec::new());
    for (place, Named { message_id, event }) in events.into_iter().enumerate() {
        let raw = body((plugin, by), &event).to_string();
        let read = delivery.read(&raw, Some(EventKind::Track), "", || message_id);
        let read = read.map(|Taken { event, .. }| {
            taken.push(event);
            places.push(place);
        });
        // A plugin is answered one fault an event.
        answers.push(read.map_err(|faults| faults.into_iter().next().unwrap_or_else(unsaid)));
    }
    for (index, fault) in faults_of(app, &scope, &taken).await?.into_iter().rev() {
        taken.remove(index);
        answers[places.remove(index)] = Err(fault);
    }
    if !taken.is_empty() {
        admit(app, &scope, authority, taken.len()).await?;
        let appended = app.store.append(&scope, taken).await?;
        metrics::counter!("openhub_events_accepted_total").increment(appended.accepted as u64);
        metrics::counter!("openhub_events_duplicate_total").increment(appended.duplicates as u64);
    }
    let key = format!("{plugin}/{by}");
    for fault in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        let Fault { pointer, code, .. } = fault;
        let refused = Refused { key: &key, code, text: advice(code), pointer, message_id: None, at: app.now() };
        app.store.note_refused(&scope, refused);
    }
    Ok(answers)
}
