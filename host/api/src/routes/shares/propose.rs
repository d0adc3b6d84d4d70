//! `POST /api/v1/shares`: one of two tenants proposes what one gives and the other has.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::share::{ShareKind, ShareState, Terms};
use openhub_model::{Fault, Id, TenantId};
use openhub_store::{Agreement, Scope, Share, StoreError, act};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

use super::{must_be_there, said, shown, told};
use crate::app::App;
use crate::auth::SharesWrite;
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::openapi::Problems;
use crate::problem::{ALREADY_EXISTS, INVALID_BODY, Problem};
use crate::views::ShareView;

/// What is proposed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewShare)]
pub(crate) struct NewShare {
    /// The other tenant, by its number: one above yours, or one below it.
    with: i64,
    /// `give` (default): it has it of your customers. `have`: you have it of its customers.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    direction: Direction,
    /// 1 to 64 lower-case letters, digits and `-`. A share of this name between the two that exists gets another version.
    name: String,
    /// What is shared: see `ShareTerms`.
    #[schema(value_type = ShareTerms)]
    terms: Terms,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    #[default]
    Give,
    Have,
}

/// What is agreed on.
#[derive(Serialize, ToSchema)]
#[schema(as = ShareTerms)]
pub(crate) struct ShareTerms {
    /// `action` (default): counts of at least 20. `pseudonyms`: who is in the segments, under names of the pair's own. `fields`: besides, some
    /// of their attributes.
    kind: Option<String>,
    /// The giver's segments.
    segments: Vec<String>,
    /// The giver's journeys, of which counts are told (`action`).
    journeys: Option<Vec<String>>,
    /// For what the recipient uses it (`pseudonyms`, `fields`): the first half of the consent that it needs.
    purpose: Option<String>,
    /// The attributes that the recipient reads (`fields`).
    fields: Option<Vec<String>>,
}

impl Meaning for NewShare {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = self.terms.faults();
        faults.iter_mut().for_each(|fault| fault.pointer = format!("/terms{}", fault.pointer));
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            let message = "A name has 1 to 64 lower-case letters, digits and `-`.";
            faults.push(Fault::new("/name", "invalid-name", message));
        }
        faults
    }
}

/// Proposes a share between your tenant and one above it or below it. Nothing flows until the other one agrees.
///
/// What leads to persons (`pseudonyms`, `fields`) is given to tenants below, and never to those above: they have counts.
#[utoipa::path(post, path = "/api/v1/shares", tag = "partners", request_body = NewShare,
    security(("api_key" = ["shares:write"])),
    responses((status = 201, body = ShareView), Problems))]
pub(crate) async fn propose_share(
    State(app): State<Arc<App>>,
    change: Change<SharesWrite>,
    MeantBody(wanted): MeantBody<NewShare>,
) -> Result<(StatusCode, Json<ShareView>), Problem> {
    let _alone = change.alone().await?;
    let (own, other) = (change.tenant(), TenantId(wanted.with));
    let (giver, recipient) = match wanted.direction {
        Direction::Give => (own, other),
        Direction::Have => (other, own),
    };
    let goes = way(&app, giver, recipient).await?;
    if goes == Way::Up && wanted.terms.kind > ShareKind::Action {
        let message = "Tenants above have counts, and nothing that leads to persons. Share `action`.";
        return Err(Problem::fault(INVALID_BODY, Fault::new("/terms/kind", "upwards", message)));
    }
    let named = app.store.tenant(recipient).await?.map(|tenant| tenant.name).unwrap_or_default();
    let last = app.store.last_share(&Scope::of(giver), recipient, &wanted.name).await?;
    let now = app.now();
    let new = Share {
        id: Id::at(now, &[&(app.random)()]),
        giver,
        recipient,
        version: last.map_or(1, |last| last.version + 1),
        digest: wanted.terms.digest(),
        consent: wanted.terms.consent(&named),
        name: wanted.name,
        terms: wanted.terms,
        state: ShareState::Proposed,
        proposer: own,
        reason: None,
        proposed_at: now,
        agreed_at: None,
        ended_at: None,
    };
    if giver == own {
        must_be_there(&app, &change.scope, &new).await?;
    }
    act::note_subject(new.id.to_string());
    act::note_after(&said(&new));
    let events = told(&app, &change, &new, "share.proposed").await?;
    match app.store.agree(&change.scope, vec![Agreement::Propose(Box::new(new.clone()))], events).await {
        Err(StoreError::AlreadyExists(name)) => {
            let detail = format!("A version of `{name}` waits for an answer already. Withdraw it first.");
            return Err(Problem::new(ALREADY_EXISTS, detail));
        }
        made => made?,
    };
    Ok((StatusCode::CREATED, Json(shown(&app, new).await?)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// One of the two stands above the other; else neither is there for the other.
async fn way(app: &App, giver: TenantId, recipient: TenantId) -> Result<Way, Problem> {
    let is_above = async |of: TenantId, above: TenantId| -> Result<bool, Problem> {
        Ok(app.store.tenants_above(&Scope::of(of)).await?.iter().any(|(tenant, _)| *tenant == above))
    };
    if is_above(recipient, giver).await? {
        return Ok(Way::Down);
    }
    if is_above(giver, recipient).await? {
        return Ok(Way::Up);
    }
    let message = "There is no such tenant above yours or below it.";
    Err(Problem::fault(INVALID_BODY, Fault::new("/with", "unknown-tenant", message)))
}
