//! Every table, declared once: whose rows they are, what an erasure does with them, and whether they grow with customers. The store's
//! contract test compares this with the schema of both databases, and plants a row of a customer in each before it erases them.

/// A table of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    pub holds: Holds,
    pub grows: Grows,
}

/// Whose rows these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing of a customer.
    Nobody,
    /// A customer, by the part or the customer in this column: an erasure deletes the row.
    Customer(&'static str),
    /// Goes with its row of another table.
    With(&'static str),
    /// An erasure leaves the row, and nothing in it that says who it was: hashes and counts.
    Nameless,
    /// What people wrote: it may name somebody, and is theirs to look after.
    ByHand,
}

/// Whether statements may walk all of a tenant's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grows {
    /// With customers and what they do: no statement walks them.
    WithCustomers,
    /// With what people set up.
    Slowly,
}

use Grows::{Slowly, WithCustomers};
use Holds::{ByHand, Customer, Nameless, Nobody, With};

const fn table(name: &'static str, holds: Holds, grows: Grows) -> Table {
    Table { name, holds, grows }
}

/// The table that SQLite does without.
pub const TURNS: &str = "turns";

/// By name.
pub const TABLES: &[Table] = &[
    table("active_customers", Customer("customer_id"), WithCustomers),
    table("attributes", Nobody, Slowly),
    table("audit", Nameless, Slowly),
    table("audit_heads", Nobody, Slowly),
    table("claims", Customer("part_id"), WithCustomers),
    table("components", Nobody, Slowly),
    table("customer_events", Customer("part_id"), WithCustomers),
    table("customers", Customer("customer_id"), WithCustomers),
    table("entries", Customer("part_id"), WithCustomers),
    table("erasure_requests", Nameless, Slowly),
    table("erasures", Nameless, Slowly),
    table("event_bodies", With("events"), WithCustomers),
    table("events", Nameless, WithCustomers),
    table("faults", Customer("part_id"), WithCustomers),
    table("idempotency_keys", Nameless, Slowly),
    table("identity_policies", ByHand, Slowly),
    table("identity_providers", Nobody, Slowly),
    table("journey_versions", ByHand, Slowly),
    table("journeys", ByHand, Slowly),
    table("keys", Nobody, Slowly),
    table("matches", Customer("part_id"), Slowly),
    table("memberships", Customer("customer_id"), WithCustomers),
    table("messages", Customer("part_id"), WithCustomers),
    table("metered", Nobody, Slowly),
    table("node_counts", Nobody, Slowly),
    table("nodes", Nobody, Slowly),
    table("object_relations", With("objects"), WithCustomers),
    table("object_types", ByHand, Slowly),
    table("object_uniques", With("objects"), WithCustomers),
    table("objects", Customer("part_id"), WithCustomers),
    table("offering_versions", ByHand, Slowly),
    table("offerings", ByHand, Slowly),
    table("origins", Nobody, Slowly),
    table("partitions", Nobody, Slowly),
    table("parts", Customer("customer_id"), WithCustomers),
    table("persons", ByHand, Slowly),
    table("plugin_job_runs", ByHand, Slowly),
    table("plugin_jobs", ByHand, Slowly),
    table("plugin_kv", Customer("part_id"), WithCustomers),
    table("plugin_logs", ByHand, Slowly),
    table("plugin_recordings", Customer("part_id"), Slowly),
    table("plugin_removals", Nobody, Slowly),
    table("plugin_secrets", Nobody, Slowly),
    table("plugin_shadow_rows", Customer("part_id"), Slowly),
    table("plugin_shadows", Nobody, Slowly),
    table("plugin_state", Nobody, Slowly),
    table("plugin_usage", Nobody, Slowly),
    table("plugin_versions", ByHand, Slowly),
    table("plugins", ByHand, Slowly),
    table("push_targets", Nobody, Slowly),
    table("pushes", Nobody, Slowly),
    table("runs", Customer("part_id"), WithCustomers),
    table("segment_versions", ByHand, Slowly),
    table("secret_keys", Nobody, Slowly),
    table("segments", Nobody, Slowly),
    table("sessions", Nobody, Slowly),
    table("set_aside", Customer("part_id"), Slowly),
    table("share_keys", Nobody, Slowly),
    table("shares", ByHand, Slowly),
    table("statement_lines", Nobody, Slowly),
    table("statements", Nobody, Slowly),
    table("subscription_blocks", ByHand, Slowly),
    table("subscription_operations", Nobody, Slowly),
    table("subscriptions", ByHand, Slowly),
    table("suppressions", Nameless, Slowly),
    table("tenant_deletions", Nobody, Slowly),
    table("tenants", Nobody, Slowly),
    table("timers", Customer("part_id"), WithCustomers),
    // On PostgreSQL alone: which transaction of a node was made last.
    table(TURNS, Nobody, Slowly),
    table("usage_reports", Nobody, Slowly),
    table("wakes", Customer("customer_id"), WithCustomers),
    table("webhook_attempts", With("webhook_deliveries"), WithCustomers),
    table("webhook_deliveries", Customer("part_id"), WithCustomers),
    table("webhooks", ByHand, Slowly),
];

/// The tables that no statement walks.
pub fn growing() -> impl Iterator<Item = &'static str> {
    TABLES.iter().filter(|table| table.grows == WithCustomers).map(|table| table.name)
}
