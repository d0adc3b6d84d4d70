//! Around each route of the API that may write: what it writes first carries the entry of the audit log (see `openhub_store::act`). A
//! new route is within it by standing in the route table.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use openhub_model::Principal;
use openhub_store::{Deeded, acting};

use crate::app::Shared;
use crate::auth::{bearer, peer};
use crate::request_id::RequestId;

/// Variables of paths that name what people set up. What is not among them may say who a customer is, and is left out: a route that
/// comes with a new one says too little, and never too much.
const NAMES: [&str; 10] =
    ["attribute", "digest", "job", "journey", "kind", "plugin", "secret", "segment", "type", "version"];
/// Routes whose `{name}`, or `{id}`, is such a name.
const NAMED: [&str; 9] = [
    "/api/v1/attributes/",
    "/api/v1/journeys/",
    "/api/v1/keys/",
    "/api/v1/object-types/",
    "/api/v1/plugins/",
    "/api/v1/segments/",
    "/api/v1/tenants/",
    "/api/v1/webhooks/",
    "/api/v1/plugin-removals/",
];

/// Does what the request asks for as an act of who asks.
pub(crate) async fn audited(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (false, Some(route)) = (is_read(request.method()), route) else { return next.run(request).await };
    let from = peer(request.extensions());
    // Who is nobody is told so by the handler, and writes nothing.
    let Ok(Some(key)) = bearer(&shared.app, &shared.keys, request.headers(), from).await else {
        return next.run(request).await;
    };
    let deed = Deeded {
        tenant: Some(key.tenant),
        principal: Principal::key(key.id.clone()),
        act: format!("{} {route}", request.method()),
        subject: subject(&route, request.uri().path()),
        origin: from.map(|from| from.to_string()).unwrap_or_default(),
        request: request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default(),
        at: shared.app.now(),
    };
    acting(deed, next.run(request)).await
}

fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// The names in a path, by its route's template.
fn subject(route: &str, path: &str) -> String {
    let is_named = NAMED.iter().any(|named| route.starts_with(named));
    let names = route.split('/').zip(path.split('/')).filter_map(|(template, given)| {
        let variable = template.strip_prefix('{')?.strip_suffix('}')?;
        (NAMES.contains(&variable) || (is_named && ["name", "id"].contains(&variable))).then_some(given)
    });
    names.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::subject;

    #[test]
    fn a_subject_names_what_is_set_up_and_nobody() {
        assert_eq!(subject("/api/v1/segments/{name}", "/api/v1/segments/vip"), "vip");
        assert_eq!(subject("/api/v1/keys/{id}/rotate", "/api/v1/keys/ab12/rotate"), "ab12");
        assert_eq!(subject("/api/v1/objects/{kind}/{key}", "/api/v1/objects/member/13800000000"), "member");
        assert_eq!(subject("/api/v1/customers/{id}", "/api/v1/customers/0b1c"), "");
        assert_eq!(subject("/api/v1/settings", "/api/v1/settings"), "");
    }
}
