//! What customers did behind a place in the log: asked for where two become one and a run of either waits for an event.

use openhub_model::{Event, Origin, PartId};
use std::collections::{BTreeSet, HashMap};

use crate::database::bulk::{self, Rows};
use crate::database::connection::{Reading, fetch_all};
use crate::database::decode::{corrupt, limit};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::log::events::{COLUMNS, Row, event};
use crate::scope::Scope;
use crate::store::Store;

/// How many events may cause each other in turn.
const DEPTH: usize = 8;
/// So many of a part's events of a name are read at most, the newest.
pub const NEWEST: usize = 1_000;

/// Events of a part that have a name and stand behind a position.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sought {
    pub part: PartId,
    pub name: String,
    pub since: i64,
}

/// An event that was computed.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Which of those that were sought it is of.
    pub sought: usize,
    /// Where what it goes back to stands in the log: a caused event has its own place only since the commit of its cause.
    pub root: i64,
    pub event: Event,
}

#[derive(sqlx::FromRow)]
struct Found {
    place: i64,
    #[sqlx(flatten)]
    row: Row,
}

impl Store {
    /// What was done of what is sought, in the order of the log: the newest, where there are many. History is left out.
    pub async fn deeds(&self, scope: &Scope, sought: &[Sought]) -> Result<Vec<Deed>, StoreError> {
        scope.sees_people()?;
        let Some(wanted) = Rows::of(sought, |row, sought| {
            row.id(sought.part).text(&sought.name).int(sought.since);
        }) else {
            return Ok(Vec::new());
        };
        let mut reading = self.reading(scope).await?;
        let tenant = scope.tenant().0;
        let mut sql = Sql::new(
            &reading.conn(),
            "WITH wanted AS MATERIALIZED (SELECT key AS place, CAST(value ->> 0 AS TEXT) AS part_id, \
             CAST(value ->> 1 AS TEXT) AS name, CAST(value ->> 2 AS BIGINT) AS since FROM json_each(",
        );
        sql.text(&wanted.json)
            .push(")), newest AS (SELECT w.place, c.position, ROW_NUMBER() OVER (PARTITION BY w.place ");
        sql.push("ORDER BY c.position DESC) AS number FROM wanted w CROSS JOIN ");
        // Part by part and event by event: neither database is to walk all of the tenant's.
        match sql {
            Sql::Sqlite(_) => sql.push("customer_events c"),
            Sql::Postgres(_) => sql
                .push("LATERAL (SELECT * FROM customer_events WHERE tenant_id = ")
                .int(tenant)
                .push(" AND part_id = w.part_id OFFSET 0) c"),
        };
        // History does not hide what was done behind it.
        events_of(&mut sql, "c", tenant);
        sql.push(" AND c.tenant_id = ").int(tenant);
        sql.push(" AND c.part_id = w.part_id AND c.name = w.name AND c.position > w.since AND e.historical = 0) ");
        sql.push("SELECT n.place, ").push(COLUMNS.trim_start_matches("SELECT ")).push("newest n");
        sql.push(" LEFT JOIN event_bodies b ON b.tenant_id = ").int(tenant).push(" AND b.position = n.position");
        events_of(&mut sql, "n", tenant);
        sql.push(" AND n.number <= ").int(limit(NEWEST)).push(" ORDER BY e.position");
        let found = sql.fetch_all::<Found>(reading.conn()).await?;
        let found = found.into_iter().map(|Found { place, row }| Ok((place, event(row)?)));
        let found = found.collect::<Result<Vec<(i64, Event)>, StoreError>>()?;
        let caused = found.iter().filter(|(_, event)| event.origin == Origin::Caused);
        let caused: BTreeSet<String> = caused.filter_map(|(_, event)| event.cause.clone()).collect();
        let roots = roots(&mut reading, tenant, caused).await?;
        reading.done().await?;
        let mut deeds = Vec::with_capacity(found.len());
        for (place, event) in found {
            let place = usize::try_from(place).ok().filter(|place| *place < sought.len());
            let place = place.ok_or_else(|| corrupt("an event that was not sought"))?;
            let root = match (event.origin, &event.cause) {
                (Origin::Arrived, _) => Some(event.position),
                // What time has caused has no place in the log before its own commit.
                (Origin::Caused, cause) => cause.as_ref().and_then(|cause| roots.get(cause)).copied(),
            };
            if let Some(root) = root.filter(|root| *root > sought[place].since) {
                deeds.push(Deed { sought: place, root, event });
            }
        }
        deeds.sort_by_key(|deed| deed.root);
        Ok(deeds)
    }
}

/// The event `e` at the position of each row of `of`; the statement goes on behind a WHERE.
fn events_of(sql: &mut Sql, of: &'static str, tenant: i64) {
    match sql {
        Sql::Sqlite(_) => sql.push(" CROSS JOIN events e WHERE e.tenant_id = ").int(tenant),
        Sql::Postgres(_) => {
            sql.push(" CROSS JOIN LATERAL (SELECT * FROM events WHERE tenant_id = ")
                .int(tenant)
                .push(" AND position = ");
            sql.push(of).push(".position OFFSET 0) e WHERE TRUE")
        }
    };
    sql.push(" AND e.position = ").push(of).push(".position");
}

/// Where the events that these go back to stand in the log, by the messageId that was asked for.
async fn roots(
    reading: &mut Reading,
    tenant: i64,
    mut asked: BTreeSet<String>,
) -> Result<HashMap<String, i64>, StoreError> {
    let mut links: HashMap<String, (i64, Option<String>)> = HashMap::new();
    for _ in 0..=DEPTH {
        if asked.is_empty() {
            break;
        }
        let rows = fetch_all!(
            reading.conn(),
            (String, i64, i64, Option<String>),
            "SELECT message_id, position, origin, cause FROM events WHERE tenant_id = $1 \
             AND message_id IN (SELECT atom FROM json_each($2))",
            tenant,
            bulk::list(&asked),
        )?;
        asked.clear();
        for (message_id, position, origin, cause) in rows {
            let cause = cause.filter(|_| origin == 1);
            asked.extend(cause.iter().filter(|cause| !links.contains_key(*cause)).cloned());
            links.insert(message_id, (position, cause));
        }
    }
    Ok(links.keys().filter_map(|message_id| Some((message_id.clone(), root(&links, message_id)?))).collect())
}

fn root(links: &HashMap<String, (i64, Option<String>)>, message_id: &str) -> Option<i64> {
    let mut from = message_id;
    for _ in 0..=DEPTH {
        match links.get(from)? {
            (_, Some(cause)) => from = cause,
            (position, None) => return Some(*position),
        }
    }
    None
}
