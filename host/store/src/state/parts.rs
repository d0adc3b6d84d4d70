//! Parts: every identity with the customer that it belongs to. What a merge and an unmerge rewrite.

use openhub_model::identity::{Age, Part};
use openhub_model::{Identity, PartId, TenantId, limits};
use std::collections::{HashMap, HashSet};

use crate::database::bulk::{self, Bulk, Rows, write_text};
use crate::database::connection::{execute, select};
use crate::database::decode::id;
use crate::database::filters::Sql;
use crate::database::room::{Room, Texts};
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::state::customers::{read_state, write_state};
use crate::store::Store;

#[derive(sqlx::FromRow)]
struct Row {
    part_id: String,
    customer_id: String,
    kind: String,
    value: String,
    since: i64,
    claimed: i64,
    seen: i64,
    source: String,
    state: Option<String>,
}

impl Texts for Row {
    fn weight(&self) -> usize {
        self.value.len() + self.state.as_ref().map_or(0, |state| limits::weight(state.as_bytes()))
    }
}

impl Store {
    /// All parts of the customers that these parts belong to, in one statement.
    pub async fn parts_around(&self, scope: &Scope, parts: &[PartId]) -> Result<Vec<Part>, StoreError> {
        self.load_parts(scope, parts, &Room::endless()).await
    }

    /// As [`Store::parts_around`], if there is room for them.
    pub async fn load_parts(&self, scope: &Scope, parts: &[PartId], room: &Room) -> Result<Vec<Part>, StoreError> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = scope.tenant().0;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "");
        match sql {
            // Two searches for a customer: the index says whose a part is, and all of theirs lie together.
            Sql::Sqlite(_) => {
                sql.push("SELECT part_id, customer_id, kind, value, since, claimed, seen, source, state FROM parts");
                sql.push(" WHERE tenant_id = ").int(tenant).push(" AND customer_id IN (SELECT customer_id FROM parts");
                sql.push(" WHERE tenant_id = ").int(tenant).push(" AND part_id IN (SELECT atom FROM json_each(");
                sql.text(&bulk::list(parts)).push(")))");
            }
            // Fenced: without statistics, PostgreSQL would compare each part with each.
            Sql::Postgres(_) => {
                sql.push("WITH owners AS MATERIALIZED (SELECT DISTINCT o.customer_id FROM json_each(");
                sql.text(&bulk::list(parts)).push(") k CROSS JOIN LATERAL (SELECT customer_id FROM parts");
                sql.push(" WHERE tenant_id = ").int(tenant).push(" AND part_id = k.atom OFFSET 0) o)");
                sql.push(
                    " SELECT p.* FROM owners CROSS JOIN LATERAL (SELECT part_id, customer_id, kind, value, since,",
                );
                sql.push(" claimed, seen, source, state FROM parts WHERE tenant_id = ").int(tenant);
                sql.push(" AND customer_id = owners.customer_id OFFSET 0) p");
            }
        }
        let rows = sql.fetch_within::<Row>(reading.conn(), room).await?;
        reading.done().await?;
        rows.into_iter().map(|row| Ok(scope.part(part(row)?))).collect()
    }

    /// Which customer each of these parts belongs to; one that the engine has not met yet stands for itself.
    pub async fn customer_ids(&self, scope: &Scope, parts: &[PartId]) -> Result<HashMap<PartId, PartId>, StoreError> {
        if parts.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String),
            "SELECT part_id, customer_id FROM parts WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(parts),
        );
        let mut owners: HashMap<PartId, PartId> = parts.iter().map(|part| (*part, *part)).collect();
        for (part, customer) in rows {
            owners.insert(id(&part)?, id(&customer)?);
        }
        Ok(owners)
    }

    /// The identity that each of these parts is; one that the engine has not met yet is not among the answers.
    pub async fn identities_of(
        &self,
        scope: &Scope,
        parts: &[PartId],
    ) -> Result<HashMap<PartId, Identity>, StoreError> {
        if parts.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String, String),
            "SELECT part_id, kind, value FROM parts WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter()
            .map(|(part, kind, value)| Ok((id(&part)?, scope.identity(Identity::new(kind, value)))))
            .collect()
    }

    /// The customers that these parts belong to; a part that no customer has is not among the answers.
    pub async fn owners(&self, scope: &Scope, parts: &[PartId]) -> Result<HashMap<PartId, PartId>, StoreError> {
        if parts.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String),
            "SELECT p.part_id, p.customer_id FROM parts p JOIN customers c ON c.tenant_id = p.tenant_id \
             AND c.part_id = p.customer_id WHERE p.tenant_id = $1 AND p.part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter().map(|(part, customer)| Ok((id(&part)?, id(&customer)?))).collect()
    }

    /// Those of these parts that somebody has, or will have once the engine has come to the end of the log, or whom an
    /// object was made for. Who is about to be erased is known no more: what is made for them now would be left behind.
    pub async fn known_parts(&self, scope: &Scope, parts: &[PartId]) -> Result<HashSet<PartId>, StoreError> {
        let mut known = self.named_parts(scope, parts).await?;
        if known.is_empty() {
            return Ok(known);
        }
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT part_id FROM parts WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) AND customer_id IN \
             (SELECT COALESCE((SELECT named.customer_id FROM parts named WHERE named.tenant_id = $1 \
             AND named.part_id = erasures.customer_id), erasures.customer_id) FROM erasures \
             WHERE erasures.tenant_id = $1 AND erasures.done_at IS NULL)",
            scope.tenant().0,
            bulk::list(&known),
        );
        for (part,) in rows {
            known.remove(&id(&part)?);
        }
        Ok(known)
    }

    async fn named_parts(&self, scope: &Scope, parts: &[PartId]) -> Result<HashSet<PartId>, StoreError> {
        if parts.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT part_id FROM parts WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) \
             UNION SELECT part_id FROM objects WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(parts),
        );
        let mut known: HashSet<PartId> = rows.into_iter().map(|(part,)| id(&part)).collect::<Result<_, _>>()?;
        let others: Vec<PartId> = parts.iter().copied().filter(|part| !known.contains(part)).collect();
        if others.is_empty() {
            return Ok(known);
        }
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT DISTINCT part_id FROM events WHERE tenant_id = $1 AND origin = 0 AND position > \
             (SELECT checkpoint FROM partitions WHERE tenant_id = $1 AND bucket = 0) \
             AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(&others),
        );
        for (part,) in rows {
            known.insert(id(&part)?);
        }
        Ok(known)
    }
}

pub(crate) fn part_rows(parts: &[Part]) -> Option<Bulk> {
    Rows::of(parts, |row, part| {
        row.id(part.age.id).id(part.customer).text(&part.identity.kind).text(&part.identity.value);
        row.int(part.age.position).int(i64::from(part.age.claimed)).int(i64::from(part.seen)).text(&part.source);
        match &part.state {
            // A JSON text within the row, so that it comes out as the text that is stored.
            Some(state) => row.json(|json| {
                let mut text = Vec::new();
                write_state(&mut text, state);
                write_text(json, &String::from_utf8_lossy(&text));
            }),
            None => row.maybe_text(None),
        };
    })
}

pub(crate) async fn put_parts(tx: &mut Tx<'_>, tenant: TenantId, rows: &Bulk) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO parts (tenant_id, part_id, customer_id, kind, value, since, claimed, seen, source, state) \
         SELECT $1, CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT), \
         CAST(value ->> 3 AS TEXT), CAST(value ->> 4 AS BIGINT), CAST(value ->> 5 AS BIGINT), \
         CAST(value ->> 6 AS BIGINT), CAST(value ->> 7 AS TEXT), CAST(value ->> 8 AS TEXT) FROM jsonb_each($2) WHERE true \
         ON CONFLICT (tenant_id, part_id) DO UPDATE SET customer_id = excluded.customer_id, since = excluded.since, \
         claimed = excluded.claimed, seen = excluded.seen, source = excluded.source, state = excluded.state",
        tenant.0,
        &rows.json,
    )
    .map(drop)
}

pub(crate) async fn drop_parts(tx: &mut Tx<'_>, tenant: TenantId, ids: &str) -> Result<u64, StoreError> {
    execute!(
        tx.conn(),
        "DELETE FROM parts WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2))",
        tenant.0,
        ids,
    )
}

fn part(row: Row) -> Result<Part, StoreError> {
    let (part, customer) = (id(&row.part_id)?, id(&row.customer_id)?);
    let identity = Identity::new(row.kind, row.value);
    let state = row.state.map(|state| read_state(&state, part, customer, identity.clone())).transpose()?;
    Ok(Part {
        age: Age { position: row.since, claimed: row.claimed != 0, id: part },
        customer,
        identity,
        source: row.source,
        seen: row.seen != 0,
        state: state.map(Box::new),
    })
}
