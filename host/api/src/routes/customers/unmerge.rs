//! `POST /api/v1/customers/{id}/unmerge`: takes an identity, or one claim, away from a customer again.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_model::{Fault, Identity, PartId};
use openhub_store::{Scope, TimelineFilter, TimelineKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{CustomersWrite, show_item};
use crate::body::JsonBody;
use crate::change::Change;
use crate::openapi::Problems;
use crate::parameters::{Path, id_in_path};
use crate::people::people;
use crate::problem::{INVALID_BODY, Problem};
use crate::views::{CustomerView, IdentityView, PendingView, TimelineItemView};
use crate::writes::{Progress, accepted};

/// Runs, messages and objects that the answer lists at most.
const LISTED: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Unmerge)]
pub(crate) struct Unmerge {
    /// The identity to separate: everything that joined it to others is undone.
    #[schema(value_type = IdentityView)]
    identity: Identity,
    /// Undo only what this other identity of the customer claimed.
    #[serde(default)]
    #[schema(value_type = Option<IdentityView>)]
    claimed_by: Option<Identity>,
}

/// The customers as they are now, and what was done for them while they were one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unmerged {
    customers: Vec<CustomerView>,
    /// Runs, messages and objects made for them, newest first. None of these is undone: a human may want to look.
    to_review: Vec<TimelineItemView>,
}

/// Undoes a merge, exactly: identities, attributes, tags, consents and counters are as if it had never been.
///
/// Rules are not run again. The pair is not joined anew by later events, only by accepting a match.
#[utoipa::path(post, path = "/api/v1/customers/{id}/unmerge", tag = "customers", request_body = Unmerge,
    params(("id" = String, Path, description = "The customer's id.")),
    security(("api_key" = ["customers:write"])),
    responses((status = 200, body = Unmerged), (status = 202, body = PendingView), Problems))]
pub(crate) async fn unmerge_customer(
    State(app): State<Arc<App>>,
    change: Change<CustomersWrite>,
    Path(id): Path<String>,
    JsonBody(asked): JsonBody<Unmerge>,
) -> Result<Response, Problem> {
    let (scope, id) = (&change.scope, id_in_path(&id, "customer")?);
    app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    let policies = app.store.identity_policies(scope).await?;
    let parts = app.store.parts_around(scope, &[id]).await?;
    let own = |identity: &Identity, pointer: &str| {
        let normal = policies.latest().normal(identity.clone());
        let found = parts.iter().find(|part| part.identity == *identity || part.identity == normal);
        found.map(|part| part.identity.clone()).ok_or_else(|| {
            let fault = Fault::new(pointer, "unknown-identity", "The customer does not have this identity.");
            Problem::fault(INVALID_BODY, fault)
        })
    };
    let identity = own(&asked.identity, "/identity")?;
    let mut body = json!({ "identity": identity });
    if let Some(other) = &asked.claimed_by {
        let part = own(other, "/claimed_by")?.part(change.tenant());
        let claims = app.store.judged_pairs(scope, &[(part, identity.clone())]).await?;
        if claims.is_empty() || part == identity.part(change.tenant()) {
            let fault =
                Fault::new("/claimed_by", "unknown-claim", "This identity did not claim the one in `identity`.");
            return Err(Problem::fault(INVALID_BODY, fault));
        }
        body["part"] = part.to_string().into();
    }
    let kinds = vec![TimelineKind::Run, TimelineKind::Message, TimelineKind::Object];
    let filter = TimelineFilter { kinds, limit: LISTED, ..TimelineFilter::default() };
    let to_review = app.store.timeline(scope, id, &filter).await?.into_iter();
    let to_review = to_review.map(|item| show_item(&change.access, item).into()).collect();
    match change.commit("identity.undone", body).await? {
        Progress::Done => {
            let parts: Vec<PartId> = parts.iter().map(|part| part.id()).collect();
            let customers = all(&app, scope, &parts).await?;
            Ok(Json(Unmerged { customers, to_review }).into_response())
        }
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

/// The customers that these parts belong to, by id.
async fn all(app: &App, scope: &Scope, parts: &[PartId]) -> Result<Vec<CustomerView>, Problem> {
    let around = app.store.parts_around(scope, parts).await?;
    let mut ids: Vec<PartId> = around.iter().map(|part| part.customer).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(people(app, scope, &ids).await?.into_iter().map(CustomerView::new).collect())
}
