//! What a plugin is made of and what it asks for: the JSON in its custom section `openhub:manifest`.
//!
//! Shapes (rules, objects, channels, sources, endpoints, jobs, steps, functions, events) come from the plugin's code, policy (name, texts, hosts,
//! secrets, limits, schedules) from its `plugin.toml`; the build merges both. Read without executing anything.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::endpoint::EndpointShape;

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
    pub endpoints: Vec<EndpointShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobShape>,
    /// Nodes of journeys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepShape>,
    /// Functions that templates of journeys call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionShape>,
    /// Whether it keeps something of customers outside of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<PrivacyShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventShape>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Field>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretShape>,
    /// Hosts that `http` may reach: a host name, `*.example.com`, or `setting:<name>` (the host of the URL in that setting).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What it may read and write of the tenant's customers and objects: see [`crate::access::Access`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<String>,
    /// The interfaces that the component imports, `openhub:http/http`, sorted: its true capability set.
    #[serde(default)]
    pub imports: Vec<String>,
    #[serde(default)]
    pub limits: Limits,
}

/// A rule type: what it reads and what it may write is its data-protection statement and its grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleShape {
    pub name: String,
    /// The events that trigger it.
    pub on: Vec<String>,
    pub reads: Vec<Read>,
    /// Lists that it reads with several fields of each element.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListShape>,
    pub writes: Vec<Write>,
    /// Events that it may cause, by name.
    #[serde(default)]
    pub events: Vec<String>,
    /// Which of them happen to another customer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Recipient>,
    /// Object types that it may write.
    #[serde(default)]
    pub objects: Vec<String>,
    /// Parameters, from the installation's settings under the rule's name.
    #[serde(default)]
    pub params: Vec<Field>,
}

/// To whom an event of a rule happens: the customer that one of its reads names, which is a relation of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Its number among the rule's events.
    pub event: usize,
    /// The name of the read.
    pub read: String,
}

/// The paths that a rule can read, as people are told them.
pub const READ_PATHS: &str = "event.name, event.properties.<name> (with dots into objects), \
    event.properties.<list>[] and event.properties.<list>[].<field>, customer.attributes.<name>, customer.attributes.<list>[] \
    and customer.attributes.<list>[].<field>, customer.counters.<name>, customer.tags.<name>, row.at, row.seed, row.customer, \
    object.<type>[<key>].<field> and object.<type>[<unique>=<key>].<field> (a type of the plugin's own; the key is made of event.properties.<name>, customer.attributes.<name> and \
    row.customer, with a slash between them)";
/// The lists that a rule can read with several fields.
pub const LIST_PATHS: &str = "event.properties.<name> (with dots into objects), customer.attributes.<name>; below a list, a field of its elements";
/// The paths that a rule can write.
pub const WRITE_PATHS: &str =
    "customer.attributes.<name>, customer.counters.<name>, customer.tags.<name>, decision (of a journey)";

/// `path` is one of [`READ_PATHS`]. Below a list it starts at the element: `sku`, `codes[]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    pub name: String,
    pub path: String,
    #[serde(rename = "type")]
    pub of: Type,
    /// A row that lacks a required read is not sent. In a list, each element must have it.
    pub required: bool,
    /// An admin may point it at another path, per tenant.
    #[serde(default)]
    pub bind: bool,
}

/// A list whose elements a rule reads: a table, with a column for each of their fields. A row without the list has an empty one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListShape {
    pub name: String,
    /// One of [`LIST_PATHS`].
    pub path: String,
    #[serde(default)]
    pub bind: bool,
    pub reads: Vec<Read>,
    /// Lists in each of its elements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListShape>,
}

/// A table of a rule's calls, in the order in which they cross the boundary.
#[derive(Clone, Debug, PartialEq)]
pub struct TableShape<'m> {
    /// The table whose elements have these lists; none: the rows.
    pub parent: Option<u32>,
    /// The list's path, from its element where it has a parent.
    pub path: &'m str,
    pub columns: Vec<ElementShape<'m>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementShape<'m> {
    /// As a binding calls it: `items.sku`.
    pub name: String,
    /// From the element; empty for the element itself.
    pub path: &'m str,
    pub of: &'m Type,
    pub required: bool,
}

impl ListShape {
    /// Its reads and those of the lists in it.
    pub fn all_reads(&self) -> Vec<&Read> {
        let mut reads: Vec<&Read> = self.reads.iter().collect();
        self.lists.iter().for_each(|list| reads.extend(list.all_reads()));
        reads
    }
}

impl RuleShape {
    /// The read that names to whom its events of this number happen.
    pub fn recipient(&self, event: usize) -> Option<&Read> {
        let to = self.to.iter().find(|to| to.event == event)?;
        self.reads.iter().find(|read| read.name == to.read)
    }

    /// The reads that are columns, in order: those outside of lists.
    pub fn scalars(&self) -> impl Iterator<Item = &Read> {
        self.reads.iter().filter(|read| split(&read.path).is_none())
    }

    /// One table a declared list: the lists of single reads first, then those with fields, each followed by what is in it.
    /// `bound` gives the path that an admin has set in place of a read's, by the read's name.
    pub fn tables<'m>(&'m self, bound: &dyn Fn(&str) -> Option<&'m str>) -> Vec<TableShape<'m>> {
        let mut tables = Vec::new();
        add_tables(None, "", &self.reads, &self.lists, bound, &mut tables);
        tables
    }
}

/// A path's list and what follows it: `event.properties.items` and `sku`, of `event.properties.items[].sku`.
pub fn split(path: &str) -> Option<(&str, &str)> {
    let (list, field) = path.split_once("[]")?;
    Some((list, field.strip_prefix('.').unwrap_or(field)))
}

fn add_tables<'m>(
    parent: Option<u32>,
    prefix: &str,
    reads: &'m [Read],
    lists: &'m [ListShape],
    bound: &dyn Fn(&str) -> Option<&'m str>,
    tables: &mut Vec<TableShape<'m>>,
) {
    let resolve = |name: &str, path: &'m str, bind: bool| bound(name).filter(|_| bind).unwrap_or(path);
    for read in reads {
        let name = format!("{prefix}{}", read.name);
        if let Some((list, field)) = split(resolve(&name, &read.path, read.bind)) {
            let column = ElementShape { name, path: field, of: &read.of, required: read.required };
            tables.push(TableShape { parent, path: list, columns: vec![column] });
        }
    }
    for list in lists {
        let name = format!("{prefix}{}", list.name);
        let path = resolve(&name, &list.path, list.bind);
        let inner = format!("{name}.");
        let fields = list.reads.iter().filter(|read| split(&read.path).is_none()).map(|read| {
            let name = format!("{inner}{}", read.name);
            let path = resolve(&name, &read.path, read.bind);
            ElementShape { name, path, of: &read.of, required: read.required }
        });
        let at = tables.len() as u32;
        let columns = fields.collect();
        tables.push(TableShape { parent, path, columns });
        add_tables(Some(at), &inner, &list.reads, &list.lists, bound, tables);
    }
}

/// `path` is one of `customer.attributes.<name>`, `customer.counters.<name>`, `customer.tags.<name>`, `decision`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub name: String,
    pub path: String,
    #[serde(rename = "type")]
    pub of: Type,
    /// The attribute becomes a list of such values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub list: bool,
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
    /// A relation to an object of this type, by key.
    Object(String),
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
            Type::Object(kind) => format!("the key of an object of the type `{kind}`"),
        }
    }
}

/// A typed field of an object, an event, a content or the settings. What a value of it must be is in [`crate::field`].
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
    /// What people are shown, by language: `en`, `zh`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub label: BTreeMap<String, String>,
    /// The value of an object that is created without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether it has several values, in an array.
    #[serde(default, skip_serializing_if = "is_false")]
    pub list: bool,
    /// Whether its text is HTML: what a template puts into it is escaped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub html: bool,
    /// The smallest and the greatest value of a number, a decimal or a timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Values of a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_items: Option<usize>,
    /// Of a relation to an object: what becomes of it when that object is deleted.
    #[serde(default, skip_serializing_if = "OnDelete::is_refuse")]
    pub on_delete: OnDelete,
}

/// What the deletion of an object means to those that name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDelete {
    /// It is refused while one does.
    #[default]
    Refuse,
    /// They name it no more.
    Clear,
}

impl OnDelete {
    fn is_refuse(&self) -> bool {
        *self == OnDelete::Refuse
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !*value
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

/// Work by the clock: see [`crate::schedule`]. Its name comes from the code, all else from `plugin.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobShape {
    pub name: String,
    /// Minute, hour, day of the month, month, day of the week: `0 3 * * *`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// How far its runs are apart: `15m`. Without this and `cron` it runs only when somebody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// The time zone of `cron`, by its IANA name. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub catch_up: CatchUp,
    /// How many missed times `all` makes up for, the latest. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// How long a run may take: `30s`. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What becomes of the times that passed while nobody could run a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// They are left out.
    Skip,
    /// One run makes up for all of them.
    #[default]
    Once,
    /// Each has its run, in order.
    All,
}

/// It is asked when customers are given their data or erased, since it keeps something of them elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyShape {
    /// The kinds of identities by which it is told who it is.
    #[serde(default)]
    pub identities: Vec<String>,
}

/// A node of journeys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepShape {
    pub name: String,
    /// The ways on from it, by name.
    pub outlets: Vec<String>,
    /// Events that a run may wait for in it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// What the author of a journey sets, in `with`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input: Vec<Field>,
    /// Of the state that its waits leave: it comes back with the version under which it was written.
    #[serde(default)]
    pub state_version: u32,
}

/// A function that templates of journeys call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionShape {
    pub name: String,
    /// In order; those that may be left out are the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Field>,
    pub returns: Type,
}

impl FunctionShape {
    /// How many arguments a call must have.
    pub fn required(&self) -> usize {
        self.arguments.iter().filter(|argument| argument.required).count()
    }

    /// As people write it: `money(amount, currency?)`.
    pub fn signature(&self) -> String {
        let optional = |argument: &Field| if argument.required { "" } else { "?" };
        let arguments = self.arguments.iter().map(|argument| format!("{}{}", argument.name, optional(argument)));
        format!("{}({})", self.name.replace('-', "_"), arguments.collect::<Vec<_>>().join(", "))
    }
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
    /// No admin sets it: an answer gives it, as the text at this JSON pointer (RFC 6901). See `http.capture`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
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

/// Written `"hmac"`, or with what it names: `{"header": "Authorization"}`, `{"sign": "rsa-sha256"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlaceText", into = "PlaceText")]
pub enum SecretPlace {
    /// As a key of `secrets.hmac`, `verify-hmac`, `verify-token`, `verify-sorted` and `aes-cbc-decrypt`.
    Hmac,
    /// As the private key of `secrets.sign`, by this algorithm.
    Sign(String),
    /// As the public key of `secrets.verify-signature`, by this algorithm.
    Verify(String),
    /// In a header of this name.
    Header(String),
    /// As this parameter of the URL's query.
    Query(String),
    /// As this field of a form in the body.
    Form(String),
    /// In the text at this JSON pointer (RFC 6901) of the body.
    Body(String),
}

impl SecretPlace {
    /// Whether the secret leaves the hub there, in a request.
    pub fn travels(&self) -> bool {
        !matches!(self, SecretPlace::Hmac | SecretPlace::Sign(_) | SecretPlace::Verify(_))
    }
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
            SecretPlace::Sign(algorithm) => named("sign", algorithm),
            SecretPlace::Verify(algorithm) => named("verify", algorithm),
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
            "sign" => Ok(SecretPlace::Sign(name)),
            "verify" => Ok(SecretPlace::Verify(name)),
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
         {{ form = \"field\" }}, {{ body = \"/json/pointer\" }}, {{ sign = \"rsa-sha256\" }} or {{ verify = \"ed25519\" }}"
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
    /// Rows of a rule's call: one in an interpreted language takes longer for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u32>,
}
