//! Addresses in a plugin's settings that a hub does not let a plugin reach, unless its operator has opened them.

use reqwest::Url;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// A line for each of the addresses. Whether the operator has opened it, only the hub knows, when a message goes there.
pub fn told(settings: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in settings {
        match value {
            Value::Object(below) => lines.extend(told(below)),
            Value::String(text) => lines.extend(line(name, text)),
            _ => {}
        }
    }
    lines
}

fn line(name: &str, text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()))?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    let why = match (is_inside(host), url.scheme()) {
        (true, _) => "is not on the open internet",
        (false, "http") => "is plain HTTP",
        _ => return None,
    };
    Some(format!(
        "  note: `{name}` {why}: the plugin reaches it only if the operator of the hub has opened it, with `--allow-private {host}:{port}` \
         of `openhub serve`; else each message to it fails"
    ))
}

fn is_inside(host: &str) -> bool {
    let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() else {
        return host == "localhost" || host.ends_with(".localhost") || !host.contains('.');
    };
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn findings14_f13_an_address_that_is_closed_is_told() {
        let told = |settings: Value| told(settings.as_object().unwrap());
        for closed in [
            "http://127.0.0.1:9000/hook",
            "https://[::1]/",
            "https://10.1.2.3",
            "http://receiver:80",
            "http://example.com",
        ] {
            assert_eq!(told(json!({"url": closed})).len(), 1, "{closed}");
        }
        assert!(told(json!({"url": "http://127.0.0.1:9000/hook"}))[0].contains("`--allow-private 127.0.0.1:9000`"));
        let open = json!({"url": "https://example.com/hook", "from": "a@b.c", "n": 7, "list": ["http://127.0.0.1"]});
        assert_eq!(told(open), Vec::<String>::new());
        assert_eq!(told(json!({"rule": {"url": "http://localhost:1"}})).len(), 1);
    }
}
