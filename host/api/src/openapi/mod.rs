//! The API's description (OpenAPI 3.1), collected from the handlers themselves.

mod enums;
mod owners;
mod responses;
mod shapes;

use axum::http::{Method, StatusCode};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Object, OpenApi, RefOr, ResponseBuilder, Type};

use crate::conditional::is_document;
use crate::once::takes_key;
use crate::problem::ProblemBody;
use crate::routes;
use crate::views::FaultView;

pub(crate) use responses::{Absent, Changed, NotInForce, PluginFailed, Problems, ProviderFailed, Unfit};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "OpenHub", description = "Customers, events and journeys, extended by plugins."),
    servers((url = "/", description = "The hub that answers with this.")),
    components(schemas(ProblemBody, FaultView)),
    // Routes for whom no client is made: their addresses are given to others.
    paths(routes::hooks::receive, routes::endpoints::handle, routes::unsubscribe::ask, routes::unsubscribe::withdraw),
    tags(
        (name = "segment", description = "The Segment HTTP API: events in."),
        (name = "customers"), (name = "events"), (name = "plugins"), (name = "journeys"), (name = "segments"),
        (name = "messages"), (name = "privacy"), (name = "faults"),
        (name = "objects"), (name = "clock"), (name = "settings"), (name = "status"), (name = "webhooks"), (name = "access"), (name = "partners"),
        (name = "hub"),
    ),
)]
struct Document;

pub(crate) fn document() -> OpenApi {
    Document::openapi()
}

/// A setup key alone can do this.
const CLAIM: &str = "/api/v1/claim";
/// The ways in which a write key may come.
const WRITE_KEY: &str = "write_key";
const WRITE_KEY_HEADER: &str = "write_key_header";
const API_KEY: &str = "api_key";
/// The cookie of a person who is logged in.
const SESSION: &str = "session";

/// Completes each operation: the keys that it takes, the scope that they need, and what it answers if something is wrong.
pub(crate) fn complete(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("A key of the tenant that carries the scope which the operation names."));
    components.add_security_scheme(API_KEY, SecurityScheme::Http(bearer.build()));
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some("The key as the user, no password."));
    components.add_security_scheme(WRITE_KEY, SecurityScheme::Http(basic.build()));
    let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Write-Key")));
    components.add_security_scheme(WRITE_KEY_HEADER, header);
    let cookie = ApiKeyValue::with_description(
        "__Host-openhub",
        "Of a person who is logged in, whose role has the scope. What changes something needs `Origin` to name this hub.",
    );
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (path, item) in &mut document.paths.paths {
        let has_caller = |post: &Operation| post.security.as_ref().is_some_and(|ways| !ways.is_empty());
        if let Some(post) = item.post.as_mut().filter(|post| takes_key(&Method::POST, path) && has_caller(post)) {
            once(post);
        }
        if is_document(path, item) {
            conditional(item);
        }
        let changing = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        let changing = changing.into_iter().flatten().map(|operation| (operation, true));
        for (operation, changes) in item.get.iter_mut().map(|operation| (operation, false)).chain(changing) {
            let needed = operation.security.as_ref().and_then(|all| all.first()).and_then(named);
            let changes = changes && needed.as_ref().is_some_and(|(scheme, _)| scheme == API_KEY);
            // Who logs in may be refused, too.
            let guarded = needed.is_some() || path.starts_with("/api/v1/");
            responses::complete(operation, guarded, changes);
            responses::keep_own(operation);
            let Some((scheme, scopes)) = needed else { continue };
            let needs = match &scopes[..] {
                [scope] => format!("Needs the scope `{scope}`."),
                all => format!("Needs the scopes `{}`.", all.join("` and `")),
            };
            let told = operation.description.take().map(|told| format!("{told}\n\n{needs}"));
            operation.description = Some(told.unwrap_or(needs));
            if scheme == API_KEY && path != CLAIM {
                let ways = [API_KEY, SESSION].map(|way| SecurityRequirement::new(way, &scopes));
                operation.security = Some(ways.into());
            }
            if scheme == WRITE_KEY {
                let ways = [WRITE_KEY, WRITE_KEY_HEADER, API_KEY].map(|way| SecurityRequirement::new(way, &scopes));
                operation.security = Some(ways.into());
            }
        }
    }
}

/// The operation takes an `Idempotency-Key`, and says what becomes of one that was used for something else.
fn once(operation: &mut Operation) {
    let description = "Your own name for this call, 1 to 255 printable ASCII characters. Sent again within 24 hours, the same call is \
                       not made again, and has the same answer.";
    takes_header(operation, "Idempotency-Key", description);
    responses::may_answer(operation, StatusCode::UNPROCESSABLE_ENTITY);
}

/// The operations of a document tell its tag, and take conditions.
fn conditional(item: &mut PathItem) {
    let reads = item.get.as_ref().and_then(|get| get.security.as_ref()?.first().and_then(named));
    if let Some(get) = &mut item.get {
        takes_header(get, "If-None-Match", "The `ETag` that you have: if it is still the same, the answer is 304.");
        let known = ResponseBuilder::new().description("It is as you have read it: the body is left out.");
        get.responses.responses.insert("304".to_owned(), known.build().into());
    }
    let unless = "`*`: only if there is none yet.";
    let changes = [(&mut item.put, Some(unless)), (&mut item.patch, None), (&mut item.delete, None)];
    for (operation, unless) in changes {
        let Some(operation) = operation else { continue };
        takes_header(operation, "If-Match", "The `ETag` that you have read: only if it is still the same version.");
        if let Some(unless) = unless {
            takes_header(operation, "If-None-Match", unless);
        }
        if let Some((_, scopes)) = &reads {
            let needs = format!("A condition needs the scope `{}`, too.", scopes.join("` and `"));
            let told = operation.description.take().filter(|told| !told.is_empty());
            operation.description = Some(told.map_or(needs.clone(), |told| format!("{told}\n\n{needs}")));
        }
        responses::may_answer(operation, StatusCode::PRECONDITION_FAILED);
    }
}

/// Unless its handler says more about it.
fn takes_header(operation: &mut Operation, name: &str, description: &str) {
    let parameters = operation.parameters.get_or_insert_default();
    if parameters.iter().any(|known| matches!(known, RefOr::T(known) if known.name == name)) {
        return;
    }
    let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).description(Some(description));
    parameters.push(header.schema(Some(Object::with_type(Type::String))).build().into());
}

/// The scheme and the scope of a requirement.
fn named(requirement: &SecurityRequirement) -> Option<(String, Vec<String>)> {
    let requirement = serde_json::to_value(requirement).ok()?;
    let (scheme, scopes) = requirement.as_object()?.iter().next()?;
    let scopes: Vec<String> = scopes.as_array()?.iter().filter_map(|scope| scope.as_str().map(str::to_owned)).collect();
    (!scopes.is_empty()).then(|| (scheme.clone(), scopes))
}

/// The document as JSON text, with the shapes that no struct of ours has.
pub(crate) fn text(document: &OpenApi) -> String {
    let mut document = serde_json::to_value(document).expect("a document of texts, numbers and lists is always JSON");
    shapes::complete(&mut document);
    enums::complete(&mut document);
    document.to_string()
}
