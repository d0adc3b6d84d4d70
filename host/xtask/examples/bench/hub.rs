//! A hub in this process: store, runtime and engine on a SQLite file of its own with FULL durability, without HTTP. One
//! tenant, whose clock stands still.

use anyhow::{Context, Result, ensure};
use openhub_engine::{Clock, Config, Engine, Owner, Sealer};
use openhub_model::identity::Authority;
use openhub_model::{ClockKind, EventKind, NewEvent, TenantId, Timestamp};
use openhub_runtime::Runtime;
use openhub_store::{Appended, Installation, Op, Scope, SegmentVersion, Standing, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The host's clock.
pub const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);
const SEALING: [u8; 32] = [1; 32];
const READERS: u32 = 4;

pub struct Hub {
    pub store: Store,
    pub tenant: TenantId,
    pub scope: Scope,
    runtime: Runtime,
    engine: Option<Engine>,
    _folder: tempfile::TempDir,
}

/// A segment's name and condition.
pub type Segment = (String, Value);

impl Hub {
    /// A fresh one, whose engine does not run yet.
    pub async fn open() -> Result<Hub> {
        Hub::with(openhub_runtime::Config::default()).await
    }

    pub async fn with(config: openhub_runtime::Config) -> Result<Hub> {
        let folder = tempfile::Builder::new().prefix("openhub-bench-").tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("openhub.db").display());
        let store =
            Store::open(&openhub_store::Config { url, node: "bench".into(), read_connections: READERS }).await?;
        let tenant = store.create_tenant("bench", ClockKind::Live, NOW).await?.id;
        let runtime = Runtime::new(config)?;
        Ok(Hub { store, tenant, scope: Scope::of(tenant), runtime, engine: None, _folder: folder })
    }

    pub fn start(&mut self) {
        let clock: Clock = Arc::new(|| NOW);
        let sealer = Arc::new(Sealer::from_key(SEALING));
        let engine = Engine::start(self.store.clone(), self.runtime.clone(), sealer, clock, Config::default());
        self.engine = Some(engine);
    }

    /// Installs and enables a component, with secrets in plain.
    pub async fn install(&self, component: Vec<u8>, settings: Value, secrets: &[(&str, &str)]) -> Result<()> {
        let inspected = Runtime::inspect(&component)?;
        let (digest, name) = (inspected.digest, inspected.manifest.name.clone());
        let sealer = Sealer::from_key(SEALING);
        let seal = |(secret, text): &(&str, &str)| {
            let owner = Owner { tenant: self.tenant, plugin: &name, name: secret };
            ((*secret).to_owned(), sealer.seal(owner, text.as_bytes()))
        };
        let sealed = secrets.iter().map(seal);
        let installation = Installation {
            settings: settings.clone(),
            secrets: sealed.collect(),
            ..Installation::uploaded(digest.clone(), inspected.manifest, NOW)
        };
        let enabled = json!({"plugin": name, "digest": digest, "settings": settings, "grant": {}});
        let ops = vec![
            Op::PutComponent { digest, bytes: component },
            Op::PutPlugin(installation),
            Op::Append(control("plugin.enabled", &name, &enabled)),
        ];
        self.transact(ops).await.map(drop)
    }

    pub async fn publish_journey(&self, name: &str, definition: &Value) -> Result<()> {
        let published = json!({"journey": name, "version": 1});
        let ops = vec![
            Op::PutJourneyDraft { name: name.into(), definition: definition.clone(), at: NOW },
            Op::PutJourneyVersion { name: name.into(), version: 1, definition: definition.clone(), at: NOW },
            Op::Append(control("journey.published", name, &published)),
        ];
        self.transact(ops).await.map(drop)
    }

    /// Writes the first versions of segments; answers the position at which all of them are in force.
    pub async fn publish_segments(&self, segments: &[Segment]) -> Result<i64> {
        let mut ops = Vec::with_capacity(2 * segments.len());
        for (name, condition) in segments {
            ops.push(Op::PutSegmentVersion(SegmentVersion {
                segment: name.clone(),
                version: 1,
                condition: Some(serde_json::from_value(condition.clone())?),
                author: "bench".to_owned(),
                created_at: NOW,
            }));
            ops.push(Op::Append(control("segment.published", name, &json!({"segment": name, "version": 1}))));
        }
        Ok(self.transact(ops).await?.position)
    }

    async fn transact(&self, ops: Vec<Op>) -> Result<Appended> {
        Ok(self.store.transact(&self.scope, ops).await?)
    }

    /// Appends events, in requests of `size`; answers the position to wait for.
    pub async fn append(&self, events: Vec<NewEvent>, size: usize) -> Result<i64> {
        let mut position = 0;
        for events in events.chunks(size) {
            position = self.store.append(&self.scope, events.to_vec()).await?.position.max(position);
        }
        Ok(position)
    }

    /// Waits until everything up to `position` is computed and committed.
    pub async fn reached(&self, position: i64) -> Result<()> {
        let engine = self.engine.as_ref().context("the engine does not run")?;
        ensure!(engine.reached(self.tenant, position, PATIENCE).await, "the engine is stuck");
        Ok(())
    }

    /// How the tenant stands; an error if an event could not be computed, since no figure would mean anything then.
    pub async fn standing(&self) -> Result<Standing> {
        let standing = self.store.standing(&self.scope).await?;
        ensure!(standing.set_aside == 0, "{} events were set aside", standing.set_aside);
        Ok(standing)
    }

    /// Waits until the first fill of all segments is done.
    pub async fn filled(&self) -> Result<()> {
        let unfilled = |segment: &openhub_store::Segment| segment.fill.is_some();
        while let Some(filling) = self.store.segments(&self.scope).await?.into_iter().find(unfilled) {
            // One alone is looked at often: reading a thousand of them would be measured, too.
            while self.store.segment(&self.scope, &filling.name).await?.as_ref().is_some_and(unfilled) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// Stops the engine; the hub and its data stay.
    pub async fn stop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
    }

    pub async fn close(mut self) {
        self.stop().await;
        self.store.close().await;
    }
}

/// A control event; `key` tells it from others of its name.
fn control(name: &str, key: &str, body: &Value) -> NewEvent {
    NewEvent {
        message_id: format!("{name}:{key}"),
        kind: EventKind::Control,
        name: name.into(),
        part: None,
        occurred_at: NOW,
        received_at: NOW,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}
