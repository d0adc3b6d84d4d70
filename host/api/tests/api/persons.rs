//! People: invited, logged in by a cookie, and bounded by their roles.

use crate::hub::{Answer, Hub, Tenant, request};
use axum::body::Body;
use axum::http::header;
use insta::assert_json_snapshot;
use openhub_model::{Principal, Role};
use openhub_store::{AuditFilter, Scope};
use serde_json::{Value, json};
use std::time::Duration;

pub const PASSWORD: &str = "a sentence that is long";

/// Somebody with a browser.
pub struct Visitor<'h> {
    pub hub: &'h Hub,
    pub cookie: String,
    pub id: String,
}

impl Visitor<'_> {
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_from(Some("https://hub.test"), method, path, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub async fn ask_from(&self, origin: Option<&str>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = request(method, path).header(header::HOST, "hub.test").header(header::COOKIE, &self.cookie);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.hub.send(request.expect("a request")).await
    }
}

pub async fn open(hub: &Hub, method: &str, path: &str, body: Value) -> Answer {
    let request = request(method, path).header(header::CONTENT_TYPE, "application/json");
    hub.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn log_in(hub: &Hub, tenant: &str, email: &str, password: &str) -> Answer {
    open(hub, "POST", "/api/v1/session", json!({"tenant": tenant, "email": email, "password": password})).await
}

pub fn cookie_of(answer: &Answer) -> String {
    let set = answer.headers[header::SET_COOKIE].to_str().expect("text");
    set.split(';').next().expect("a pair").to_owned()
}

pub async fn invited(hub: &Hub, tenant: &Tenant, email: &str, role: &str) -> (String, String) {
    let answer = hub.post("/api/v1/persons", &tenant.api_key, json!({"email": email, "role": role})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let text = |name: &str| answer.body[name].as_str().expect("a text").to_owned();
    (text("id"), text("invitation"))
}

pub async fn accept(hub: &Hub, invitation: &str, password: &str) -> Answer {
    open(hub, "POST", "/api/v1/invitation", json!({"invitation": invitation, "password": password})).await
}

/// Somebody of the tenant called `shop` with this role, logged in.
pub async fn visitor<'h>(hub: &'h Hub, tenant: &Tenant, role: &str) -> Visitor<'h> {
    log_in_as(hub, tenant, "shop", role).await
}

/// Somebody with this role of the tenant that is called so, logged in.
pub async fn log_in_as<'h>(hub: &'h Hub, tenant: &Tenant, name: &str, role: &str) -> Visitor<'h> {
    let email = format!("{role}@example.com");
    let (id, invitation) = invited(hub, tenant, &email, role).await;
    assert_eq!(accept(hub, &invitation, PASSWORD).await.status, 204);
    let answer = log_in(hub, name, &email, PASSWORD).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    Visitor { hub, cookie: cookie_of(&answer), id }
}

#[tokio::test]
async fn somebody_is_invited_logs_in_and_out() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let body = json!({"email": "Ada@Example.com", "name": "Ada", "role": "marketer"});
    let answer = hub.post("/api/v1/persons", &shop.api_key, body.clone()).await;
    assert_json_snapshot!("invited", answer);
    assert_eq!(hub.post("/api/v1/persons", &shop.api_key, body).await.status, 409, "one person has one address");
    let id = answer.body["id"].as_str().unwrap().to_owned();
    let invitation = answer.body["invitation"].as_str().unwrap();
    assert_eq!(log_in(&hub, "shop", "ada@example.com", "").await.status, 401, "there is no password yet");

    assert_json_snapshot!("weak_password", accept(&hub, invitation, "Password1234").await);
    let forged = format!("{}{}", &invitation[..invitation.len() - 1], if invitation.ends_with('0') { 1 } else { 0 });
    assert_json_snapshot!("forged_invitation", accept(&hub, &forged, PASSWORD).await);
    assert_eq!(accept(&hub, invitation, PASSWORD).await.status, 204);
    assert_eq!(accept(&hub, invitation, PASSWORD).await.status, 401, "it works once");

    let answer = log_in(&hub, "shop", "ADA@example.com", PASSWORD).await;
    assert_json_snapshot!("logged_in", answer);
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-openhub="), "{set}");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.split("; ").any(|part| part == attribute), "{attribute}: {set}");
    }
    let ada = Visitor { hub: &hub, cookie: cookie_of(&answer), id };
    assert_eq!(ada.get("/api/v1/session").await.body, answer.body);
    let secret = ada.cookie.rsplit('.').next().unwrap();
    let database = String::from_utf8_lossy(&hub.database()).into_owned();
    assert!(!database.contains(secret) && !database.contains(PASSWORD) && !database.contains(&invitation[40..]));

    // Each route of the API works by the session as by a key.
    let saved = ada.ask("PUT", "/api/v1/segments/lapsed", Some(json!({"static": true}))).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    let made = ada.ask("POST", "/api/v1/customers", Some(json!({"identities": [{"kind": "user_id", "value": "eve"}]})));
    let made = made.await;
    assert_eq!(made.status, 201, "{made:?}");
    let events = hub.get("/api/v1/events", &shop.api_key).await;
    let events = events.body["events"].as_array().unwrap().clone();
    let by = json!({"kind": "person", "id": ada.id});
    assert!(events.len() >= 2 && events.iter().all(|event| event["principal"] == by), "{events:?}");
    assert_json_snapshot!("not_of_the_role", ada.get("/api/v1/keys").await);

    let out = ada.ask("DELETE", "/api/v1/session", None).await;
    assert!(out.status == 204 && out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert_json_snapshot!("session_ended", ada.get("/api/v1/segments").await);
    assert_eq!(ada.get("/api/v1/session").await.status, 401);
    assert_eq!(log_in(&hub, "shop", "ada@example.com", PASSWORD).await.status, 201, "an old cookie is in nobody's way");

    let filter = AuditFilter { who: Some(ada.id.clone()), limit: 50, ..AuditFilter::default() };
    let acts = hub.store.audit(&Scope::of(shop.id), &filter).await.unwrap();
    assert!(acts.iter().all(|entry| entry.doer.principal() == Some(Principal::Person { id: ada.id.clone() })));
    let acts: Vec<&str> = acts.iter().rev().map(|entry| entry.act.as_str()).collect();
    assert_eq!(
        acts,
        [
            "POST /api/v1/invitation",
            "POST /api/v1/session",
            "PUT /api/v1/segments/{name}",
            "POST /api/v1/customers",
            "DELETE /api/v1/session",
            "POST /api/v1/session"
        ]
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_log_in_is_not_told_and_who_guesses_waits() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    visitor(&hub, &shop, "analyst").await;
    let wrong = log_in(&hub, "shop", "analyst@example.com", "not the password").await;
    assert_json_snapshot!("login_refused", wrong);
    for (tenant, email) in [("shop", "nobody@example.com"), ("elsewhere", "analyst@example.com")] {
        let answer = log_in(&hub, tenant, email, PASSWORD).await;
        assert_eq!((answer.status, &answer.body), (401, &wrong.body), "{tenant}/{email}");
    }
    for _ in 0..9 {
        log_in(&hub, "shop", "analyst@example.com", "not the password").await;
    }
    let answer = log_in(&hub, "shop", "analyst@example.com", PASSWORD).await;
    assert_eq!((answer.status, &answer.body["code"]), (429, &json!("too-many-logins")), "the right one waits, too");
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    hub.advance(Duration::from_secs(15 * 60));
    assert_eq!(log_in(&hub, "shop", "analyst@example.com", PASSWORD).await.status, 201);
}

#[tokio::test]
async fn a_session_ends_by_time_and_within_five_seconds_of_an_end() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let owner = visitor(&hub, &shop, "owner").await;
    let scope = Scope::of(shop.id);
    // Another node ends it.
    assert_eq!(owner.get("/api/v1/status").await.status, 200);
    hub.store.end_sessions(&scope, &owner.id).await.unwrap();
    hub.advance(Duration::from_secs(5));
    assert_eq!(owner.get("/api/v1/status").await.status, 401);

    let again = async || {
        let answer = log_in(&hub, "shop", "owner@example.com", PASSWORD).await;
        Visitor { hub: &hub, cookie: cookie_of(&answer), id: owner.id.clone() }
    };
    let idle = again().await;
    hub.advance(Duration::from_secs(2 * 3600));
    assert_eq!(idle.get("/api/v1/session").await.body["code"], "session-ended");
    let used = again().await;
    for _ in 0..11 {
        hub.advance(Duration::from_secs(3600));
        assert_eq!(used.get("/api/v1/session").await.status, 200);
        crate::hub::until("its use is noted", async || {
            let seen = hub.store.sessions(&[(shop.id, stored_hash(&used.cookie))]).await.unwrap();
            (seen[0].seen_at == hub.now()).then_some(())
        })
        .await;
    }
    hub.advance(Duration::from_secs(3600));
    assert_eq!(used.get("/api/v1/session").await.status, 401, "after twelve hours it ends, however it is used");

    // A role that was taken away does nothing more; nor does who is removed.
    let (owner, admin) = (again().await, visitor(&hub, &shop, "admin").await);
    assert_eq!(admin.get("/api/v1/keys").await.status, 200);
    let path = format!("/api/v1/persons/{}", admin.id);
    assert_eq!(owner.ask("PATCH", &path, Some(json!({"role": "operator"}))).await.body["role"], "operator");
    assert_eq!(admin.get("/api/v1/audit").await.status, 403);
    assert_eq!(owner.ask("DELETE", &path, None).await.status, 204);
    assert_eq!(admin.get("/api/v1/status").await.status, 401);
    assert_eq!(owner.get(&path).await.status, 404);
}

fn stored_hash(cookie: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(cookie.rsplit('.').next().expect("a secret").as_bytes()))
}

#[tokio::test]
async fn a_session_changes_something_only_from_a_page_of_the_hub() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let owner = visitor(&hub, &shop, "owner").await;
    let save = |origin: Option<&'static str>| {
        owner.ask_from(origin, "PUT", "/api/v1/segments/vip", Some(json!({"static": true})))
    };
    assert_json_snapshot!("foreign_origin", save(Some("https://evil.test")).await);
    for origin in [None, Some("null"), Some("https://hub.test.evil.test"), Some("https://hub.test:444")] {
        assert_eq!(save(origin).await.body["code"], "foreign-origin", "{origin:?}");
    }
    assert_eq!(owner.get("/api/v1/segments").await.body["segments"], json!([]), "nothing was done");
    assert_eq!(owner.ask_from(None, "GET", "/api/v1/segments", None).await.status, 200);
    assert_eq!(save(Some("https://hub.test")).await.status, 200);
    // Nor does another site log a browser in as somebody of its own.
    let body = json!({"tenant": "shop", "email": "owner@example.com", "password": PASSWORD}).to_string();
    let foreign = request("POST", "/api/v1/session")
        .header(header::HOST, "hub.test")
        .header(header::ORIGIN, "https://evil.test")
        .body(Body::from(body));
    let foreign = hub.send(foreign.unwrap()).await;
    assert_eq!((foreign.status, &foreign.body["code"]), (403, &json!("foreign-origin")));
}

#[tokio::test]
async fn nobody_gives_more_than_they_have_and_an_owner_stays() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let (owner, admin) = (visitor(&hub, &shop, "owner").await, visitor(&hub, &shop, "admin").await);
    let invite = |who: &Visitor<'_>, email: &str, role: &str| {
        let body = json!({"email": email, "role": role});
        let (hub, cookie, id) = (&hub, who.cookie.clone(), who.id.clone());
        async move { Visitor { hub, cookie, id }.ask("POST", "/api/v1/persons", Some(body)).await }
    };
    assert_json_snapshot!("wider_role", invite(&admin, "x@example.com", "owner").await);
    assert_eq!(invite(&admin, "y@example.com", "admin").await.status, 201);
    let weak = hub.key(shop.id, &["persons:write", "persons:read"]).await;
    let by_key = hub.post("/api/v1/persons", &weak, json!({"email": "z@example.com", "role": "analyst"})).await;
    assert_eq!(by_key.body["code"], "wider-than-own");
    let path = format!("/api/v1/persons/{}", owner.id);
    // Neither by taking an owner's role, nor by an owner's password, nor by a key.
    let role = json!({"role": "admin"});
    assert_eq!(admin.ask("PATCH", &path, Some(role.clone())).await.status, 403);
    assert_eq!(admin.ask("POST", &format!("{path}/invitation"), None).await.status, 403);
    assert_eq!(admin.ask("DELETE", &format!("{path}/sessions"), None).await.status, 403);
    assert_eq!(admin.ask("DELETE", &path, None).await.status, 403);
    let own = format!("/api/v1/persons/{}", admin.id);
    assert_eq!(admin.ask("PATCH", &own, Some(json!({"role": "owner"}))).await.status, 403);
    let all = json!({"name": "all", "scopes": ["*"]});
    assert_eq!(admin.ask("POST", "/api/v1/keys", Some(all.clone())).await.status, 403);
    assert_eq!(owner.ask("POST", "/api/v1/keys", Some(all)).await.status, 201);

    // Who is invited is no owner yet.
    assert_eq!(invite(&owner, "second@example.com", "owner").await.status, 201);
    assert_json_snapshot!("last_owner", owner.ask("PATCH", &path, Some(role.clone())).await);
    assert_eq!(owner.ask("DELETE", &path, None).await.body["code"], "last-owner");
    let (_, invitation) = invited(&hub, &shop, "third@example.com", "owner").await;
    assert_eq!(accept(&hub, &invitation, PASSWORD).await.status, 204);
    assert_eq!(owner.ask("PATCH", &path, Some(role)).await.status, 200);
}

#[tokio::test]
async fn a_ceiling_bounds_roles_as_it_bounds_keys() {
    let hub = Hub::start().await;
    let top = hub.tenant("top").await;
    let ceiling = json!({"scopes": ["segments:read", "persons:write", "persons:read"]});
    let body = json!({"name": "shop", "ceiling": ceiling});
    let made = hub.post("/api/v1/tenants", &top.api_key, body).await;
    let setup = made.body["setup_key"].as_str().unwrap().to_owned();
    let key = hub.call("POST", "/api/v1/claim", &setup, None).await.body["key"].as_str().unwrap().to_owned();
    let id = hub.store.tenant_by_name("shop").await.unwrap().unwrap().id;
    let shop = Tenant { id, write_key: String::new(), server_key: String::new(), api_key: key };
    let owner = visitor(&hub, &shop, "owner").await;
    assert_eq!(owner.get("/api/v1/segments").await.status, 200);
    assert_json_snapshot!("above_the_ceiling", owner.get("/api/v1/customers").await);
    let mut scopes = owner.get("/api/v1/session").await.body["scopes"].clone();
    scopes.as_array_mut().unwrap().sort_by_key(Value::to_string);
    assert_eq!(scopes, json!(["persons:read", "persons:write", "segments:read"]));
    let below = hub.post("/api/v1/tenants/".to_owned().as_str(), &top.api_key, json!({})).await;
    assert_eq!(below.status, 404);
    hub.post(&format!("/api/v1/tenants/{}/pause", id.0), &top.api_key, json!({})).await;
    hub.advance(Duration::from_secs(5));
    assert_eq!(owner.get("/api/v1/segments").await.body["code"], "tenant-closed");
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_an_invitation_replaces_one_that_is_forgotten() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let ada = visitor(&hub, &shop, "marketer").await;
    let elsewhere = log_in(&hub, "shop", "marketer@example.com", PASSWORD).await;
    let elsewhere = Visitor { hub: &hub, cookie: cookie_of(&elsewhere), id: ada.id.clone() };
    let change = |current: &str, new: &str| json!({"current": current, "new": new});
    let path = "/api/v1/session/password";
    let wrong = ada.ask("PUT", path, Some(change("not the password", "another sentence, as long"))).await;
    assert_eq!(wrong.body["faults"][0]["code"], "wrong-password");
    assert_eq!(ada.ask("PUT", path, Some(change(PASSWORD, "short"))).await.body["faults"][0]["code"], "too-short");
    assert_eq!(ada.ask("PUT", path, Some(change(PASSWORD, "another sentence, as long"))).await.status, 204);
    assert_eq!(ada.get("/api/v1/session").await.status, 200);
    assert_eq!(elsewhere.get("/api/v1/session").await.status, 401, "other sessions have ended");
    assert_eq!(log_in(&hub, "shop", "marketer@example.com", PASSWORD).await.status, 401);

    let again = format!("/api/v1/persons/{}/invitation", ada.id);
    let first = hub.call("POST", &again, &shop.api_key, None).await;
    let second = hub.call("POST", &again, &shop.api_key, None).await;
    assert_eq!((first.status, second.status), (201, 201));
    let text = |answer: &Answer| answer.body["invitation"].as_str().unwrap().to_owned();
    assert_eq!(accept(&hub, &text(&first), PASSWORD).await.status, 401, "the second ends the first");
    assert_eq!(ada.get("/api/v1/session").await.status, 200, "nothing has ended yet");
    assert_eq!(accept(&hub, &text(&second), PASSWORD).await.status, 204);
    assert_eq!(ada.get("/api/v1/session").await.status, 401);
    let third = hub.call("POST", &again, &shop.api_key, None).await;
    hub.advance(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(accept(&hub, &text(&third), PASSWORD).await.status, 401, "a week is over");
}

#[tokio::test]
async fn people_of_another_tenant_are_not_found() {
    let hub = Hub::start().await;
    let (shop, other) = (hub.tenant("shop").await, hub.tenant("other").await);
    let ada = visitor(&hub, &shop, "analyst").await;
    let path = format!("/api/v1/persons/{}", ada.id);
    assert_eq!(hub.get(&path, &other.api_key).await.status, 404);
    assert_eq!(hub.call("PATCH", &path, &other.api_key, Some(json!({"role": "owner"}))).await.status, 404);
    assert_eq!(hub.call("DELETE", &path, &other.api_key, None).await.status, 404);
    assert_eq!(hub.call("POST", &format!("{path}/invitation"), &other.api_key, None).await.status, 404);
    assert_eq!(hub.call("DELETE", &format!("{path}/sessions"), &other.api_key, None).await.status, 404);
    assert_eq!(hub.get("/api/v1/persons", &other.api_key).await.body["persons"], json!([]));
    // A cookie that names another tenant is of nobody there.
    let moved = ada.cookie.replace(&format!("={}.", shop.id.0), &format!("={}.", other.id.0));
    assert_ne!(moved, ada.cookie);
    let moved = Visitor { hub: &hub, cookie: moved, id: ada.id.clone() };
    assert_eq!(moved.get("/api/v1/session").await.status, 401);
}

#[tokio::test]
async fn persons_are_listed_and_each_role_can_be_given() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    for role in Role::ALL {
        invited(&hub, &shop, &format!("{role}@example.com"), role.word()).await;
        hub.advance(Duration::from_secs(1));
    }
    let first = hub.get("/api/v1/persons?limit=5", &shop.api_key).await;
    let next = first.body["next"].as_str().unwrap().to_owned();
    let second = hub.get(&format!("/api/v1/persons?after={next}"), &shop.api_key).await;
    let roles = |answer: &Answer| -> Vec<String> {
        let persons = answer.body["persons"].as_array().unwrap();
        persons.iter().map(|person| person["role"].as_str().unwrap().to_owned()).collect()
    };
    let mut all = Role::ALL.map(|role| role.word().to_owned());
    all.reverse();
    assert_eq!([roles(&first), roles(&second)].concat(), all);
    assert_eq!(second.body["next"], Value::Null);
    let wrong = hub.post("/api/v1/persons", &shop.api_key, json!({"email": "x", "name": "", "role": "king"})).await;
    assert_json_snapshot!("wrong_person", wrong);
}
