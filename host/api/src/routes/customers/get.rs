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
use crate::problem::Problem;
use crate::views::CustomerView;

/// One customer, by its id or by that of one that was joined to it.
#[utoipa::path(get, path = "/api/v1/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "The customer's id.")),
    responses((status = 200, body = CustomerView), Problems))]
pub(crate) async fn get_customer(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Path(id): Path<String>,
) -> Result<Json<CustomerView>, Problem> {
    show(&app, &access.scope, id_in_path(&id, "customer")?).await.map(Json)
}

/// A customer with its identities.
pub(super) async fn show(app: &App, scope: &Scope, id: PartId) -> Result<CustomerView, Problem> {
    let customer = app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let parts = app.store.parts_around(scope, &[id]).await?;
    Ok(CustomerView::new(customer, &parts))
}
