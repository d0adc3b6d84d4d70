//! `GET /api/v1/customers/{id}`

use axum::Json;
use axum::extract::State;
use openhub_model::PartId;
use openhub_store::Scope;
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::people::person;
use crate::problem::{NOT_FOUND, Problem};
use crate::views::ProfileView;

/// One customer, by its id or by that of one that was joined to it: what is known and who said so, and what belongs to
/// them.
#[utoipa::path(get, path = "/api/v1/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "The customer's id.")),
    security(("api_key" = ["customers:read"])),
    responses((status = 200, body = ProfileView), Problems))]
pub(crate) async fn get_customer(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(id): Path<String>,
) -> Result<Json<ProfileView>, Problem> {
    let by_identity = |problem| match id.contains(':') {
        true => Problem::new(
            NOT_FOUND,
            "Here a customer has its id. `GET /api/v1/customers?identity=…` finds one by an identity.",
        ),
        false => problem,
    };
    show(&app, &access.scope, id_in_path(&id, "customer").map_err(by_identity)?).await.map(Json)
}

/// All that is known of a customer.
pub(super) async fn show(app: &App, scope: &Scope, id: PartId) -> Result<ProfileView, Problem> {
    let person = person(app, scope, id).await?;
    let memberships = app.store.memberships(scope, &[person.customer.customer]).await?;
    let objects = app.store.object_counts(scope, person.customer.part).await?;
    Ok(ProfileView::new(person, memberships, objects))
}
