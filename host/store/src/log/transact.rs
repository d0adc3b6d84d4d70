//! Writes of the API: several in order, all or nothing.

use openhub_model::{NewEvent, TenantId, Timestamp};
use serde_json::Value;

use crate::database::transaction::Tx;
use crate::erasure::erasures::{NewErasure, put_erasure};
use crate::error::StoreError;
use crate::log::events::{Appended, append_all};
use crate::scope::Scope;
use crate::state::journeys::{delete_journey, put_draft, put_version};
use crate::state::object_types::hold_type;
use crate::state::object_writes::{object_writes, write_objects};
use crate::state::objects::ObjectChange;
use crate::state::offerings::{
    Offering, OfferingVersion, drop_offering, put_offering, put_offering_version, set_version_times,
};
use crate::state::plugin_removals::{NewRemoval, put_removal};
use crate::state::plugin_versions::{PluginVersion, Standing, drop_version, hold_plugin, hold_standing, put_candidate};
use crate::state::plugins::{Installation, put_component, put_plugin, put_secret};
use crate::state::segments::{SegmentVersion, put_segment_version};
use crate::state::settings::{Settings, put_settings};
use crate::state::webhook_deliveries::{Again, send_again};
use crate::state::webhooks::{Webhook, drop_webhook, put_webhook};
use crate::store::Store;

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a transaction has a handful of them")]
pub enum Op {
    Append(NewEvent),
    /// All of these, or [`StoreError::AlreadyExists`] if one is a duplicate.
    AppendNew(Vec<NewEvent>),
    /// Makes the journey if it is new.
    PutJourneyDraft {
        name: String,
        definition: Value,
        at: Timestamp,
    },
    /// The next version of a journey (`latest` + 1, else [`StoreError::AlreadyExists`]); the engine makes it active
    /// at its position in the log.
    PutJourneyVersion {
        name: String,
        version: i64,
        definition: Value,
        at: Timestamp,
    },
    /// With its versions.
    DeleteJourney {
        name: String,
    },
    PutComponent {
        digest: String,
        bytes: Vec<u8>,
    },
    /// Secrets that it names are written too; others stay as they are.
    PutPlugin(Installation),
    /// What follows was judged by this state of a plugin, or [`StoreError::VersionConflict`]: other hubs write, too.
    IfPluginStands {
        plugin: String,
        judged: Standing,
    },
    /// Beside the version that is installed.
    PutCandidate {
        plugin: String,
        candidate: PluginVersion,
    },
    /// The version stays, and waits no more.
    DropCandidate {
        plugin: String,
    },
    /// Forgets a version that never ran.
    DropPluginVersion {
        plugin: String,
        digest: String,
    },
    PutPluginSecret {
        plugin: String,
        name: String,
        sealed: String,
    },
    /// Asks for the end of a plugin; the engine carries it out at the position of its event.
    PutRemoval(NewRemoval),
    /// What the tenant says about itself from now on.
    PutSettings(Settings),
    Object(ObjectChange),
    /// Asks for an erasure; the engine carries it out at the position of its event.
    PutErasure(NewErasure),
    /// The next version of a segment (`latest` + 1, else [`StoreError::AlreadyExists`]); the engine puts it in force at
    /// its position in the log.
    PutSegmentVersion(SegmentVersion),
    Objects(Vec<ObjectChange>),
    /// What follows is checked against this version of a declared object type, or [`StoreError::OtherType`].
    OfType {
        kind: String,
        version: i64,
    },
    /// The same of the active version of the plugin that declares a type.
    OfPlugin {
        kind: String,
        plugin: String,
        digest: String,
    },
    /// Version 1 of a new webhook, or the next version of one, else [`StoreError::VersionConflict`].
    PutWebhook(Box<Webhook>),
    /// With its deliveries; of this version, if one is named.
    DropWebhook {
        name: String,
        version: Option<i64>,
    },
    /// Deliveries of a webhook are sent again.
    SendAgain {
        webhook: String,
        which: Again,
        at: Timestamp,
    },
    /// A new offering, or the next version of its row, else [`StoreError::VersionConflict`].
    PutOffering(Box<Offering>),
    /// With its versions; one that somebody subscribed to is a [`StoreError::VersionConflict`].
    DropOffering {
        name: String,
    },
    /// The next version of an offering, else [`StoreError::VersionConflict`].
    PutOfferingVersion(Box<OfferingVersion>),
    /// When a version becomes active, and when it ends, if it stands as it was read.
    SetVersionTimes {
        read: Box<OfferingVersion>,
        active_at: Option<Timestamp>,
        archived_at: Option<Timestamp>,
    },
    /// Undoes what stands before it, and answers [`StoreError::Undone`]: a trial.
    Undo,
}

impl Store {
    /// Does all of `ops`, in order, or none of them.
    pub async fn transact(&self, scope: &Scope, ops: Vec<Op>) -> Result<Appended, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write_in_time(tenant, move |tx| {
                Box::pin(async move {
                    let mut appended = Appended::default();
                    for op in ops {
                        let done = perform(tx, tenant, op).await?;
                        appended.position = appended.position.max(done.position);
                        appended.accepted += done.accepted;
                        appended.duplicates += done.duplicates;
                    }
                    Ok(appended)
                })
            })
            .await
    }
}

async fn perform(tx: &mut Tx<'_>, tenant: TenantId, op: Op) -> Result<Appended, StoreError> {
    match op {
        Op::Append(event) => {
            return Ok(append_all(tx, tenant, &[&[event]], None).await?.pop().unwrap_or_default());
        }
        Op::AppendNew(events) => {
            let appended = append_all(tx, tenant, &[&events], None).await?.pop().unwrap_or_default();
            if appended.duplicates > 0 {
                return Err(StoreError::AlreadyExists("an event of the same messageId".to_owned()));
            }
            return Ok(appended);
        }
        Op::PutJourneyDraft { name, definition, at } => put_draft(tx, tenant, &name, &definition, at).await?,
        Op::PutJourneyVersion { name, version, definition, at } => {
            put_version(tx, tenant, &name, version, &definition, at).await?;
        }
        Op::DeleteJourney { name } => delete_journey(tx, tenant, &name).await?,
        Op::PutComponent { digest, bytes } => put_component(tx, &digest, &bytes).await?,
        Op::PutPlugin(plugin) => put_plugin(tx, tenant, &plugin).await?,
        Op::IfPluginStands { plugin, judged } => hold_standing(tx, tenant, &plugin, &judged).await?,
        Op::PutCandidate { plugin, candidate } => put_candidate(tx, tenant, &plugin, Some(&candidate)).await?,
        Op::DropCandidate { plugin } => put_candidate(tx, tenant, &plugin, None).await?,
        Op::DropPluginVersion { plugin, digest } => drop_version(tx, tenant, &plugin, &digest).await?,
        Op::PutPluginSecret { plugin, name, sealed } => put_secret(tx, tenant, &plugin, &name, &sealed).await?,
        Op::PutSegmentVersion(version) => put_segment_version(tx, tenant, &version).await?,
        Op::PutErasure(erasure) => put_erasure(tx, tenant, &erasure).await?,
        Op::PutRemoval(removal) => put_removal(tx, tenant, &removal).await?,
        Op::PutSettings(settings) => put_settings(tx, tenant, &settings).await?,
        Op::Object(change) => write_objects(tx, tenant, &object_writes(&[change])).await?,
        Op::Objects(changes) => write_objects(tx, tenant, &object_writes(&changes)).await?,
        Op::OfType { kind, version } => hold_type(tx, tenant, &kind, version).await?,
        Op::OfPlugin { kind, plugin, digest } => hold_plugin(tx, tenant, &kind, (&plugin, &digest)).await?,
        Op::PutWebhook(webhook) => put_webhook(tx, tenant, &webhook).await?,
        Op::DropWebhook { name, version } => drop_webhook(tx, tenant, &name, version).await?,
        Op::SendAgain { webhook, which, at } => send_again(tx, tenant, &webhook, &which, at).await?,
        Op::PutOffering(offering) => put_offering(tx, tenant, &offering).await?,
        Op::DropOffering { name } => drop_offering(tx, tenant, &name).await?,
        Op::PutOfferingVersion(version) => put_offering_version(tx, tenant, &version).await?,
        Op::SetVersionTimes { read, active_at, archived_at } => {
            set_version_times(tx, tenant, &read, (active_at, archived_at)).await?;
        }
        Op::Undo => return Err(StoreError::Undone),
    }
    Ok(Appended::default())
}
