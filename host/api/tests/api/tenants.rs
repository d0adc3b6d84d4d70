//! A tenant sees nothing of another's: a foreign id is not found.

use crate::hub::Hub;
use openhub_store::{FaultKind, NewFault, Scope};
use serde_json::json;

#[tokio::test]
async fn a_foreign_id_is_not_found() {
    let hub = Hub::start().await;
    let (ours, theirs) = (hub.tenant("ours").await, hub.tenant("theirs").await);
    let event = json!([{"type": "track", "event": "E", "userId": "ada", "messageId": "m"}]);
    hub.send_events(&theirs, event).await;
    hub.call("PUT", "/api/v1/journeys/secret", &theirs.api_key, Some(json!({}))).await;
    hub.call("PUT", "/api/v1/segments/secret", &theirs.api_key, Some(json!({"static": true}))).await;
    let fault = NewFault::counted(FaultKind::RowSkipped, "loyalty/earn", "missing", "", "It has no total.");
    let fault_path = format!("/api/v1/faults/{}", fault.id);
    hub.store.file_faults(&Scope::of(theirs.id), hub.now(), vec![fault]).await.unwrap();
    let found = hub.get("/api/v1/customers", &theirs.api_key).await;
    let id = found.body["customers"][0]["id"].as_str().unwrap().to_owned();
    for path in [
        format!("/api/v1/customers/{id}"),
        format!("/api/v1/customers/{id}/timeline"),
        format!("/api/v1/customers/{id}/segments"),
        format!("/api/v1/customers/{id}/objects"),
        format!("/api/v1/customers/{id}/history"),
        format!("/api/v1/customers/{id}/data"),
        "/api/v1/segments/secret".to_owned(),
        "/api/v1/segments/secret/versions".to_owned(),
        "/api/v1/segments/secret/members".to_owned(),
        "/api/v1/segments/secret/export".to_owned(),
        format!("/api/v1/segments/secret/why?customer={id}"),
        fault_path.clone(),
        "/api/v1/journeys/secret".to_owned(),
        "/api/v1/journeys/secret/counts".to_owned(),
    ] {
        assert_eq!(hub.get(&path, &theirs.api_key).await.status, 200, "{path}");
        assert_eq!(hub.get(&path, &ours.api_key).await.status, 404, "{path}");
    }
    assert_eq!(hub.get("/api/v1/faults", &ours.api_key).await.body["faults"], json!([]));
    for verb in ["retry", "discard"] {
        let foreign = hub.post(&format!("{fault_path}/{verb}"), &ours.api_key, json!({})).await;
        assert_eq!(foreign.status, 404, "{verb}");
    }
    let change = Some(json!({"tags": {"vip": true}}));
    let patch = hub.call("PATCH", &format!("/api/v1/customers/{id}"), &ours.api_key, change).await;
    assert_eq!(patch.status, 404);
    let everybody = json!({"all": []});
    for (path, body) in [
        ("/api/v1/segments/secret/members", json!({"add": [{"kind": "user_id", "value": "ada"}]})),
        ("/api/v1/segments/why", json!({"condition": everybody, "customer": id})),
    ] {
        assert_eq!(hub.post(path, &theirs.api_key, body.clone()).await.status, 200, "{path}");
        assert_eq!(hub.post(path, &ours.api_key, body).await.status, 404, "{path}");
    }
    let apart = json!({"identity": {"kind": "user_id", "value": "ada"}});
    let path = format!("/api/v1/customers/{id}/unmerge");
    assert_eq!(hub.post(&path, &ours.api_key, apart).await.status, 404, "{path}");
    for path in ["/api/v1/export/customers", "/api/v1/export/events"] {
        assert!(hub.get(path, &theirs.api_key).await.body.to_string().contains("ada"), "{path}");
        assert_eq!(hub.get(path, &ours.api_key).await.body, serde_json::Value::Null, "{path}");
    }
    assert_eq!(hub.call("DELETE", "/api/v1/segments/secret", &ours.api_key, None).await.status, 404);
    hub.call("PUT", "/api/v1/segments/own", &ours.api_key, Some(json!({"static": true}))).await;
    let add = json!({"add": [{"kind": "user_id", "value": "ada"}]});
    let added = hub.post("/api/v1/segments/own/members", &ours.api_key, add).await;
    assert_eq!((added.status, &added.body["added"]), (200, &json!(0)), "their customer is unknown here");
    let erase = format!("/api/v1/customers/{id}?suppress=true");
    assert_eq!(hub.call("DELETE", &erase, &ours.api_key, None).await.status, 404);
    let receipt = hub.call("DELETE", &erase, &theirs.api_key, None).await;
    assert_eq!(receipt.status, 200);
    let erasure = format!("/api/v1/erasures/{}", receipt.body["id"].as_str().unwrap());
    assert_eq!(hub.get(&erasure, &theirs.api_key).await.status, 200);
    assert_eq!(hub.get(&erasure, &ours.api_key).await.status, 404);
    assert_eq!(hub.get("/api/v1/erasures", &ours.api_key).await.body["erasures"], json!([]));
    assert_eq!(hub.get("/api/v1/suppressions", &ours.api_key).await.body["count"], 0);
    let ada = json!({"kind": "user_id", "value": "ada"});
    for (key, suppressed) in [(&theirs.api_key, true), (&ours.api_key, false)] {
        let check = hub.post("/api/v1/suppressions/check", key, ada.clone()).await;
        assert_eq!(check.body["suppressed"], suppressed);
    }
    assert_eq!(hub.post("/api/v1/suppressions/remove", &ours.api_key, ada).await.status, 404);
    let event = json!({"batch": [{"type": "track", "userId": "ada", "event": "E"}]});
    for (key, refused) in [(&theirs.write_key, 1), (&ours.write_key, 0)] {
        let answer = hub.post("/v1/import?dry_run=true", key, event.clone()).await;
        assert_eq!(answer.body["refused"].as_array().map_or(0, Vec::len), refused, "{answer:?}");
    }
    let preview = hub.post("/api/v1/segments/preview", &ours.api_key, json!({"condition": everybody})).await;
    assert_eq!(preview.body["count"], 0);
    let mention = json!({"condition": {"segment": "secret"}});
    assert_eq!(hub.post("/api/v1/segments/preview", &ours.api_key, mention).await.status, 422);
    for path in [format!("/api/v1/events?customer={id}"), "/api/v1/customers?identity=user_id:ada".to_owned()] {
        let list = hub.get(&path, &ours.api_key).await.body;
        assert!(list["events"].as_array().or(list["customers"].as_array()).unwrap().is_empty(), "{path}");
    }
}
