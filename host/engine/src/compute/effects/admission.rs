//! Whether a change is made: the type of a value and the authority of who sends it. What is not made is told once the item is
//! done, and changes nothing else.

use openhub_model::attribute::{AttributeType, Types};
use openhub_model::customer::{self, Consent, is_consent, purpose};
use openhub_model::{Cause, Timestamp, limits};
use serde_json::Value;

use super::refused::{Refused, Why};
use super::room::Room;
use super::source::Word;
use super::state::Change;
use crate::catalog::{Catalog, Pages};
use crate::compute::actor::Actor;

impl Actor {
    /// Whether an attribute may have this value. If not, that is told once the item is done.
    fn admits(&mut self, types: &Types, attribute: &str, value: &Value, cause: &Cause) -> bool {
        let Some(declared) = types.get(attribute).filter(|declared| !declared.holds(value)) else { return true };
        self.refused.push(Refused {
            attribute: attribute.to_owned(),
            why: Why::Type { declared: *declared, found: AttributeType::of(value) },
            cause: cause.clone(),
        });
        false
    }

    /// The cause under which a page sets an attribute; none if it may not. What others have set of the customer stands
    /// before it by its cause, so that a part's own state does not depend on whom it is joined with. Saying what is so
    /// already is no offence.
    fn admits_page(&mut self, pages: &Pages, attribute: &str, value: &Value, cause: &Cause) -> Option<Cause> {
        let may = pages.may_set(attribute);
        if may == Some(true) {
            return Some(cause.clone());
        }
        let held = self.customer.as_ref().and_then(|customer| customer.attributes.get(attribute));
        let stands = may.is_none() && held.is_none_or(|held| held.cause.is_page());
        if !stands && held.is_none_or(|held| held.value != *value) {
            self.refused.push(Refused { attribute: attribute.to_owned(), why: Why::Authority, cause: cause.clone() });
        }
        may.is_none().then(|| cause.clone().by_page())
    }

    /// Whether there is room for a value: a customer is held whole, and by everybody's hub.
    fn has_room(&mut self, name: &str, value: &Value, cause: &Cause, word: Word, room: &mut Room) -> bool {
        let Some(customer) = &self.customer else { return true };
        let most = if word.page { limits::PAGE_VALUES } else { limits::VALUES };
        let held = customer.attributes.get(name);
        let is_new = held.is_none();
        if !word.page && (!is_new || customer.attributes.len() + room.added < most) {
            room.added += usize::from(is_new);
            return true;
        }
        let size = if word.page { limits::size(value) } else { 0 };
        // What it takes the place of is among what pages have said.
        let before = held.filter(|held| word.page && held.cause.is_page());
        let before = before.map_or(0, |held| limits::size(&held.value));
        let why = if is_new && customer.attributes.len() + room.added >= most {
            Why::TooMany("attributes", most)
        } else if size > limits::PAGE_VALUE {
            Why::TooLong
        } else if word.page && (size + room.said(customer)).saturating_sub(before) > limits::PAGE_BYTES {
            Why::TooMany("bytes of values that pages set", limits::PAGE_BYTES)
        } else {
            room.added += usize::from(is_new);
            room.said = room.said.map(|said| (said + size).saturating_sub(before));
            return true;
        };
        self.refuse(name, why, cause);
        false
    }

    /// Whether there is room for a consent. A page, which can only withdraw, finds less. For a purpose that the customer has agreed
    /// to, a withdrawal means something, and finds room of its own.
    fn has_room_for_consent(&mut self, key: &str, consent: &Value, cause: &Cause, word: Word, room: &mut Room) -> bool {
        let Some(customer) = &self.customer else { return true };
        let consents = &customer.consents;
        if consents.contains_key(key) {
            return true;
        }
        let purpose = purpose(key);
        let withdraws = Consent::of(consent) != Consent::Granted && customer.consent(purpose, None) == Consent::Granted;
        let of_purpose = || consents.keys().filter(|key| customer::purpose(key) == purpose).count();
        let (held, most) = match word.page {
            true if withdraws => (of_purpose(), limits::PAGE_CONSENTS),
            true => (consents.len(), limits::PAGE_CONSENTS),
            false if withdraws => (of_purpose(), limits::VALUES),
            false => (consents.values().filter(|held| !held.cause.is_page()).count(), limits::VALUES),
        };
        if held + room.consents >= most {
            self.refuse(key, Why::TooMany("consents", most), cause);
            return false;
        }
        room.consents += 1;
        true
    }

    fn has_room_for_tag(&mut self, tag: &str, cause: &Cause, room: &mut Room) -> bool {
        let tags = self.customer.as_ref().map(|customer| &customer.tags);
        if tags.is_some_and(|tags| tags.contains_key(tag)) {
            return true;
        }
        if tags.map_or(0, |tags| tags.len()) + room.tags >= limits::VALUES {
            self.refuse(tag, Why::TooMany("tags", limits::VALUES), cause);
            return false;
        }
        room.tags += 1;
        true
    }

    /// Told once an item: there may be thousands.
    fn refuse(&mut self, name: &str, why: Why, cause: &Cause) {
        if self.refused.iter().all(|told| !matches!(told.why, Why::TooMany(..) | Why::TooLong)) {
            self.refused.push(Refused { attribute: name.to_owned(), why, cause: cause.clone() });
        }
    }

    /// The cause under which a change is made; none if it is not. A value that is refused is told once the item is done.
    pub fn admit(
        &mut self,
        change: &Change<'_>,
        cause: Cause,
        word: Word,
        catalog: &Catalog,
        room: &mut Room,
    ) -> Option<Cause> {
        match change {
            Change::Attribute(name, value) => {
                let fits = self.admits(&catalog.types, name, value, &cause);
                let fits = fits && self.has_room(name, value, &cause, word, room);
                match word.page {
                    true => self.admits_page(&catalog.pages, name, value, &cause).filter(|_| fits),
                    false => fits.then_some(cause),
                }
            }
            Change::Counter(name, by) => {
                let value = Value::from(*by);
                let fits = self.admits(&catalog.types, name, &value, &cause);
                (fits && !word.page && self.has_room(name, &value, &cause, word, room)).then_some(cause)
            }
            Change::Tag(tag, present) => {
                let is_tag = !word.page && matches!(present, Value::Bool(_) | Value::Null);
                (is_tag && self.has_room_for_tag(tag, &cause, room)).then_some(cause)
            }
            // What is malformed was refused at the door; were it there all the same, it would hide no other.
            Change::Consent(key, consent) if is_consent(key, consent) => {
                let timeless = word.timeless && Consent::of(consent) == Consent::Granted;
                let at = if timeless { Timestamp::FIRST } else { cause.at };
                let may = !word.page || Pages::may_record(consent);
                let cause = Cause { at, ..cause };
                let has_room = may && self.has_room_for_consent(key, consent, &cause, word, room);
                has_room.then(|| if word.page { cause.by_page() } else { cause })
            }
            Change::Consent(..) => None,
        }
    }
}
