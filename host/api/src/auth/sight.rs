//! What a key may see of a list in which things of several kinds stand side by side. A scope means one thing wherever that
//! is read: what has a scope of its own is left out for a key that lacks it.

use openhub_model::{Event, EventKind};
use openhub_store::{TimelineItem, TimelineKind};

use super::authorized::Authorized;
use super::permission::{CustomersRead, JourneysRead, MessagesRead, ObjectsRead, PluginsRead, SegmentsRead};

/// Whether the key may see an item of a customer's timeline.
pub(crate) fn sees_item<P>(access: &Authorized<P>, item: &TimelineItem) -> bool {
    match item.kind {
        TimelineKind::Message => access.may::<MessagesRead>(),
        TimelineKind::Object => access.may::<ObjectsRead>(),
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
    match (event.kind, event.name.split('.').next()) {
        (EventKind::Object, _) => access.may::<ObjectsRead>(),
        (EventKind::Control, Some("plugin")) => access.may::<PluginsRead>(),
        (EventKind::Control, Some("journey")) => access.may::<JourneysRead>(),
        (EventKind::Control, Some("segment")) => access.may::<SegmentsRead>(),
        (EventKind::Control, Some("clock")) => true,
        (EventKind::Control, _) => access.may::<CustomersRead>(),
        _ => true,
    }
}
