//! The address in a message by which its receiver says: no more of this. What it names and the hub's mark on that stand in the
//! address itself, so it works as long as the hub has its key, whatever has become of the message.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openhub_model::identity::{Authority, Marker};
use openhub_model::message::TRANSACTIONAL;
use openhub_model::{EventKind, Id, NewEvent, PartId, TenantId, Timestamp};
use openhub_store::Outgoing;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Below the hub's own address.
pub const PATH: &str = "/unsubscribe";
/// As which a consent names where it was withdrawn: on the page, or at the provider of a channel.
const SOURCE: &str = "unsubscribe";
const PROVIDER: &str = "opted-out";

/// What its receiver wants no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    tenant: i64,
    pub part: PartId,
    pub purpose: String,
    pub channel: String,
}

impl Subscription {
    /// Of a message that needs a consent; nobody can withdraw what needs none.
    pub fn of(tenant: TenantId, outgoing: &Outgoing) -> Option<Subscription> {
        let message = &outgoing.message;
        let needs_none = message.purpose.is_empty() || message.purpose == TRANSACTIONAL;
        (!needs_none).then(|| Subscription {
            tenant: tenant.0,
            part: message.part,
            purpose: message.purpose.clone(),
            channel: message.channel.clone(),
        })
    }

    pub fn tenant(&self) -> TenantId {
        TenantId(self.tenant)
    }

    /// The end of the address.
    pub fn token(&self, marker: &Marker) -> String {
        let named = serde_json::to_vec(self).unwrap_or_default();
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&named),
            URL_SAFE_NO_PAD.encode(marker.unsubscribing(&named).as_bytes())
        )
    }

    /// None if this hub has not written it.
    pub fn read(marker: &Marker, token: &str) -> Option<Subscription> {
        let (named, mark) = token.split_once('.')?;
        let named = URL_SAFE_NO_PAD.decode(named).ok()?;
        let mark = URL_SAFE_NO_PAD.decode(mark).ok()?;
        // Of two hashes under a key that nobody has; how alike they are tells nothing.
        (mark == marker.unsubscribing(&named).as_bytes()).then(|| serde_json::from_slice(&named).ok()).flatten()
    }

    /// The event by which the consent is withdrawn: to the purpose, as far as this channel goes. Within a minute the same link
    /// withdraws it once.
    pub fn withdrawal(&self, token: &str, at: Timestamp, received_at: Timestamp) -> NewEvent {
        let minute = received_at.micros().div_euclid(60_000_000);
        let id = Id::named(&[b"unsubscribe", token.as_bytes(), &minute.to_le_bytes()]);
        self.denial(format!("openhub:unsubscribe:{id}"), SOURCE, at, received_at)
    }

    /// The event by which a consent is withdrawn because the channel's provider says that the receiver has done so there. However
    /// often a message is told so, it is one.
    pub fn opted_out(&self, message: Id, at: Timestamp, received_at: Timestamp) -> NewEvent {
        self.denial(format!("openhub:opted-out:{message}"), PROVIDER, at, received_at)
    }

    fn denial(&self, message_id: String, source: &str, at: Timestamp, received_at: Timestamp) -> NewEvent {
        let consent = format!("{}/{}", self.purpose, self.channel);
        NewEvent {
            message_id,
            kind: EventKind::Update,
            name: String::new(),
            part: Some(self.part),
            occurred_at: at,
            received_at,
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: json!({"consents": {consent: {"state": "denied", "source": source}}}).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_by_the_hub_that_wrote_it_and_by_nobody_else() {
        let marker = |key| Marker::derived("test", &[key; 32]);
        let part = Id::named(&[b"part"]);
        let wanted = Subscription { tenant: 7, part, purpose: "news".into(), channel: "email".into() };
        let token = wanted.token(&marker(1));
        assert_eq!(token, wanted.token(&marker(1)), "each attempt to send says the same");
        assert_eq!(Subscription::read(&marker(1), &token), Some(wanted.clone()));
        assert_eq!(Subscription::read(&marker(2), &token), None);
        let other = Subscription { tenant: 8, ..wanted }.token(&marker(1));
        let mixed = format!("{}.{}", other.split_once('.').unwrap().0, token.split_once('.').unwrap().1);
        for wrong in ["", ".", "a", "a.b", &mixed, &token[1..]] {
            assert_eq!(Subscription::read(&marker(1), wrong), None, "{wrong}");
        }
    }
}
