//! `/api/v1/session`: people log in, see who they are, and log out. What is wrong with a log-in is not said, and takes as long whatever
//! it is.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use openhub_model::{Fault, Principal, Timestamp};
use openhub_store::{Deeded, Person, Proof, Scope, Session, Shown, StoreError, acting};
use serde::Deserialize;
use std::future::ready;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::auth::{
    Asked, Authenticator, Caller, begin_session, cookie, is_open, logged_in, no_cookie, password_fault, peer, proof,
    same_origin,
};
use crate::body::JsonBody;
use crate::openapi::Problems;
use crate::problem::{INVALID_BODY, LOGIN_REFUSED, Problem, SECOND_FACTOR_NEEDED, UNAUTHENTICATED};
use crate::request_id::RequestId;
use crate::views::SessionView;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogIn)]
pub(crate) struct LogIn {
    /// The tenant's name.
    tenant: String,
    email: String,
    password: String,
    /// The code that the person's authenticator shows, or a recovery code, if there is a second factor.
    code: Option<String>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(crate) struct PasswordChange {
    /// The one so far.
    current: String,
    /// At least 12 characters, and none of those that are tried first.
    new: String,
}

/// Where a request comes from, for who is not known by its headers.
pub(crate) struct Visit {
    pub from: Option<IpAddr>,
    request: String,
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Problem;

    /// No other site logs a browser in as somebody of its own.
    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        if parts.headers.contains_key(header::ORIGIN) {
            same_origin(&parts.method, &parts.headers, parts.uri.authority().map(|host| host.as_str()))?;
        }
        let request = parts.extensions.get::<RequestId>().map(|RequestId(id)| id.clone()).unwrap_or_default();
        Ok(Visit { from: peer(&parts.extensions), request })
    }
}

impl Visit {
    /// What a person does who comes in, for the audit log.
    pub fn deed(self, app: &App, scope: &Scope, person: &str, act: &str) -> Deeded {
        Deeded {
            tenant: Some(scope.tenant()),
            principal: Principal::Person { id: person.to_owned() },
            act: act.to_owned(),
            subject: person.to_owned(),
            origin: self.from.map(|from| from.to_string()).unwrap_or_default(),
            request: self.request,
            at: app.now(),
        }
    }
}

/// Somebody who is logged in, whatever the role.
pub(crate) struct Own(pub Arc<Session>);

impl FromRequestParts<Shared> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let asked = Asked { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        let session = logged_in(&shared.app, &shared.keys, asked).await?;
        session.map(Own).ok_or_else(|| Problem::new(UNAUTHENTICATED, "Nobody is logged in. Send the session's cookie."))
    }
}

type Cookies = [(HeaderName, HeaderValue); 1];

/// Logs a person in. The answer sets the cookie `__Host-openhub`; browsers take it over TLS, and from `localhost`.
///
/// After ten attempts as one person from one address within a quarter of an hour, further ones wait.
#[utoipa::path(post, path = "/api/v1/session", tag = "access", request_body = LogIn,
    responses((status = 201, body = SessionView), Problems))]
pub(crate) async fn log_in(
    State(shared): State<Shared>,
    visit: Visit,
    JsonBody(LogIn { tenant, email, password, code }): JsonBody<LogIn>,
) -> Result<(StatusCode, Cookies, Json<SessionView>), Problem> {
    let (app, now) = (&shared.app, shared.app.now());
    let email = email.to_lowercase();
    // A name of any length is remembered by its first bytes.
    let who: String = format!("{tenant}/{email}").chars().take(320).collect();
    let from = visit.from;
    shared.logins.tried(&who, from, now)?;
    let found = somebody(app, &tenant, &email).await?;
    let stored = found.as_ref().and_then(|(_, person)| person.password.clone());
    let right = shared.passwords.check(password, stored.clone()).await?;
    let (Some((scope, person)), Some(stored), true) = (found, stored, right) else { return Err(refused()) };
    let proof = second_proof(app, &scope, &person, code, now)?;
    let (cookie, view) =
        enter(&shared, visit, (scope, person), (Shown::Password(stored), proof), "POST /api/v1/session", ready(Ok(())))
            .await?;
    shared.logins.succeeded(&who, from);
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(view)))
}

/// What the code proves, if the person has a second factor.
pub(super) fn second_proof(
    app: &App,
    scope: &Scope,
    person: &Person,
    code: Option<String>,
    now: Timestamp,
) -> Result<Option<Proof>, Problem> {
    let Some(second) = person.second.clone().filter(|second| second.confirmed) else { return Ok(None) };
    let code = code.ok_or_else(|| {
        let detail = "Send `code`, too: the one that your authenticator shows, or a recovery code.";
        Problem::new(SECOND_FACTOR_NEEDED, detail)
    })?;
    let authenticator = Authenticator::open(&app.sealer, scope.tenant(), &person.id, &second.sealed)?;
    proof(second, &authenticator, &code, now).map(Some).ok_or_else(refused)
}

/// Begins a session of somebody who was known, and what comes before it, as one act.
pub(super) async fn enter(
    shared: &Shared,
    visit: Visit,
    (scope, person): (Scope, Person),
    (shown, proof): (Shown, Option<Proof>),
    act: &str,
    first: impl Future<Output = Result<(), StoreError>>,
) -> Result<(HeaderValue, SessionView), Problem> {
    let (app, now) = (&shared.app, shared.app.now());
    let line = app.store.lineages(&[scope.tenant()]).await?.remove(&scope.tenant()).unwrap_or_default();
    is_open(line.status)?;
    let (new, value) = begin_session(scope.tenant(), &person.id, (app.random)(), now);
    let deed = visit.deed(app, &scope, &person.id, act);
    let begun = acting(deed, async {
        first.await?;
        app.store.begin_session(&scope, &new, &shown, proof).await
    });
    match begun.await {
        Err(StoreError::NotFound | StoreError::AlreadyExists(_)) => return Err(refused()),
        done => done?,
    }
    let session = Session {
        tenant: scope.tenant(),
        hash: new.hash,
        person: person.id,
        email: person.email,
        name: person.name,
        role: person.role,
        created_at: now,
        seen_at: now,
        ends_at: new.ends_at,
        line,
    };
    Ok((cookie(&value), view(Arc::new(session))))
}

async fn somebody(app: &App, tenant: &str, email: &str) -> Result<Option<(Scope, Person)>, Problem> {
    let Some(tenant) = app.store.tenant_by_name(tenant).await? else { return Ok(None) };
    let scope = Scope::of(tenant.id);
    Ok(app.store.person_by_email(&scope, email).await?.map(|person| (scope, person)))
}

/// One answer for all that is wrong, so that nothing can be learnt from it.
fn refused() -> Problem {
    Problem::new(LOGIN_REFUSED, "The tenant, the address, the password or the code is not right. Nobody was logged in.")
}

/// Who is logged in.
#[utoipa::path(get, path = "/api/v1/session", tag = "access", security(("session" = [])),
    responses((status = 200, body = SessionView), Problems))]
pub(crate) async fn who_am_i(Own(session): Own) -> Json<SessionView> {
    Json(view(session))
}

/// Logs out: the session ends, on this node at once, and on all others within five seconds.
#[utoipa::path(delete, path = "/api/v1/session", tag = "access", security(("session" = [])),
    responses((status = 204), Problems))]
pub(crate) async fn log_out(
    State(shared): State<Shared>,
    visit: Visit,
    Own(session): Own,
) -> Result<(StatusCode, Cookies), Problem> {
    let (app, scope) = (&shared.app, Scope::of(session.tenant));
    let deed = visit.deed(app, &scope, &session.person, "DELETE /api/v1/session");
    acting(deed, app.store.end_session(&scope, &session.hash)).await?;
    shared.keys.forget(session.tenant);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, no_cookie())]))
}

/// Changes one's own password. All other sessions of the person end within five seconds.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "access", request_body = PasswordChange,
    security(("session" = [])),
    responses((status = 204), Problems))]
pub(crate) async fn change_password(
    State(shared): State<Shared>,
    visit: Visit,
    Own(session): Own,
    JsonBody(PasswordChange { current, new }): JsonBody<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let (app, scope) = (&shared.app, Scope::of(session.tenant));
    if let Some(fault) = password_fault(&new, "/new", &[&session.email, &session.name]) {
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    let person = with_password(&shared, &session, visit.from, current, "/current").await?;
    let stored = person.password.unwrap_or_default();
    let hash = shared.passwords.hash(new, (app.random)()).await?;
    let deed = visit.deed(app, &scope, &session.person, "PUT /api/v1/session/password");
    let changing = app.store.change_password(&scope, &session.person, (&stored, &hash), &session.hash);
    match acting(deed, changing).await {
        Err(StoreError::NotFound) => return Err(wrong_password("/current")),
        done => done?,
    }
    shared.keys.forget(session.tenant);
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever is logged in, once the password is shown again: a session that somebody else has changes nothing of how one comes in.
pub(super) async fn with_password(
    shared: &Shared,
    session: &Session,
    from: Option<IpAddr>,
    password: String,
    pointer: &str,
) -> Result<Person, Problem> {
    let (app, scope) = (&shared.app, Scope::of(session.tenant));
    let who = format!("{}/{}", session.tenant.0, session.person);
    shared.logins.tried(&who, from, app.now())?;
    let person = app.store.person(&scope, &session.person).await?.ok_or_else(|| wrong_password(pointer))?;
    if !shared.passwords.check(password, person.password.clone()).await? {
        return Err(wrong_password(pointer));
    }
    shared.logins.succeeded(&who, from);
    Ok(person)
}

fn wrong_password(pointer: &str) -> Problem {
    Problem::fault(INVALID_BODY, Fault::new(pointer, "wrong-password", "This is not the password so far."))
}

fn view(session: Arc<Session>) -> SessionView {
    SessionView {
        person: session.person.clone(),
        email: session.email.clone(),
        name: session.name.clone(),
        role: session.role,
        tenant: session.tenant.0,
        ends_at: session.ends_at,
        scopes: Caller::person(session).usable_scopes(),
    }
}
