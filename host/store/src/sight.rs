//! What somebody sees who works without personal data, as an analyst does: ids, times, kinds and counts, and nothing that a customer is
//! or said. It is decided here, where rows are read, by the scope that every read asks for: a route that is added shows no more than the
//! reads that it makes. What has nothing left without personal data is refused.

use openhub_model::{Customer, Event, Identity, identity::Part};
use serde_json::{Map, Value, json};

use crate::error::StoreError;
use crate::history::timeline::{TimelineItem, TimelineKind};
use crate::scope::Scope;
use crate::state::faults::Faulted;
use crate::state::job_runs::JobRun;
use crate::state::messages::MessageRow;
use crate::state::plugin_logs::PluginLog;
use crate::state::webhook_attempts::{Attempt, Delivery};

/// Stands where something is not shown.
pub const MASKED: &str = "(masked)";

impl Scope {
    /// For what would show nothing but personal data.
    pub(crate) fn sees_people(&self) -> Result<(), StoreError> {
        if self.is_masked() { Err(StoreError::Masked) } else { Ok(()) }
    }

    fn veil<T>(&self, whole: T, masked: impl FnOnce(T) -> T) -> T {
        if self.is_masked() { masked(whole) } else { whole }
    }

    pub(crate) fn identity(&self, identity: Identity) -> Identity {
        self.veil(identity, |identity| Identity::new(identity.kind, MASKED))
    }

    pub(crate) fn part(&self, part: Part) -> Part {
        self.veil(part, |part| Part { identity: self.identity(part.identity), state: None, ..part })
    }

    /// Names of attributes, tags and purposes stay: people set those up. Values do not, but whether a consent was given.
    pub(crate) fn customer(&self, customer: Customer) -> Customer {
        self.veil(customer, |mut customer| {
            customer.identity = self.identity(customer.identity);
            for (_, held) in customer.attributes.iter_mut().filter(|(_, held)| !held.value.is_null()) {
                held.value = json!(MASKED);
            }
            for (_, held) in customer.consents.iter_mut().filter(|(_, held)| !held.value.is_null()) {
                held.value = json!({"state": held.value["state"]});
            }
            customer
        })
    }

    /// That it happened, and not what it says.
    pub(crate) fn event(&self, event: Event) -> Event {
        self.veil(event, |event| Event { body: "null".to_owned(), ..event })
    }

    pub(crate) fn message(&self, row: MessageRow) -> MessageRow {
        self.veil(row, |mut row| {
            row.message.address = MASKED.to_owned();
            row.message.content = "null".to_owned();
            for made in row.attempts_made.iter_mut().filter(|made| made.fault.is_some()) {
                made.fault = Some(MASKED.to_owned());
            }
            MessageRow { provider_id: None, fault: row.fault.map(|_| MASKED.to_owned()), ..row }
        })
    }

    pub(crate) fn item(&self, item: TimelineItem) -> TimelineItem {
        self.veil(item, |item| {
            let stays: &[&str] = match item.kind {
                TimelineKind::Event => &["type", "cause"],
                TimelineKind::Message => &["channel", "status", "journey", "next_attempt_at"],
                TimelineKind::Run => &["journey", "version", "node", "status", "served_by", "reason"],
                TimelineKind::Object => &["kind", "version"],
                TimelineKind::Consent => &["consents"],
                TimelineKind::SetAside => &["type"],
                TimelineKind::Fault => &["kind", "code", "status"],
            };
            let TimelineItem { mut detail, mut id, .. } = item;
            if let Some(detail) = detail.as_object_mut() {
                detail.retain(|name, _| stays.contains(&name.as_str()));
            }
            if let Some(consents) = detail["consents"].as_object() {
                let states: Map<String, Value> =
                    consents.iter().map(|(purpose, said)| (purpose.clone(), json!({"state": said["state"]}))).collect();
                detail["consents"] = states.into();
            }
            if item.kind == TimelineKind::Object {
                id = MASKED.to_owned();
            }
            TimelineItem { detail, id, ..item }
        })
    }

    /// Texts of faults quote what was wrong.
    pub(crate) fn faulted(&self, mut fault: Faulted) -> Faulted {
        if self.is_masked() {
            fault.fault.text = MASKED.to_owned();
        }
        fault
    }

    pub(crate) fn log(&self, line: PluginLog) -> PluginLog {
        self.veil(line, |line| PluginLog { message: MASKED.to_owned(), fields: "{}".to_owned(), ..line })
    }

    pub(crate) fn job_run(&self, run: JobRun) -> JobRun {
        self.veil(run, |run| JobRun { note: run.note.map(|_| MASKED.to_owned()), lines: Vec::new(), ..run })
    }

    pub(crate) fn delivery(&self, delivery: Delivery) -> Delivery {
        self.veil(delivery, |delivery| Delivery { error: delivery.error.map(|_| MASKED.to_owned()), ..delivery })
    }

    /// What a receiver answers, it may have from the event.
    pub(crate) fn attempt(&self, attempt: Attempt) -> Attempt {
        let masked = |text: Option<String>| text.map(|_| MASKED.to_owned());
        self.veil(attempt, |attempt| Attempt {
            error: masked(attempt.error),
            answer: masked(attempt.answer),
            ..attempt
        })
    }
}
