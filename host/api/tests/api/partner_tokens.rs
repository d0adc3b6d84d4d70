//! Tokens for partners: a part of what a key may do, for an hour at most, and no longer than the key.

use crate::hub::Hub;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openhub_model::Principal;
use openhub_store::{AuditFilter, Scope};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/api/v1/partner-tokens";

async fn token(hub: &Hub, key: &str, scopes: &[&str]) -> String {
    let made = hub.post(PATH, key, json!({"partner": "dealer-7", "scopes": scopes})).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.body["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_partner_does_what_its_token_says_and_is_named_by_the_audit_log() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let made =
        hub.post(PATH, &shop.api_key, json!({"partner": "dealer-7", "scopes": ["segments:write"], "lasts_s": 600}));
    let made = made.await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["ends_at"], "2026-01-31T12:10:00Z");
    let token = made.body["token"].as_str().unwrap().to_owned();
    let saved = hub.call("PUT", "/api/v1/segments/vip", &token, Some(json!({"static": true}))).await;
    assert!(saved.status < 300, "{saved:?}");
    insta::assert_json_snapshot!("not_of_the_token", hub.get("/api/v1/customers", &token).await);
    assert_eq!(hub.post("/v1/track", &token, json!({"userId": "1", "event": "e"})).await.status, 401);
    let filter = AuditFilter { who: Some("dealer-7".to_owned()), limit: 5, ..AuditFilter::default() };
    let acts = hub.store.audit(&Scope::of(shop.id), &filter).await.unwrap();
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].doer.principal(), Some(Principal::Partner { id: "dealer-7".to_owned() }));
    hub.advance(Duration::from_secs(600));
    insta::assert_json_snapshot!("token_ended", hub.get("/api/v1/segments", &token).await);
}

#[tokio::test]
async fn a_token_has_no_more_than_its_maker_and_lets_nobody_else_in() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let maker = hub.key(shop.id, &["partner-tokens:write", "segments:read"]).await;
    let wider = hub.post(PATH, &maker, json!({"partner": "p", "scopes": ["customers:read"]})).await;
    assert_eq!(wider.body["code"], "wider-than-own");
    let wrong = json!({"partner": "", "scopes": ["*", "keys:write", "nothing:read"], "lasts_s": 3601});
    insta::assert_json_snapshot!("wrong_token", hub.post(PATH, &shop.api_key, wrong).await);
    let own = token(&hub, &maker, &["segments:read"]).await;
    assert_eq!(hub.get("/api/v1/segments", &own).await.status, 200);
    let (said, signature) = own["ot_".len()..].split_once('.').unwrap();
    let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).unwrap()).unwrap();
    for (member, value) in
        [("scopes", json!(["customers:read"])), ("tenant", json!(99)), ("ends_at", json!("2027-01-01T00:00:00Z"))]
    {
        let mut forged = said.clone();
        forged[member] = value;
        let forged = format!("ot_{}.{signature}", URL_SAFE_NO_PAD.encode(forged.to_string()));
        assert_eq!(hub.get("/api/v1/segments", &forged).await.status, 401, "{member}");
    }
}

#[tokio::test]
async fn a_token_ends_with_the_key_and_with_the_secret_that_made_it() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let scopes = ["partner-tokens:write", "segments:read"];
    let (kept, leaked, gone) =
        (hub.key(shop.id, &scopes).await, hub.key(shop.id, &scopes).await, hub.key(shop.id, &scopes).await);
    let id = |key: &str| key.split('_').nth(2).unwrap().to_owned();
    let mut tokens = Vec::new();
    for key in [&kept, &leaked, &gone] {
        tokens.push(token(&hub, key, &["segments:read"]).await);
    }
    hub.advance(Duration::from_secs(1));
    let rotate = |key: &str, keep_s: u32| (format!("/api/v1/keys/{}/rotate", id(key)), json!({"keep_s": keep_s}));
    for (path, body) in [rotate(&kept, 3600), rotate(&leaked, 0)] {
        assert_eq!(hub.post(&path, &shop.api_key, body).await.status, 200);
    }
    // Another node revokes it.
    hub.store.revoke_key(&Scope::of(shop.id), &id(&gone), hub.now()).await.unwrap();
    hub.advance(Duration::from_secs(5));
    let mut found = Vec::new();
    for token in &tokens {
        found.push(hub.get("/api/v1/segments", token).await.status);
    }
    assert_eq!(found, [200, 401, 401]);
    let person = crate::persons::visitor(&hub, &shop, "owner").await;
    let by_person = person.ask("POST", PATH, Some(json!({"partner": "p", "scopes": ["segments:read"]}))).await;
    assert_eq!(by_person.status, 409, "a token ends with the key that made it");
}

#[tokio::test]
async fn a_token_that_was_made_two_rotations_ago_ends_with_the_secret_that_made_it() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let first = hub.key(shop.id, &["partner-tokens:write", "segments:read"]).await;
    let rotate = format!("/api/v1/keys/{}/rotate", first.split('_').nth(2).unwrap());
    let rotated = async |keep_s: u32| {
        let answer = hub.post(&rotate, &shop.api_key, json!({"keep_s": keep_s})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["key"].as_str().expect("the new text").to_owned()
    };
    let reads = async |token: &str| hub.get("/api/v1/segments", token).await.status;
    let early = token(&hub, &first, &["segments:read"]).await;
    let second = rotated(60).await;
    hub.advance(Duration::from_secs(6));
    // Both secrets work, and each ends the tokens that it made.
    let by_old = token(&hub, &first, &["segments:read"]).await;
    let by_new = token(&hub, &second, &["segments:read"]).await;
    assert_eq!([reads(&early).await, reads(&by_old).await, reads(&by_new).await], [200; 3]);
    hub.advance(Duration::from_secs(60));
    assert_eq!([reads(&early).await, reads(&by_old).await, reads(&by_new).await], [401, 401, 200]);
    rotated(600).await;
    hub.advance(Duration::from_secs(6));
    assert_eq!(
        [reads(&early).await, reads(&by_old).await, reads(&by_new).await],
        [401, 401, 200],
        "the first secret has ended"
    );
    hub.advance(Duration::from_secs(600));
    assert_eq!(reads(&by_new).await, 401);
}
