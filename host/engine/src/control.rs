//! Control events: what is published, enabled, uploaded, taken apart or erased takes effect at its position in the log,
//! as an attempt of its own. Nothing is computed across it.

use hashbrown::HashSet;
use openhub_model::event::{CLOCK_STOPPED, ERASED};
use openhub_model::{Event, Identity, NewEvent, PartId};
use openhub_store::{
    Canary, CatalogChange, Changes, ClaimRow, ClaimStatus, JourneyStatus, Membership, PluginStatus, Presumes,
    RecordingOrder, Shadow,
};
use serde_json::Value;

use crate::aside::control_fault;
use crate::body;
use crate::error::EngineError;
use crate::judge;
use crate::lane::Lane;
use crate::migrate::Migrated;
use crate::object_types::{self, DECLARED, migration_of};
use crate::remove::REMOVED;
use crate::settings::merge;
use crate::unmerge::Neighbourhood;
use crate::{measures, quotas, statements, webhooks};

/// The control event of a secret that was set: the plugin is called with it from there on.
pub const SECRET_SET: &str = "plugin.secret-set";
/// Control events that change nothing here: what they tell is stored already, and read anew.
const TOLD: [&str; 12] = [
    SECRET_SET,
    CLOCK_STOPPED,
    "suppression.removed",
    "settings.changed",
    webhooks::SAVED,
    webhooks::REMOVED,
    webhooks::ROTATED,
    webhooks::SENT_AGAIN,
    webhooks::DISABLED,
    statements::FROZEN,
    quotas::WARNED,
    measures::MEASURED,
];
/// What two tenants agree on is told in the log of both, and stored already.
const AGREED: [&str; 3] = ["offering.", "subscription.", "share."];

fn is_told(name: &str) -> bool {
    TOLD.contains(&name) || AGREED.into_iter().any(|prefix| name.starts_with(prefix))
}

/// The control events after which a version of a plugin is in force: enabled, taken for the one before, or taken again.
pub const ENABLED: &str = "plugin.enabled";
pub const ACTIVATED: &str = "plugin.activated";
pub const ROLLED_BACK: &str = "plugin.rolled-back";
/// The control events by which a candidate serves a part of the customers, and no more.
pub const CANARY_SET: &str = "plugin.canary-set";
pub const CANARY_ENDED: &str = "plugin.canary-ended";
/// The control events by which a candidate is called beside the active version, and no more.
pub const SHADOW_STARTED: &str = "plugin.shadow-started";
pub const SHADOW_STOPPED: &str = "plugin.shadow-stopped";
/// The control events by which calls of a plugin are recorded, and no more.
pub const RECORDING_SET: &str = "plugin.recording-set";
pub const RECORDING_ENDED: &str = "plugin.recording-ended";
/// The control events of a block of a subscription: what it made is held, or goes on.
pub const BLOCKED: &str = "subscription.blocked";
pub const UNBLOCKED: &str = "subscription.unblocked";
/// The control event that takes claims back.
pub const UNDONE: &str = "identity.undone";

impl Lane {
    pub(crate) async fn control(&mut self, event: Event) -> Result<(), EngineError> {
        self.forget();
        if event.name == "segment.members" {
            return self.members(&event).await;
        }
        if event.name == ERASED {
            return self.erase(&event).await;
        }
        if event.name == REMOVED && self.remove(&event).await? {
            return Ok(());
        }
        let undone = self.unmerged(&event).await?;
        let mut change = if undone.is_some() { None } else { catalog_change(&event) };
        let migration = migration_of(&event);
        let mut faults = Vec::new();
        if change.is_none() && undone.is_none() && !is_told(&event.name) {
            tracing::warn!(tenant.id = self.lease.tenant.0, event.name, "A control event says nothing that is known.");
            faults.push(control_fault(&event, "unknown", "This version of the hub does not know this control event."));
        }
        change = self.left_of(change).await?;
        if let Some(CatalogChange::Plugin { name, settings, .. }) = &mut change {
            self.set(&event, name, settings).await?;
        }
        if let Some(CatalogChange::ObjectType { name, declaration, presumes, .. }) = &mut change {
            let before = self.catalog.declared.iter().find(|declared| declared.name == *name);
            *presumes = match &migration {
                Some(_) => Presumes::Nothing,
                None => object_types::presumes(before.map(|declared| &declared.declaration), declaration.as_deref()),
            };
        }
        if let Some(asked) = &change
            && let Some(reason) = self.refusal(asked).await?
        {
            faults.push(control_fault(&event, "refused", &reason));
            self.refused.push(judge::refused(&event, asked, reason));
            change = None;
        }
        if let (Some(CatalogChange::ObjectType { name, declaration: Some(declaration), .. }), Some(migration)) =
            (&change, &migration)
        {
            match self.migrate(&event, name, declaration, migration).await? {
                Migrated::All => {}
                Migrated::Stopped => return Ok(()),
                Migrated::Not(misfits) => {
                    let reason = misfits.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ");
                    faults.push(control_fault(&event, "refused", &reason));
                    let asked = CatalogChange::ObjectTypeMigrates { name: name.clone(), state: None };
                    self.refused.push(judge::refused(&event, &asked, reason));
                    change = Some(asked);
                }
            }
        }
        if let Some(asked @ CatalogChange::Plugin { name, .. }) = &change {
            match self.migrate_plugin(&event, asked).await? {
                Migrated::All => {}
                Migrated::Stopped => return Ok(()),
                Migrated::Not(misfits) => {
                    let reason = misfits.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ");
                    faults.push(control_fault(&event, "refused", &reason));
                    self.refused.push(judge::refused(&event, asked, reason));
                    change =
                        Some(CatalogChange::PluginMigrates { plugin: name.clone(), state: None, former: Vec::new() });
                }
            }
        }
        let arrivals = self.asked_anew(&event, change.as_ref()).await?;
        let changes = Changes {
            checkpoint: event.position,
            clock: self.clock_at(&event),
            wall: (self.shared.clock)(),
            catalog: change.into_iter().collect(),
            faults,
            ..undone.unwrap_or_else(|| Changes { arrivals, ..Changes::default() })
        };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        // Who waits for the position is answered once the new catalog is in force.
        self.reload().await
    }

    /// Why a change does nothing at its place. A version that cannot be loaded is not put in force: the one before goes on.
    async fn refusal(&self, asked: &CatalogChange) -> Result<Option<String>, EngineError> {
        let refusal = judge::refusal(&self.shared.store, &self.scope, &self.catalog, asked).await?;
        match refusal {
            None => judge::loads(&self.shared, &self.scope, asked).await,
            refused => Ok(refused),
        }
    }

    /// What an enable sets is merged at its place: two on their way do not undo each other.
    async fn set(&self, event: &Event, plugin: &str, settings: &mut Option<Value>) -> Result<(), EngineError> {
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        if body["set"].is_object()
            && let Some(installed) = self.shared.store.plugin(&self.scope, plugin).await?
        {
            *settings = Some(merge(&installed.settings, &body["set"]));
        }
        Ok(())
    }

    /// Events by which the customers of runs that a change ends have their segments asked, if one asks about the journey.
    pub(crate) async fn asked_anew(
        &self,
        event: &Event,
        change: Option<&CatalogChange>,
    ) -> Result<Vec<NewEvent>, EngineError> {
        let Some(CatalogChange::Journey { name, status: JourneyStatus::Stopped, .. }) = change else {
            return Ok(Vec::new());
        };
        if self.catalog.segments.on_journey(name).is_empty() {
            return Ok(Vec::new());
        }
        let waiting = self.shared.store.waiting_parts(&self.scope, name).await?;
        let mut parts = self.shared.store.parts_around(&self.scope, &waiting).await?;
        let waiting: HashSet<PartId> = waiting.into_iter().collect();
        parts.retain(|part| waiting.contains(&part.id()));
        Ok(parts.iter().map(|part| body::review(event, part)).collect())
    }

    /// What an unmerge changes: of a claim `{"part", "kind", "value"}`, or of all that joined an `{"identity"}`.
    async fn unmerged(&self, event: &Event) -> Result<Option<Changes>, EngineError> {
        if event.name != UNDONE {
            return Ok(None);
        }
        let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
        let Ok(identity) = serde_json::from_value::<Identity>(body["identity"].clone()) else { return Ok(None) };
        let named = identity.part(self.lease.tenant);
        let part: Option<PartId> = body["part"].as_str().and_then(|part| part.parse().ok());
        let undone = |claim: &ClaimRow| match part {
            Some(part) => claim.part == part && claim.identity == identity,
            None => claim.status == ClaimStatus::Joined && (claim.identity == identity || claim.part == named),
        };
        let around = Neighbourhood::load(&self.shared.store, &self.scope, part.unwrap_or(named)).await?;
        let mut changes = around.without(undone, &self.scope, &self.catalog.policies, &self.catalog.merges);
        let gone = self.shared.store.memberships(&self.scope, &changes.gone_customers).await?;
        changes.memberships.extend(gone.into_iter().map(|gone| Membership { since: None, ..gone }));
        changes.arrivals =
            changes.parts.iter().filter(|part| part.seen).map(|part| body::review(event, part)).collect();
        Ok(Some(changes))
    }
}

pub(crate) fn catalog_change(event: &Event) -> Option<CatalogChange> {
    let body: Value = serde_json::from_str(&event.body).ok()?;
    let text = |field: &str| body[field].as_str().map(str::to_owned);
    let plugin = |status| {
        let agreed = |field: &str| Some(&body[field]).filter(|value| value.is_object()).cloned();
        let (settings, grant) = (agreed("settings"), agreed("grant"));
        let (name, digest, from) = (text("plugin")?, text("digest"), text("from"));
        Some(CatalogChange::Plugin { name, status, digest, from, settings, grant, position: event.position })
    };
    let journey = |status, version| {
        Some(CatalogChange::Journey { name: text("journey")?, status, version, position: event.position })
    };
    match event.name.as_str() {
        ENABLED | ACTIVATED | ROLLED_BACK => plugin(PluginStatus::Enabled),
        "plugin.disabled" => plugin(PluginStatus::Disabled),
        CANARY_SET => {
            let percent = body["percent"].as_u64().and_then(|percent| u8::try_from(percent).ok());
            let percent = percent.filter(|percent| (1..100).contains(percent))?;
            let (digest, grant) = (text("digest")?, body["grant"].clone());
            let canary = Some(Canary { digest, percent, grant, position: event.position });
            Some(CatalogChange::Canary { name: text("plugin")?, from: Some(text("from")?), canary })
        }
        CANARY_ENDED => Some(CatalogChange::Canary { name: text("plugin")?, from: None, canary: None }),
        SHADOW_STARTED => {
            let shadow = Some(Shadow { digest: text("digest")?, position: event.position });
            Some(CatalogChange::Shadow { name: text("plugin")?, from: Some(text("from")?), shadow })
        }
        SHADOW_STOPPED => Some(CatalogChange::Shadow { name: text("plugin")?, from: None, shadow: None }),
        RECORDING_SET => {
            let per_million = body["per_million"].as_u64().and_then(|rate| u32::try_from(rate).ok())?;
            let customer = text("customer").map(|customer| customer.parse()).transpose().ok()?;
            let until = text("until")?.parse().ok()?;
            let order = Some(RecordingOrder { per_million, customer, until, position: event.position });
            Some(CatalogChange::Recording { name: text("plugin")?, order })
        }
        RECORDING_ENDED => Some(CatalogChange::Recording { name: text("plugin")?, order: None }),
        "segment.published" => Some(CatalogChange::Segment {
            name: text("segment")?,
            version: body["version"].as_i64()?,
            position: event.position,
        }),
        "segment.removed" => Some(CatalogChange::RemoveSegment { name: text("segment")? }),
        "identity.kinds" => {
            let policy = serde_json::from_value(body["policy"].clone()).ok()?;
            Some(CatalogChange::IdentityKinds { policy, position: event.position })
        }
        "attribute.declared" => {
            let declaration = serde_json::from_value(body["declaration"].clone()).ok();
            Some(CatalogChange::Attribute { name: text("attribute")?, declaration, position: event.position })
        }
        DECLARED => {
            let declaration = Some(&body["declaration"]).filter(|declaration| !declaration.is_null());
            // What this version cannot read is no declaration, and does not take one away.
            let declaration = declaration.map(|given| serde_json::from_value(given.clone())).transpose().ok()?;
            Some(CatalogChange::ObjectType {
                name: text("type")?,
                declaration,
                expected: body["expected"].as_i64(),
                presumes: Presumes::NoObjects,
                position: event.position,
            })
        }
        BLOCKED | UNBLOCKED => Some(CatalogChange::Blocks),
        "journey.published" => journey(JourneyStatus::Published, Some(body["version"].as_i64()?)),
        "journey.paused" => journey(JourneyStatus::Paused, None),
        "journey.resumed" => journey(JourneyStatus::Published, None),
        "journey.drained" => journey(JourneyStatus::Draining, None),
        "journey.stopped" => journey(JourneyStatus::Stopped, None),
        "journey.removed" => Some(CatalogChange::RemoveJourney { name: text("journey")? }),
        _ => None,
    }
}
