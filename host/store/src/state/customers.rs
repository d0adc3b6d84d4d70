//! Customers: one row each, the fold of their parts.
//!
//! A row's `causes` hold who set each attribute, tag and consent, each cause once, and which is whose:
//! `{"by": [[at, event, plugin, rule], …], "attributes": {name: 0, …}, …}`. Rows written before have the cause itself in
//! place of its number. A removed attribute stays as `null` with its cause, so that an older event cannot bring it back.

use openhub_model::{Attribute, Cause, Condition, Customer, Identity, PartId, TenantId, Values, limits};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::changes::Wake;
use crate::database::bulk::{self, Bulk, Rows, write_display, write_text, write_value};
use crate::database::connection::{execute, select_within};
use crate::database::decode::{id, json, limit, maybe_time, time};
use crate::database::filters::Sql;
use crate::database::room::{Room, Texts};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::history::conditions::AsOf;
use crate::history::facts::Names;
use crate::scope::Scope;
use crate::store::Store;

#[derive(Clone, Debug, Default)]
pub struct CustomerFilter {
    pub condition: Option<Condition>,
    /// The moment that the condition is asked about; if not given, the engine's last commit.
    pub as_of: Option<AsOf>,
    pub identity: Option<Identity>,
    pub after: Option<PartId>,
    pub limit: usize,
    /// How long a condition may be looked at: see [`StoreError::is_cut_off`].
    pub time: Option<Duration>,
}

#[derive(sqlx::FromRow)]
struct Row {
    part_id: String,
    customer_id: String,
    identity_kind: String,
    identity_value: String,
    attributes: String,
    tags: String,
    consents: String,
    causes: String,
    first_seen_at: i64,
    last_seen_at: i64,
    events: i64,
    wake_at: Option<i64>,
}

impl Texts for Row {
    fn weight(&self) -> usize {
        let values = [&self.attributes, &self.tags, &self.consents].into_iter();
        self.causes.len() + values.map(|values| limits::weight(values.as_bytes())).sum::<usize>()
    }
}

impl Store {
    /// Customers by their own ids; the id of one that was joined to another finds nobody.
    pub async fn customers_by_id(&self, scope: &Scope, ids: &[PartId]) -> Result<Vec<Customer>, StoreError> {
        self.load_customers(scope, ids, &Room::endless()).await
    }

    /// As [`Store::customers_by_id`], if there is room for them.
    pub async fn load_customers(
        &self,
        scope: &Scope,
        ids: &[PartId],
        room: &Room,
    ) -> Result<Vec<Customer>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select_within!(
            self,
            scope,
            room,
            Row,
            "SELECT part_id, customer_id, identity_kind, identity_value, CAST(attributes AS TEXT) AS attributes, \
             CAST(tags AS TEXT) AS tags, CAST(consents AS TEXT) AS consents, causes, first_seen_at, last_seen_at, events, \
             (SELECT due FROM wakes w WHERE w.tenant_id = customers.tenant_id AND w.customer_id = customers.part_id) AS wake_at \
             FROM customers WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(ids),
        );
        let mut names = Names::default();
        rows.into_iter().map(|row| Ok(scope.customer(customer(row, &mut names)?))).collect()
    }

    /// The customers that these parts belong to, by part.
    pub async fn customers_by_part(
        &self,
        scope: &Scope,
        parts: &[PartId],
    ) -> Result<HashMap<PartId, Arc<Customer>>, StoreError> {
        let owners = self.customer_ids(scope, parts).await?;
        let mut ids: Vec<PartId> = owners.values().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let customers = self.customers_by_id(scope, &ids).await?;
        let customers: HashMap<PartId, Arc<Customer>> =
            customers.into_iter().map(|customer| (customer.customer, Arc::new(customer))).collect();
        let found = owners.into_iter().filter_map(|(part, id)| Some((part, customers.get(&id)?.clone())));
        Ok(found.collect())
    }

    /// The customer that a part belongs to.
    pub async fn customer(&self, scope: &Scope, part: PartId) -> Result<Option<Customer>, StoreError> {
        let id = self.customer_ids(scope, &[part]).await?.remove(&part);
        match id {
            Some(id) => Ok(self.customers_by_id(scope, &[id]).await?.pop()),
            None => Ok(None),
        }
    }

    /// A page of customers, by id.
    pub async fn customers(&self, scope: &Scope, filter: &CustomerFilter) -> Result<Vec<Customer>, StoreError> {
        // Who is found by what they are is known by it.
        if filter.identity.is_some() || filter.condition.is_some() {
            scope.sees_people()?;
        }
        let tenant = scope.tenant();
        let as_of = match (&filter.condition, filter.as_of) {
            (Some(_), None) => Some(self.last_commit(scope).await?),
            (_, as_of) => as_of,
        };
        let mut reading = match filter.condition {
            Some(_) => self.reading_all(scope).await?,
            None => self.reading(scope).await?,
        };
        if let Some(time) = filter.time.filter(|_| filter.condition.is_some()) {
            reading.bind_to(Instant::now() + time).await?;
        }
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT part_id, customer_id, identity_kind, identity_value, CAST(attributes AS TEXT) AS attributes, \
             CAST(tags AS TEXT) AS tags, CAST(consents AS TEXT) AS consents, causes, first_seen_at, last_seen_at, events, \
             (SELECT due FROM wakes w WHERE w.tenant_id = c.tenant_id AND w.customer_id = c.part_id) AS wake_at \
             FROM customers c WHERE tenant_id = ",
        );
        sql.int(tenant.0);
        if let Some(after) = filter.after {
            sql.push(" AND part_id > ").text(&after.to_string());
        }
        if let Some(identity) = &filter.identity {
            sql.push(" AND part_id IN (SELECT customer_id FROM parts WHERE tenant_id = ").int(tenant.0);
            sql.push(" AND part_id = ").text(&identity.part(tenant).to_string()).push(")");
        }
        if let Some((condition, as_of)) = filter.condition.as_ref().zip(as_of) {
            sql.push(" AND ").condition(condition, as_of);
        }
        sql.push(" ORDER BY part_id LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        let mut names = Names::default();
        rows.into_iter().map(|row| Ok(scope.customer(customer(row, &mut names)?))).collect()
    }
}

pub(crate) fn customer_rows(customers: &[Arc<Customer>]) -> Option<Bulk> {
    Rows::of(customers, |row, customer| {
        row.id(customer.part).id(customer.customer).text(&customer.identity.kind).text(&customer.identity.value);
        row.json(|json| write_values(json, &customer.attributes)).json(|json| write_values(json, &customer.tags));
        row.json(|json| write_values(json, &customer.consents)).json(|json| write_all_causes(json, customer));
        row.time(customer.first_seen_at).time(customer.last_seen_at).int(customer.events);
    })
}

pub(crate) async fn put_customers(tx: &mut Tx<'_>, tenant: TenantId, rows: Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO customers (tenant_id, part_id, customer_id, identity_kind, identity_value, attributes, tags, consents, \
         causes, first_seen_at, last_seen_at, events) SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), \
         CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), value -> 4, value -> 5, value -> 6, CAST(value -> 7 AS TEXT), \
         CAST(value ->> 8 AS BIGINT), CAST(value ->> 9 AS BIGINT), CAST(value ->> 10 AS BIGINT) FROM jsonb_each($2) \
         WHERE true ON CONFLICT (tenant_id, part_id) DO UPDATE SET customer_id = excluded.customer_id, \
         attributes = excluded.attributes, tags = excluded.tags, consents = excluded.consents, causes = excluded.causes, \
         first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at, \
         events = excluded.events",
        tenant.0,
        rows.json,
    )
    .map(drop)
}

pub(crate) async fn drop_customers(tx: &mut Tx<'_>, tenant: TenantId, ids: &str) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM wakes WHERE tenant_id = $1 AND customer_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        ids,
    )?;
    execute!(
        tx.conn(),
        "DELETE FROM customers WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        ids,
    )
}

/// When the segments of customers may change by time alone, as rows to put; none for those that sleep.
pub(crate) fn wake_rows(wakes: &[Wake]) -> (Option<Bulk>, Option<String>) {
    let due = Rows::of(wakes.iter().filter_map(|wake| Some((wake.customer, wake.due?))), |row, (customer, due)| {
        row.id(customer).time(due);
    });
    let asleep: Vec<PartId> = wakes.iter().filter(|wake| wake.due.is_none()).map(|wake| wake.customer).collect();
    (due, (!asleep.is_empty()).then(|| bulk::list(&asleep)))
}

pub(crate) async fn put_wakes(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (due, asleep): &(Option<Bulk>, Option<String>),
) -> Result<(), StoreError> {
    if let Some(due) = due {
        execute!(
            tx.conn(),
            "INSERT INTO wakes (tenant_id, customer_id, due) SELECT $1, CAST(value ->> 0 AS TEXT), \
             CAST(value ->> 1 AS BIGINT) FROM jsonb_each($2) WHERE true \
             ON CONFLICT (tenant_id, customer_id) DO UPDATE SET due = excluded.due",
            tenant.0,
            &due.json,
        )?;
    }
    if let Some(asleep) = asleep {
        execute!(
            tx.conn(),
            "DELETE FROM wakes WHERE tenant_id = $1 AND customer_id IN (SELECT atom FROM json_each($2))",
            tenant.0,
            asleep,
        )?;
    }
    Ok(())
}

fn write_values(json: &mut Vec<u8>, values: &Values) {
    write_object(json, values, |json, attribute| write_value(json, &attribute.value));
}

fn write_all_causes(json: &mut Vec<u8>, customer: &Customer) {
    let mut causes: Vec<&Cause> = Vec::new();
    for (key, values) in [
        ("{\"attributes\":", &customer.attributes),
        (",\"tags\":", &customer.tags),
        (",\"consents\":", &customer.consents),
    ] {
        json.extend_from_slice(key.as_bytes());
        write_object(json, values, |json, Attribute { cause, .. }| {
            let known = causes.iter().rposition(|known| *known == cause);
            write_display(json, known.unwrap_or(causes.len()));
            if known.is_none() {
                causes.push(cause);
            }
        });
    }
    json.extend_from_slice(b",\"by\":[");
    for (index, cause) in causes.into_iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_cause(json, cause);
    }
    json.extend_from_slice(b"]}");
}

/// The own state of a part, as JSON text: what a customer's row has in columns.
pub(crate) fn write_state(json: &mut Vec<u8>, state: &Customer) {
    json.extend_from_slice(b"{\"attributes\":");
    write_values(json, &state.attributes);
    json.extend_from_slice(b",\"tags\":");
    write_values(json, &state.tags);
    json.extend_from_slice(b",\"consents\":");
    write_values(json, &state.consents);
    json.extend_from_slice(b",\"causes\":");
    write_all_causes(json, state);
    json.extend_from_slice(b",\"first_seen_at\":");
    write_display(json, state.first_seen_at.micros());
    json.extend_from_slice(b",\"last_seen_at\":");
    write_display(json, state.last_seen_at.micros());
    json.extend_from_slice(b",\"events\":");
    write_display(json, state.events);
    json.push(b'}');
}

#[derive(serde::Deserialize)]
struct State {
    attributes: BTreeMap<String, Value>,
    tags: BTreeMap<String, Value>,
    consents: BTreeMap<String, Value>,
    causes: Causes,
    first_seen_at: i64,
    last_seen_at: i64,
    /// States of before say nothing of it.
    #[serde(default)]
    events: i64,
}

pub(crate) fn read_state(
    text: &str,
    part: PartId,
    customer: PartId,
    identity: Identity,
) -> Result<Customer, StoreError> {
    let State { attributes, tags, consents, causes, first_seen_at, last_seen_at, events } =
        json(text, "state of a part")?;
    let [attributes, tags, consents] = causes.explain([attributes, tags, consents], &mut Names::default())?;
    Ok(Customer {
        part,
        customer,
        identity,
        attributes,
        tags,
        consents,
        first_seen_at: time(first_seen_at),
        last_seen_at: time(last_seen_at),
        events,
        wake_at: None,
    })
}

fn write_cause(json: &mut Vec<u8>, cause: &Cause) {
    json.push(b'[');
    write_display(json, cause.at.micros());
    for text in [Some(&cause.event), cause.plugin.as_ref(), cause.rule.as_ref()] {
        json.push(b',');
        match text {
            Some(text) => write_text(json, text),
            None => json.extend_from_slice(b"null"),
        }
    }
    json.push(b']');
}

fn write_object<'v>(json: &mut Vec<u8>, values: &'v Values, mut write: impl FnMut(&mut Vec<u8>, &'v Attribute)) {
    json.push(b'{');
    for (index, (name, attribute)) in values.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_text(json, name);
        json.push(b':');
        write(json, attribute);
    }
    json.push(b'}');
}

type StoredCause = (i64, Arc<str>, Option<Arc<str>>, Option<Arc<str>>);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Said {
    By(usize),
    Itself(StoredCause),
}

#[derive(serde::Deserialize)]
struct Causes {
    #[serde(default)]
    by: Vec<StoredCause>,
    attributes: BTreeMap<String, Said>,
    tags: BTreeMap<String, Said>,
    #[serde(default)]
    consents: BTreeMap<String, Said>,
}

impl Causes {
    /// The values of a customer or a part, each with its cause.
    fn explain(
        self,
        [attributes, tags, consents]: [BTreeMap<String, Value>; 3],
        names: &mut Names,
    ) -> Result<[Values; 3], StoreError> {
        let by: Vec<Cause> = self.by.into_iter().map(|stored| cause(stored, names)).collect();
        Ok([
            with_causes(attributes, self.attributes, &by, names)?,
            with_causes(tags, self.tags, &by, names)?,
            with_causes(consents, self.consents, &by, names)?,
        ])
    }
}

fn customer(row: Row, names: &mut Names) -> Result<Customer, StoreError> {
    let causes: Causes = json(&row.causes, "causes of a customer")?;
    let values = [
        json(&row.attributes, "attributes of a customer")?,
        json(&row.tags, "tags of a customer")?,
        json(&row.consents, "consents of a customer")?,
    ];
    let [attributes, tags, consents] = causes.explain(values, names)?;
    Ok(Customer {
        part: id(&row.part_id)?,
        customer: id(&row.customer_id)?,
        identity: Identity::new(row.identity_kind, row.identity_value),
        attributes,
        tags,
        consents,
        first_seen_at: time(row.first_seen_at),
        last_seen_at: time(row.last_seen_at),
        events: row.events,
        wake_at: maybe_time(row.wake_at),
    })
}

fn with_causes(
    values: BTreeMap<String, Value>,
    mut causes: BTreeMap<String, Said>,
    by: &[Cause],
    names: &mut Names,
) -> Result<Values, StoreError> {
    values
        .into_iter()
        .map(|(name, value)| {
            let cause = match causes.remove(&name) {
                Some(Said::By(index)) => by.get(index).cloned(),
                Some(Said::Itself(stored)) => Some(cause(stored, names)),
                None => None,
            };
            let cause = cause.ok_or_else(|| StoreError::Corrupt(format!("`{name}` has no cause")))?;
            Ok((name, Attribute { value, cause }))
        })
        .collect()
}

fn cause((at, event, plugin, rule): StoredCause, names: &mut Names) -> Cause {
    let [plugin, rule] = [plugin, rule].map(|text| text.map(|text| names.same(text)));
    Cause { at: time(at), event, plugin, rule }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Timestamp;
    use serde_json::json;

    fn state() -> Customer {
        let identity = Identity::new("user_id", "u1");
        let part = identity.part(TenantId(1));
        let mut state = Customer::new(part, identity, Timestamp::from_micros(5));
        let by_event = Cause { at: Timestamp::from_micros(5), event: "m1".into(), plugin: None, rule: None };
        let by_rule = Cause { plugin: Some("digest".into()), rule: Some("points".into()), ..by_event.clone() };
        state.set("city", json!("Köln"), by_event.clone());
        state.set("points", json!(7), by_rule.clone());
        state.set("tier", json!("gold"), by_rule);
        state.set_tag("vip", json!(true), by_event);
        state
    }

    fn read(text: &str) -> Customer {
        let state = state();
        read_state(text, state.part, state.customer, state.identity).expect("it is a state")
    }

    #[test]
    fn a_cause_is_written_once() {
        let mut text = Vec::new();
        write_state(&mut text, &state());
        let text = String::from_utf8(text).expect("JSON is text");
        assert_eq!((text.matches("m1").count(), text.matches("digest").count()), (2, 1));
        assert_eq!(read(&text), state());
    }

    #[test]
    fn a_state_that_has_its_causes_in_place_is_read() {
        let text = r#"{"attributes":{"city":"Köln","points":7,"tier":"gold"},"tags":{"vip":true},"consents":{},
            "causes":{"attributes":{"city":[5,"m1",null,null],"points":[5,"m1","digest","points"],
            "tier":[5,"m1","digest","points"]},"tags":{"vip":[5,"m1",null,null]}},"first_seen_at":5,"last_seen_at":5}"#;
        assert_eq!(read(text), state());
    }

    #[test]
    fn a_value_without_a_cause_is_corrupt() {
        let text = r#"{"attributes":{"city":"Köln"},"tags":{},"consents":{},
            "causes":{"by":[],"attributes":{"city":0},"tags":{}},"first_seen_at":5,"last_seen_at":5}"#;
        let state = state();
        assert!(read_state(text, state.part, state.customer, state.identity).is_err());
    }
}
