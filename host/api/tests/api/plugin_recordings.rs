//! Which calls of a plugin are recorded, and who may see what was.

use crate::hub::{Hub, component};
use openhub_model::Id;
use openhub_store::{Changes, NewRecording};
use serde_json::{Value, json};

const PLUGIN: &str = "/api/v1/plugins/quiet";
const RECORDING: &str = "/api/v1/plugins/quiet/recording";
const RECORDINGS: &str = "/api/v1/plugins/quiet/recordings";

fn manifest() -> Value {
    json!({"format": 1, "name": "quiet", "version": "1.0.0", "publisher": "OpenHub", "imports": []})
}

#[tokio::test]
async fn calls_are_recorded_for_a_time_and_shown_to_those_who_may_see_customers() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = &tenant.api_key;
    assert_eq!(hub.call("PUT", RECORDING, key, Some(json!({"rate": 0.5}))).await.status, 404);
    hub.upload(key, component(Some(manifest()))).await;
    let set = async |key: &str, body: Value| hub.call("PUT", RECORDING, key, Some(body)).await;
    for (wrong, pointer) in [
        (json!({}), "/rate"),
        (json!({"rate": 0}), "/rate"),
        (json!({"rate": 1.5}), "/rate"),
        (json!({"rate": 0.5, "for": "8d"}), "/for"),
    ] {
        let refused = set(key, wrong.clone()).await;
        let told = (refused.status, &refused.body["code"], &refused.body["faults"][0]["pointer"]);
        assert_eq!(told, (400, &json!("invalid-body"), &json!(pointer)), "{wrong}: {refused:?}");
    }
    let blind = hub.key(tenant.id, &["plugins:read", "plugins:write"]).await;
    assert_eq!(set(&blind, json!({"rate": 0.5})).await.status, 403, "it would have customers in it");
    assert_eq!(set(key, json!({"customer": "0".repeat(32)})).await.status, 404);
    assert_eq!(hub.call("DELETE", RECORDING, key, None).await.status, 404, "nothing is recorded");

    let customer =
        hub.post("/api/v1/customers", key, json!({"identities": [{"kind": "user_id", "value": "ada"}]})).await;
    let id = customer.body["id"].as_str().expect("an id").to_owned();
    let begun = set(key, json!({"customer": id, "for": "2h"})).await;
    let recording = &begun.body["recording"];
    assert_eq!((begun.status, &recording["rate"], &recording["customer"]), (200, &json!(1.0), &json!(id)), "{begun:?}");
    assert_eq!(hub.get(PLUGIN, key).await.body["recording"], *recording);
    let share = set(key, json!({"rate": 0.001})).await;
    assert_eq!((&share.body["recording"]["rate"], share.body["recording"].get("customer")), (&json!(0.001), None));

    let kept = NewRecording {
        id: Id::named(&[b"one"]),
        plugin: "quiet".to_owned(),
        digest: "d".to_owned(),
        kind: "rule".to_owned(),
        name: "earn".to_owned(),
        outcome: "answered".to_owned(),
        part: Some(id.parse().expect("an id")),
        recording: json!({"format": 2}).to_string(),
    };
    let other = NewRecording { id: Id::named(&[b"two"]), part: None, ..kept.clone() };
    hub.commit(&tenant, Changes { recordings: vec![kept.clone(), other], ..Changes::default() }).await;
    let page = hub.get(&format!("{RECORDINGS}?limit=1"), key).await.body;
    let next = page["next"].as_str().expect("there is another");
    let rest = hub.get(&format!("{RECORDINGS}?after={next}"), key).await.body;
    let both: Vec<&Value> =
        [&page, &rest].into_iter().flat_map(|page| page["recordings"].as_array().unwrap()).collect();
    assert_eq!(both.len(), 2, "{page} {rest}");
    let own = both.iter().find(|one| one["id"] == kept.id.to_string()).expect("it is listed");
    assert_eq!((&own["customer"], &own["kind"], &own["name"]), (&json!(id), &json!("rule"), &json!("earn")));
    let one = format!("{RECORDINGS}/{}", kept.id);
    assert_eq!(hub.get(&one, key).await.body, json!({"format": 2}));
    assert_eq!(hub.get(&format!("{RECORDINGS}/{}", Id::named(&[b"no"])), key).await.status, 404);
    assert_eq!(hub.get(&one, &blind).await.status, 403);
    let masked = hub.get(RECORDINGS, &blind).await.body;
    assert!(!masked.to_string().contains(&id), "{masked}");

    // With the customer goes what was recorded of them, and that they were recorded.
    assert_eq!(set(key, json!({"customer": id})).await.status, 200);
    let told = hub.get(&format!("/api/v1/customers/{id}/data"), key).await;
    assert!(format!("{told:?}").contains("recorded"), "{told:?}");
    let erased = hub.call("DELETE", &format!("/api/v1/customers/{id}"), key, None).await;
    assert!(erased.status < 300, "{erased:?}");
    assert_eq!(hub.get(PLUGIN, key).await.body.get("recording"), None);
    assert_eq!(hub.get(&one, key).await.status, 404);
    let log = hub.get("/api/v1/events?name=plugin.recording-set&limit=1000", key).await.body.to_string();
    assert!(!log.contains(&id), "{log}");
    assert_eq!(hub.call("DELETE", RECORDINGS, key, None).await.body, json!({"deleted": 1}));
    assert_eq!(set(key, json!({"rate": 1})).await.status, 200);
    let ended = hub.call("DELETE", RECORDING, key, None).await;
    assert_eq!((ended.status, ended.body.get("recording")), (200, None), "{ended:?}");
}
