//! The API's description (OpenAPI 3.1), collected from the handlers themselves.

mod shapes;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi as _};

use crate::problem::ProblemBody;
use crate::views::FaultView;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "OpenHub", description = "Customers, events and journeys, extended by plugins."),
    components(schemas(ProblemBody, FaultView)),
    tags(
        (name = "segment", description = "The Segment HTTP API: events in."),
        (name = "customers"), (name = "events"), (name = "plugins"), (name = "journeys"), (name = "segments"),
        (name = "messages"), (name = "privacy"), (name = "faults"),
        (name = "objects"), (name = "clock"), (name = "settings"), (name = "status"), (name = "hub"),
    ),
)]
struct Document;

pub(crate) fn document() -> OpenApi {
    Document::openapi()
}

/// Says on each operation which key it needs.
pub(crate) fn secure(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("api_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme("write_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    for (path, item) in &mut document.paths.paths {
        let scheme = match path.as_str() {
            path if path.starts_with("/api/v1/") => "api_key",
            path if path.starts_with("/v1/") || path == "/sourceConfig" => "write_key",
            _ => continue,
        };
        let operations =
            [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten();
        for operation in operations {
            operation.security = Some(vec![SecurityRequirement::new(scheme, Vec::<String>::new())]);
        }
    }
}

/// The document as JSON text, with the shapes that no struct of ours has.
pub(crate) fn text(document: &OpenApi) -> String {
    let mut document = serde_json::to_value(document).expect("a document of texts, numbers and lists is always JSON");
    shapes::complete(&mut document);
    document.to_string()
}

/// What every operation may answer besides.
pub(crate) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let problem = ResponseBuilder::new()
            .description("Problem details (RFC 9457)")
            .content("application/problem+json", content)
            .build();
        [("default".to_owned(), RefOr::T(problem))].into()
    }
}
