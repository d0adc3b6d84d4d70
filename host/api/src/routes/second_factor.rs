//! `/api/v1/session/second-factor`: a person adds the codes of an authenticator app to the password, or takes them away again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::Fault;
use openhub_store::{Scope, StoreError, acting};
use serde::Deserialize;
use utoipa::ToSchema;

use super::session::{Own, Visit, with_password};
use crate::app::{App, Shared};
use crate::auth::{Authenticator, recovery_code, recovery_hash};
use crate::body::JsonBody;
use crate::openapi::Problems;
use crate::problem::{CONFLICT, INVALID_BODY, Problem};
use crate::views::{RecoveryView, SecondFactorView};

const PATH: &str = "/api/v1/session/second-factor";
const RECOVERY_CODES: usize = 10;

/// The password, shown again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordShown)]
pub(crate) struct Shown {
    password: String,
}

/// The first code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FirstCode)]
pub(crate) struct FirstCode {
    /// What the authenticator shows now.
    code: String,
}

/// Begins a second factor. The answer is for the authenticator app, and is shown this once. Nothing is asked for yet: send the first code with
/// `PUT`.
#[utoipa::path(post, path = "/api/v1/session/second-factor", tag = "access", request_body = Shown,
    security(("session" = [])),
    responses((status = 201, body = SecondFactorView), (status = 409, description = "`conflict`: There is a second factor already."), Problems))]
pub(crate) async fn begin_second_factor(
    State(shared): State<Shared>,
    visit: Visit,
    Own(session): Own,
    JsonBody(Shown { password }): JsonBody<Shown>,
) -> Result<(StatusCode, Json<SecondFactorView>), Problem> {
    let (app, scope) = (&shared.app, Scope::of(session.tenant));
    let person = with_password(&shared, &session, visit.from, password, "/password").await?;
    let authenticator = Authenticator::new(random(app), &person.email)?;
    let sealed = authenticator.seal(&app.sealer, session.tenant, &person.id);
    let deed = visit.deed(app, &scope, &person.id, &format!("POST {PATH}"));
    match acting(deed, app.store.offer_second_factor(&scope, &person.id, &sealed)).await {
        Err(StoreError::NotFound) => {
            return Err(Problem::new(CONFLICT, "You have a second factor. Remove it before you begin another one."));
        }
        done => done?,
    }
    let view = SecondFactorView { secret: authenticator.secret(), url: authenticator.url() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Confirms a second factor with its first code. From now on each log-in asks for a code. The answer has ten recovery codes, which are shown
/// this once: keep them where the authenticator is not.
#[utoipa::path(put, path = "/api/v1/session/second-factor", tag = "access", request_body = FirstCode,
    security(("session" = [])),
    responses((status = 201, body = RecoveryView), (status = 409, description = "`conflict`: None was begun, or it is confirmed."), Problems))]
pub(crate) async fn confirm_second_factor(
    State(shared): State<Shared>,
    visit: Visit,
    Own(session): Own,
    JsonBody(FirstCode { code }): JsonBody<FirstCode>,
) -> Result<(StatusCode, Json<RecoveryView>), Problem> {
    let (app, scope, now) = (&shared.app, Scope::of(session.tenant), shared.app.now());
    let none = || Problem::new(CONFLICT, "No second factor waits for its first code. Begin one with `POST`.");
    shared.logins.tried(&format!("{}/{}", session.tenant.0, session.person), visit.from, now)?;
    let person = app.store.person(&scope, &session.person).await?.ok_or_else(none)?;
    let second = person.second.filter(|second| !second.confirmed).ok_or_else(none)?;
    let authenticator = Authenticator::open(&app.sealer, session.tenant, &person.id, &second.sealed)?;
    let step = authenticator.step_of(code.trim(), now).ok_or_else(|| {
        let message = "This is not the code of this moment. Check the clock of the device that shows it.";
        Problem::fault(INVALID_BODY, Fault::new("/code", "wrong-code", message))
    })?;
    let recovery_codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code((app.random)())).collect();
    let hashes: Vec<String> = recovery_codes.iter().map(|code| recovery_hash(code)).collect();
    let deed = visit.deed(app, &scope, &person.id, &format!("PUT {PATH}"));
    match acting(deed, app.store.confirm_second_factor(&scope, &person.id, &second.sealed, step, &hashes)).await {
        Err(StoreError::NotFound) => return Err(none()),
        done => done?,
    }
    Ok((StatusCode::CREATED, Json(RecoveryView { recovery_codes })))
}

/// Removes the second factor.
#[utoipa::path(delete, path = "/api/v1/session/second-factor", tag = "access", request_body = Shown,
    security(("session" = [])),
    responses((status = 204), Problems))]
pub(crate) async fn remove_second_factor(
    State(shared): State<Shared>,
    visit: Visit,
    Own(session): Own,
    JsonBody(Shown { password }): JsonBody<Shown>,
) -> Result<StatusCode, Problem> {
    let (app, scope) = (&shared.app, Scope::of(session.tenant));
    let person = with_password(&shared, &session, visit.from, password, "/password").await?;
    let deed = visit.deed(app, &scope, &person.id, &format!("DELETE {PATH}"));
    acting(deed, app.store.drop_second_factor(&scope, &person.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn random(app: &App) -> [u8; 20] {
    let mut random = [0; 20];
    random[..16].copy_from_slice(&(app.random)());
    random[16..].copy_from_slice(&(app.random)()[..4]);
    random
}
