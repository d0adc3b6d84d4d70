//! One column of an export: its name, and where its value stands in a row.

use openhub_model::Fault;
use openhub_model::fault::nearest;
use openhub_model::identity::Policy;
use serde_json::Value;
use std::borrow::Cow;

use crate::condition::misspelt_kind;
use crate::problem::{INVALID_QUERY, Problem};

/// As an import names it too, so that what was exported can be imported.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: String,
    pub read: Read,
    /// Whether its texts are decimals: numbers whose digits all count.
    pub is_decimal: bool,
}

impl Column {
    /// Whether an import takes its values for what they look like.
    pub fn is_guessed(&self) -> bool {
        ["attribute.", "properties.", "traits.", "context.", "field."].iter().any(|part| self.name.starts_with(part))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Read {
    /// Member by member, from the row's object.
    Path(Vec<String>),
    /// The first identity of a kind.
    Identity(String),
    /// Whether the customer has a tag.
    Tag(String),
    /// What was recorded of a purpose, or of `purpose/channel`.
    Consent(String),
    /// All consents, each with its time if it came with one.
    Consents,
    /// When it was recorded; nothing of one that came without a time of its own.
    ConsentTime(String),
}

impl Read {
    /// `properties.total` below `body` is `body`, `properties`, `total`.
    pub fn below(parents: &[&str], dotted: &str) -> Option<Read> {
        let steps = dotted.split('.').map(str::to_owned);
        let path: Vec<String> = parents.iter().map(|parent| (*parent).to_owned()).chain(steps).collect();
        path.iter().all(|step| !step.is_empty()).then_some(Read::Path(path))
    }

    pub fn of<'r>(&self, row: &'r Value) -> Cow<'r, Value> {
        let null = Cow::Owned(Value::Null);
        match self {
            Read::Path(path) => {
                let found = path.iter().try_fold(row, |value, step| value.get(step));
                found.map_or(null, Cow::Borrowed)
            }
            Read::Identity(kind) => {
                let mut identities = row["identities"].as_array().into_iter().flatten();
                let found = identities.find(|identity| identity["kind"] == **kind);
                found.map_or(null, |identity| Cow::Borrowed(&identity["value"]))
            }
            Read::Tag(tag) => {
                let mut tags = row["tags"].as_array().into_iter().flatten();
                Cow::Owned(Value::Bool(tags.any(|one| one == tag.as_str())))
            }
            Read::Consent(key) => row["consents"][key].get("state").map_or(null, Cow::Borrowed),
            Read::Consents => {
                let mut consents = row["consents"].clone();
                for consent in consents.as_object_mut().into_iter().flat_map(|consents| consents.values_mut()) {
                    if let Some(fields) = consent.as_object_mut() {
                        // A time that nobody knows is no member that an import reads.
                        fields.retain(|name, value| name != "event" && !(name == "at" && value.is_null()));
                    }
                }
                Cow::Owned(consents)
            }
            Read::ConsentTime(key) => row["consents"][key].get("at").map_or(null, Cow::Borrowed),
        }
    }
}

/// Names listed in a message at most, beside the usual ones.
const LISTED: usize = 20;

/// A name whose first word is most likely misspelt, as `attributes.city` is, with that of one of the others.
fn beginning(name: &str, others: &[impl AsRef<str>]) -> Option<String> {
    let (first, rest) = name.split_once('.')?;
    let firsts = others.iter().filter_map(|other| other.as_ref().split_once('.')).map(|(first, _)| first);
    nearest(first, firsts).map(|first| format!("{first}.{rest}"))
}

/// The columns that `fields=` asks for, else the usual ones. `others` are there, too, for who misspells one; `attribute.<name>` is
/// any of that beginning.
pub(crate) fn columns<S: AsRef<str>>(
    fields: Option<&str>,
    usual: &[S],
    others: &[impl AsRef<str>],
    read: impl Fn(&str) -> Option<Read>,
) -> Result<Vec<Column>, Problem> {
    let usual: Vec<&str> = usual.iter().map(AsRef::as_ref).collect();
    let names: Vec<&str> = match fields {
        Some(fields) => fields.split(',').map(str::trim).collect(),
        None => usual.clone(),
    };
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    let mut faults = Vec::new();
    for name in names {
        let mut fault = |code: &str, message: String| faults.push(Fault::new("/fields", code, message));
        if columns.iter().any(|column| column.name == name) {
            fault("repeated-field", format!("`{name}` is listed twice: remove one."));
        } else if let Some(read) = read(name) {
            columns.push(Column { name: name.to_owned(), read, is_decimal: false });
        } else {
            let whole =
                || nearest(name, usual.iter().copied().chain(others.iter().map(AsRef::as_ref))).map(str::to_owned);
            let meant = beginning(name, others)
                .filter(|meant| read(meant).is_some())
                .or_else(whole)
                .map(|meant| format!(" Did you mean `{meant}`?"))
                .unwrap_or_default();
            let others: Vec<&str> =
                others.iter().map(AsRef::as_ref).filter(|other| !usual.contains(other)).take(LISTED).collect();
            let also = if others.is_empty() { String::new() } else { format!(" And: {}.", others.join(", ")) };
            let there_are = usual.join(", ");
            let message =
                format!("There is no field `{name}` in this export.{meant} By default there are: {there_are}.{also}");
            fault("unknown-field", message);
        }
    }
    match faults.is_empty() {
        true => Ok(columns),
        false => Err(Problem::faults(INVALID_QUERY, faults)),
    }
}

/// Refuses the kind of an identity that is most likely misspelt: its column would be empty, which looks like an answer.
pub(crate) fn are_known_kinds<'c>(
    columns: impl IntoIterator<Item = &'c Column>,
    policy: &Policy,
) -> Result<(), Problem> {
    let misspelt = columns.into_iter().filter_map(|column| {
        let Read::Identity(kind) = &column.read else { return None };
        Some(Fault::new("/fields", "unknown-field", misspelt_kind(kind, policy)?))
    });
    let faults: Vec<Fault> = misspelt.collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::faults(INVALID_QUERY, faults)) }
}
