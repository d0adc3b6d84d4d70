//! From a credential in the request to a store scope, or a refusal.

use axum::extract::{ConnectInfo, FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_model::identity::Authority;
use openhub_model::{Fault, Id, Principal, TenantId, strict};
use openhub_store::{Key, Scope, Session, TenantStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::cache::KeyCache;
use super::caller::Caller;
use super::key::KeyText;
use super::partner::TokenText;
use super::permission::{EventsWrite, IdentitiesWrite, Permission, PluginsCall};
use super::session::{SessionText, is_alive, same_origin};
use crate::app::{App, Shared};
use crate::problem::{
    ADDRESS_NOT_ALLOWED, INVALID_BODY, MISSING_SCOPE, Problem, SESSION_ENDED, TENANT_CLOSED, UNAUTHENTICATED,
};

/// When to come again to a tenant that is closed.
const CLOSED_S: u32 = 60;

/// Proof that who asks has the permission `P`, and the tenant that it speaks for.
pub(crate) struct Authorized<P> {
    pub scope: Scope,
    /// Of the key, or of the person: who did what is done under it.
    pub id: String,
    /// Who asks.
    pub principal: Principal,
    /// What its events may claim.
    pub authority: Authority,
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P> Authorized<P> {
    /// The right of a subscription at its partner's: all that the tenant's ceiling allows.
    pub async fn of_subscription(app: &App, tenant: TenantId, id: Id) -> Result<Authorized<P>, Problem> {
        let line = app.store.lineages(&[tenant]).await?.remove(&tenant).unwrap_or_default();
        Ok(authorized(Caller::subscription(tenant, id, line)))
    }

    pub fn tenant(&self) -> TenantId {
        self.scope.tenant()
    }

    /// By what it is known.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// All that it was given.
    pub fn scopes(&self) -> &[String] {
        self.caller.scopes()
    }

    /// A change of a customer, with who asks for it.
    pub fn sign(&self, mut change: Value) -> Value {
        change["asked_by"] = json!(self.id);
        if !matches!(self.caller, Caller::Key(_)) {
            change["principal"] = json!(self.principal);
        }
        change
    }

    /// Whether it has another permission, too: what it may not see is left out of an answer.
    pub fn may<Q: Permission>(&self) -> bool {
        self.caller.carries::<Q>()
    }

    /// Asks for another permission, too.
    pub fn must<Q: Permission>(&self) -> Result<(), Problem> {
        if self.may::<Q>() { Ok(()) } else { Err(self.caller.lacks::<Q>()) }
    }
}

impl<P: Permission> FromRequestParts<Shared> for Authorized<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let asked = Asked { method: &parts.method, uri: &parts.uri, headers: &parts.headers };
        let from = peer(&parts.extensions);
        let caller = caller(&shared.app, &shared.keys, asked, from).await?.ok_or_else(|| no_key(&parts.headers))?;
        permitted(caller)
    }
}

/// The right to send events, as far as the headers tell: the key may still come in the body.
pub(crate) struct WriteAccess {
    pub authorized: Option<Authorized<EventsWrite>>,
    /// The origin of the page that sends, if it is a page.
    pub origin: Option<String>,
    /// The address that it comes from.
    pub from: Option<IpAddr>,
}

impl<S> FromRequestParts<S> for WriteAccess
where
    S: Send + Sync,
    Arc<App>: FromRef<S>,
    Arc<KeyCache>: FromRef<S>,
{
    type Rejection = Problem;

    /// Basic auth with the write key as the user's name, as the Segment libraries do; Bearer works too.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (app, keys) = (Arc::<App>::from_ref(state), Arc::<KeyCache>::from_ref(state));
        let origin = parts.headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()).into());
        let from = peer(&parts.extensions);
        let authorized = match write_key(&parts.headers, &parts.uri)? {
            Some(key) => Some(authorize(&app, &keys, &key, from).await?),
            None => None,
        };
        Ok(WriteAccess { authorized, origin, from })
    }
}

/// The key that a request to send events brings before its body: by Bearer or Basic auth, by the header `X-Write-Key`, or as
/// `writeKey` in the query. The key may have a colon and a secret of its library's behind it.
fn write_key<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Result<Option<Cow<'a, str>>, Problem> {
    let user = |text: &'a str| text.split_once(':').map_or(text, |(user, _)| user).into();
    if let Some(token) = credential(headers, "bearer") {
        return Ok(Some(token.into()));
    }
    if headers.contains_key(header::AUTHORIZATION) {
        let pair = credential(headers, "basic").and_then(|text| STANDARD.decode(text).ok());
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unknown_key)?;
        return Ok(Some(pair.split(':').next().unwrap_or_default().to_owned().into()));
    }
    if let Some(key) = headers.get("x-write-key") {
        return Ok(Some(user(key.to_str().map_err(|_| unknown_key())?)));
    }
    // As `analytics.js` asks where to send.
    if let Some(key) =
        uri.path().trim_end_matches('/').strip_prefix("/v1/projects/").and_then(|rest| rest.strip_suffix("/settings"))
    {
        return Ok(Some(key.into()));
    }
    let mut members = uri.query().unwrap_or_default().split('&').filter_map(|member| member.split_once('='));
    Ok(members.find(|(name, _)| name.eq_ignore_ascii_case("writeKey")).map(|(_, key)| user(key)))
}

/// What of a request says who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'r> {
    pub method: &'r Method,
    pub uri: &'r Uri,
    pub headers: &'r HeaderMap,
}

impl<'r> Asked<'r> {
    pub fn of(request: &'r Request) -> Asked<'r> {
        Asked { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

/// Who calls the API: the key that the headers bring, or the person whose session they name. None without either.
pub(crate) async fn caller(
    app: &App,
    keys: &KeyCache,
    asked: Asked<'_>,
    from: Option<IpAddr>,
) -> Result<Option<Caller>, Problem> {
    if let Some(token) = credential(asked.headers, "bearer") {
        return match TokenText::looks_like(token) {
            true => partner(app, keys, token, from).await.map(Some),
            false => known(app, keys, token, from).await.map(Caller::Key).map(Some),
        };
    }
    if asked.headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    Ok(logged_in(app, keys, asked).await?.map(Caller::person))
}

/// The session that the headers name, if it works now and may do what is asked from there. None without one.
pub(crate) async fn logged_in(app: &App, keys: &KeyCache, asked: Asked<'_>) -> Result<Option<Arc<Session>>, Problem> {
    let Some(text) = SessionText::of(asked.headers) else { return Ok(None) };
    same_origin(asked.method, asked.headers, asked.uri.authority().map(|host| host.as_str()))?;
    let now = app.now();
    let found = keys.session(&app.store, &text, now).await?.filter(|session| is_alive(session, now));
    let session = found.ok_or_else(|| Problem::new(SESSION_ENDED, "The session has ended. Log in again."))?;
    is_open(session.line.status)?;
    keys.is_seen(&app.store, &session, now);
    Ok(Some(session))
}

/// The write key that the headers bring. None without one.
pub(crate) async fn writer(
    app: &App,
    keys: &KeyCache,
    headers: &HeaderMap,
    uri: &Uri,
    from: Option<IpAddr>,
) -> Result<Option<Arc<Key>>, Problem> {
    match write_key(headers, uri)? {
        Some(key) => known(app, keys, &key, from).await.map(Some),
        None => Ok(None),
    }
}

/// Whose events come, as far as is known before their body is read.
pub(crate) async fn sender_of(
    app: &App,
    keys: &KeyCache,
    headers: &HeaderMap,
    uri: &Uri,
    from: Option<IpAddr>,
) -> Option<Authorized<EventsWrite>> {
    let key = write_key(headers, uri).ok().flatten()?;
    authorize(app, keys, &key, from).await.ok()
}

/// The key in a body of events, if there is one. Some libraries write it into each event; a body of several keys is refused, since
/// one of them would speak for the events of the others.
pub(crate) fn key_in_body(body: &[u8]) -> Result<Option<String>, Problem> {
    #[derive(Deserialize)]
    struct KeyInItem {
        #[serde(rename = "writeKey")]
        write_key: Option<String>,
    }
    #[derive(Deserialize)]
    struct KeyInBody {
        #[serde(rename = "writeKey")]
        write_key: Option<String>,
        #[serde(default)]
        batch: Vec<KeyInItem>,
    }
    let Ok(KeyInBody { write_key, batch }) = strict::from_slice::<KeyInBody>(body) else { return Ok(None) };
    let mut found = write_key;
    for (index, item) in batch.into_iter().enumerate() {
        match (&found, item.write_key) {
            (_, None) => {}
            (None, key) => found = key,
            (Some(known), Some(key)) if *known == key => {}
            (Some(_), Some(_)) => {
                let message =
                    "The events of this body have different write keys. Send those of each key in a body of their own.";
                return Err(Problem::fault(
                    INVALID_BODY,
                    Fault::new(format!("/batch/{index}/writeKey"), "several-keys", message),
                ));
            }
        }
    }
    Ok(found)
}

/// Authorises a write key that came in a body.
pub(crate) async fn authorize_write(
    app: &App,
    keys: &KeyCache,
    key: Option<&str>,
    from: Option<IpAddr>,
) -> Result<Authorized<EventsWrite>, Problem> {
    let key = key.ok_or_else(|| {
        Problem::new(
            UNAUTHENTICATED,
            "The request has no write key. Send it as the user of Basic auth, or as `writeKey` in the body.",
        )
    })?;
    authorize(app, keys, key, from).await
}

/// The right to call the endpoints of a plugin: of all plugins, or of this one.
pub(crate) async fn authorize_call(
    app: &App,
    keys: &KeyCache,
    headers: &HeaderMap,
    from: Option<IpAddr>,
    plugin: &str,
) -> Result<Authorized<PluginsCall>, Problem> {
    let key = known(app, keys, credential(headers, "bearer").ok_or_else(|| no_key(headers))?, from).await?;
    let (scope, of_it) = (PluginsCall::SCOPE, format!("{}:{plugin}", PluginsCall::SCOPE));
    let caller = Caller::Key(key);
    if !caller.carries_one_of(scope, &of_it) {
        let detail =
            format!("The key does not have the scope `{scope}`. Use another key. One with `{scope}:{plugin}` will do.");
        return Err(Problem::new(MISSING_SCOPE, detail));
    }
    Ok(authorized(caller))
}

async fn authorize<P: Permission>(
    app: &App,
    keys: &KeyCache,
    text: &str,
    from: Option<IpAddr>,
) -> Result<Authorized<P>, Problem> {
    permitted(Caller::Key(known(app, keys, text, from).await?))
}

fn permitted<P: Permission>(caller: Caller) -> Result<Authorized<P>, Problem> {
    if caller.carries::<P>() { Ok(authorized(caller)) } else { Err(caller.lacks::<P>()) }
}

/// What is asked for was found in it.
fn authorized<P>(caller: Caller) -> Authorized<P> {
    let authority = if caller.carries::<IdentitiesWrite>() { Authority::Server } else { Authority::Browser };
    let (scope, id, principal) = (caller.scope(), caller.id().to_owned(), caller.principal());
    Authorized { scope, id, principal, authority, caller, permission: PhantomData }
}

/// The key, if it is one that works now, and from there; whatever it allows.
pub(crate) async fn known(app: &App, keys: &KeyCache, text: &str, from: Option<IpAddr>) -> Result<Arc<Key>, Problem> {
    let text = KeyText::parse(text).ok_or_else(unknown_key)?;
    let now = app.now();
    let key = keys.find(&app.store, text.id, now).await?.ok_or_else(unknown_key)?;
    let alive = key.revoked_at.is_none() && key.expires_at.is_none_or(|end| now < end);
    let former = key.former.as_ref().is_some_and(|former| now < former.until && text.matches(&former.hash));
    if !alive || !(text.matches(&key.hash) || former) {
        return Err(unknown_key());
    }
    works_from(&key, from)?;
    is_open(key.line.status)?;
    keys.is_used(&app.store, &key, now);
    Ok(key)
}

/// The hash of the secret by which a key was shown: it may have two.
pub(crate) fn secret_shown<'k>(headers: &HeaderMap, key: &'k Key) -> Option<&'k str> {
    let text = KeyText::parse(credential(headers, "bearer")?)?;
    let former = key.former.as_ref().map(|former| &former.hash);
    [Some(&key.hash), former].into_iter().flatten().find(|hash| text.matches(hash)).map(String::as_str)
}

/// The partner whose token this is, if it works now.
async fn partner(app: &App, keys: &KeyCache, text: &str, from: Option<IpAddr>) -> Result<Caller, Problem> {
    let ended =
        || Problem::new(UNAUTHENTICATED, "The token is unknown, or has ended. Ask who gave it to you for another one.");
    let said = TokenText::read(text, &app.sealer).ok_or_else(ended)?;
    let now = app.now();
    let maker = keys.find(&app.store, &said.maker, now).await?.ok_or_else(ended)?;
    let partner = said.partner(maker, now).ok_or_else(ended)?;
    works_from(&partner.maker, from)?;
    is_open(partner.maker.line.status)?;
    Ok(Caller::Partner(Arc::new(partner)))
}

fn works_from(key: &Key, from: Option<IpAddr>) -> Result<(), Problem> {
    if key.addresses.is_empty() || from.is_some_and(|from| key.addresses.iter().any(|there| there.contains(from))) {
        return Ok(());
    }
    Err(Problem::new(
        ADDRESS_NOT_ALLOWED,
        "This key does not work from the address that the request came from. Use another key, or send it from an address that \
         the key allows.",
    ))
}

/// Whether the doors of a tenant are open.
pub(crate) fn is_open(status: TenantStatus) -> Result<(), Problem> {
    match status {
        TenantStatus::Active => Ok(()),
        _ => Err(Problem::new(TENANT_CLOSED, "The tenant is paused, and nothing was done. Send it again later.")
            .retry_after(CLOSED_S)),
    }
}

/// The address that a request came from; none where the service is called without a network.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical())
}

fn no_key(headers: &HeaderMap) -> Problem {
    let detail = match headers.contains_key(header::AUTHORIZATION) {
        // As the routes of events take a write key.
        true => {
            "This route takes an API key as `Authorization: Bearer oh_…`, but the request has another kind of \
             authorization, like Basic. Only the routes of events take a write key by Basic auth."
        }
        false => "The request has no API key. Send `Authorization: Bearer` and the key.",
    };
    Problem::new(UNAUTHENTICATED, detail)
}

/// One answer for all that is wrong with a key, so that nothing can be learnt from it.
fn unknown_key() -> Problem {
    Problem::new(UNAUTHENTICATED, "The key is unknown, expired or revoked. Use another key.")
}

fn credential<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (name, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}
