//! A hub in this process: store, runtime and engine on a database of the test's own, without HTTP.

use std::sync::Arc;
use std::time::Duration;

use openhub_engine::{Clock, Config, Engine, Sealer};
use openhub_model::identity::{Authority, Part};
use openhub_model::{ClockKind, Day, EventKind, Identity, NewEvent, PartId, TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_sdk_build::Assembled;
use openhub_store::{
    Called, ClaimRow, CustomerFilter, EventFilter, Installation, MessageFilter, ObjectFilter, Op, RunFilter, Scope,
    SegmentVersion, Store, UsageFilter,
};
use serde_json::{Value, json};

use crate::guests;
use crate::patience::until_within;

/// An idle engine is woken by what is appended, not by looking again: its looks would be counted as statements.
const IDLE: Duration = Duration::from_secs(600);
/// How long a test waits for an engine.
pub const PATIENCE: Duration = Duration::from_secs(600);
const PAGE: usize = 100_000;
const FILE: &str = "openhub.db";
/// The host's clock of every house stands still here.
pub const HOST_NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub struct House {
    pub store: Store,
    pub runtime: Runtime,
    pub tenant: TenantId,
    pub scope: Scope,
    /// How long an attempt computes before it is cut.
    pub slice: Duration,
    folder: tempfile::TempDir,
}

/// An order of the replay.
#[derive(Clone, Debug)]
pub struct Order {
    pub row: u64,
    pub customer: String,
    pub at: Timestamp,
    pub total: String,
}

impl House {
    /// A fresh hub with one tenant on the replay clock; `url` is a PostgreSQL database, none is SQLite.
    pub async fn open(url: Option<String>) -> House {
        House::open_on(url, ClockKind::Replay).await
    }

    /// The same, on either clock; the host's stands still at [`HOST_NOW`].
    pub async fn open_on(url: Option<String>, clock: ClockKind) -> House {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = url.unwrap_or_else(|| format!("sqlite://{}", folder.path().join(FILE).display()));
        let config = openhub_store::Config { url, node: "test".into(), read_connections: 4 };
        let store = Store::open(&config).await.expect("the store opens");
        let tenant = store.create_tenant("test", clock, HOST_NOW).await.expect("a tenant");
        let runtime = Runtime::new(openhub_runtime::Config::default()).expect("a runtime");
        let slice = Config::default().slice;
        House { store, runtime, tenant: tenant.id, scope: Scope::of(tenant.id), slice, folder }
    }

    /// With our plugins, whose webhooks go nowhere, and the win-back journey.
    pub async fn furnished(url: Option<String>) -> House {
        let house = House::open(url).await;
        for plugin in guests::ours() {
            house.install(plugin, json!({ "url": "http://127.0.0.1:9/" })).await;
        }
        let path = guests::root().join("examples/cdnow/win-back.journey.json");
        let journey = serde_json::from_str(&std::fs::read_to_string(path).expect("the journey")).expect("JSON");
        house.publish("win-back", journey).await;
        house
    }

    /// The URL of the database, if it is SQLite's.
    pub fn database(&self) -> String {
        format!("sqlite://{}", self.folder.path().join(FILE).display())
    }

    /// Installs and enables a plugin; it takes effect when the engine reaches its event.
    pub async fn install(&self, plugin: &Assembled, settings: Value) {
        let digest = openhub_runtime::Runtime::inspect(&plugin.bytes).expect("a component").digest;
        let name = plugin.manifest.name.clone();
        let installation = Installation {
            settings: settings.clone(),
            ..Installation::uploaded(digest.clone(), plugin.manifest.clone(), HOST_NOW)
        };
        let enabled = json!({ "plugin": name, "digest": digest, "settings": settings, "grant": {} });
        let ops = vec![
            Op::PutComponent { digest, bytes: plugin.bytes.clone() },
            Op::PutPlugin(installation),
            Op::Append(control("plugin.enabled", &name, enabled)),
        ];
        self.store.transact(&self.scope, ops).await.expect("a plugin is installed");
    }

    pub async fn publish(&self, name: &str, definition: Value) {
        let published = json!({ "journey": name, "version": 1 });
        let ops = vec![
            Op::PutJourneyDraft { name: name.into(), definition: definition.clone(), at: HOST_NOW },
            Op::PutJourneyVersion { name: name.into(), version: 1, definition, at: HOST_NOW },
            Op::Append(control("journey.published", name, published)),
        ];
        self.store.transact(&self.scope, ops).await.expect("a journey is published");
    }

    /// Writes the first version of a segment; it takes effect when the engine reaches its event.
    pub async fn publish_segment(&self, name: &str, condition: &Value) {
        let version = SegmentVersion {
            segment: name.to_owned(),
            version: 1,
            condition: Some(serde_json::from_value(condition.clone()).expect("a condition")),
            author: "test".to_owned(),
            created_at: HOST_NOW,
        };
        let published = json!({ "segment": name, "version": 1 });
        let ops = vec![Op::PutSegmentVersion(version), Op::Append(control("segment.published", name, published))];
        self.store.transact(&self.scope, ops).await.expect("a segment is published");
    }

    /// Segments of every kind that an order, a coupon, a run, a call or the time alone can move somebody through.
    pub async fn publish_segments(&self) {
        for (name, condition) in House::segments() {
            self.publish_segment(name, &condition).await;
        }
    }

    /// One of nearly each kind.
    pub fn segments() -> [(&'static str, Value); 10] {
        let orders = |within: &str, at_least: i64| json!({"event": {"name": "Order Completed", "within": within, "is": "ge", "value": at_least}});
        let sum = json!({"event": {"name": "Order Completed", "aggregate": "sum", "of": "total", "within": "45d", "is": "gt", "value": 120}});
        let coupons = json!({"object": {"kind": "coupon", "quantifier": "count", "is": "ge", "value": 2}});
        let changed =
            json!({"sequence": {"steps": [{"name": "Order Completed"}, {"name": "Tier Changed"}], "within": "7d"}});
        [
            ("awaited", json!({"all": [{"journey": {"name": "win-back", "is": "in"}}, {"not": {"segment": "two"}}]})),
            ("coupons", coupons),
            ("changed", changed),
            ("known", json!({"identity": {"kind": "email", "is": "exists"}})),
            ("news", json!({"consent": {"purpose": "news", "is": "granted"}})),
            ("quiet", json!({"not": orders("60d", 1)})),
            ("spent", json!({"attribute": {"name": "spent_cents", "is": "ge", "value": 20_000}})),
            ("sum", sum),
            ("two", orders("30d", 2)),
            ("vip", json!({"any": [{"tag": "vip"}, {"attribute": {"name": "tier", "is": "eq", "value": "gold"}}]})),
        ]
    }

    /// Appends orders, in requests of 500. The position to wait for.
    pub async fn append(&self, orders: &[Order]) -> i64 {
        let mut position = 0;
        for orders in orders.chunks(500) {
            let events = orders.iter().map(|order| self.event(order)).collect();
            position = self.store.append(&self.scope, events).await.expect("events are appended").position;
        }
        position
    }

    pub async fn advance(&self, to: &str) -> i64 {
        let event = control("clock.advanced", to, json!({ "to": to }));
        self.store.append(&self.scope, vec![event]).await.expect("the clock's event is appended").position
    }

    pub fn event(&self, order: &Order) -> NewEvent {
        let identity = Identity::new(Identity::USER_ID, order.customer.clone());
        NewEvent {
            message_id: format!("order-{}", order.row),
            kind: EventKind::Track,
            name: "Order Completed".into(),
            part: Some(identity.part(self.tenant)),
            occurred_at: order.at,
            received_at: HOST_NOW,
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: format!(
                r#"{{"type":"track","event":"Order Completed","userId":"{}","properties":{{"total":{}}}}}"#,
                order.customer, order.total
            ),
        }
    }

    /// Any call, as its door would append it; its part is that of `subject`.
    pub fn call(&self, kind: EventKind, id: &str, subject: &Identity, at: Timestamp, body: Value) -> NewEvent {
        let name = body["event"].as_str().unwrap_or_default().to_owned();
        NewEvent {
            message_id: id.to_owned(),
            kind,
            name,
            part: Some(subject.part(self.tenant)),
            occurred_at: at,
            received_at: HOST_NOW,
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: body.to_string(),
        }
    }

    /// All parts and claims, in an order of their own.
    pub async fn identities(&self) -> (Vec<Part>, Vec<ClaimRow>) {
        let customers = CustomerFilter { limit: PAGE, ..CustomerFilter::default() };
        let customers = self.store.customers(&self.scope, &customers).await.expect("customers");
        let ids: Vec<PartId> = customers.iter().map(|customer| customer.customer).collect();
        let mut parts = self.store.parts_around(&self.scope, &ids).await.expect("parts");
        parts.sort_by_key(|part| part.age);
        let ids: Vec<PartId> = parts.iter().map(Part::id).collect();
        (parts, self.store.claims_by_part(&self.scope, &ids).await.expect("claims"))
    }

    pub fn start(&self, batch: usize, workers: usize) -> Engine {
        let clock: Clock = Arc::new(|| HOST_NOW);
        let config =
            Config { batch, workers, slice: self.slice, poll: IDLE, delivery_concurrency: 2, ..Config::default() };
        let sealer = Arc::new(Sealer::from_key([1; 32]));
        Engine::start(self.store.clone(), self.runtime.clone(), sealer, clock, config)
    }

    /// Runs an engine until it has computed everything up to `position`.
    pub async fn run(&self, batch: usize, workers: usize, position: i64) {
        let engine = self.start(batch, workers);
        assert!(engine.reached(self.tenant, position, PATIENCE).await, "the engine did not reach {position}");
        engine.stop().await;
    }

    /// Runs an engine until it has computed everything of every tenant, also what it appended itself on the way.
    pub async fn run_to_the_end(&self, batch: usize, workers: usize, position: i64) {
        let engine = self.start(batch, workers);
        assert!(engine.reached(self.tenant, position, PATIENCE).await, "the engine did not reach {position}");
        for tenant in self.store.tenants().await.expect("tenants") {
            let scope = Scope::of(tenant.id);
            until_within(PATIENCE, "the engine comes to the end of a log", async || {
                let standing = self.store.standing(&scope).await.expect("a standing");
                (standing.arrived_behind == 0).then_some(())
            })
            .await;
        }
        engine.stop().await;
    }

    /// All state that the log leads to, in an order of its own; positions and attempts are left out.
    pub async fn state(&self) -> Value {
        let customers = CustomerFilter { limit: PAGE, ..CustomerFilter::default() };
        let customers = self.store.customers(&self.scope, &customers).await.expect("customers");
        let customers: Vec<String> = customers.iter().map(|customer| format!("{customer:?}")).collect();
        let runs = RunFilter { limit: PAGE, ..RunFilter::default() };
        let runs = self.store.runs(&self.scope, &runs).await.expect("runs");
        // Places in the log depend on where commits fall, since what they cause is appended.
        let runs = runs.into_iter().map(|run| openhub_model::run::Run { since: 0, ..run });
        let runs: Vec<String> = runs.map(|run| format!("{run:?}")).collect();
        let coupons = ObjectFilter { kind: "coupon".into(), limit: PAGE, ..ObjectFilter::default() };
        let coupons = self.store.objects(&self.scope, &coupons).await.expect("objects");
        let coupons = coupons.into_iter().map(|mut object| {
            object.fields.sort_all_objects();
            format!("{object:?}")
        });
        let coupons: Vec<String> = coupons.collect();
        let messages = MessageFilter { limit: PAGE, ..MessageFilter::default() };
        let messages = self.store.messages(&self.scope, &messages).await.expect("messages");
        let messages: Vec<String> = messages.iter().map(|row| format!("{:?}", row.message)).collect();
        let mut events = Vec::new();
        for name in ["Tier Changed", "Segment Entered", "Segment Left", "Identity Refused", "Attribute Refused"] {
            let filter = EventFilter { name: Some(name.into()), limit: PAGE, ..EventFilter::default() };
            let caused = self.store.events(&self.scope, &filter).await.expect("events");
            events.extend(caused.iter().map(|event| format!("{name} {} {}", event.message_id, event.body)));
        }
        events.sort();
        let timers = self.store.due_timers(&self.scope, Timestamp::MAX, PAGE).await.expect("timers");
        let timers: Vec<String> = timers.iter().map(|timer| format!("{timer:?}")).collect();
        let mut members = Vec::new();
        for segment in self.store.segments(&self.scope).await.expect("segments") {
            let listed = self.store.members(&self.scope, &segment.name, None, PAGE).await.expect("members");
            assert_eq!(segment.members, listed.len() as i64, "the count of `{}`", segment.name);
            members.extend(listed.iter().map(|(customer, since)| format!("{} {customer} {since}", segment.name)));
        }
        let (parts, claims) = self.identities().await;
        let parts: Vec<String> = parts.iter().map(|part| format!("{part:?}")).collect();
        let claims: Vec<String> = claims.iter().map(|claim| format!("{claim:?}")).collect();
        let standing = self.store.standing(&self.scope).await.expect("a standing");
        let days = (Day::of(Timestamp::MIN), Day::of(Timestamp::MAX));
        let used = UsageFilter { days, ..UsageFilter::default() };
        let used = self.store.usage(&self.scope, &used, PAGE).await.expect("usage");
        let rules = used.iter().map(|row| &row.usage).filter(|used| used.key.called == Called::Rule);
        let rules = rules.map(|used| format!("{}/{} {}", used.key.plugin, used.key.name, used.items));
        let rules: Vec<String> = rules.collect();
        json!({
            "rules": rules,
            "customers": customers, "parts": parts, "claims": claims, "runs": runs, "coupons": coupons, "messages": messages, "events": events,
            "timers": timers, "members": members,
            "clock": standing.clock, "waiting": standing.waiting_runs,
            "set_aside": standing.set_aside,
        })
    }
}

/// A control event; `key` tells it from others of its name.
pub fn control(name: &str, key: &str, body: Value) -> NewEvent {
    NewEvent {
        message_id: format!("{name}:{key}"),
        kind: EventKind::Control,
        name: name.into(),
        part: None,
        occurred_at: HOST_NOW,
        received_at: HOST_NOW,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}
