//! The ID token: who a provider says that somebody is. Nothing in it is believed before its signature was looked at.

use openhub_model::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::signature::{Header, PublicKey, bytes, candidates, is_signed};
use crate::problem::{
    OIDC_REFUSED, OIDC_WRONG_AUDIENCE, OIDC_WRONG_CLOCK, OIDC_WRONG_ISSUER, OIDC_WRONG_NONCE, OIDC_WRONG_SIGNATURE,
    Problem,
};

/// Clocks are off by so much.
const OFF_S: f64 = 60.0;
/// A token is for now: one that was made earlier is of another log-in.
const OLDEST_S: f64 = 10.0 * 60.0;
/// Bytes of a subject: the standard has 255.
const SUBJECT: usize = 255;

/// What a token has to say.
pub(crate) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

/// What a token says, of what matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    pub sub: String,
    aud: Audience,
    azp: Option<String>,
    /// In seconds since 1970, with or without a fraction.
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    nonce: Option<String>,
    pub email: Option<String>,
    email_verified: Option<Value>,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, client: &str) -> bool {
        match self {
            Audience::One(one) => one == client,
            Audience::Many(many) => many.iter().any(|one| one == client),
        }
    }

    fn is_several(&self) -> bool {
        matches!(self, Audience::Many(many) if many.len() > 1)
    }
}

/// A token whose header was read.
pub(crate) struct Token<'t> {
    text: &'t str,
    payload: &'t str,
    header: Header,
}

impl<'t> Token<'t> {
    pub fn of(text: &'t str) -> Result<Token<'t>, Problem> {
        let [header, payload, _] = text.split('.').collect::<Vec<_>>()[..] else { return Err(unsigned()) };
        let header = bytes(header).and_then(|header| serde_json::from_slice::<Header>(&header).ok());
        // What has to be understood, and is not, is not believed.
        let header = header.filter(|header| header.crit.is_none()).ok_or_else(unsigned)?;
        Ok(Token { text, payload, header })
    }

    /// Whether a key of the set may have signed it.
    pub fn may_be_of(&self, keys: &[PublicKey]) -> bool {
        !candidates(&self.header, keys).is_empty()
    }

    /// What it says, if one of these keys signed it, and it says what it has to.
    pub fn read(&self, keys: &[PublicKey], expected: &Expected<'_>) -> Result<Claims, Problem> {
        if !candidates(&self.header, keys).into_iter().any(|key| is_signed(self.text, &self.header, key)) {
            return Err(unsigned());
        }
        // Its signature is right; what follows is looked at here.
        let claims = bytes(self.payload).and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
        let claims = claims.ok_or_else(|| {
            Problem::new(OIDC_REFUSED, "The provider's token lacks what an ID token has to have, like `sub` or `exp`.")
        })?;
        claims.check(expected)?;
        Ok(claims)
    }
}

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), Problem> {
        if self.iss != expected.issuer {
            return Err(Problem::new(OIDC_WRONG_ISSUER, "The token is of another issuer than the tenant's."));
        }
        let is_authorised = match &self.azp {
            Some(client) => client == expected.client_id,
            None => !self.aud.is_several(),
        };
        if !self.aud.names(expected.client_id) || !is_authorised {
            return Err(Problem::new(OIDC_WRONG_AUDIENCE, "The token is for another client than this hub."));
        }
        let nonce = self.nonce.as_deref().unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
            return Err(Problem::new(OIDC_WRONG_NONCE, "The token is of another log-in. Begin again."));
        }
        let now = expected.now.micros() as f64 / 1e6;
        let is_over = now >= self.exp + OFF_S || now >= self.iat + OLDEST_S;
        let is_to_come = self.iat > now + OFF_S || self.nbf.is_some_and(|from| from > now + OFF_S);
        // What is no number is neither before nor after.
        if is_over || is_to_come || !(self.exp.is_finite() && self.iat.is_finite()) {
            let detail = "The token has ended, or is of the future. Begin again; if it stays so, the clocks of the hub and of the provider differ.";
            return Err(Problem::new(OIDC_WRONG_CLOCK, detail));
        }
        if self.sub.is_empty() || self.sub.len() > SUBJECT {
            return Err(Problem::new(
                OIDC_REFUSED,
                "The provider's token names nobody: `sub` has 1 to 255 characters.",
            ));
        }
        Ok(())
    }

    /// The address, if the provider has seen that it is the person's.
    pub fn verified_email(&self) -> Option<String> {
        let is_verified = match &self.email_verified {
            Some(Value::Bool(is)) => *is,
            // As some providers write it.
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        self.email.as_ref().filter(|_| is_verified).map(|email| email.to_lowercase())
    }
}

fn unsigned() -> Problem {
    Problem::new(OIDC_WRONG_SIGNATURE, "No key of the provider's has signed the token.")
}
