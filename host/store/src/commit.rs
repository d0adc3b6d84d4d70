//! The engine's COMMIT: all changes of a batch in one savepoint, behind the fence. One bulk statement a noun, so their
//! number does not depend on the batch's size.

use openhub_model::{NewEvent, PartId, TenantId, Timestamp};

use crate::changes::{CatalogChange, Changes, NodeCount, SetAside};
use crate::database::bulk::{self, Bulk, Rows};
use crate::database::connection::{execute, select};
use crate::database::decode::{limit, time};
use crate::database::dialect::put_customer_events;
use crate::database::transaction::Tx;
use crate::database::transaction::Weight;
use crate::error::StoreError;
use crate::history::properties::Kept;
use crate::log::events::{append_all, read_latest};
use crate::log::leases::Lease;
use crate::log::partitions::{Move, Moved, move_on};
use crate::log::tombstones::{Tombstone, drop_customer_events, put_tombstones};
use crate::scope::Scope;
use crate::state::active_customers::{ActiveRows, active_rows, count_active};
use crate::state::attributes::put_attribute;
use crate::state::blocks::follow_blocks;
use crate::state::claims::{claim_rows, put_claims};
use crate::state::customers::{customer_rows, drop_customers, put_customers, put_wakes, wake_rows};
use crate::state::faults::{fault_rows, put_faults};
use crate::state::former_fields::put_former_fields;
use crate::state::identity_policies::put_policy;
use crate::state::journeys::{delete_journey, follow_status};
use crate::state::matches::{decide_matches, decision_rows, match_rows, put_matches};
use crate::state::messages::{add_messages, message_rows, take_back};
use crate::state::metered::{count_events, metered_rows, put_metered};
use crate::state::object_types::{put_migrating, put_object_type};
use crate::state::object_writes::{ObjectWrites, object_writes, write_objects};
use crate::state::parts::{drop_parts, part_rows, put_parts};
use crate::state::plugin_recordings::{change_recording, put_recordings, recording_rows};
use crate::state::plugin_removals::{remove_plugin, step_removal};
use crate::state::plugin_trials::{change_trial, put_shadow_counts, put_shadow_rows, shadow_count_rows, shadow_rows};
use crate::state::plugin_versions::put_plugin_migrating;
use crate::state::plugins::change_plugin;
use crate::state::runs::{arm, disarm, entry_rows, put_entries, put_runs, run_rows, timer_rows};
use crate::state::segments::{
    Fill, MembershipRows, filled, membership_rows, put_in_force, put_memberships, remove_segment,
};
use crate::state::usage::{of_usage, put_usage, usage_rows};
use crate::store::Store;

/// Each of so many customers is on a page of its own, nearly: copying those takes longer than a sync.
const HEAVY: u64 = 200;

/// The changes as the statements take them, written out by the caller so that the writer only passes them on.
pub struct Prepared {
    checkpoint: i64,
    clock: Timestamp,
    clock_stopped: bool,
    wall: Timestamp,
    customers: Option<Bulk>,
    /// When they are due, and who sleeps, as a list of ids.
    wakes: (Option<Bulk>, Option<String>),
    /// Ids, as a list.
    gone_customers: Option<String>,
    parts: Option<Bulk>,
    gone_parts: Option<String>,
    claims: Option<Bulk>,
    matches: Option<Bulk>,
    decisions: Option<Bulk>,
    runs: Option<Bulk>,
    disarmed: Option<Bulk>,
    armed: Option<Bulk>,
    entries: Option<Bulk>,
    objects: ObjectWrites,
    messages: Option<Bulk>,
    events: Option<Bulk>,
    /// Of `events`, in their order.
    bodies: Option<Bulk>,
    arrivals: Vec<NewEvent>,
    kept: Kept,
    counts: Option<Bulk>,
    set_aside: Option<Bulk>,
    faults: Option<Bulk>,
    usage: Option<Bulk>,
    active: ActiveRows,
    metered: Option<Bulk>,
    shadow_counts: Option<Bulk>,
    shadow_rows: Option<Bulk>,
    recordings: Option<Bulk>,
    catalog: Vec<CatalogChange>,
    memberships: MembershipRows,
    fills: Vec<Fill>,
    /// Lists of their parts and of their ids.
    taken_back: Option<(String, String)>,
    tombstones: Vec<Tombstone>,
}

impl Store {
    /// Commits a batch: everything, or nothing and why. Answers the lease as it stands afterwards.
    ///
    /// [`StoreError::FenceLost`] if another node claimed the partition since; [`StoreError::Moved`] if the partition does not
    /// stand where the lease says; [`StoreError::UniqueConflict`] and
    /// [`StoreError::VersionConflict`] name the objects that are in the way.
    pub async fn commit(&self, scope: &Scope, lease: &Lease, changes: &Changes) -> Result<Lease, StoreError> {
        self.commit_prepared(scope, lease, Prepared::of(changes)).await
    }

    /// As [`Store::commit`], of changes that are written out already.
    pub async fn commit_prepared(&self, scope: &Scope, lease: &Lease, prepared: Prepared) -> Result<Lease, StoreError> {
        let (tenant, lease) = (scope.tenant(), *lease);
        let customers = prepared.customers.as_ref().map_or(0, |customers| customers.count);
        let weight = if customers >= HEAVY { Weight::Heavy } else { Weight::Light };
        self.writer
            .write_with(weight, Some(tenant), move |tx| {
                Box::pin(async move { write(tx, tenant, &lease, prepared).await })
            })
            .await
    }

    /// Events that were set aside, by position.
    pub async fn set_aside(&self, scope: &Scope, rows: usize) -> Result<Vec<SetAside>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, String, String, i64),
            "SELECT position, message_id, fault, at FROM set_aside WHERE tenant_id = $1 ORDER BY position LIMIT $2",
            scope.tenant().0,
            limit(rows),
        );
        Ok(rows
            .into_iter()
            .map(|(position, message_id, fault, at)| SetAside { position, message_id, fault, at: time(at) })
            .collect())
    }
}

impl Prepared {
    pub fn of(changes: &Changes) -> Prepared {
        Prepared {
            checkpoint: changes.checkpoint,
            clock: changes.clock,
            clock_stopped: changes.clock_stopped,
            wall: changes.wall,
            customers: customer_rows(&changes.customers),
            wakes: wake_rows(&changes.wakes),
            gone_customers: ids(&changes.gone_customers),
            parts: part_rows(&changes.parts),
            gone_parts: ids(&changes.gone_parts),
            claims: claim_rows(&changes.claims),
            matches: match_rows(&changes.matches),
            decisions: decision_rows(&changes.decisions),
            runs: run_rows(&changes.runs),
            disarmed: timer_rows(&changes.disarmed),
            armed: timer_rows(&changes.armed),
            entries: entry_rows(&changes.entries),
            objects: object_writes(&changes.objects),
            messages: message_rows(&changes.messages),
            events: event_rows(&changes.events),
            bodies: body_rows(&changes.events),
            arrivals: changes.arrivals.clone(),
            kept: Kept::of(&changes.kept),
            counts: count_rows(&changes.counts),
            set_aside: set_aside_rows(&changes.set_aside),
            faults: fault_rows(&changes.faults, changes.wall),
            usage: usage_rows(&changes.usage),
            active: active_rows(&changes.active),
            metered: metered_rows(of_usage(&changes.usage, changes.wall)),
            shadow_counts: shadow_count_rows(&changes.shadow_counts),
            shadow_rows: shadow_rows(&changes.shadow_rows),
            recordings: recording_rows(&changes.recordings),
            catalog: changes.catalog.clone(),
            memberships: membership_rows(&changes.memberships),
            fills: changes.fills.clone(),
            taken_back: (!changes.taken_back.is_empty()).then(|| {
                let taken_back = &changes.taken_back;
                (bulk::list(taken_back.iter().map(|(part, _)| part)), bulk::list(taken_back.iter().map(|(_, run)| run)))
            }),
            tombstones: changes.tombstones.clone(),
        }
    }
}

/// What is written is let go at once: a batch's rows are as long as the batch in memory.
async fn write(tx: &mut Tx<'_>, tenant: TenantId, lease: &Lease, mut changes: Prepared) -> Result<Lease, StoreError> {
    let caused = changes.events.as_ref().map_or(0, |events| events.count);
    let to = Move {
        checkpoint: changes.checkpoint,
        clock: changes.clock,
        caused: caused.cast_signed(),
        erased: limit(changes.tombstones.len()),
    };
    let Moved { head, passed, lease } = move_on(tx, lease, &to).await?;
    if changes.clock_stopped {
        read_latest(tx, tenant).await?;
    }
    let arrived = head - caused.cast_signed();
    write_objects(tx, tenant, &std::mem::take(&mut changes.objects)).await?;
    if let Some(rows) = changes.customers.take() {
        put_customers(tx, tenant, rows).await?;
    }
    put_wakes(tx, tenant, &changes.wakes).await?;
    if let Some(ids) = &changes.gone_customers {
        drop_customers(tx, tenant, ids).await?;
    }
    if let Some(rows) = changes.parts.take() {
        put_parts(tx, tenant, &rows).await?;
    }
    if let Some(ids) = &changes.gone_parts {
        drop_parts(tx, tenant, ids).await?;
    }
    if let Some(rows) = changes.claims.take() {
        put_claims(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.matches.take() {
        put_matches(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.decisions.take() {
        decide_matches(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.runs.take() {
        put_runs(tx, tenant, rows).await?;
    }
    if let Some(rows) = changes.disarmed.take() {
        disarm(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.armed.take() {
        arm(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.entries.take() {
        put_entries(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.messages.take() {
        add_messages(tx, tenant, changes.wall, rows).await?;
        tx.signal_appended(tenant);
    }
    if let Some((parts, runs)) = &changes.taken_back {
        take_back(tx, tenant, changes.wall, parts, runs).await?;
    }
    if let Some((events, bodies)) = changes.events.take().zip(changes.bodies.take()) {
        add_events(tx, tenant, arrived + 1, events, bodies).await?;
    }
    if let Some(rows) = changes.set_aside.take() {
        put_aside(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.faults.take() {
        put_faults(tx, tenant, changes.wall, &rows).await?;
    }
    if let Some(rows) = changes.usage.take() {
        put_usage(tx, tenant, changes.wall, &rows).await?;
    }
    if let Some(rows) = changes.shadow_counts.take() {
        put_shadow_counts(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.shadow_rows.take() {
        put_shadow_rows(tx, tenant, &rows).await?;
    }
    if let Some(rows) = changes.recordings.take() {
        put_recordings(tx, tenant, changes.wall, &rows).await?;
    }
    if changes.checkpoint > passed {
        count_events(tx, tenant, (passed, changes.checkpoint)).await?;
    }
    count_active(tx, tenant, &changes.active).await?;
    if let Some(rows) = changes.metered.take() {
        put_metered(tx, tenant, &rows).await?;
    }
    put_tombstones(tx, tenant, &changes.tombstones).await?;
    if changes.checkpoint > passed || caused > 0 {
        put_customer_events(tx.conn(), tenant, (passed, changes.checkpoint), arrived, &changes.kept).await?;
    }
    if !changes.arrivals.is_empty() {
        append_all(tx, tenant, &[&changes.arrivals], None).await?;
    }
    if let Some(rows) = changes.counts.take() {
        add_counts(tx, tenant, &rows).await?;
    }
    put_memberships(tx, tenant, &changes.memberships).await?;
    for fill in &changes.fills {
        filled(tx, tenant, fill).await?;
    }
    for change in &changes.catalog {
        change_catalog(tx, tenant, change, (changes.clock, changes.wall)).await?;
    }
    Ok(lease)
}

fn ids(ids: &[PartId]) -> Option<String> {
    (!ids.is_empty()).then(|| bulk::list(ids))
}

fn event_rows(events: &[NewEvent]) -> Option<Bulk> {
    Rows::of(events, |row, event| {
        row.text(&event.message_id).int(event.kind.code()).text(&event.name).maybe_id(event.part);
        row.time(event.occurred_at).time(event.received_at).int(i64::from(event.historical));
        row.maybe_text(event.cause.as_deref()).int(event.authority.code());
    })
}

fn body_rows(events: &[NewEvent]) -> Option<Bulk> {
    Rows::of(events, |row, event| {
        row.text(&event.body);
    })
}

/// Caused events are done when they are stored, and a rerun causes the same ones: those that exist are left out.
async fn add_events(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    first: i64,
    events: Bulk,
    bodies: Bulk,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO events (tenant_id, position, origin, message_id, kind, name, part_id, occurred_at, received_at, \
         historical, cause, authority) SELECT $1, CAST($2 AS BIGINT) + key, 1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS BIGINT), \
         CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), \
         CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS TEXT), CAST(value ->> 8 AS BIGINT) FROM jsonb_each($3) WHERE true \
         ON CONFLICT DO NOTHING",
        tenant.0,
        first,
        events.json,
    )?;
    execute!(
        tx.conn(),
        "INSERT INTO event_bodies (tenant_id, position, body) SELECT $1, CAST($2 AS BIGINT) + key, \
         CAST(value ->> 0 AS TEXT) FROM jsonb_each($3) WHERE EXISTS (SELECT 1 FROM events \
         WHERE events.tenant_id = $1 AND events.position = CAST($2 AS BIGINT) + key)",
        tenant.0,
        first,
        bodies.json,
    )
    .map(drop)
}

pub(crate) fn count_rows(counts: &[NodeCount]) -> Option<Bulk> {
    Rows::of(counts, |row, count| {
        row.text(&count.journey).int(count.version).text(&count.node).int(count.entered).int(count.waiting);
    })
}

pub(crate) async fn add_counts(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO node_counts (tenant_id, journey, version, node, entered, waiting) SELECT $1, CAST(value ->> 0 AS TEXT), \
         CAST(value ->> 1 AS BIGINT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS BIGINT) \
         FROM jsonb_each($2) WHERE true ON CONFLICT (tenant_id, journey, version, node) \
         DO UPDATE SET entered = node_counts.entered + excluded.entered, waiting = node_counts.waiting + excluded.waiting",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

fn set_aside_rows(set_aside: &[SetAside]) -> Option<Bulk> {
    Rows::of(set_aside, |row, aside| {
        row.int(aside.position).text(&aside.message_id).text(&aside.fault).time(aside.at);
    })
}

/// What was not computed counts nowhere: whose an event is goes with it, and is found neither in the log nor among the
/// customer's events.
async fn put_aside(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO set_aside (tenant_id, position, message_id, fault, at, part_id) SELECT $1, CAST(value ->> 0 AS BIGINT), \
         CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS BIGINT), (SELECT events.part_id FROM events \
         WHERE events.tenant_id = $1 AND events.position = CAST(value ->> 0 AS BIGINT)) FROM jsonb_each($2) WHERE true \
         ON CONFLICT DO NOTHING",
        tenant.0,
        &rows.json,
    )?;
    drop_customer_events(tx, tenant, rows).await?;
    execute!(
        tx.conn(),
        "UPDATE events SET part_id = NULL WHERE tenant_id = $1 AND position IN \
         (SELECT CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2))",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

async fn change_catalog(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    change: &CatalogChange,
    clocks: (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    match change {
        CatalogChange::IdentityKinds { policy, position } => return put_policy(tx, tenant, *position, policy).await,
        CatalogChange::Attribute { name, declaration, position } => {
            return put_attribute(tx, tenant, name, declaration.as_ref(), *position).await;
        }
        CatalogChange::ObjectType { name, declaration, presumes, position, .. } => {
            return put_object_type(tx, tenant, name, declaration.as_deref(), *presumes, *position).await;
        }
        CatalogChange::ObjectTypeMigrates { name, state } => {
            return put_migrating(tx, tenant, name, state.as_ref()).await;
        }
        CatalogChange::Plugin { .. } => return change_plugin(tx, tenant, change).await,
        CatalogChange::Canary { .. } | CatalogChange::Shadow { .. } => return change_trial(tx, tenant, change).await,
        CatalogChange::Recording { .. } => return change_recording(tx, tenant, change).await,
        CatalogChange::Segment { name, version, position } => {
            return put_in_force(tx, tenant, name, *version, *position).await;
        }
        CatalogChange::RemoveSegment { name } => return remove_segment(tx, tenant, name).await,
        CatalogChange::RemovePlugin { name, position, .. } => return remove_plugin(tx, tenant, name, *position).await,
        CatalogChange::PluginMigrates { plugin, state, former } => {
            put_former_fields(tx, tenant, former).await?;
            return put_plugin_migrating(tx, tenant, plugin, state.as_ref()).await;
        }
        CatalogChange::PluginRemoval(step) => return step_removal(tx, tenant, step, clocks.1).await,
        CatalogChange::RemoveJourney { name } => return delete_journey(tx, tenant, name).await,
        CatalogChange::Blocks => return follow_blocks(tx, tenant, clocks).await,
        CatalogChange::Journey { name, status, version, position } => {
            follow_status(tx, tenant, name, *status, clocks).await?;
            execute!(
                tx.conn(),
                "UPDATE journeys SET status = $3, version = COALESCE($4, version), position = $5 \
                 WHERE tenant_id = $1 AND name = $2",
                tenant.0,
                name,
                status.code(),
                *version,
                *position,
            )
        }
    }
    .map(drop)
}
