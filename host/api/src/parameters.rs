//! Path and query parameters, with axum's refusals as problems.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openhub_model::fault::form;
use openhub_model::{Fault, Id, limits, misfits};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

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

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let first = match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(query) => return Ok(Query(query.0)),
            Err(rejection) => rejection.body_text(),
        };
        let faults = faults_in::<T>(parts.uri.query().unwrap_or_default());
        Err(match faults.is_empty() {
            true => Problem::new(INVALID_QUERY, unfit(&first)),
            false => Problem::faults(INVALID_QUERY, faults),
        })
    }
}

/// Each parameter that is not valid: what was told is left out, so that it hides no other.
fn faults_in<T: DeserializeOwned>(query: &str) -> Vec<Fault> {
    let mut pairs: Vec<&str> = query.split('&').collect();
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < misfits::TOLD {
        let Ok(uri) = Uri::builder().path_and_query(format!("/?{}", pairs.join("&"))).build() else { break };
        let Err(rejection) = axum::extract::Query::<T>::try_from_uri(&uri) else { break };
        let said = rejection.body_text();
        let Some(name) = named(&said) else { break };
        let pointer = limits::step("", name);
        if faults.iter().any(|fault| fault.pointer == pointer) {
            break;
        }
        // Of a parameter that is missing, there is nothing to leave out.
        let before = pairs.len();
        pairs.retain(|pair| name_of(pair) != name);
        faults.push(Fault::new(pointer, "invalid-parameter", unfit(&said)));
        if pairs.len() == before {
            break;
        }
    }
    faults
}

/// The parameter that a message is about.
fn named(said: &str) -> Option<&str> {
    let said = said.strip_prefix(SAID).unwrap_or(said);
    let of_field = || {
        ["unknown field `", "missing field `", "duplicate field `"].iter().find_map(|before| said.split_once(before))
    };
    match said.split_once(": ").filter(|(name, _)| !name.contains(' ')) {
        Some((name, _)) => Some(name),
        None => of_field()?.1.split('`').next(),
    }
}

/// What axum says before serde's own words.
const SAID: &str = "Failed to deserialize query string: ";

/// The routes that take parameters in the query, as the API's description has them.
pub(crate) struct Asking(HashSet<(String, Method)>);

impl Asking {
    pub fn of(document: &OpenApi) -> Asking {
        let mut asking = HashSet::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            for (method, operation) in operations {
                let parameters = operation.iter().flat_map(|operation| operation.parameters.iter().flatten());
                let of_query = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query));
                if parameters.into_iter().any(of_query) {
                    asking.insert((path.clone(), method));
                }
            }
        }
        Asking(asking)
    }

    /// Those that take parameters look at them themselves.
    fn is_none(&self, path: &str, method: &Method) -> bool {
        let method = if method == Method::HEAD { Method::GET } else { method.clone() };
        !self.0.contains(&(path.to_owned(), method))
    }
}

/// Refuses a parameter that the route does not have: who sent it meant something that would not happen.
pub(crate) async fn refuse_unknown(State(asking): State<Arc<Asking>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let has_none = path.is_some_and(|path| asking.is_none(path, request.method()));
    let unknown_ones: Vec<&str> = names(&request).take(if has_none { misfits::TOLD } else { 0 }).collect();
    let refused = (!unknown_ones.is_empty()).then(|| unknown(&unknown_ones));
    match refused {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

/// Of the query's parameters, as they are written.
pub(crate) fn names(request: &Request) -> impl Iterator<Item = &str> {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').map(name_of).filter(|name| !name.is_empty())
}

pub(crate) fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn unknown(names: &[&str]) -> Response {
    let names: Vec<String> = names.iter().map(|name| format!("`{name:.64}`")).collect();
    let detail = match names.as_slice() {
        [name] => format!("This route has no parameter {name}, and nothing was done. Remove it."),
        names => format!("This route has no parameters {}, and nothing was done. Remove them.", names.join(", ")),
    };
    Problem::new(INVALID_QUERY, detail).into_response()
}

/// Which parameter does not fit, and why.
fn unfit(said: &str) -> String {
    let said = said.strip_prefix(SAID).unwrap_or(said);
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
    let wrong = "The name has lower-case letters, digits and hyphens, like `win-back`, and at most 64 of them.";
    fits.then_some(text).ok_or_else(|| Problem::new(INVALID_PATH, wrong))
}
