//! The API's description (OpenAPI 3.1), collected from the handlers themselves.

mod enums;
mod responses;
mod shapes;

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use crate::problem::ProblemBody;
use crate::routes;
use crate::views::FaultView;

pub(crate) use responses::{Absent, Changed, PluginFailed, Problems, Unfit};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "OpenHub", description = "Customers, events and journeys, extended by plugins."),
    components(schemas(ProblemBody, FaultView)),
    // Routes for whom no client is made: their addresses are given to others.
    paths(routes::hooks::receive, routes::endpoints::handle, routes::unsubscribe::ask, routes::unsubscribe::withdraw),
    tags(
        (name = "segment", description = "The Segment HTTP API: events in."),
        (name = "customers"), (name = "events"), (name = "plugins"), (name = "journeys"), (name = "segments"),
        (name = "messages"), (name = "privacy"), (name = "faults"),
        (name = "objects"), (name = "clock"), (name = "settings"), (name = "status"), (name = "webhooks"), (name = "access"),
        (name = "hub"),
    ),
)]
struct Document;

pub(crate) fn document() -> OpenApi {
    Document::openapi()
}

/// The ways in which a write key may come.
const WRITE_KEY: &str = "write_key";
const WRITE_KEY_HEADER: &str = "write_key_header";
const API_KEY: &str = "api_key";

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
    for item in document.paths.paths.values_mut() {
        let changing = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        let changing = changing.into_iter().flatten().map(|operation| (operation, true));
        for (operation, changes) in item.get.iter_mut().map(|operation| (operation, false)).chain(changing) {
            let needed = operation.security.as_ref().and_then(|all| all.first()).and_then(named);
            let changes = changes && needed.as_ref().is_some_and(|(scheme, _)| scheme == API_KEY);
            responses::complete(operation, needed.is_some(), changes);
            let Some((scheme, scope)) = needed else { continue };
            let needs = format!("Needs a key with the scope `{scope}`.");
            let told = operation.description.take().map(|told| format!("{told}\n\n{needs}"));
            operation.description = Some(told.unwrap_or(needs));
            if scheme == WRITE_KEY {
                let ways = [WRITE_KEY, WRITE_KEY_HEADER, API_KEY].map(|way| SecurityRequirement::new(way, [&scope]));
                operation.security = Some(ways.into());
            }
        }
    }
}

/// The scheme and the scope of a requirement.
fn named(requirement: &SecurityRequirement) -> Option<(String, String)> {
    let requirement = serde_json::to_value(requirement).ok()?;
    let (scheme, scopes) = requirement.as_object()?.iter().next()?;
    Some((scheme.clone(), scopes[0].as_str()?.to_owned()))
}

/// The document as JSON text, with the shapes that no struct of ours has.
pub(crate) fn text(document: &OpenApi) -> String {
    let mut document = serde_json::to_value(document).expect("a document of texts, numbers and lists is always JSON");
    shapes::complete(&mut document);
    enums::complete(&mut document);
    document.to_string()
}
