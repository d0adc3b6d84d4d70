//! Tenants in the tree.

use openhub_model::ceiling::Ceiling;
use openhub_model::{ClockKind, Timestamp};
use openhub_store::{TenantDeletion, TenantStatus, TreeTenant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct TenantList {
    /// By id.
    pub tenants: Vec<TenantView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// A tenant below yours.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantView {
    id: i64,
    name: String,
    /// The tenant that it is directly below.
    parent: Option<i64>,
    /// `active`, `paused`, `deleting` (it is deleted at `delete_at`) or `deleted`. Where one above it is paused, it is closed as well.
    #[schema(value_type = String)]
    status: TenantStatus,
    /// `live` or `replay`.
    #[schema(value_type = String)]
    clock: ClockKind,
    /// What was set for it. What was set for those above it counts, too.
    ceiling: CeilingView,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    delete_at: Option<Timestamp>,
}

/// What a tenant, and all below it, may have at most. What is left out or `null` has no bound of its own.
#[derive(Clone, Serialize, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Ceiling)]
pub(crate) struct CeilingView {
    /// The scopes that its keys can use. A key with others has them, and they do nothing.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Calls of the API in a minute.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Requests with events in a minute.
    #[serde(default)]
    pub event_requests_per_minute: Option<u32>,
    /// How much it gets of what others want at the same time, 1 to 100 (default 100): with 50, half as much as a tenant with 100.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub weight: Option<u8>,
}

impl From<Ceiling> for CeilingView {
    fn from(Ceiling { scopes, requests_per_minute, event_requests_per_minute, weight }: Ceiling) -> CeilingView {
        CeilingView { scopes, requests_per_minute, event_requests_per_minute, weight }
    }
}

impl From<CeilingView> for Ceiling {
    fn from(CeilingView { scopes, requests_per_minute, event_requests_per_minute, weight }: CeilingView) -> Ceiling {
        // `*` is no bound.
        let scopes = scopes.filter(|scopes| !scopes.iter().any(|scope| scope == "*"));
        Ceiling { scopes, requests_per_minute, event_requests_per_minute, weight }
    }
}

impl From<TreeTenant> for TenantView {
    fn from(tenant: TreeTenant) -> TenantView {
        TenantView {
            id: tenant.id.0,
            name: tenant.name,
            parent: tenant.parent.map(|parent| parent.0),
            status: tenant.status,
            clock: tenant.clock,
            ceiling: tenant.ceiling.into(),
            created_at: tenant.created_at,
            delete_at: tenant.delete_at,
        }
    }
}

/// A tenant that was made, and the key by which its owner comes in.
#[derive(Serialize, ToSchema)]
#[schema(as = NewTenant)]
pub(crate) struct NewTenantView {
    /// Give it to the tenant's owner, who makes the tenant's first key with it, once: `POST /api/v1/claim`. It can do nothing else, and ends
    /// after a week. It is shown only now.
    pub setup_key: String,
    #[serde(flatten)]
    pub view: TenantView,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TenantDeletionList {
    /// The last first.
    pub deletions: Vec<TenantDeletionView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// The receipt for a tenant that was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantDeletion)]
pub(crate) struct TenantDeletionView {
    id: i64,
    name: String,
    /// From when on it was to be deleted.
    #[schema(value_type = String, format = DateTime)]
    due_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    begun_at: Timestamp,
    /// `null`: it is under way.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// Rows that were deleted, by table.
    rows: BTreeMap<String, i64>,
}

impl From<TenantDeletion> for TenantDeletionView {
    fn from(deletion: TenantDeletion) -> TenantDeletionView {
        TenantDeletionView {
            id: deletion.tenant.0,
            name: deletion.name,
            due_at: deletion.due_at,
            begun_at: deletion.begun_at,
            ended_at: deletion.ended_at,
            rows: deletion.counts,
        }
    }
}
