//! Where a tenant's work stands.

use openhub_engine::catalog::EntryFault;
use openhub_model::{TenantId, Timestamp};
use openhub_store::{FaultKind, Standing, Tenant};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where a tenant's work stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct StatusView {
    #[schema(value_type = i64)]
    tenant: TenantId,
    /// The log's last position.
    head: i64,
    /// The position up to which the engine has worked.
    checkpoint: i64,
    /// Events that wait for the engine.
    behind: i64,
    /// Messages that wait to be sent.
    unsent: i64,
    /// Whether nothing is sent: the tenant was restored from a backup, and nobody has said that it may. See `openhub release-sends`.
    sends_held: bool,
    /// Events that failed and that the engine set aside.
    set_aside: i64,
    waiting_runs: i64,
    #[schema(value_type = String, format = DateTime)]
    clock: Timestamp,
    /// Entries of the catalog that are not in force; all others are. Only the node that runs the tenant knows them.
    faults: Vec<CatalogFaultView>,
    /// How many open faults there are, by kind. See `/api/v1/faults`.
    open_faults: BTreeMap<&'static str, i64>,
}

/// An entry of the catalog that is not in force.
#[derive(Serialize, ToSchema)]
#[schema(as = CatalogFault)]
pub(crate) struct CatalogFaultView {
    /// `plugin`, `journey`, `segment`, `attribute`, `identity-kinds`, or `change` for one that was refused at its position in
    /// the log.
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    reason: String,
}

impl From<&EntryFault> for CatalogFaultView {
    fn from(fault: &EntryFault) -> Self {
        let EntryFault { kind, name, version, reason } = fault.clone();
        CatalogFaultView { kind: kind.word(), name, version, reason }
    }
}

impl StatusView {
    pub fn new(tenant: &Tenant, standing: Standing, clock: Timestamp) -> StatusView {
        StatusView {
            tenant: tenant.id,
            sends_held: tenant.sends_held,
            head: standing.head,
            checkpoint: standing.checkpoint,
            behind: standing.arrived_behind,
            unsent: standing.unsent,
            set_aside: standing.set_aside,
            waiting_runs: standing.waiting_runs,
            clock,
            faults: Vec::new(),
            open_faults: BTreeMap::new(),
        }
    }

    pub fn with_open_faults(self, counts: &[(FaultKind, i64)]) -> StatusView {
        StatusView { open_faults: counts.iter().map(|(kind, count)| (kind.name(), *count)).collect(), ..self }
    }

    pub fn with_faults(self, faults: &[EntryFault]) -> StatusView {
        StatusView { faults: faults.iter().map(Into::into).collect(), ..self }
    }
}
