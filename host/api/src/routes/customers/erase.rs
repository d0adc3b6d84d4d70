//! `DELETE /api/v1/customers/{id}`: erases a customer, at a position of the log.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use openhub_model::Id;
use openhub_store::{Afterwards, NewErasure, Op, Scope};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::PrivacyWrite;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::{Path, Query, id_in_path};
use crate::problem::Problem;
use crate::routes::erasures::receipt;
use crate::views::ErasureView;
use crate::writes::Progress;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Whether the hub refuses the customer's identities from then on (default: `erasure.suppress` of the identity kinds).
    suppress: Option<bool>,
}

/// Erases a customer with all of its identities, from every place that holds anything of it. The answer is the receipt.
///
/// What the hub keeps itself is erased at once. Plugins that keep something elsewhere are asked to erase it, and the erasure is done
/// (`done_at`) when they have answered. It cannot be undone. Events of the customer stay as positions of the log without a name, a time or a body; messages that
/// wait to be sent are not sent. Waits up to five seconds; after that it is answered 202, and the receipt is found under
/// its id. The same is true while a plugin has yet to erase what it keeps.
#[utoipa::path(delete, path = "/api/v1/customers/{id}", tag = "privacy",
    params(("id" = String, Path, description = "The customer's id."), Parameters),
    security(("api_key" = ["privacy:write"])),
    responses((status = 200, body = ErasureView), (status = 202, body = ErasureView), Problems))]
pub(crate) async fn erase_customer(
    State(app): State<Arc<App>>,
    change: Change<PrivacyWrite>,
    Path(id): Path<String>,
    Query(Parameters { suppress }): Query<Parameters>,
) -> Result<Response, Problem> {
    let (scope, id) = (&change.scope, id_in_path(&id, "customer")?);
    let customer = app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let suppress = match suppress {
        Some(suppress) => suppress,
        None => app.store.identity_policies(scope).await?.latest().erasure.suppress,
    };
    let asked = NewErasure {
        id: Id::at(app.now(), &[&(app.random)()]),
        customer: customer.customer,
        afterwards: if suppress { Afterwards::Suppressed } else { Afterwards::Forgotten },
        asked_by: change.id.clone(),
        asked_at: app.now(),
    };
    let erasure = asked.id;
    let body = json!({ "erasure": erasure });
    let ends = Instant::now() + app.limits.write_wait;
    let receipt = match change.commit_with(vec![Op::PutErasure(asked)], openhub_engine::ERASED, body).await? {
        Progress::Done => answered(&app, scope, erasure, ends).await?,
        Progress::Pending(_) => receipt(&app.store, scope, erasure).await?,
    };
    let status = if receipt.is_done() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(receipt)).into_response())
}

/// How often it is looked whether plugins have answered.
const LOOK: Duration = Duration::from_millis(50);

/// The receipt, once plugins have answered, or nobody waits any more.
async fn answered(app: &App, scope: &Scope, erasure: Id, ends: Instant) -> Result<ErasureView, Problem> {
    loop {
        let receipt = receipt(&app.store, scope, erasure).await?;
        if receipt.is_settled() || Instant::now() >= ends || app.stopping.is_cancelled() {
            return Ok(receipt);
        }
        tokio::time::sleep(LOOK).await;
    }
}
