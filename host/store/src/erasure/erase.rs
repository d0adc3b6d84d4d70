//! Carrying out an erasure, step by step. A step is one transaction of a bounded number of rows, behind the fence; what
//! it did is counted in the receipt by the same commit, so that a hub that dies between two steps goes on with the next.
//! The last one takes the customer itself, and moves the checkpoint.

use openhub_model::identity::{Marker, Part};
use openhub_model::run::RunStatus;
use openhub_model::timer::Timer;
use openhub_model::{Id, PartId, TenantId, Timestamp};
use std::collections::BTreeMap;

use crate::changes::NodeCount;
use crate::commit::{add_counts, count_rows};
use crate::database::bulk::{self, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::decode::{id, limit, time};
use crate::database::dialect::{Overwriting, overwrite};
use crate::database::transaction::Tx;
use crate::erasure::erasures::{Afterwards, counts_so_far, put_counts};
use crate::erasure::mentions::{Looked, controls};
use crate::erasure::requests::{NewErasureRequest, put_requests};
use crate::error::StoreError;
use crate::log::leases::Lease;
use crate::log::partitions::{Move, move_on};
use crate::log::tombstones::{Tombstone, mark_causes, put_tombstones};
use crate::scope::Scope;
use crate::state::active_customers::forget_active;
use crate::state::customers::drop_customers;
use crate::state::faults::forget_faults;
use crate::state::idempotency_keys::forget_answers;
use crate::state::parts::drop_parts;
use crate::state::plugin_kv::{forget_entries, lock_entries};
use crate::state::plugin_recordings::forget_recordings;
use crate::state::plugin_trials::forget_shadow_rows;
use crate::state::runs::{disarm, timer_rows};
use crate::state::segments::{Membership, membership_rows, put_memberships};
use crate::state::suppressions::put_suppressions;
use crate::state::webhook_deliveries::{forget_sent, hold_webhooks};
use crate::store::Store;

/// What an erasure takes away.
#[derive(Clone, Debug)]
pub struct Erasing {
    pub id: Id,
    /// Of its control event: what arrived behind that is no business of the erasure.
    pub position: i64,
    /// All of the customer.
    pub parts: Vec<Part>,
    /// The timer of its segments.
    pub wakes: Vec<Timer>,
    pub afterwards: Afterwards,
    /// What plugins are asked to erase themselves.
    pub requests: Vec<NewErasureRequest>,
    pub marker: Marker,
    /// By the host's clock.
    pub now: Timestamp,
    /// Rows of a step at most.
    pub rows: usize,
    /// Where the step before has ended.
    pub looked: Option<Looked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EraseStep {
    /// The next one goes on from there.
    More(Option<Looked>),
    /// The checkpoint has moved to the erasure's position.
    Done,
}

impl Store {
    /// The next step of an erasure, and the lease as it stands afterwards. Fails as [`Store::commit`] does.
    pub async fn erase_step(
        &self,
        scope: &Scope,
        lease: &Lease,
        erasing: &Erasing,
    ) -> Result<(EraseStep, Lease), StoreError> {
        let (tenant, lease, erasing) = (scope.tenant(), *lease, erasing.clone());
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    overwrite(tx.conn(), Overwriting::On).await?;
                    let (left, looked) = (erasing.rows, erasing.looked.clone());
                    let stepping = Stepping { tx, tenant, erasing: &erasing, left, erased: 0, looked };
                    let done = stepping.step(&lease).await;
                    overwrite(tx.conn(), Overwriting::Off).await?;
                    done
                })
            })
            .await
    }
}

pub(super) struct Stepping<'s, 't, 'c> {
    pub(super) tx: &'s mut Tx<'t>,
    pub(super) tenant: TenantId,
    pub(super) erasing: &'c Erasing,
    /// Rows that this step may still take, or look at.
    pub(super) left: usize,
    /// Events that this step has erased.
    pub(super) erased: i64,
    pub(super) looked: Option<Looked>,
}

pub(super) type Counts = BTreeMap<String, i64>;

pub(super) fn add(counts: &mut Counts, place: &str, rows: impl TryInto<i64>) {
    let rows = rows.try_into().unwrap_or(i64::MAX);
    *counts.entry(place.to_owned()).or_default() += rows;
}

impl Stepping<'_, '_, '_> {
    async fn step(mut self, lease: &Lease) -> Result<(EraseStep, Lease), StoreError> {
        let Some(mut counts) = counts_so_far(self.tx, self.tenant, self.erasing.id).await? else {
            // It was carried out before: only the checkpoint has yet to pass it.
            let lease = self.pass(lease, self.erasing.position).await?;
            return Ok((EraseStep::Done, lease));
        };
        let parts: Vec<PartId> = self.erasing.parts.iter().map(Part::id).collect();
        // Nobody writes an entry of theirs between this step, if it is the last, and the end of their parts.
        lock_entries(self.tx, self.tenant).await?;
        hold_webhooks(self.tx, self.tenant).await?;
        for part in &parts {
            let part = part.to_string();
            self.entries_of_plugins(&part, &mut counts).await?;
            self.messages(&part, &mut counts).await?;
            self.sent(&part, &mut counts).await?;
            self.runs(&part, &mut counts).await?;
            self.objects(&part, &mut counts).await?;
            self.events(&part, &mut counts).await?;
            self.claims(&part, &mut counts).await?;
        }
        self.events_on_their_way(&bulk::list(&parts), &mut counts).await?;
        self.mentions(&mut counts).await?;
        self.answers(&mut counts).await?;
        let step = if self.left == 0 { EraseStep::More(self.looked.take()) } else { EraseStep::Done };
        let done_at = match &step {
            EraseStep::More(_) => None,
            EraseStep::Done => {
                self.the_rest(&parts, &mut counts).await?;
                Some(self.erasing.now)
            }
        };
        put_counts(self.tx, self.tenant, self.erasing.id, &counts, done_at).await?;
        let checkpoint = if step == EraseStep::Done { self.erasing.position } else { lease.checkpoint };
        let lease = self.pass(lease, checkpoint).await?;
        Ok((step, lease))
    }

    async fn pass(&mut self, lease: &Lease, checkpoint: i64) -> Result<Lease, StoreError> {
        let to = Move { checkpoint, clock: lease.clock, caused: 0, erased: self.erased };
        Ok(move_on(self.tx, lease, &to).await?.lease)
    }

    async fn messages(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let gone = execute!(
            self.tx.conn(),
            "DELETE FROM messages WHERE tenant_id = $1 AND id IN \
             (SELECT id FROM messages WHERE tenant_id = $1 AND part_id = $2 LIMIT $3)",
            self.tenant.0,
            part,
            limit(self.left),
        )?;
        add(counts, "messages", gone);
        self.left -= gone as usize;
        Ok(())
    }

    /// To webhooks.
    async fn sent(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let gone = forget_sent(self.tx, self.tenant, part, self.left).await?;
        add(counts, "webhook_deliveries", gone);
        self.left -= gone;
        Ok(())
    }

    /// That are kept for who repeats a call.
    async fn answers(&mut self, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let gone = forget_answers(self.tx, self.tenant, self.left).await?;
        add(counts, "answers", gone as i64);
        self.left -= gone;
        Ok(())
    }

    /// What plugins keep of theirs.
    async fn entries_of_plugins(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let gone = forget_entries(self.tx, self.tenant, part, self.left).await?;
        add(counts, "plugin_kv", gone as i64);
        self.left -= gone;
        Ok(())
    }

    /// With their timers; a node no longer counts those that wait at it, and still those that ever entered it.
    async fn runs(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let runs = fetch_all!(
            self.tx.conn(),
            (String, String, i64, String, i64, Option<i64>),
            "SELECT id, journey, version, node, status, due FROM runs WHERE tenant_id = $1 AND part_id = $2 LIMIT $3",
            self.tenant.0,
            part,
            limit(self.left),
        )?;
        let (mut timers, mut waiting) = (Vec::new(), BTreeMap::<(&str, i64, &str), i64>::new());
        for (run, journey, version, node, status, due) in &runs {
            if *status == RunStatus::Waiting.code() {
                *waiting.entry((journey, *version, node)).or_default() -= 1;
            }
            if let Some(due) = due {
                timers.push(Timer::run(id(run)?, id(part)?, time(*due)));
            }
        }
        let waiting: Vec<NodeCount> = waiting
            .into_iter()
            .map(|((journey, version, node), waiting)| NodeCount {
                journey: journey.to_owned(),
                version,
                node: node.to_owned(),
                entered: 0,
                waiting,
            })
            .collect();
        if let Some(rows) = count_rows(&waiting) {
            add_counts(self.tx, self.tenant, &rows).await?;
        }
        if let Some(rows) = timer_rows(&timers) {
            let gone = disarm(self.tx, self.tenant, &rows).await?;
            add(counts, "timers", gone);
        }
        let gone = execute!(
            self.tx.conn(),
            "DELETE FROM runs WHERE tenant_id = $1 AND id IN (SELECT atom FROM json_each($2))",
            self.tenant.0,
            bulk::list(runs.iter().map(|(run, ..)| run)),
        )?;
        add(counts, "runs", gone);
        self.left -= runs.len();
        Ok(())
    }

    async fn objects(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let objects = fetch_all!(
            self.tx.conn(),
            (String, String),
            "SELECT kind, key FROM objects WHERE tenant_id = $1 AND part_id = $2 LIMIT $3",
            self.tenant.0,
            part,
            limit(self.left),
        )?;
        let Some(rows) = Rows::of(&objects, |row, (kind, key)| {
            row.text(kind).text(key);
        }) else {
            return Ok(());
        };
        let uniques = execute!(
            self.tx.conn(),
            "DELETE FROM object_uniques WHERE tenant_id = $1 AND (kind, object_key) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            self.tenant.0,
            &rows.json,
        )?;
        add(counts, "object_uniques", uniques);
        // Whoever led to one of them keeps a key that leads nowhere.
        let to = execute!(
            self.tx.conn(),
            "DELETE FROM object_relations WHERE tenant_id = $1 AND (to_kind, to_key) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            self.tenant.0,
            &rows.json,
        )?;
        let from = execute!(
            self.tx.conn(),
            "DELETE FROM object_relations WHERE tenant_id = $1 AND (kind, object_key) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            self.tenant.0,
            &rows.json,
        )?;
        add(counts, "object_relations", to + from);
        let gone = execute!(
            self.tx.conn(),
            "DELETE FROM objects WHERE tenant_id = $1 AND (kind, key) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            self.tenant.0,
            &rows.json,
        )?;
        add(counts, "objects", gone);
        self.left -= objects.len();
        Ok(())
    }

    /// Those that the engine has passed, and those that were set aside.
    async fn events(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let events = fetch_all!(
            self.tx.conn(),
            (i64, String),
            "SELECT e.position, e.message_id FROM customer_events c JOIN events e ON e.tenant_id = c.tenant_id \
             AND e.position = c.position WHERE c.tenant_id = $1 AND c.part_id = $2 \
             UNION ALL SELECT position, message_id FROM set_aside WHERE tenant_id = $1 AND part_id = $2 LIMIT $3",
            self.tenant.0,
            part,
            limit(self.left),
        )?;
        self.left -= events.len();
        self.tombstones(events, counts).await
    }

    async fn claims(&mut self, part: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let gone = execute!(
            self.tx.conn(),
            "DELETE FROM claims WHERE tenant_id = $1 AND part_id = $2 AND (kind, value, authority, policy) IN \
             (SELECT kind, value, authority, policy FROM claims WHERE tenant_id = $1 AND part_id = $2 LIMIT $3)",
            self.tenant.0,
            part,
            limit(self.left),
        )?;
        add(counts, "claims", gone);
        self.left -= gone as usize;
        Ok(())
    }

    /// What the hub made of the customer's events and has not come to itself: verdicts of sends, say.
    async fn events_on_their_way(&mut self, ids: &str, counts: &mut Counts) -> Result<(), StoreError> {
        if self.left == 0 {
            return Ok(());
        }
        let events = fetch_all!(
            self.tx.conn(),
            (i64, String),
            "SELECT position, message_id FROM events WHERE tenant_id = $1 AND position > $2 AND cause IS NOT NULL \
             AND part_id IN (SELECT atom FROM json_each($3)) LIMIT $4",
            self.tenant.0,
            self.erasing.position,
            ids,
            limit(self.left),
        )?;
        self.left -= events.len();
        self.tombstones(events, counts).await
    }

    async fn tombstones(&mut self, events: Vec<(i64, String)>, counts: &mut Counts) -> Result<(), StoreError> {
        let mark = |id: &str| self.erasing.marker.message(self.tenant, id);
        let tombstones: Vec<Tombstone> =
            events.iter().map(|(position, id)| Tombstone { position: *position, mark: mark(id) }).collect();
        let erased = put_tombstones(self.tx, self.tenant, &tombstones).await?;
        add(counts, "events", events.len() as i64);
        add(counts, "event_bodies", erased.bodies);
        add(counts, "customer_events", erased.customer_events);
        add(counts, "set_aside", erased.set_aside);
        add(counts, "faults", erased.faults);
        let marks =
            events.iter().filter_map(|(position, id)| Some((id.as_str(), erased.marks.get(position)?.as_str())));
        let marks: Vec<(&str, &str)> = marks.collect();
        add(counts, "causes_of_others", mark_causes(self.tx, self.tenant, &marks).await?);
        self.erased += events.len() as i64;
        Ok(())
    }

    /// A handful of rows each.
    async fn the_rest(&mut self, parts: &[PartId], counts: &mut Counts) -> Result<(), StoreError> {
        let (tenant, ids) = (self.tenant, bulk::list(parts));
        if let Some(rows) = timer_rows(&self.erasing.wakes) {
            add(counts, "timers", disarm(self.tx, tenant, &rows).await?);
        }
        let entries = execute!(
            self.tx.conn(),
            "DELETE FROM entries WHERE tenant_id = $1 AND journey IN (SELECT name FROM journeys WHERE tenant_id = $1) \
             AND part_id IN (SELECT atom FROM json_each($2))",
            tenant.0,
            &ids,
        )?;
        add(counts, "entries", entries);
        add(counts, "faults", forget_faults(self.tx, tenant, &ids).await?);
        add(counts, "plugin_recordings", forget_recordings(self.tx, tenant, &ids).await?);
        add(counts, "plugin_shadow_rows", forget_shadow_rows(self.tx, tenant, &ids).await?);
        let members = fetch_all!(
            self.tx.conn(),
            (String, String),
            "SELECT segment, customer_id FROM memberships WHERE tenant_id = $1 \
             AND customer_id IN (SELECT atom FROM json_each($2))",
            tenant.0,
            &ids,
        )?;
        let left = members
            .into_iter()
            .map(|(segment, customer)| Ok(Membership { segment, customer: id(&customer)?, since: None }))
            .collect::<Result<Vec<_>, StoreError>>()?;
        put_memberships(self.tx, tenant, &membership_rows(&left)).await?;
        add(counts, "memberships", left.len() as i64);
        add(counts, "active_customers", forget_active(self.tx, tenant, &ids).await?);
        let matches = execute!(
            self.tx.conn(),
            "DELETE FROM matches WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
            tenant.0,
            &ids,
        )?;
        add(counts, "matches", matches);
        add(counts, "control_events", controls(self.tx, tenant, parts).await?);
        add(counts, "customers", drop_customers(self.tx, tenant, &ids).await?);
        add(counts, "parts", drop_parts(self.tx, tenant, &ids).await?);
        let Erasing { id: erasure, requests, now, .. } = self.erasing;
        put_requests(self.tx, tenant, *erasure, requests, *now).await?;
        if self.erasing.afterwards == Afterwards::Suppressed {
            let marks: Vec<Id> = parts.iter().map(|part| self.erasing.marker.suppression(tenant, *part)).collect();
            let new = put_suppressions(self.tx, tenant, &marks, self.erasing.now).await?;
            add(counts, "suppressions", new);
        }
        Ok(())
    }
}
