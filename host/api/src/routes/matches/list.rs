//! `GET /api/v1/matches`

use axum::Json;
use axum::extract::State;
use openhub_model::{Id, Identity, PartId, Timestamp};
use openhub_store::{Match, MatchStatus};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, CustomersRead};
use crate::cursor;
use crate::openapi::Problems;
use crate::parameters::Query;
use crate::problem::Problem;
use crate::views::IdentityView;

const LIST: &str = "matches";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `open`, `accepted` or `rejected`.
    #[param(value_type = Option<String>)]
    status: Option<MatchStatus>,
    /// Cursor of the page before.
    after: Option<String>,
    /// From 1 to 1000; 50 unless told.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MatchList {
    matches: Vec<MatchView>,
    /// Cursor of the next page.
    next: Option<String>,
}

/// Two identities that a rule believes to be one customer.
#[derive(Serialize, ToSchema)]
#[schema(as = Match)]
pub(crate) struct MatchView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// The customer for whom it was proposed, under the id of the part.
    #[schema(value_type = String, format = "uuid")]
    customer: PartId,
    #[schema(value_type = IdentityView)]
    identity: Identity,
    /// From 0 to 1.
    score: f64,
    reason: String,
    /// `message_id` of the event that proposed it.
    source: String,
    /// `open`, `accepted` or `rejected`.
    #[schema(value_type = String)]
    status: MatchStatus,
    #[schema(value_type = String, format = DateTime)]
    proposed_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    decided_at: Option<Timestamp>,
}

impl From<Match> for MatchView {
    fn from(Match { proposal, status, decided_at }: Match) -> Self {
        MatchView {
            id: proposal.id,
            customer: proposal.part,
            identity: proposal.identity,
            score: proposal.score,
            reason: proposal.reason,
            source: proposal.source,
            status,
            proposed_at: proposal.proposed_at,
            decided_at,
        }
    }
}

/// Proposed matches, by id.
#[utoipa::path(get, path = "/api/v1/matches", tag = "identities", params(Parameters),
    responses((status = 200, body = MatchList), Problems))]
pub(crate) async fn list_matches(
    State(app): State<Arc<App>>,
    access: Authorized<CustomersRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<MatchList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let after = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let matches = app.store.matches(&access.scope, parameters.status, after, limit + 1).await?;
    let (matches, next) = cursor::page(LIST, matches, limit, |found| found.proposal.id);
    Ok(Json(MatchList { matches: matches.into_iter().map(Into::into).collect(), next }))
}
