//! What a plugin is made of and what it asks for: the JSON in its custom section `openhub:manifest`.
//!
//! Shapes (rules, objects, channels, sources, events) come from the plugin's code, policy (name, texts, hosts,
//! secrets, limits) from its `plugin.toml`; the build merges both. Read without executing anything.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the custom section of a component that holds the manifest.
pub const MANIFEST_SECTION: &str = "openhub:manifest";
/// Name of the custom section of a core module into which the SDK's macros write shape fragments,
/// one JSON object a line. The build consumes it.
pub const SHAPES_SECTION: &str = "openhub:shapes";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: 1.
    pub format: u32,
    /// Kebab-case; unique within a tenant.
    pub name: String,
    /// Semantic version.
    pub version: String,
    pub publisher: String,
    /// By language: `en`, `zh`.
    #[serde(default)]
    pub title: BTreeMap<String, String>,
    #[serde(default)]
    pub description: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Field>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretShape>,
    /// Hosts that `http` may reach: a host name, `*.example.com`, or `setting:<name>` (the host of the URL in that setting).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The interfaces that the component imports, `openhub:http/http`, sorted: its true capability set.
    #[serde(default)]
    pub imports: Vec<String>,
    #[serde(default)]
    pub limits: Limits,
}

/// A rule type: what it reads and what it may write is its data-protection statement and its grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleShape {
    pub name: String,
    /// The events that trigger it.
    pub on: Vec<String>,
    pub reads: Vec<Read>,
    pub writes: Vec<Write>,
    /// Events that it may cause, by name.
    #[serde(default)]
    pub events: Vec<String>,
    /// Object types that it may write.
    #[serde(default)]
    pub objects: Vec<String>,
    /// Parameters, from the installation's settings under the rule's name.
    #[serde(default)]
    pub params: Vec<Field>,
}

/// The paths that a rule can read, as people are told them.
pub const READ_PATHS: &str = "event.name, event.properties.<name> (with dots into objects), \
    event.properties.<list>[].<field>, customer.attributes.<name>, customer.counters.<name>, customer.tags.<name>, row.at, \
    row.seed, row.customer";
/// The paths that a rule can write.
pub const WRITE_PATHS: &str =
    "customer.attributes.<name>, customer.counters.<name>, customer.tags.<name>, decision (of a journey)";

/// `path` is one of `event.properties.<name>…`, `event.properties.<list>[].<name>`, `event.name`,
/// `customer.attributes.<name>`, `customer.tags.<name>`, `row.at`, `row.seed`, `row.customer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    pub name: String,
    pub path: String,
    #[serde(rename = "type")]
    pub of: Type,
    /// A row that lacks a required read is not sent.
    pub required: bool,
    /// An admin may point it at another path, per tenant.
    #[serde(default)]
    pub bind: bool,
}

/// `path` is one of `customer.attributes.<name>`, `customer.counters.<name>`, `customer.tags.<name>`, `decision`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub name: String,
    pub path: String,
    #[serde(rename = "type")]
    pub of: Type,
}

/// Logical types. Timestamps travel as microseconds, decimals as integers of the smallest unit, enums and
/// customers (an id) as texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    Boolean,
    Integer,
    Number,
    Text,
    Timestamp,
    Decimal(u32),
    Enum(Vec<String>),
    /// A relation to a customer, by id.
    Customer,
}

impl Type {
    /// What a JSON value of this type must be, as messages say it: "a string", "one of red, blue".
    pub fn in_words(&self) -> String {
        match self {
            Type::Boolean => "true or false".to_owned(),
            Type::Integer => "a whole number".to_owned(),
            Type::Number => "a number".to_owned(),
            Type::Text => "a string".to_owned(),
            Type::Timestamp => "a time like 2026-01-31T12:00:00Z".to_owned(),
            Type::Decimal(scale) => format!("a decimal with at most {scale} digits after the point"),
            Type::Enum(values) => format!("one of {}", values.join(", ")),
            Type::Customer => "the id of a customer".to_owned(),
        }
    }
}

/// A typed field of an object, an event, a content or the settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    #[serde(rename = "type")]
    pub of: Type,
    #[serde(default)]
    pub required: bool,
    /// No two objects of the type share a value.
    #[serde(default)]
    pub unique: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectShape {
    pub name: String,
    pub version: u32,
    pub fields: Vec<Field>,
    /// The field of type `customer` that tells whose it is, if it is a customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelShape {
    pub name: String,
    /// The identity kind that it sends to.
    pub address: String,
    /// The consent purpose that a message needs; none for channels that reach systems, not people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// What to do with a message that may have arrived.
    #[serde(default)]
    pub unknown: UnknownOutcome,
    /// The content's fields; empty accepts any JSON object.
    #[serde(default)]
    pub content: Vec<Field>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownOutcome {
    #[default]
    Retry,
    Park,
}

/// An address that providers call, whose calls become events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceShape {
    /// The last part of its address: `/hooks/<tenant>/<plugin>/<source>`.
    pub name: String,
    /// Events that it may yield, by name.
    #[serde(default)]
    pub events: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventShape {
    pub name: String,
    #[serde(default)]
    pub fields: Vec<Field>,
}

/// A secret that an admin sets and the guest never sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretShape {
    pub name: String,
    /// How the admin's text becomes the key's bytes.
    #[serde(default)]
    pub encoding: SecretEncoding,
    /// Where the host may use it.
    pub places: Vec<SecretPlace>,
    /// The hosts that it may go to, as `hosts` of the manifest writes them. Absent: the only host of the manifest; where there are several, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub required: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretEncoding {
    /// The text's UTF-8 bytes.
    #[default]
    Text,
    Base64,
    /// `whsec_` and base64, as Standard Webhooks writes its keys.
    Whsec,
}

/// Written `"hmac"`, or with what it names: `{"header": "Authorization"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlaceText", into = "PlaceText")]
pub enum SecretPlace {
    /// As a key of `secrets.hmac` and `verify-hmac`.
    Hmac,
    /// In a header of this name.
    Header(String),
    /// As this parameter of the URL's query.
    Query(String),
    /// As this field of a form in the body.
    Form(String),
    /// In the text at this JSON pointer (RFC 6901) of the body.
    Body(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PlaceText {
    Word(String),
    Named(BTreeMap<String, String>),
}

impl From<SecretPlace> for PlaceText {
    fn from(place: SecretPlace) -> PlaceText {
        let named = |kind: &str, name: String| PlaceText::Named(BTreeMap::from([(kind.to_owned(), name)]));
        match place {
            SecretPlace::Hmac => PlaceText::Word("hmac".to_owned()),
            SecretPlace::Header(name) => named("header", name),
            SecretPlace::Query(name) => named("query", name),
            SecretPlace::Form(name) => named("form", name),
            SecretPlace::Body(pointer) => named("body", pointer),
        }
    }
}

impl TryFrom<PlaceText> for SecretPlace {
    type Error = String;

    fn try_from(text: PlaceText) -> Result<SecretPlace, String> {
        let (kind, name) = match text {
            PlaceText::Word(word) if word == "hmac" => return Ok(SecretPlace::Hmac),
            // As they were once written: they name no place, and give the secret to none.
            PlaceText::Word(word) if word == "query" || word == "body" => (word, String::new()),
            PlaceText::Word(word) => return Err(unknown_place(&word)),
            PlaceText::Named(named) => {
                let mut named = named.into_iter();
                match (named.next(), named.next()) {
                    (Some(place), None) => place,
                    _ => return Err(unknown_place("")),
                }
            }
        };
        match kind.as_str() {
            "header" => Ok(SecretPlace::Header(name)),
            "query" => Ok(SecretPlace::Query(name)),
            "form" => Ok(SecretPlace::Form(name)),
            "body" => Ok(SecretPlace::Body(name)),
            _ => Err(unknown_place(&kind)),
        }
    }
}

fn unknown_place(found: &str) -> String {
    format!(
        "`{found}` is not a place for a secret: write \"hmac\", {{ header = \"name\" }}, {{ query = \"parameter\" }}, \
         {{ form = \"field\" }} or {{ body = \"/json/pointer\" }}"
    )
}

/// Upper bounds that a manifest asks for; absent ones take the hub's defaults. A hub may lower them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// CPU milliseconds of a pure call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pure_ms: Option<u32>,
    /// CPU milliseconds of an I/O call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
}
