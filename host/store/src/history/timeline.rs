//! All that happened to one customer, newest first. Of one instant, what the log has later is newer; what the hub made of an
//! event (a message, a run, an object) came after it.

use openhub_model::customer::{Consent, is_consent};
use openhub_model::identity::Authority;
use openhub_model::{EventKind, PartId, Timestamp};
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;

use crate::database::decode::{corrupt, limit, time};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::log::events::EVENTS_OF_PARTS;
use crate::scope::Scope;
use crate::state::fault_kinds::{FaultKind, FaultStatus};
use crate::store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum TimelineKind {
    Event = 1,
    Message = 2,
    Run = 3,
    Object = 4,
    /// An event that granted or withdrew a consent.
    Consent = 5,
    /// An event that could not be computed, and so counts nowhere.
    SetAside = 6,
    /// What a rule failed on, or could not make: a fault of the list.
    Fault = 7,
}

impl TimelineKind {
    pub const ALL: [TimelineKind; 7] = [
        TimelineKind::Event,
        TimelineKind::Message,
        TimelineKind::Run,
        TimelineKind::Object,
        TimelineKind::Consent,
        TimelineKind::SetAside,
        TimelineKind::Fault,
    ];

    fn from_code(code: i64) -> Option<TimelineKind> {
        TimelineKind::ALL.into_iter().find(|kind| *kind as i64 == code)
    }
}

/// Which items of a timeline. All kinds if none is named.
#[derive(Clone, Debug, Default)]
pub struct TimelineFilter {
    pub kinds: Vec<TimelineKind>,
    /// Included.
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
    /// Items before this one: the next page.
    pub before: Option<TimelineCursor>,
    pub limit: usize,
}

/// The place of an item; a page goes on before it. As text: `<microseconds>.<position>.<kind>.<id>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineCursor {
    pub at: Timestamp,
    pub position: i64,
    pub kind: TimelineKind,
    pub id: String,
}

#[derive(Debug, thiserror::Error)]
#[error("this is not a cursor of a timeline")]
pub struct InvalidCursor;

impl fmt::Display for TimelineCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.at.micros(), self.position, self.kind as i64, self.id)
    }
}

impl FromStr for TimelineCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(4, '.');
        let mut next = || parts.next().ok_or(InvalidCursor);
        let at = Timestamp::from_micros(next()?.parse().map_err(|_| InvalidCursor)?);
        let position = next()?.parse().map_err(|_| InvalidCursor)?;
        let kind = next()?.parse().ok().and_then(TimelineKind::from_code).ok_or(InvalidCursor)?;
        Ok(TimelineCursor { at, position, kind, id: next()?.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TimelineItem {
    pub at: Timestamp,
    /// In the log, if it is an event there; else behind all of them.
    pub position: i64,
    pub kind: TimelineKind,
    /// `message_id`, message id, run id, `<kind>/<key>` of an object, or id of a fault.
    pub id: String,
    pub title: String,
    /// Event: `type`, `cause`, `body`. Message: `channel`, `status`, `journey`, `content`, `fault`, `next_attempt_at`. Run: `journey`, `version`,
    /// `node`, `status`, `fault`, `served_by`, `reason`, `updates`. Object: `kind`, `version`, `fields`. Consent: `consents` as the
    /// event recorded them. Set aside: `type`, `fault`, `body`. Fault: `kind`, `code`, `fault`, `event` (a `message_id`), `status`.
    pub detail: Value,
}

impl TimelineItem {
    /// Where the next page starts, if this is the last item of one.
    pub fn cursor(&self) -> TimelineCursor {
        TimelineCursor { at: self.at, position: self.position, kind: self.kind, id: self.id.clone() }
    }
}

/// One form for all kinds; what `number`, `note` and `body` mean depends on the kind.
#[derive(sqlx::FromRow)]
struct Row {
    happened_at: i64,
    place: i64,
    kind: i64,
    id: String,
    title: String,
    number: i64,
    note: Option<String>,
    body: String,
    /// Of a message: what it waits for or has failed of, and when it is tried again. Of a run: why it failed, or was stopped.
    why: Option<String>,
    due: Option<i64>,
}

/// What an item of a kind is made of: its columns; what follows the customer's parts in FROM, up to the tenant's id, and whose
/// it is; and the columns of its time, of its place in the log, and of its id.
struct Source {
    columns: &'static str,
    from: &'static str,
    own: &'static str,
    at: &'static str,
    place: &'static str,
    id: &'static str,
}

/// Of what is no event in the log: behind all of them.
const MADE: &str = "9223372036854775807";

impl Source {
    fn of(kind: TimelineKind) -> Source {
        match kind {
            TimelineKind::Event => Source {
                columns: "SELECT c.occurred_at AS happened_at, c.position AS place, CAST(1 AS BIGINT) AS kind, e.message_id AS id, \
                          e.name AS title, e.kind AS number, e.cause AS note, COALESCE(b.body, '{}') AS body, \
                          CAST(NULL AS TEXT) AS why, CAST(NULL AS BIGINT) AS due FROM ",
                from: EVENTS_OF_PARTS,
                own: "",
                at: "c.occurred_at",
                place: "c.position",
                id: "e.message_id",
            },
            TimelineKind::Message => Source {
                columns: "SELECT created_at AS happened_at, 9223372036854775807 AS place, CAST(2 AS BIGINT) AS kind, id, channel AS title, \
                          status AS number, journey AS note, content AS body, fault AS why, next_attempt_at AS due FROM ",
                from: "messages WHERE tenant_id = ",
                own: " AND part_id = own",
                at: "created_at",
                place: MADE,
                id: "id",
            },
            TimelineKind::Run => Source {
                columns: "SELECT started_at AS happened_at, 9223372036854775807 AS place, CAST(3 AS BIGINT) AS kind, id, journey AS title, \
                          version AS number, node AS note, '[' || CAST(status AS TEXT) || ',' || COALESCE('\"' || served_by || '\"', 'null') || ',' || COALESCE(told, 'null') || ']' AS body, \
                          fault AS why, CAST(NULL AS BIGINT) AS due FROM ",
                from: "runs WHERE tenant_id = ",
                own: " AND part_id = own",
                at: "started_at",
                place: MADE,
                id: "id",
            },
            TimelineKind::Object => Source {
                columns: "SELECT updated_at AS happened_at, 9223372036854775807 AS place, CAST(4 AS BIGINT) AS kind, kind || '/' || key AS id, \
                          kind AS title, version AS number, key AS note, fields AS body, \
                          CAST(NULL AS TEXT) AS why, CAST(NULL AS BIGINT) AS due FROM ",
                from: "objects WHERE tenant_id = ",
                own: " AND part_id = own",
                at: "updated_at",
                place: MADE,
                id: "kind || '/' || key",
            },
            TimelineKind::Consent => Source {
                columns: "SELECT c.occurred_at AS happened_at, c.position AS place, CAST(5 AS BIGINT) AS kind, e.message_id AS id, \
                          e.name AS title, e.authority AS number, e.cause AS note, b.body AS body, \
                          CAST(NULL AS TEXT) AS why, CAST(NULL AS BIGINT) AS due FROM ",
                from: EVENTS_OF_PARTS,
                own: "",
                at: "c.occurred_at",
                place: "c.position",
                id: "e.message_id",
            },
            TimelineKind::SetAside => Source {
                columns: "SELECT e.occurred_at AS happened_at, s.position AS place, CAST(6 AS BIGINT) AS kind, s.message_id AS id, \
                          e.name AS title, e.kind AS number, s.fault AS note, COALESCE(b.body, '{}') AS body, \
                          CAST(NULL AS TEXT) AS why, CAST(NULL AS BIGINT) AS due FROM ",
                from: "set_aside s JOIN events e ON e.tenant_id = s.tenant_id AND e.position = s.position \
                       LEFT JOIN event_bodies b ON b.tenant_id = e.tenant_id AND b.position = e.position \
                       WHERE s.tenant_id = ",
                own: " AND s.part_id = own",
                at: "e.occurred_at",
                place: "s.position",
                id: "s.message_id",
            },
            // An event that was set aside, a run and a message have items of their own. It has the time of its event, as the others
            // have the tenant's; the list has the host's.
            TimelineKind::Fault => Source {
                columns: "SELECT COALESCE(e.occurred_at, f.first_at) AS happened_at, 9223372036854775807 AS place, \
                          CAST(7 AS BIGINT) AS kind, f.id AS id, f.subject AS title, f.status AS number, f.message_id AS note, \
                          CAST(f.kind AS TEXT) AS body, f.code || ' ' || f.text AS why, CAST(NULL AS BIGINT) AS due FROM ",
                from: "faults f LEFT JOIN events e ON e.tenant_id = f.tenant_id AND e.message_id = f.message_id \
                       WHERE f.kind IN (2, 6) AND f.tenant_id = ",
                own: " AND f.part_id = own",
                at: "COALESCE(e.occurred_at, f.first_at)",
                place: MADE,
                id: "f.id",
            },
        }
    }
}

impl Store {
    /// A page of the timeline of the customer that a part belongs to, newest first. Of each kind no more is read than
    /// the page may show.
    pub async fn timeline(
        &self,
        scope: &Scope,
        part: PartId,
        filter: &TimelineFilter,
    ) -> Result<Vec<TimelineItem>, StoreError> {
        let kinds = if filter.kinds.is_empty() { &TimelineKind::ALL[..] } else { &filter.kinds };
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "");
        for (index, kind) in kinds.iter().enumerate() {
            let Source { columns, from, own, at, place, id } = Source::of(*kind);
            sql.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
            sql.push(columns).each_part_of(scope.tenant(), part).push(from).int(scope.tenant().0);
            sql.push(own);
            if *kind == TimelineKind::Consent {
                sql.push(" AND e.kind IN (").int(EventKind::Identify.code()).push(", ").int(EventKind::Update.code());
                sql.push(") AND ").either("b.body -> 'consents'", "CAST(b.body AS JSON) -> 'consents'");
                sql.push(" IS NOT NULL");
            }
            if let Some(since) = filter.from {
                sql.push(" AND ").push(at).push(" >= ").int(since.micros());
            }
            if let Some(to) = filter.to {
                sql.push(" AND ").push(at).push(" < ").int(to.micros());
            }
            if let Some(before) = &filter.before {
                sql.push(" AND (").push(at).push(", ").push(place).push(", ").int(*kind as i64).push(", ").push(id);
                sql.push(") < (").int(before.at.micros()).push(", ").int(before.position).push(", ");
                sql.int(before.kind as i64).push(", ").text(&before.id).push(")");
            }
            sql.push(" ORDER BY happened_at DESC, place DESC, id DESC LIMIT ")
                .int(limit(filter.limit))
                .push(") AS items");
        }
        sql.push(" ORDER BY happened_at DESC, place DESC, kind DESC, id DESC LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(|row| Ok(scope.item(item(row)?))).collect()
    }
}

/// What an event recorded: on the word of a page, withdrawals alone.
fn recorded(consents: Option<&Value>, authority: Option<Authority>) -> Option<Value> {
    let mut consents = consents?.as_object()?.clone();
    consents.retain(|name, consent| {
        let withdraws = || Consent::of(consent) == Consent::Denied;
        is_consent(name, consent) && (authority != Some(Authority::Browser) || withdraws())
    });
    Some(consents.into())
}

fn item(row: Row) -> Result<TimelineItem, StoreError> {
    let kind = TimelineKind::from_code(row.kind).ok_or_else(|| corrupt("kind of a timeline's item"))?;
    let body: Value = crate::database::decode::json(&row.body, "body of a timeline's item")?;
    let (number, note) = (row.number, row.note);
    let detail = match kind {
        TimelineKind::Event => json!({"type": EventKind::from_code(number), "cause": note, "body": body}),
        TimelineKind::Message => json!({
            "channel": row.title,
            "status": openhub_model::message::MessageStatus::from_code(number),
            "journey": note,
            "content": body,
            "fault": row.why,
            "next_attempt_at": row.due.map(time),
        }),
        TimelineKind::Run => json!({
            "journey": row.title,
            "version": number,
            "node": note,
            "status": body[0].as_i64().and_then(openhub_model::run::RunStatus::from_code),
            "fault": row.why,
            "served_by": body[1],
            "reason": body[2]["reason"],
            "updates": body[2]["updates"].as_array().cloned().unwrap_or_default(),
        }),
        TimelineKind::Object => json!({"kind": row.title, "key": note, "version": number, "fields": body}),
        TimelineKind::Consent => json!({"consents": recorded(body.get("consents"), Authority::from_code(number))}),
        TimelineKind::SetAside => json!({"type": EventKind::from_code(number), "fault": note, "body": body}),
        TimelineKind::Fault => {
            let (code, text) = row.why.as_deref().and_then(|why| why.split_once(' ')).unwrap_or_default();
            let kind = body.as_i64().and_then(FaultKind::from_code);
            json!({"kind": kind, "code": code, "fault": text, "event": note, "status": FaultStatus::from_code(number)})
        }
    };
    let title = if row.title.is_empty() { title(&detail) } else { row.title };
    Ok(TimelineItem { at: time(row.happened_at), position: row.place, kind, id: row.id, title, detail })
}

/// Of an item whose event has no name: what was recorded, what is looked at again, or which call it was.
fn title(detail: &Value) -> String {
    if let Some(consents) = detail["consents"].as_object() {
        let said = consents
            .iter()
            .map(|(purpose, consent)| format!("{purpose}: {}", consent["state"].as_str().unwrap_or("removed")));
        return said.collect::<Vec<_>>().join(", ");
    }
    match detail["body"]["retry"]["event"].as_str() {
        Some(event) => format!("retry of {event}"),
        None => detail["type"].as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f14_each_item_has_a_title() {
        for (detail, expected) in [
            (json!({"type": "identify", "body": {"traits": {}}}), "identify"),
            (json!({"type": "update", "body": {"retry": {"event": "Order Completed"}}}), "retry of Order Completed"),
            (json!({"consents": {"news": {"state": "denied"}, "sms": null}}), "news: denied, sms: removed"),
        ] {
            assert_eq!(title(&detail), expected);
        }
    }
}
