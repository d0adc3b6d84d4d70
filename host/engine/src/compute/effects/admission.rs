//! Whether a change is made: the type of a value and the authority of who sends it. What is not made is told once the item is
//! done, and changes nothing else.

use openhub_model::attribute::{AttributeType, Types};
use openhub_model::customer::{Consent, is_consent};
use openhub_model::{Cause, Timestamp};
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

    /// The cause under which a change is made; none if it is not. A value that is refused is told once the item is done.
    pub fn admit(&mut self, change: &Change<'_>, cause: Cause, word: Word, catalog: &Catalog) -> Option<Cause> {
        match change {
            Change::Attribute(name, value) => {
                let fits = self.admits(&catalog.types, name, value, &cause);
                match word.page {
                    true => self.admits_page(&catalog.pages, name, value, &cause).filter(|_| fits),
                    false => fits.then_some(cause),
                }
            }
            Change::Counter(name, by) => {
                let fits = self.admits(&catalog.types, name, &Value::from(*by), &cause);
                (fits && !word.page).then_some(cause)
            }
            Change::Tag(_, present) => (!word.page && matches!(present, Value::Bool(_) | Value::Null)).then_some(cause),
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
