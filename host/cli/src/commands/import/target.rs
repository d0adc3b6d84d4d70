//! Where a column's value goes, and as what.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::str::FromStr;

use super::notation::Decimal;
use super::time;

/// What a row of the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Into {
    /// One event a row.
    Events,
    /// One customer a row.
    Customers,
    /// One object a row, of the type that `--type` names.
    Objects,
}

/// A place in what a row becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Ignore,
    /// Member by member, from the outermost object.
    At(Vec<String>),
    /// An identity of this kind. Of a customer it is also a trait: unless another column has the trait, as it was once written.
    Identity(&'static str),
    /// An object's members, one by one, below a place.
    Merge(Vec<String>),
    /// A list of `{"kind", "value"}`.
    Identities,
    /// A list of names.
    Tags,
    /// Records by purpose, each with its own time.
    Consents,
}

/// What a value is read as.
#[derive(Clone, Debug, PartialEq)]
pub enum As {
    /// A text is a number or a boolean if it is written as JSON writes them (`007` is not).
    Guess,
    Text,
    Integer,
    Number,
    /// With a comma before its decimals, and points between thousands: `1.234,50`.
    CommaNumber,
    /// With a point before its decimals, and commas between thousands: `1,234.50`.
    PointNumber,
    /// As [`As::Guess`] and [`As::Integer`], with numbers in this notation.
    GuessIn(Decimal),
    IntegerIn(Decimal),
    /// A number whose digits all count: it stays a text.
    Decimal,
    DecimalIn(Decimal),
    Boolean,
    /// RFC 3339, or without an offset in the import's zone; a date is its midnight.
    Timestamp,
    /// A time that nothing was said of, in JSON Lines: a text like the one before, and whatever else the hub takes for one.
    Moment,
    /// By a pattern of `strptime`, in the import's zone where it names no offset.
    Pattern(String),
    /// A day of the calendar, in any form of a timestamp: as it is written, whatever its zone.
    Date,
    /// The same by a pattern of `strptime`.
    DatePattern(String),
    /// Seconds since 1970.
    Unix,
    UnixMs,
    Json,
    /// The customer with an identity of this kind.
    Customer(String),
    /// `granted` or `denied`, or a boolean.
    Consent,
}

impl As {
    /// The same with numbers in a notation, where it says none itself.
    pub fn in_notation(self, decimal: Decimal) -> As {
        match (self, decimal) {
            (As::Guess, decimal) => As::GuessIn(decimal),
            (As::Integer, decimal) => As::IntegerIn(decimal),
            (As::Decimal, decimal) => As::DecimalIn(decimal),
            (As::Number, Decimal::Comma) => As::CommaNumber,
            (As::Number, Decimal::Point) => As::PointNumber,
            (of, _) => of,
        }
    }
}

const EVENT_FIELDS: [&str; 10] =
    ["type", "event", "name", "userId", "anonymousId", "previousId", "groupId", "messageId", "timestamp", "openhub:by"];
const EVENT_PARTS: [&str; 3] = ["properties", "traits", "context"];

impl Into {
    /// The target of a name, with what it is usually read as.
    pub fn target(self, name: &str) -> Option<(Target, As)> {
        let at = |path: &[&str]| Target::At(path.iter().map(|step| (*step).to_owned()).collect());
        let below = |parent: &str, dotted: &str| {
            let path: Vec<&str> = [parent].into_iter().chain(dotted.split('.')).collect();
            path.iter().all(|step| !step.is_empty()).then(|| at(&path))
        };
        let merge = |place: &str| Target::Merge(vec![place.to_owned()]);
        // What a list of refused rows says of them.
        if name == "-" || name.starts_with("import.") {
            return Some((Target::Ignore, As::Guess));
        }
        match (self, name.split_once('.')) {
            (Into::Events | Into::Customers, None) if name == "timestamp" => Some((at(&["timestamp"]), As::Timestamp)),
            (Into::Events, None) if EVENT_FIELDS.contains(&name) => Some((at(&[name]), As::Text)),
            (Into::Events, None) if EVENT_PARTS.contains(&name) => Some((merge(name), As::Json)),
            (Into::Events, Some((part, path))) if EVENT_PARTS.contains(&part) => Some((below(part, path)?, As::Guess)),
            (Into::Events | Into::Customers, Some(("identity", kind))) => {
                let path = match kind {
                    "user_id" => at(&["userId"]),
                    "anonymous_id" => at(&["anonymousId"]),
                    "group_id" => at(&["groupId"]),
                    "email" => Target::Identity("email"),
                    "phone" => Target::Identity("phone"),
                    _ => return None,
                };
                Some((path, As::Text))
            }
            (Into::Customers, Some(("attribute", path))) => Some((below("traits", path)?, As::Guess)),
            (Into::Events | Into::Customers, Some((part, tag))) if part == "tag" && !tag.is_empty() => {
                Some((at(&["tags", tag]), As::Boolean))
            }
            (Into::Events | Into::Customers, Some((part, purpose))) if part == "consent" && !purpose.is_empty() => {
                Some((at(&["consents", purpose]), As::Consent))
            }
            (Into::Customers, None) => match name {
                "identities" => Some((Target::Identities, As::Json)),
                "attributes" => Some((merge("traits"), As::Json)),
                "tags" => Some((Target::Tags, As::Json)),
                "consents" => Some((Target::Consents, As::Json)),
                "id" | "first_seen_at" | "last_seen_at" | "causes" => Some((Target::Ignore, As::Guess)),
                _ => None,
            },
            (Into::Objects, Some(("field", name))) if !name.is_empty() => Some((at(&["fields", name]), As::Guess)),
            (Into::Objects, None) => match name {
                "fields" => Some((merge("fields"), As::Json)),
                "key" => Some((at(&["key"]), As::Text)),
                "customer" | "version" | "created_at" | "updated_at" => Some((Target::Ignore, As::Guess)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Where a column goes that nothing was said of and whose name is no target.
    pub fn usual(self, column: &str) -> (Target, As) {
        let place = match self {
            Into::Events => "properties",
            Into::Customers => "traits",
            Into::Objects => "fields",
        };
        (Target::At(vec![place.to_owned(), column.to_owned()]), As::Guess)
    }

    pub fn read(self, text: &str) -> Result<(Target, As)> {
        let (name, of) = match text.split_once(':') {
            Some((name, of)) => (name, Some(of.parse()?)),
            None => (text, None),
        };
        let (target, usual) = self.target(name).with_context(|| {
            let known = match self {
                Into::Events => {
                    "userId, anonymousId, identity.email, identity.phone, event, type, name, timestamp, messageId, groupId, previousId, \
                     properties, properties.…, traits, traits.…, context, context.…, tag.…, consent.…, -"
                }
                Into::Customers => {
                    "identity.user_id, identity.anonymous_id, identity.email, identity.phone, identity.group_id, identities, \
                     attribute.…, attributes, tag.…, tags, consent.…, consents, timestamp, -"
                }
                Into::Objects => "key, field.…, fields, -",
            };
            format!("there is no target `{name}`; there are: {known}")
        })?;
        Ok((target, of.unwrap_or(usual)))
    }
}

impl FromStr for As {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<As> {
        let (name, argument) = text.split_once(':').unzip();
        Ok(match (name.unwrap_or(text), argument) {
            ("guess", None) => As::Guess,
            ("text", None) => As::Text,
            ("integer", None) => As::Integer,
            ("number", None) => As::Number,
            ("number", Some(",")) => As::CommaNumber,
            ("number", Some(".")) => As::PointNumber,
            ("boolean", None) => As::Boolean,
            ("timestamp", None) => As::Timestamp,
            ("timestamp", Some(pattern)) => As::Pattern(time::time_pattern(pattern)?),
            ("date", None) => As::Date,
            ("date", Some(pattern)) => As::DatePattern(time::date_pattern(pattern)?),
            ("unix", None) => As::Unix,
            ("unix-ms", None) => As::UnixMs,
            ("json", None) => As::Json,
            ("customer", Some(kind)) => As::Customer(kind.to_owned()),
            _ => bail!(
                "there is no type `{text}`; there are: text, integer, number, `number:,` (like 1.234,50), `number:.` (like 1,234.50), boolean, timestamp, timestamp:PATTERN, date, date:PATTERN, unix, unix-ms, json, customer:KIND"
            ),
        })
    }
}

/// Puts a value at its place; what is in the way is a fault.
pub fn put(row: &mut Map<String, Value>, path: &[String], value: Value) -> Result<()> {
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    let mut place = row;
    for step in parents {
        let below = place.entry(step.as_str()).or_insert_with(|| Value::Object(Map::new()));
        place = below.as_object_mut().with_context(|| format!("`{step}` cannot have both a value and fields"))?;
    }
    let agrees = place.get(last).is_none_or(|there| *there == value);
    ensure!(agrees, "two columns give different values for `{}`", path.join("."));
    place.insert(last.clone(), value);
    Ok(())
}
