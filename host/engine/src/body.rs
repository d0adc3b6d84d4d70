//! What COMPUTE reads of an event's raw body.

use openhub_model::{Identity, NewEvent};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The fields of a Segment call or of the hub's own update that the engine uses; the rest stays in the raw text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Body {
    user_id: Value,
    anonymous_id: Value,
    previous_id: Value,
    group_id: Value,
    pub properties: Value,
    #[serde(deserialize_with = "null_is_empty")]
    traits: Map<String, Value>,
    #[serde(deserialize_with = "null_is_empty")]
    attributes: Map<String, Value>,
    #[serde(deserialize_with = "null_is_empty")]
    pub tags: Map<String, Value>,
}

/// Segment's libraries may send `"traits": null`.
fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Body {
    /// The door has checked the text; what it let pass and does not parse reads as empty.
    pub fn read(text: &str) -> Body {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whose event it is: its `userId`, else its `anonymousId`.
    pub fn subject(&self) -> Option<Identity> {
        let user = text(&self.user_id).map(|value| Identity::new(Identity::USER_ID, value));
        user.or_else(|| text(&self.anonymous_id).map(|value| Identity::new(Identity::ANONYMOUS_ID, value)))
    }

    /// Identities that the event names besides its subject: claims, stored as they came.
    pub fn claims(&self, subject: &Identity) -> Vec<Identity> {
        let named = [
            (Identity::USER_ID, text(&self.user_id)),
            (Identity::ANONYMOUS_ID, text(&self.anonymous_id)),
            (Identity::USER_ID, text(&self.previous_id)),
            ("group_id", text(&self.group_id)),
            ("email", self.traits.get("email").and_then(text)),
            ("phone", self.traits.get("phone").and_then(text)),
        ];
        let identities = named.into_iter().filter_map(|(kind, value)| Some(Identity::new(kind, value?)));
        identities.filter(|identity| identity != subject).collect()
    }

    /// The attributes that an `identify` or an update sets.
    pub fn attributes(self) -> Map<String, Value> {
        let mut attributes = self.traits;
        attributes.extend(self.attributes);
        attributes
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The body of an event that COMPUTE causes, in the shape of a `track` call.
pub fn track(event: &NewEvent, subject: Option<&Identity>, properties: &Value) -> String {
    let mut body = Map::new();
    body.insert("type".into(), "track".into());
    body.insert("event".into(), event.name.as_str().into());
    body.insert("messageId".into(), event.message_id.as_str().into());
    body.insert("timestamp".into(), event.occurred_at.to_string().into());
    if let Some(subject) = subject {
        let field = if subject.kind == Identity::USER_ID { "userId" } else { "anonymousId" };
        body.insert(field.into(), subject.value.as_str().into());
    }
    body.insert("properties".into(), properties.clone());
    Value::Object(body).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_comes_before_the_visitor() {
        let body = Body::read(r#"{"userId": 7, "anonymousId": "a", "traits": {"email": "a@example.com"}}"#);
        let subject = body.subject().unwrap();
        assert_eq!(subject, Identity::new("user_id", "7"));
        let claims = body.claims(&subject);
        assert_eq!(claims, [Identity::new("anonymous_id", "a"), Identity::new("email", "a@example.com")]);
        assert_eq!(Body::read(r#"{"anonymousId": "a"}"#).subject(), Some(Identity::new("anonymous_id", "a")));
        assert_eq!(Body::read("{}").subject(), None);
        let null = Body::read(r#"{"userId": "u", "traits": null, "properties": null}"#);
        assert_eq!(null.subject(), Some(Identity::new("user_id", "u")));
    }
}
