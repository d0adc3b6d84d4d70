//! The catalog: what the tenants above yours offer you.

use axum::Json;
use axum::extract::State;
use openhub_model::offering::{Document, Item};
use openhub_model::{TenantId, manifest::Manifest};
use openhub_store::{Offering, OfferingVersion, Scope};
use serde_json::json;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, SubscriptionsRead};
use crate::openapi::Problems;
use crate::parameters::Path;
use crate::problem::Problem;
use crate::views::{Catalog, CatalogEntry, CatalogItem, GrantView, ProviderView};

/// What you can subscribe to: the offerings of the tenants above yours, each in its newest active version, the nearest provider first.
#[utoipa::path(get, path = "/api/v1/catalog", tag = "partners",
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = Catalog), Problems))]
pub(crate) async fn read_catalog(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
) -> Result<Json<Catalog>, Problem> {
    let mut offerings = Vec::new();
    for (provider, name) in app.store.tenants_above(&access.scope).await? {
        let of = Scope::of(provider);
        for (offering, version) in app.store.active_offerings(&of, app.now()).await? {
            offerings.push(entry(&app, &of, ProviderView::of(provider, name.clone()), offering, version).await?);
        }
    }
    Ok(Json(Catalog { offerings }))
}

/// One offering of a tenant above yours, in its newest active version.
#[utoipa::path(get, path = "/api/v1/catalog/{provider}/{offering}", tag = "partners",
    params(("provider" = i64, Path, description = "The provider's id."),
        ("offering" = String, Path, description = "The offering's name.")),
    security(("api_key" = ["subscriptions:read"])),
    responses((status = 200, body = CatalogEntry), Problems))]
pub(crate) async fn read_catalog_entry(
    State(app): State<Arc<App>>,
    access: Authorized<SubscriptionsRead>,
    Path((provider, name)): Path<(String, String)>,
) -> Result<Json<CatalogEntry>, Problem> {
    let absent = || Problem::not_found("offering");
    let provider = TenantId(provider.parse().map_err(|_| absent())?);
    let above = app.store.tenants_above(&access.scope).await?;
    let (_, provider_name) = above.into_iter().find(|(id, _)| *id == provider).ok_or_else(absent)?;
    let of = Scope::of(provider);
    let active = app.store.active_offerings(&of, app.now()).await?;
    let (offering, version) = active.into_iter().find(|(offering, _)| offering.name == name).ok_or_else(absent)?;
    Ok(Json(entry(&app, &of, ProviderView::of(provider, provider_name), offering, version).await?))
}

async fn entry(
    app: &App,
    of: &Scope,
    provider: ProviderView,
    offering: Offering,
    version: OfferingVersion,
) -> Result<CatalogEntry, Problem> {
    let grants = grants(app, of, &version.document).await?;
    let Offering { name, title, description, .. } = offering;
    let OfferingVersion { version, digest, document, .. } = version;
    let item = |item: &Item| {
        Some(CatalogItem { item: item.id().to_string(), kind: item.kind(), name: item.name()?.to_owned() })
    };
    Ok(CatalogEntry {
        provider,
        offering: name,
        title,
        description,
        version,
        digest,
        approval: document.approval,
        parameters: document.parameters.iter().map(|parameter| json!(parameter)).collect(),
        items: document.provisioned().filter_map(item).collect(),
        grants: grants.into_iter().map(|(digest, manifest)| GrantView::of(&manifest, digest)).collect(),
        price: document.price().map(|plan| json!(plan)),
        quotas: document.quotas().map(|quota| json!(quota)).collect(),
        notes: document.notes,
    })
}

/// The components of a version's plugins, with their manifests.
pub(crate) async fn grants(
    app: &App,
    provider: &Scope,
    document: &Document,
) -> Result<Vec<(String, Manifest)>, Problem> {
    let mut grants = Vec::new();
    for item in &document.items {
        let Item::Plugin(item) = item else { continue };
        let Some(digest) = &item.digest else { continue };
        let versions = app.store.plugin_versions(provider, &item.name).await?;
        let kept = versions.into_iter().find(|version| version.digest == *digest).map(|version| version.manifest);
        let manifest = match kept {
            None => app
                .store
                .plugin(provider, &item.name)
                .await?
                .filter(|plugin| plugin.digest == *digest)
                .map(|plugin| plugin.manifest),
            kept => kept,
        };
        let gone = || Problem::not_found("component of the offering");
        grants.push((digest.clone(), manifest.ok_or_else(gone)?));
    }
    Ok(grants)
}
