//! Faults: the one list of what did not go through. What is alike is one row with a count; a fault of one event, run or
//! control event is a row of its own, which can be tried again or discarded.
//!
//! The engine files faults with its commit (`Changes::faults`). What is refused at the door is noted in memory and
//! written once a second, so that no request waits for it: see [`Store::note_refused`].

use openhub_model::{Id, NewEvent, PartId, TenantId, Timestamp};
use std::fmt;
use std::str::FromStr;

use crate::database::bulk::{Bulk, Rows};
use crate::database::connection::{execute, fetch_optional, select};
use crate::database::decode::{corrupt, id, limit, maybe_id, time};
use crate::database::filters::Sql;
use crate::database::transaction::Tx;
use crate::erasure::requests::{ask_again, waive};
use crate::error::StoreError;
use crate::log::events::append_all;
use crate::scope::Scope;
use crate::state::fault_kinds::{FaultKind, FaultStatus};
use crate::state::settlements;
use crate::store::Store;

/// Of a tenant at most; the oldest go.
const MOST: i64 = 100_000;
/// Open ones of a kind at most: a rule that fails on every event leaves room for what else fails.
const MOST_OF_A_KIND: i64 = 20_000;
const DAY: i64 = 86_400_000_000;
/// What a row's fault begins with that its rule refused; the rule's own words follow.
pub const REFUSED_ROW: &str = "The rule refused the row";
/// Characters of a text, a subject and a code.
const TEXT: usize = 500;
const SUBJECT: usize = 200;
const CODE: usize = 64;
/// Bytes of a recording; a longer one is left out.
const RECORDING: usize = 64 << 10;
/// Recordings of a tenant; the oldest go.
const RECORDINGS: i64 = 1_000;

/// What closes a fault.
#[derive(Clone, Debug)]
pub enum Remedy {
    /// Nothing more is to be done about it; a message is dropped, and a plugin is not asked to erase any more.
    Discard,
    /// A message is due again, or a plugin is asked again.
    Retry,
    /// This event tries it again.
    Event(Box<NewEvent>),
}

impl Remedy {
    fn status(&self) -> FaultStatus {
        match self {
            Remedy::Discard => FaultStatus::Discarded,
            Remedy::Retry | Remedy::Event(_) => FaultStatus::Retried,
        }
    }
}

/// A fault on its way into the list. Those of one id are one row, which counts them and is open again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFault {
    pub id: Id,
    pub kind: FaultKind,
    /// Who is at fault: `<plugin>/<rule>`, `<journey>/<node>`, a key's id, a control event's name.
    pub subject: String,
    pub code: String,
    /// What is wrong, in a sentence. Of no customer, unless `part` says whose fault it is.
    pub text: String,
    /// Where: a pointer into what was refused, a message's id.
    pub place: String,
    /// In the log.
    pub position: Option<i64>,
    /// Of the event; of the last one, where many are counted.
    pub message_id: Option<String>,
    /// Of an example of what is counted: the position and depth of its event. The last one is shown, whatever the batches.
    pub order: (i64, u8),
    /// Whose event or run it is: erasing them takes the fault with them.
    pub part: Option<PartId>,
    pub count: i64,
    /// The call of a plugin that failed, as JSON: see [`Store::fault_recording`]. The list leaves it out.
    pub recording: Option<String>,
}

impl NewFault {
    /// A fault of one thing, which `of` names: an event by its messageId, a run by its id.
    pub fn one(kind: FaultKind, of: &str, subject: impl Into<String>, code: &str, text: impl Into<String>) -> NewFault {
        let subject = subject.into();
        let id = Id::named(&[b"fault", kind.name().as_bytes(), of.as_bytes(), subject.as_bytes()]);
        NewFault::new(id, kind, subject, code, text.into())
    }

    /// One of many that are alike: those of one kind, subject, code and place are counted in one row.
    pub fn counted(
        kind: FaultKind,
        subject: impl Into<String>,
        code: &str,
        place: &str,
        text: impl Into<String>,
    ) -> NewFault {
        let subject = subject.into();
        let by = [b"faults", kind.name().as_bytes(), subject.as_bytes(), code.as_bytes(), place.as_bytes()];
        let id = Id::named(&by);
        NewFault { place: place.to_owned(), ..NewFault::new(id, kind, subject, code, text.into()) }
    }

    /// With an event of those that are counted.
    pub fn example(self, message_id: &str, position: i64, depth: u8) -> NewFault {
        NewFault { message_id: Some(message_id.to_owned()), order: (position, depth), ..self }
    }

    fn new(id: Id, kind: FaultKind, subject: String, code: &str, text: String) -> NewFault {
        NewFault {
            id,
            kind,
            subject,
            code: code.to_owned(),
            text,
            place: String::new(),
            position: None,
            message_id: None,
            order: (0, 0),
            part: None,
            count: 1,
            recording: None,
        }
    }
}

/// A fault of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulted {
    pub fault: NewFault,
    pub status: FaultStatus,
    pub first_at: Timestamp,
    /// The last time, by the host's clock.
    pub at: Timestamp,
    /// Whether its call was recorded.
    pub recorded: bool,
}

impl Faulted {
    pub fn cursor(&self) -> FaultCursor {
        FaultCursor { at: self.at, id: self.fault.id }
    }
}

#[derive(Clone, Debug, Default)]
pub struct FaultFilter {
    pub kind: Option<FaultKind>,
    pub status: Option<FaultStatus>,
    pub subject: Option<String>,
    /// Of the customer that this part belongs to.
    pub part: Option<PartId>,
    /// Faults before this one: the next page.
    pub before: Option<FaultCursor>,
    pub limit: usize,
}

/// A fault's place in the list, which begins with the last. As text: `<microseconds>.<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCursor {
    pub at: Timestamp,
    pub id: Id,
}

impl fmt::Display for FaultCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.micros(), self.id)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this is not a cursor of the list of faults")]
pub struct InvalidFaultCursor;

impl FromStr for FaultCursor {
    type Err = InvalidFaultCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at, id) = text.split_once('.').ok_or(InvalidFaultCursor)?;
        let at = Timestamp::from_micros(at.parse().map_err(|_| InvalidFaultCursor)?);
        Ok(FaultCursor { at, id: id.parse().map_err(|_| InvalidFaultCursor)? })
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    kind: i64,
    status: i64,
    subject: String,
    code: String,
    text: String,
    place: String,
    position: Option<i64>,
    message_id: Option<String>,
    part_id: Option<String>,
    count: i64,
    first_at: i64,
    at: i64,
    recorded: i64,
}

impl Store {
    pub async fn fault(&self, scope: &Scope, fault: Id) -> Result<Option<Faulted>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT id, kind, status, subject, code, text, place, position, message_id, part_id, count, first_at, at, \
             CAST(CASE WHEN recording IS NULL THEN 0 ELSE 1 END AS BIGINT) AS recorded FROM faults WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            fault.to_string(),
        );
        rows.into_iter().next().map(|row| Ok(scope.faulted(faulted(row)?))).transpose()
    }

    /// The call that failed, as JSON, if it was recorded.
    pub async fn fault_recording(&self, scope: &Scope, fault: Id) -> Result<Option<String>, StoreError> {
        scope.sees_people()?;
        let rows = select!(
            self,
            scope,
            (Option<String>,),
            "SELECT recording FROM faults WHERE tenant_id = $1 AND id = $2",
            scope.tenant().0,
            fault.to_string(),
        );
        Ok(rows.into_iter().next().and_then(|(recording,)| recording))
    }

    /// A page of faults, the last ones first.
    pub async fn faults(&self, scope: &Scope, filter: &FaultFilter) -> Result<Vec<Faulted>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT id, kind, status, subject, code, text, place, position, message_id, part_id, count, first_at, at, \
             CAST(CASE WHEN recording IS NULL THEN 0 ELSE 1 END AS BIGINT) AS recorded FROM ",
        );
        if let Some(part) = filter.part {
            sql.each_part_of(scope.tenant(), part);
        }
        sql.push("faults WHERE tenant_id = ").int(scope.tenant().0);
        if filter.part.is_some() {
            sql.push(" AND part_id = own");
        }
        if let Some(kind) = filter.kind {
            sql.push(" AND kind = ").int(kind.code());
        }
        if let Some(status) = filter.status {
            sql.push(" AND status = ").int(status.code());
        }
        if let Some(subject) = &filter.subject {
            sql.push(" AND subject = ").text(subject);
        }
        if let Some(FaultCursor { at, id }) = filter.before {
            sql.push(" AND (at, id) < (").int(at.micros()).push(", ").text(&id.to_string()).push(")");
        }
        sql.push(" ORDER BY at DESC, id DESC LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(|row| Ok(scope.faulted(faulted(row)?))).collect()
    }

    /// How many open faults there are of each kind, for those kinds that have some.
    pub async fn open_faults(&self, scope: &Scope) -> Result<Vec<(FaultKind, i64)>, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, i64),
            "SELECT kind, COUNT(*) FROM faults WHERE tenant_id = $1 AND status = 0 GROUP BY kind ORDER BY kind",
            scope.tenant().0,
        );
        rows.into_iter().map(|(code, count)| Ok((kind(code)?, count))).collect()
    }

    /// Closes an open fault, and does what that says about what is at fault, in the same commit. False if it is not open: then
    /// nothing is done.
    pub async fn close_fault(&self, scope: &Scope, fault: Id, by: Remedy, now: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        self.writer
            .write(Some(tenant), move |tx| {
                Box::pin(async move {
                    let closed = fetch_optional!(
                        tx.conn(),
                        (i64, String, String),
                        "UPDATE faults SET status = $3 WHERE tenant_id = $1 AND id = $2 AND status = 0 \
                         RETURNING kind, place, subject",
                        tenant.0,
                        fault.to_string(),
                        by.status().code(),
                    )?;
                    let Some((code, place, subject)) = closed else { return Ok(false) };
                    match (by, kind(code)?) {
                        (Remedy::Event(event), _) => append_all(tx, tenant, &[&[*event]], None).await.map(drop)?,
                        (Remedy::Retry, FaultKind::Message) => {
                            drop(settlements::again(tx, tenant, id(&place)?, now).await?)
                        }
                        (Remedy::Discard, FaultKind::Message) => {
                            drop(settlements::give_up(tx, tenant, id(&place)?, now).await?);
                        }
                        (Remedy::Retry, FaultKind::Erasure) => {
                            ask_again(tx, tenant, (id(&place)?, &subject), now).await?
                        }
                        (Remedy::Discard, FaultKind::Erasure) => {
                            waive(tx, tenant, (id(&place)?, &subject), now).await?
                        }
                        (Remedy::Retry | Remedy::Discard, _) => {}
                    }
                    Ok(true)
                })
            })
            .await
    }

    /// Files faults outside of the engine's commit.
    pub async fn file_faults(&self, scope: &Scope, at: Timestamp, faults: Vec<NewFault>) -> Result<(), StoreError> {
        let tenant = scope.tenant();
        let Some(rows) = fault_rows(&faults, at) else { return Ok(()) };
        self.writer
            .write(Some(tenant), move |tx| Box::pin(async move { put_faults(tx, tenant, at, &rows).await }))
            .await
    }
}

pub(crate) fn fault_rows(faults: &[NewFault], at: Timestamp) -> Option<Bulk> {
    // No id twice in a statement: those that are alike are added up.
    let mut merged: Vec<NewFault> = Vec::with_capacity(faults.len());
    let mut places = std::collections::HashMap::with_capacity(faults.len());
    for fault in faults {
        let place = *places.entry(fault.id).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(known) => {
                let count = known.count + fault.count;
                let place = |fault: &NewFault| (fault.order, fault.message_id.clone());
                let last = if place(fault) < place(known) { known.clone() } else { fault.clone() };
                *known = NewFault { count, ..last };
            }
            None => merged.push(fault.clone()),
        }
    }
    Rows::of(&merged, |row, fault| {
        row.id(fault.id).int(fault.kind.code()).text(&cut(&fault.subject, SUBJECT)).text(&cut(&fault.code, CODE));
        row.text(&cut(&fault.text, TEXT)).text(&cut(&fault.place, SUBJECT)).maybe_int(fault.position);
        row.maybe_text(fault.message_id.as_deref()).maybe_id(fault.part).int(fault.count).time(at);
        row.maybe_text(fault.recording.as_deref().filter(|recording| recording.len() <= RECORDING));
    })
}

/// What is counted already is open again. Whose row it is stays as it was filed first.
pub(crate) async fn put_faults(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    at: Timestamp,
    rows: &Bulk,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO faults (tenant_id, id, kind, status, subject, code, text, place, position, message_id, part_id, count, \
         first_at, at, recording) SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS BIGINT), 0, CAST(value ->> 2 AS TEXT), \
         CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS TEXT), CAST(value ->> 5 AS TEXT), CAST(value ->> 6 AS BIGINT), \
         CAST(value ->> 7 AS TEXT), CAST(value ->> 8 AS TEXT), CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT), \
         CAST(value ->> 10 AS BIGINT), CAST(value ->> 11 AS TEXT) FROM jsonb_each($2) WHERE true ON CONFLICT (tenant_id, id) DO UPDATE SET \
         status = 0, text = excluded.text, code = excluded.code, message_id = excluded.message_id, \
         count = faults.count + excluded.count, at = excluded.at, recording = COALESCE(excluded.recording, faults.recording)",
        tenant.0,
        &rows.json,
    )?;
    execute!(
        tx.conn(),
        "WITH bound AS MATERIALIZED (SELECT at, id FROM faults WHERE tenant_id = $1 AND recording IS NOT NULL \
         ORDER BY at DESC, id DESC LIMIT 1 OFFSET $2) UPDATE faults SET recording = NULL WHERE tenant_id = $1 \
         AND recording IS NOT NULL AND (at, id) <= (SELECT at, id FROM bound)",
        tenant.0,
        RECORDINGS,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM faults WHERE tenant_id = $1 AND at < (SELECT MAX(bound) FROM (SELECT CAST($2 AS BIGINT) - fault_days \
         * CAST($3 AS BIGINT) AS bound FROM tenants WHERE id = $1 UNION ALL SELECT oldest.at FROM (SELECT at FROM faults \
         WHERE tenant_id = $1 ORDER BY at DESC, id DESC LIMIT 1 OFFSET $4) oldest) bounds)",
        tenant.0,
        at.micros(),
        DAY,
        MOST,
    )?;
    execute!(
        tx.conn(),
        // The bound of a kind is looked for once, and not for each of its faults.
        "WITH bounds AS MATERIALIZED (SELECT filed.kind AS kind, (SELECT at FROM faults WHERE tenant_id = $1 \
         AND kind = filed.kind AND status = 0 ORDER BY at DESC, id DESC LIMIT 1 OFFSET $3) AS bound \
         FROM (SELECT DISTINCT CAST(value ->> 1 AS BIGINT) AS kind FROM jsonb_each($2)) filed) \
         DELETE FROM faults WHERE tenant_id = $1 AND id IN (SELECT old.id FROM bounds JOIN faults old ON old.tenant_id = $1 \
         AND old.kind = bounds.kind AND old.status = 0 AND old.at < bounds.bound)",
        tenant.0,
        &rows.json,
        MOST_OF_A_KIND,
    )
    .map(drop)
}

/// Whoever does something about a message by itself has done it about its fault, too.
pub(crate) async fn message_is_seen_to(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    message: &str,
    channel: &str,
    status: FaultStatus,
) -> Result<(), StoreError> {
    let fault = NewFault::one(FaultKind::Message, message, channel, "", "");
    execute!(
        tx.conn(),
        "UPDATE faults SET status = $3 WHERE tenant_id = $1 AND id = $2 AND status = 0",
        tenant.0,
        fault.id.to_string(),
        status.code(),
    )
    .map(drop)
}

/// Of events that are erased nothing is left in the list: their own faults go, and where they are an example, no example is, and
/// no word that a rule said of them.
pub(crate) async fn forget_events(tx: &mut Tx<'_>, tenant: TenantId, positions: &Bulk) -> Result<u64, StoreError> {
    let gone = execute!(
        tx.conn(),
        "DELETE FROM faults WHERE tenant_id = $1 AND position IN \
         (SELECT CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2))",
        tenant.0,
        &positions.json,
    )?;
    execute!(
        tx.conn(),
        "UPDATE faults SET message_id = NULL, text = CASE WHEN kind = $3 AND text LIKE $4 || ': %' THEN $4 || '.' ELSE text END \
         WHERE tenant_id = $1 AND message_id IN (SELECT message_id FROM events \
         WHERE tenant_id = $1 AND position IN (SELECT CAST(value ->> 0 AS BIGINT) FROM jsonb_each($2)))",
        tenant.0,
        &positions.json,
        FaultKind::RowSkipped.code(),
        REFUSED_ROW,
    )?;
    Ok(gone)
}

/// Faults of these customers' events and runs.
pub(crate) async fn forget_faults(tx: &mut Tx<'_>, tenant: TenantId, parts: &str) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM faults WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        parts,
    )
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn kind(code: i64) -> Result<FaultKind, StoreError> {
    FaultKind::from_code(code).ok_or_else(|| corrupt("kind of a fault"))
}

fn faulted(row: Row) -> Result<Faulted, StoreError> {
    Ok(Faulted {
        fault: NewFault {
            order: (0, 0),
            id: id(&row.id)?,
            kind: kind(row.kind)?,
            subject: row.subject,
            code: row.code,
            text: row.text,
            place: row.place,
            position: row.position,
            message_id: row.message_id,
            part: maybe_id(row.part_id.as_deref())?,
            count: row.count,
            recording: None,
        },
        status: FaultStatus::from_code(row.status).ok_or_else(|| corrupt("status of a fault"))?,
        first_at: time(row.first_at),
        at: time(row.at),
        recorded: row.recorded != 0,
    })
}
