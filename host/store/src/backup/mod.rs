//! A whole database as lines of text, and back: of either kind into either kind.
//!
//! A dump is what one snapshot sees, so a hub may write meanwhile. A row is a JSON list of its columns: numbers, texts, bytes as
//! `\x` and hexadecimal digits. What is told of the nodes that share a database is left out: it is over when it is restored.

mod dump;
mod restore;
mod schema;

use serde::{Deserialize, Serialize};

pub use dump::{dump, dump_tenant};
pub use restore::{Restore, Sends};

use crate::tables::{TABLES, TURNS};

/// What a dump consists of: a head, tables, each before its rows, and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Head(Head),
    Table(DumpedTable),
    /// A JSON list, as long as the columns of the table.
    Row(String),
    /// All of it was read.
    End,
}

/// Which database was dumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The newest migration that it had.
    pub schema: i64,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Only what this tenant has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<DumpedTenant>,
}

/// The tenant of a dump that has one alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedTenant {
    pub id: i64,
    pub name: String,
    /// Tells the key that sealed its secrets, and by which whoever was erased is known again.
    pub key: String,
}

/// A table whose rows follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedTable {
    pub table: String,
    pub columns: Vec<String>,
}

/// Which processes shared a database, and who of them wrote last.
const OF_NODES: [&str; 2] = ["nodes", TURNS];
/// The one whose rows decide, on PostgreSQL, which rows of the others are seen.
const FIRST: &str = "tenants";

/// Tables without rows of one tenant.
const OF_THE_HUB: [&str; 1] = ["secret_keys"];
/// Components have no tenant: those of its plugins go with it.
const COMPONENTS: &str = "components";

/// The tables of a dump, in its order.
fn tables() -> impl Iterator<Item = &'static str> {
    let others = TABLES.iter().map(|table| table.name).filter(|name| *name != FIRST && !OF_NODES.contains(name));
    std::iter::once(FIRST).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_each_table_but_those_of_nodes() {
        let dumped: Vec<&str> = tables().collect();
        assert_eq!(dumped.len() + OF_NODES.len(), TABLES.len());
        assert_eq!(dumped[0], FIRST);
        assert!(OF_NODES.iter().all(|table| !dumped.contains(table)));
    }
}
