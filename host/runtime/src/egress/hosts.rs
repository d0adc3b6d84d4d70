//! Granted hosts: names, addresses and `*.` patterns, some of them taken from an installation's settings.

use openhub_model::Fault;
use reqwest::Url;
use serde_json::Value;
use std::net::Ipv6Addr;

const SETTING: &str = "setting:";
const HTTPS: u16 = 443;
const NOT_A_URL: &str = "This must be a URL like `https://example.com/in`, without a user, a password or a fragment.";

/// Replaces `setting:<name>` by the host (and the port, if it is written) of the URL in that setting. A setting that
/// is not set grants nothing. Faults point into the settings.
pub fn resolve(hosts: &[String], settings: &Value) -> Result<Vec<String>, Vec<Fault>> {
    let mut resolved = Vec::new();
    let mut faults = Vec::new();
    for host in hosts {
        let Some(name) = host.strip_prefix(SETTING) else {
            resolved.push(host.clone());
            continue;
        };
        match settings.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => match value.as_str().and_then(host_of_url) {
                Some(host) => resolved.push(host),
                None => faults.push(Fault::new(format!("/{name}"), "not-a-url", NOT_A_URL)),
            },
        }
    }
    if faults.is_empty() { Ok(resolved) } else { Err(faults) }
}

/// None of what a request could not be sent to.
fn host_of_url(text: &str) -> Option<String> {
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host =
        url.host_str().filter(|_| url.username().is_empty() && url.password().is_none() && url.fragment().is_none())?;
    Some(match url.port_or_known_default() {
        Some(443) | None => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    })
}

/// One granted host at one port: 443 unless another is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Normalised as in a URL, without brackets.
    host: String,
    /// `*.`: any name below `host`.
    below: bool,
    port: u16,
}

impl Pattern {
    pub fn parse(text: &str) -> Option<Pattern> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let bracketed = rest.parse::<Ipv6Addr>().map(|address| format!("[{address}]"));
        let rest = bracketed.as_deref().unwrap_or(rest);
        // `https` drops its own default port only, so that port 80 stays written.
        let url = Url::parse(&format!("https://{rest}/")).ok()?;
        let plain = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        let host = bare(url.host_str()?).to_owned();
        let is_name = url.domain().is_some();
        let wide = below && (!is_name || !host.contains('.'));
        if !plain || wide || url.query().is_some() || url.fragment().is_some() || host.contains('*') {
            return None;
        }
        Some(Pattern { host, below, port: url.port().unwrap_or(HTTPS) })
    }

    pub fn matches(&self, host: &str, port: u16) -> bool {
        let named = if self.below {
            host.strip_suffix(self.host.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        };
        named && self.port == port
    }
}

/// Whether a manifest may ask for it.
pub fn is_valid(host: &str) -> bool {
    match host.strip_prefix(SETTING) {
        Some(name) => !name.is_empty(),
        None => Pattern::parse(host).is_some(),
    }
}

/// The setting that names it.
pub fn setting(host: &str) -> Option<&str> {
    host.strip_prefix(SETTING)
}

/// A URL writes IPv6 addresses in brackets.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_become_hosts() {
        let hosts = ["api.example.com".to_owned(), "setting:url".to_owned(), "setting:other".to_owned()];
        let resolved = resolve(&hosts, &json!({"url": "http://127.0.0.1:8080/in"})).unwrap();
        assert_eq!(resolved, ["api.example.com", "127.0.0.1:8080"]);
        let faults = resolve(&hosts, &json!({"url": "file:///etc/passwd"})).unwrap_err();
        assert_eq!(faults[0].pointer, "/url");
    }

    #[test]
    fn patterns_match_what_they_name() {
        let matches = |pattern: &str, host: &str, port| Pattern::parse(pattern).unwrap().matches(host, port);
        assert!(matches("api.example.com", "api.example.com", 443));
        assert!(matches("API.Example.com", "api.example.com", 443));
        assert!(!matches("api.example.com", "api.example.com.evil.net", 443));
        assert!(!matches("example.com", "api.example.com", 443));
        assert!(matches("*.example.com", "a.b.example.com", 443));
        assert!(!matches("*.example.com", "example.com", 443));
        assert!(!matches("*.example.com", "evilexample.com", 443));
        assert!(!matches("api.example.com", "api.example.com", 8443), "a port is named, or it is 443");
        assert!(matches("api.example.com:8443", "api.example.com", 8443));
        assert!(matches("127.0.0.1:8080", "127.0.0.1", 8080));
        assert!(!matches("127.0.0.1:8080", "127.0.0.1", 8081));
        assert!(matches("[::1]:80", "::1", 80));
        assert!(!matches("example.com:443", "example.com", 80));
    }

    #[test]
    fn too_wide_or_odd_patterns_are_refused() {
        for pattern in ["*", "*.com", "*.127.0.0.1", "a@b.com", "a.com/x", "a.com?x", "a.*.com", "", "setting:", "a b"]
        {
            assert!(!is_valid(pattern), "{pattern}");
        }
    }
}
