//! `/api/v1/persons`: the people of a tenant. Whoever invites somebody, or changes what they are, has each scope of the role.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use openhub_model::fault::instead_of;
use openhub_model::{Fault, Role, Timestamp, limits};
use openhub_store::{OwnerKept, Person, PersonChange, PersonCursor, act};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Authorized, KeyCache, PersonsRead, PersonsWrite, covers, scopes_of};
use crate::body::{Meaning, MeantBody};
use crate::cursor;
use crate::invitations::{is_email, mint_invitation};
use crate::openapi::Problems;
use crate::parameters::{Path, Query};
use crate::problem::{LAST_OWNER, Problem, WIDER_THAN_OWN};
use crate::views::{InvitedView, PersonList, PersonView};

const LIST: &str = "persons";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// The `next` of the page before.
    after: Option<String>,
    /// Page size, 1 to 1000 (default 50).
    limit: Option<usize>,
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PersonToInvite)]
pub(crate) struct ToInvite {
    /// By which the person logs in. Upper and lower case are one.
    email: String,
    /// How the person is called: 1 to 64 bytes (default: the address).
    name: Option<String>,
    /// `owner`, `admin`, `plugin-installer`, `marketer`, `analyst`, `privacy-officer`, `auditor` or `operator`.
    role: String,
}

/// What is to be changed of a person; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PersonChange)]
pub(crate) struct ToChange {
    name: Option<String>,
    role: Option<String>,
}

impl Meaning for ToInvite {
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.name.iter().filter_map(|name| unfit_name(name)).collect();
        if !is_email(&self.email) {
            let message = "This is no mail address. Write one like `ada@example.com`, of at most 254 bytes.";
            faults.push(Fault::new("/email", "invalid-email", message));
        }
        faults.extend(unknown_role(&self.role));
        faults
    }
}

impl Meaning for ToChange {
    fn faults(&self) -> Vec<Fault> {
        let name = self.name.iter().filter_map(|name| unfit_name(name));
        name.chain(self.role.iter().filter_map(|role| unknown_role(role))).collect()
    }
}

fn unfit_name(name: &str) -> Option<Fault> {
    limits::label(name, "/name").err()
}

pub(super) fn unknown_role(role: &str) -> Option<Fault> {
    let all = Role::ALL.map(Role::word);
    let message = || format!("There is no role `{role:.64}`. {}", instead_of(role, all));
    Role::from_word(role).is_none().then(|| Fault::new("/role", "unknown-role", message()))
}

/// The people of the tenant, the newest first.
#[utoipa::path(get, path = "/api/v1/persons", tag = "access", params(Parameters),
    security(("api_key" = ["persons:read"])),
    responses((status = 200, body = PersonList), Problems))]
pub(crate) async fn list_persons(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsRead>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<PersonList>, Problem> {
    let limit = cursor::limit(parameters.limit)?;
    let behind: Option<Behind> = cursor::read(LIST, "after", parameters.after.as_deref())?;
    let behind = behind.map(|Behind(person)| person);
    let persons = app.store.newest_persons(&access.scope, behind.as_ref(), limit + 1).await?;
    let behind = |person: &Person| Behind((person.created_at, person.id.clone()));
    let (persons, next) = cursor::page(LIST, persons, limit, behind);
    let now = app.now();
    Ok(Json(PersonList { persons: persons.into_iter().map(|person| PersonView::of(person, now)).collect(), next }))
}

/// Invites somebody. The answer has the invitation, which is shown this once: hand it to the person, who sets a password with it
/// (`POST /api/v1/invitation`) within a week.
///
/// Nobody gives more than they have: you need each scope of the role.
#[utoipa::path(post, path = "/api/v1/persons", tag = "access", request_body = ToInvite,
    security(("api_key" = ["persons:write"])),
    responses((status = 201, body = InvitedView), Problems))]
pub(crate) async fn invite_person(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsWrite>,
    MeantBody(wanted): MeantBody<ToInvite>,
) -> Result<(StatusCode, Json<InvitedView>), Problem> {
    let role = Role::from_word(&wanted.role).ok_or_else(|| Problem::not_found("role"))?;
    may_give(&access, role)?;
    let (id, now) = (app.fresh_id(), app.now());
    let (invitation, shown) = mint_invitation(access.tenant(), &id, secret(&app), now);
    let email = wanted.email.to_lowercase();
    let person = Person {
        id,
        name: wanted.name.unwrap_or_else(|| email.chars().take(64).collect()),
        email,
        role,
        password: None,
        second: None,
        subject: None,
        invitation: Some(invitation),
        created_at: now,
        made_by: Some(access.principal.clone()),
        logged_in_at: None,
    };
    act::note_subject(person.id.as_str());
    act::note_after(&json!(PersonView::of(person.clone(), now)));
    app.store.create_person(&access.scope, &person).await?;
    Ok((StatusCode::CREATED, Json(InvitedView { invitation: shown, view: PersonView::of(person, now) })))
}

/// A person.
#[utoipa::path(get, path = "/api/v1/persons/{id}", tag = "access",
    params(("id" = String, Path, description = "The person's id.")),
    security(("api_key" = ["persons:read"])),
    responses((status = 200, body = PersonView), Problems))]
pub(crate) async fn get_person(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsRead>,
    Path(id): Path<String>,
) -> Result<Json<PersonView>, Problem> {
    let person = app.store.person(&access.scope, &id).await?.ok_or_else(|| Problem::not_found("person"))?;
    Ok(Json(PersonView::of(person, app.now())))
}

/// Changes a person's name or role. You need each scope of the role before and of the role after. It takes effect within five seconds.
#[utoipa::path(patch, path = "/api/v1/persons/{id}", tag = "access", request_body = ToChange,
    params(("id" = String, Path, description = "The person's id.")),
    security(("api_key" = ["persons:write"])),
    responses((status = 200, body = PersonView), Problems))]
pub(crate) async fn change_person(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<PersonsWrite>,
    Path(id): Path<String>,
    MeantBody(change): MeantBody<ToChange>,
) -> Result<Json<PersonView>, Problem> {
    let before = held(&app, &access, &id).await?;
    let role = change.role.as_deref().and_then(Role::from_word);
    if let Some(role) = role {
        may_give(&access, role)?;
    }
    let now = app.now();
    act::note_before(&json!(PersonView::of(before.clone(), now)));
    let after = Person {
        name: change.name.clone().unwrap_or(before.name),
        role: role.unwrap_or(before.role),
        password: before.password,
        second: before.second,
        ..before
    };
    act::note_after(&json!(PersonView::of(after.clone(), now)));
    is_kept(app.store.change_person(&access.scope, &id, PersonChange { name: change.name, role }).await?)?;
    keys.forget(access.tenant());
    Ok(Json(PersonView::of(after, now)))
}

/// Removes a person, who is logged out everywhere within five seconds. What the person did stays in the audit log, by the id.
#[utoipa::path(delete, path = "/api/v1/persons/{id}", tag = "access",
    params(("id" = String, Path, description = "The person's id.")),
    security(("api_key" = ["persons:write"])),
    responses((status = 204), Problems))]
pub(crate) async fn remove_person(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<PersonsWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let before = held(&app, &access, &id).await?;
    act::note_before(&json!(PersonView::of(before, app.now())));
    is_kept(app.store.remove_person(&access.scope, &id).await?)?;
    keys.forget(access.tenant());
    Ok(StatusCode::NO_CONTENT)
}

/// Invites a person again, who has lost the invitation or forgotten the password. An earlier invitation ends; the password so far, and
/// the sessions, end when this one is accepted.
#[utoipa::path(post, path = "/api/v1/persons/{id}/invitation", tag = "access",
    params(("id" = String, Path, description = "The person's id.")),
    security(("api_key" = ["persons:write"])),
    responses((status = 201, body = InvitedView), Problems))]
pub(crate) async fn invite_person_again(
    State(app): State<Arc<App>>,
    access: Authorized<PersonsWrite>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<InvitedView>), Problem> {
    let (person, now) = (held(&app, &access, &id).await?, app.now());
    let (invitation, shown) = mint_invitation(access.tenant(), &id, secret(&app), now);
    app.store.invite_person(&access.scope, &id, invitation.clone()).await?;
    let person = Person { invitation: Some(invitation), ..person };
    Ok((StatusCode::CREATED, Json(InvitedView { invitation: shown, view: PersonView::of(person, now) })))
}

/// Logs a person out everywhere, within five seconds.
#[utoipa::path(delete, path = "/api/v1/persons/{id}/sessions", tag = "access",
    params(("id" = String, Path, description = "The person's id.")),
    security(("api_key" = ["persons:write"])),
    responses((status = 204), Problems))]
pub(crate) async fn end_person_sessions(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    access: Authorized<PersonsWrite>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    held(&app, &access, &id).await?;
    app.store.end_sessions(&access.scope, &id).await?;
    keys.forget(access.tenant());
    Ok(StatusCode::NO_CONTENT)
}

/// A person of the tenant's whom the caller may change: one who can do no more than the caller.
async fn held(app: &App, access: &Authorized<PersonsWrite>, id: &str) -> Result<Person, Problem> {
    let person = app.store.person(&access.scope, id).await?.ok_or_else(|| Problem::not_found("person"))?;
    may_give(access, person.role)?;
    Ok(person)
}

/// Nobody gives, or takes, what they do not have.
pub(super) fn may_give(access: &Authorized<PersonsWrite>, role: Role) -> Result<(), Problem> {
    match scopes_of(role).iter().find(|scope| !covers(access.scopes(), scope)) {
        Some(scope) => Err(Problem::new(
            WIDER_THAN_OWN,
            format!("The role `{role}` has the scope `{scope}`, which you do not have. Ask somebody who has it."),
        )),
        None => Ok(()),
    }
}

pub(super) fn is_kept(owner: OwnerKept) -> Result<(), Problem> {
    match owner {
        OwnerKept::Yes => Ok(()),
        OwnerKept::WouldBeLost => Err(Problem::new(
            LAST_OWNER,
            "This is the last owner of the tenant who can log in. Make somebody else an owner first.",
        )),
    }
}

fn secret(app: &App) -> [u8; 32] {
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(&(app.random)());
    secret[16..].copy_from_slice(&(app.random)());
    secret
}

/// Where a page begins, as a cursor writes it.
struct Behind(PersonCursor);

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, id) = &self.0;
        write!(f, "{}:{id}", at.micros())
    }
}

impl FromStr for Behind {
    type Err = ();

    fn from_str(text: &str) -> Result<Behind, ()> {
        let (at, id) = text.split_once(':').ok_or(())?;
        Ok(Behind((Timestamp::from_micros(at.parse().map_err(|_| ())?), id.to_owned())))
    }
}
