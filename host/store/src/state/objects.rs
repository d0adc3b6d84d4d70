//! Records of custom types, with a version test on each change and unique values.

use openhub_model::PartId;
use openhub_model::object::Object;

use crate::database::bulk::Rows;
use crate::database::connection::select;
use crate::database::decode::{json, limit, maybe_id, time};
use crate::database::filters::Sql;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::state::object_relations::Relation;
use crate::store::Store;

/// What of an object is found by its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// Its unique fields and their values, as texts.
    pub uniques: Vec<(String, String)>,
    /// What it leads to; none if its type has no relations.
    pub relations: Option<Vec<Relation>>,
}

impl From<Vec<(String, String)>> for Indexed {
    fn from(uniques: Vec<(String, String)>) -> Indexed {
        Indexed { uniques, relations: None }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ObjectChange {
    Create(Object, Indexed),
    /// `stored` is the version that must be stored.
    Replace {
        stored: i64,
        object: Object,
        indexed: Indexed,
    },
    /// `version` is the stored one.
    Delete {
        kind: String,
        key: String,
        version: i64,
    },
}

impl ObjectChange {
    /// The object's type.
    pub fn kind(&self) -> &str {
        match self {
            ObjectChange::Create(object, _) | ObjectChange::Replace { object, .. } => &object.kind,
            ObjectChange::Delete { kind, .. } => kind,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct ObjectFilter {
    pub kind: String,
    /// Of the customer that this part belongs to.
    pub part: Option<PartId>,
    pub after: Option<String>,
    pub limit: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    key: String,
    part_id: Option<String>,
    version: i64,
    fields: String,
    created_at: i64,
    updated_at: i64,
    cause: String,
}

/// A unique field's value: type, field, value.
pub type Unique = (String, String, String);

impl Store {
    /// Objects by `(kind, key)`.
    pub async fn objects_by_key(&self, scope: &Scope, keys: &[(String, String)]) -> Result<Vec<Object>, StoreError> {
        scope.sees_people()?;
        let Some(keys) = Rows::of(keys, |row, (kind, key)| {
            row.text(kind).text(key);
        }) else {
            return Ok(Vec::new());
        };
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT kind, key, part_id, version, fields, created_at, updated_at, cause FROM objects WHERE tenant_id = $1 \
             AND (kind, key) IN (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($2))",
            scope.tenant().0,
            &keys.json,
        );
        rows.into_iter().map(object).collect()
    }

    /// The unique fields of these whose values objects of the type have already.
    pub async fn taken_values(
        &self,
        scope: &Scope,
        kind: &str,
        values: &[(String, String)],
    ) -> Result<Vec<String>, StoreError> {
        scope.sees_people()?;
        let Some(values) = Rows::of(values, |row, (field, value)| {
            row.text(field).text(value);
        }) else {
            return Ok(Vec::new());
        };
        let rows = select!(
            self,
            scope,
            (String,),
            "SELECT DISTINCT field FROM object_uniques WHERE tenant_id = $1 AND kind = $2 AND (field, content) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT) FROM jsonb_each($3)) ORDER BY field",
            scope.tenant().0,
            kind.to_owned(),
            &values.json,
        );
        Ok(rows.into_iter().map(|(field,)| field).collect())
    }

    /// Which objects have these values of unique fields: `(type, field, value)`, and the object's key.
    pub async fn holders(&self, scope: &Scope, values: &[Unique]) -> Result<Vec<(Unique, String)>, StoreError> {
        scope.sees_people()?;
        let Some(values) = Rows::of(values, |row, (kind, field, value)| {
            row.text(kind).text(field).text(value);
        }) else {
            return Ok(Vec::new());
        };
        let rows = select!(
            self,
            scope,
            (String, String, String, String),
            "SELECT kind, field, content, object_key FROM object_uniques WHERE tenant_id = $1 AND (kind, field, content) IN \
             (SELECT CAST(value ->> 0 AS TEXT), CAST(value ->> 1 AS TEXT), CAST(value ->> 2 AS TEXT) FROM jsonb_each($2))",
            scope.tenant().0,
            &values.json,
        );
        Ok(rows.into_iter().map(|(kind, field, value, key)| ((kind, field, value), key)).collect())
    }

    pub async fn object(&self, scope: &Scope, kind: &str, key: &str) -> Result<Option<Object>, StoreError> {
        scope.sees_people()?;
        Ok(self.objects_by_key(scope, &[(kind.to_owned(), key.to_owned())]).await?.pop())
    }

    /// A page of objects of a type, by key.
    pub async fn objects(&self, scope: &Scope, filter: &ObjectFilter) -> Result<Vec<Object>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT kind, key, part_id, version, fields, created_at, updated_at, cause FROM ",
        );
        if let Some(part) = filter.part {
            sql.each_part_of(scope.tenant(), part);
        }
        sql.push("objects WHERE tenant_id = ");
        sql.int(scope.tenant().0).push(" AND kind = ").text(&filter.kind);
        if filter.part.is_some() {
            sql.push(" AND part_id = own");
        }
        if let Some(after) = &filter.after {
            sql.push(" AND key > ").text(after);
        }
        sql.push(" ORDER BY key LIMIT ").int(limit(filter.limit));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(object).collect()
    }
}

impl Store {
    /// A page of the objects of the customer that a part belongs to, by type and key.
    pub async fn objects_of(
        &self,
        scope: &Scope,
        part: PartId,
        after: Option<&ObjectKey>,
        rows: usize,
    ) -> Result<Vec<Object>, StoreError> {
        scope.sees_people()?;
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(
            &reading.conn(),
            "SELECT kind, key, part_id, version, fields, created_at, updated_at, cause FROM ",
        );
        sql.each_part_of(scope.tenant(), part).push("objects WHERE tenant_id = ").int(scope.tenant().0);
        sql.push(" AND part_id = own");
        if let Some(ObjectKey { kind, key }) = after {
            sql.push(" AND (kind, key) > (").text(kind).push(", ").text(key).push(")");
        }
        sql.push(" ORDER BY kind, key LIMIT ").int(limit(rows));
        let rows = sql.fetch_all::<Row>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(object).collect()
    }

    /// How many objects of each type the customer that a part belongs to has.
    pub async fn object_counts(&self, scope: &Scope, part: PartId) -> Result<Vec<(String, i64)>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "SELECT kind, COUNT(*) FROM ");
        sql.each_part_of(scope.tenant(), part).push("objects WHERE tenant_id = ").int(scope.tenant().0);
        sql.push(" AND part_id = own GROUP BY kind ORDER BY kind");
        let counts = sql.fetch_all(reading.conn()).await?;
        reading.done().await?;
        Ok(counts)
    }
}

fn object(row: Row) -> Result<Object, StoreError> {
    Ok(Object {
        kind: row.kind,
        key: row.key,
        part: maybe_id(row.part_id.as_deref())?,
        version: row.version,
        fields: json(&row.fields, "fields of an object")?,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
        cause: row.cause,
    })
}
