//! `/api/v1/invitation`: somebody who was invited sets a password.

use axum::extract::State;
use axum::http::StatusCode;
use openhub_store::{Scope, StoreError, acting};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::session::Visit;
use crate::app::Shared;
use crate::auth::password_fault;
use crate::body::JsonBody;
use crate::invitations::InvitationText;
use crate::openapi::Problems;
use crate::problem::{INVALID_BODY, INVITATION_ENDED, Problem};

/// An invitation, and the password that its person will log in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InvitationToAccept)]
pub(crate) struct ToAccept {
    invitation: String,
    /// At least 12 characters, and none of those that are tried first.
    password: String,
}

/// Accepts an invitation: sets the password, ends the invitation, and logs the person out wherever there was a session. Then log in.
#[utoipa::path(post, path = "/api/v1/invitation", tag = "access", request_body = ToAccept,
    responses((status = 204), Problems))]
pub(crate) async fn accept_invitation(
    State(shared): State<Shared>,
    visit: Visit,
    JsonBody(ToAccept { invitation, password }): JsonBody<ToAccept>,
) -> Result<StatusCode, Problem> {
    let (app, now) = (&shared.app, shared.app.now());
    let ended = || {
        let detail = "The invitation was accepted already, replaced by another one, or is older than a week. Ask for another one.";
        Problem::new(INVITATION_ENDED, detail)
    };
    let text = InvitationText::parse(&invitation).ok_or_else(ended)?;
    let scope = Scope::of(text.tenant);
    let person = app.store.person(&scope, &text.person).await?.ok_or_else(ended)?;
    let held = person.invitation.filter(|held| now < held.until).ok_or_else(ended)?;
    if !bool::from(held.hash.as_bytes().ct_eq(text.hash.as_bytes())) {
        return Err(ended());
    }
    if let Some(fault) = password_fault(&password, "/password", &[&person.email, &person.name]) {
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    let hash = shared.passwords.hash(password, (app.random)()).await?;
    let deed = visit.deed(app, &scope, &person.id, "POST /api/v1/invitation");
    match acting(deed, app.store.accept_invitation(&scope, &person.id, &held.hash, &hash, now)).await {
        Err(StoreError::NotFound) => return Err(ended()),
        done => done?,
    }
    shared.keys.forget(text.tenant);
    Ok(StatusCode::NO_CONTENT)
}
