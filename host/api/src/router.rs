//! Puts the routes together with what surrounds them.

use axum::Router;
use axum::extract::OriginalUri;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Checks, Exports, Previews, Shared};
use crate::audit::audited;
use crate::auth::{KeyCache, Passwords};
use crate::body::Weights;
use crate::change::Locks;
use crate::conditional::{Documents, conditional};
use crate::cors::open_to_pages;
use crate::event_query;
use crate::near::Routes;
use crate::observe::count_request;
use crate::openapi;
use crate::overload::{shed_api, shed_entrance, shed_ingest};
use crate::parameters::{Asking, refuse_unknown};
use crate::places::{Places, Shares, alone};
use crate::problem::{METHOD_NOT_ALLOWED, Problem, UNKNOWN_ROUTE, from_panic};
use crate::provisioning::Provisioner;
use crate::request_id::{RequestIds, with_request_id};
use crate::routes;
use crate::text::refuse_unreadable_target;
use crate::unread::close_what_is_unread;

/// The hub's HTTP service, all at one address.
pub fn router(app: impl Into<Arc<App>>) -> Router {
    routers(app, Apart::default()).hub
}

/// What has an address of its own, which serves that and nothing else; the hub's serves none of it then.
#[derive(Clone, Copy, Default)]
pub struct Apart {
    /// The endpoints of plugins.
    pub endpoints: bool,
    /// The metrics, which need no key.
    pub metrics: bool,
}

/// A service for each address that there may be.
pub struct Routers {
    pub hub: Router,
    pub endpoints: Router,
    pub metrics: Router,
    /// Makes so what subscriptions agreed on, as long as it runs.
    pub provisioner: Provisioner,
}

/// See [`Apart`].
pub fn routers(app: impl Into<Arc<App>>, apart: Apart) -> Routers {
    let shared = share(app.into());
    let mut hub = of_hub(&shared).merge(looks());
    if !apart.endpoints {
        hub = hub.merge(of_plugins());
    }
    if !apart.metrics {
        hub = hub.merge(of_metrics());
    }
    // Who calls a plugin, or reads metrics, is told nothing of the hub.
    let dress = |routes, known| dressed(routes, shared.clone(), known);
    Routers {
        hub: dress(hub, Routes::of(&shared.openapi)),
        endpoints: dress(of_plugins(), Routes::default()),
        metrics: dress(of_metrics().merge(looks()), Routes::default()),
        provisioner: Provisioner::new(shared.clone()),
    }
}

fn share(app: Arc<App>) -> Shared {
    let door = Arc::downgrade(&app);
    app.engine.open(door);
    Shared {
        keys: Arc::new(KeyCache::default()),
        ingest: Places::new(app.limits.ingest_in_flight),
        api: Places::new(app.limits.api_in_flight),
        endpoints: Places::new(app.limits.api_in_flight),
        endpoint_callers: Shares::new(alone(app.limits.api_in_flight)),
        weights: Weights::new(app.limits.all_json_weight),
        strangers: Places::new(app.limits.keyless_in_flight),
        callers: Shares::new(alone(app.limits.ingest_in_flight)),
        guesses: Arc::default(),
        logins: Arc::default(),
        providers: Arc::default(),
        passwords: Passwords::default(),
        rates: Arc::default(),
        locks: Locks::default(),
        previews: Previews::default(),
        exports: Exports::default(),
        checks: Checks::default(),
        openapi: describe().into(),
        app,
    }
}

fn of_hub(shared: &Shared) -> Router<Shared> {
    let (ingest, _) = routes::ingest().split_for_parts();
    let ingest = routes::doors(ingest).route_layer(from_fn_with_state(shared.clone(), event_query::refuse_unknown));
    let (api, described) = routes::api().split_for_parts();
    let asking = Arc::new(Asking::of(&described));
    let api = api.route_layer(from_fn_with_state(asking, refuse_unknown));
    let documents = Documents::of(&described, api.clone().with_state(shared.clone()));
    let documents = (shared.clone(), Arc::new(documents));
    let api = api.route_layer(from_fn_with_state(documents, conditional));
    let api = api.route_layer(from_fn_with_state(shared.clone(), audited));
    let (entrance, described) = routes::entrance().split_for_parts();
    let entrance = entrance.route_layer(from_fn_with_state(Arc::new(Asking::of(&described)), refuse_unknown));
    let (hub, _) = routes::hub().split_for_parts();
    Router::new()
        .merge(ingest.route_layer(from_fn_with_state(shared.clone(), shed_ingest)).route_layer(from_fn(open_to_pages)))
        .merge(routes::preflights())
        .merge(api.route_layer(from_fn_with_state(shared.clone(), shed_api)))
        .merge(entrance.route_layer(from_fn_with_state(shared.clone(), shed_entrance)))
        .merge(hub)
        .route(routes::hooks::PATH, any(routes::hooks::receive))
        .route(&routes::unsubscribe::path(), get(routes::unsubscribe::ask).post(routes::unsubscribe::withdraw))
}

fn looks() -> Router<Shared> {
    routes::looks().split_for_parts().0
}

fn of_metrics() -> Router<Shared> {
    routes::metrics().split_for_parts().0
}

fn of_plugins() -> Router<Shared> {
    Router::new().route(routes::endpoints::PATH, any(routes::endpoints::handle))
}

/// With what surrounds all routes; `known` are those that may be meant by a path that leads nowhere.
fn dressed(routes: Router<Shared>, shared: Shared, known: Routes) -> Router {
    let known = Arc::new(known);
    let same = known.clone();
    let ids = Arc::new(RequestIds::since(shared.app.now()));
    routes
        .route_layer(from_fn(count_request))
        .fallback(async move |OriginalUri(uri): OriginalUri| unknown_route(&uri, &known))
        .method_not_allowed_fallback(async move |method: Method, OriginalUri(uri): OriginalUri| {
            unknown_method(&method, &uri, &same)
        })
        .layer(from_fn(refuse_unreadable_target))
        .layer(CatchPanicLayer::custom(from_panic))
        .layer(from_fn(close_what_is_unread))
        .layer(from_fn_with_state(ids, with_request_id))
        .with_state(shared)
}

/// The OpenAPI document as JSON text.
fn describe() -> String {
    let routes = OpenApiRouter::with_openapi(openapi::document());
    let routes = routes.merge(routes::ingest()).merge(routes::api()).merge(routes::entrance()).merge(routes::hub());
    let mut document = routes.merge(routes::looks()).merge(routes::metrics()).into_openapi();
    openapi::complete(&mut document);
    openapi::text(&document)
}

fn unknown_route(uri: &Uri, known: &Routes) -> Problem {
    let near = known.near(uri.path()).unwrap_or_else(|| "Check the path.".to_owned());
    Problem::new(UNKNOWN_ROUTE, format!("This hub has no route `{}`. {near}", uri.path()))
}

fn unknown_method(method: &Method, uri: &Uri, known: &Routes) -> Problem {
    let accepted = known.accepted(uri.path()).map(|accepted| format!(" {accepted}")).unwrap_or_default();
    Problem::new(METHOD_NOT_ALLOWED, format!("This route does not accept `{method}`.{accepted}"))
}
