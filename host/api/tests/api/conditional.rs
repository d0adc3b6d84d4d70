//! `ETag`, `If-Match` and `If-None-Match`: two people edit a document, and neither undoes what the other did.

use crate::hub::{Answer, Hub, component, request, until};
use axum::body::Body;
use axum::http::{HeaderName, header};
use serde_json::{Value, json};

async fn under(hub: &Hub, call: (&str, &str), key: &str, condition: (HeaderName, &str), body: Option<Value>) -> Answer {
    let request = request(call.0, call.1).header(header::AUTHORIZATION, format!("Bearer {key}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").header(condition.0, condition.1);
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    hub.send(request.body(body).expect("a request")).await
}

fn tag(answer: &Answer) -> String {
    let tag = answer.headers.get(header::ETAG).unwrap_or_else(|| panic!("{answer:?}"));
    tag.to_str().expect("ASCII").to_owned()
}

/// What of a tag is the version: the rest is of what changes by itself.
fn version(tag: &str) -> &str {
    tag.trim_matches('"').split('.').next().unwrap_or_default()
}

/// One document of each kind: how it is changed, to two contents.
#[tokio::test]
async fn who_comes_second_is_told_and_changes_nothing() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let made = hub.post("/api/v1/tenants", key, json!({"name": "dealer"})).await;
    let dealer = format!("/api/v1/tenants/{}", made.body["id"]);
    let tag_of = |name: &str| json!({"condition": {"tag": name}});
    let fields = |name: &str| json!({"fields": [{"name": name, "type": "text"}]});
    let kinds = |limit: i64| json!({"kinds": {"card": {"limit": limit}}});
    let provider =
        |name: &str| json!({"issuer": "https://idp.example.com", "client_id": name, "client_secret": "a secret"});
    let hook = |name: &str| json!({"url": "https://hooks.example.com/", "events": [name]});
    let documents = [
        ("PUT", "/api/v1/segments/vip".to_owned(), [tag_of("a"), tag_of("b"), tag_of("c")]),
        ("PUT", "/api/v1/journeys/welcome".to_owned(), [json!({"a": 1}), json!({"b": 1}), json!({"c": 1})]),
        ("PUT", "/api/v1/attributes/score".to_owned(), ["a", "b", "c"].map(|text| json!({"description": text}))),
        (
            "PUT",
            "/api/v1/object-types/store".to_owned(),
            [
                fields("a"),
                json!({"fields": [
            {"name": "a", "type": "text"}, {"name": "b", "type": "text"}]}),
                fields("a"),
            ],
        ),
        ("PUT", "/api/v1/identity-kinds".to_owned(), [kinds(1), kinds(2), kinds(3)]),
        ("PUT", "/api/v1/identity-provider".to_owned(), ["a", "b", "c"].map(provider)),
        ("PUT", "/api/v1/webhooks/crm".to_owned(), [hook("A"), hook("B"), hook("C")]),
        ("PATCH", "/api/v1/settings".to_owned(), [1, 2, 3].map(|days| json!({"fault_days": days}))),
        ("PATCH", dealer, [1, 2, 3].map(|most| json!({"ceiling": {"requests_per_minute": most}}))),
    ];
    for (method, path, [first, second, third]) in documents {
        let call = (method, path.as_str());
        let put = hub.call(method, &path, key, Some(first)).await;
        assert!(put.status < 202, "{path}: {put:?}");
        // A segment fills and a webhook is looked at by themselves, which is told too: it is read until it stays.
        let (read, same) = until("it stays as it was read", async || {
            let read = tag(&hub.get(&path, key).await);
            let same = under(&hub, ("GET", &path), key, (header::IF_NONE_MATCH, &read), None).await;
            (same.status == 304).then_some((read, same))
        })
        .await;
        assert_eq!((&same.body, tag(&same)), (&Value::Null, read.clone()), "{path}");
        let changed = under(&hub, call, key, (header::IF_MATCH, &read), Some(second.clone())).await;
        assert_eq!(changed.status, 200, "{path}: {changed:?}");
        let now = hub.get(&path, key).await;
        assert_ne!(tag(&now), read, "{path}");
        let late = under(&hub, call, key, (header::IF_MATCH, &read), Some(third.clone())).await;
        assert_eq!((late.status, &late.body["code"]), (412, &json!("version-mismatch")), "{path}: {late:?}");
        assert_eq!(version(&tag(&hub.get(&path, key).await)), version(&tag(&now)), "{path}");
        if method == "PUT" {
            let new = under(&hub, call, key, (header::IF_NONE_MATCH, "*"), Some(third)).await;
            assert_eq!((new.status, &new.body["code"]), (412, &json!("version-mismatch")), "{path}: {new:?}");
        }
        let unread = under(&hub, ("GET", &path), key, (header::IF_NONE_MATCH, &read), None).await;
        assert_eq!(unread.status, 200, "{path}");
        let wrong = under(&hub, call, key, (header::IF_NONE_MATCH, "\"a"), Some(second)).await;
        assert_eq!((wrong.status, &wrong.body["code"]), (400, &json!("invalid-header")), "{path}: {wrong:?}");
    }
}

#[tokio::test]
async fn what_is_deleted_or_not_there_is_no_version() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let vip = "/api/v1/segments/vip";
    let by_hand = Some(json!({"static": true}));
    let put = async |condition| under(&hub, ("PUT", vip), key, condition, Some(json!({"static": true}))).await.status;
    assert_eq!(put((header::IF_MATCH, "*")).await, 412, "there is none yet");
    assert_eq!(put((header::IF_NONE_MATCH, "*")).await, 200);
    assert_eq!(put((header::IF_MATCH, "*")).await, 200);
    let read = tag(&hub.get(vip, key).await);
    // Its members are no part of what people write.
    let ada = json!({"identities": [{"kind": "user_id", "value": "ada"}]});
    assert_eq!(hub.post("/api/v1/customers", key, ada).await.status, 201);
    let add = json!({"add": [{"kind": "user_id", "value": "ada"}]});
    assert_eq!(hub.post(&format!("{vip}/members"), key, add).await.status, 200);
    let grown = hub.get(vip, key).await;
    assert_ne!(tag(&grown), read);
    let writer = hub.key(tenant.id, &["segments:write"]).await;
    let blind = under(&hub, ("DELETE", vip), &writer, (header::IF_MATCH, &read), None).await;
    assert_eq!(blind.status, 403, "who says what he has read may read it");
    let gone = under(&hub, ("DELETE", vip), key, (header::IF_MATCH, &read), None).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    let again = under(&hub, ("DELETE", vip), key, (header::IF_MATCH, &read), None).await;
    assert_eq!(again.status, 412, "{again:?}");
    assert_eq!(hub.call("PUT", vip, key, by_hand).await.status, 200);
}

#[tokio::test]
async fn the_settings_of_a_plugin_are_changed_as_they_were_read() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    let settings = json!([{"name": "points", "type": "integer"}]);
    let manifest = json!({"format": 1, "name": "stamps", "version": "1.0.0", "publisher": "OpenHub", "imports": [],
                          "settings": settings});
    let digest = hub.upload(key, component(Some(manifest))).await.body["digest"].clone();
    let (path, enable) = ("/api/v1/plugins/stamps", "/api/v1/plugins/stamps/enable");
    assert_eq!(hub.post(enable, key, json!({"accept": digest})).await.status, 200);
    let read = tag(&hub.get(path, key).await);
    let set = async |points: i64| {
        let body = json!({"settings": {"points": points}});
        under(&hub, ("POST", enable), key, (header::IF_MATCH, &read), Some(body)).await
    };
    assert_eq!(set(1).await.status, 200);
    assert_eq!(set(2).await.status, 412);
    assert_eq!(hub.get(path, key).await.body["settings"], json!({"points": 1}));
}

/// Two at once: one is told that he is second, whichever node serves him.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_once_one_changes_it() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let path = "/api/v1/journeys/welcome";
    hub.call("PUT", path, &tenant.api_key, Some(json!({}))).await;
    for round in 0..5 {
        let read = tag(&hub.get(path, &tenant.api_key).await);
        let save = |who: &'static str| {
            let (hub, read, key) = (&hub, read.clone(), &tenant.api_key);
            async move {
                let body = Some(json!({"who": who, "round": round}));
                under(hub, ("PUT", path), key, (header::IF_MATCH, &read), body).await
            }
        };
        let (one, other) = tokio::join!(save("ada"), save("bob"));
        let mut both = [one.status, other.status];
        both.sort_unstable();
        assert_eq!(both, [200, 412], "round {round}: {one:?} {other:?}");
    }
}

/// What can be put can be read and deleted, and both take conditions; what cannot says why.
#[tokio::test]
async fn each_document_has_a_tag_and_takes_conditions() {
    let hub = Hub::start().await;
    let document = hub.get("/api/openapi.json", "").await.body;
    let (mut bare, mut last_for_good) = (Vec::new(), Vec::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        let takes = |method: &str, name: &str| {
            let parameters = item[method]["parameters"].as_array().into_iter().flatten();
            parameters.into_iter().any(|parameter| parameter["name"] == name)
        };
        let edited = ["put", "patch"].into_iter().find(|method| item[*method].is_object());
        let Some(edited) = edited.filter(|_| path.starts_with("/api/v1/")) else { continue };
        if !(takes(edited, "If-Match") && takes("get", "If-None-Match") && item["get"]["responses"]["304"].is_object())
        {
            bare.push(path.as_str());
        }
        if item["put"].is_object() && !item["delete"].is_object() {
            last_for_good.push(path.as_str());
        }
    }
    // They stand in the plugin, which is read; a secret is never shown, and nobody but oneself changes one's password and second factor.
    let in_the_plugin = ["canary", "recording", "secrets/{secret}"].map(|of| format!("/api/v1/plugins/{{name}}/{of}"));
    let ones_own = ["password", "second-factor"].map(|of| format!("/api/v1/session/{of}"));
    assert_eq!(bare, [&in_the_plugin[..], &ones_own].concat());
    // Put empty, it is as it was at first.
    let kept = ["/api/v1/identity-kinds", "/api/v1/plugins/{name}/secrets/{secret}", "/api/v1/session/password"];
    assert_eq!(last_for_good, kept);
}
