//! The tenant matrix: each route of the route table, with the ids of another tenant in each place where an id can stand, and under each
//! scope that is not the route's. A route with a place that is not declared here fails.

use crate::hub::{Answer, Hub, Tenant, component, encode, request, until};
use crate::persons::{Visitor, log_in_as};
use crate::privacy::{Canaries, plant, set_up};
use crate::statements::Care;
use crate::tree::below;
use axum::body::Body;
use axum::http::header;
use openhub_api::KeyScopes;
use openhub_engine::statements::make_due;
use openhub_model::{Role, TenantId};
use openhub_store::{FaultKind, NewFault, Scope};
use openhub_test_postgres::Server;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is not told to anybody else, beside ids: each text has it in it.
const CANARY: &str = "canary-theirs";
/// Query parameters that name nothing of a tenant's.
const PLAIN: &[&str] = &[
    "accept",
    "act",
    "arrived",
    "bom",
    "class",
    "code",
    "contract",
    "data",
    "decimal",
    "delimiter",
    "dry_run",
    "excel",
    "fields",
    "format",
    "from",
    "grace_days",
    "historical",
    "last",
    "level",
    "limit",
    "name",
    "origin",
    "rate",
    "state",
    "status",
    "suppress",
    "timezone",
    "time_zone",
    "to",
    "type",
    "why",
];
/// `PUT`s name what they make: with the name of somebody else's they make their own.
const MAKES: &str = "put";
/// Their variable names what each tenant may have by the same name, or what the call brings with it.
const NAMED_BY_ALL: &[&str] = &[
    "/api/v1/import/objects/{kind}",
    "/api/v1/journeys/{name}/check",
    "/api/v1/object-types/{name}",
    "/api/v1/object-types/{name}/schema",
    "/api/v1/objects/{kind}",
];
/// A person comes in by these, and changes how: no key opens them, and they name nobody but whoever asks. Tests of persons, of the second
/// factor and of identity providers ask them.
const WITHOUT_KEY: &[&str] = &[
    "DELETE /api/v1/session",
    "DELETE /api/v1/session/second-factor",
    "GET /api/v1/session",
    "GET /api/v1/session/oidc",
    "GET /api/v1/session/oidc/callback",
    "POST /api/v1/invitation",
    "POST /api/v1/session",
    "POST /api/v1/session/oidc",
    "POST /api/v1/session/second-factor",
    "PUT /api/v1/session/password",
    "PUT /api/v1/session/second-factor",
];
type Ids = BTreeMap<(&'static str, &'static str), String>;

/// A tenant with one of each.
struct World {
    tenant: Tenant,
    /// By the beginning of a route and the variable.
    paths: Ids,
    /// By the name of a query parameter.
    queries: BTreeMap<&'static str, String>,
    /// By operation.
    bodies: BTreeMap<&'static str, Vec<Value>>,
}

impl World {
    async fn new(hub: &Hub, name: &'static str) -> World {
        let canaries = Canaries { name };
        // It has a tenant above, whose offering it has, and one below, which has its own.
        let brand = hub.tenant(&canaries.of("brand")).await;
        let (tenant, api_key) = below(hub, &brand.api_key, json!({"name": canaries.of("tenant")})).await;
        let tenant = TenantId(tenant);
        let write_key = hub.key(tenant, KeyScopes::WRITE).await;
        let server_key = hub.key(tenant, KeyScopes::SERVER).await;
        let tenant = Tenant { id: tenant, write_key, server_key, api_key };
        set_up(hub, &tenant).await;
        let (key, secret) = (tenant.api_key.clone(), canaries.of("secret"));
        let made = async |method: &str, path: &str, body: Value| {
            let answer = hub.call(method, path, &key, Some(body)).await;
            assert!(answer.status < 300, "{method} {path}: {answer:?}");
            answer.body
        };
        let id = |of: &Value| of["id"].as_str().map_or_else(|| of["id"].to_string(), str::to_owned);
        let ticket = json!({"fields": [{"name": "code", "type": "text", "required": true}], "description": {"en": secret}, "key": "code"});
        made("PUT", "/api/v1/object-types/ticket", ticket).await;
        let ticket = made("POST", "/api/v1/objects/ticket", json!({"fields": {"code": canaries.of("key")}})).await;
        made("PUT", "/api/v1/attributes/score", json!({"description": secret})).await;
        made("PUT", "/api/v1/segments/vip", json!({"condition": {"tag": secret}})).await;
        made("PUT", "/api/v1/journeys/welcome", json!({"note": secret})).await;
        let manifest =
            |name: &str| json!({"format": 1, "name": name, "version": "1.0.0", "publisher": secret, "imports": []});
        for plugin in ["stamps", "gone"] {
            let uploaded = hub.upload(&key, component(Some(manifest(plugin)))).await;
            let difference = &uploaded.body["difference"];
            let agreed = json!({"digest": difference["to"], "accept": difference["accept"]});
            made("POST", &format!("/api/v1/plugins/{plugin}/activate"), agreed).await;
        }
        let digest =
            hub.get("/api/v1/plugins/stamps", &key).await.body["digest"].as_str().expect("a digest").to_owned();
        let removal = made("DELETE", "/api/v1/plugins/gone", json!(null)).await;
        let hook = json!({"url": format!("https://hooks.example.com/{secret}"), "events": ["*"]});
        made("PUT", "/api/v1/webhooks/crm", hook).await;
        let part = plant(hub, &tenant, &canaries).await;
        let delivery = until("something waits for the webhook", async || {
            let all = hub.get("/api/v1/webhooks/crm/deliveries", &key).await;
            all.body["deliveries"][0]["id"].as_str().map(str::to_owned)
        });
        let delivery = delivery.await;
        made("PATCH", "/api/v1/webhooks/crm", json!({"enabled": false})).await;
        let bob = made("POST", "/api/v1/customers", json!({"identities": [{"kind": "user_id", "value": "bob"}]})).await;
        let erased = hub.call("DELETE", &format!("/api/v1/customers/{}", id(&bob)), &key, None).await;
        let fault = NewFault::counted(FaultKind::RowSkipped, "loyalty/earn", "missing", &secret, &secret);
        let fault_id = fault.id.to_string();
        hub.store.file_faults(&Scope::of(tenant.id), hub.now(), vec![fault]).await.expect("it is filed");
        let named = made("POST", "/api/v1/keys", json!({"name": secret, "scopes": ["events:write"]})).await;
        let child = made("POST", "/api/v1/tenants", json!({"name": canaries.of("child")})).await;
        let person = json!({"email": format!("{}@example.com", canaries.of("person")), "role": "analyst"});
        let invited = made("POST", "/api/v1/persons", person.clone()).await;
        // The tenant above gives it something, and has agreed to that.
        let vip = Some(json!({"static": true}));
        hub.call("PUT", "/api/v1/segments/vip", &brand.api_key, vip).await;
        let terms = json!({"kind": "pseudonyms", "segments": ["vip"], "purpose": "care"});
        let share = json!({"with": brand.id.0, "direction": "have", "name": canaries.of("share"), "terms": terms});
        let share = made("POST", "/api/v1/shares", share).await;
        let agree = format!("/api/v1/shares/{}/agree", id(&share));
        let agreed = hub.post(&agree, &brand.api_key, json!({"digest": share["digest"]})).await;
        assert_eq!(agreed.status, 200, "{agreed:?}");
        let (bought, sold) = (format!("bought-{name}"), format!("sold-{name}"));
        let child_id = TenantId(child["id"].as_i64().expect("an id"));
        let since = "2025-12-10T08:00:00Z";
        let quota = json!({"quota": {"meter": "events", "limit": 1_000_000, "then": "overrun"}});
        let care = Care { provider: brand.id, partner: tenant.id, name: &bought, since };
        let subscription = care.subscribed(hub, std::slice::from_ref(&quota), None).await.to_string();
        let care = Care { provider: tenant.id, partner: child_id, name: &sold, since };
        let subscriber = care.subscribed(hub, &[quota], None).await.to_string();
        made("PUT", &format!("/api/v1/offerings/{sold}"), json!({"title": {"en": secret}})).await;
        for (offering, key) in [(&bought, &brand.api_key), (&sold, &tenant.api_key)] {
            let published =
                hub.call("POST", &format!("/api/v1/offerings/{offering}/versions/1/publish"), key, None).await;
            assert_eq!(published.status, 200, "{published:?}");
        }
        let block = json!({"reason": secret, "stops": ["billing"]});
        let block = made("POST", &format!("/api/v1/subscribers/{subscriber}/blocks"), block).await;
        make_due(&hub.store, hub.now()).await.expect("December is over");
        hub.settle(&tenant).await;
        let statements = hub.get(&format!("/api/v1/statements?subscription={subscription}"), &tenant.api_key).await;
        let statement = id(&statements.body["statements"][0]);
        let push = json!({"from": 1, "to": 2, "waves": [{"percent": 100}]});
        made(
            "POST",
            &format!("/api/v1/offerings/{sold}/versions"),
            json!({"items": [{"price": {"currency": "CNY", "fee": "2"}}]}),
        )
        .await;
        made("POST", &format!("/api/v1/offerings/{sold}/versions/2/publish"), json!({})).await;
        let push = made("POST", &format!("/api/v1/offerings/{sold}/pushes"), push).await;
        let customer = part.to_string();
        let message =
            hub.get("/api/v1/messages", &key).await.body["messages"][0]["id"].as_str().expect("one").to_owned();
        let found = hub.get("/api/v1/matches", &key).await.body["matches"][0]["id"].clone();
        let user = json!({"kind": "user_id", "value": canaries.user()});
        let paths = [
            (("/api/v1/attributes/", "name"), "score".to_owned()),
            (("/api/v1/catalog/", "provider"), brand.id.0.to_string()),
            (("/api/v1/catalog/", "offering"), bought.clone()),
            (("/api/v1/customers/", "id"), customer.clone()),
            (("/api/v1/erasures/", "id"), id(&erased.body)),
            (("/api/v1/faults/", "id"), fault_id),
            (("/api/v1/import/objects/", "kind"), "ticket".to_owned()),
            (("/api/v1/journeys/", "name"), "welcome".to_owned()),
            (("/api/v1/keys/", "id"), id(&named)),
            (("/api/v1/messages/", "id"), message),
            (("/api/v1/object-types/", "name"), "ticket".to_owned()),
            (("/api/v1/objects/", "kind"), "ticket".to_owned()),
            (("/api/v1/objects/", "key"), ticket["key"].as_str().expect("a key").to_owned()),
            (("/api/v1/offerings/", "name"), sold.clone()),
            (("/api/v1/offerings/", "push"), id(&push)),
            (("/api/v1/offerings/", "version"), "1".to_owned()),
            (("/api/v1/persons/", "id"), id(&invited)),
            (("/api/v1/plugin-removals/", "id"), id(&removal)),
            (("/api/v1/plugins/", "name"), "stamps".to_owned()),
            (("/api/v1/plugins/", "digest"), digest.clone()),
            (("/api/v1/plugins/", "job"), "nightly".to_owned()),
            (("/api/v1/plugins/", "secret"), "token".to_owned()),
            (("/api/v1/plugins/", "id"), "6ea8fc8f-e861-88c6-b5d2-3fe8191a4347".to_owned()),
            (("/api/v1/segments/", "name"), "vip".to_owned()),
            (("/api/v1/shares/", "id"), id(&share)),
            (("/api/v1/statements/", "id"), statement),
            (("/api/v1/subscribers/", "block"), id(&block)),
            (("/api/v1/subscribers/", "id"), subscriber.clone()),
            (("/api/v1/subscriptions/", "id"), subscription.clone()),
            (("/api/v1/tenants/", "id"), id(&child)),
            (("/api/v1/webhooks/", "name"), "crm".to_owned()),
            (("/api/v1/webhooks/", "id"), delivery),
        ];
        let queries = [
            ("condition", json!({"segment": "vip"}).to_string()),
            ("customer", customer.clone()),
            ("event", canaries.of("event")),
            ("identity", format!("user_id:{}", canaries.user())),
            ("ids", customer.clone()),
            ("journey", "welcome".to_owned()),
            ("key", id(&named)),
            ("kind", "ticket".to_owned()),
            ("message_id", canaries.of("message-id")),
            ("offering", sold.clone()),
            ("parent", id(&child)),
            ("plugin", "stamps".to_owned()),
            ("position", "1".to_owned()),
            ("request", "1".to_owned()),
            ("segment", "vip".to_owned()),
            ("subject", "vip".to_owned()),
            ("subscription", subscription.clone()),
            ("version", "1".to_owned()),
            ("who", id(&named)),
        ];
        let segment = json!({"segment": "vip"});
        let used = json!({"key": "mine", "meter": "seats", "quantity": 1});
        let bodies = [
            ("POST /api/v1/customers", vec![json!({"identities": [user]})]),
            ("POST /api/v1/customers/{id}/unmerge", vec![json!({"identity": user})]),
            ("PATCH /api/v1/customers/{id}", vec![json!({"tags": {"vip": true}})]),
            ("POST /api/v1/matches", vec![json!({"decisions": [{"id": found, "accept": true}]})]),
            ("POST /api/v1/segments/preview", vec![json!({"condition": segment})]),
            (
                "POST /api/v1/segments/why",
                vec![
                    json!({"condition": {"all": []}, "customer": customer}),
                    json!({"condition": segment, "customer": customer}),
                ],
            ),
            ("POST /api/v1/segments/{name}/members", vec![json!({"add": [user]}), json!({"remove": [user]})]),
            ("PUT /api/v1/segments/{name}", vec![json!({"condition": {"not": segment}})]),
            ("PUT /api/v1/journeys/{name}", vec![json!({"trigger": segment})]),
            ("POST /api/v1/journeys/{name}/check", vec![json!({"trigger": segment})]),
            (
                "PUT /api/v1/object-types/{name}",
                vec![json!({"fields": [{"name": "of", "type": {"object": "ticket"}}]})],
            ),
            ("POST /api/v1/objects/{kind}", vec![json!({"fields": {"code": canaries.of("key"), "owner": customer}})]),
            ("PATCH /api/v1/objects/{kind}/{key}", vec![json!({"fields": {"code": "mine", "owner": customer}})]),
            ("POST /api/v1/import/objects/{kind}", vec![json!({"objects": [{"code": canaries.of("key")}]})]),
            ("POST /api/v1/plugins/{name}/activate", vec![json!({"digest": digest, "accept": digest})]),
            ("POST /api/v1/plugins/{name}/rollback", vec![json!({"accept": digest})]),
            ("POST /api/v1/plugins/{name}/enable", vec![json!({"accept": digest}), json!({"settings": {}})]),
            ("PUT /api/v1/plugins/{name}/canary", vec![json!({"digest": digest, "percent": 10})]),
            ("PUT /api/v1/plugins/{name}/shadow", vec![json!({"digest": digest})]),
            ("PUT /api/v1/plugins/{name}/recording", vec![json!({"customer": customer})]),
            ("POST /api/v1/suppressions/check", vec![user.clone()]),
            ("POST /api/v1/suppressions/remove", vec![user.clone()]),
            ("POST /api/v1/tenants", vec![json!({"name": "mine", "parent": child["id"]})]),
            ("PATCH /api/v1/tenants/{id}", vec![json!({"ceiling": {"scopes": []}})]),
            ("POST /api/v1/tenants/{id}/move", vec![json!({"parent": child["parent"]})]),
            ("POST /api/v1/webhooks/{name}/replay", vec![json!({"since": "2026-01-01T00:00:00Z"})]),
            ("PATCH /api/v1/webhooks/{name}", vec![json!({"enabled": true})]),
            (
                "PUT /api/v1/identity-provider",
                vec![json!({"issuer": "https://idp.example.com", "client_id": "mine", "client_secret": "mine"})],
            ),
            ("PUT /api/v1/webhooks/{name}", vec![json!({"url": "https://hooks.example.com/", "events": ["*"]})]),
            (
                "POST /api/v1/subscriptions",
                vec![
                    json!({"key": "mine", "offering": bought, "provider": brand.id.0}),
                    json!({"key": "mine", "offering": bought}),
                    json!({"key": "mine", "offering": sold, "provider": tenant.id.0}),
                ],
            ),
            ("POST /api/v1/subscriptions/{id}/end", vec![json!({"export_days": 0})]),
            ("POST /api/v1/subscriptions/{id}/upgrade", vec![json!({"version": 1})]),
            ("POST /api/v1/shares", vec![json!({"with": child["id"], "name": "mine", "terms": {"segments": ["vip"]}})]),
            ("POST /api/v1/shares/{id}/agree", vec![json!({"digest": share["digest"]})]),
            ("POST /api/v1/shares/{id}/decline", vec![json!({"reason": "no"})]),
            ("POST /api/v1/shares/{id}/withdraw", vec![json!({"reason": "no"})]),
            ("POST /api/v1/subscriptions/{id}/cap", vec![json!({"cap": "5"})]),
            ("POST /api/v1/subscribers/{id}/credit", vec![json!({"credit": "5"})]),
            ("POST /api/v1/subscribers/{id}/decline", vec![json!({"reason": "no"})]),
            ("POST /api/v1/subscribers/{id}/blocks", vec![json!({"reason": "mine", "stops": ["service"]})]),
            ("POST /api/v1/subscribers/{id}/end", vec![json!({"export_days": 0})]),
            (
                "POST /api/v1/usage",
                [subscription, subscriber].map(|of| json!({"subscription": of, "usage": [used]})).into(),
            ),
            (
                "POST /api/v1/offerings/{name}/versions",
                vec![json!({"items": [{"price": {"currency": "CNY", "fee": "1"}}]})],
            ),
            ("POST /api/v1/offerings/{name}/pushes", vec![json!({"from": 1, "to": 2, "waves": [{"percent": 100}]})]),
            ("POST /api/v1/offerings/{name}/versions/{version}/publish", vec![json!({})]),
            ("POST /api/v1/persons", vec![person]),
            ("PATCH /api/v1/persons/{id}", vec![json!({"role": "owner"})]),
            // These name nothing: their tenant is that of the key, or they make something new.
            ("POST /api/v1/clock", vec![]),
            ("POST /api/v1/keys", vec![]),
            ("POST /api/v1/keys/{id}/rotate", vec![json!({})]),
            ("POST /api/v1/partner-tokens", vec![json!({"partner": "mine", "scopes": ["segments:read"]})]),
            ("POST /api/v1/plugins", vec![]),
            ("PUT /api/v1/offerings/{name}", vec![json!({"title": {"en": "mine"}})]),
            ("PUT /api/v1/attributes/{name}", vec![json!({"description": "mine"})]),
            ("PUT /api/v1/identity-kinds", vec![json!({"kinds": {}})]),
            ("PATCH /api/v1/settings", vec![json!({"fault_days": 7})]),
            ("PUT /api/v1/plugins/{name}/secrets/{secret}", vec![json!({"value": "mine"})]),
            ("POST /api/v1/webhooks/{name}/rotate-secret", vec![json!({})]),
        ];
        World { tenant, paths: paths.into(), queries: queries.into(), bodies: bodies.into() }
    }

    /// The route's path, with what is here in each of its variables.
    fn path(&self, route: &str) -> String {
        let mut path = route.to_owned();
        for variable in route.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let value = self.paths.iter().find(|((from, name), _)| route.starts_with(from) && *name == variable);
            let (_, value) =
                value.unwrap_or_else(|| panic!("the matrix has nothing for `{variable}` of {route}: declare it"));
            path = path.replace(&format!("{{{variable}}}"), &encode(value));
        }
        path
    }

    /// The route's path with the parameters that it must have.
    fn address(&self, route: &Route) -> String {
        let mut address = self.path(&route.path);
        for (index, name) in route.required.iter().enumerate() {
            let value = self.queries.get(name.as_str());
            let value =
                value.unwrap_or_else(|| panic!("the matrix has nothing for the parameter `{name}`: declare it"));
            address += &format!("{}{name}={}", if index == 0 { "?" } else { "&" }, encode(value));
        }
        address
    }

    /// Texts of theirs that a call names them by, and that may stand in what it makes.
    fn named(&self) -> BTreeSet<String> {
        let bodies = self.bodies.values().flatten().map(Value::to_string);
        let all = self.paths.values().chain(self.queries.values()).cloned().chain(bodies);
        let texts = all.flat_map(|text| text.split(['"', ':']).map(str::to_owned).collect::<Vec<_>>());
        texts.filter(|text| text.contains(CANARY)).collect()
    }

    /// Everything that the tenant can list.
    async fn state(&self, hub: &Hub, routes: &[Route]) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        for route in routes.iter().filter(|route| route.method == "get" && !route.path.contains('{')) {
            let path = match route.parameters.contains("limit") {
                true => format!("{}?limit=1000", route.path),
                false => route.path.clone(),
            };
            let mut body = hub.get(&path, &self.tenant.api_key).await.body;
            if let Some(meters) = body.get_mut("meters").and_then(Value::as_array_mut) {
                // To look is a call, too.
                meters.retain(|meter| meter["meter"] != "api-calls");
            }
            state.insert(route.path.clone(), body);
        }
        state
    }
}

/// Of the route table.
struct Route {
    method: String,
    path: String,
    /// It needs all of them.
    scopes: Vec<String>,
    parameters: BTreeSet<String>,
    takes_body: bool,
    /// Of the parameters, those that must be there.
    required: Vec<String>,
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }
}

async fn routes(hub: &Hub) -> Vec<Route> {
    let document = hub.get("/api/openapi.json", "").await.body;
    let (mut routes, mut without_key) = (Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations").iter().filter(|_| path.starts_with("/api/v1/"))
        {
            let asked = operation["parameters"].as_array().into_iter().flatten();
            let asked = asked.filter(|parameter| parameter["in"] == "query");
            let ways = operation["security"].as_array().into_iter().flatten();
            let scopes = ways.filter_map(|way| way["api_key"].as_array()).next();
            let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else {
                without_key.push(format!("{} {path}", method.to_uppercase()));
                continue;
            };
            let required = asked.clone().filter(|parameter| parameter["required"] == true);
            routes.push(Route {
                method: method.clone(),
                path: path.clone(),
                scopes: scopes.iter().map(|scope| scope.as_str().expect("a scope").to_owned()).collect(),
                parameters: asked.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect(),
                takes_body: operation["requestBody"].is_object(),
                required: required.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect(),
            });
        }
    }
    without_key.sort();
    assert_eq!(without_key, WITHOUT_KEY);
    assert!(routes.len() > 150);
    // What makes something by its name comes last: then there is one of that name.
    routes.sort_by_key(|route| route.method == MAKES);
    routes
}

/// Nothing of theirs is in an answer, but what they were asked for by.
fn tells_nothing(call: &str, named: &BTreeSet<String>, answer: &Answer) {
    let text = named.iter().fold(answer.body.to_string(), |text, named| text.replace(named, ""));
    assert!(!text.contains(CANARY), "{call} tells what is another tenant's: {text}");
    assert!(answer.status < 500, "{call}: {answer:?}");
}

async fn foreign_ids_are_not_found(hub: Hub) {
    let (ours, theirs) = (World::new(&hub, "ours").await, World::new(&hub, "theirs").await);
    let key = &ours.tenant.api_key;
    // What both have by the same name is not there for us.
    for path in [
        "segments/vip",
        "journeys/welcome",
        "webhooks/crm",
        "attributes/score",
        "plugins/stamps?data=erase",
        "plugins/stamps/data",
    ] {
        hub.call("DELETE", &format!("/api/v1/{path}"), key, None).await;
    }
    let routes = routes(&hub).await;
    theirs.state(&hub, &routes).await;
    let (before, named) = (theirs.state(&hub, &routes).await, theirs.named());
    let (mut asked, mut found) = (0, Vec::new());
    for route in &routes {
        let (name, path) = (route.name(), theirs.address(route));
        let method = route.method.to_uppercase();
        let bodies = match (route.takes_body, theirs.bodies.get(name.as_str())) {
            (false, _) => Vec::new(),
            (true, bodies) => {
                bodies.unwrap_or_else(|| panic!("the matrix has no bodies for {name}: declare them")).clone()
            }
        };
        let calls = bodies.into_iter().map(Some).chain((!route.takes_body).then_some(None));
        for body in calls {
            let answer = hub.call(&method, &path, key, body).await;
            tells_nothing(&name, &named, &answer);
            let names_somebody = route.path.contains('{') && route.method != MAKES;
            let is_own = NAMED_BY_ALL.contains(&route.path.as_str());
            if answer.status != 404 && names_somebody && !is_own {
                found.push(format!("{name}: {} {}", answer.status, answer.body));
            }
            asked += 1;
        }
        if route.method != "get" || route.path.contains('{') {
            continue;
        }
        for parameter in &route.parameters {
            if parameter == "after" {
                continue;
            }
            let value = match (theirs.queries.get(parameter.as_str()), PLAIN.contains(&parameter.as_str())) {
                (Some(value), _) => value,
                (None, true) => continue,
                (None, false) => panic!("the matrix does not know the parameter `{parameter}` of {name}: declare it"),
            };
            let query = format!("{path}?{parameter}={}", encode(value));
            let answer = hub.get(&query, key).await;
            tells_nothing(&query, &named, &answer);
            asked += 1;
        }
        // A cursor carries no right: behind one of theirs stands what is ours.
        if route.parameters.contains("after") {
            let first = hub.get(&format!("{path}?limit=1"), &theirs.tenant.api_key).await;
            let Some(next) = first.body["next"].as_str() else { continue };
            let answer = hub.get(&format!("{path}?after={next}"), key).await;
            tells_nothing(&format!("{name} after {next}"), &named, &answer);
            asked += 1;
        }
    }
    assert_eq!(found, Vec::<String>::new(), "foreign ids that are found");
    assert!(asked > 130, "{asked} calls");
    let after = theirs.state(&hub, &routes).await;
    for (path, body) in &before {
        assert_eq!(&after[path], body, "{path} of the other tenant has changed");
    }
}

/// Their own ids are found by those whose they are, so that not to be found means something.
async fn own_ids_are_found(hub: &Hub) {
    let world = World::new(hub, "own").await;
    let mut missing = Vec::new();
    for route in routes(hub).await.iter().filter(|route| route.method == "get" && route.path.contains('{')) {
        let answer = hub.get(&world.address(route), &world.tenant.api_key).await;
        // Nothing is recorded or tried, and no version waits.
        let is_empty =
            ["recordings/{id}", "/recording", "/shadow", "/over"].iter().any(|end| route.path.ends_with(end));
        if answer.status != 200 && !(is_empty && answer.status == 404) {
            missing.push(format!("{}: {} {}", route.name(), answer.status, answer.body));
        }
    }
    assert_eq!(missing, Vec::<String>::new(), "own ids that are not found");
}

async fn each_scope_opens_its_own_routes(hub: Hub) {
    let world = World::new(&hub, "ours").await;
    let routes = routes(&hub).await;
    let mut visitors = Vec::new();
    for role in Role::ALL {
        visitors
            .push((role, log_in_as(&hub, &world.tenant, &Canaries { name: "ours" }.of("tenant"), role.word()).await));
    }
    world.state(&hub, &routes).await;
    let before = world.state(&hub, &routes).await;
    let mut keys = BTreeMap::new();
    for scope in KeyScopes::ALL {
        keys.insert(*scope, hub.key(world.tenant.id, &[scope]).await);
    }
    let keys_of = async || hub.get("/api/v1/keys?limit=1000", &world.tenant.api_key).await.body;
    let all_keys = keys_of().await;
    let mut refused = 0;
    for route in &routes {
        let path = world.address(route);
        let body = world.bodies.get(route.name().as_str()).and_then(|bodies| bodies.first());
        for (_, key) in keys.iter().filter(|(scope, _)| route.scopes != [**scope]) {
            let request =
                request(&route.method.to_uppercase(), &path).header(header::AUTHORIZATION, format!("Bearer {key}"));
            let request = request.header(header::CONTENT_TYPE, "application/json");
            let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
            let answer = hub.ask(request.body(body).expect("a request")).await;
            assert_eq!((answer.status, &answer.body["code"]), (403, &json!("missing-scope")), "{}", route.name());
            refused += 1;
        }
    }
    assert!(refused > 3_000, "{refused} calls");
    for (role, visitor) in &visitors {
        each_role_opens_the_routes_of_its_scopes(&world, &routes, *role, visitor).await;
    }
    for key in keys.values() {
        let answer = hub.get("/api/v1/session", key).await;
        assert_eq!(answer.status, 401, "no key is a session: {answer:?}");
    }
    assert_eq!(keys_of().await["keys"].as_array().map(Vec::len), all_keys["keys"].as_array().map(Vec::len));
    let after = world.state(&hub, &routes).await;
    for (path, body) in before.iter().filter(|(path, _)| *path != "/api/v1/keys") {
        assert_eq!(&after[path], body, "{path} has changed");
    }
}

/// What a role does not open is refused whatever it does; of what it opens only what reads is asked, so that nothing changes.
async fn each_role_opens_the_routes_of_its_scopes(world: &World, routes: &[Route], role: Role, who: &Visitor<'_>) {
    let session = who.get("/api/v1/session").await;
    let scopes: BTreeSet<&str> =
        session.body["scopes"].as_array().expect("scopes").iter().filter_map(Value::as_str).collect();
    let mut opened = 0;
    for route in routes {
        let is_open = scopes.contains("*") || route.scopes.iter().all(|scope| scopes.contains(scope.as_str()));
        if is_open && route.method != "get" {
            continue;
        }
        let bodies = world.bodies.get(route.name().as_str());
        let body = bodies.and_then(|bodies| bodies.first()).cloned();
        let answer = who.ask(&route.method.to_uppercase(), &world.address(route), body).await;
        let is_refused = (answer.status, &answer.body["code"]) == (403, &json!("missing-scope"));
        assert_eq!(is_refused, !is_open, "{role} {}: {answer:?}", route.name());
        assert!(answer.status < 500, "{role} {}: {answer:?}", route.name());
        opened += usize::from(is_open);
    }
    assert!(opened > 10, "{role} reads {opened} routes");
}

#[tokio::test]
async fn foreign_ids_are_not_found_sqlite() {
    let hub = Hub::start().await;
    own_ids_are_found(&hub).await;
    foreign_ids_are_not_found(hub).await;
}

#[tokio::test]
async fn foreign_ids_are_not_found_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    foreign_ids_are_not_found(Hub::on_postgres(server.database().await.expect("a database")).await).await;
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_sqlite() {
    each_scope_opens_its_own_routes(Hub::start().await).await;
}

#[tokio::test]
async fn each_scope_opens_its_own_routes_postgres() {
    let server = Server::start().await.expect("PostgreSQL starts");
    each_scope_opens_its_own_routes(Hub::on_postgres(server.database().await.expect("a database")).await).await;
}
