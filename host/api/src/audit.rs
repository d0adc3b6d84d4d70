//! Around each route of the API that may write: what it writes first carries the entry of the audit log (see `openhub_store::act`). A
//! new route is within it by standing in the route table.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openhub_store::{Deeded, acting};

use crate::app::Shared;
use crate::auth::{Asked, caller, peer};
use crate::once::{act_once, takes_key};
use crate::request_id::RequestId;

/// Variables of paths that name what people set up. What is not among them may say who a customer is, and is left out: a route that
/// comes with a new one says too little, and never too much.
const NAMES: [&str; 12] = [
    "attribute",
    "block",
    "digest",
    "job",
    "journey",
    "kind",
    "plugin",
    "push",
    "secret",
    "segment",
    "type",
    "version",
];
/// Routes whose `{name}`, or `{id}`, is such a name.
const NAMED: [&str; 14] = [
    "/api/v1/attributes/",
    "/api/v1/journeys/",
    "/api/v1/keys/",
    "/api/v1/object-types/",
    "/api/v1/persons/",
    "/api/v1/plugins/",
    "/api/v1/segments/",
    "/api/v1/tenants/",
    "/api/v1/webhooks/",
    "/api/v1/offerings/",
    "/api/v1/subscribers/",
    "/api/v1/subscriptions/",
    "/api/v1/plugin-removals/",
    "/api/v1/shares/",
];

/// Does what the request asks for as an act of who asks.
pub(crate) async fn audited(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (false, Some(route)) = (is_read(request.method()), route) else { return next.run(request).await };
    let from = peer(request.extensions());
    // Who is nobody is told so by the handler, and writes nothing.
    let Ok(Some(caller)) = caller(&shared.app, &shared.keys, Asked::of(&request), from).await else {
        return next.run(request).await;
    };
    let deed = Deeded {
        tenant: Some(caller.tenant()),
        principal: caller.principal(),
        act: format!("{} {route}", request.method()),
        subject: subject(&route, request.uri().path()),
        origin: from.map(|from| from.to_string()).unwrap_or_default(),
        request: request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default(),
        at: shared.app.now(),
    };
    if takes_key(request.method(), &route) {
        return act_once(&shared, &caller, deed, request, next).await.unwrap_or_else(IntoResponse::into_response);
    }
    acting(deed, next.run(request)).await
}

fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// The names in a path, by its route's template.
fn subject(route: &str, path: &str) -> String {
    let names = route.split('/').zip(path.split('/'));
    let names = names.filter(|(template, _)| variable(template).is_some_and(|variable| is_name(route, variable)));
    names.map(|(_, given)| given).collect::<Vec<_>>().join("/")
}

/// Whether the subject of an act tells which document of the route it is about.
pub(crate) fn tells_which(route: &str) -> bool {
    route.split('/').filter_map(variable).all(|variable| is_name(route, variable))
}

fn variable(template: &str) -> Option<&str> {
    template.strip_prefix('{')?.strip_suffix('}')
}

fn is_name(route: &str, variable: &str) -> bool {
    let is_named = NAMED.iter().any(|named| route.starts_with(named));
    NAMES.contains(&variable) || (is_named && ["name", "id"].contains(&variable))
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
