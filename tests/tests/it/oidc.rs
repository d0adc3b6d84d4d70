//! People log in at a real OpenID provider (npm: `oidc-provider`), through the real hub, as a browser does it.

use std::collections::BTreeMap;
use std::time::Duration;

use openhub_test_postgres::Server as Postgres;
use openhub_tests::guests::root;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use reqwest::{Method, StatusCode, Url, header};
use serde_json::{Value, json};
use tokio::process::Command;
use xtask::packages;
use xtask::process::Server;

/// Where browsers reach the hub: the one of this test knows which address that is.
const PUBLIC: &str = "http://hub.test";
const CALLBACK: &str = "/api/v1/session/oidc/callback";
const SETTINGS: &str = "/api/v1/identity-provider";

#[tokio::test]
async fn sqlite() {
    log_in(Place::new(None)).await;
}

#[tokio::test]
async fn postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    log_in(Place::new(Some(server.database().await.expect("a database")))).await;
}

async fn provider(place: &Place, port: &str) -> Server {
    let modules = packages::node(&root()).expect("the packages are installed");
    let mut node = Command::new("node");
    node.arg(root().join("tests/libraries/identity-provider.mjs")).args([port, &format!("{PUBLIC}{CALLBACK}")]);
    node.env("NODE_PATH", modules);
    Server::start(&mut node, &place.folder.join("identity-provider.log")).await.expect("the provider starts")
}

/// Follows redirects, fills in forms, and keeps the cookies of each host apart.
struct Browser {
    client: reqwest::Client,
    hub: String,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

struct Page {
    status: StatusCode,
    url: Url,
    body: String,
}

impl Browser {
    fn new(hub: &str) -> Browser {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Browser { client: client.build().expect("a client"), hub: hub.to_owned(), cookies: BTreeMap::new() }
    }

    async fn open(&mut self, url: &str) -> Page {
        self.go(Method::GET, url.parse().expect("a URL"), None).await
    }

    /// Until nothing leads on, or to a page of the hub that is no route of its API.
    async fn go(&mut self, method: Method, url: Url, form: Option<&str>) -> Page {
        let (mut method, mut url, mut form) = (method, url, form.map(str::to_owned));
        for _ in 0..20 {
            let there = url.as_str().replacen(PUBLIC, &self.hub, 1);
            let host = format!("{}:{:?}", url.host_str().expect("a host"), url.port());
            let jar = self.cookies.entry(host).or_default();
            let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut request = self.client.request(method, there).header(header::COOKIE, pairs.join("; "));
            if let Some(form) = form.take() {
                request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
            }
            let answer = request.send().await.expect("an answer");
            for set in answer.headers().get_all(header::SET_COOKIE) {
                let (name, value) =
                    set.to_str().expect("text").split(';').next().expect("a pair").split_once('=').expect("a pair");
                match value {
                    "" => jar.remove(name),
                    value => jar.insert(name.to_owned(), value.to_owned()),
                };
            }
            let status = answer.status();
            let leads = answer.headers().get(header::LOCATION).map(|there| there.to_str().expect("text").to_owned());
            let body = answer.text().await.expect("a body");
            let Some(leads) = leads else { return Page { status, url, body } };
            url = url.join(&leads).expect("a URL");
            if url.as_str().starts_with(&format!("{PUBLIC}/home")) {
                return Page { status, url, body };
            }
            method = Method::GET;
        }
        panic!("it leads in a circle, to {url}");
    }

    /// Sends the page's form.
    async fn submit(&mut self, page: &Page, filled: &str) -> Page {
        let between = |before: &str| page.body.split_once(before).and_then(|(_, rest)| rest.split('"').next());
        let action = between("action=\"").unwrap_or_else(|| panic!("a form: {}", page.body));
        let prompt =
            page.body.split_once("name=\"prompt\" value=\"").expect("a form").1.split('"').next().expect("its value");
        let url = page.url.join(action).expect("a URL");
        self.go(Method::POST, url, Some(&format!("prompt={prompt}&{filled}"))).await
    }

    /// Logs in at the provider as somebody, and agrees that the hub may know.
    async fn log_in(&mut self, tenant: &str, as_whom: &str) -> Page {
        let page = self.open(&format!("{PUBLIC}/api/v1/session/oidc?tenant={tenant}&return_to=/home")).await;
        let page = self.submit(&page, &format!("login={as_whom}&password=any")).await;
        self.submit(&page, "").await
    }

    async fn session(&mut self) -> Value {
        let page = self.open(&format!("{PUBLIC}/api/v1/session")).await;
        serde_json::from_str(&page.body).expect("JSON")
    }
}

async fn log_in(place: Place) {
    let tenant = place.tenant("live").await;
    let idp = provider(&place, "0").await;
    let port = idp.address().rsplit(':').next().expect("a port").to_owned();
    let config = place.folder.join("openhub.toml");
    std::fs::write(&config, format!("public_url = \"{PUBLIC}\"\n")).expect("it is written");
    let flags = [format!("--allow-private={}", idp.address()), format!("--config={}", config.display())];
    let hub = place.start_hub("127.0.0.1:0", &flags).await.expect("the hub starts");
    let client = Client::new(&hub.url);
    let invited = json!({"email": "ada@example.com", "role": "owner"});
    let invited = client.json(Method::POST, "/api/v1/persons", &tenant.api_key, &invited).await;
    assert_eq!(invited.status, StatusCode::CREATED, "{invited:?}");
    let settings = json!({"issuer": idp.url, "client_id": "openhub", "client_secret": "a secret of the client",
        "domains": ["example.com"], "newcomers": "analyst"});
    let set = client.json(Method::PUT, SETTINGS, &tenant.api_key, &settings).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");

    let mut ada = Browser::new(&hub.url);
    let home = ada.log_in("test-live", "ada").await;
    assert_eq!((home.status, home.url.as_str()), (StatusCode::SEE_OTHER, "http://hub.test/home"), "{}", home.body);
    let session = ada.session().await;
    assert_eq!((&session["person"], &session["scopes"]), (&invited.body["id"], &json!(["*"])), "{session}");
    let mut bob = Browser::new(&hub.url);
    assert_eq!(bob.log_in("test-live", "bob").await.url.path(), "/home");
    assert_eq!(bob.session().await["role"], "analyst", "nobody has invited him");
    // Whose address the provider has not verified, and who does not agree.
    let mut eve = Browser::new(&hub.url);
    let refused = eve.log_in("test-live", "eve").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert!(refused.body.contains("oidc-unverified-address"), "{}", refused.body);
    assert_eq!(eve.session().await["code"], "unauthenticated");
    let mut eve = Browser::new(&hub.url);
    let page = eve.open(&format!("{PUBLIC}/api/v1/session/oidc?tenant=test-live")).await;
    let abort = format!("{}/abort", page.url);
    let refused = eve.open(&abort).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.body);
    assert!(refused.body.contains("`access_denied`"), "{}", refused.body);
    assert_eq!(eve.session().await["code"], "unauthenticated");
    // The client's secret is wrong.
    let wrong = json!({"issuer": idp.url, "client_id": "openhub", "client_secret": "another"});
    assert_eq!(client.json(Method::PUT, SETTINGS, &tenant.api_key, &wrong).await.status, StatusCode::OK);
    let refused = Browser::new(&hub.url).log_in("test-live", "ada").await;
    assert!(refused.body.contains("oidc-refused") && refused.body.contains("`invalid_client`"), "{}", refused.body);
    let right = json!({"issuer": idp.url, "client_id": "openhub", "client_secret": "a secret of the client"});
    assert_eq!(client.json(Method::PUT, SETTINGS, &tenant.api_key, &right).await.status, StatusCode::OK);
    // The provider comes back with another key. Who was let in stays known; who is new has nobody's invitation now.
    let ended = idp.stop().await;
    assert!(ended.is_ok(), "{ended:?}");
    let idp = provider(&place, &port).await;
    // Its new key is fetched when the old ones do not have it, ten seconds after they were fetched at the soonest.
    let ada = until("the new key is fetched", async || {
        let mut ada = Browser::new(&hub.url);
        if ada.log_in("test-live", "ada").await.url.path() == "/home" {
            return Some(ada);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        None
    });
    let mut ada = ada.await;
    assert_eq!(ada.session().await["person"], invited.body["id"]);
    let carol = Browser::new(&hub.url).log_in("test-live", "carol").await;
    assert!(carol.body.contains("oidc-not-invited"), "{}", carol.body);
    assert!(idp.stop().await.is_ok());
    assert!(hub.stop().await.expect("the hub ends").success());
}
