//! The gate that no plugin can pass around: whether a message may be sent now.

use openhub_model::Timestamp;
use openhub_model::customer::{Consent, Customer};
use openhub_model::message::NewMessage;

/// Why a message is not sent. A message under a purpose needs the customer's consent to it, by its channel if that was asked
/// for; one that has expired is not sent.
pub fn refusal(message: &NewMessage, customer: Option<&Customer>, now: Timestamp) -> Option<&'static str> {
    if message.expires_at.is_some_and(|at| at <= now) {
        return Some("expired");
    }
    let consent = customer.map(|customer| customer.consent(&message.purpose, Some(&message.channel)));
    let agreed = message.purpose.is_empty() || consent == Some(Consent::Granted);
    (!agreed).then_some("no consent to its purpose")
}
