//! Offerings, their versions, and what a partner sees of them.

use openhub_model::asks::{self, Ask};
use openhub_model::manifest::Manifest;
use openhub_model::offering::{Approval, Document, VersionState};
use openhub_model::{TenantId, Timestamp};
use openhub_store::{Offering, OfferingVersion};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Offering)]
pub(crate) struct OfferingView {
    name: String,
    /// What people are shown, by language.
    title: BTreeMap<String, String>,
    description: BTreeMap<String, String>,
    /// The number of its newest version; 0: it has none.
    latest: i64,
    /// Also the `ETag`.
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Offering> for OfferingView {
    fn from(offering: Offering) -> OfferingView {
        let Offering { name, title, description, latest, version, created_at, updated_at } = offering;
        OfferingView { name, title, description, latest, version, created_at, updated_at }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OfferingList {
    pub offerings: Vec<OfferingView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OfferingVersion)]
pub(crate) struct OfferingVersionView {
    offering: String,
    version: i64,
    /// SHA-256 of the document's JSON without spaces, its members sorted by name.
    digest: String,
    /// `draft`, `scheduled`, `active` or `archived`.
    #[schema(value_type = String)]
    state: VersionState,
    /// From when on partners can have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    active_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    archived_at: Option<Timestamp>,
    /// The id of the key that made it.
    created_by: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Object)]
    document: Document,
}

impl OfferingVersionView {
    /// As it is at this time.
    pub fn of(version: OfferingVersion, now: Timestamp) -> OfferingVersionView {
        let state = version.state(now);
        let OfferingVersion { offering, version, digest, document, created_by, created_at, active_at, archived_at } =
            version;
        OfferingVersionView {
            offering,
            version,
            digest,
            state,
            active_at,
            archived_at,
            created_by,
            created_at,
            document,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct OfferingVersionList {
    pub versions: Vec<OfferingVersionView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Who offers something.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Provider)]
pub(crate) struct ProviderView {
    pub id: i64,
    pub name: String,
}

impl ProviderView {
    pub fn of(id: TenantId, name: String) -> ProviderView {
        ProviderView { id: id.0, name }
    }
}

/// An offering that you can subscribe to, in its newest active version.
#[derive(Serialize, ToSchema)]
pub(crate) struct CatalogEntry {
    pub provider: ProviderView,
    pub offering: String,
    pub title: BTreeMap<String, String>,
    pub description: BTreeMap<String, String>,
    pub version: i64,
    pub digest: String,
    /// What is new in it.
    pub notes: BTreeMap<String, String>,
    /// `provider`: the provider says yes or no to your request; `automatic`: nobody has to.
    #[schema(value_type = String)]
    pub approval: Approval,
    /// What you set, or may set, when you subscribe: as fields of an object type.
    #[schema(value_type = Vec<Object>)]
    pub parameters: Vec<Value>,
    /// What you get, in the order in which it is made.
    pub items: Vec<CatalogItem>,
    /// What its plugins may do in your tenant, once you agree.
    pub grants: Vec<GrantView>,
    /// What its use costs; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub price: Option<Value>,
    #[schema(value_type = Vec<Object>)]
    pub quotas: Vec<Value>,
}

/// One thing that a subscription has.
#[derive(Serialize, ToSchema)]
pub(crate) struct CatalogItem {
    /// `journey/win-back`.
    pub item: String,
    /// `object-type`, `plugin`, `segment` or `journey`.
    pub kind: &'static str,
    /// Its name in your tenant.
    pub name: String,
}

/// What a plugin asks for, in plain words.
#[derive(Serialize, ToSchema)]
#[schema(as = OfferedGrant)]
pub(crate) struct GrantView {
    pub plugin: String,
    pub version: String,
    /// Agree with `"agree": {"<plugin>": "<digest>"}` when you subscribe.
    pub digest: String,
    /// In English and Chinese.
    #[schema(value_type = Vec<Object>)]
    pub asks: Vec<Ask>,
}

impl GrantView {
    pub fn of(manifest: &Manifest, digest: String) -> GrantView {
        GrantView {
            plugin: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest,
            asks: asks::all(manifest),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Catalog {
    pub offerings: Vec<CatalogEntry>,
}
