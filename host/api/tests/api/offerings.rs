//! Offerings and subscriptions, from both sides.

use crate::hub::{Answer, Hub, Tenant, component, until};
use crate::tree::below;
use openhub_model::TenantId;
use serde_json::{Value, json};

/// The end of a problem's type.
fn code(answer: &Answer) -> &str {
    answer.body["type"].as_str().and_then(|of| of.rsplit('/').next()).unwrap_or_default()
}

/// A provider, and a partner below it: its id and its key.
async fn two() -> (Hub, Tenant, i64, String) {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let (id, key) = below(&hub, &brand.api_key, json!({"name": "dealer"})).await;
    (hub, brand, id, key)
}

fn visits() -> Value {
    json!({
        "parameters": [{"name": "days", "type": "text", "default": "30d"}, {"name": "text", "type": "text", "required": true}],
        "items": [
            {"object-type": {"name": "visit", "declaration": {"fields": [{"name": "code", "type": "text"}]}}},
            {"segment": {"name": "lapsed", "condition": {"attribute": {"name": "text", "is": "eq", "value": {"$parameter": "text"}}}}},
            {"price": {"currency": "CNY", "fee": "99.00"}}
        ]
    })
}

/// Makes a version and publishes it; its digest.
async fn published(hub: &Hub, key: &str, name: &str, document: Value) -> String {
    let path = format!("/api/v1/offerings/{name}");
    hub.call("PUT", &path, key, Some(json!({"title": {"en": "Visits", "zh": "到访"}}))).await;
    let made = hub.post(&format!("{path}/versions"), key, document).await;
    assert_eq!(made.status, 201, "{made:?}");
    let publish = format!("{path}/versions/{}/publish", made.body["version"]);
    let published = hub.call("POST", &publish, key, None).await;
    assert_eq!((published.status, &published.body["state"]), (200, &json!("active")));
    made.body["digest"].as_str().expect("a digest").to_owned()
}

fn request(key: &str) -> Value {
    json!({"key": key, "offering": "visits", "parameters": {"text": "Come back"}, "time_zone": "Asia/Shanghai"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_finds_what_is_published_and_nothing_else() {
    let (hub, brand, _, dealer) = two().await;
    let other = hub.tenant("other").await;
    let named = hub.call("PUT", "/api/v1/offerings/visits", &brand.api_key, Some(json!({"title": {"en": "V"}}))).await;
    assert_eq!((named.status, &named.body["latest"]), (201, &json!(0)));
    let draft = hub.post("/api/v1/offerings/visits/versions", &brand.api_key, visits()).await;
    assert_eq!((draft.status, &draft.body["state"]), (201, &json!("draft")));
    assert_eq!(hub.get("/api/v1/catalog", &dealer).await.body["offerings"], json!([]));
    assert_eq!(hub.post("/api/v1/subscriptions", &dealer, request("k")).await.status, 404, "a draft is not there");
    let publish = "/api/v1/offerings/visits/versions/1/publish";
    let later = hub.post(publish, &brand.api_key, json!({"at": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(later.body["state"], "scheduled");
    assert_eq!(hub.get("/api/v1/catalog", &dealer).await.body["offerings"], json!([]));
    assert_eq!(
        hub.post("/api/v1/subscriptions", &dealer, request("k")).await.status,
        404,
        "nor is what is yet to come"
    );
    assert_eq!(hub.call("POST", publish, &brand.api_key, None).await.body["state"], "active");
    assert_eq!(hub.call("POST", publish, &brand.api_key, None).await.status, 409);
    let catalog = hub.get("/api/v1/catalog", &dealer).await.body;
    assert_eq!(catalog["offerings"][0]["price"]["fee"], "99.00");
    let entry = format!("/api/v1/catalog/{}/visits", brand.id.0);
    assert_eq!(hub.get(&entry, &dealer).await.body, catalog["offerings"][0]);
    for (key, what) in [(&brand.api_key, "who offers it"), (&other.api_key, "who is not below")] {
        assert_eq!(hub.get("/api/v1/catalog", key).await.body["offerings"], json!([]), "{what}");
        assert_eq!(hub.get(&entry, key).await.status, 404, "{what}");
        assert_eq!(hub.post("/api/v1/subscriptions", key, request("k")).await.status, 404, "{what}");
    }
    assert_eq!(hub.get("/api/v1/offerings/visits", &other.api_key).await.status, 404);
    assert_eq!(hub.get("/api/v1/offerings/visits/versions/1", &dealer).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_made_once_and_answered_once() {
    let (hub, brand, dealer_id, dealer) = two().await;
    let digest = published(&hub, &brand.api_key, "visits", visits()).await;
    let asked = hub.post("/api/v1/subscriptions", &dealer, request("k")).await;
    assert_eq!((asked.status, &asked.body["contract"]), (202, &json!("requested")));
    assert_eq!((&asked.body["digest"], &asked.body["partner"]["id"]), (&json!(digest), &json!(dealer_id)));
    assert_eq!(asked.body["parameters"], json!({"text": "Come back", "days": "30d"}));
    let again = hub.post("/api/v1/subscriptions", &dealer, request("k")).await;
    assert_eq!((again.status, &again.body), (202, &asked.body), "the same request");
    let mut changed = request("k");
    changed["parameters"]["text"] = json!("Come back!");
    let other = hub.post("/api/v1/subscriptions", &dealer, changed).await;
    assert_eq!((other.status, code(&other)), (409, "key-reused"));
    let second = hub.post("/api/v1/subscriptions", &dealer, request("k2")).await;
    assert_eq!((second.status, code(&second)), (409, "already-exists"));

    let id = asked.body["id"].as_str().unwrap();
    let (partner, provider) = (format!("/api/v1/subscriptions/{id}"), format!("/api/v1/subscribers/{id}"));
    assert_eq!(hub.get(&partner, &dealer).await.body, asked.body);
    assert_eq!(hub.get(&provider, &brand.api_key).await.body, asked.body);
    assert_eq!(hub.get(&partner, &brand.api_key).await.status, 404, "each comes by its own side");
    assert_eq!(hub.get(&provider, &dealer).await.status, 404);
    assert_eq!(hub.call("POST", &format!("{provider}/approve"), &dealer, None).await.status, 404);

    let approved = hub.call("POST", &format!("{provider}/approve"), &brand.api_key, None).await;
    assert_eq!((approved.status, &approved.body["contract"]), (200, &json!("active")));
    for act in ["approve", "decline"] {
        let body = (act == "decline").then(|| json!({"reason": "no"}));
        let twice = hub.call("POST", &format!("{provider}/{act}"), &brand.api_key, body).await;
        assert_eq!((twice.status, code(&twice)), (409, "already-decided"), "{act}");
    }
    let late = hub.call("POST", &format!("{partner}/withdraw"), &dealer, None).await;
    assert_eq!((late.status, code(&late)), (409, "already-decided"));
    assert_eq!(hub.get(&partner, &dealer).await.body, approved.body, "a refusal changes nothing");
    // Both logs say so, and the other side is told who did it by its tenant alone.
    for (key, by) in
        [(&dealer, json!({"kind": "partner", "id": brand.id.0.to_string()})), (&brand.api_key, Value::Null)]
    {
        let events = hub.get("/api/v1/events?name=subscription.approved", key).await.body;
        let event = &events["events"][0];
        assert_eq!(event["body"]["subscription"], json!(id), "{events}");
        assert!(by.is_null() && event["principal"]["kind"] == "key" || event["principal"] == by);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_subscribed_to_is_refused_by_its_own_name() {
    let (hub, brand, _, dealer) = two().await;
    published(&hub, &brand.api_key, "visits", visits()).await;
    let mut without = request("a");
    without["parameters"] = json!({});
    let missing = hub.post("/api/v1/subscriptions", &dealer, without).await;
    assert_eq!((missing.status, code(&missing)), (422, "missing-parameter"));
    assert_eq!(missing.body["faults"][0]["pointer"], "/parameters/text");
    let mut unfit = request("b");
    unfit["parameters"]["text"] = json!(7);
    let wrong = hub.post("/api/v1/subscriptions", &dealer, unfit).await;
    assert_eq!((wrong.status, code(&wrong)), (422, "invalid-subscription"));
    let ceiling = json!({"name": "bound", "ceiling": {"scopes": ["subscriptions:write", "segments:write"]}});
    let (_, bound) = below(&hub, &brand.api_key, ceiling).await;
    let beyond = hub.post("/api/v1/subscriptions", &bound, request("c")).await;
    assert_eq!((beyond.status, code(&beyond)), (409, "beyond-ceiling"));
    // Who asked in time is not let in late.
    let asked = hub.post("/api/v1/subscriptions", &dealer, request("d")).await;
    let archive = "/api/v1/offerings/visits/versions/1/archive";
    assert_eq!(hub.call("POST", archive, &brand.api_key, None).await.body["state"], "archived");
    let again = hub.call("POST", archive, &brand.api_key, None).await;
    assert_eq!((again.status, code(&again)), (409, "offering-archived"));
    let approve = format!("/api/v1/subscribers/{}/approve", asked.body["id"].as_str().unwrap());
    let late = hub.call("POST", &approve, &brand.api_key, None).await;
    assert_eq!((late.status, code(&late)), (409, "offering-archived"));
    let withdraw = format!("/api/v1/subscriptions/{}/withdraw", asked.body["id"].as_str().unwrap());
    assert_eq!(hub.call("POST", &withdraw, &dealer, None).await.body["contract"], "withdrawn");
    let new = hub.post("/api/v1/subscriptions", &dealer, request("e")).await;
    assert_eq!((new.status, code(&new)), (409, "offering-archived"));
    let removed = hub.call("DELETE", "/api/v1/offerings/visits", &brand.api_key, None).await;
    assert_eq!((removed.status, code(&removed)), (409, "in-use"));
}

fn win_back() -> Value {
    let send = json!({"a": {"type": "wait", "duration": {"$parameter": "wait"}, "next": "b"}, "b": {"type": "exit"}});
    json!({
        "approval": "automatic",
        "parameters": [{"name": "wait", "type": "text", "default": "2d"}],
        "items": [
            {"object-type": {"name": "visit", "declaration": {"fields": [{"name": "code", "type": "text"}]}}},
            {"segment": {"name": "lapsed", "condition": {"attribute": {"name": "tier", "is": "eq", "value": "gold"}}}},
            {"journey": {"name": "win-back", "definition": {
                "trigger": {"segment": "lapsed", "on": "entered"}, "start": "a", "nodes": send
            }}}
        ]
    })
}

/// The second page of a list.
async fn behind(hub: &Hub, path: &str, key: &str, limit: usize) -> Value {
    let first = hub.get(&format!("{path}?limit={limit}"), key).await.body;
    let next = first["next"].as_str().unwrap_or_else(|| panic!("{path}: {first}"));
    hub.get(&format!("{path}?limit={limit}&after={next}"), key).await.body
}

async fn newest(hub: &Hub, key: &str, id: &str) -> Value {
    hub.get(&format!("/api/v1/subscriptions/{id}/operations"), key).await.body["operations"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_agreed_on_is_made_and_at_its_end_removed() {
    let (hub, brand, _, dealer) = two().await;
    published(&hub, &brand.api_key, "win-back", win_back()).await;
    let wanted = json!({"key": "k", "offering": "win-back"});
    let asked = hub.post("/api/v1/subscriptions", &dealer, wanted.clone()).await;
    assert_eq!((asked.status, &asked.body["contract"]), (202, &json!("active")), "{asked:?}");
    let id = asked.body["id"].as_str().unwrap().to_owned();
    assert_eq!(hub.post("/api/v1/subscriptions", &dealer, wanted.clone()).await.status, 202, "it is under way");
    hub.provision().await;
    let operation = newest(&hub, &dealer, &id).await;
    assert_eq!(operation["state"], "succeeded", "{operation}");
    assert_eq!(hub.post("/api/v1/subscriptions", &dealer, wanted).await.status, 200, "it is settled");
    let journey = hub.get("/api/v1/journeys/win-back", &dealer).await.body;
    assert_eq!(
        (&journey["status"], &journey["draft"]["nodes"]["a"]["duration"]),
        (&json!("published"), &json!("2d")),
        "{journey}"
    );
    let items = hub.get(&format!("/api/v1/subscriptions/{id}/items"), &dealer).await.body;
    let names = |items: &Value| -> Vec<String> {
        items["items"].as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&items), ["journey/win-back", "object-type/visit", "segment/lapsed"]);
    let rest = behind(&hub, &format!("/api/v1/subscriptions/{id}/items"), &dealer, 2).await;
    assert_eq!((names(&rest), &rest["next"]), (vec!["segment/lapsed".to_owned()], &Value::Null));
    // Each control event has the subscription as its principal, and so has the audit log.
    let events = hub.get("/api/v1/events?name=segment.published", &dealer).await.body;
    assert_eq!(events["events"][0]["principal"], json!({"kind": "subscription", "id": id}), "{events}");
    let provider = format!("/api/v1/subscribers/{id}/operations");
    assert_eq!(
        hub.get(&provider, &brand.api_key).await.body["operations"][0],
        operation,
        "its provider sees how far it is"
    );

    let end = format!("/api/v1/subscriptions/{id}/end");
    let ended = hub.post(&end, &dealer, json!({"export_days": 2})).await;
    assert_eq!((ended.status, &ended.body["contract"]), (200, &json!("ended")), "{ended:?}");
    assert_eq!(code(&hub.post(&end, &dealer, json!({})).await), "not-active");
    hub.advance(std::time::Duration::from_secs(86_400));
    hub.provision().await;
    assert_eq!(hub.get("/api/v1/segments/lapsed", &dealer).await.status, 200, "the export window is open");
    hub.advance(std::time::Duration::from_secs(86_401));
    hub.provision().await;
    let removed = newest(&hub, &dealer, &id).await;
    assert_eq!((&removed["purpose"], &removed["state"]), (&json!("remove"), &json!("succeeded")), "{removed}");
    for (path, key) in [("subscriptions", &dealer), ("subscribers", &brand.api_key)] {
        let first = behind(&hub, &format!("/api/v1/{path}/{id}/operations"), key, 1).await;
        assert_eq!((&first["operations"][0]["purpose"], &first["next"]), (&json!("provision"), &Value::Null));
    }
    for path in ["/api/v1/segments/lapsed", "/api/v1/journeys/win-back", "/api/v1/object-types/visit"] {
        assert_eq!(hub.get(path, &dealer).await.status, 404, "{path}");
    }
    let receipt = hub.get(&format!("/api/v1/subscriptions/{id}"), &dealer).await.body;
    assert!(receipt["removed_at"].is_string(), "{receipt}");
    assert_eq!(hub.get(&format!("/api/v1/subscriptions/{id}/items"), &dealer).await.body["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_stays_with_its_reason_and_is_resumed() {
    let (hub, brand, _, dealer) = two().await;
    published(&hub, &brand.api_key, "win-back", win_back()).await;
    let own = json!({"condition": {"attribute": {"name": "tier", "is": "eq", "value": "silver"}}});
    assert_eq!(hub.call("PUT", "/api/v1/segments/lapsed", &dealer, Some(own)).await.status, 200);
    let asked = hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k", "offering": "win-back"})).await;
    let id = asked.body["id"].as_str().unwrap().to_owned();
    hub.provision().await;
    let failed = newest(&hub, &dealer, &id).await;
    let states: Vec<&str> =
        failed["progress"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!((failed["state"].as_str(), states), (Some("failed"), vec!["done", "failed", "waiting"]), "{failed}");
    assert!(failed["reason"].as_str().unwrap().contains("segment `lapsed` already"), "{failed}");
    let kept = hub.get("/api/v1/segments/lapsed", &dealer).await.body;
    assert_eq!(kept["condition"]["attribute"]["value"], "silver", "what the partner has is not overwritten: {kept}");
    let resume = format!("/api/v1/subscriptions/{id}/resume");
    assert_eq!(hub.call("POST", &resume, &dealer, None).await.status, 202);
    hub.provision().await;
    assert_eq!(newest(&hub, &dealer, &id).await["state"], "failed", "nothing has changed");
    assert_eq!(hub.call("DELETE", "/api/v1/segments/lapsed", &dealer, None).await.status, 204);
    assert_eq!(hub.call("POST", &resume, &dealer, None).await.status, 202);
    hub.provision().await;
    assert_eq!(newest(&hub, &dealer, &id).await["state"], "succeeded");
    assert_eq!(hub.call("POST", &resume, &dealer, None).await.status, 409);
    let types = hub.get("/api/v1/events?name=object-type.declared", &dealer).await.body;
    assert_eq!(types["events"].as_array().unwrap().len(), 1, "what was done is not done again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_answers_expires() {
    let (hub, brand, _, dealer) = two().await;
    published(&hub, &brand.api_key, "visits", visits()).await;
    let asked = hub.post("/api/v1/subscriptions", &dealer, request("k")).await;
    let id = asked.body["id"].as_str().unwrap();
    hub.advance(std::time::Duration::from_secs(30 * 86_400));
    let late = hub.call("POST", &format!("/api/v1/subscribers/{id}/approve"), &brand.api_key, None).await;
    assert_eq!((late.status, code(&late)), (409, "already-decided"));
    hub.provision().await;
    let path = format!("/api/v1/subscriptions/{id}");
    assert_eq!(hub.get(&path, &dealer).await.body["contract"], "expired");
    assert_eq!(hub.post("/api/v1/subscriptions", &dealer, request("k2")).await.status, 202, "another one may come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_comes_once_its_grant_is_agreed_to() {
    let (hub, brand, _, dealer) = two().await;
    let manifest = json!({
        "format": 1, "name": "quiet", "version": "1.0.0", "publisher": "OpenHub",
        "settings": [{"name": "most", "type": "integer", "required": true}], "hosts": ["sms.example.com"],
        "imports": [],
    });
    let uploaded = hub.upload(&brand.api_key, component(Some(manifest))).await;
    assert_eq!(uploaded.status, 201, "{uploaded:?}");
    let document = json!({
        "approval": "automatic",
        "parameters": [{"name": "most", "type": "integer", "default": 3}],
        "items": [{"plugin": {"name": "quiet", "settings": {"most": {"$parameter": "most"}}}}]
    });
    hub.call("PUT", "/api/v1/offerings/quiet", &brand.api_key, Some(json!({"title": {"en": "Quiet"}}))).await;
    let early = hub.post("/api/v1/offerings/quiet/versions", &brand.api_key, document.clone()).await;
    assert_eq!((early.status, code(&early)), (422, "invalid-offering"), "what is offered is run: {early:?}");
    let digest = uploaded.body["digest"].as_str().unwrap();
    let enable = json!({"accept": digest, "settings": {"most": 1}});
    let enabled = hub.post("/api/v1/plugins/quiet/enable", &brand.api_key, enable).await;
    assert_eq!(enabled.status, 200, "{enabled:?}");
    published(&hub, &brand.api_key, "quiet", document).await;
    let grant = hub.get("/api/v1/catalog", &dealer).await.body["offerings"][0]["grants"][0].clone();
    assert_eq!((&grant["plugin"], &grant["digest"]), (&json!("quiet"), &json!(digest)));
    let words = grant["asks"].as_array().unwrap();
    assert!(
        words.iter().any(|ask| ask["en"].as_str().unwrap().contains("sms.example.com") && ask["zh"].is_string()),
        "{grant}"
    );

    let blind = hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k", "offering": "quiet"})).await;
    assert_eq!((blind.status, code(&blind)), (409, "not-agreed"), "{blind:?}");
    assert!(blind.body["faults"].to_string().contains("sms.example.com"), "{blind:?}");
    let other = json!({"key": "k", "offering": "quiet", "agree": {"quiet": "0"}});
    assert_eq!(code(&hub.post("/api/v1/subscriptions", &dealer, other).await), "not-agreed");
    let agreed = json!({"key": "k", "offering": "quiet", "agree": {"quiet": digest}, "parameters": {"most": 5}});
    let asked = hub.post("/api/v1/subscriptions", &dealer, agreed).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    hub.provision().await;
    let operation = newest(&hub, &dealer, asked.body["id"].as_str().unwrap()).await;
    assert_eq!(operation["state"], "succeeded", "{operation}");
    let plugin = hub.get("/api/v1/plugins/quiet", &dealer).await.body;
    assert_eq!((&plugin["status"], &plugin["settings"]["most"]), (&json!("enabled"), &json!(5)), "{plugin}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_tells_what_it_changes_and_overwrites_nothing_silently() {
    let (hub, brand, _, dealer) = two().await;
    published(&hub, &brand.api_key, "win-back", win_back()).await;
    let asked = hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k", "offering": "win-back"})).await;
    let id = asked.body["id"].as_str().unwrap().to_owned();
    let upgrade = format!("/api/v1/subscriptions/{id}/upgrade");
    let mut second = win_back();
    second["items"][1]["segment"]["condition"]["attribute"]["value"] = json!("platinum");
    second["items"]
        .as_array_mut()
        .unwrap()
        .push(json!({"object-type": {"name": "note", "declaration": {"fields": [{"name": "text", "type": "text"}]}}}));
    published(&hub, &brand.api_key, "win-back", second).await;
    let early = hub.post(&upgrade, &dealer, json!({"version": 2})).await;
    assert_eq!((early.status, code(&early)), (422, "operation-open"), "{early:?}");
    hub.provision().await;
    let preview = |version: i64| format!("{upgrade}?version={version}");
    let item = |item: &str, change: &str, own: bool| json!({"item": item, "change": change, "changed_by_you": own});
    let seen = hub.get(&preview(2), &dealer).await.body;
    let expected = |own: bool| {
        json!([
            item("object-type/visit", "same", false),
            item("segment/lapsed", "changed", own),
            item("journey/win-back", "same", false),
            item("object-type/note", "added", false)
        ])
    };
    assert_eq!((&seen["items"], &seen["grants"]), (&expected(false), &json!([])));
    let own = json!({"condition": {"attribute": {"name": "tier", "is": "eq", "value": "silver"}}});
    assert_eq!(hub.call("PUT", "/api/v1/segments/lapsed", &dealer, Some(own)).await.status, 200);
    assert_eq!(hub.get(&preview(2), &dealer).await.body["items"], expected(true));
    let kept = hub.post(&upgrade, &dealer, json!({"version": 2})).await;
    assert_eq!((kept.status, code(&kept)), (409, "changed-here"), "{kept:?}");
    assert_eq!(hub.get(&format!("/api/v1/subscriptions/{id}"), &dealer).await.body["version"], 1);
    let begun = hub.post(&upgrade, &dealer, json!({"version": 2, "overwrite": ["segment/lapsed"]})).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    hub.provision().await;
    assert_eq!(newest(&hub, &dealer, &id).await["state"], "succeeded");
    let segment = hub.get("/api/v1/segments/lapsed", &dealer).await.body;
    assert_eq!(segment["condition"]["attribute"]["value"], "platinum", "{segment}");
    assert_eq!(hub.get("/api/v1/object-types/note", &dealer).await.status, 200);
    assert_eq!(hub.get(&format!("/api/v1/subscriptions/{id}"), &dealer).await.body["version"], 2);
    // And back again: what the version has no more is removed.
    assert_eq!(hub.post(&upgrade, &dealer, json!({"version": 1})).await.status, 202);
    hub.provision().await;
    assert_eq!(newest(&hub, &dealer, &id).await["state"], "succeeded");
    assert_eq!(hub.get("/api/v1/object-types/note", &dealer).await.status, 404);
    let archive = hub.call("POST", "/api/v1/offerings/win-back/versions/2/archive", &brand.api_key, None).await;
    assert_eq!(archive.status, 200);
    let late = hub.post(&upgrade, &dealer, json!({"version": 2})).await;
    assert_eq!((late.status, code(&late)), (409, "offering-archived"), "no change onto it");
}

/// How the runs of the partner's journey stand.
async fn runs(hub: &Hub, key: &str) -> Value {
    hub.get("/api/v1/journeys/win-back/counts", key).await.body["runs"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_on_service_holds_what_was_made_until_the_last_one_is_lifted() {
    let hub = Hub::start().await;
    let brand = hub.tenant("brand").await;
    let (dealer_id, dealer) = below(&hub, &brand.api_key, json!({"name": "dealer", "clock": "replay"})).await;
    published(&hub, &brand.api_key, "win-back", win_back()).await;
    let asked = hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k", "offering": "win-back"})).await;
    let id = asked.body["id"].as_str().unwrap().to_owned();
    hub.provision().await;
    let gold = |user: &str, day: u8| json!({"type": "identify", "userId": user, "traits": {"tier": "gold"}, "timestamp": format!("2026-01-{day:02}T00:00:00Z")});
    let send = async |events: Value| {
        let sent = hub.post("/v1/batch", &dealer, json!({"batch": events})).await;
        assert_eq!(sent.status, 200, "{sent:?}");
    };
    let clock = async |day: u8| {
        let to = json!({"to": format!("2026-01-{day:02}T00:00:00Z")});
        let moved = hub.post("/api/v1/clock", &dealer, to).await;
        assert!(moved.status < 300, "{moved:?}");
    };
    let count = |waiting: i64, done: i64| json!({"waiting": waiting, "done": done, "failed": 0, "stopped": 0});
    let until_runs = async |expected: Value| {
        until("the runs stand so", async || (runs(&hub, &dealer).await == expected).then_some(())).await;
    };
    send(json!([gold("ada", 1)])).await;
    until_runs(count(1, 0)).await;

    let path = format!("/api/v1/subscribers/{id}/blocks");
    let set = async |reason: &str, stops: Value| {
        hub.advance(std::time::Duration::from_secs(1));
        let made = hub.post(&path, &brand.api_key, json!({"reason": reason, "stops": stops})).await;
        assert_eq!((made.status, &made.body["state"]), (201, &json!("in-force")), "{made:?}");
        made.body["id"].as_str().unwrap().to_owned()
    };
    let (bill, abuse) = (set("unpaid", json!(["service", "changes"])).await, set("abuse", json!(["service"])).await);
    let read = hub.get(&format!("/api/v1/subscriptions/{id}"), &dealer).await.body;
    assert_eq!((&read["contract"], &read["stopped"]), (&json!("active"), &json!(["changes", "service"])));
    let seen = hub.get(&format!("/api/v1/subscriptions/{id}/blocks"), &dealer).await.body["blocks"].clone();
    let brand_id = json!({"kind": "partner", "id": brand.id.0.to_string()});
    assert_eq!((&seen[0]["reason"], &seen[0]["set_by"]), (&json!("abuse"), &brand_id), "{seen}");
    let own = behind(&hub, &path, &brand.api_key, 1).await["blocks"].clone();
    assert_eq!((&own[0]["reason"], &own[0]["set_by"]["kind"]), (&json!("unpaid"), &json!("key")), "{own}");
    for act in ["upgrade", "resume"] {
        let refused = hub.post(&format!("/api/v1/subscriptions/{id}/{act}"), &dealer, json!({"version": 1})).await;
        assert_eq!((refused.status, code(&refused)), (409, "blocked"), "{refused:?}");
    }

    // What would begin and what would go on both wait, whatever the partner does with the journey.
    until("the journey is held", async || {
        let journey = hub.get("/api/v1/journeys/win-back", &dealer).await.body;
        (journey["held"] == true && journey["status"] == "published").then_some(())
    })
    .await;
    for verb in ["pause", "resume"] {
        let moved = hub.call("POST", &format!("/api/v1/journeys/win-back/{verb}"), &dealer, None).await;
        assert!(moved.status < 300, "{moved:?}");
    }
    send(json!([gold("bob", 2)])).await;
    clock(9).await;
    let tenant = Tenant {
        id: TenantId(dealer_id),
        write_key: String::new(),
        server_key: String::new(),
        api_key: dealer.clone(),
    };
    hub.settle(&tenant).await;
    assert_eq!(runs(&hub, &dealer).await, count(1, 0), "nothing acts");

    let lift = |block: &str| format!("{path}/{block}/lift");
    assert_eq!(hub.call("POST", &lift(&bill), &dealer, None).await.status, 404, "who was blocked lifts nothing");
    let lifted = hub.call("POST", &lift(&bill), &brand.api_key, None).await;
    assert_eq!((lifted.status, &lifted.body["state"]), (200, &json!("lifted")), "{lifted:?}");
    assert_eq!(hub.call("POST", &lift(&bill), &brand.api_key, None).await.status, 409);
    hub.settle(&tenant).await;
    assert_eq!(hub.get("/api/v1/journeys/win-back", &dealer).await.body["held"], true, "another one is in force");
    assert_eq!(runs(&hub, &dealer).await, count(1, 0));
    assert_eq!(hub.call("POST", &lift(&abuse), &brand.api_key, None).await.status, 200);
    // What came due meanwhile is due, once the clock of a replay moves on.
    clock(10).await;
    until_runs(count(0, 1)).await;
    assert_eq!(hub.get("/api/v1/journeys/win-back", &dealer).await.body["held"], Value::Null);
    send(json!([gold("cyd", 11)])).await;
    until_runs(count(1, 1)).await;
    for name in ["subscription.blocked", "subscription.unblocked"] {
        for key in [&dealer, &brand.api_key] {
            let events = hub.get(&format!("/api/v1/events?name={name}"), key).await.body;
            assert_eq!(events["events"].as_array().unwrap().len(), 2, "{events}");
        }
    }
    let audit = hub.get("/api/v1/audit", &brand.api_key).await.body.to_string();
    assert!(audit.contains("POST /api/v1/subscribers/{id}/blocks/{block}/lift"), "{audit}");
    let nothing = hub.post(&path, &brand.api_key, json!({"reason": "", "stops": []})).await;
    assert_eq!(nothing.body["faults"].as_array().map(Vec::len), Some(2), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_waits_for_a_block_on_service_and_what_it_makes_is_held() {
    let (hub, brand, _, dealer) = two().await;
    published(&hub, &brand.api_key, "win-back", win_back()).await;
    let asked = hub.post("/api/v1/subscriptions", &dealer, json!({"key": "k", "offering": "win-back"})).await;
    let id = asked.body["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/subscribers/{id}/blocks");
    let set = hub.post(&path, &brand.api_key, json!({"reason": "early", "stops": ["service"]})).await;
    hub.provision().await;
    assert_eq!(newest(&hub, &dealer, &id).await["state"], "running");
    assert_eq!(hub.get("/api/v1/journeys/win-back", &dealer).await.status, 404);
    let lift = format!("{path}/{}/lift", set.body["id"].as_str().unwrap());
    assert_eq!(hub.call("POST", &lift, &brand.api_key, None).await.status, 200);
    hub.provision().await;
    assert_eq!(newest(&hub, &dealer, &id).await["state"], "succeeded");
    // What the partner publishes anew under a block is held from the beginning.
    hub.post(&path, &brand.api_key, json!({"reason": "again", "stops": ["service"]})).await;
    let mut changed = hub.get("/api/v1/journeys/win-back", &dealer).await.body["draft"].clone();
    changed["nodes"]["a"]["duration"] = json!("4d");
    assert_eq!(hub.call("PUT", "/api/v1/journeys/win-back", &dealer, Some(changed)).await.status, 200);
    let published = hub.call("POST", "/api/v1/journeys/win-back/publish", &dealer, None).await;
    assert_eq!((published.status, &published.body["version"]), (200, &json!(2)), "{published:?}");
    assert_eq!(hub.get("/api/v1/journeys/win-back", &dealer).await.body["held"], true);
    // Whoever is held back may leave.
    let end = hub.post(&format!("/api/v1/subscriptions/{id}/end"), &dealer, json!({"export_days": 0})).await;
    assert_eq!(end.status, 200, "{end:?}");
    hub.provision().await;
    let removed = newest(&hub, &dealer, &id).await;
    assert_eq!((&removed["purpose"], &removed["state"]), (&json!("remove"), &json!("succeeded")), "{removed}");
    let late = hub.post(&path, &brand.api_key, json!({"reason": "late", "stops": ["service"]})).await;
    assert_eq!((late.status, code(&late)), (409, "not-active"));
}
