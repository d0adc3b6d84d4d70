//! From a credential in the request to a store scope, or a refusal.

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_model::identity::Authority;
use openhub_model::{Fault, Principal, TenantId, strict};
use openhub_store::{Key, PageSettings, Scope, TenantStatus};
use serde::Deserialize;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::cache::KeyCache;
use super::key::KeyText;
use super::permission::{EVERYTHING, EventsWrite, IdentitiesWrite, Permission, PluginsCall, TenantsClaim};
use crate::app::{App, Shared};
use crate::problem::{ADDRESS_NOT_ALLOWED, INVALID_BODY, MISSING_SCOPE, Problem, TENANT_CLOSED, UNAUTHENTICATED};

/// When to come again to a tenant that is closed.
const CLOSED_S: u32 = 60;

/// Proof that the request's key carries the permission `P`, and the tenant that it speaks for.
pub(crate) struct Authorized<P> {
    pub scope: Scope,
    /// The key's id: who did what is done under it.
    pub key: String,
    /// Who asks.
    pub principal: Principal,
    /// What its events may claim.
    pub authority: Authority,
    /// The key as it is stored.
    held: Arc<Key>,
    permission: PhantomData<fn() -> P>,
}

impl<P> Authorized<P> {
    pub fn tenant(&self) -> TenantId {
        self.scope.tenant()
    }

    /// What its tenant says about the keys of pages.
    pub fn pages(&self) -> &PageSettings {
        &self.held.pages
    }

    /// The key itself.
    pub fn held(&self) -> &Key {
        &self.held
    }

    /// All that the key carries.
    pub fn scopes(&self) -> &[String] {
        &self.held.scopes
    }

    /// What of it the tenant's ceiling leaves.
    pub fn usable_scopes(&self) -> Vec<String> {
        let Key { scopes, line, .. } = &*self.held;
        match &line.ceiling.scopes {
            Some(most) if scopes.iter().any(|scope| scope == EVERYTHING) => most.clone(),
            _ => scopes.iter().filter(|scope| line.ceiling.allows(scope)).cloned().collect(),
        }
    }

    /// Whether the key carries another permission, too: what it may not see is left out of an answer.
    pub fn may<Q: Permission>(&self) -> bool {
        carries::<Q>(&self.held)
    }

    /// Asks for another permission, too.
    pub fn must<Q: Permission>(&self) -> Result<(), Problem> {
        if self.may::<Q>() { Ok(()) } else { Err(lacks::<Q>(&self.held)) }
    }
}

impl<P: Permission> FromRequestParts<Shared> for Authorized<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let token = credential(&parts.headers, "bearer").ok_or_else(|| no_key(&parts.headers))?;
        authorize(&shared.app, &shared.keys, token, peer(&parts.extensions)).await
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

/// The API key that the headers bring. None without one.
pub(crate) async fn bearer(
    app: &App,
    keys: &KeyCache,
    headers: &HeaderMap,
    from: Option<IpAddr>,
) -> Result<Option<Arc<Key>>, Problem> {
    match credential(headers, "bearer") {
        Some(token) => known(app, keys, token, from).await.map(Some),
        None => Ok(None),
    }
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
    let of_it = format!("{}:{plugin}", PluginsCall::SCOPE);
    let names_it = || !key.page && key.scopes.contains(&of_it) && key.line.ceiling.allows(&of_it);
    let all_of_it = || {
        let everything = key.scopes.iter().any(|scope| scope == EVERYTHING || scope == PluginsCall::SCOPE);
        !key.page && everything && key.line.ceiling.allows(&of_it)
    };
    if !all_of_it() && !names_it() {
        let scope = PluginsCall::SCOPE;
        let detail =
            format!("The key does not have the scope `{scope}`. Use another key. One with `{scope}:{plugin}` will do.");
        return Err(Problem::new(MISSING_SCOPE, detail));
    }
    Ok(authorized(key))
}

async fn authorize<P: Permission>(
    app: &App,
    keys: &KeyCache,
    text: &str,
    from: Option<IpAddr>,
) -> Result<Authorized<P>, Problem> {
    let key = known(app, keys, text, from).await?;
    if !carries::<P>(&key) {
        return Err(lacks::<P>(&key));
    }
    Ok(authorized(key))
}

/// What the key is asked for was found in it.
fn authorized<P>(key: Arc<Key>) -> Authorized<P> {
    let authority = if carries::<IdentitiesWrite>(&key) { Authority::Server } else { Authority::Browser };
    let (scope, id) = (Scope::of(key.tenant), key.id.clone());
    let principal = Principal::key(id.clone());
    Authorized { scope, key: id, principal, authority, held: key, permission: PhantomData }
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
    if !key.addresses.is_empty() && !from.is_some_and(|from| key.addresses.iter().any(|there| there.contains(from))) {
        return Err(Problem::new(
            ADDRESS_NOT_ALLOWED,
            "This key does not work from the address that the request came from. Use another key, or send it from an address that \
             the key allows.",
        ));
    }
    is_open(key.line.status)?;
    keys.is_used(&app.store, &key, now);
    Ok(key)
}

/// Whether the doors of a tenant are open.
pub(crate) fn is_open(status: TenantStatus) -> Result<(), Problem> {
    match status {
        TenantStatus::Active => Ok(()),
        _ => Err(Problem::new(TENANT_CLOSED, "The tenant is paused, and nothing was done. Send it again later.")
            .retry_after(CLOSED_S)),
    }
}

/// The one place where it is decided what a key may do: what it was given, below its tenant's ceiling. A page's key sends events, and does
/// nothing else.
fn carries<P: Permission>(key: &Key) -> bool {
    let has = key.scopes.iter().any(|scope| scope == P::SCOPE || scope == EVERYTHING);
    let is_below = key.line.ceiling.allows(P::SCOPE) || P::SCOPE == TenantsClaim::SCOPE;
    has && is_below && (!key.page || P::SCOPE == EventsWrite::SCOPE)
}

/// The address that a request came from; none where the service is called without a network.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical())
}

fn lacks<P: Permission>(key: &Key) -> Problem {
    if !key.line.ceiling.allows(P::SCOPE) {
        let detail = format!(
            "The scope `{}` is above the ceiling of this tenant, so no key of it can use it. Ask who owns the tenant.",
            P::SCOPE
        );
        return Problem::new(MISSING_SCOPE, detail);
    }
    let has: Vec<String> = key.scopes.iter().map(|scope| format!("`{scope}`")).collect();
    let only = if has.is_empty() { String::new() } else { format!(", but only {}", has.join(", ")) };
    Problem::new(MISSING_SCOPE, format!("The key does not have the scope `{}`{only}. Use another key.", P::SCOPE))
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
