//! A provider's own description (OpenID Connect Discovery 1.0) and its keys, fetched under the egress check and kept for a while; and
//! what a code is worth at it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openhub_engine::secrets::Owner;
use openhub_model::{TenantId, Timestamp};
use openhub_runtime::{Post, Posted, Unposted};
use openhub_store::IdentityProvider;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::signature::PublicKey;
use super::token::Token;
use super::{Begun, Claims, Expected};
use crate::app::App;
use crate::places::Each;
use crate::problem::{IDENTITY_PROVIDER_FAILED, OIDC_REFUSED, OIDC_WRONG_ISSUER, OVERLOADED, Problem};

const TIMEOUT: Duration = Duration::from_secs(10);
/// How long what was fetched is believed.
const KEPT_S: i64 = 3600;
/// A key that is not there may be new: then the keys are fetched again, but no sooner than so.
const AGAIN_S: i64 = 10;
/// Bytes of an answer.
const LONGEST: usize = 256 * 1024;
/// Issuers that are remembered.
const MOST: usize = 1_000;
/// Requests to a tenant's provider at once.
const AT_ONCE: usize = 4;
/// Bytes of a token that are looked at.
const TOKEN: usize = 32 * 1024;

/// What the providers of this hub's tenants say of themselves, by issuer.
pub(crate) struct Providers {
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Kept>>>>,
    turns: Arc<Each>,
}

impl Default for Providers {
    fn default() -> Self {
        Providers { known: Mutex::default(), turns: Each::new(AT_ONCE) }
    }
}

/// Of one provider, and until when nobody asks it again since it did not answer.
#[derive(Default)]
struct Kept {
    provider: Option<Provider>,
    fails_until: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct Provider {
    metadata: Arc<Metadata>,
    keys: Arc<[PublicKey]>,
    fetched_at: Timestamp,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// A set as it is published: a key of a kind that is not known here hides none of the others.
#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Providers {
    /// Fetched now, or within the last hour.
    pub async fn provider(&self, app: &App, tenant: TenantId, issuer: &str) -> Result<Provider, Problem> {
        self.fetched_after(app, tenant, issuer, KEPT_S).await
    }

    /// Fetched again if the keys do not have the one that has signed.
    async fn with_key_of(
        &self,
        app: &App,
        tenant: TenantId,
        provider: Provider,
        token: &Token<'_>,
    ) -> Result<Provider, Problem> {
        if token.may_be_of(&provider.keys) {
            return Ok(provider);
        }
        self.fetched_after(app, tenant, &provider.metadata.issuer, AGAIN_S).await
    }

    async fn fetched_after(&self, app: &App, tenant: TenantId, issuer: &str, age_s: i64) -> Result<Provider, Problem> {
        let kept = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST && !known.contains_key(issuer) {
                known.clear();
            }
            Arc::clone(known.entry(issuer.to_owned()).or_default())
        };
        // Who comes at the same time waits for the one who fetches.
        let mut kept = timeout(TIMEOUT, kept.lock()).await.map_err(|_| failed("it does not answer"))?;
        let now = app.now();
        let age = |at: Timestamp| now.micros() - at.micros();
        if let Some(provider) = kept.provider.as_ref().filter(|provider| age(provider.fetched_at) < age_s * 1_000_000) {
            return Ok(provider.clone());
        }
        if kept.fails_until.is_some_and(|until| now < until) {
            return Err(failed("it did not answer a moment ago"));
        }
        match self.fetch(app, tenant, issuer).await {
            Ok(provider) => {
                *kept = Kept { provider: Some(provider.clone()), fails_until: None };
                Ok(provider)
            }
            Err(problem) => {
                kept.fails_until = Some(Timestamp::from_micros(now.micros() + AGAIN_S * 1_000_000));
                Err(problem)
            }
        }
    }

    async fn fetch(&self, app: &App, tenant: TenantId, issuer: &str) -> Result<Provider, Problem> {
        let _turn = self.turn(tenant).await?;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = document(app, &url).await?;
        if metadata.issuer != issuer {
            let detail = "The provider says that it is another issuer than the tenant's settings name.";
            return Err(Problem::new(OIDC_WRONG_ISSUER, detail));
        }
        // Browsers are sent there.
        app.runtime.check_target(&metadata.authorization_endpoint).map_err(|why| failed(&why))?;
        let published: Published = document(app, &metadata.jwks_uri).await?;
        let keys = published.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        Ok(Provider { metadata: Arc::new(metadata), keys, fetched_at: app.now() })
    }

    async fn turn(&self, tenant: TenantId) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        self.turns.take_within(tenant, TIMEOUT).await.ok_or_else(|| {
            Problem::new(OVERLOADED, "The tenant's identity provider is being asked by others. Try again in a moment.")
                .retry_after(1)
        })
    }

    /// Who has come back with a code: what the provider gives for it was signed by the provider, for this hub and this log-in.
    pub async fn claims(
        &self,
        app: &App,
        tenant: TenantId,
        settings: &IdentityProvider,
        (begun, code, redirect_uri): (&Begun, &str, &str),
    ) -> Result<Claims, Problem> {
        let provider = self.provider(app, tenant, &settings.issuer).await?;
        let text = {
            let _turn = self.turn(tenant).await?;
            provider.exchange(app, tenant, settings, (begun, code, redirect_uri)).await?
        };
        let token = Token::of(&text)?;
        let provider = self.with_key_of(app, tenant, provider, &token).await?;
        let expected =
            Expected { issuer: &settings.issuer, client_id: &settings.client_id, nonce: &begun.nonce, now: app.now() };
        token.read(&provider.keys, &expected)
    }
}

impl Provider {
    /// Where somebody logs in, and comes back from.
    pub fn authorization(&self, client_id: &str, begun: &Begun, redirect_uri: &str) -> Result<String, Problem> {
        let mut url = Url::parse(&self.metadata.authorization_endpoint).map_err(|error| failed(&error.to_string()))?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("scope", "openid email profile"),
            ("state", &begun.state),
            ("nonce", &begun.nonce),
            ("code_challenge", &begun.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url.into())
    }

    /// The ID token for a code.
    async fn exchange(
        &self,
        app: &App,
        tenant: TenantId,
        settings: &IdentityProvider,
        (begun, code, redirect_uri): (&Begun, &str, &str),
    ) -> Result<String, Problem> {
        let secret = app.sealer.open(secret_owner(tenant), &settings.client_secret);
        let secret = secret.map_err(|error| Problem::internal(&error))?;
        let secret = String::from_utf8_lossy(&secret);
        let (headers, body) = self.asking(settings, &secret, (begun, code, redirect_uri));
        let url = &self.metadata.token_endpoint;
        let posted = app.runtime.post(Post { url, headers, body, timeout: TIMEOUT, at_most: LONGEST }).await;
        let posted = answered(posted)?;
        if (400..500).contains(&posted.status) {
            let why = serde_json::from_slice(&posted.body).map(|Refused { error }| error).unwrap_or_default();
            return Err(refused_by_provider(&why));
        }
        let Tokens { id_token } = parsed(&posted)?;
        if id_token.len() > TOKEN { Err(failed("its token is too long")) } else { Ok(id_token) }
    }

    /// Headers and form of the request for a token.
    fn asking(
        &self,
        settings: &IdentityProvider,
        secret: &str,
        (begun, code, redirect_uri): (&Begun, &str, &str),
    ) -> (Vec<(&'static str, String)>, Vec<u8>) {
        let mut form = Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &begun.verifier),
        ]);
        let mut headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        // The standard's default, unless the provider takes it in the form alone.
        if self.takes_basic() {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(&settings.client_id), encoded(secret));
            headers.push(("authorization", format!("Basic {}", STANDARD.encode(pair))));
        } else {
            form.extend_pairs([("client_id", settings.client_id.as_str()), ("client_secret", secret)]);
        }
        (headers, form.finish().into_bytes())
    }

    fn takes_basic(&self) -> bool {
        let ways = self.metadata.token_endpoint_auth_methods_supported.as_deref();
        ways.is_none_or(|ways| {
            let takes = |way: &str| ways.iter().any(|known| known == way);
            takes("client_secret_basic") || !takes("client_secret_post")
        })
    }
}

/// What the sealed secret of the tenant's client belongs to: no plugin has this name.
pub(crate) fn secret_owner(tenant: TenantId) -> Owner<'static> {
    Owner { tenant, plugin: "@identity-provider", name: "client-secret" }
}

/// The provider let nobody in, and says why by one of the standard's words.
pub(crate) fn refused_by_provider(why: &str) -> Problem {
    let is_word =
        !why.is_empty() && why.len() <= 64 && why.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let detail = match is_word {
        true => format!("The identity provider has refused the log-in: `{why}`. Begin again."),
        false => "The identity provider has refused the log-in. Begin again.".to_owned(),
    };
    Problem::new(OIDC_REFUSED, detail)
}

async fn document<T: DeserializeOwned>(app: &App, url: &str) -> Result<T, Problem> {
    parsed(&answered(app.runtime.get(url, TIMEOUT, LONGEST).await)?)
}

fn answered(posted: Result<Posted, Unposted>) -> Result<Posted, Problem> {
    posted.map_err(|unposted| failed(&unposted.to_string()))
}

fn parsed<T: DeserializeOwned>(posted: &Posted) -> Result<T, Problem> {
    if posted.status != 200 {
        return Err(failed(&format!("it answers {}", posted.status)));
    }
    serde_json::from_slice(&posted.body).map_err(|_| failed("its answer is not what the standard has"))
}

/// Why is for the operator: whoever logs in is no more told than that.
fn failed(why: &str) -> Problem {
    tracing::warn!(error = why, "An identity provider could not be asked.");
    Problem::new(
        IDENTITY_PROVIDER_FAILED,
        "The tenant's identity provider does not answer as it should. Try again later.",
    )
}
