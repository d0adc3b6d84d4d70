//! What COMPUTE reads of an event's raw body.

use openhub_model::identity::{Authority, Part, Policy};
use openhub_model::{Event, EventKind, Id, Identity, NewEvent};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use crate::compute::{Happening, PROPOSED};

/// Identities of one event at most.
const MAX_CLAIMS: usize = 32;

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
    #[serde(deserialize_with = "null_is_empty")]
    pub consents: Map<String, Value>,
    /// Further identities: `[{"kind", "value"}]`.
    #[serde(deserialize_with = "what_reads")]
    identities: Vec<Identity>,
    /// The subject of the hub's own updates, where it is neither a user nor a visitor.
    #[serde(deserialize_with = "one_that_reads")]
    identity: Option<Identity>,
    /// The match that the hub's own update decides.
    #[serde(rename = "match")]
    pub decided: Option<Decided>,
    /// Their parts have changed hands: all segments are asked about them.
    pub review: bool,
    /// A message to them has come to a verdict: the segments that mention messages are asked.
    pub verdict: Option<IgnoredAny>,
}

/// What became of a proposed match.
#[derive(Debug, Deserialize)]
pub struct Decided {
    pub id: Id,
    pub accepted: bool,
}

/// An item that is no identity is no reason to lose the event.
fn what_reads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Identity>, D::Error> {
    let items = Value::deserialize(deserializer)?;
    let items = items.as_array().into_iter().flatten();
    Ok(items.filter_map(|item| serde_json::from_value(item.clone()).ok()).collect())
}

fn one_that_reads<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Identity>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
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

    /// Whose event it is: its `userId`, else its `anonymousId`, else the identity that the hub's own call names.
    pub fn subject(&self) -> Option<Identity> {
        let user = text(&self.user_id).map(|value| Identity::new(Identity::USER_ID, value));
        let visitor = || text(&self.anonymous_id).map(|value| Identity::new(Identity::ANONYMOUS_ID, value));
        user.or_else(visitor).or_else(|| self.identity.clone())
    }

    /// Whether it may name more than its subject at all: most events do not, and are done with that.
    pub fn names_others(&self) -> bool {
        let both = !self.user_id.is_null() && !self.anonymous_id.is_null();
        both || !self.traits.is_empty() || !self.identities.is_empty() || !self.previous_id.is_null()
    }

    /// Whether a call says nothing of its customer but who they are and what they did: most do.
    pub fn is_plain(&self, kind: EventKind) -> bool {
        matches!(kind, EventKind::Track | EventKind::Page | EventKind::Screen) && !self.names_others()
    }

    /// Identities that the event names besides its subject, in the form of their kinds; those of a higher priority
    /// first.
    pub fn claims(&self, kind: EventKind, subject: &Identity, policy: &Policy) -> Vec<Identity> {
        let mut named: Vec<Identity> = Vec::new();
        let mut name = |identity: Identity| {
            if identity == *subject {
                return;
            }
            let identity = policy.normal(identity);
            if identity != *subject && !named.contains(&identity) {
                named.push(identity);
            }
        };
        for (kind, value) in [(Identity::USER_ID, &self.user_id), (Identity::ANONYMOUS_ID, &self.anonymous_id)] {
            if let Some(value) = text(value) {
                name(Identity::new(kind, value));
            }
        }
        // The traits of a group are the group's.
        if kind != EventKind::Group && !self.traits.is_empty() {
            for (kind, value) in policy.traits().filter_map(|(kind, name)| Some((kind, self.traits.get(name)?))) {
                if let Some(value) = text(value) {
                    name(Identity::new(kind, value));
                }
            }
        }
        self.identities.iter().cloned().for_each(name);
        if named.len() > 1 {
            policy.sort(&mut named);
        }
        named.truncate(MAX_CLAIMS);
        named
    }

    /// Whom an `alias` says that its subject was before: a visitor, unless only a user is known by that id.
    pub fn previous(&self, kind: EventKind) -> Option<[Identity; 2]> {
        let value = text(&self.previous_id).filter(|_| kind == EventKind::Alias)?;
        Some([Identity::new(Identity::ANONYMOUS_ID, value.clone()), Identity::new(Identity::USER_ID, value)])
    }

    /// The group that a `group` call puts its customer into.
    pub fn group(&self, kind: EventKind) -> Option<String> {
        text(&self.group_id).filter(|_| kind == EventKind::Group)
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

/// Every identity that an event names, its subject first, as the engine will read it.
pub fn identities_of(kind: EventKind, name: &str, body: &str, policy: &Policy) -> Vec<Identity> {
    let body = Body::read(body);
    let Some(subject) = body.subject() else { return Vec::new() };
    let mut named = body.claims(kind, &subject, policy);
    named.extend(body.previous(kind).into_iter().flatten());
    named.extend(proposed(name, &body.properties).map(|proposed| policy.normal(proposed)));
    named.insert(0, subject);
    named
}

/// The identity that a `Match Proposed` names.
pub fn proposed(name: &str, properties: &Value) -> Option<Identity> {
    let text = |field: &str| properties[field].as_str();
    let (kind, value) = (text("kind")?, text("value")?);
    (name == PROPOSED).then(|| Identity::new(kind, value))
}

/// The event by which a proposed match is decided: by a human, or by the policy that accepts it.
pub fn decision(cause: &Happening, subject: &Identity, identity: &Identity, id: Id, accepted: bool) -> NewEvent {
    let identities = if accepted { vec![identity] } else { Vec::new() };
    NewEvent {
        message_id: format!("openhub:match:{id}"),
        kind: EventKind::Update,
        name: String::new(),
        part: cause.part,
        occurred_at: cause.now,
        received_at: cause.now,
        historical: false,
        authority: Authority::Operator,
        cause: Some(cause.message_id.to_string()),
        body: json!({
            "identity": subject, "identities": identities, "match": { "id": id, "accepted": accepted },
        })
        .to_string(),
    }
}

/// The event by which a part that changed hands, with `cause`, has all segments asked about its customer.
pub fn review(cause: &Event, part: &Part) -> NewEvent {
    NewEvent {
        message_id: Id::named(&[b"review", cause.message_id.as_bytes(), part.id().as_bytes()]).to_string(),
        kind: EventKind::Update,
        name: String::new(),
        part: Some(part.id()),
        occurred_at: cause.occurred_at,
        received_at: cause.received_at,
        historical: false,
        authority: Authority::Operator,
        cause: Some(cause.message_id.clone()),
        body: json!({"identity": part.identity, "review": true}).to_string(),
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
        let (field, value) = match subject.kind.as_str() {
            Identity::USER_ID => ("userId", subject.value.as_str().into()),
            Identity::ANONYMOUS_ID => ("anonymousId", subject.value.as_str().into()),
            kind => ("identity", json!({"kind": kind, "value": subject.value})),
        };
        body.insert(field.into(), value);
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
        let claims = |body: &Body, kind, subject| body.claims(kind, subject, &Policy::default());
        let named = claims(&body, EventKind::Identify, &subject);
        assert_eq!(named, [Identity::new("email", "a@example.com"), Identity::new("anonymous_id", "a")]);
        assert_eq!(claims(&body, EventKind::Group, &subject), [Identity::new("anonymous_id", "a")]);
        let body = Body::read(r#"{"userId": "u", "identities": [{"kind": "email", "value": " A@b.c "}, 7]}"#);
        assert_eq!(claims(&body, EventKind::Track, &body.subject().unwrap()), [Identity::new("email", "a@b.c")]);
        assert_eq!(Body::read(r#"{"anonymousId": "a"}"#).subject(), Some(Identity::new("anonymous_id", "a")));
        assert_eq!(Body::read("{}").subject(), None);
        let null = Body::read(r#"{"userId": "u", "traits": null, "properties": null}"#);
        assert_eq!(null.subject(), Some(Identity::new("user_id", "u")));
    }
}
