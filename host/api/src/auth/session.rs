//! The cookie of a person who is logged in: `__Host-openhub`, whose value is the tenant and 128 random bits. A browser sends it with
//! whatever page asks, so what changes something by it has to come from a page of this hub.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use openhub_model::{TenantId, Timestamp};
use openhub_store::{NewSession, Session};
use sha2::{Digest, Sha256};
use std::net::IpAddr;

use crate::problem::{FOREIGN_ORIGIN, Problem};

/// The prefix has browsers take it only over TLS (or from localhost), from this host, for all of its paths.
const NAME: &str = "__Host-openhub";
/// However it is used, a session ends after this.
pub(crate) const LONGEST_S: i64 = 12 * 3600;
/// One that is not used ends after this.
pub(crate) const IDLE_S: i64 = 2 * 3600;

/// A session as a browser names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionText {
    pub tenant: TenantId,
    /// Hex SHA-256 of the rest.
    pub hash: String,
}

impl SessionText {
    /// None without the cookie, or if it is none of ours.
    pub fn of(headers: &HeaderMap) -> Option<SessionText> {
        let (tenant, secret) = cookie_named(headers, NAME)?.split_once('.')?;
        let is_hex = secret.len() == 32 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        let tenant: i64 = tenant.parse().ok()?;
        (is_hex && tenant > 0).then(|| SessionText { tenant: TenantId(tenant), hash: hash(secret) })
    }
}

/// What a browser sends under a name.
pub(crate) fn cookie_named<'h>(headers: &'h HeaderMap, named: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == named).map(|(_, value)| value)
}

/// A new session of a person: what to store, and the cookie's value.
pub(crate) fn begin(tenant: TenantId, person: &str, random: [u8; 16], now: Timestamp) -> (NewSession, String) {
    let secret = hex::encode(random);
    let after = |seconds: i64| Timestamp::from_micros(now.micros() + seconds * 1_000_000);
    let new = NewSession {
        hash: hash(&secret),
        person: person.to_owned(),
        at: now,
        ends_at: after(LONGEST_S),
        idle_since: after(-IDLE_S),
    };
    (new, format!("{}.{secret}", tenant.0))
}

/// Whether it works now.
pub(crate) fn is_alive(session: &Session, now: Timestamp) -> bool {
    now < session.ends_at && now.micros() - session.seen_at.micros() < IDLE_S * 1_000_000
}

/// What gives the browser a cookie.
pub(crate) fn cookie(value: &str) -> HeaderValue {
    said(&format!("{NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LONGEST_S}"))
}

/// What takes it away.
pub(crate) fn no_cookie() -> HeaderValue {
    said(&format!("{NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"))
}

/// What sets a cookie, or takes one away.
pub(crate) fn said(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a cookie of printable ASCII is a header")
}

/// Refuses what a page of another origin has a browser change. Browsers say the origin of all that is not read.
pub(crate) fn same_origin(method: &Method, headers: &HeaderMap, host: Option<&str>) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(host);
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    match (own, origin.and_then(Origin::of)) {
        (Some(own), Some(from)) if from.is_of(own) => Ok(()),
        _ => Err(Problem::new(
            FOREIGN_ORIGIN,
            "A session changes something only from a page of this hub, and `Origin` names another one, or is not there. From elsewhere, \
             use a key.",
        )),
    }
}

/// Where a page comes from.
struct Origin {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn of(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://")?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, port) = host_and_port(rest)?;
        Some(Origin { is_secure, host, port: port.unwrap_or(usual_port(is_secure)) })
    }

    /// Whether a request to this host is to where the page comes from. Browsers send the cookie over TLS alone, and to this machine: so a
    /// page without TLS is another site's, unless it is of this machine.
    fn is_of(&self, host: &str) -> bool {
        let Some((host, port)) = host_and_port(host) else { return false };
        let is_here = host == "localhost"
            || host.ends_with(".localhost")
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        self.host == host && self.port == port.unwrap_or(usual_port(self.is_secure)) && (self.is_secure || is_here)
    }
}

/// The one that nobody writes.
fn usual_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = text.parse().ok()?;
    let is_plain = !text.contains('@');
    is_plain.then(|| (authority.host().to_ascii_lowercase(), authority.port_u16()))
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_cookie_names_its_session_and_not_what_is_stored() {
        let (new, value) = begin(TenantId(7), "p", [3; 16], Timestamp::from_micros(0));
        let cookies = format!("theme=dark; {NAME}={value}");
        let text = SessionText::of(&headers(&[(header::COOKIE, &cookies)])).expect("it is there");
        assert_eq!((text.tenant, &text.hash), (TenantId(7), &new.hash));
        assert!(!value.contains(&new.hash));
        for wrong in
            ["", "7", "7.", "x.00000000000000000000000000000000", "-1.00000000000000000000000000000000", "7.zz"]
        {
            let cookies = format!("{NAME}={wrong}");
            assert_eq!(SessionText::of(&headers(&[(header::COOKIE, &cookies)])), None, "{wrong}");
        }
        assert_eq!(SessionText::of(&headers(&[(header::COOKIE, &format!("openhub={value}"))])), None);
    }

    #[test]
    fn what_changes_something_comes_from_a_page_of_the_hub() {
        let asked = |method: Method, host: &str, origin: Option<&str>| {
            let mut pairs = vec![(header::HOST, host)];
            pairs.extend(origin.map(|origin| (header::ORIGIN, origin)));
            same_origin(&method, &headers(&pairs), None).is_ok()
        };
        assert!(asked(Method::GET, "hub.example", Some("https://evil.example")), "reading changes nothing");
        assert!(asked(Method::POST, "hub.example", Some("https://hub.example")));
        assert!(asked(Method::POST, "localhost:7300", Some("http://localhost:7300")));
        assert!(asked(Method::POST, "hub.example:443", Some("https://HUB.example")));
        assert!(asked(Method::POST, "hub.example", Some("https://hub.example:443")));
        assert!(asked(Method::POST, "hub.example:8443", Some("https://hub.example:8443")));
        assert!(asked(Method::POST, "localhost", Some("http://localhost")));
        assert!(asked(Method::POST, "127.0.0.1:7300", Some("http://127.0.0.1:7300")));
        assert!(asked(Method::POST, "[::1]:7300", Some("http://[::1]:7300")));
        for (host, origin) in [
            ("hub.example:80", "https://hub.example"),
            ("hub.example:443", "http://hub.example"),
            ("hub.example:443", "https://hub.example:80"),
            ("localhost:80", "https://localhost"),
            ("localhost:7300", "http://localhost"),
            ("127.0.0.1:7300", "http://127.0.0.2:7300"),
        ] {
            assert!(!asked(Method::POST, host, Some(origin)), "{origin} is not {host}");
        }
        for origin in [
            None,
            Some("null"),
            Some(""),
            Some("https://evil.example"),
            Some("https://hub.example.evil.example"),
            Some("https://hub.example:8443"),
            Some("https://hub.example:80"),
            Some("http://hub.example"),
            Some("https://hub.example@evil.example"),
            Some("file://hub.example"),
        ] {
            assert!(!asked(Method::POST, "hub.example", origin), "{origin:?}");
        }
    }
}
