//! Customers by part, and the identities claimed for them.
//!
//! A row's `causes` hold who set each attribute and tag: `{"attributes": {name: [at, event, plugin, rule]}, "tags": …}`.
//! A removed attribute stays as `null` with its cause, so that an older event cannot bring it back.

use openhub_model::{Attribute, Cause, Condition, Customer, Identity, PartId, TenantId};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::bulk::{self, Bulk, Rows, write_display, write_text, write_value};
use crate::conditions::AsOf;
use crate::connection::{execute, select};
use crate::decode::{id, json, limit, maybe_time, time};
use crate::error::StoreError;
use crate::filters::Sql;
use crate::scope::Scope;
use crate::store::Store;
use crate::writer::Tx;

/// An identity that an event claimed for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub part: PartId,
    pub kind: String,
    pub value: String,
    /// Position of the event.
    pub position: i64,
    /// Its `message_id`.
    pub source: String,
}

#[derive(Clone, Debug, Default)]
pub struct CustomerFilter {
    pub condition: Option<Condition>,
    /// The moment that the condition is asked about; if not given, the engine's last commit.
    pub as_of: Option<AsOf>,
    pub identity: Option<Identity>,
    pub after: Option<PartId>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    part_id: String,
    customer_id: String,
    identity_kind: String,
    identity_value: String,
    attributes: String,
    tags: String,
    causes: String,
    consents: String,
    first_seen_at: i64,
    last_seen_at: i64,
    wake_at: Option<i64>,
}

impl Store {
    pub async fn customers_by_part(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<Customer>, StoreError> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT part_id, customer_id, identity_kind, identity_value, CAST(attributes AS TEXT) AS attributes, \
             CAST(tags AS TEXT) AS tags, causes, consents, first_seen_at, last_seen_at, wake_at FROM customers \
             WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter().map(customer).collect()
    }

    pub async fn customer(&self, scope: &Scope, part: PartId) -> Result<Option<Customer>, StoreError> {
        Ok(self.customers_by_part(scope, &[part]).await?.pop())
    }

    /// A page of customers, by id.
    pub async fn customers(&self, scope: &Scope, filter: &CustomerFilter) -> Result<Vec<Customer>, StoreError> {
        let tenant = scope.tenant();
        let as_of = match (&filter.condition, filter.as_of) {
            (Some(_), None) => Some(self.last_commit(scope).await?),
            (_, as_of) => as_of,
        };
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT part_id, customer_id, identity_kind, identity_value, CAST(attributes AS TEXT) AS attributes, \
             CAST(tags AS TEXT) AS tags, causes, consents, first_seen_at, last_seen_at, wake_at FROM customers c WHERE tenant_id = ",
        );
        sql.int(tenant.0);
        if let Some(after) = filter.after {
            sql.push(" AND part_id > ").text(&after.to_string());
        }
        if let Some(identity) = &filter.identity {
            sql.push(" AND part_id IN (SELECT ").text(&identity.part(tenant).to_string());
            sql.push(" UNION SELECT part_id FROM claims WHERE tenant_id = ").int(tenant.0);
            sql.push(" AND kind = ").text(&identity.kind).push(" AND value = ").text(&identity.value).push(")");
        }
        if let Some((condition, as_of)) = filter.condition.as_ref().zip(as_of) {
            sql.push(" AND ").condition(condition, as_of);
        }
        sql.push(" ORDER BY part_id LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(customer).collect()
    }

    pub async fn claims(&self, scope: &Scope, part: PartId) -> Result<Vec<Claim>, StoreError> {
        self.claims_by_part(scope, &[part]).await
    }

    /// The claims of many parts, by part and position.
    pub async fn claims_by_part(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<Claim>, StoreError> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String, String, i64, String),
            "SELECT part_id, kind, value, position, source FROM claims \
             WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) ORDER BY part_id, position, kind",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter()
            .map(|(part, kind, value, position, source)| Ok(Claim { part: id(&part)?, kind, value, position, source }))
            .collect()
    }
}

pub(crate) fn customer_rows(customers: &[Customer]) -> Option<Bulk> {
    Rows::of(customers, |row, customer| {
        row.id(customer.part).id(customer.customer).text(&customer.identity.kind).text(&customer.identity.value);
        row.json(|json| write_values(json, &customer.attributes)).json(|json| write_values(json, &customer.tags));
        row.json(|json| {
            json.extend_from_slice(b"{\"attributes\":");
            write_causes(json, &customer.attributes);
            json.extend_from_slice(b",\"tags\":");
            write_causes(json, &customer.tags);
            json.push(b'}');
        });
        row.time(customer.first_seen_at).time(customer.last_seen_at).maybe_time(customer.wake_at);
    })
}

pub(crate) async fn put_customers(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO customers (tenant_id, part_id, customer_id, identity_kind, identity_value, attributes, tags, causes, \
         first_seen_at, last_seen_at, wake_at) SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), \
         CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS TEXT), value -> 4, value -> 5, CAST(value -> 6 AS TEXT), \
         CAST(value ->> 7 AS BIGINT), CAST(value ->> 8 AS BIGINT), CAST(value ->> 9 AS BIGINT) FROM json_each($2) WHERE true \
         ON CONFLICT (tenant_id, part_id) DO UPDATE SET customer_id = excluded.customer_id, \
         attributes = excluded.attributes, tags = excluded.tags, causes = excluded.causes, \
         first_seen_at = excluded.first_seen_at, last_seen_at = excluded.last_seen_at, wake_at = excluded.wake_at",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

pub(crate) fn claim_rows(claims: &[Claim]) -> Option<Bulk> {
    Rows::of(claims, |row, claim| {
        row.id(claim.part).text(&claim.kind).text(&claim.value).int(claim.position).text(&claim.source);
    })
}

/// The first event that claimed an identity stays its source.
pub(crate) async fn add_claims(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO claims (tenant_id, part_id, kind, value, position, source) SELECT $1, CAST(value ->> 0 AS TEXT), \
         CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), CAST(value ->> 3 AS BIGINT), CAST(value ->> 4 AS TEXT) \
         FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

type Values = BTreeMap<String, Attribute>;

fn write_values(json: &mut Vec<u8>, values: &Values) {
    write_object(json, values, |json, attribute| write_value(json, &attribute.value));
}

fn write_causes(json: &mut Vec<u8>, values: &Values) {
    write_object(json, values, |json, Attribute { cause, .. }| {
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
    });
}

fn write_object(json: &mut Vec<u8>, values: &Values, mut write: impl FnMut(&mut Vec<u8>, &Attribute)) {
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

type StoredCause = (i64, String, Option<String>, Option<String>);

#[derive(serde::Deserialize)]
struct Causes {
    attributes: BTreeMap<String, StoredCause>,
    tags: BTreeMap<String, StoredCause>,
    #[serde(default)]
    consents: BTreeMap<String, StoredCause>,
}

fn customer(row: Row) -> Result<Customer, StoreError> {
    let causes: Causes = json(&row.causes, "causes of a customer")?;
    Ok(Customer {
        part: id(&row.part_id)?,
        customer: id(&row.customer_id)?,
        identity: Identity::new(row.identity_kind, row.identity_value),
        attributes: with_causes(json(&row.attributes, "attributes of a customer")?, causes.attributes)?,
        tags: with_causes(json(&row.tags, "tags of a customer")?, causes.tags)?,
        consents: with_causes(json(&row.consents, "consents of a customer")?, causes.consents)?,
        first_seen_at: time(row.first_seen_at),
        last_seen_at: time(row.last_seen_at),
        wake_at: maybe_time(row.wake_at),
    })
}

fn with_causes(
    values: BTreeMap<String, Value>,
    mut causes: BTreeMap<String, StoredCause>,
) -> Result<Values, StoreError> {
    values
        .into_iter()
        .map(|(name, value)| {
            let cause = causes.remove(&name).ok_or_else(|| StoreError::Corrupt(format!("`{name}` has no cause")))?;
            let (at, event, plugin, rule) = cause;
            Ok((name, Attribute { value, cause: Cause { at: time(at), event, plugin, rule } }))
        })
        .collect()
}
