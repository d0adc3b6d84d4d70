//! Consent: what a customer agreed to or refused, per purpose, or per purpose and channel.
//!
//! Stored as an attribute whose value is `{"state": "granted" | "denied", "source"?, "text_version"?, "overrides"?}` and
//! whose cause says who recorded it and when. When parts are joined the more restrictive state holds, until the joined
//! customer agrees anew: such a grant notes the moment of the denial that it `overrides`.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::{Attribute, Cause, Customer, Values};
use crate::fault::{Fault, there_are};
use crate::limits;
use crate::time::Timestamp;

/// The fields that whoever records a consent may send.
pub const CONSENT_FIELDS: [&str; 3] = ["state", "source", "text_version"];
const OVERRIDES: &str = "overrides";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    Granted,
    Denied,
    /// Nobody asked, or the record was taken away.
    Unset,
}

impl Consent {
    /// What a record says.
    pub fn of(value: &Value) -> Consent {
        match value["state"].as_str() {
            Some("granted") => Consent::Granted,
            Some("denied") => Consent::Denied,
            _ => Consent::Unset,
        }
    }
}

impl Customer {
    /// The consent to a purpose; by a channel, what was said of that channel, else of the purpose alone.
    pub fn consent(&self, purpose: &str, channel: Option<&str>) -> Consent {
        let of = |key: &str| self.consents.get(key).map_or(Consent::Unset, |consent| Consent::of(&consent.value));
        match channel.map(|channel| of(&format!("{purpose}/{channel}"))) {
            None | Some(Consent::Unset) => of(purpose),
            Some(consent) => consent,
        }
    }

    /// Records a consent unless a newer event already did; `null` takes the record away. `joined` is what the whole
    /// customer's record of that purpose is now: a grant overrides a denial that it comes after.
    pub fn set_consent(&mut self, key: &str, value: Value, cause: Cause, joined: Option<&Attribute>) -> bool {
        let mut fields = match value {
            Value::Object(fields) => fields,
            _ => return record(&mut self.consents, key, Value::Null, cause),
        };
        fields.retain(|name, _| CONSENT_FIELDS.contains(&name.as_str()));
        let denied =
            joined.filter(|joined| Consent::of(&joined.value) == Consent::Denied && joined.cause.at <= cause.at);
        let carried = joined.and_then(|joined| overridden(&joined.value));
        let value = Value::Object(fields);
        let overrides = match Consent::of(&value) {
            Consent::Granted => denied.map(|denied| denied.cause.at).max(carried),
            Consent::Denied | Consent::Unset => None,
        };
        record(&mut self.consents, key, with_override(value, overrides), cause)
    }
}

/// A withdrawal is taken from anybody: the newer record holds, whoever says it.
fn record(consents: &mut Values, key: &str, value: Value, cause: Cause) -> bool {
    if consents.get(key).is_some_and(|held| held.cause.at > cause.at) {
        return false;
    }
    consents.insert(key.to_owned(), Attribute { value, cause });
    true
}

fn with_override(value: Value, at: Option<Timestamp>) -> Value {
    match (value, at) {
        (Value::Object(mut fields), Some(at)) => {
            fields.insert(OVERRIDES.to_owned(), at.to_string().into());
            Value::Object(fields)
        }
        (value, _) => value,
    }
}

fn overridden(value: &Value) -> Option<Timestamp> {
    value[OVERRIDES].as_str()?.parse().ok()
}

/// The consents of several parts as one.
pub(super) fn most_restrictive<'a>(parts: impl Iterator<Item = &'a Values>) -> Values {
    let mut records: BTreeMap<&String, Vec<&Attribute>> = BTreeMap::new();
    for (key, record) in parts.flatten() {
        records.entry(key).or_default().push(record);
    }
    let folded = records.into_iter();
    folded.filter_map(|(key, records)| Some((key.clone(), most_restrictive_of(records.into_iter())?))).collect()
}

/// The records of one purpose as one: a denial holds against every grant that does not override it, else the newest record
/// does.
pub(super) fn most_restrictive_of<'a>(records: impl Iterator<Item = &'a Attribute> + Clone) -> Option<Attribute> {
    let grants = records.clone().filter(|record| Consent::of(&record.value) == Consent::Granted);
    let upto = grants.filter_map(|grant| overridden(&grant.value)).max();
    let stands = |record: &&Attribute| match Consent::of(&record.value) {
        Consent::Denied => upto.is_none_or(|upto| record.cause.at > upto),
        Consent::Granted | Consent::Unset => false,
    };
    let newest = |record: &&Attribute| (record.cause.at, record.cause.event.clone());
    let denial = records.clone().filter(stands).max_by_key(newest);
    denial.or_else(|| records.max_by_key(newest)).cloned()
}

/// Of too many those stay that others than pages recorded, and what pages withdrew of a purpose that was agreed to: up to
/// [`limits::VALUES`]. Of what else pages withdrew, which keeps nothing from being sent now, as many as there is room for below
/// [`limits::PAGE_CONSENTS`]. The first by name.
pub(super) fn bound(consents: &mut Values) {
    if consents.len() <= limits::PAGE_CONSENTS {
        return;
    }
    let agreed = consents.iter().filter(|(_, record)| Consent::of(&record.value) == Consent::Granted);
    let agreed: BTreeSet<String> = agreed.map(|(key, _)| key.clone()).collect();
    let counts = |key: &str, record: &Attribute| !record.cause.is_page() || agreed.contains(purpose(key));
    let mut first = consents.iter().filter(|(key, record)| counts(key, record)).count().min(limits::VALUES);
    let mut rest = limits::PAGE_CONSENTS.saturating_sub(first);
    consents.retain(|key, record| {
        let left = if counts(key, record) { &mut first } else { &mut rest };
        let stays = *left > 0;
        *left = left.saturating_sub(1);
        stays
    });
}

/// Of `purpose/channel`, or of `purpose`.
pub fn purpose(key: &str) -> &str {
    key.split_once('/').map_or(key, |(purpose, _)| purpose)
}

/// Whether this can be recorded as a consent.
pub fn is_consent(key: &str, consent: &Value) -> bool {
    faults_of(key, consent, "").is_empty()
}

/// What is wrong with `{"marketing": {"state": "granted", …}}`, by pointer below `pointer`.
pub fn consent_faults(consents: &Map<String, Value>, pointer: &str) -> Vec<Fault> {
    consents.iter().flat_map(|(key, consent)| faults_of(key, consent, pointer)).collect()
}

fn faults_of(key: &str, consent: &Value, pointer: &str) -> Vec<Fault> {
    let at = limits::step(pointer, key);
    let halves: Vec<&str> = key.split('/').collect();
    if halves.len() > 2 || key.len() > limits::NAME || halves.iter().any(|half| half.is_empty()) {
        let message = "Name a consent by its purpose or by `purpose/channel`, in at most 255 bytes.";
        return vec![Fault::new(at, "invalid-name", message)];
    }
    let Value::Object(fields) = consent else {
        if consent.is_null() {
            return Vec::new();
        }
        return vec![Fault::new(
            at,
            "wrong-type",
            "A consent must be an object like {\"state\": \"granted\"}, or null to remove its record.",
        )];
    };
    let mut faults = Vec::new();
    if Consent::of(consent) == Consent::Unset {
        faults.push(Fault::new(format!("{at}/state"), "unknown-state", "Set `state` to `granted` or `denied`."));
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "state") {
        let code = match value {
            _ if !CONSENT_FIELDS.contains(&name.as_str()) => "unknown-field",
            Value::String(text) if text.len() <= limits::NAME => continue,
            _ => "wrong-type",
        };
        let message = match code {
            "unknown-field" => format!("There is no field `{name}`. {}", there_are(CONSENT_FIELDS)),
            _ => format!("This must be a string of at most {} bytes.", limits::NAME),
        };
        faults.push(Fault::new(limits::step(&at, name), code, message));
    }
    faults
}
