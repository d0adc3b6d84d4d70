//! Whether a change is made: the type of a value and the authority of who sends it. What is not made is told once the item is
//! done, and changes nothing else.

use openhub_model::attribute::{AttributeType, Types};
use openhub_model::customer::{Consent, is_consent};
use openhub_model::{Cause, Timestamp, limits};
use serde_json::Value;

use super::refused::{Refused, Why};
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
    ///
    /// `added` counts the new ones of the same write.
    fn has_room(&mut self, name: &str, value: &Value, cause: &Cause, word: Word, added: &mut usize) -> bool {
        let Some(customer) = &self.customer else { return true };
        let most = if word.page { limits::PAGE_VALUES } else { limits::VALUES };
        let is_new = !value.is_null() && !customer.attributes.contains_key(name);
        let why = if is_new && customer.attributes.len() + *added >= most {
            Why::TooMany
        } else if word.page && limits::is_longer(value, limits::PAGE_VALUE) {
            Why::TooLong
        } else {
            *added += usize::from(is_new);
            return true;
        };
        // Told once an item: there may be thousands.
        if self.refused.iter().all(|told| !matches!(told.why, Why::TooMany | Why::TooLong)) {
            self.refused.push(Refused { attribute: name.to_owned(), why, cause: cause.clone() });
        }
        false
    }

    /// The cause under which a change is made; none if it is not. A value that is refused is told once the item is done.
    pub fn admit(
        &mut self,
        change: &Change<'_>,
        cause: Cause,
        word: Word,
        catalog: &Catalog,
        added: &mut usize,
    ) -> Option<Cause> {
        match change {
            Change::Attribute(name, value) => {
                let fits = self.admits(&catalog.types, name, value, &cause);
                let fits = fits && self.has_room(name, value, &cause, word, added);
                match word.page {
                    true => self.admits_page(&catalog.pages, name, value, &cause).filter(|_| fits),
                    false => fits.then_some(cause),
                }
            }
            Change::Counter(name, by) => {
                let value = Value::from(*by);
                let fits = self.admits(&catalog.types, name, &value, &cause);
                (fits && !word.page && self.has_room(name, &value, &cause, word, added)).then_some(cause)
            }
            Change::Tag(tag, present) => {
                let tags = self.customer.as_ref().map(|customer| &customer.tags);
                let has_room = tags.is_none_or(|tags| tags.len() < limits::VALUES || tags.contains_key(&**tag));
                (!word.page && has_room && matches!(present, Value::Bool(_) | Value::Null)).then_some(cause)
            }
            // What is malformed was refused at the door; were it there all the same, it would hide no other.
            Change::Consent(key, consent) if is_consent(key, consent) => {
                let timeless = word.timeless && Consent::of(consent) == Consent::Granted;
                let at = if timeless { Timestamp::FIRST } else { cause.at };
                (!word.page || Pages::may_record(consent)).then_some(Cause { at, ..cause })
            }
            Change::Consent(..) => None,
        }
    }
}
