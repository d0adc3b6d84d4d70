//! What an event's raw body says: the one reader of COMPUTE, of the door and of suppression.
//!
//! A member that is malformed reads as if it were not there, and hides no other. Which members count is told by the
//! event's kind: what the hub says in its own updates, a client cannot say by using its words.

use openhub_model::identity::{Authority, Part, Policy, number, plain};
use openhub_model::{Event, EventKind, Id, Identity, NewEvent, PartId, Timestamp, limits};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt;

/// The event by which a rule proposes that two identities are one customer.
pub const PROPOSED: &str = "Match Proposed";

/// The members of a Segment call or of the hub's own update that the engine uses; the rest stays in the raw text.
#[derive(Debug, Default)]
pub struct Body {
    user_id: Option<String>,
    anonymous_id: Option<String>,
    previous_id: Option<String>,
    group_id: Option<String>,
    pub properties: Value,
    traits: Map<String, Value>,
    attributes: Map<String, Value>,
    pub tags: Map<String, Value>,
    pub consents: Map<String, Value>,
    /// Further identities: `[{"kind", "value"}]`.
    identities: Vec<Identity>,
    /// The subject of the hub's own events, where it is neither a user nor a visitor.
    identity: Option<Identity>,
    /// Whether it names a time of its own.
    pub timed: bool,
    /// The match that the hub's own update decides.
    pub decided: Option<Decided>,
    /// The hub's own update says that their parts have changed hands: all segments are asked about them.
    pub review: bool,
    /// The hub's own update says that a message to them has come to a verdict: the segments that mention messages are
    /// asked.
    pub verdict: bool,
    /// The hub's own update has one rule look at an event again.
    pub retry: Option<Box<Retry>>,
}

/// An event as a rule that failed on it sees it again; its time is the update's.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    pub plugin: String,
    pub rule: String,
    pub message_id: String,
    pub event: String,
    pub properties: Value,
}

/// What became of a proposed match.
#[derive(Debug, serde::Deserialize)]
pub struct Decided {
    pub id: Id,
    pub accepted: bool,
}

/// Reads the members of a body, those of the hub's own updates only if it is one.
struct Reader {
    own: bool,
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body, D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// A member's name, which may be written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of an event, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let mut body = Body::default();
        while let Some(Name(name)) = map.next_key()? {
            match name.as_ref() {
                "userId" => body.user_id = text(map.next_value()?),
                "anonymousId" => body.anonymous_id = text(map.next_value()?),
                "previousId" => body.previous_id = text(map.next_value()?),
                "groupId" => body.group_id = text(map.next_value()?),
                "properties" => body.properties = Some(map.next_value()?).filter(Value::is_object).unwrap_or_default(),
                "traits" => body.traits = members(map.next_value()?),
                "tags" => body.tags = members(map.next_value()?),
                "consents" => body.consents = members(map.next_value()?),
                "identities" => body.identities = identities(&map.next_value()?),
                "identity" => body.identity = Identity::read(&map.next_value()?).filter(limits::is_identity),
                "timestamp" | "originalTimestamp" => {
                    body.timed |= text(map.next_value()?).is_some_and(|text| !text.trim().is_empty());
                }
                "attributes" if self.own => body.attributes = members(map.next_value()?),
                "match" if self.own => body.decided = serde_json::from_value(map.next_value()?).ok(),
                "review" if self.own => body.review = map.next_value::<Value>()? == Value::Bool(true),
                "retry" if self.own => body.retry = serde_json::from_value(map.next_value()?).ok(),
                "verdict" if self.own => body.verdict = !map.next_value::<Value>()?.is_null(),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(body)
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// An item that is no identity is no reason to lose the event.
fn identities(value: &Value) -> Vec<Identity> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Identity::read).take(limits::IDENTITIES).collect()
}

impl Body {
    /// The door has checked the text; what it let pass can be read.
    pub fn read(kind: EventKind, text: &str) -> Body {
        let own = kind == EventKind::Update;
        Reader { own }.deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap_or_default()
    }

    /// Whose event it is: its `userId`, else its `anonymousId`, else the identity that the hub's own call names.
    pub fn subject(&self) -> Option<Identity> {
        let named = Identity::subject(self.user_id.as_deref(), self.anonymous_id.as_deref());
        named.or_else(|| self.identity.clone())
    }

    /// Whether it may name more than its subject at all: most events do not, and are done with that.
    pub fn names_others(&self) -> bool {
        let both = self.user_id.is_some() && self.anonymous_id.is_some();
        both || !self.traits.is_empty() || !self.identities.is_empty() || self.previous_id.is_some()
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
            if identity != *subject && limits::is_identity(&identity) && !named.contains(&identity) {
                named.push(identity);
            }
        };
        for (kind, value) in [(Identity::USER_ID, &self.user_id), (Identity::ANONYMOUS_ID, &self.anonymous_id)] {
            if let Some(value) = value {
                name(Identity::new(kind, value.as_str()));
            }
        }
        // The traits of a group are the group's.
        if kind != EventKind::Group && !self.traits.is_empty() {
            for (kind, value) in policy.traits().filter_map(|(kind, name)| Some((kind, self.traits.get(name)?))) {
                if let Some(value) = text_of(value) {
                    name(Identity::new(kind, value));
                }
            }
        }
        self.identities.iter().cloned().for_each(name);
        if named.len() > 1 {
            policy.sort(&mut named);
        }
        named
    }

    /// Whom an `alias` says that its subject was before: a visitor, unless only a user is known by that id.
    pub fn previous(&self, kind: EventKind) -> Option<[Identity; 2]> {
        let value = plain(self.previous_id.as_deref().filter(|_| kind == EventKind::Alias)?);
        (value.len() <= limits::IDENTITY).then(|| {
            [Identity::new(Identity::ANONYMOUS_ID, value.as_ref()), Identity::new(Identity::USER_ID, value.as_ref())]
        })
    }

    /// The group that a `group` call puts its customer into.
    pub fn group(&self, kind: EventKind) -> Option<String> {
        self.group_id.clone().filter(|_| kind == EventKind::Group)
    }

    /// The attributes that an `identify` or an update sets.
    pub fn attributes(self) -> Map<String, Value> {
        let mut attributes = self.traits;
        attributes.extend(self.attributes);
        attributes
    }
}

/// An id: a text or a number; an empty text is none.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        other => text_of(&other),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(found) => Some(number(found)),
        _ => None,
    }
}

/// Every identity that an event names, its subject first, as the engine will read it.
pub fn identities_of(kind: EventKind, name: &str, body: &str, policy: &Policy) -> Vec<Identity> {
    let body = Body::read(kind, body);
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

/// The event by which a part that changed hands, with `cause`, has all segments asked about its customer.
pub fn review(cause: &Event, part: &Part) -> NewEvent {
    NewEvent {
        message_id: format!(
            "openhub:review:{}",
            Id::named(&[b"review", cause.message_id.as_bytes(), part.id().as_bytes()])
        ),
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

/// The event by which a customer has their segments asked whose object (type and key) a request of somebody else has changed.
/// It descends from a cause, by so many.
pub fn object_changed(
    owner: PartId,
    object: &(String, String),
    request: (Id, u32),
    (cause, depth): (&str, u8),
    now: Timestamp,
) -> NewEvent {
    let by = [request.0.as_bytes().as_slice(), &request.1.to_le_bytes()].concat();
    let id = Id::named(&[b"object-review", owner.as_bytes(), object.0.as_bytes(), object.1.as_bytes(), &by]);
    NewEvent {
        message_id: format!("openhub:review:{id}"),
        kind: EventKind::Update,
        name: String::new(),
        part: Some(owner),
        occurred_at: now,
        received_at: now,
        historical: false,
        authority: Authority::Operator,
        cause: Some(cause.to_owned()),
        body: json!({"review": true, "depth": depth}).to_string(),
    }
}

/// The member of a caused event that names the plugin, the rule or object type, and the digest of the version that caused it.
pub const SERVED_BY: &str = "served_by";

/// The body of an event that COMPUTE causes, in the shape of a `track` call.
///
/// `depth` is told of what goes through the log, and `served_by` of what a plugin's version has caused; both are believed of what the hub
/// has made only.
pub fn track(
    event: &NewEvent,
    subject: Option<&Identity>,
    properties: &Value,
    (depth, served_by): (Option<u8>, Option<Value>),
) -> String {
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
    if let Some(depth) = depth {
        body.insert("depth".into(), depth.into());
    }
    if let Some(served_by) = served_by {
        body.insert(SERVED_BY.into(), served_by);
    }
    body.insert("properties".into(), properties.clone());
    Value::Object(body).to_string()
}

/// How many events an event that arrived descends from. Only what the hub itself has caused says so: no door takes an
/// event with a cause.
pub fn depth(event: &Event) -> u8 {
    #[derive(serde::Deserialize)]
    struct Deep {
        depth: u8,
    }
    if event.cause.is_none() {
        return 0;
    }
    serde_json::from_str::<Deep>(&event.body).map_or(0, |deep| deep.depth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Body {
        Body::read(EventKind::Identify, text)
    }

    #[test]
    fn the_user_comes_before_the_visitor() {
        let body = read(r#"{"userId": 7, "anonymousId": "a", "traits": {"email": "a@example.com"}}"#);
        let subject = body.subject().unwrap();
        assert_eq!(subject, Identity::new("user_id", "7"));
        let claims = |body: &Body, kind, subject| body.claims(kind, subject, &Policy::default());
        let named = claims(&body, EventKind::Identify, &subject);
        assert_eq!(named, [Identity::new("email", "a@example.com"), Identity::new("anonymous_id", "a")]);
        assert_eq!(claims(&body, EventKind::Group, &subject), [Identity::new("anonymous_id", "a")]);
        let body = read(r#"{"userId": "u", "identities": [{"kind": "email", "value": " A@b.c "}, 7]}"#);
        assert_eq!(claims(&body, EventKind::Track, &body.subject().unwrap()), [Identity::new("email", "a@b.c")]);
        assert_eq!(read(r#"{"anonymousId": "a"}"#).subject(), Some(Identity::new("anonymous_id", "a")));
        assert_eq!(read("{}").subject(), None);
        let null = read(r#"{"userId": "u", "traits": null, "properties": null}"#);
        assert_eq!(null.subject(), Some(Identity::new("user_id", "u")));
    }

    const WHOLE: &str = r#"{"type":"identify","userId":"u","anonymousId":"a","traits":{"email":"ada@example.com","n":1},
        "tags":{"vip":true},"consents":{"news":{"state":"denied"}},"properties":{"p":1},
        "identities":[{"kind":"card","value":"c1"}]}"#;

    /// All that COMPUTE and suppression take from a body.
    fn said(kind: EventKind, text: &str) -> String {
        let body = Body::read(kind, text);
        let subject = body.subject();
        let claims = subject.as_ref().map(|subject| body.claims(kind, subject, &Policy::default()));
        format!(
            "{subject:?} {claims:?} {:?} {:?} {:?} {:?} {} {}",
            body.tags, body.consents, body.properties, body.decided, body.review, body.verdict,
        ) + &format!("{:?}", body.attributes())
    }

    #[test]
    fn b4_a_word_of_the_hub_in_a_clients_event_changes_nothing() {
        for more in [
            r#""review":"great""#,
            r#""review":true"#,
            r#""review":null"#,
            r#""match":"x""#,
            r#""verdict":{"a":1}"#,
            r#""match":{"id":"00000000-0000-8000-8000-000000000000","accepted":true}"#,
            r#""identity":7"#,
            r#""identity":{"kind":"email","value":"eve@example.com"}"#,
            r#""attributes":{"points":9}"#,
            r#""attributes":[]"#,
            r#""review":1,"review":2"#,
            r#""asked_by":[]"#,
        ] {
            let text = WHOLE.replacen('{', &format!("{{{more},"), 1);
            assert_eq!(said(EventKind::Identify, &text), said(EventKind::Identify, WHOLE), "{more}");
        }
        let own = r#"{"identity":{"kind":"email","value":"a@b.c"},"review":true,"verdict":{},"attributes":{"x":1}}"#;
        let own = Body::read(EventKind::Update, own);
        assert!(own.review && own.verdict && own.attributes["x"] == 1);
    }

    proptest! {
        /// A malformed member says nothing, and the others say what they say without it.
        #[test]
        fn b4_no_member_hides_another(
            name in "review|match|verdict|identity|attributes|context|[a-z]{1,8}|userid|Traits|\\PC{0,3}",
            value in r#"null|true|7|-1e3|"great"|\[\]|\{\}|\[1,"x"\]|\{"id":1\}|\{"a":\{"b":\[\]\}\}"#,
            at_the_end in any::<bool>(),
        ) {
            let known = ["traits", "tags", "consents", "properties", "identities"];
            prop_assume!(!known.contains(&name.as_str()));
            let more = format!("{}:{value}", Value::from(name));
            let text = match at_the_end {
                true => format!("{},{more}}}", WHOLE.strip_suffix('}').unwrap()),
                false => WHOLE.replacen('{', &format!("{{{more},"), 1),
            };
            prop_assume!(serde_json::from_str::<IgnoredAny>(&text).is_ok());
            prop_assert_eq!(said(EventKind::Identify, &text), said(EventKind::Identify, WHOLE));
        }

        /// A member of the wrong type reads as absent, whichever it is.
        #[test]
        fn b4_a_member_of_the_wrong_type_is_absent(
            name in "traits|tags|consents|properties|identities|previousId|groupId",
            value in r#"null|true|\[\]|"x{0,3}"|\[7,\[\]\]|-7"#,
        ) {
            prop_assume!(name != "previousId" && name != "groupId" || value.len() < 5);
            let mut body: Map<String, Value> = serde_json::from_str(WHOLE).unwrap();
            body.shift_remove(&name);
            let without = Value::from(body.clone()).to_string();
            body.insert(name, serde_json::from_str(&value).unwrap());
            prop_assert_eq!(said(EventKind::Identify, &Value::from(body).to_string()), said(EventKind::Identify, &without));
        }
    }
}
