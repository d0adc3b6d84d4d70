//! A second factor: the codes of an authenticator, each of which works once, and those for who has lost it.

use crate::hub::{Answer, Hub};
use crate::persons::{PASSWORD, Visitor, accept, open, visitor};
use serde_json::json;
use std::time::Duration;
use totp_rs::{Algorithm, Secret, TOTP};

const PATH: &str = "/api/v1/session/second-factor";

/// The app on somebody's phone.
pub struct App(TOTP);

impl App {
    pub fn of(begun: &Answer) -> App {
        let secret = Secret::Encoded(begun.body["secret"].as_str().expect("a secret").to_owned()).to_bytes();
        let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, secret.expect("base32"), None, String::new());
        App(totp.expect("a secret of 160 bits"))
    }

    pub fn code(&self, hub: &Hub) -> String {
        self.0.generate(hub.now().micros().unsigned_abs() / 1_000_000)
    }
}

async fn log_in(hub: &Hub, code: Option<&str>) -> Answer {
    let body = json!({"tenant": "shop", "email": "owner@example.com", "password": PASSWORD, "code": code});
    open(hub, "POST", "/api/v1/session", body).await
}

async fn begun(owner: &Visitor<'_>) -> (App, Answer) {
    let begun = owner.ask("POST", PATH, Some(json!({"password": PASSWORD}))).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    (App::of(&begun), begun)
}

#[tokio::test]
async fn a_code_is_asked_for_once_it_was_shown_and_works_once() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let owner = visitor(&hub, &shop, "owner").await;
    let wrong = owner.ask("POST", PATH, Some(json!({"password": "not the password"}))).await;
    assert_eq!(wrong.body["faults"][0]["code"], "wrong-password");
    assert_eq!(owner.ask("PUT", PATH, Some(json!({"code": "000000"}))).await.status, 409, "none was begun");
    let (app, begun) = begun(&owner).await;
    insta::assert_json_snapshot!("begun", begun);
    assert_eq!(log_in(&hub, None).await.status, 201, "nothing is asked for yet");
    let code = app.code(&hub);
    let other = if code == "000000" { "111111" } else { "000000" };
    assert_eq!(owner.ask("PUT", PATH, Some(json!({"code": other}))).await.body["faults"][0]["code"], "wrong-code");
    let confirmed = owner.ask("PUT", PATH, Some(json!({"code": code}))).await;
    let codes = confirmed.body["recovery_codes"].as_array().expect("codes").clone();
    assert_eq!((confirmed.status, codes.len()), (201, 10), "{confirmed:?}");
    let again = owner.ask("POST", PATH, Some(json!({"password": PASSWORD}))).await;
    assert_eq!(again.status, 409, "who has a session does not replace it");
    let shown = hub.get(&format!("/api/v1/persons/{}", owner.id), &shop.api_key).await;
    assert_eq!(shown.body["second_factor"], true);

    insta::assert_json_snapshot!("needed", log_in(&hub, None).await);
    assert_eq!(log_in(&hub, Some(&code)).await.body["code"], "login-refused", "it was used to confirm");
    hub.advance(Duration::from_secs(30));
    let next = app.code(&hub);
    assert_eq!(log_in(&hub, Some(&format!("{} {}", &next[..3], &next[3..]))).await.status, 201);
    assert_eq!(log_in(&hub, Some(&next)).await.status, 401, "it works once");
    let recovery = codes[0].as_str().expect("a code").to_uppercase();
    assert_eq!(log_in(&hub, Some(&recovery)).await.status, 201);
    assert_eq!(log_in(&hub, Some(&recovery)).await.status, 401);
    let secret = begun.body["secret"].as_str().expect("a secret");
    let database = String::from_utf8_lossy(&hub.database()).into_owned();
    assert!(!database.contains(secret) && !codes.iter().any(|code| database.contains(code.as_str().unwrap())));

    let removed = owner.ask("DELETE", PATH, Some(json!({"password": PASSWORD}))).await;
    assert_eq!((removed.status, log_in(&hub, None).await.status), (204, 201));
}

#[tokio::test]
async fn who_has_lost_the_authenticator_is_invited_again() {
    let hub = Hub::start().await;
    let shop = hub.tenant("shop").await;
    let owner = visitor(&hub, &shop, "owner").await;
    let (app, _) = begun(&owner).await;
    assert_eq!(owner.ask("PUT", PATH, Some(json!({"code": app.code(&hub)}))).await.status, 201);
    assert_eq!(log_in(&hub, None).await.body["code"], "second-factor-needed");
    let again = format!("/api/v1/persons/{}/invitation", owner.id);
    let invited = hub.call("POST", &again, &shop.api_key, None).await;
    let invitation = invited.body["invitation"].as_str().expect("an invitation");
    assert_eq!(accept(&hub, invitation, PASSWORD).await.status, 204);
    assert_eq!(log_in(&hub, None).await.status, 201);
    assert_eq!(log_in(&hub, None).await.body["scopes"], json!(["*"]));
}
