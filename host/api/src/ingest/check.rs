//! What makes an event acceptable. What does not is told at once, each fault with a stable code and a pointer.

use openhub_engine::catalog::Pages;
use openhub_engine::{PROPOSED, REFUSED, VALUE_REFUSED};
use openhub_model::attribute::Types;
use openhub_model::event::{MESSAGE_REPORTED, SEGMENT_ENTERED, SEGMENT_LEFT};
use openhub_model::identity::{Authority, Policies};
use openhub_model::{EventKind, Fault, Identity, NewEvent, PartId, TenantId, Timestamp, limits};
use serde_json::{Value, json};
use std::sync::Arc;

use super::amend::{Members, amended};
use super::fields::{consents, event_name, id, identities, instant, kind_of, tags, text_field, unsound};
use super::item::{Item, Scalar};
use super::joins;
use super::misspelt::{hint, misspelt};
use super::time::occurred_at;
use crate::auth::KeyText;

/// How a sender is told that one event is longer than so many bytes.
pub(super) fn event_too_large(most: usize) -> String {
    format!("This one event is too large: at most {most} bytes for each.")
}

/// The hub's own events have ids of their own; nobody may take them first.
pub(crate) const RESERVED: &str = "openhub:";
/// Events by which the hub says what it did, and programs what they found out: journeys start at them.
const LEFT_TO_SERVERS: [&str; 6] = [SEGMENT_ENTERED, SEGMENT_LEFT, MESSAGE_REPORTED, REFUSED, VALUE_REFUSED, PROPOSED];
/// The member of a body that says when an event was to have happened that was moved to the present.
pub(crate) const MOVED: &str = "openhub:movedFrom";
/// The member of a row of an exported file that says who said the event: a `server`, a `page`, or the `hub`.
pub(crate) const BY: &str = "openhub:by";
/// Those of them that say what the hub did, whoever finds it out: no server says them.
const SAID_BY_THE_HUB: [&str; 4] = [SEGMENT_ENTERED, SEGMENT_LEFT, REFUSED, VALUE_REFUSED];
/// What some libraries call the `timestamp`.
pub(crate) const ORIGINAL: &str = "originalTimestamp";

/// The code of a value that is not of the type that its attribute was declared with.
pub(super) const WRONG_TYPE: &str = "wrong-type";

/// What the events of one request share.
pub(super) struct Delivery {
    pub tenant: TenantId,
    pub received_at: Timestamp,
    /// Of the batch; an event's own goes before it.
    pub sent_at: Option<Timestamp>,
    /// The id of the key that it came with; none of a plugin's source.
    pub key: Option<String>,
    pub historical: bool,
    /// Whether it is of a file, whose rows may name their customer by an address.
    pub of_a_file: bool,
    pub authority: Authority,
    pub event_bytes: usize,
    /// By which traits are identities.
    pub policies: Arc<Policies>,
    /// What the values of declared attributes have to be.
    pub types: Arc<Types>,
    /// What a page may set, for a page's key.
    pub pages: Option<Arc<Pages>>,
    /// The events that the tenant leaves to servers, for a page's key.
    pub server_events: Vec<String>,
    /// Nothing happened later: when it was received, or where a replay stands if it is not the sender's to move.
    pub latest: Timestamp,
    /// Nothing happened earlier, for a page's key: with one anybody could else make a customer as old as they like.
    pub earliest: Option<Timestamp>,
}

/// How far back a page may tell of, in days: as long as an app that is offline keeps what it will send.
const PAGE_DAYS: i64 = 14;

/// The earliest time of what a page says, `latest` being its present.
pub(super) fn earliest_of_page(latest: Timestamp) -> Timestamp {
    Timestamp::from_micros(latest.micros().saturating_sub(PAGE_DAYS * 24 * 3_600 * 1_000_000))
}

/// An event that is accepted, and what of it is not taken as it was said.
#[derive(Debug)]
pub(super) struct Taken {
    pub event: NewEvent,
    /// What its key may not say.
    pub left_out: Vec<Fault>,
    /// Whether its time lay in the future, or farther back than its key may tell of, so that it has another.
    pub is_moved: bool,
}

/// What an event says, as far as the door looks at it.
struct Said<'i> {
    kind: EventKind,
    authority: Authority,
    part: PartId,
    /// Whose it is, if it has no id, in the form of its kind.
    address: Option<Identity>,
    name: &'i str,
    message_id: Option<&'i str>,
    /// When it happened, and the time that it came with, if that is another.
    time: (Timestamp, Option<&'i str>),
}

/// What follows from other events is said by the hub alone: it says it again where these are there again.
fn by_the_hub(pointer: String, what: &str) -> Fault {
    let message = format!(
        "The hub itself says {what}, where it follows from other events. Leave it out, or give yours another name."
    );
    Fault::new(pointer, "said-by-hub", message)
}

/// Faults that are told of one event at most.
const TOLD: usize = 20;

/// What was read; of what was not, its fault.
fn noted<T>(faults: &mut Vec<Fault>, read: Result<T, Fault>) -> Option<T> {
    read.map_err(|fault| faults.push(fault)).ok()
}

impl Delivery {
    /// Reads one event, or tells all that is wrong with it. `called` is the call that it came by, or absent in a batch, where each
    /// item says it.
    pub fn read(
        &self,
        raw: &str,
        called: Option<EventKind>,
        pointer: &str,
        fresh_id: impl FnOnce() -> String,
    ) -> Result<Taken, Vec<Fault>> {
        let raw = raw.trim_matches([' ', '\t', '\r', '\n']);
        let item = self.item(raw, pointer).map_err(|fault| vec![fault])?;
        let mut faults = Vec::from_iter(limits::digits(raw, pointer));
        match amended(raw, &item, called, pointer) {
            Ok(Some(amended)) if amended != raw => return self.read(&amended, called, pointer, fresh_id),
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
        let said = self.said(&item, called, pointer, &mut faults);
        let Some(said) = said.filter(|_| faults.is_empty()) else {
            faults.truncate(TOLD);
            return Err(faults);
        };
        Ok(self.taken(raw, &item, said, pointer, fresh_id))
    }

    /// The event as it came, if it can be read at all.
    fn item<'r>(&self, raw: &'r str, pointer: &str) -> Result<Item<'r>, Fault> {
        if raw.len() > self.event_bytes {
            return Err(Fault::new(pointer, "event-too-large", event_too_large(self.event_bytes)));
        }
        if !raw.starts_with('{') {
            return Err(Fault::new(pointer, "not-an-object", "An event must be a JSON object."));
        }
        let mut item: Item<'r> = serde_json::from_str(raw).map_err(|error| unsound(raw, pointer, &error))?;
        // Elsewhere it means nothing, and may be misspelt.
        if !self.of_a_file && !item.identity.is_null() {
            item.others.push("identity".into());
        }
        Ok(item)
    }

    /// What an event says, if nothing is wrong with it. Each part of it is looked at, whatever is wrong with another.
    fn said<'i>(
        &self,
        item: &'i Item<'_>,
        called: Option<EventKind>,
        pointer: &str,
        faults: &mut Vec<Fault>,
    ) -> Option<Said<'i>> {
        let below = |name: &str| format!("{pointer}/{name}");
        let kind = noted(faults, called.map_or_else(|| kind_of(item, &below("type")), Ok));
        let part = self.part(item, pointer, faults);
        let authority = noted(faults, self.by(item, pointer));
        faults.extend(self.other_key(item, &below("writeKey")));
        let previous = noted(faults, id(&item.previous_id, &below("previousId")));
        let group = noted(faults, id(&item.group_id, &below("groupId")));
        if kind == Some(EventKind::Alias) && previous == Some(None) {
            let message = "The call does not say which id `userId` had before: set `previousId`.";
            faults.push(Fault::new(below("previousId"), "missing-previous-id", message));
        }
        if kind == Some(EventKind::Group) && group == Some(None) {
            faults.push(Fault::new(below("groupId"), "missing-group-id", "The call names no group: set `groupId`."));
        }
        let name = kind.and_then(|kind| noted(faults, event_name(kind, item, pointer)));
        if let Some(name) = name.filter(|name| self.authority != Authority::Browser && SAID_BY_THE_HUB.contains(name)) {
            faults.push(by_the_hub(below(if kind == Some(EventKind::Track) { "event" } else { "name" }), name));
        }
        // Whatever has a name is found by it, a page that is viewed too.
        if let Some(name) = name.filter(|name| self.authority == Authority::Browser && self.is_left_to_servers(name)) {
            let message = self.left_to_servers(name);
            let field = if kind == Some(EventKind::Track) { "event" } else { "name" };
            faults.push(Fault::new(below(field), "reserved-name", message));
        }
        for (name, value) in [("properties", &item.properties), ("traits", &item.traits), ("context", &item.context)] {
            if !matches!(
                value,
                Scalar::Absent | Scalar::Null | Scalar::Object | Scalar::EmptyObject | Scalar::EmptyArray
            ) {
                faults.push(Fault::new(below(name), "wrong-type", "This must be a JSON object."));
            }
        }
        self.traits(kind, item, &below("traits"), faults);
        tags(kind, &item.tags, &below("tags"), faults);
        consents(&item.consents, &below("consents"), faults);
        identities(&item.identities, &below("identities"), faults);
        let message_id = noted(faults, text_field(&item.message_id, &below("messageId"), limits::MESSAGE_ID));
        if message_id.flatten().is_some_and(|id| id.starts_with(RESERVED)) {
            let message = format!("Ids that begin with `{RESERVED}` are reserved for the hub. Use another id.");
            faults.push(Fault::new(below("messageId"), "reserved-id", message));
        }
        let time = self.time(item, pointer, faults);
        let (part, address) = part?;
        Some(Said {
            kind: kind?,
            authority: authority?,
            part,
            address,
            name: name?,
            message_id: message_id?,
            time: time?,
        })
    }

    /// An event with another key than that of its request: it would come to another tenant than its own.
    fn other_key(&self, item: &Item<'_>, pointer: &str) -> Option<Fault> {
        let (Some(key), Scalar::Text(text)) = (&self.key, &item.write_key) else { return None };
        // What other systems write there is no key of this hub.
        let other = KeyText::parse(text).filter(|other| other.id != key)?;
        let message = format!(
            "The event has the write key {}, and its request the key {key}. Send it in a request with its own key.",
            other.id
        );
        Some(Fault::new(pointer, "several-keys", message))
    }

    /// When it happened, and the time that it came with, if that is another.
    fn time<'i>(
        &self,
        item: &'i Item<'_>,
        pointer: &str,
        faults: &mut Vec<Fault>,
    ) -> Option<(Timestamp, Option<&'i str>)> {
        let below = |name: &str| format!("{pointer}/{name}");
        let sent_at = noted(faults, instant(&item.sent_at, &below("sentAt")));
        let (timestamp, told) = match noted(faults, instant(&item.timestamp, &below("timestamp")))? {
            Some(timestamp) => (Some(timestamp), &item.timestamp),
            None => (noted(faults, instant(&item.original, &below(ORIGINAL)))?, &item.original),
        };
        let claimed_at = occurred_at(self.received_at, sent_at?.or(self.sent_at), timestamp);
        let occurred_at = claimed_at.min(self.latest);
        if !occurred_at.is_writable() {
            let message = "The time must be in the years 1 to 9999.";
            faults.push(Fault::new(below("timestamp"), "invalid-timestamp", message));
            return None;
        }
        let occurred_at = self.earliest.map_or(occurred_at, |earliest| occurred_at.max(earliest));
        Some((occurred_at, told.text().filter(|_| claimed_at != occurred_at)))
    }

    fn taken(
        &self,
        raw: &str,
        item: &Item<'_>,
        said: Said<'_>,
        pointer: &str,
        fresh_id: impl FnOnce() -> String,
    ) -> Taken {
        let Said { kind, authority, part, address, name, message_id, time: (occurred_at, moved_from) } = said;
        let is_moved = moved_from.is_some();
        let body = match (&item.write_key, moved_from, address) {
            (Scalar::Absent, None, None) if item.by == Scalar::Absent => raw.to_owned(),
            (_, moved_from, address) => {
                let mut members = Members::of(raw);
                // A credential must not be stored.
                members.remove("writeKey");
                members.remove(BY);
                moved_from.into_iter().for_each(|told| members.set(MOVED, Value::from(told).to_string()));
                if let Some(Identity { kind, value }) = address {
                    members.set("identity", json!({"kind": kind, "value": value}).to_string());
                }
                members.to_string()
            }
        };
        let event = NewEvent {
            message_id: message_id.map_or_else(fresh_id, str::to_owned),
            kind,
            name: name.to_owned(),
            part: Some(part),
            occurred_at,
            received_at: self.received_at,
            historical: self.historical,
            authority,
            cause: None,
            body,
        };
        Taken { event, left_out: self.left_out(kind, item, pointer), is_moved }
    }

    /// What of an event changes nothing: what its call does not record, and what a page's key may not say. Behind the door the engine looks at it once more, at the event's place in the log.
    fn left_out(&self, kind: EventKind, item: &Item<'_>, pointer: &str) -> Vec<Fault> {
        let mut left_out = misspelt(item, pointer);
        // What a page names is judged at its place in the log, and mostly stays an attribute.
        if self.authority != Authority::Browser {
            left_out.extend(joins::unfit(kind, item, self.policies.latest(), pointer));
        }
        if kind != EventKind::Identify {
            for name in item.consents.as_object().into_iter().flat_map(|consents| consents.keys()) {
                let at = limits::step(&format!("{pointer}/consents"), name);
                left_out.push(Fault::new(
                    at,
                    "not-recorded",
                    "This call does not record consents. Send them with `identify`.",
                ));
            }
            return left_out;
        }
        let may_set = |name: &str| self.pages.as_ref().is_none_or(|pages| pages.may_set(name) != Some(false));
        left_out.extend(self.misfits(item, pointer).filter(|(name, _)| may_set(name)).map(|(_, fault)| fault));
        let Some(pages) = &self.pages else { return left_out };
        let mut leave = |at: String, message: &str| left_out.push(Fault::new(at, "authority", message));
        for name in item.names.all.iter().filter(|name| pages.may_set(name) == Some(false)) {
            leave(
                limits::step(&format!("{pointer}/traits"), name),
                "A page's key may not set this attribute. Send it with a server's key.",
            );
        }
        for name in item.tags.as_object().into_iter().flat_map(|tags| tags.keys()) {
            leave(
                limits::step(&format!("{pointer}/tags"), name),
                "A page's key may not set tags. Send them with a server's key.",
            );
        }
        for (name, consent) in item.consents.as_object().into_iter().flatten() {
            if !Pages::may_record(consent) {
                leave(
                    limits::step(&format!("{pointer}/consents"), name),
                    "A page's key may deny consent, but not grant it. Send it with a server's key.",
                );
            }
        }
        left_out
    }

    /// The traits whose values are not of the types that their attributes were declared with.
    fn misfits<'i>(&self, item: &'i Item<'_>, pointer: &str) -> impl Iterator<Item = (&'i str, Fault)> {
        let traits = item.names.all.iter().zip(&item.names.values).filter(|_| !self.types.is_empty());
        traits.filter_map(move |(name, value)| {
            let of = self.types.get(&**name).filter(|of| !value.is_of(**of))?;
            let message = format!("The value is not of the declared type ({}), so it was left out.", of.in_words());
            let at = limits::step(&format!("{pointer}/traits"), name);
            Some((&**name, Fault::new(at, WRONG_TYPE, message)))
        })
    }

    /// As whom the event is taken. A row of a file may say that a page said it: then it may do what the page could.
    fn by(&self, item: &Item<'_>, pointer: &str) -> Result<Authority, Fault> {
        if let Some(name) = &item.reserved {
            let message = format!("Members that begin with `{RESERVED}` are the hub's. Remove this one.");
            return Err(Fault::new(limits::step(pointer, name), "reserved-field", message));
        }
        let at = limits::step(pointer, BY);
        match (&item.by, self.of_a_file) {
            (Scalar::Absent | Scalar::Null, _) => Ok(self.authority),
            (_, false) => {
                let message = "Only a row of a file says who said the event. Remove this member.";
                Err(Fault::new(at, "reserved-field", message))
            }
            (Scalar::Text(by), true) if by == "server" => Ok(self.authority),
            (Scalar::Text(by), true) if by == "page" => Ok(Authority::Browser),
            (Scalar::Text(by), true) if by == "hub" => Err(by_the_hub(at, "this event")),
            _ => {
                let message = "This says who said the event: `server`, `page` or `hub`.";
                Err(Fault::new(at, "reserved-field", message))
            }
        }
    }

    fn is_left_to_servers(&self, name: &str) -> bool {
        LEFT_TO_SERVERS.contains(&name)
            || self.server_events.iter().any(|event| event == name)
            || self.pages.as_ref().is_some_and(|pages| pages.is_caused(name))
    }

    /// By whom it is left to them, and what to do.
    fn left_to_servers(&self, name: &str) -> String {
        let by = match () {
            () if LEFT_TO_SERVERS.contains(&name) => "the hub leaves it to servers",
            () if self.server_events.iter().any(|event| event == name) => "`server_events` in the settings names it",
            () => "rules and journeys make it",
        };
        format!("A page's key, which anybody can read, may not send `{name}`: {by}. Send it with a server's key.")
    }

    /// Whose event it is: its `userId`, else its `anonymousId`; of a file, else the address that it names.
    fn part(&self, item: &Item<'_>, pointer: &str, faults: &mut Vec<Fault>) -> Option<(PartId, Option<Identity>)> {
        let user = noted(faults, id(&item.user_id, &format!("{pointer}/userId")));
        let anonymous = noted(faults, id(&item.anonymous_id, &format!("{pointer}/anonymousId")));
        let (user, anonymous) = (user?, anonymous?);
        if let Some(subject) = Identity::subject(user, anonymous) {
            return Some((subject.part(self.tenant), None));
        }
        if self.of_a_file && (user, anonymous) == (None, None) {
            match joins::subject(&item.identity, self.policies.latest(), &format!("{pointer}/identity")) {
                Ok(None) => {}
                Ok(Some(address)) => return Some((address.part(self.tenant), Some(address))),
                Err(fault) => {
                    faults.push(fault);
                    return None;
                }
            }
        }
        faults.push(match (user, anonymous) {
            (None, None) => {
                let hint = hint(item, &["userId", "anonymousId"]);
                let message = format!("The event does not say whose it is: set `userId` or `anonymousId`.{hint}");
                Fault::new(format!("{pointer}/userId"), "missing-identity", message)
            }
            (user, _) => {
                let name = if user.is_some() { "userId" } else { "anonymousId" };
                let message = "This value is a placeholder, not an id. Send the real id.";
                Fault::new(format!("{pointer}/{name}"), "blocked-identity", message)
            }
        });
        None
    }

    /// Names are bound in length, and so is what a trait claims as an identity. The traits of a group are the group's.
    fn traits(&self, kind: Option<EventKind>, item: &Item<'_>, pointer: &str, faults: &mut Vec<Fault>) {
        let names = &item.names;
        let long = names
            .all
            .iter()
            .filter_map(|name| limits::length(name, limits::NAME, || limits::step(pointer, name)).err());
        faults.extend(long.take(TOLD));
        if names.long.is_empty() || kind == Some(EventKind::Group) {
            return;
        }
        let policy = self.policies.latest();
        for name in names.long.iter().filter(|name| policy.traits().any(|(_, from)| from == **name)) {
            let message = format!("This trait is an identity and too long: at most {} bytes.", limits::IDENTITY);
            faults.push(Fault::new(limits::step(pointer, name), limits::TOO_LONG, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::advice;
    use openhub_model::identity;
    use proptest::prelude::*;
    use serde_json::json;

    fn delivery() -> Delivery {
        Delivery {
            tenant: TenantId(1),
            received_at: "2026-01-31T12:00:00Z".parse().unwrap(),
            sent_at: None,
            key: Some("0123456789abcdef".to_owned()),
            server_events: vec!["Order Completed".to_owned()],
            historical: false,
            of_a_file: false,
            authority: Authority::Browser,
            event_bytes: 32 * 1024,
            policies: Arc::default(),
            types: Arc::default(),
            pages: Some(Arc::default()),
            latest: "2026-01-31T12:00:00Z".parse().unwrap(),
            earliest: None,
        }
    }

    fn read(raw: &str) -> Result<NewEvent, Fault> {
        let read = delivery().read(raw, None, "/batch/3", || "fresh".to_owned());
        read.map(|taken| taken.event).map_err(|faults| faults.into_iter().next().expect("a fault"))
    }

    #[test]
    fn an_event_of_another_key_than_its_request_is_refused() {
        let event = |key: &str| format!(r#"{{"type":"page","userId":"1","name":"Home","writeKey":"{key}"}}"#);
        let of = |id: &str| format!("oh_live_{id}_{}", "a".repeat(64));
        let fault = read(&event(&of("fedcba9876543210"))).unwrap_err();
        assert_eq!((fault.pointer.as_str(), fault.code.as_str()), ("/batch/3/writeKey", "several-keys"));
        assert!(!fault.message.contains("aaaa"), "a secret is told to nobody: {}", fault.message);
        for same in [of("0123456789abcdef"), "whatever a library writes there".to_owned()] {
            assert!(read(&event(&same)).is_ok(), "{same}");
        }
    }

    #[test]
    fn issue_14_all_that_is_wrong_with_an_event_is_told() {
        let raw = r#"{"type":"track","evnt":"a","userId":[],"properties":"x","timestamp":"soon","messageId":7,
            "tags":{"vip":"yes"},"consents":{"news":{"state":"maybe"}},"identities":[1,{"kind":"email","value":"a@b.c"},2]}"#;
        let faults = delivery().read(raw, None, "", || "fresh".to_owned()).unwrap_err();
        let told: Vec<(&str, &str)> = faults.iter().map(|fault| (&*fault.pointer, &*fault.code)).collect();
        let expected = [
            ("/userId", "wrong-type"),
            ("/event", "missing-event"),
            ("/properties", "wrong-type"),
            ("/consents/news/state", "unknown-state"),
            ("/identities/0", "invalid-identity"),
            ("/identities/2", "invalid-identity"),
            ("/messageId", "wrong-type"),
            ("/timestamp", "invalid-timestamp"),
        ];
        assert_eq!(told, expected);
        assert!(faults[1].message.ends_with("`evnt` is no member of an event: did you mean `event`?"), "{faults:?}");
    }

    #[test]
    fn issue_14_a_misspelt_member_is_told_and_nothing_is_refused() {
        let told = |raw: &str| {
            let taken = delivery().read(raw, None, "/batch/0", || "fresh".to_owned()).unwrap();
            taken.left_out.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>()
        };
        let as_libraries = r#"{"type":"track","event":"a","userId":"u","anonymousId":"b","integrations":{"All":true},"channel":"server",
            "version":2,"_metadata":{},"receivedAt":"2026-01-31T12:00:00Z","category":"x","options":{},"user_id":"u","loyalty":1}"#;
        assert_eq!(told(as_libraries), []);
        let raw =
            r#"{"type":"track","event":"a","userId":"u","proprties":{"total":1},"message_id":"m","TimeStamp":"x"}"#;
        let expected = ["proprties", "message_id", "TimeStamp"];
        assert_eq!(told(raw), expected.map(|name| (format!("/batch/0/{name}"), "misspelt-member".to_owned())));
    }

    #[test]
    fn report_05_nothing_happened_after_it_was_received() {
        for (times, at) in [
            (r#""timestamp":"2099-01-01T00:00:00Z""#, "2026-01-31T12:00:00Z"),
            (r#""timestamp":"2026-02-14T10:00:00Z","sentAt":"2026-01-31T10:00:00Z""#, "2026-01-31T12:00:00Z"),
            (r#""timestamp":"9999-12-01T00:00:00Z","sentAt":"0001-01-01T00:00:00Z""#, "2026-01-31T12:00:00Z"),
            (r#""timestamp":"2026-01-31T10:00:00Z""#, "2026-01-31T10:00:00Z"),
        ] {
            let event = read(&format!(r#"{{"type":"page","userId":"u",{times}}}"#)).unwrap();
            assert_eq!(event.occurred_at, at.parse().unwrap(), "{times}");
            let moved = !times.contains(at);
            let body: Value = serde_json::from_str(&event.body).unwrap();
            assert_eq!(body[MOVED].is_string(), moved, "{times}");
        }
    }

    #[test]
    fn issue_14_a_page_tells_of_days_and_not_of_years() {
        let latest = delivery().latest;
        let page = Delivery { earliest: Some(earliest_of_page(latest)), ..delivery() };
        for (times, of_page, of_server) in [
            (r#""timestamp":"1970-01-01T00:00:00Z""#, "2026-01-17T12:00:00Z", "1970-01-01T00:00:00Z"),
            (
                r#""timestamp":"2025-01-01T00:00:00Z","sentAt":"2026-01-31T12:00:00Z""#,
                "2026-01-17T12:00:00Z",
                "2025-01-01T00:00:00Z",
            ),
            // A clock that is a year slow, and thirteen days offline.
            (
                r#""timestamp":"2025-01-01T00:00:00Z","sentAt":"2025-01-14T00:00:00Z""#,
                "2026-01-18T12:00:00Z",
                "2026-01-18T12:00:00Z",
            ),
            (r#""timestamp":"2026-01-17T12:00:01Z""#, "2026-01-17T12:00:01Z", "2026-01-17T12:00:01Z"),
        ] {
            let raw = format!(r#"{{"type":"page","userId":"u",{times}}}"#);
            for (delivery, at) in [(&page, of_page), (&delivery(), of_server)] {
                let taken = delivery.read(&raw, None, "", || "fresh".to_owned()).unwrap();
                assert_eq!(taken.event.occurred_at, at.parse().unwrap(), "{times}");
                let body: Value = serde_json::from_str(&taken.event.body).unwrap();
                let moved = at == "2026-01-17T12:00:00Z";
                assert_eq!((body[MOVED].is_string(), taken.is_moved), (moved, moved), "{times}");
            }
        }
    }

    #[test]
    fn c1_what_a_page_may_not_say_is_told() {
        let raw = r#"{"type":"identify","userId":"u","tags":{"vip":true},"traits":{"a":1},
            "consents":{"news":{"state":"granted"},"mail":{"state":"denied"},"x/y":null}}"#;
        let told = |pages| {
            let delivery = Delivery { pages, ..delivery() };
            let taken = delivery.read(raw, None, "", || "fresh".to_owned()).unwrap();
            taken.left_out.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert_eq!(told(Some(Arc::default())), ["/tags/vip", "/consents/news", "/consents/x~1y"]);
        assert_eq!(told(None), [""; 0]);
    }

    #[test]
    fn a_value_of_another_type_than_declared_is_told() {
        use openhub_model::attribute::AttributeType::*;
        let types = [
            ("born", Date),
            ("seen", Timestamp),
            ("age", Integer),
            ("score", Number),
            ("vip", Boolean),
            ("list", List),
            ("city", Text),
            ("address", Object),
        ];
        let types: Types = types.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
        let delivery = Delivery { types: Arc::new(types.clone()), pages: None, ..delivery() };
        let values = [
            json!("1990-05-01"),
            json!("01.05.1990"),
            json!("2026-01-31T12:00:00Z"),
            json!(7),
            json!(-1),
            json!(7.0),
            json!(1e30),
            json!(u64::MAX),
            json!(true),
            json!("x"),
            json!([]),
            json!([1]),
            json!({}),
            json!({"a": 1}),
            json!(null),
        ];
        // The engine judges by the value itself, the door by what it saw on its walk.
        for (name, of) in &types {
            for value in &values {
                let traits = json!({ name: value, "free": value });
                let raw = json!({"type": "identify", "userId": "u", "traits": traits}).to_string();
                let left = delivery.read(&raw, None, "", || "fresh".to_owned()).unwrap().left_out;
                let told: Vec<&str> = left.iter().map(|fault| fault.pointer.as_str()).collect();
                let at = format!("/traits/{name}");
                let expected = if of.holds(value) { vec![] } else { vec![at.as_str()] };
                assert_eq!(told, expected, "{of:?} {value}");
            }
        }
        let group = json!({"type": "group", "userId": "u", "groupId": "g", "traits": {"born": "soon"}}).to_string();
        let left = delivery.read(&group, None, "", || "fresh".to_owned()).unwrap().left_out;
        assert_eq!(left, [], "the traits of a group are the group's");
    }

    #[test]
    fn an_event_keeps_its_text_and_its_part() {
        let raw = r#" {"type":"track","event":"Order \"1\"","userId":42,"properties":{"total":29.330}} "#;
        let event = read(raw).unwrap();
        assert_eq!(event.body, raw.trim());
        assert_eq!(event.name, "Order \"1\"");
        assert_eq!(event.message_id, "fresh");
        assert_eq!(event.part, Some(Identity::new("user_id", "42").part(TenantId(1))));
        assert_eq!(event.occurred_at, delivery().received_at);
    }

    #[test]
    fn each_fault_has_its_code_and_pointer() {
        let long = "x".repeat(256);
        let big = json!({"type": "track", "event": "a", "userId": "1", "properties": {"p": "x".repeat(40_000)}});
        let deep = format!(r#"{{"type":"track","event":"a","userId":"1","p":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        let cases: Vec<(String, &str, &str)> = vec![
            ("7".into(), "not-an-object", ""),
            ("[1]".into(), "not-an-object", ""),
            ("{}".into(), "missing-type", "/type"),
            (json!({"type": 7}).to_string(), "wrong-type", "/type"),
            (json!({"type": "purchase", "userId": "1"}).to_string(), "unknown-type", "/type"),
            (json!({"type": "track", "userId": "1"}).to_string(), "missing-event", "/event"),
            (json!({"type": "track", "userId": "1", "event": ""}).to_string(), "missing-event", "/event"),
            (json!({"type": "track", "userId": "1", "event": {}}).to_string(), "wrong-type", "/event"),
            (json!({"type": "track", "event": "a"}).to_string(), "missing-identity", "/userId"),
            (json!({"type": "track", "event": "a", "userId": ""}).to_string(), "missing-identity", "/userId"),
            (json!({"type": "track", "event": "a", "userId": true}).to_string(), "wrong-type", "/userId"),
            (json!({"type": "page", "userId": long}).to_string(), "too-long", "/userId"),
            (json!({"type": "page", "anonymousId": long}).to_string(), "too-long", "/anonymousId"),
            (json!({"type": "page", "userId": "1", "messageId": long}).to_string(), "too-long", "/messageId"),
            (json!({"type": "page", "userId": "1", "messageId": "openhub:x"}).to_string(), "reserved-id", "/messageId"),
            (json!({"type": "alias", "userId": "1"}).to_string(), "missing-previous-id", "/previousId"),
            (
                json!({"type": "alias", "userId": "1", "previousId": ""}).to_string(),
                "missing-previous-id",
                "/previousId",
            ),
            (json!({"type": "group", "userId": "1"}).to_string(), "missing-group-id", "/groupId"),
            (json!({"type": "group", "userId": "1", "groupId": ""}).to_string(), "missing-group-id", "/groupId"),
            (json!({"type": "alias", "userId": "1", "previousId": long}).to_string(), "too-long", "/previousId"),
            (
                r#"{"type":"track","event":"e","userId":"1","properties":{"n":[1e-20000]}}"#.into(),
                "too-many-digits",
                "/properties/n/0",
            ),
            (json!({"type": "identify", "userId": "1", "traits": [1]}).to_string(), "wrong-type", "/traits"),
            (json!({"type": "identify", "userId": "1", "traits": "x"}).to_string(), "wrong-type", "/traits"),
            (json!({"type": "identify", "userId": "1", "traits": {"a/b".repeat(100): 1}}).to_string(), "too-long", {
                static LONG: std::sync::LazyLock<String> =
                    std::sync::LazyLock::new(|| format!("/traits/{}", "a~1b".repeat(100)));
                &LONG
            }),
            (
                json!({"type": "identify", "userId": "1", "traits": {"email": long}}).to_string(),
                "too-long",
                "/traits/email",
            ),
            (
                json!({"type": "track", "event": "e", "userId": "1", "traits": {"phone": long}}).to_string(),
                "too-long",
                "/traits/phone",
            ),
            (json!({"type": "identify", "userId": "1", "tags": {"vip": "yes"}}).to_string(), "wrong-type", "/tags/vip"),
            (json!({"type": "identify", "userId": "1", "tags": ["vip"]}).to_string(), "wrong-type", "/tags"),
            (
                json!({"type": "identify", "userId": "1", "consents": {"a": {"state": "denied"}, "b": "denied"}})
                    .to_string(),
                "wrong-type",
                "/consents/b",
            ),
            (
                json!({"type": "identify", "userId": "1", "consents": {"a": {"state": "no"}}}).to_string(),
                "unknown-state",
                "/consents/a/state",
            ),
            (json!({"type": "identify", "userId": "1", "consents": "denied"}).to_string(), "wrong-type", "/consents"),
            (
                json!({"type": "page", "userId": "1", "identities": [{"kind": "k", "value": "v"}, 7]}).to_string(),
                "invalid-identity",
                "/identities/1",
            ),
            (
                json!({"type": "page", "userId": "1", "identities": [{"kind": "k", "value": long}]}).to_string(),
                "too-long",
                "/identities/0/value",
            ),
            (
                json!({"type": "page", "userId": "1", "identities": [{"kind": long, "value": "v"}]}).to_string(),
                "too-long",
                "/identities/0/kind",
            ),
            (json!({"type": "page", "userId": "1", "identities": "x"}).to_string(), "wrong-type", "/identities"),
            (json!({"type": "page", "userId": "undefined"}).to_string(), "blocked-identity", "/userId"),
            (json!({"type": "page", "anonymousId": "[object Object]"}).to_string(), "blocked-identity", "/anonymousId"),
            (json!({"type": "page", "userId": "1", "properties": "x"}).to_string(), "wrong-type", "/properties"),
            (
                json!({"type": "page", "userId": "1", "timestamp": "soon"}).to_string(),
                "invalid-timestamp",
                "/timestamp",
            ),
            (json!({"type": "page", "userId": "1", "timestamp": [1]}).to_string(), "invalid-timestamp", "/timestamp"),
            (
                json!({"type": "page", "userId": "1", "originalTimestamp": "soon"}).to_string(),
                "invalid-timestamp",
                "/originalTimestamp",
            ),
            (json!({"type": "page", "userId": "1", "sentAt": "x"}).to_string(), "invalid-timestamp", "/sentAt"),
            (
                json!({"type": "page", "userId": "1", "properties": {"a": ["\0"]}}).to_string(),
                "null-character",
                "/properties/a/0",
            ),
            (json!({"type": "page", "userId": "\0"}).to_string(), "null-character", "/userId"),
            (r#"{"type":"page","userId":"1","userId":"2"}"#.into(), "repeated-field", "/userId"),
            (r#"{"type":"page","userId":"1","properties":{"a":1,"a":2}}"#.into(), "repeated-field", "/properties/a"),
            (r#"{"type":"page","userId":"1","traits":{"x":{"b":1,"b":1}}}"#.into(), "repeated-field", "/traits/x/b"),
            (r#"{"type":"page","userId":"1","x":[{"b":1,"\u0062":1}]}"#.into(), "repeated-field", "/x/0/b"),
            (r#"{"type":"page","userId":"1","tags":{"v":true,"v":false}}"#.into(), "repeated-field", "/tags/v"),
            (
                r#"{"type":"page","userId":"1","consents":{"m":{"state":"granted","state":"denied"}}}"#.into(),
                "repeated-field",
                "/consents/m/state",
            ),
            (r#"{"type":"page","userId":"1","x":"\ud800"}"#.into(), "invalid-json", ""),
            (r#"{"type":"page","userId":"1","x":1e999}"#.into(), "invalid-json", ""),
            (deep, "invalid-json", ""),
            (format!(r#"{{"type":"page","userId":"1","x":{}{}}}"#, "[".repeat(64), "]".repeat(64)), "too-deep", {
                static DEEP: std::sync::LazyLock<String> =
                    std::sync::LazyLock::new(|| format!("/x{}", "/0".repeat(63)));
                &DEEP
            }),
            (big.to_string(), "event-too-large", ""),
        ];
        for (raw, code, below) in cases {
            let fault = read(&raw).expect_err(&raw);
            assert_eq!((fault.code.as_str(), fault.pointer), (code, format!("/batch/3{below}")), "{raw}");
            assert_ne!(advice(code), advice("any other"), "the list of faults says what to change: {code}");
        }
    }

    #[test]
    fn what_libraries_write_in_ways_of_their_own_is_brought_into_one_form() {
        let digits = "12345678901234567890123";
        for (raw, body) in [
            // Traits in the context.
            (
                r#"{"type":"identify","userId":"u","traits":{},"context":{"ip":"::1","traits":{"n":12345678901234567890123}}}"#,
                r#"{"type":"identify","userId":"u","traits":{"n":12345678901234567890123},"context":{"ip":"::1"}}"#,
            ),
            (
                r#"{"type":"identify","userId":"u","context":{"traits":{"a":1}}}"#,
                r#"{"type":"identify","userId":"u","context":{},"traits":{"a":1}}"#,
            ),
            // Its own come first, and another call's are its context.
            (r#"{"type":"identify","userId":"u","traits":{"b":1},"context":{"traits":{"a":1}}}"#, ""),
            (r#"{"type":"track","event":"e","userId":"u","context":{"traits":{"a":1}}}"#, ""),
            (r#"{"type":"identify","userId":"u","context":{"traits":{}}}"#, ""),
            // The name of a page among its properties.
            (
                r#"{"type":"page","userId":"u","properties":{"x":1.50,"name":"Home \"1\""}}"#,
                r#"{"type":"page","userId":"u","properties":{"x":1.50,"name":"Home \"1\""},"name":"Home \"1\""}"#,
            ),
            (r#"{"type":"page","name":"A","userId":"u","properties":{"name":"B"}}"#, ""),
            (r#"{"type":"track","event":"e","userId":"u","properties":{"name":"B"}}"#, ""),
            // Written twice.
            (r#"{"type":"page","userId":"u","type":"page","x":1,"x":1}"#, r#"{"type":"page","userId":"u","x":1}"#),
            // More digits than a number has.
            (
                r#"{"type":"page","userId":12345678901234567890123,"anonymousId":7}"#,
                r#"{"type":"page","userId":"12345678901234567890123","anonymousId":7}"#,
            ),
            (r#"{"type":"page","userId":"u","writeKey":"k","x":1.0}"#, r#"{"type":"page","userId":"u","x":1.0}"#),
        ] {
            let event = read(raw).unwrap();
            assert_eq!(event.body, if body.is_empty() { raw } else { body });
            if raw.contains("Home") {
                assert_eq!(event.name, "Home \"1\"");
            }
        }
        let long = read(&format!(r#"{{"type":"page","userId":{digits}}}"#)).unwrap();
        assert_eq!(long.part, Some(Identity::new("user_id", digits).part(TenantId(1))), "report 22");
        let original = r#"{"type":"page","userId":"u","originalTimestamp":"2026-01-31T10:00:00.000Z"}"#;
        assert_eq!(read(original).unwrap().occurred_at, "2026-01-31T10:00:00Z".parse().unwrap());
    }

    #[test]
    fn report_04_an_empty_list_is_an_empty_map() {
        let raw = json!({
            "type": "identify", "userId": "1", "traits": [], "properties": [], "context": [], "tags": [], "consents": [],
            "identities": {},
        });
        assert!(read(&raw.to_string()).is_ok());
    }

    #[test]
    fn who_sends_no_id_for_the_user_is_the_visitor() {
        let event = read(r#"{"type":"page","userId":"null","anonymousId":" a\u200b "}"#).unwrap();
        assert_eq!(event.part, Some(Identity::new("anonymous_id", "a").part(TenantId(1))));
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_text() {
        assert!(read(r#"{"type":"page","userId":"a\\u0000"}"#).is_ok());
    }

    #[test]
    fn a_write_key_in_the_body_is_not_stored() {
        let event = read(r#"{"type":"page","userId":"1","writeKey":"oh_live_x_y","name":"Home"}"#).unwrap();
        assert_eq!(event.body, r#"{"type":"page","userId":"1","name":"Home"}"#);
    }

    proptest! {
        /// What passes the door can be read behind it, and belongs to whom the door said.
        #[test]
        fn what_is_accepted_is_readable(raw in r#"\{"type":"(page|identify)","userId":("[a-c\\u0"{}]{0,8}"|[0-9.e+-]{1,5}|null|\[\])(,"(traits|x)":[\[{"}\]0a:,]{0,6})?\}"#) {
            if let Ok(event) = read(&raw) {
                let value: Value = serde_json::from_str(&event.body).unwrap();
                let user = match &value["userId"] {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => identity::number(number),
                    other => other.to_string(),
                };
                let subject = Identity::subject(Some(&user), None).unwrap();
                prop_assert_eq!(event.part, Some(subject.part(TenantId(1))));
            }
        }
    }
}
