//! A hub in a temporary directory, and requests to it.

use crate::described;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use openhub_api::{Apart, App, KeyScopes, Limits, Provisioner, Routers, mint_key, routers};
use openhub_engine::{Bounds, Config as EngineConfig, Engine, Sealer};
use openhub_model::{ClockKind, TenantId, Timestamp};
use openhub_runtime::{Config as RuntimeConfig, Runtime};
use openhub_store::{AuditFilter, Changes, Config as StoreConfig, Key, Lease, Scope, Store, StoreError};
use serde::Serialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// After this long without an event a lane looks for more, and lets go of the customers that it holds: tests write behind
/// its back.
const POLL: Duration = Duration::from_millis(5);
/// How long a test waits for what a slow machine has yet to do.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Limits under which a slow machine gives the same answers as a fast one: nobody is answered before all is done.
pub fn limits() -> Limits {
    Limits {
        body_time: PATIENCE,
        body_grace: PATIENCE,
        write_wait: PATIENCE,
        preview_time: PATIENCE,
        condition_time: PATIENCE,
        export_time: PATIENCE,
        clock_wait: PATIENCE,
        ..Limits::default()
    }
}

/// Looks again and again until there is something, and gives up with a panic that says what was waited for.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited {} s for this: {what}", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

pub struct Hub {
    pub store: Store,
    pub engine: Arc<Engine>,
    pub stopping: CancellationToken,
    router: Router,
    provisioner: Provisioner,
    app: Arc<App>,
    clock: Arc<AtomicI64>,
    keys: AtomicU64,
    url: String,
    directory: TempDir,
}

/// A tenant with its keys.
pub struct Tenant {
    pub id: TenantId,
    /// A page's.
    pub write_key: String,
    /// A write key that stays on a server.
    pub server_key: String,
    pub api_key: String,
}

/// Another node that holds all leases.
pub struct Usurped {
    store: Store,
}

impl Usurped {
    pub async fn release(self) {
        self.store.leave().await.expect("they are given back");
        self.store.close().await;
    }
}

#[derive(Debug, Serialize)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    #[serde(skip)]
    pub headers: axum::http::HeaderMap,
}

impl Hub {
    pub async fn start() -> Hub {
        Hub::with_limits(limits()).await
    }

    pub async fn with_limits(limits: Limits) -> Hub {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("hub.db").display());
        Hub::with(url, directory, limits, Bounds::default()).await
    }

    /// Where so much may wait for the engine.
    pub async fn with_bounds(bounds: Bounds) -> Hub {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("hub.db").display());
        Hub::with(url, directory, limits(), bounds).await
    }

    /// That may reach these addresses of this machine.
    pub async fn reaching(addresses: &[SocketAddr]) -> Hub {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("hub.db").display());
        let allowed = addresses.iter().map(|address| address.to_string().parse().expect("a host and a port"));
        let runtime = RuntimeConfig { allow_private: allowed.collect(), ..RuntimeConfig::default() };
        Hub::running(url, directory, limits(), EngineConfig::default(), runtime).await
    }

    /// That browsers reach at `https://hub.test`, and that may reach this address of this machine.
    pub async fn published(address: SocketAddr) -> Hub {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = format!("sqlite://{}", directory.path().join("hub.db").display());
        let allowed = address.to_string().parse().expect("a host and a port");
        let runtime = RuntimeConfig { allow_private: vec![allowed], ..RuntimeConfig::default() };
        let engine = EngineConfig { public_url: Some("https://hub.test".to_owned()), ..EngineConfig::default() };
        Hub::running(url, directory, limits(), engine, runtime).await
    }

    /// On a database of a PostgreSQL server.
    pub async fn on_postgres(url: String) -> Hub {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Hub::with(url, directory, limits(), Bounds::default()).await
    }

    async fn with(url: String, directory: TempDir, limits: Limits, bounds: Bounds) -> Hub {
        let engine = EngineConfig { bounds, ..EngineConfig::default() };
        Hub::running(url, directory, limits, engine, RuntimeConfig::default()).await
    }

    async fn running(
        url: String,
        directory: TempDir,
        limits: Limits,
        engine: EngineConfig,
        runtime: RuntimeConfig,
    ) -> Hub {
        let config = StoreConfig { url: url.clone(), node: "test".to_owned(), read_connections: 4 };
        let store = Store::open(&config).await.expect("the store opens");
        let runtime = Runtime::new(runtime).expect("the runtime starts");
        let start: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let now = Arc::new(AtomicI64::new(start.micros()));
        let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = {
            let now = now.clone();
            Arc::new(move || Timestamp::from_micros(now.load(Ordering::SeqCst)))
        };
        let sealer = Arc::new(Sealer::from_key([7; 32]));
        let config = EngineConfig { poll: POLL, hold: POLL, ..engine };
        let engine = Arc::new(Engine::start(store.clone(), runtime.clone(), sealer.clone(), clock.clone(), config));
        let stopping = CancellationToken::new();
        let drawn = AtomicU64::new(0);
        let app = Arc::new(App {
            store: store.clone(),
            runtime,
            engine: engine.clone(),
            sealer,
            clock,
            random: Arc::new(move || {
                let drawn = drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes();
                let mut random = [0; 16];
                random[..8].copy_from_slice(&drawn);
                random[8..].copy_from_slice(&drawn);
                random
            }),
            environment: "test".to_owned(),
            limits,
            stopping: stopping.clone(),
            render_metrics: Arc::new(|| "# no metrics in tests\n".to_owned()),
        });
        let routers = routers(app.clone(), Apart::default());
        Hub {
            store,
            engine,
            stopping,
            router: routers.hub,
            provisioner: routers.provisioner,
            app,
            clock: now,
            keys: AtomicU64::new(0),
            url,
            directory,
        }
    }

    /// After the first has stopped.
    pub fn another_engine(&self) -> Engine {
        let runtime = Runtime::new(RuntimeConfig::default()).expect("the runtime starts");
        let now = self.clock.clone();
        let clock = Arc::new(move || Timestamp::from_micros(now.load(Ordering::SeqCst)));
        let config = EngineConfig { poll: POLL, hold: POLL, ..EngineConfig::default() };
        Engine::start(self.store.clone(), runtime, Arc::new(Sealer::from_key([7; 32])), clock, config)
    }

    /// All bytes of the database: its file and its write-ahead log.
    pub fn database(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory.path()).expect("the directory");
        files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("bytes")).collect()
    }

    /// A live tenant with a write key and a key for everything.
    pub async fn tenant(&self, name: &str) -> Tenant {
        self.tenant_on(name, ClockKind::Live).await
    }

    pub async fn tenant_on(&self, name: &str, clock: ClockKind) -> Tenant {
        let id = self.store.create_tenant(name, clock, self.now()).await.expect("a tenant").id;
        let write_key = self.key(id, KeyScopes::WRITE).await;
        let api_key = self.key(id, KeyScopes::EVERYTHING).await;
        let server_key = self.key(id, KeyScopes::SERVER).await;
        Tenant { id, write_key, server_key, api_key }
    }

    pub async fn key(&self, tenant: TenantId, scopes: &[&str]) -> String {
        let number = self.keys.fetch_add(1, Ordering::SeqCst);
        let mut random = [1; 40];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let minted = mint_key("test", scopes, random);
        let key = Key {
            id: minted.id,
            tenant,
            name: "test".to_owned(),
            scopes: minted.scopes,
            hash: minted.hash,
            page: scopes == KeyScopes::WRITE,
            addresses: Vec::new(),
            created_at: self.now(),
            made_by: None,
            expires_at: None,
            revoked_at: None,
            rotated_at: None,
            former: None,
            last_used_at: None,
            line: Default::default(),
            pages: Default::default(),
        };
        self.store.create_key(&key).await.expect("a key");
        minted.shown
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.load(Ordering::SeqCst))
    }

    /// Lets the hub do for subscriptions what is due, until nothing is.
    pub async fn provision(&self) {
        for _ in 0..200 {
            let operations = self.store.operations_due(self.now()).await.expect("the tenants");
            let pushes = self.store.pushes_due(self.now()).await.expect("the tenants");
            if operations.is_empty() && pushes.is_empty() {
                return;
            }
            self.provisioner.look().await;
            self.advance(Duration::from_millis(600));
        }
        panic!("operations do not come to an end");
    }

    pub fn advance(&self, span: Duration) {
        self.clock.fetch_add(span.as_micros() as i64, Ordering::SeqCst);
    }

    /// The answer's beginning: its body is not read.
    pub async fn begin(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.expect("the router is infallible")
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = self.ask(request).await;
        if let Some(operation) = described::operation(self, &method, &path).await {
            described::check(&format!("{method} {path}"), &operation, &answer);
        }
        self.is_on_record(method.as_str(), &path, &answer).await;
        answer
    }

    /// Whatever makes something is in the audit log, by the id of its request: whichever route it is.
    async fn is_on_record(&self, method: &str, path: &str, answer: &Answer) {
        let makes = method != "GET" && [201, 202, 204].contains(&answer.status) && path.starts_with("/api/v1/");
        // An answer that is given again is of an act before.
        let makes = makes && !answer.headers.contains_key("idempotency-replayed");
        let Some(request) = answer.headers.get("x-request-id").filter(|_| makes) else { return };
        let request = request.to_str().expect("an id").to_owned();
        let filter = AuditFilter { request: Some(request), limit: 2, ..AuditFilter::default() };
        let mut found = 0;
        for tenant in self.store.tenants().await.expect("the tenants") {
            found += self.store.audit(&Scope::of(tenant.id), &filter).await.expect("the log").len();
        }
        assert_eq!(found, 1, "{method} {path} is not in the audit log: {answer:?}");
    }

    /// The same hub in parts, as it listens where endpoints and metrics have addresses of their own.
    pub fn apart(&self) -> Routers {
        routers(self.app.clone(), Apart { endpoints: true, metrics: true })
    }

    /// Without looking whether the answer is one that is described.
    pub async fn ask(&self, request: Request<Body>) -> Answer {
        self.told(&self.router, request).await
    }

    pub async fn told(&self, router: &Router, request: Request<Body>) -> Answer {
        let response = router.clone().oneshot(request).await.expect("the router is infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Answer { status: parts.status.as_u16(), body, headers: parts.headers }
    }

    pub async fn call(&self, method: &str, path: &str, key: &str, body: Option<Value>) -> Answer {
        let request = request(method, path).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.expect("a request")).await
    }

    pub async fn get(&self, path: &str, key: &str) -> Answer {
        self.call("GET", path, key, None).await
    }

    pub async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.call("POST", path, key, Some(body)).await
    }

    pub async fn upload(&self, key: &str, component: Vec<u8>) -> Answer {
        let request = request("POST", "/api/v1/plugins")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/wasm")
            .body(Body::from(component));
        self.send(request.expect("a request")).await
    }

    /// Another node that has taken over all tenants, as one of the same name does, and does nothing for them until it is released.
    pub async fn usurped(&self) -> Usurped {
        let config = StoreConfig { url: self.url.clone(), node: "test".to_owned(), read_connections: 1 };
        let store = Store::open(&config).await.expect("the store opens");
        store.claim_partitions(Duration::from_secs(3_600), 100).await.expect("all leases");
        Usurped { store }
    }

    /// Waits until the engine is done with all that is in the tenant's log.
    pub async fn settle(&self, tenant: &Tenant) {
        let scope = Scope::of(tenant.id);
        let checkpoint = until("the engine is done", async || {
            // What it causes itself stands behind the checkpoint, and is done.
            let standing = self.store.standing(&scope).await.expect("a standing");
            (standing.arrived_behind == 0).then_some(standing.checkpoint)
        });
        assert!(self.engine.reached(tenant.id, checkpoint.await, PATIENCE).await, "the engine is stuck");
    }

    /// Writes what the engine would have computed, under the lease that it holds, once the lane holds no customers any more:
    /// it lets go of them when nothing has happened for as long as it polls.
    pub async fn commit(&self, tenant: &Tenant, changes: Changes) {
        until("it is committed", async || {
            self.settle(tenant).await;
            let holds = self.engine.catalog(tenant.id).is_some();
            (!holds && self.try_commit(tenant, changes.clone()).await).then_some(())
        })
        .await;
    }

    /// Whether it is written: not if the engine moves the tenant at the same time, or holds no lease yet.
    async fn try_commit(&self, tenant: &Tenant, changes: Changes) -> bool {
        let scope = Scope::of(tenant.id);
        let standing = self.store.standing(&scope).await.expect("a standing");
        let (checkpoint, clock) = (standing.checkpoint, standing.clock.max(changes.clock));
        let changes = Changes { checkpoint, clock, wall: self.now(), ..changes };
        for fence in 1..100 {
            let clock_kind = ClockKind::Live;
            let lease = Lease {
                tenant: tenant.id,
                bucket: 0,
                fence,
                checkpoint,
                clock,
                clock_kind,
                sends_held: false,
                commits: 0,
            };
            match self.store.held_lease(&scope, &lease).await {
                Ok(lease) => {
                    return match self.store.commit(&scope, &lease, &changes).await {
                        Ok(_) => true,
                        Err(StoreError::Moved) => false,
                        Err(error) => panic!("{error}"),
                    };
                }
                Err(StoreError::FenceLost) => {}
                Err(error) => panic!("{error}"),
            }
        }
        false
    }

    /// Sends events as a batch of a server, and waits for the engine.
    pub async fn send_events(&self, tenant: &Tenant, events: Value) {
        let answer = self.post("/v1/batch", &tenant.server_key, json!({"batch": events})).await;
        assert_eq!((answer.status, &answer.body["refused"]), (200, &Value::Null), "{answer:?}");
        self.settle(tenant).await;
    }
}

pub fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

/// A query parameter's value, percent-encoded.
pub fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A component without code: its header and a manifest.
pub fn component(manifest: Option<Value>) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    if let Some(manifest) = manifest {
        let name = b"openhub:manifest";
        let content = manifest.to_string();
        let mut section = vec![name.len() as u8];
        section.extend_from_slice(name);
        section.extend_from_slice(content.as_bytes());
        bytes.push(0);
        let mut length = section.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(section);
    }
    bytes
}
