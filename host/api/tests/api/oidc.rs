//! People who log in at their tenant's identity provider. The one of these tests signs whatever it is told to, so that each thing
//! that can be wrong with a token is wrong alone; `tests/tests/it/oidc.rs` logs in at a real one.

use crate::hub::{Answer, Hub, Tenant, encode, request};
use crate::persons::{PASSWORD, Visitor, cookie_of, invited, log_in_as, open, visitor};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openhub_store::{AuditFilter, Scope};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

const SETTINGS: &str = "/api/v1/identity-provider";
const BEGIN: &str = "/api/v1/session/oidc?tenant=shop&return_to=/home?a=b";
const CALLBACK: &str = "/api/v1/session/oidc/callback";
const SECRET: &str = "the client's / secret";

/// What a provider signs with.
enum Signer {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    fn p256() -> Signer {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random);
        Signer::P256(key.expect("a key"))
    }

    fn ed25519() -> Signer {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Signer::Ed25519(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Signer::P256(_) => "ES256",
            Signer::Ed25519(_) => "EdDSA",
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        match self {
            Signer::P256(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig",
                    "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
            }
            Signer::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode(key.public_key())})
            }
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = match self {
            Signer::P256(key) => key.sign(&SystemRandom::new(), message.as_bytes()).expect("signed").as_ref().to_vec(),
            Signer::Ed25519(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What the provider says, and what it was asked.
#[derive(Default)]
struct Says {
    issuer: String,
    keys: Vec<Value>,
    token: Value,
    status: u16,
    fetched: usize,
    asked: Vec<(HeaderMap, HashMap<String, String>)>,
}

#[derive(Clone)]
struct Provider {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
}

impl Provider {
    async fn start() -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let says = Says { issuer: format!("http://{address}"), status: 200, ..Says::default() };
        let provider = Provider { address, says: Arc::new(Mutex::new(says)) };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describes))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Says) -> T) -> T {
        change(&mut self.says.lock().expect("nobody panics"))
    }
}

async fn describes(State(provider): State<Provider>) -> Json<Value> {
    let at = provider.issuer();
    let issuer = provider.with(|says| {
        says.fetched += 1;
        says.issuer.clone()
    });
    Json(json!({"issuer": issuer, "authorization_endpoint": format!("{at}/authorize?a=b"),
        "token_endpoint": format!("{at}/token"), "jwks_uri": format!("{at}/keys")}))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let mut keys = vec![json!({"kty": "of another kind", "kid": "x"})];
    keys.extend(provider.with(|says| says.keys.clone()));
    Json(json!({"keys": keys}))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, Json<Value>) {
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    let (status, token) = provider.with(|says| {
        says.asked.push((headers, form));
        (says.status, says.token.clone())
    });
    (axum::http::StatusCode::from_u16(status).expect("a status"), Json(token))
}

/// Somebody who has gone to the provider.
struct Gone {
    cookie: String,
    query: HashMap<String, String>,
}

impl Gone {
    async fn to(hub: &Hub) -> Gone {
        let answer = hub.send(request("GET", BEGIN).body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let there = answer.headers[header::LOCATION].to_str().expect("text").parse::<url::Url>().expect("a URL");
        assert_eq!(there.path(), "/authorize");
        Gone { cookie: cookie_of(&answer), query: there.query_pairs().into_owned().collect() }
    }

    async fn back(&self, hub: &Hub, query: &str) -> Answer {
        let request = request("GET", &format!("{CALLBACK}?{query}")).header(header::COOKIE, &self.cookie);
        hub.send(request.body(Body::empty()).expect("a request")).await
    }

    /// With a code, as the provider sends a browser back.
    async fn with_code(&self, hub: &Hub) -> Answer {
        self.back(hub, &format!("code=c0de&session_state=x&state={}", self.query["state"])).await
    }

    fn claims(&self, hub: &Hub, provider: &Provider) -> Value {
        let now = hub.now().micros() / 1_000_000;
        json!({"iss": provider.issuer(), "aud": "openhub", "sub": "248289761001", "nonce": self.query["nonce"],
            "iat": now, "exp": now + 300, "email": "Ada@Example.com", "email_verified": true, "name": "Ada"})
    }
}

/// A tenant whose provider signs with a key, and lets nobody in who was not invited.
async fn set_up(signer: &Signer) -> (Hub, Tenant, Provider) {
    let provider = Provider::start().await;
    provider.with(|says| says.keys = vec![signer.jwk("one")]);
    let hub = Hub::published(provider.address).await;
    let shop = hub.tenant("shop").await;
    let body = json!({"issuer": provider.issuer(), "client_id": "openhub", "client_secret": SECRET});
    let set = hub.call("PUT", SETTINGS, &shop.api_key, Some(body)).await;
    assert_eq!(set.status, 200, "{set:?}");
    (hub, shop, provider)
}

/// Comes back with a token that says so.
async fn come(hub: &Hub, provider: &Provider, signer: &Signer, change: impl FnOnce(&mut Value)) -> Answer {
    let gone = Gone::to(hub).await;
    let mut claims = gone.claims(hub, provider);
    change(&mut claims);
    let token = signer.token(&json!({"alg": signer.algorithm(), "kid": "one"}), &claims);
    provider.with(|says| says.token = json!({"id_token": token, "access_token": "a", "token_type": "Bearer"}));
    gone.with_code(hub).await
}

/// The cookie of the session that an answer begins.
fn session_of(answer: &Answer) -> Option<String> {
    let all = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|set| set.to_str().ok());
    let pairs = all.filter_map(|set| set.split(';').next()).map(str::to_owned);
    pairs.into_iter().find(|pair| pair.starts_with("__Host-openhub="))
}

async fn nobody_came(hub: &Hub, shop: &Tenant, answer: &Answer) {
    assert_eq!(session_of(answer), None, "{answer:?}");
    let persons = hub.get("/api/v1/persons", &shop.api_key).await;
    let persons = persons.body["persons"].as_array().expect("a list").clone();
    assert!(
        persons.iter().all(|person| person["logged_in_at"].is_null() && person["by_provider"] == false),
        "{persons:?}"
    );
    let filter = AuditFilter { act: Some(format!("GET {CALLBACK}")), limit: 9, ..AuditFilter::default() };
    assert!(hub.store.audit(&Scope::of(shop.id), &filter).await.expect("the log").is_empty());
}

#[tokio::test]
async fn somebody_who_was_invited_logs_in_at_the_tenants_identity_provider() {
    for signer in [Signer::p256(), Signer::ed25519()] {
        let (hub, shop, provider) = set_up(&signer).await;
        let (id, _) = invited(&hub, &shop, "ada@example.com", "marketer").await;
        let gone = Gone::to(&hub).await;
        let asked = |name: &str| gone.query[name].as_str();
        assert_eq!((asked("response_type"), asked("client_id"), asked("a")), ("code", "openhub", "b"));
        assert_eq!(asked("redirect_uri"), format!("https://hub.test{CALLBACK}"));
        let token = signer.token(&json!({"alg": signer.algorithm(), "kid": "one"}), &gone.claims(&hub, &provider));
        provider.with(|says| says.token = json!({"id_token": token}));
        let answer = gone.with_code(&hub).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.headers[header::LOCATION], "/home?a=b");
        let ada = Visitor { hub: &hub, cookie: session_of(&answer).expect("a session"), id: id.clone() };
        let session = ada.get("/api/v1/session").await;
        assert_eq!((session.status, &session.body["person"]), (200, &json!(id)));
        // The provider was shown the code, the client and the verifier of the challenge.
        let (headers, form) = provider.with(|says| says.asked.pop()).expect("it was asked");
        assert_eq!((form["code"].as_str(), form["grant_type"].as_str()), ("c0de", "authorization_code"));
        assert_eq!(URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"])), asked("code_challenge"));
        let basic = STANDARD.encode("openhub:the+client%27s+%2F+secret");
        assert_eq!(headers[header::AUTHORIZATION], format!("Basic {basic}"));
        let database = String::from_utf8_lossy(&hub.database()).into_owned();
        assert!(!database.contains(SECRET), "the secret is sealed");

        let shown = hub.get(&format!("/api/v1/persons/{id}"), &shop.api_key).await;
        assert_eq!((&shown.body["status"], &shown.body["by_provider"]), (&json!("active"), &json!(true)));
        assert!(shown.body["invited_until"].is_null(), "the invitation has ended: {shown:?}");
        let filter = AuditFilter { who: Some(id), limit: 9, ..AuditFilter::default() };
        let acts = hub.store.audit(&Scope::of(shop.id), &filter).await.expect("the log");
        assert_eq!(acts.iter().map(|entry| entry.act.as_str()).collect::<Vec<_>>(), [format!("GET {CALLBACK}")]);
        // From now on the provider's name for the person counts, and the address does not.
        let other = come(&hub, &provider, &signer, |claims| claims["email"] = json!("countess@example.com")).await;
        assert!(session_of(&other).is_some(), "{other:?}");
        let taken = come(&hub, &provider, &signer, |claims| claims["sub"] = json!("somebody else")).await;
        assert_eq!(
            (taken.status, &taken.body["code"]),
            (403, &json!("oidc-not-invited")),
            "an address is not handed on"
        );
    }
}

#[tokio::test]
async fn each_wrong_answer_is_refused_by_its_own_problem_and_leaves_no_session() {
    let (signer, other) = (Signer::p256(), Signer::p256());
    let (hub, shop, provider) = set_up(&signer).await;
    invited(&hub, &shop, "ada@example.com", "marketer").await;
    let now = hub.now().micros() / 1_000_000;
    let wrong: [(&str, Value, &str); 16] = [
        ("iss", json!("https://evil.example"), "oidc-wrong-issuer"),
        ("aud", json!("another"), "oidc-wrong-audience"),
        ("aud", json!([]), "oidc-wrong-audience"),
        ("aud", json!(["openhub", "another"]), "oidc-wrong-audience"),
        ("azp", json!("another"), "oidc-wrong-audience"),
        ("nonce", json!("another"), "oidc-wrong-nonce"),
        ("nonce", json!(null), "oidc-wrong-nonce"),
        ("exp", json!(now - 61), "oidc-wrong-clock"),
        ("iat", json!(now + 61), "oidc-wrong-clock"),
        ("iat", json!(now - 601), "oidc-wrong-clock"),
        ("nbf", json!(now + 61), "oidc-wrong-clock"),
        ("exp", json!("soon"), "oidc-refused"),
        ("sub", json!(""), "oidc-refused"),
        ("email_verified", json!(false), "oidc-unverified-address"),
        ("email", json!(null), "oidc-unverified-address"),
        ("email", json!("bob@example.com"), "oidc-not-invited"),
    ];
    for (claim, value, code) in wrong {
        let answer = come(&hub, &provider, &signer, |claims| claims[claim] = value.clone()).await;
        assert_eq!(answer.body["code"], code, "{claim}: {value}: {answer:?}");
        assert!([401, 403].contains(&answer.status), "{claim}: {answer:?}");
        nobody_came(&hub, &shop, &answer).await;
    }
    // What was signed, and how.
    let gone = Gone::to(&hub).await;
    let claims = gone.claims(&hub, &provider);
    let header = json!({"alg": "ES256", "kid": "one"});
    let right = signer.token(&header, &claims);
    let (message, signature) = right.rsplit_once('.').expect("three parts");
    let mut forged = claims.clone();
    forged["email"] = json!("owner@example.com");
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let head = message.split('.').next().expect("a header");
    // With the public key as if it were a password, and with nothing at all.
    let unsigned = |header: Value| format!("{}.{}.", URL_SAFE_NO_PAD.encode(header.to_string()), forged);
    for token in [
        other.token(&header, &claims),
        signer.token(&json!({"alg": "ES256", "kid": "two"}), &claims),
        signer.token(&json!({"alg": "ES384", "kid": "one"}), &claims),
        signer.token(&json!({"alg": "HS256", "kid": "one"}), &claims),
        signer.token(&json!({"alg": "ES256", "kid": "one", "crit": ["x"], "x": 1}), &claims),
        format!("{head}.{forged}.{signature}"),
        format!("{message}."),
        message.to_owned(),
        unsigned(json!({"alg": "none"})),
        unsigned(json!({"alg": "HS256", "kid": "one"})),
        "no token".to_owned(),
    ] {
        provider.with(|says| says.token = json!({"id_token": token}));
        let answer = gone.with_code(&hub).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("oidc-wrong-signature")), "{token}: {answer:?}");
        nobody_came(&hub, &shop, &answer).await;
    }
    provider.with(|says| says.token = json!({"id_token": right}));
    assert!(session_of(&gone.with_code(&hub).await).is_some(), "the right one is right");
}

#[tokio::test]
async fn a_log_in_belongs_to_the_browser_that_began_it() {
    let signer = Signer::p256();
    let (hub, shop, provider) = set_up(&signer).await;
    invited(&hub, &shop, "ada@example.com", "marketer").await;
    let gone = Gone::to(&hub).await;
    let token = signer.token(&json!({"alg": "ES256"}), &gone.claims(&hub, &provider));
    provider.with(|says| says.token = json!({"id_token": token}));
    let state = &gone.query["state"];
    let stranger = Gone { cookie: "a=b".to_owned(), query: gone.query.clone() };
    let other = Gone::to(&hub).await;
    let evil = encode("https://evil.example");
    for (answer, code) in [
        (stranger.with_code(&hub).await, "oidc-wrong-state"),
        (Gone { cookie: other.cookie, query: gone.query.clone() }.with_code(&hub).await, "oidc-wrong-state"),
        (gone.back(&hub, "code=c0de").await, "oidc-wrong-state"),
        (gone.back(&hub, "code=c0de&state=another").await, "oidc-wrong-state"),
        (gone.back(&hub, &format!("code=c0de&state={state}&iss={evil}")).await, "oidc-wrong-issuer"),
        (gone.back(&hub, &format!("error=access_denied&state={state}")).await, "oidc-refused"),
        (gone.back(&hub, &format!("state={state}")).await, "oidc-refused"),
    ] {
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(code)), "{answer:?}");
        nobody_came(&hub, &shop, &answer).await;
    }
    assert!(provider.with(|says| says.asked.is_empty()), "the provider is asked nothing for such an answer");
    provider.with(|says| (says.status, says.token) = (400, json!({"error": "invalid_grant"})));
    let refused = gone.with_code(&hub).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("oidc-refused")), "{refused:?}");
    assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains("`invalid_grant`")));
    hub.advance(Duration::from_secs(600));
    assert_eq!(gone.with_code(&hub).await.body["code"], "oidc-wrong-state", "ten minutes are over");
    for elsewhere in ["//evil.example", "https://evil.example", "home"] {
        let path = format!("/api/v1/session/oidc?tenant=shop&return_to={}", encode(elsewhere));
        let answer = hub.send(request("GET", &path).body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.body["faults"][0]["pointer"], "/return_to", "{elsewhere}: {answer:?}");
    }
}

#[tokio::test]
async fn a_new_key_of_the_providers_is_looked_for_and_an_old_one_ends() {
    let (first, second) = (Signer::p256(), Signer::p256());
    let (hub, shop, provider) = set_up(&first).await;
    invited(&hub, &shop, "ada@example.com", "marketer").await;
    for _ in 0..3 {
        assert!(session_of(&come(&hub, &provider, &first, |_| ()).await).is_some());
    }
    assert_eq!(provider.with(|says| says.fetched), 1, "what was fetched is kept");
    provider.with(|says| says.keys = vec![second.jwk("two")]);
    let gone = Gone::to(&hub).await;
    let token = second.token(&json!({"alg": "ES256", "kid": "two"}), &gone.claims(&hub, &provider));
    provider.with(|says| says.token = json!({"id_token": token}));
    let early = gone.with_code(&hub).await;
    assert_eq!(
        early.body["code"], "oidc-wrong-signature",
        "who sends names of keys does not have the provider asked each time"
    );
    hub.advance(Duration::from_secs(10));
    assert!(session_of(&gone.with_code(&hub).await).is_some());
    assert_eq!(provider.with(|says| says.fetched), 2);
    hub.advance(Duration::from_secs(10));
    let old = come(&hub, &provider, &first, |_| ()).await;
    assert_eq!(old.body["code"], "oidc-wrong-signature", "{old:?}");
}

#[tokio::test]
async fn newcomers_of_the_tenants_domains_come_in_with_the_role_that_it_gives() {
    let signer = Signer::p256();
    let (hub, shop, provider) = set_up(&signer).await;
    let settings = json!({"issuer": provider.issuer(), "client_id": "openhub", "domains": ["Example.com"], "newcomers": "analyst"});
    let set = hub.call("PUT", SETTINGS, &shop.api_key, Some(settings)).await;
    assert_eq!((set.status, &set.body["domains"]), (200, &json!(["example.com"])), "{set:?}");
    let elsewhere =
        come(&hub, &provider, &signer, |claims| claims["email"] = json!("ada@example.com.evil.example")).await;
    assert_eq!((elsewhere.status, &elsewhere.body["code"]), (403, &json!("oidc-not-invited")));
    let answer = come(&hub, &provider, &signer, |_| ()).await;
    let ada = Visitor { hub: &hub, cookie: session_of(&answer).expect("a session"), id: String::new() };
    let session = ada.get("/api/v1/session").await;
    assert_eq!(
        (&session.body["role"], &session.body["email"], &session.body["name"]),
        (&json!("analyst"), &json!("ada@example.com"), &json!("Ada"))
    );
    assert_eq!(hub.get("/api/v1/persons", &shop.api_key).await.body["persons"].as_array().map(Vec::len), Some(1));
    // Who was removed comes in again as a newcomer, unless the domain is not the tenant's any more.
    let settings = json!({"issuer": provider.issuer(), "client_id": "openhub", "domains": ["example.org"], "newcomers": "analyst"});
    assert_eq!(hub.call("PUT", SETTINGS, &shop.api_key, Some(settings)).await.status, 200);
    assert_eq!(come(&hub, &provider, &signer, |_| ()).await.status, 403);
}

#[tokio::test]
async fn who_has_a_second_factor_shows_it_after_the_provider_too() {
    let signer = Signer::p256();
    let (hub, shop, provider) = set_up(&signer).await;
    let owner = visitor(&hub, &shop, "owner").await;
    let path = "/api/v1/session/second-factor";
    let begun = owner.ask("POST", path, Some(json!({"password": PASSWORD}))).await;
    let app = crate::second_factor::App::of(&begun);
    assert_eq!(owner.ask("PUT", path, Some(json!({"code": app.code(&hub)}))).await.status, 201);
    hub.advance(Duration::from_secs(30));
    let answer = come(&hub, &provider, &signer, |claims| claims["email"] = json!("owner@example.com")).await;
    assert_eq!((answer.status, session_of(&answer)), (303, None), "{answer:?}");
    assert_eq!(answer.headers[header::LOCATION], "/home?a=b&second_factor=needed");
    let proven = Visitor { hub: &hub, cookie: cookie_of(&answer), id: owner.id.clone() };
    assert_eq!(proven.get("/api/v1/session").await.status, 401);
    let confirm = async |code: &str| proven.ask("POST", "/api/v1/session/oidc", Some(json!({"code": code}))).await;
    let code = app.code(&hub);
    let other = if code == "000000" { "111111" } else { "000000" };
    assert_eq!(confirm(other).await.body["code"], "login-refused");
    assert_eq!(
        proven
            .ask_from(Some("https://evil.example"), "POST", "/api/v1/session/oidc", Some(json!({"code": code})))
            .await
            .status,
        403
    );
    let confirmed = confirm(&code).await;
    assert_eq!((confirmed.status, &confirmed.body["person"]), (201, &json!(owner.id)), "{confirmed:?}");
    assert!(session_of(&confirmed).is_some());
    assert_eq!(confirm(&code).await.body["code"], "login-refused", "it works once");
    hub.advance(Duration::from_secs(300));
    assert_eq!(confirm(&app.code(&hub)).await.body["code"], "oidc-wrong-state", "five minutes are over");
}

#[tokio::test]
async fn the_settings_are_an_owners_and_the_secret_is_nobodys() {
    let signer = Signer::p256();
    let (hub, shop, provider) = set_up(&signer).await;
    let shown = hub.get(SETTINGS, &shop.api_key).await;
    assert!(!shown.body.to_string().contains("secret"), "{shown:?}");
    assert_eq!(shown.body["redirect_uri"], format!("https://hub.test{CALLBACK}"));
    let admin = log_in_as(&hub, &shop, "shop", "admin").await;
    let settings = json!({"issuer": provider.issuer(), "client_id": "mine"});
    let refused = admin.ask("PUT", SETTINGS, Some(settings.clone())).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("wider-than-own")));
    assert_eq!(admin.ask("DELETE", SETTINGS, None).await.status, 403);
    assert_eq!(hub.call("PUT", SETTINGS, &shop.api_key, Some(settings)).await.status, 200, "the secret stays");
    let faults = async |body: Value| {
        let answer = hub.call("PUT", SETTINGS, &shop.api_key, Some(body)).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.body["faults"]
            .as_array()
            .expect("faults")
            .iter()
            .map(|fault| fault["pointer"].clone())
            .collect::<Vec<_>>()
    };
    for (body, pointers) in [
        (json!({"issuer": "https://idp.example", "client_id": "mine"}), json!(["/client_secret"])),
        (json!({"issuer": "http://idp.example", "client_id": "mine", "client_secret": "s"}), json!(["/issuer"])),
        (json!({"issuer": "https://10.0.0.1", "client_id": "mine", "client_secret": "s"}), json!(["/issuer"])),
        (
            json!({"issuer": provider.issuer(), "client_id": "", "domains": ["a@b"], "newcomers": "king"}),
            json!(["/client_id", "/domains/0", "/newcomers"]),
        ),
        (json!({"issuer": provider.issuer(), "client_id": "mine", "newcomers": "analyst"}), json!(["/domains"])),
    ] {
        assert_eq!(json!(faults(body.clone()).await), pointers, "{body}");
    }
    assert_eq!(hub.call("DELETE", SETTINGS, &shop.api_key, None).await.status, 204);
    assert_eq!(hub.get(SETTINGS, &shop.api_key).await.status, 404);
    for tenant in ["shop", "nobody"] {
        let path = format!("/api/v1/session/oidc?tenant={tenant}");
        let answer = hub.send(request("GET", &path).body(Body::empty()).expect("a request")).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("oidc-not-set-up")), "{tenant}");
    }
}

#[tokio::test]
async fn the_last_owner_who_logs_in_at_the_provider_keeps_it() {
    let signer = Signer::p256();
    let (hub, shop, provider) = set_up(&signer).await;
    let (id, _) = invited(&hub, &shop, "ada@example.com", "owner").await;
    assert!(session_of(&come(&hub, &provider, &signer, |_| ()).await).is_some());
    for path in [SETTINGS.to_owned(), format!("/api/v1/persons/{id}")] {
        let kept = hub.call("DELETE", &path, &shop.api_key, None).await;
        assert_eq!((kept.status, &kept.body["code"]), (409, &json!("last-owner")), "{path}: {kept:?}");
    }
    let again = hub.call("POST", &format!("/api/v1/persons/{id}/invitation"), &shop.api_key, None).await;
    let invitation = json!({"invitation": again.body["invitation"], "password": PASSWORD});
    assert_eq!(open(&hub, "POST", "/api/v1/invitation", invitation).await.status, 204);
    assert_eq!(hub.call("DELETE", SETTINGS, &shop.api_key, None).await.status, 204, "there is a password");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_as_it_should_is_told_apart_from_the_hub() {
    let signer = Signer::p256();
    let (hub, shop, provider) = set_up(&signer).await;
    invited(&hub, &shop, "ada@example.com", "marketer").await;
    let begin = async || hub.send(request("GET", BEGIN).body(Body::empty()).expect("a request")).await;
    provider.with(|says| says.issuer = "https://another.example".to_owned());
    assert_eq!(begin().await.body["code"], "oidc-wrong-issuer");
    assert_eq!(begin().await.body["code"], "identity-provider-failed", "it is not asked again at once");
    assert_eq!(provider.with(|says| says.fetched), 1);
    provider.with(|says| says.issuer = provider.issuer());
    hub.advance(Duration::from_secs(10));
    let gone = Gone::to(&hub).await;
    for (status, token) in [(503, json!({})), (200, json!({"access_token": "a"})), (200, json!("x"))] {
        provider.with(|says| (says.status, says.token) = (status, token));
        let answer = gone.with_code(&hub).await;
        assert_eq!((answer.status, &answer.body["code"]), (502, &json!("identity-provider-failed")), "{answer:?}");
        nobody_came(&hub, &shop, &answer).await;
    }
}
