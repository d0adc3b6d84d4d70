//! The gate that no plugin can pass around: whether a message may be sent now.

use openhub_model::Timestamp;
use openhub_model::customer::{Consent, Customer};
use openhub_model::message::{NewMessage, TRANSACTIONAL};

/// Why a message is not sent. It needs the customer's consent to its purpose, by its channel if that was asked for, unless it is
/// transactional, or of a journey that was published before sends had a purpose. One that has expired is not sent.
pub fn refusal(message: &NewMessage, customer: Option<&Customer>, now: Timestamp) -> Option<&'static str> {
    if message.expires_at.is_some_and(|at| at <= now) {
        return Some("expired");
    }
    if !needs_consent(message) {
        return None;
    }
    let consent = customer.map(|customer| customer.consent(&message.purpose, Some(&message.channel)));
    (consent != Some(Consent::Granted)).then_some("no consent to its purpose")
}

/// Whether the customer has to be asked about.
pub fn needs_consent(message: &NewMessage) -> bool {
    !message.purpose.is_empty() && message.purpose != TRANSACTIONAL
}

/// Whether it has a purpose, so that it goes to somebody who lives somewhere; others go to systems.
pub fn goes_to_a_person(message: &NewMessage) -> bool {
    !message.purpose.is_empty()
}
