//! Where the hub's own records of others name a customer who is erased: claims and refusals of its identities, proposed
//! matches, and what operators did by hand. What another customer's events say stays that customer's own.

//!
//! Anybody can claim an identity, a page too, so nobody knows how many strangers did, or how long their histories are: what is
//! looked at and what is taken away draws on the rows of the step.

use openhub_model::identity::Part;
use openhub_model::{EventKind, Identity, PartId, TenantId};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

use crate::database::bulk::{self, Rows};
use crate::database::connection::{execute, fetch_all};
use crate::database::decode::limit;
use crate::database::transaction::Tx;
use crate::erasure::erase::{Counts, Stepping, add};
use crate::error::StoreError;
use crate::log::tombstones::{Tombstone, put_tombstones};

/// The last event that was looked at of a stranger who has more than a step may look at. It is known to the steps of one hub:
/// another one looks at that stranger from the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    stranger: String,
    occurred_at: i64,
    position: i64,
}

/// An event of a stranger: its time, its position and its name.
type Seen = (i64, i64, String);

impl Stepping<'_, '_, '_> {
    /// The claims and the proposed matches of others, each after what the hub said of it.
    pub(super) async fn mentions(&mut self, counts: &mut Counts) -> Result<(), StoreError> {
        ["claims_of_others", "events_of_others", "matches"].into_iter().for_each(|place| add(counts, place, 0));
        for Part { identity: Identity { kind, value }, .. } in &self.erasing.parts {
            while self.left > 0 {
                let strangers = fetch_all!(
                    self.tx.conn(),
                    (String,),
                    "SELECT DISTINCT part_id FROM claims WHERE tenant_id = $1 AND kind = $2 AND value = $3 \
                     ORDER BY part_id LIMIT $4",
                    self.tenant.0,
                    kind,
                    value,
                    limit(self.left),
                )?;
                let strangers: Vec<String> = strangers.into_iter().map(|(part,)| part).collect();
                let looked_at = self.look(&strangers, &HashSet::new(), counts).await?;
                if looked_at == 0 {
                    break;
                }
                let gone = execute!(
                    self.tx.conn(),
                    "DELETE FROM claims WHERE tenant_id = $1 AND kind = $2 AND value = $3 \
                     AND part_id IN (SELECT atom FROM json_each($4))",
                    self.tenant.0,
                    kind,
                    value,
                    bulk::list(&strangers[..looked_at]),
                )?;
                add(counts, "claims_of_others", gone);
                self.draw(gone as usize);
            }
        }
        self.matches(counts).await
    }

    async fn matches(&mut self, counts: &mut Counts) -> Result<(), StoreError> {
        let Some(identities) = Rows::of(&self.erasing.parts, |row, part| {
            row.text(&part.identity.kind).text(&part.identity.value);
        }) else {
            return Ok(());
        };
        while self.left > 0 {
            let found = fetch_all!(
                self.tx.conn(),
                (String, String, String),
                "SELECT id, part_id, source FROM matches WHERE tenant_id = $1 AND (kind, value) IN \
                 (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2)) ORDER BY id LIMIT $3",
                self.tenant.0,
                &identities.json,
                limit(self.left),
            )?;
            let mut strangers: Vec<String> = found.iter().map(|(_, part, _)| part.clone()).collect();
            strangers.sort_unstable();
            strangers.dedup();
            let sources: HashSet<String> = found.iter().map(|(_, _, source)| source.clone()).collect();
            let looked_at = self.look(&strangers, &sources, counts).await?;
            if looked_at == 0 {
                break;
            }
            let gone = found.iter().filter(|(_, part, _)| strangers[..looked_at].contains(part)).map(|(id, ..)| id);
            let gone = execute!(
                self.tx.conn(),
                "DELETE FROM matches WHERE tenant_id = $1 AND id IN (SELECT atom FROM json_each($2))",
                self.tenant.0,
                bulk::list(gone),
            )?;
            add(counts, "matches", gone);
            self.draw(gone as usize);
        }
        Ok(())
    }

    fn draw(&mut self, rows: usize) {
        self.left = self.left.saturating_sub(rows);
    }

    /// Erases what the hub said to strangers of the customer's identities; `sources` are events that proposed one. Answers
    /// of how many, from the first on, nothing more is to be looked at.
    async fn look(
        &mut self,
        strangers: &[String],
        sources: &HashSet<String>,
        counts: &mut Counts,
    ) -> Result<usize, StoreError> {
        let goes_on = self.looked.as_ref().is_some_and(|looked| strangers.first() == Some(&looked.stranger));
        let mut size = if goes_on { 1 } else { strangers.len() };
        while size > 1 {
            let seen = fetch_all!(
                self.tx.conn(),
                Seen,
                "SELECT c.occurred_at, c.position, c.name FROM (SELECT atom AS own FROM json_each($2)) AS named \
                 CROSS JOIN customer_events AS c WHERE c.tenant_id = $1 AND c.part_id = own LIMIT $3",
                self.tenant.0,
                bulk::list(&strangers[..size]),
                limit(self.left + 1),
            )?;
            if seen.len() + size <= self.left {
                self.erase_said(&seen, sources, counts).await?;
                return Ok(size);
            }
            size /= 2;
        }
        match strangers.first() {
            Some(stranger) => Ok(usize::from(self.look_on(stranger, sources, counts).await?)),
            None => Ok(0),
        }
    }

    /// Looks at one stranger, from where the last step ended. Answers whether that was all of them.
    async fn look_on(
        &mut self,
        stranger: &str,
        sources: &HashSet<String>,
        counts: &mut Counts,
    ) -> Result<bool, StoreError> {
        let from = self.looked.take().filter(|looked| looked.stranger == stranger);
        let (at, position) = from.map_or((i64::MIN, i64::MIN), |looked| (looked.occurred_at, looked.position));
        let most = self.left;
        let seen = fetch_all!(
            self.tx.conn(),
            Seen,
            "SELECT occurred_at, position, name FROM customer_events WHERE tenant_id = $1 AND part_id = $2 \
             AND (occurred_at, position) > ($3, $4) ORDER BY occurred_at, position LIMIT $5",
            self.tenant.0,
            stranger,
            at,
            position,
            limit(most),
        )?;
        self.erase_said(&seen, sources, counts).await?;
        let last = seen.last().filter(|_| seen.len() == most);
        self.looked = last.map(|(occurred_at, position, _)| Looked {
            stranger: stranger.to_owned(),
            occurred_at: *occurred_at,
            position: *position,
        });
        Ok(self.looked.is_none())
    }

    /// What the hub itself said of these identities: refused claims, and matches that were proposed and decided.
    async fn erase_said(
        &mut self,
        seen: &[Seen],
        sources: &HashSet<String>,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        self.draw(seen.len());
        let may_name = |name: &str| matches!(name, "Identity Refused" | "Match Proposed" | "");
        let places: Vec<i64> =
            seen.iter().filter(|(.., name)| may_name(name)).map(|(_, position, _)| *position).collect();
        if places.is_empty() {
            return Ok(());
        }
        let events = fetch_all!(
            self.tx.conn(),
            (i64, String, String),
            "SELECT e.position, e.message_id, b.body FROM events e JOIN event_bodies b ON b.tenant_id = e.tenant_id \
             AND b.position = e.position WHERE e.tenant_id = $1 AND e.position IN (SELECT CAST(atom AS BIGINT) \
             FROM json_each($2)) AND (e.name <> '' OR e.kind = $3)",
            self.tenant.0,
            bulk::list(places),
            EventKind::Update.code(),
        )?;
        let mut found = Vec::new();
        for (position, id, body) in events {
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            // Of changes, the decision about a match names the other one; what an API call says is the customer's own.
            let decided = Some(&body["identities"]).filter(|_| body["match"].is_object()).and_then(Value::as_array);
            let said: Vec<&Value> = decided.into_iter().flatten().chain([&body["properties"]]).collect();
            let names = |identity: &Identity| {
                said.iter().any(|said| said["kind"] == *identity.kind && said["value"] == *identity.value)
            };
            if sources.contains(&id) || self.erasing.parts.iter().any(|part| names(&part.identity)) {
                found.push(Tombstone { position, mark: self.erasing.marker.message(self.tenant, &id) });
            }
        }
        put_tombstones(self.tx, self.tenant, &found).await?;
        self.erased += limit(found.len());
        add(counts, "events_of_others", limit(found.len()));
        Ok(())
    }
}

/// Takes the ids out of uploads to static segments, and empties what took the customer apart, or had their calls recorded. All of it
/// was done before.
pub(super) async fn controls(tx: &mut Tx<'_>, tenant: TenantId, ids: &[PartId]) -> Result<u64, StoreError> {
    let mut changed = BTreeMap::new();
    for (position, body) in fetch_all!(
        tx.conn(),
        (i64, String),
        "SELECT e.position, b.body FROM events e JOIN event_bodies b ON b.tenant_id = e.tenant_id \
         AND b.position = e.position WHERE e.tenant_id = $1 AND e.kind = 9 AND e.name = 'identity.undone'",
        tenant.0,
    )? {
        let said: Value = serde_json::from_str(&body).unwrap_or_default();
        let identity = serde_json::from_value::<Identity>(said["identity"].clone()).ok();
        let named = identity.map(|identity| identity.part(tenant));
        let part = said["part"].as_str().and_then(|part| part.parse().ok());
        if [named, part].into_iter().flatten().any(|part: PartId| ids.contains(&part)) {
            changed.insert(position, "{}".to_owned());
        }
    }
    for (position, body) in fetch_all!(
        tx.conn(),
        (i64, String),
        "SELECT e.position, b.body FROM events e JOIN event_bodies b ON b.tenant_id = e.tenant_id \
         AND b.position = e.position WHERE e.tenant_id = $1 AND e.kind = 9 AND e.name = 'plugin.recording-set'",
        tenant.0,
    )? {
        let said: Value = serde_json::from_str(&body).unwrap_or_default();
        let customer = said["customer"].as_str().and_then(|customer| customer.parse().ok());
        if customer.is_some_and(|customer: PartId| ids.contains(&customer)) {
            changed.insert(position, "{}".to_owned());
        }
    }
    for id in ids {
        let uploads = fetch_all!(
            tx.conn(),
            (i64, String),
            "SELECT e.position, b.body FROM events e JOIN event_bodies b ON b.tenant_id = e.tenant_id \
             AND b.position = e.position WHERE e.tenant_id = $1 AND e.kind = 9 AND e.name = 'segment.members' \
             AND b.body LIKE $2",
            tenant.0,
            format!("%{id}%"),
        )?;
        for (position, body) in uploads {
            let mut said: Value = serde_json::from_str(&body).unwrap_or_default();
            for list in ["add", "remove"] {
                if let Some(list) = said[list].as_array_mut() {
                    list.retain(|listed| !ids.iter().any(|id| *listed == id.to_string()));
                }
            }
            changed.insert(position, said.to_string());
        }
    }
    let Some(rows) = Rows::of(&changed, |row, (position, body)| {
        row.int(*position).text(body);
    }) else {
        return Ok(0);
    };
    execute!(
        tx.conn(),
        "WITH changed AS MATERIALIZED (SELECT CAST(value ->> 0 AS BIGINT) AS place, CAST(value ->> 1 AS TEXT) AS said \
         FROM jsonb_each($2)) UPDATE event_bodies SET body = changed.said FROM changed WHERE tenant_id = $1 \
         AND position = changed.place AND position IN (SELECT place FROM changed)",
        tenant.0,
        &rows.json,
    )
}
