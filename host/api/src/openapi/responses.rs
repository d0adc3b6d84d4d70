//! What each operation may answer if something is wrong: by status, with the codes that have it.

use axum::http::StatusCode;
use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::owners::may_say;
use crate::problem::KINDS;

/// What every operation may answer besides: [`complete`] says which of it this operation can.
pub(crate) struct Problems;

const ANY: &str = "default";

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        [(ANY.to_owned(), RefOr::T(problem("Problem details (RFC 9457)")))].into()
    }
}

macro_rules! besides {
    ($($(#[$doc:meta])* $name:ident = $status:ident;)*) => {
        $($(#[$doc])* pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [of_status(StatusCode::$status)].into()
            }
        })*
    };
}

besides! {
    /// The handler looks for something that its path does not name.
    Absent = NOT_FOUND;
    /// What it reads is there for as long as two tenants agree.
    NotInForce = CONFLICT;
    /// It takes `If-Match`, or writes what may have been changed meanwhile.
    Changed = PRECONDITION_FAILED;
    /// What it takes is checked by more than its form.
    Unfit = UNPROCESSABLE_ENTITY;
    /// It asks a plugin.
    PluginFailed = BAD_GATEWAY;
    /// It asks an identity provider.
    ProviderFailed = BAD_GATEWAY;
}

/// Adds what the operation may answer besides.
pub(super) fn may_answer(operation: &mut Operation, status: StatusCode) {
    let (status, response) = of_status(status);
    operation.responses.responses.entry(status).or_insert(response);
}

/// Puts in the place of "anything" what follows from the operation's shape.
pub(super) fn complete(operation: &mut Operation, guarded: bool, changes: bool) {
    let responses = &mut operation.responses.responses;
    if responses.remove(ANY).is_none() {
        return;
    }
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let in_path = parameters.iter().any(
        |parameter| matches!(parameter, RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Path)),
    );
    let takes_body = operation.request_body.is_some();
    let all = [
        (true, StatusCode::BAD_REQUEST),
        (guarded, StatusCode::UNAUTHORIZED),
        (guarded, StatusCode::FORBIDDEN),
        (in_path, StatusCode::NOT_FOUND),
        (takes_body, StatusCode::REQUEST_TIMEOUT),
        // What is right as it stands may be refused at its place in the log.
        (changes, StatusCode::CONFLICT),
        (takes_body, StatusCode::PAYLOAD_TOO_LARGE),
        (takes_body, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (true, StatusCode::TOO_MANY_REQUESTS),
        (true, StatusCode::INTERNAL_SERVER_ERROR),
        (true, StatusCode::SERVICE_UNAVAILABLE),
    ];
    for (may, status) in all {
        if may {
            let (status, response) = of_status(status);
            responses.entry(status).or_insert(response);
        }
    }
}

/// Leaves out the codes that only operations of other tags answer.
pub(super) fn keep_own(operation: &mut Operation) {
    let tags = operation.tags.clone().unwrap_or_default();
    let code = |line: &str| line.strip_prefix('`').and_then(|line| line.split('`').next()).map(str::to_owned);
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) {
            let lines = response.description.split("\n\n");
            let own = lines.filter(|line| code(line).is_none_or(|code| may_say(&tags, &code)));
            response.description = own.collect::<Vec<_>>().join("\n\n");
        }
    }
}

fn of_status(status: StatusCode) -> (String, RefOr<Response>) {
    let codes = KINDS.iter().filter(|kind| kind.0 == status).map(|(_, code, title)| format!("`{code}`: {title}."));
    let codes: Vec<String> = codes.collect();
    (status.as_str().to_owned(), RefOr::T(problem(&codes.join("\n\n"))))
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
