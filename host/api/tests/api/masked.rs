//! Who works without personal data finds none, whatever they read: a canary is planted wherever the hub keeps what customers are, and
//! every route that reads is asked.

use crate::described;
use crate::hub::{Hub, Tenant, component};
use crate::persons::{Visitor, visitor};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openhub_model::message::NewMessage;
use openhub_model::{Id, Identity, Object, PartId};
use openhub_store::{
    Changes, FaultKind, Indexed, NewFault, NewRecording, ObjectChange, PluginLog, Scope, SetAside, ShadowRow,
};
use serde_json::{Value, json};

/// In no word that the hub has by itself.
const CANARY: &str = "kanarienvogel";

fn canary(place: &str) -> String {
    format!("{CANARY}-{place}")
}

/// What the ids of paths are to be.
struct Planted {
    customer: PartId,
    message: Id,
    fault: Id,
    recording: Id,
}

/// A tenant that has a canary in each place.
async fn planted(hub: &Hub) -> (Tenant, Planted) {
    let tenant = hub.tenant("shop").await;
    let manifest = json!({"format": 1, "name": "quiet", "version": "1.0.0", "publisher": "OpenHub", "imports": []});
    assert!(hub.upload(&tenant.api_key, component(Some(manifest))).await.status < 300);
    let user = canary("identity");
    let customer = Identity::new("user_id", &user).part(tenant.id);
    let events = json!([
        {"type": "identify", "userId": user, "messageId": "m-1", "traits": {"city": canary("attribute"), "age": 7},
         "consents": {"news": {"state": "granted", "source": canary("consent")}}},
        {"type": "track", "userId": user, "event": "Order Completed", "messageId": "m-2",
         "properties": {"note": canary("property")}},
        {"type": "track", "userId": user, "event": "Set Aside", "messageId": "m-3", "properties": {"note": canary("aside")}}
    ]);
    hub.send_events(&tenant, events).await;
    let segment = json!({"condition": {"attribute": {"name": "age", "is": "gt", "value": 1}}});
    let saved = hub.call("PUT", "/api/v1/segments/old", &tenant.api_key, Some(segment)).await;
    assert!(saved.status < 300, "{saved:?}");
    let declared = hub.call("PUT", "/api/v1/attributes/city", &tenant.api_key, Some(json!({"type": "number"}))).await;
    assert!(declared.status < 300, "{declared:?}");
    hub.call("PUT", "/api/v1/journeys/back", &tenant.api_key, Some(json!({}))).await;
    let id = |name: &str| Id::named(&[name.as_bytes()]);
    let message = NewMessage {
        id: id("message"),
        part: customer,
        channel: "mail".to_owned(),
        purpose: String::new(),
        address: canary("address"),
        content: json!({"text": canary("content")}).to_string(),
        journey: "back".to_owned(),
        run: id("run"),
        node: "send".to_owned(),
        created_at: hub.now(),
        expires_at: None,
    };
    let object = Object {
        kind: "coupon".to_owned(),
        key: canary("key"),
        part: Some(customer),
        version: 1,
        fields: json!({"code": canary("field")}),
        created_at: hub.now(),
        updated_at: hub.now(),
        cause: "m-2".to_owned(),
    };
    let fault = NewFault::one(FaultKind::Event, "m-2", "quiet/earn", "wrong", canary("fault"));
    let fault = NewFault {
        part: Some(customer),
        recording: Some(json!({"row": canary("call")}).to_string()),
        message_id: Some("m-2".to_owned()),
        ..fault
    };
    let recording = NewRecording {
        id: id("recording"),
        plugin: "quiet".to_owned(),
        digest: "d".to_owned(),
        kind: "rule".to_owned(),
        name: "earn".to_owned(),
        outcome: "answered".to_owned(),
        part: Some(customer),
        recording: json!({"format": 2, "row": canary("recording")}).to_string(),
    };
    let shadow = ShadowRow {
        plugin: "quiet".to_owned(),
        rule: "earn".to_owned(),
        message_id: "m-2".to_owned(),
        position: 2,
        part: Some(customer),
        differs: json!({"active": canary("shadow"), "shadow": null}).to_string(),
    };
    let aside = SetAside { position: 3, message_id: "m-3".to_owned(), fault: canary("set-aside"), at: hub.now() };
    let planted = Planted { customer, message: message.id, fault: fault.id, recording: recording.id };
    let changes = Changes {
        messages: vec![message],
        objects: vec![ObjectChange::Create(object, Indexed::default())],
        faults: vec![fault],
        recordings: vec![recording],
        shadow_rows: vec![shadow],
        set_aside: vec![aside],
        ..Changes::default()
    };
    hub.commit(&tenant, changes).await;
    let line = PluginLog {
        at: hub.now(),
        id: id("line"),
        plugin: "quiet".to_owned(),
        digest: "d".to_owned(),
        version: "1.0.0".to_owned(),
        level: 3,
        message: canary("log"),
        fields: json!({"who": canary("log-field")}).to_string(),
    };
    hub.store.add_plugin_logs(&Scope::of(tenant.id), hub.now(), &[line]).await.expect("a line");
    (tenant, planted)
}

/// Each route that reads, with the ids of what was planted.
async fn reads(hub: &Hub, planted: &Planted) -> Vec<String> {
    let document = described::document(hub).await;
    let mut paths = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        // By two of them people come in, who see nothing yet.
        let comes_in = path.starts_with("/api/v1/session/");
        if operations.get("get").is_none() || !path.starts_with("/api/v1/") || comes_in {
            continue;
        }
        let id = match path.split('/').nth(3) {
            Some("customers") => planted.customer.to_string(),
            Some("messages") => planted.message.to_string(),
            Some("faults") => planted.fault.to_string(),
            Some("plugins") => planted.recording.to_string(),
            _ => "x".to_owned(),
        };
        let name = match path.split('/').nth(3) {
            Some("plugins") => "quiet",
            Some("segments") => "old",
            Some("journeys") => "back",
            Some("attributes") => "city",
            _ => "coupon",
        };
        let filled = path
            .replace("{id}", &id)
            .replace("{kind}", "coupon")
            .replace("{push}", "x")
            .replace("{type}", "coupon")
            .replace("{key}", &canary("key"))
            .replace("{name}", name)
            .replace("{plugin}", "quiet")
            .replace("{segment}", "old")
            .replace("{digest}", "d")
            .replace("{version}", "1.0.0")
            .replace("{provider}", "1")
            .replace("{offering}", "x");
        assert!(!filled.contains('{'), "{path} has a variable that this test does not know");
        paths.push(filled);
    }
    // What parameters make of them.
    let customer = planted.customer;
    let identity = canary("identity");
    paths.extend([
        format!("/api/v1/customers/{customer}/timeline?kind=message,object,event,run,fault,consent,set-aside"),
        format!("/api/v1/customers/{customer}/timeline?limit=1"),
        format!("/api/v1/customers/{customer}/segments?why=true"),
        format!("/api/v1/segments/old/why?customer={customer}"),
        format!("/api/v1/customers?identity=user_id:{identity}"),
        format!("/api/v1/events?customer={customer}&limit=1"),
        format!("/api/v1/messages?customer={customer}"),
        "/api/v1/export/customers?format=csv".to_owned(),
        "/api/v1/export/events?format=csv".to_owned(),
        "/api/v1/export/objects?type=coupon".to_owned(),
        "/api/v1/objects/coupon?limit=1".to_owned(),
    ]);
    paths
}

/// The answer's text, with what its cursor hides.
fn text(body: &Value) -> String {
    let cursor = body["next"].as_str().and_then(|next| URL_SAFE_NO_PAD.decode(next).ok()).unwrap_or_default();
    format!("{body}{}", String::from_utf8_lossy(&cursor))
}

#[tokio::test]
async fn who_works_without_personal_data_finds_none_through_any_route() {
    let hub = Hub::start().await;
    let (shop, planted) = planted(&hub).await;
    let paths = reads(&hub, &planted).await;
    // Whoever sees people sees canaries: else none could be missed.
    let mut seen = std::collections::BTreeSet::new();
    for path in &paths {
        let body = text(&hub.get(path, &shop.api_key).await.body);
        let places = body.split(CANARY).skip(1).filter_map(|rest| rest.strip_prefix('-'));
        let word = |rest: &str| rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().map(str::to_owned);
        seen.extend(places.filter_map(word));
    }
    for place in [
        "identity",
        "attribute",
        "consent",
        "property",
        "aside",
        "address",
        "content",
        "key",
        "field",
        "fault",
        "call",
        "recording",
        "set-aside",
        "log",
        "log-field",
    ] {
        assert!(seen.contains(place), "nobody reads what was planted in {place}: {seen:?}");
    }
    for (role, least) in [("analyst", 25), ("operator", 15), ("auditor", 20)] {
        let who = visitor(&hub, &shop, role).await;
        let mut read = 0;
        for path in &paths {
            let answer = who.get(path).await;
            assert!([200, 400, 403, 404, 409, 422].contains(&answer.status), "{role} {path}: {answer:?}");
            read += usize::from(answer.status == 200);
            // A path that names the canary may be told back.
            let body = text(&answer.body).replace(path.split('?').next().unwrap_or_default(), "");
            assert!(!body.contains(CANARY), "{role} {path}: {body}");
        }
        assert!(read >= least, "{role} reads {read} routes");
    }
}

#[tokio::test]
async fn an_analyst_works_with_ids_and_is_told_what_is_not_for_them() {
    let hub = Hub::start().await;
    let (shop, planted) = planted(&hub).await;
    let analyst = visitor(&hub, &shop, "analyst").await;
    let id = planted.customer;
    let customer = analyst.get(&format!("/api/v1/customers/{id}")).await;
    assert_eq!((customer.status, &customer.body["id"]), (200, &json!(id)));
    assert_eq!(customer.body["attributes"], json!({"age": "(masked)", "city": "(masked)"}));
    assert_eq!(customer.body["identities"][0]["kind"], "user_id");
    let timeline = analyst.get(&format!("/api/v1/customers/{id}/timeline?kind=event")).await;
    let titles: Vec<&Value> = timeline.body["items"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
    assert!(titles.contains(&&json!("Order Completed")), "{timeline:?}");
    let members = analyst.get("/api/v1/segments/old/members").await;
    assert_eq!(members.body["members"][0]["customer"], json!(id), "{members:?}");
    let preview = json!({"condition": {"attribute": {"name": "age", "is": "gt", "value": 1}}});
    let counted = analyst.ask("POST", "/api/v1/segments/preview", Some(preview)).await;
    assert_eq!((counted.status, &counted.body["count"]), (200, &json!(1)), "{counted:?}");
    assert!(!text(&counted.body).contains(CANARY));
    // Nobody is found by what they are, and why somebody is in a segment tells what they are.
    refused(&analyst, &format!("/api/v1/customers?identity=user_id:{}", canary("identity"))).await;
    refused(&analyst, &format!("/api/v1/customers/{id}/history")).await;
    refused(&analyst, &format!("/api/v1/segments/old/why?customer={id}")).await;
    insta::assert_json_snapshot!("masked", analyst.get("/api/v1/attributes/city/unfit").await);
}

async fn refused(who: &Visitor<'_>, path: &str) {
    let answer = who.get(path).await;
    assert_eq!((answer.status, &answer.body["code"]), (403, &json!("masked")), "{path}: {answer:?}");
}
