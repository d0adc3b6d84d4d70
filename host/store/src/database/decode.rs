//! From columns to the model's types. A value that this version cannot have written is `Corrupt`, never a panic.

use openhub_model::{Id, Timestamp};
use serde::de::DeserializeOwned;

use crate::error::StoreError;

pub(crate) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}

pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn maybe_time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

pub(crate) fn id(text: &str) -> Result<Id, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("`{text}` is not an id")))
}

pub(crate) fn maybe_id(text: Option<&str>) -> Result<Option<Id>, StoreError> {
    text.map(id).transpose()
}

pub(crate) fn json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{what}: {error}")))
}

/// A page's size as the database wants it.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
