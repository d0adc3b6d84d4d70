//! A hub in a process of its own, in a folder and on a database of the test's, spoken to as a stranger would.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::OnceLock;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use xtask::build::{self, Profile};
use xtask::demo::setup::Tenant;
use xtask::demo::site::Site;
use xtask::process::Server;
use xtask::test::{HUB, RECEIVER};

use crate::guests::root;
use crate::patience::until;

/// A hub that answers no change and no preview before all is done, however slow the machine is.
const PATIENT: [(&str, &str); 2] = [("OPENHUB_WRITE_WAIT_SECONDS", "60"), ("OPENHUB_PREVIEW_SECONDS", "60")];

/// What the tests run.
pub struct Programs {
    pub hub: PathBuf,
    /// Also the demo.
    pub receiver: PathBuf,
    /// Our plugins.
    pub components: Vec<(String, Vec<u8>)>,
}

/// Built by `cargo xtask test`, which names them in the environment, else built here, once a process.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| find().unwrap_or_else(|error| panic!("what the tests run does not build: {error:#}")))
}

fn find() -> anyhow::Result<Programs> {
    let root = root();
    let (hub, receiver) = match (std::env::var_os(HUB), std::env::var_os(RECEIVER)) {
        (Some(hub), Some(receiver)) => (hub.into(), receiver.into()),
        _ => {
            build::guests(&root)?;
            (build::hub(&root, Profile::Dev)?, build::binary(&root, "xtask", Profile::Dev)?)
        }
    };
    Ok(Programs { hub, receiver, components: build::built(&root)? })
}

/// The place of a hub, gone with the value.
pub struct Place {
    site: Site,
    _folder: TempDir,
}

impl Deref for Place {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Place {
    /// `database` is the URL of a PostgreSQL database; none is SQLite.
    pub fn new(database: Option<String>) -> Place {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("openhub-test-").tempdir().expect("a temporary folder");
        let database = database.unwrap_or_else(|| format!("sqlite://{}", folder.path().join("openhub.db").display()));
        let (hub, receiver) = (programs.hub.clone(), programs.receiver.clone());
        let settings = PATIENT.to_vec();
        Place { site: Site { hub, receiver, folder: folder.path().to_owned(), database, settings }, _folder: folder }
    }

    pub async fn tenant(&self, clock: &str) -> Tenant {
        self.create_tenant(&format!("test-{clock}"), clock).await.expect("a tenant is made")
    }

    pub async fn serve(&self) -> Server {
        self.start_hub("127.0.0.1:0", &[]).await.expect("the hub starts")
    }

    /// Starts a hub where another one ended. Somebody else may have the port for a moment.
    pub async fn start_again(&self, address: &str, flags: &[String]) -> Server {
        until("the hub starts again", async || match self.start_hub(address, flags).await {
            Err(error) if format!("{error:#}").contains("in use") => None,
            started => Some(started.expect("the hub starts again")),
        })
        .await
    }
}

/// An answer as it came, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: String,
    pub body: Value,
}

impl Answer {
    /// The stable end of a problem's type.
    pub fn problem(&self) -> &str {
        self.body["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default()
    }
}

/// A client that judges no status.
pub struct Client {
    client: reqwest::Client,
    base: String,
}

impl Client {
    pub fn new(base: &str) -> Client {
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Client { client, base: base.to_owned() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("the hub answers");
        let status = answer.status();
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let text = answer.text().await.expect("the answer is whole");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, content_type, body }
    }

    pub async fn json(&self, method: Method, path: &str, key: &str, body: &Value) -> Answer {
        self.send(self.request(method, path).bearer_auth(key).json(body)).await
    }

    pub async fn get(&self, path: &str, key: &str) -> Answer {
        self.send(self.request(Method::GET, path).bearer_auth(key)).await
    }

    /// A Segment call: the write key as the user of Basic auth.
    pub async fn ingest(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).basic_auth(key, Some("")).json(body)).await
    }

    pub async fn upload(&self, key: &str, component: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, "/api/v1/plugins").bearer_auth(key);
        self.send(request.header("content-type", "application/wasm").body(component)).await
    }

    /// Sets a plugin up and enables it; panics if the hub does not.
    pub async fn enable(&self, key: &str, component: Vec<u8>) {
        let installed = self.upload(key, component).await;
        assert_eq!(installed.status, StatusCode::CREATED, "{:?}", installed.body);
        let name = installed.body["name"].as_str().expect("a name").to_owned();
        let path = format!("/api/v1/plugins/{name}/enable");
        let enabled =
            self.json(Method::POST, &path, key, &serde_json::json!({"accept": installed.body["digest"]})).await;
        assert_eq!(enabled.body["status"], "enabled", "{:?}", enabled.body);
    }

    /// Waits until the engine has passed everything that has come in.
    pub async fn settled(&self, key: &str) -> Value {
        until("the checkpoint passes all events", || async {
            let status = self.get("/api/v1/status", key).await.body;
            (status["behind"] == 0).then_some(status)
        })
        .await
    }

    /// Every row of a list.
    pub async fn rows(&self, path: &str, rows: &str, key: &str) -> Vec<Value> {
        let api = xtask::demo::Api::new(&self.base, key).expect("an HTTP client");
        let mut all = Vec::new();
        let see = |row: &Value| {
            all.push(row.clone());
            Ok(())
        };
        api.each(path, rows, see).await.expect("the list is read");
        all
    }
}
