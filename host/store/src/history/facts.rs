//! Facts in bulk: all that conditions ask about many customers, in at most eight statements.
//!
//! What is not needed is not read. Profiles are read by `customers_by_part`.

use openhub_model::condition::{EventFact, Facts, History, MessageFact, Needs, ObjectFact, RunFact};
use openhub_model::message::MessageStatus;
use openhub_model::run::RunStatus;
use openhub_model::{Customer, Identity, PartId, Span, Timestamp};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::database::bulk::{self, Rows};
use crate::database::connection::{Reading, fetch_all};
use crate::database::decode::{corrupt, json, time};
use crate::database::filters::Sql;
use crate::error::StoreError;
use crate::history::conditions::AsOf;
use crate::history::properties::{of_body, of_kept};
use crate::log::events::origin;
use crate::scope::Scope;
use crate::store::Store;

/// What was loaded of one customer; only what was needed is filled.
#[derive(Clone, Debug, Default)]
pub struct CustomerFacts {
    pub identities: Vec<Identity>,
    pub history: History,
    pub segments: BTreeSet<String>,
    pub runs: Vec<RunFact>,
    /// Ascending by `at`.
    pub messages: Vec<MessageFact>,
    pub objects: Vec<ObjectFact>,
}

impl CustomerFacts {
    pub fn facts<'a>(&'a self, customer: &'a Customer, now: Timestamp) -> Facts<'a> {
        Facts {
            now,
            customer,
            identities: &self.identities,
            history: &self.history,
            segments: &self.segments,
            runs: &self.runs,
            messages: &self.messages,
            objects: &self.objects,
        }
    }
}

impl Store {
    /// The facts of customers, each with its parts, in their order. Windows reach back from `as_of.now`; what lies after it
    /// is loaded too.
    pub async fn facts(
        &self,
        scope: &Scope,
        customers: &[(PartId, Vec<PartId>)],
        needs: &Needs,
        as_of: AsOf,
    ) -> Result<Vec<CustomerFacts>, StoreError> {
        scope.sees_people()?;
        let parts = bulk::list(customers.iter().flat_map(|(_, parts)| parts));
        let owners = customers.iter().enumerate().flat_map(|(index, (_, parts))| parts.iter().map(move |_| index));
        let owners: Vec<usize> = owners.collect();
        let mut loading = Loading {
            tenant: scope.tenant().0,
            reading: self.reading(scope).await?,
            parts,
            owners,
            names: Names::default(),
            facts: vec![CustomerFacts::default(); customers.len()],
        };
        loading.identities(needs).await?;
        loading.events(needs, as_of).await?;
        loading.segments(customers, needs).await?;
        loading.runs(needs).await?;
        loading.messages(needs, as_of).await?;
        loading.objects(needs).await?;
        loading.reading.done().await?;
        Ok(loading.facts)
    }
}

struct Loading {
    tenant: i64,
    reading: Reading,
    /// All parts, as a JSON list.
    parts: String,
    /// Which customer a part of the list belongs to.
    owners: Vec<usize>,
    names: Names,
    facts: Vec<CustomerFacts>,
}

impl Loading {
    async fn identities(&mut self, needs: &Needs) -> Result<(), StoreError> {
        if !needs.identities {
            return Ok(());
        }
        let mut sql = Sql::new(&self.reading.conn(), "SELECT k.key, p.kind, p.value");
        self.of_parts(&mut sql, "parts", "", "", "p");
        sql.push(" ORDER BY p.since, p.part_id");
        for (part, kind, value) in sql.fetch_all::<(i64, String, String)>(self.reading.conn()).await? {
            self.of(part)?.identities.push(Identity { kind, value });
        }
        Ok(())
    }

    async fn events(&mut self, needs: &Needs, as_of: AsOf) -> Result<(), StoreError> {
        let Some(wanted) = Rows::of(&needs.events, |row, (name, need)| {
            row.text(name).int(since(need.window, as_of.now)).int(i64::from(!need.properties.is_empty()));
        }) else {
            return Ok(());
        };
        let sinces = needs.events.values().map(|need| since(need.window, as_of.now));
        let mut sql = Sql::new(
            &self.reading.conn(),
            "WITH wanted AS MATERIALIZED (SELECT key AS place, CAST(value ->> 0 AS TEXT) AS name, \
             CAST(value ->> 1 AS BIGINT) AS since, CAST(value ->> 2 AS BIGINT) AS properties FROM json_each(",
        );
        sql.text(&wanted.json).push(")) SELECT k.key, w.place, e.occurred_at, e.origin, e.position, ");
        sql.push("CASE WHEN w.properties = 1 THEN e.properties END");
        self.of_parts(&mut sql, "customer_events", "", " CROSS JOIN wanted w", "e");
        sql.push(" AND w.name = e.name AND e.occurred_at > w.since AND e.occurred_at > ");
        sql.int(sinces.min().unwrap_or(i64::MIN)).push(" AND (e.position <= ").int(as_of.checkpoint);
        sql.push(" OR e.origin = 1)");
        let asked = needs.events.iter().map(|(name, need)| (self.names.shared(name), &need.properties));
        let asked: Vec<(Arc<str>, &BTreeSet<String>)> = asked.collect();
        let rows = sql.fetch_all::<(i64, i64, i64, i64, i64, Option<String>)>(self.reading.conn()).await?;
        let mut events: Vec<Vec<EventFact>> = self.facts.iter().map(|_| Vec::new()).collect();
        let mut lacking: HashMap<i64, Lacking> = HashMap::new();
        for (part, place, at, code, position, kept) in rows {
            let place = usize::try_from(place).ok().filter(|place| *place < asked.len());
            let place = place.ok_or_else(|| corrupt("an event that was not asked for"))?;
            let (name, asked) = &asked[place];
            let owner = self.owner(part)?;
            let properties = match kept.and_then(|kept| of_kept(&kept, asked)) {
                Some(properties) => properties,
                None if asked.is_empty() => Value::Null,
                None => {
                    lacking.insert(position, Lacking { owner, index: events[owner].len(), place });
                    Value::Null
                }
            };
            let (name, origin) = (Arc::clone(name), origin(code)?);
            events[owner].push(EventFact { name, at: time(at), origin, position, properties });
        }
        for (position, body) in self.bodies(lacking.keys()).await? {
            let Lacking { owner, index, place } =
                lacking.remove(&position).ok_or_else(|| corrupt("a body that was not asked for"))?;
            events[owner][index].properties = of_body(&body, asked[place].1);
        }
        // Sorted here and not by the database: an index brings each part's in their order, nearly.
        self.facts.iter_mut().zip(events).for_each(|(facts, events)| facts.history = History::of(events));
        Ok(())
    }

    /// The bodies of events, by position; erased ones have none.
    async fn bodies(
        &mut self,
        positions: impl ExactSizeIterator<Item = &i64>,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        if positions.len() == 0 {
            return Ok(Vec::new());
        }
        fetch_all!(
            self.reading.conn(),
            (i64, String),
            "SELECT position, body FROM event_bodies WHERE tenant_id = $1 \
             AND position IN (SELECT CAST(atom AS BIGINT) FROM json_each($2))",
            self.tenant,
            bulk::list(positions),
        )
    }

    async fn segments(&mut self, customers: &[(PartId, Vec<PartId>)], needs: &Needs) -> Result<(), StoreError> {
        if needs.segments.is_empty() {
            return Ok(());
        }
        let rows = fetch_all!(
            self.reading.conn(),
            (String, String),
            "SELECT customer_id, segment FROM memberships WHERE tenant_id = $1 \
             AND customer_id IN (SELECT atom FROM json_each($2))",
            self.tenant,
            bulk::list(customers.iter().map(|(customer, _)| customer)),
        )?;
        // Named in the statement, SQLite would seek each customer in each of the segments.
        let rows = rows.into_iter().filter(|(_, segment)| needs.segments.contains(segment));
        let places: HashMap<String, usize> =
            customers.iter().enumerate().map(|(index, (customer, _))| (customer.to_string(), index)).collect();
        for (customer, segment) in rows {
            let place = places.get(&customer).ok_or_else(|| corrupt("a membership that was not asked for"))?;
            self.facts[*place].segments.insert(segment);
        }
        Ok(())
    }

    async fn runs(&mut self, needs: &Needs) -> Result<(), StoreError> {
        if needs.journeys.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::new(&self.reading.conn(), "SELECT k.key, r.journey, r.version, r.status, r.node");
        self.of_parts(&mut sql, "runs", " INDEXED BY runs_part", "", "r");
        sql.push(" AND r.journey IN (SELECT atom FROM json_each(").text(&bulk::list(&needs.journeys)).push("))");
        let rows = sql.fetch_all::<(i64, String, i64, i64, String)>(self.reading.conn()).await?;
        let converting = if rows.is_empty() { HashSet::new() } else { self.converting(needs).await? };
        for (part, journey, version, status, node) in rows {
            let status = RunStatus::from_code(status).ok_or_else(|| corrupt("status of a run"))?;
            let journey = self.names.shared(&journey);
            let end = (Arc::clone(&journey), version, node);
            let converted = status == RunStatus::Done && converting.contains(&end);
            self.of(part)?.runs.push(RunFact { journey, status, converted });
        }
        Ok(())
    }

    /// The exits of journeys whose reason is `converted`.
    async fn converting(&mut self, needs: &Needs) -> Result<HashSet<(Arc<str>, i64, String)>, StoreError> {
        let versions = fetch_all!(
            self.reading.conn(),
            (String, i64, String),
            "SELECT journey, version, definition FROM journey_versions WHERE tenant_id = $1 \
             AND journey IN (SELECT atom FROM json_each($2))",
            self.tenant,
            bulk::list(&needs.journeys),
        )?;
        let mut converting = HashSet::new();
        for (journey, version, definition) in versions {
            let journey = self.names.shared(&journey);
            let definition: Value = json(&definition, "definition of a journey")?;
            let nodes = definition.get("nodes").and_then(Value::as_object).into_iter().flatten();
            for (node, _) in nodes.filter(|(_, node)| node.get("reason").is_some_and(|reason| reason == "converted")) {
                converting.insert((Arc::clone(&journey), version, node.clone()));
            }
        }
        Ok(converting)
    }

    async fn messages(&mut self, needs: &Needs, as_of: AsOf) -> Result<(), StoreError> {
        let Some(need) = needs.messages else { return Ok(()) };
        let mut sql =
            Sql::new(&self.reading.conn(), "SELECT k.key, g.created_at, g.channel, g.journey, g.status, g.attempts");
        self.of_parts(&mut sql, "messages", " INDEXED BY messages_part", "", "g");
        sql.push(" AND g.created_at > ").int(since(need.window, as_of.now)).push(" ORDER BY g.created_at, g.id");
        let rows = sql.fetch_all::<(i64, i64, String, String, i64, i64)>(self.reading.conn()).await?;
        for (part, at, channel, journey, status, attempts) in rows {
            let status = MessageStatus::from_code(status).ok_or_else(|| corrupt("status of a message"))?;
            let (channel, journey) = (self.names.shared(&channel), self.names.shared(&journey));
            self.of(part)?.messages.push(MessageFact { at: time(at), channel, journey, status, attempts });
        }
        Ok(())
    }

    async fn objects(&mut self, needs: &Needs) -> Result<(), StoreError> {
        if needs.objects.is_empty() {
            return Ok(());
        }
        let mut sql = Sql::new(&self.reading.conn(), "SELECT k.key, o.kind, o.key, o.fields");
        self.of_parts(&mut sql, "objects", " INDEXED BY objects_part", "", "o");
        sql.push(" AND o.kind IN (SELECT atom FROM json_each(").text(&bulk::list(&needs.objects));
        sql.push(")) ORDER BY o.kind, o.key");
        let rows = sql.fetch_all::<(i64, String, String, String)>(self.reading.conn()).await?;
        for (part, kind, key, fields) in rows {
            let (kind, fields) = (self.names.shared(&kind), json(&fields, "fields of an object")?);
            self.of(part)?.objects.push(ObjectFact { kind, key, fields });
        }
        Ok(())
    }

    /// The rows of the parts in `table`, looked up part by part: without statistics, either database would rather walk
    /// all of the tenant's, or compare each with each.
    fn of_parts(
        &self,
        sql: &mut Sql,
        table: &'static str,
        index: &'static str,
        joined: &'static str,
        alias: &'static str,
    ) {
        sql.push(" FROM json_each(").text(&self.parts).push(") k CROSS JOIN ");
        match sql {
            Sql::Sqlite(_) => {
                sql.push(table).push(" ").push(alias).push(index).push(joined);
                sql.push(" WHERE ").push(alias).push(".tenant_id = ").int(self.tenant);
                sql.push(" AND ").push(alias).push(".part_id = CAST(k.atom AS TEXT)");
            }
            Sql::Postgres(_) => {
                sql.push("LATERAL (SELECT * FROM ").push(table).push(" WHERE tenant_id = ").int(self.tenant);
                sql.push(" AND part_id = k.atom OFFSET 0) ").push(alias).push(joined).push(" WHERE TRUE");
            }
        }
    }

    /// The customer of the part that stands at this place in the list.
    fn of(&mut self, place: i64) -> Result<&mut CustomerFacts, StoreError> {
        let owner = self.owner(place)?;
        Ok(&mut self.facts[owner])
    }

    fn owner(&self, place: i64) -> Result<usize, StoreError> {
        let owner = usize::try_from(place).ok().and_then(|place| self.owners.get(place));
        owner.copied().ok_or_else(|| corrupt("a part that was not asked for"))
    }
}

/// An event whose body is to be read.
struct Lacking {
    owner: usize,
    /// Among the events of its customer.
    index: usize,
    /// Of what is asked about it.
    place: usize,
}

/// Where a window begins.
fn since(window: Option<Span>, now: Timestamp) -> i64 {
    window.map_or(i64::MIN, |window| (now - window).micros())
}

/// The few names of events, channels, journeys, rules, each once in memory.
#[derive(Default)]
pub(crate) struct Names(HashSet<Arc<str>>);

impl Names {
    pub(crate) fn same(&mut self, name: Arc<str>) -> Arc<str> {
        match self.0.get(&name) {
            Some(shared) => Arc::clone(shared),
            None => {
                self.0.insert(Arc::clone(&name));
                name
            }
        }
    }

    fn shared(&mut self, name: &str) -> Arc<str> {
        match self.0.get(name) {
            Some(shared) => Arc::clone(shared),
            None => {
                let shared: Arc<str> = name.into();
                self.0.insert(Arc::clone(&shared));
                shared
            }
        }
    }
}
