//! The history of a customer's values: what events said of attributes, tags and consents, newest first. It is read from the
//! log, so that it costs nothing to keep. What rules and journeys derive is not in the log: of those values the history has
//! the one in force, with its cause.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use openhub_engine::VALUE_REFUSED;
use openhub_engine::catalog::Pages;
use openhub_model::customer::is_consent;
use openhub_model::identity::{Authority, number};
use openhub_model::{Customer, Event, EventKind, Timestamp};
use openhub_store::{Before, Scope};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::problem::Problem;
use crate::views::{HistoryEntry, ValueKind};

/// Events that are read at a time.
const CHUNK: usize = 500;

/// Which values; all if nothing is named.
#[derive(Debug, Default)]
pub(crate) struct HistoryFilter {
    pub kind: Option<ValueKind>,
    pub name: Option<String>,
    /// Entries behind this one.
    pub before: Option<Place>,
}

/// The place of an entry: later events come first, and the values of one event in their order. As text:
/// `<microseconds>.<position>.<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    at: Timestamp,
    /// That of no event for a value that was derived.
    position: i64,
    index: usize,
}

impl Place {
    fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse((self.at, self.position)), self.index)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.micros(), self.position, self.index)
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.splitn(3, '.');
        let mut next = || numbers.next().unwrap_or_default();
        let (at, position, index) = (next().parse()?, next().parse()?, next().parse()?);
        Ok(Place { at: Timestamp::from_micros(at), position, index })
    }
}

impl HistoryFilter {
    fn admits(&self, place: Place, kind: ValueKind, name: &str) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind)
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
            && self.before.is_none_or(|before| place.order() > before.order())
    }
}

/// At most `limit` entries, each with its place.
pub(crate) async fn history(
    app: &App,
    scope: &Scope,
    customer: &Customer,
    filter: &HistoryFilter,
    limit: usize,
) -> Result<Vec<(Place, HistoryEntry)>, Problem> {
    let mut entries = derived(customer, filter);
    let mut refused: HashSet<(String, String)> = HashSet::new();
    // A refusal has the time of its event, and lies behind it in the log: it is read first.
    let mut before = filter.before.map(|place| Before::Until(place.at));
    let mut said = 0;
    loop {
        let events = app.store.sayings(scope, customer.part, VALUE_REFUSED, before, CHUNK).await?;
        before = events.last().map(|event| Before::Event(event.occurred_at, event.position));
        let is_last = events.len() < CHUNK;
        for event in events {
            if event.name == VALUE_REFUSED {
                refused.extend(refusal(event));
            } else {
                let mut told = told(&event, &refused);
                told.retain(|(place, entry)| filter.admits(*place, entry.kind, &entry.name));
                said += told.len();
                entries.append(&mut told);
            }
        }
        if is_last || said >= limit {
            break;
        }
    }
    entries.sort_by_key(|(place, _)| place.order());
    entries.truncate(limit);
    Ok(entries)
}

/// The event and the attribute of which its value was refused.
fn refusal(event: Event) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Body {
        properties: Refused,
    }
    #[derive(Deserialize)]
    struct Refused {
        attribute: String,
        rule: Option<String>,
    }
    let Body { properties } = serde_json::from_str(&event.body).ok()?;
    properties.rule.is_none().then_some((event.cause?, properties.attribute))
}

/// What an event said, as the engine reads it.
fn told(event: &Event, refused: &HashSet<(String, String)>) -> Vec<(Place, HistoryEntry)> {
    let Ok(Value::Object(mut body)) = serde_json::from_str(&event.body) else { return Vec::new() };
    let mut fields = |name: &str| match body.remove(name) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let page = event.authority == Authority::Browser;
    let mut said: Vec<(ValueKind, String, Value)> = Vec::new();
    if event.kind == EventKind::Group {
        let group = match body.remove("groupId") {
            Some(Value::String(group)) if !group.is_empty() => Some(group),
            Some(Value::Number(group)) => Some(number(&group)),
            _ => None,
        };
        said.extend(group.map(|group| (ValueKind::Attribute, "group_id".to_owned(), group.into())));
    } else {
        let mut attributes = fields("traits");
        if event.kind == EventKind::Update {
            attributes.extend(fields("attributes"));
        }
        said.extend(attributes.into_iter().map(|(name, value)| (ValueKind::Attribute, name, value)));
        let tags =
            fields("tags").into_iter().filter(|(_, present)| !page && (present.is_boolean() || present.is_null()));
        said.extend(tags.map(|(name, present)| (ValueKind::Tag, name, present)));
        let mut consents = fields("consents");
        if page {
            consents.retain(|_, consent| Pages::may_record(consent));
        }
        consents.retain(|name, consent| is_consent(name, consent));
        said.extend(consents.into_iter().map(|(name, consent)| (ValueKind::Consent, name, consent)));
    }
    // Only the hub's own calls say who asked; a client's event may say anything.
    let asked_by = body.get("asked_by").and_then(Value::as_str).filter(|_| event.kind == EventKind::Update);
    let entry = |(index, (kind, name, value)): (usize, (ValueKind, String, Value))| {
        let place = Place { at: event.occurred_at, position: event.position, index };
        let entry = HistoryEntry {
            kind,
            name,
            value,
            at: event.occurred_at,
            event: event.message_id.clone(),
            asked_by: asked_by.map(str::to_owned),
            plugin: None,
            rule: None,
        };
        (place, entry)
    };
    let is_refused = |kind, name: &str| {
        kind == ValueKind::Attribute && refused.contains(&(event.message_id.clone(), name.to_owned()))
    };
    let said = said.into_iter().enumerate().filter(|(_, (kind, name, _))| !is_refused(*kind, name));
    said.map(entry).collect()
}

/// The values in force that a rule or a journey set.
fn derived(customer: &Customer, filter: &HistoryFilter) -> Vec<(Place, HistoryEntry)> {
    let attributes = customer.attributes.iter().map(|held| (ValueKind::Attribute, held));
    let values = attributes.chain(customer.tags.iter().map(|held| (ValueKind::Tag, held)));
    let derived = values.enumerate().filter(|(_, (_, (_, held)))| held.cause.rule.is_some() && !held.cause.is_page());
    let entries = derived.map(|(index, (kind, (name, held)))| {
        let cause = &held.cause;
        let entry = HistoryEntry {
            kind,
            name: name.clone(),
            value: held.value.clone(),
            at: cause.at,
            event: cause.event.as_ref().to_owned(),
            asked_by: None,
            plugin: cause.plugin.as_ref().map(|plugin| plugin.as_ref().to_owned()),
            rule: cause.rule.as_ref().map(|rule| rule.as_ref().to_owned()),
        };
        (Place { at: cause.at, position: i64::MAX, index }, entry)
    });
    entries.filter(|(place, entry)| filter.admits(*place, entry.kind, &entry.name)).collect()
}
