//! What a browser carries between two steps of a log-in, sealed under the hub's key: it reads nothing of it, and changes nothing.

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openhub_engine::secrets::{Owner, Sealer};
use openhub_model::{TenantId, Timestamp};
use openhub_store::Subject;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::auth::{cookie_named, said};

const NAME: &str = "__Host-openhub-oidc";
/// As long as somebody takes to log in at the provider.
const BEGUN_S: i64 = 10 * 60;
/// As long as somebody looks for the authenticator.
const PROVEN_S: i64 = 5 * 60;
/// Bytes of a cookie that are looked at.
const LONGEST: usize = 4 * 1024;

/// Somebody went to the provider.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    pub tenant: TenantId,
    pub issuer: String,
    /// What the provider sends back.
    pub state: String,
    /// What its token has to have in it.
    pub nonce: String,
    /// What shows the provider that the code is this browser's.
    pub verifier: String,
    pub return_to: String,
    until: Timestamp,
}

/// The provider said who it is; a code of the authenticator is still to come.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proven {
    pub tenant: TenantId,
    pub person: String,
    issuer: String,
    subject: String,
    until: Timestamp,
}

impl Begun {
    pub fn new(tenant: TenantId, issuer: String, return_to: String, random: [[u8; 16]; 4], now: Timestamp) -> Begun {
        let [state, nonce, one, other] = random.map(hex::encode);
        Begun { tenant, issuer, state, nonce, verifier: one + &other, return_to, until: after(now, BEGUN_S) }
    }

    /// What the provider is told of the verifier.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    pub fn cookie(&self, sealer: &Sealer) -> HeaderValue {
        cookie(self, "begun", sealer, BEGUN_S)
    }

    pub fn of(headers: &HeaderMap, sealer: &Sealer, now: Timestamp) -> Option<Begun> {
        opened::<Begun>(headers, "begun", sealer).filter(|begun| now < begun.until)
    }
}

impl Proven {
    pub fn new(tenant: TenantId, person: String, subject: Subject, now: Timestamp) -> Proven {
        Proven { tenant, person, issuer: subject.issuer, subject: subject.id, until: after(now, PROVEN_S) }
    }

    pub fn subject(&self) -> Subject {
        Subject { issuer: self.issuer.clone(), id: self.subject.clone() }
    }

    pub fn cookie(&self, sealer: &Sealer) -> HeaderValue {
        cookie(self, "proven", sealer, PROVEN_S)
    }

    pub fn of(headers: &HeaderMap, sealer: &Sealer, now: Timestamp) -> Option<Proven> {
        opened::<Proven>(headers, "proven", sealer).filter(|proven| now < proven.until)
    }
}

/// What takes it away.
pub(crate) fn no_attempt() -> HeaderValue {
    said(&format!("{NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"))
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_micros(now.micros() + seconds * 1_000_000)
}

/// No plugin has such a name, and no tenant this number: nobody has shown yet whose it is.
fn owner(step: &str) -> Owner<'_> {
    Owner { tenant: TenantId(0), plugin: "@log-in", name: step }
}

fn cookie(content: &impl Serialize, step: &str, sealer: &Sealer, lasts_s: i64) -> HeaderValue {
    let content = serde_json::to_vec(content).expect("texts and numbers are always JSON");
    let sealed = sealer.seal(owner(step), &content);
    said(&format!("{NAME}={sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lasts_s}"))
}

fn opened<T: DeserializeOwned>(headers: &HeaderMap, step: &str, sealer: &Sealer) -> Option<T> {
    let sealed = cookie_named(headers, NAME).filter(|sealed| sealed.len() <= LONGEST && sealed.starts_with("1:"))?;
    serde_json::from_slice(&sealer.open(owner(step), sealed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;

    fn headers(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        [(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}")).unwrap())].into_iter().collect()
    }

    #[test]
    fn what_a_browser_carries_is_read_as_it_was_sealed_in_its_step_and_its_time() {
        let (sealer, at) = (Sealer::from_key([7; 32]), Timestamp::from_micros);
        let begun = Begun::new(
            TenantId(3),
            "https://idp.example".into(),
            "/".into(),
            [[1; 16], [2; 16], [3; 16], [4; 16]],
            at(0),
        );
        let carried = headers(&begun.cookie(&sealer));
        let end = BEGUN_S * 1_000_000;
        assert_eq!(Begun::of(&carried, &sealer, at(end - 1)).as_ref(), Some(&begun));
        assert_eq!(Begun::of(&carried, &sealer, at(end)), None);
        assert_eq!(Begun::of(&carried, &Sealer::from_key([8; 32]), at(0)), None);
        assert_eq!(Proven::of(&carried, &sealer, at(0)), None, "one step is not another");
        assert_eq!(begun.verifier.len(), 64);
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let mut begun = Begun::new(TenantId(3), String::new(), String::new(), [[0; 16]; 4], Timestamp::from_micros(0));
        begun.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        assert_eq!(begun.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
