//! Whose a part is, and which parts a customer has.

use openhub_model::PartId;
use std::collections::HashMap;

use crate::bulk;
use crate::connection::select;
use crate::decode::id;
use crate::error::StoreError;
use crate::filters::Sql;
use crate::scope::Scope;
use crate::store::Store;

impl Store {
    /// The customers that these parts belong to; a part that nobody has met is not among the answers.
    pub async fn owners(&self, scope: &Scope, parts: &[PartId]) -> Result<HashMap<PartId, PartId>, StoreError> {
        if parts.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = select!(
            self,
            scope,
            (String, String),
            "SELECT part_id, customer_id FROM parts WHERE tenant_id = $1 AND part_id IN (SELECT atom FROM json_each($2)) \
             UNION SELECT part_id, customer_id FROM customers WHERE tenant_id = $1 \
             AND part_id IN (SELECT atom FROM json_each($2))",
            scope.tenant().0,
            bulk::list(parts),
        );
        rows.into_iter().map(|(part, customer)| Ok((id(&part)?, id(&customer)?))).collect()
    }

    /// All parts of the customer that a part belongs to, itself at least.
    pub async fn parts_of(&self, scope: &Scope, part: PartId) -> Result<Vec<PartId>, StoreError> {
        let mut reading = self.reading(scope).await?;
        let mut sql = Sql::new(&reading.conn(), "SELECT * FROM ");
        sql.parts_of(scope.tenant(), part).push(" AS parts");
        let rows = sql.fetch_all::<(String,)>(reading.conn()).await?;
        reading.done().await?;
        rows.into_iter().map(|(part,)| id(&part)).collect()
    }
}
