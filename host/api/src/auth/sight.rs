//! What a key may see of a list in which things of several kinds stand side by side. A scope means one thing wherever that
//! is read: what has a scope of its own is left out for a key that lacks it.

use openhub_engine::ERASED;
use openhub_model::{Condition, Event, webhook};
use openhub_store::{TimelineItem, TimelineKind};

use super::authorized::Authorized;
use super::permission::{
    CustomersRead, CustomersWrite, EVERYTHING, FaultsRead, JourneysWrite, MessagesRead, MessagesTransactional,
    ObjectsRead, PluginsWrite, PrivacyWrite, SegmentsWrite, SettingsWrite,
};
use crate::problem::Problem;

/// Whether the key may see an item of a customer's timeline.
pub(crate) fn sees_item<P>(access: &Authorized<P>, item: &TimelineItem) -> bool {
    match item.kind {
        TimelineKind::Message => access.may::<MessagesRead>(),
        TimelineKind::Object => access.may::<ObjectsRead>(),
        TimelineKind::Fault => access.may::<FaultsRead>(),
        TimelineKind::Event | TimelineKind::SetAside if item.detail["type"] == "object" => access.may::<ObjectsRead>(),
        // An event that was to record one, and may not, recorded none.
        TimelineKind::Consent => item.detail["consents"].as_object().is_none_or(|consents| !consents.is_empty()),
        TimelineKind::Event | TimelineKind::SetAside | TimelineKind::Run => true,
    }
}

/// An item that is listed in any case, without what the key may not see of it.
pub(crate) fn show_item<P>(access: &Authorized<P>, mut item: TimelineItem) -> TimelineItem {
    if !sees_item(access, &item)
        && let Some(detail) = item.detail.as_object_mut()
    {
        for content in ["content", "fields", "body"] {
            detail.shift_remove(content);
        }
    }
    item
}

/// An event at its place in the log, without what it says if the key may not see that.
pub(crate) fn show_event<P>(access: &Authorized<P>, event: Event) -> Event {
    if sees_event(access, &event) { event } else { Event { body: "null".to_owned(), ..event } }
}

fn sees_event<P>(access: &Authorized<P>, event: &Event) -> bool {
    webhook::needs(event.kind, &event.name).is_none_or(|scope| has(access, scope))
}

/// What the key may see of events beyond their places: a webhook that it sets up gets no more.
pub(crate) fn sights<P>(access: &Authorized<P>) -> Vec<String> {
    webhook::NEEDED.iter().filter(|scope| has(access, scope)).map(|scope| (*scope).to_owned()).collect()
}

fn has<P>(access: &Authorized<P>, scope: &str) -> bool {
    access.scopes().iter().any(|own| own == scope || own == EVERYTHING)
}

/// Whether the key may learn the answer to a condition, be it as a number alone: who asks about customers, objects and messages
/// reads them. Which segments a customer is in is a fact of the customer, whatever their conditions ask.
pub(crate) fn may_ask<P>(access: &Authorized<P>, condition: &Condition) -> Result<(), Problem> {
    access.must::<CustomersRead>()?;
    let needs = condition.needs();
    if !needs.objects.is_empty() {
        access.must::<ObjectsRead>()?;
    }
    if needs.messages.is_some() {
        access.must::<MessagesRead>()?;
    }
    Ok(())
}

/// Whether the key may have a control event of this name in the log: what tries one again makes its change.
pub(crate) fn may_cause<P>(access: &Authorized<P>, control: &str) -> Result<(), Problem> {
    if control == ERASED {
        return access.must::<PrivacyWrite>();
    }
    match control.split('.').next() {
        Some("plugin") => access.must::<PluginsWrite>(),
        Some("journey") => {
            // What it sends stands in a version that was checked for another key.
            access.must::<JourneysWrite>().and_then(|()| access.must::<MessagesTransactional>())
        }
        Some("segment") => access.must::<SegmentsWrite>(),
        Some("customer" | "suppression") => access.must::<PrivacyWrite>(),
        Some("identity") => access.must::<CustomersWrite>().and_then(|()| access.must::<SettingsWrite>()),
        _ => access.must::<SettingsWrite>(),
    }
}
