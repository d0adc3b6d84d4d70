//! `/api/v1/session/oidc`: people log in at their tenant's identity provider. A browser goes there and comes back with a code. What
//! the provider gives for the code says who it is. The session is the same as after a password.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::AppendHeaders;
use openhub_model::Fault;
use openhub_store::{IdentityProvider, Person, Scope, Shown, Subject};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use utoipa::{IntoParams, ToSchema};

use super::session::{Visit, enter, second_proof};
use crate::app::{App, Shared};
use crate::body::JsonBody;
use crate::invitations::is_email;
use crate::oidc::{Begun, Claims, Proven, no_attempt, refused_by_provider};
use crate::openapi::{Absent, Problems, ProviderFailed};
use crate::parameters::Query;
use crate::problem::{
    INVALID_QUERY, OIDC_NOT_INVITED, OIDC_NOT_SET_UP, OIDC_REFUSED, OIDC_UNVERIFIED, OIDC_WRONG_ISSUER,
    OIDC_WRONG_STATE, Problem,
};
use crate::views::SessionView;

const CALLBACK: &str = "/api/v1/session/oidc/callback";
/// Bytes of an address on this hub.
const LONGEST: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Beginning {
    /// The tenant's name.
    tenant: String,
    /// The page of this hub to go on with, like `/home` (default: `/`).
    return_to: Option<String>,
}

/// What a provider sends a browser back with. There may be more, which says nothing here.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Returned {
    /// What the provider gives a token for.
    code: Option<String>,
    /// What the hub had sent along.
    state: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The provider, if it says so (RFC 9207).
    iss: Option<String>,
}

/// What the authenticator shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecondFactorCode)]
pub(crate) struct Code {
    /// The code that the person's authenticator shows, or a recovery code.
    code: String,
}

type Headers = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;
type Redirect = (StatusCode, Headers);

/// Where the provider sends browsers back to. None: nobody has said where browsers reach the hub.
pub(super) fn redirect_uri(app: &App) -> Option<String> {
    app.engine.public_url().map(|url| format!("{url}{CALLBACK}"))
}

/// Sends a browser to the tenant's identity provider. It comes back to `/api/v1/session/oidc/callback`, within ten minutes.
#[utoipa::path(get, path = "/api/v1/session/oidc", tag = "access", params(Beginning),
    responses((status = 303, description = "To the identity provider."), Problems, Absent, ProviderFailed))]
pub(crate) async fn begin_oidc(
    State(shared): State<Shared>,
    Query(Beginning { tenant, return_to }): Query<Beginning>,
) -> Result<Redirect, Problem> {
    let app = &shared.app;
    let return_to = return_to.unwrap_or_else(|| "/".to_owned());
    if !is_here(&return_to) {
        let message = "This is no page of this hub. Write its path, like `/home`.";
        return Err(Problem::fault(INVALID_QUERY, Fault::new("/return_to", "invalid-parameter", message)));
    }
    let known = app.store.tenant_by_name(&tenant).await?;
    let scope = Scope::of(known.ok_or_else(not_set_up)?.id);
    let (settings, redirect_uri) = settings(app, &scope).await?;
    let provider = shared.providers.provider(app, scope.tenant(), &settings.issuer).await?;
    let random = [(); 4].map(|()| (app.random)());
    let begun = Begun::new(scope.tenant(), settings.issuer, return_to, random, app.now());
    let there = provider.authorization(&settings.client_id, &begun, &redirect_uri)?;
    redirect(&there, vec![begun.cookie(&app.sealer)])
}

/// Logs a person in who comes back from the identity provider. The answer sets the cookie `__Host-openhub`, and leads to the page that the
/// log-in was begun with. Who has a second factor is led there with `second_factor=needed` and without a session: the page sends the code with
/// `POST /api/v1/session/oidc` within five minutes.
#[utoipa::path(get, path = "/api/v1/session/oidc/callback", tag = "access", params(Returned),
    responses((status = 303, description = "To the page that the log-in was begun with."), Problems, Absent, ProviderFailed))]
pub(crate) async fn end_oidc(
    State(shared): State<Shared>,
    visit: Visit,
    headers: HeaderMap,
    Query(returned): Query<Returned>,
) -> Result<Redirect, Problem> {
    let (app, now, from) = (&shared.app, shared.app.now(), visit.from);
    let begun = Begun::of(&headers, &app.sealer, now).ok_or_else(not_begun)?;
    let code = code_of(&begun, returned)?;
    shared.logins.came(from, now)?;
    let scope = Scope::of(begun.tenant);
    let (settings, redirect_uri) = settings(app, &scope).await?;
    if settings.issuer != begun.issuer {
        return Err(not_begun());
    }
    let claims = shared.providers.claims(app, scope.tenant(), &settings, (&begun, &code, &redirect_uri)).await?;
    let met = meet(app, &scope, &settings, &claims).await?;
    shared.logins.came_in(from);
    let subject = met.subject(&settings, &claims);
    let (person, is_new, is_met) = match met {
        Met::Known(person) => (person, false, true),
        Met::Invited(person) => (person, false, false),
        Met::New(person) => (person, true, true),
    };
    if person.second.as_ref().is_some_and(|second| second.confirmed) {
        let proven = Proven::new(scope.tenant(), person.id, subject, now);
        return redirect(&asking_for_code(&begun.return_to), vec![proven.cookie(&app.sealer)]);
    }
    let made = person.clone();
    let first = async {
        match (is_new, is_met) {
            (true, _) => app.store.create_person(&scope, &made).await,
            (false, true) => Ok(()),
            (false, false) => app.store.know_person_as(&scope, &made.id, &subject).await,
        }
    };
    let shown = Shown::Subject(subject.clone());
    let act = format!("GET {CALLBACK}");
    let (cookie, _) = enter(&shared, visit, (scope, person), (shown, None), &act, first).await?;
    redirect(&begun.return_to, vec![cookie, no_attempt()])
}

/// Logs a person in who has come back from the identity provider, and has a second factor.
#[utoipa::path(post, path = "/api/v1/session/oidc", tag = "access", request_body = Code,
    responses((status = 201, body = SessionView), Problems))]
pub(crate) async fn confirm_oidc(
    State(shared): State<Shared>,
    visit: Visit,
    headers: HeaderMap,
    JsonBody(Code { code }): JsonBody<Code>,
) -> Result<(StatusCode, Headers, Json<SessionView>), Problem> {
    let (app, now, from) = (&shared.app, shared.app.now(), visit.from);
    let proven = Proven::of(&headers, &app.sealer, now).ok_or_else(not_begun)?;
    let who = format!("{}/{}", proven.tenant.0, proven.person);
    shared.logins.tried(&who, from, now)?;
    let scope = Scope::of(proven.tenant);
    let person = app.store.person(&scope, &proven.person).await?.ok_or_else(not_begun)?;
    let proof = second_proof(app, &scope, &person, Some(code), now)?;
    let (subject, id) = (proven.subject(), person.id.clone());
    let first = app.store.know_person_as(&scope, &id, &subject);
    let shown = (Shown::Subject(subject.clone()), proof);
    let (cookie, view) = enter(&shared, visit, (scope, person), shown, "POST /api/v1/session/oidc", first).await?;
    shared.logins.succeeded(&who, from);
    let cookies = [cookie, no_attempt()].map(|cookie| (header::SET_COOKIE, cookie));
    Ok((StatusCode::CREATED, AppendHeaders(cookies.to_vec()), Json(view)))
}

/// Whom a provider means.
enum Met {
    /// It has said so before.
    Known(Person),
    /// It says so for the first time.
    Invited(Person),
    /// Nobody has invited them, and nobody has to.
    New(Person),
}

impl Met {
    fn subject(&self, settings: &IdentityProvider, claims: &Claims) -> Subject {
        let known = match self {
            Met::Known(person) | Met::New(person) => person.subject.clone(),
            Met::Invited(_) => None,
        };
        known.unwrap_or_else(|| Subject { issuer: settings.issuer.clone(), id: claims.sub.clone() })
    }
}

/// The first time, somebody is known by the address, which the provider has to vouch for; from then on by what the provider calls them.
async fn meet(app: &App, scope: &Scope, settings: &IdentityProvider, claims: &Claims) -> Result<Met, Problem> {
    let subject = Subject { issuer: settings.issuer.clone(), id: claims.sub.clone() };
    if let Some(person) = app.store.person_by_subject(scope, &subject).await? {
        is_of_domains(&person.email, &settings.domains)?;
        return Ok(Met::Known(person));
    }
    let email = claims.verified_email().filter(|email| is_email(email)).ok_or_else(|| {
        let detail = "The identity provider names no address of yours that it has verified (`email`, `email_verified`). Ask who runs it.";
        Problem::new(OIDC_UNVERIFIED, detail)
    })?;
    is_of_domains(&email, &settings.domains)?;
    match app.store.person_by_email(scope, &email).await? {
        Some(person) if person.subject.as_ref().is_some_and(|known| known.issuer == subject.issuer) => {
            Err(not_invited())
        }
        Some(person) => Ok(Met::Invited(person)),
        None => {
            let role = settings.newcomers.ok_or_else(not_invited)?;
            let called = claims.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&email);
            Ok(Met::New(Person {
                id: app.fresh_id(),
                name: short(called),
                email,
                role,
                password: None,
                second: None,
                subject: Some(subject),
                invitation: None,
                created_at: app.now(),
                made_by: None,
                logged_in_at: None,
            }))
        }
    }
}

/// At most 64 bytes, and nothing that nobody can see.
fn short(name: &str) -> String {
    let mut short = String::new();
    for c in name.trim().chars().filter(|c| !c.is_control()) {
        if short.len() + c.len_utf8() > 64 {
            break;
        }
        short.push(c);
    }
    short
}

fn is_of_domains(email: &str, domains: &[String]) -> Result<(), Problem> {
    let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
    if domains.is_empty() || domains.iter().any(|allowed| allowed == domain) { Ok(()) } else { Err(not_invited()) }
}

/// The code, if it is the answer to what this browser asked.
fn code_of(begun: &Begun, returned: Returned) -> Result<String, Problem> {
    let state = returned.state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(begun.state.as_bytes())) {
        return Err(not_begun());
    }
    if returned.iss.is_some_and(|issuer| issuer != begun.issuer) {
        return Err(Problem::new(OIDC_WRONG_ISSUER, "Another identity provider than the tenant's has answered."));
    }
    if let Some(why) = returned.error {
        return Err(refused_by_provider(&why));
    }
    let code = returned.code.filter(|code| !code.is_empty());
    code.ok_or_else(|| Problem::new(OIDC_REFUSED, "The identity provider has sent no code. Begin again."))
}

/// The tenant's identity provider, and where it sends people back to.
async fn settings(app: &App, scope: &Scope) -> Result<(IdentityProvider, String), Problem> {
    let settings = app.store.identity_provider(scope).await?;
    settings.zip(redirect_uri(app)).ok_or_else(not_set_up)
}

/// A path of this hub: nobody is led to another one by a log-in.
fn is_here(path: &str) -> bool {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    path.starts_with('/') && !path.starts_with("//") && is_plain && path.len() <= LONGEST
}

fn asking_for_code(path: &str) -> String {
    let (path, fragment) = path.split_once('#').map_or((path, None), |(path, fragment)| (path, Some(fragment)));
    let joint = if path.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{path}{joint}second_factor=needed{fragment}")
}

fn redirect(there: &str, cookies: Vec<HeaderValue>) -> Result<Redirect, Problem> {
    let there = HeaderValue::from_str(there).map_err(|error| Problem::internal(&error))?;
    let mut headers = vec![(header::LOCATION, there), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    headers.extend(cookies.into_iter().map(|cookie| (header::SET_COOKIE, cookie)));
    Ok((StatusCode::SEE_OTHER, AppendHeaders(headers)))
}

/// Whether there is such a tenant is not said.
fn not_set_up() -> Problem {
    let detail = "There is no such tenant, or nobody logs in to it at an identity provider: it has none, or the hub has no `public_url`.";
    Problem::new(OIDC_NOT_SET_UP, detail)
}

fn not_begun() -> Problem {
    Problem::new(
        OIDC_WRONG_STATE,
        "This is not the answer to a log-in that this browser began within ten minutes. Begin again.",
    )
}

fn not_invited() -> Problem {
    let detail = "The identity provider knows you, but nobody has invited you here. Ask an admin of the tenant.";
    Problem::new(OIDC_NOT_INVITED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_a_page_of_this_hub() {
        for path in ["/", "/home", "/a?b=c#d"] {
            assert!(is_here(path), "{path}");
        }
        for elsewhere in
            ["", "home", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/a\nb", "/é"]
        {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
        assert_eq!(asking_for_code("/a"), "/a?second_factor=needed");
        assert_eq!(asking_for_code("/a?b=c#d"), "/a?b=c&second_factor=needed#d");
    }
}
