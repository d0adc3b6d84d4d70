//! What a manifest asks for, whatever of it the component uses: what an admin reads and agrees to has to be what it seems.

use std::collections::BTreeSet;

use openhub_model::manifest::{Manifest, RuleShape, SecretEncoding, SecretPlace, SecretShape, Type, Write};
use openhub_model::plain::misleads;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use serde_json::Value;

use crate::egress::hosts;

/// Hosts, each of which an admin reads.
const HOSTS: usize = 64;
/// Of one secret: each is looked for in a body.
const PLACES: usize = 8;
/// Characters of a publisher's name.
const PUBLISHER: usize = 200;
/// What a request says of itself, and no secret.
const OF_REQUESTS: [HeaderName; 5] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];

/// Refuses texts that would not be read as they are written: line breaks, codes for a terminal, and marks that turn the direction of
/// reading. `at` is where in the manifest.
pub fn readable(value: &Value, at: &str) -> Result<(), String> {
    let fault = |text: &str, at: &str| {
        let found = text.chars().find(|c| misleads(*c))?;
        Some(format!("the manifest has the character {} at {}: take it out", found.escape_unicode(), at.escape_debug()))
    };
    match value {
        Value::String(text) => fault(text, at).map_or(Ok(()), Err),
        Value::Array(all) => {
            all.iter().enumerate().try_for_each(|(place, value)| readable(value, &format!("{at}/{place}")))
        }
        Value::Object(all) => all.iter().try_for_each(|(name, value)| {
            fault(name, at).map_or(Ok(()), Err)?;
            readable(value, &format!("{at}/{name}"))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

pub fn check(manifest: &Manifest) -> Result<(), String> {
    let publisher = manifest.publisher.trim();
    if publisher.is_empty() || manifest.publisher.chars().count() > PUBLISHER {
        return Err(format!("the publisher must have 1 to {PUBLISHER} characters"));
    }
    check_hosts(manifest)?;
    manifest.secrets.iter().try_for_each(|secret| check_secret(manifest, secret))?;
    check_writes(&manifest.rules)?;
    let limits = &manifest.limits;
    let limits = [
        ("pure_ms", limits.pure_ms),
        ("io_ms", limits.io_ms),
        ("memory_mib", limits.memory_mib),
        ("rows", limits.rows),
    ];
    match limits.into_iter().find(|(_, limit)| *limit == Some(0)) {
        Some((name, _)) => Err(format!("the limit `{name}` is 0: it must be at least 1")),
        None => Ok(()),
    }
}

fn check_hosts(manifest: &Manifest) -> Result<(), String> {
    if manifest.hosts.len() > HOSTS {
        return Err(format!("the manifest has {} hosts: at most {HOSTS}", manifest.hosts.len()));
    }
    for host in &manifest.hosts {
        if !hosts::is_valid(host) {
            return Err(format!(
                "`{host:.100}` is not valid in `hosts`: write a host like api.example.com, a pattern like *.example.com, or `setting:` and the name of a setting"
            ));
        }
        let setting = hosts::setting(host);
        if setting
            .is_some_and(|name| !manifest.settings.iter().any(|field| field.name == name && field.of == Type::Text))
        {
            return Err(format!("`{host:.100}` in `hosts` names no setting that is a text"));
        }
    }
    Ok(())
}

fn check_secret(manifest: &Manifest, secret: &SecretShape) -> Result<(), String> {
    let name = &secret.name;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_word) {
        return Err(format!("the secret's name {name:.64?} is not valid: use 1 to 64 letters, digits, `-` and `_`"));
    }
    if secret.places.is_empty() {
        return Err(format!("the secret `{name}` has no place: name one in `places`"));
    }
    if secret.places.len() > PLACES {
        return Err(format!("the secret `{name}` has {} places: at most {PLACES}", secret.places.len()));
    }
    secret.places.iter().try_for_each(|place| check_place(name, place))?;
    if let Some(host) = secret.hosts.iter().find(|host| !manifest.hosts.contains(host)) {
        return Err(format!(
            "the secret `{name}` names the host `{host:.100}`, which is not in the manifest's `hosts`: {}",
            manifest.hosts.join(", ")
        ));
    }
    if let Some(pointer) = &secret.capture
        && (!pointer.starts_with('/') || secret.required || secret.encoding != SecretEncoding::Text)
    {
        return Err(format!(
            "the secret `{name}` is given by an answer: `capture` must be a JSON pointer, like \"/access_token\", and the secret neither `required` nor encoded"
        ));
    }
    let travels = secret.places.iter().any(SecretPlace::travels);
    if travels && secret.hosts.is_empty() && manifest.hosts.len() > 1 {
        return Err(format!(
            "the manifest has several hosts, and the secret `{name}` does not say which may get it: name them in its `hosts`"
        ));
    }
    Ok(())
}

fn check_place(secret: &str, place: &SecretPlace) -> Result<(), String> {
    match place {
        SecretPlace::Header(header) => match HeaderName::from_bytes(header.as_bytes()) {
            Ok(name) if !OF_REQUESTS.contains(&name) => Ok(()),
            _ => {
                Err(format!("the secret `{secret}` goes into `{header:.100}`, which is not a header that can carry it"))
            }
        },
        SecretPlace::Query(field) | SecretPlace::Form(field) if field.is_empty() => Err(format!(
            "the secret `{secret}` has a place without a parameter: write {{ query = \"name\" }} or {{ form = \"name\" }}"
        )),
        SecretPlace::Body(pointer) if !pointer.starts_with('/') => Err(format!(
            "the secret `{secret}` has a place without a field of the body: write a JSON pointer, like {{ body = \"/key\" }}"
        )),
        _ => Ok(()),
    }
}

/// What a rule writes it writes once, and an attribute is one rule's.
fn check_writes(rules: &[RuleShape]) -> Result<(), String> {
    let mut owned = BTreeSet::new();
    for rule in rules {
        let mut own = BTreeSet::new();
        if let Some(twice) = rule.writes.iter().find(|write| !own.insert(&write.path)) {
            return Err(format!("the rule `{:.64}` writes `{:.100}` twice: remove one", rule.name, twice.path));
        }
        let attributes = rule.writes.iter().filter(|write: &&Write| write.path.starts_with("customer.attributes."));
        if let Some(twice) = attributes.into_iter().find(|write| !owned.insert(&write.path)) {
            return Err(format!("two rules write `{:.100}`: an attribute belongs to one rule", twice.path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(change: impl FnOnce(&mut Value)) -> String {
        let mut manifest = json!({
            "format": 1, "name": "quiet", "version": "1.0.0", "publisher": "OpenHub", "imports": [],
            "settings": [{"name": "url", "type": "text"}, {"name": "depth", "type": "integer"}],
            "hosts": ["api.example.com", "setting:url"],
            "secrets": [{"name": "api-key", "places": [{"header": "Authorization"}], "hosts": ["api.example.com"]}],
            "rules": [{"name": "a", "on": [], "reads": [], "writes": [{"name": "x", "path": "customer.attributes.x", "type": "text"}]}],
        });
        change(&mut manifest);
        let read = readable(&manifest, "").and_then(|()| check(&serde_json::from_value(manifest).unwrap()));
        read.err().unwrap_or_default()
    }

    #[test]
    fn breaker15_f1_what_is_agreed_to_is_what_is_read() {
        assert_eq!(said(|_| {}), "");
        for text in
            ["\u{1b}[1A\u{1b}[2K", "a\nasks for:", "a\r", "\u{202e}moc.live", "\u{7f}", "\u{9b}2K", "a\u{200b}b", "\0"]
        {
            let told = said(|manifest| manifest["hosts"][0] = json!(text));
            assert!(told.contains("at /hosts/0: take it out") && told.is_ascii(), "{told}");
            assert!(said(|manifest| manifest["title"] = json!({"en": text})).contains("at /title/en"));
            assert!(said(|manifest| manifest["title"] = json!({text: "x"})).contains("at /title"));
        }
        assert_eq!(said(|manifest| manifest["title"] = json!({"zh": "积分 – “points” 🚲", "en": "Earns"})), "");
    }

    #[test]
    fn breaker15_f10_what_cannot_work_is_refused() {
        for host in ["", "http://x/", "a:99999", "a b.com", "setting:nope", "setting:depth", "setting:"] {
            let told = said(|manifest| manifest["hosts"][1] = json!(host));
            assert!(told.contains("`hosts`"), "{host}: {told}");
        }
        assert!(said(|manifest| manifest["hosts"] = json!(vec!["a.example"; 65])).contains("65 hosts"));
        let secret = |change: &dyn Fn(&mut Value)| said(|manifest| change(&mut manifest["secrets"][0]));
        for (told, change) in [
            ("no place", &(|secret: &mut Value| secret["places"] = json!([])) as &dyn Fn(&mut Value)),
            ("9 places", &|secret| secret["places"] = json!(vec!["hmac"; 9])),
            ("not a header", &|secret| secret["places"] = json!([{"header": "Host"}])),
            ("not a header", &|secret| secret["places"] = json!([{"header": "a b"}])),
            ("without a field", &|secret| secret["places"] = json!([{"body": "nopointer"}])),
            ("without a parameter", &|secret| secret["places"] = json!([{"query": ""}])),
            ("not in the manifest's", &|secret| secret["hosts"] = json!(["b.example"])),
            ("which may get it", &|secret| secret["hosts"] = json!([])),
            ("name \"../x\" is not valid", &|secret| secret["name"] = json!("../x")),
            ("`capture` must be", &|secret| secret["capture"] = json!("token")),
        ] {
            let refused = secret(change);
            assert!(refused.contains(told), "{told}: {refused}");
        }
        for publisher in ["", "  ", &"p".repeat(201)] {
            assert!(said(|manifest| manifest["publisher"] = json!(publisher)).contains("the publisher must have"));
        }
        assert!(said(|manifest| manifest["limits"] = json!({"rows": 0})).contains("`rows` is 0"));
        let twice = said(|manifest| {
            let write = manifest["rules"][0]["writes"][0].clone();
            manifest["rules"][0]["writes"].as_array_mut().unwrap().push(write);
        });
        assert!(twice.contains("writes `customer.attributes.x` twice"), "{twice}");
        let both = said(|manifest| {
            let mut rule = manifest["rules"][0].clone();
            rule["name"] = json!("b");
            manifest["rules"].as_array_mut().unwrap().push(rule);
        });
        assert!(both.contains("two rules write"), "{both}");
    }
}
