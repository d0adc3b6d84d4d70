//! Path and query parameters, with axum's refusals as problems.

use axum::extract::FromRequestParts;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::request::Parts;
use openhub_model::fault::form;
use openhub_model::{Fault, Id};
use serde::de::DeserializeOwned;

use crate::problem::{INVALID_PATH, INVALID_QUERY, Problem};

/// The path's variables.
pub(crate) struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        path.map(|path| Path(path.0))
            .map_err(|rejection: PathRejection| Problem::new(INVALID_PATH, rejection.body_text()))
    }
}

/// The query's parameters.
pub(crate) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|query| Query(query.0))
            .map_err(|rejection: QueryRejection| Problem::new(INVALID_QUERY, unfit(&rejection.body_text())))
    }
}

/// Which parameter does not fit, and why.
fn unfit(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    match said.split_once(": ").filter(|(name, _)| !name.contains(' ')) {
        Some((name, why)) => format!("The parameter `{name}` is not valid. {}", form(why)),
        None => form(said),
    }
}

/// An id in a path: what is no id names nothing.
pub(crate) fn id_in_path(text: &str, what: &str) -> Result<Id, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}

/// An id in the query.
pub(crate) fn id_in_query(parameter: &str, text: Option<&str>) -> Result<Option<Id>, Problem> {
    let fault =
        || Fault::new(format!("/{parameter}"), "invalid-id", "This is not an id. Use the id that the hub gave.");
    text.map(|text| text.parse().map_err(|_| Problem::fault(INVALID_QUERY, fault()))).transpose()
}

/// Names of journeys and plugins: kebab-case, at most 64 bytes.
pub(crate) fn name_in_path(text: &str) -> Result<&str, Problem> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    let wrong = || Problem::new(INVALID_PATH, "The name is not valid: use kebab-case, at most 64 characters.");
    fits.then_some(text).ok_or_else(wrong)
}
