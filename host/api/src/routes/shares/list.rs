//! A tenant's shares: those that it gives, and those that it has.

use axum::Json;
use axum::extract::State;
use std::sync::Arc;

use super::{find, shown};
use crate::app::App;
use crate::auth::{Authorized, SharesRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::Problem;
use crate::views::{ShareList, ShareView};

const LIST: &str = "shares";

/// What you give and have, every version, the newest first.
#[utoipa::path(get, path = "/api/v1/shares", tag = "partners", params(cursor::Page),
    security(("api_key" = ["shares:read"])),
    responses((status = 200, body = ShareList), Problems))]
pub(crate) async fn list_shares(
    State(app): State<Arc<App>>,
    access: Authorized<SharesRead>,
    Query(page): Query<cursor::Page>,
) -> Result<Json<ShareList>, Problem> {
    let (behind, limit) = page.behind(LIST)?;
    let found = app.store.shares(&access.scope, behind, limit + 1).await?;
    let (found, next) = cursor::page(LIST, found, limit, |share| share.id);
    let mut shares = Vec::with_capacity(found.len());
    for share in found {
        shares.push(shown(&app, share).await?);
    }
    Ok(Json(ShareList { shares, next }))
}

/// A share that you give or have.
#[utoipa::path(get, path = "/api/v1/shares/{id}", tag = "partners",
    params(("id" = String, Path, description = "The share's id.")),
    security(("api_key" = ["shares:read"])),
    responses((status = 200, body = ShareView), Problems))]
pub(crate) async fn get_share(
    State(app): State<Arc<App>>,
    access: Authorized<SharesRead>,
    Path(id): Path<String>,
) -> Result<Json<ShareView>, Problem> {
    let found = find(&app, &access.scope, &id).await?;
    Ok(Json(shown(&app, found).await?))
}
