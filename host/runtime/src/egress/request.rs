//! One request of a plugin: put together from its parts, and checked.
//!
//! A secret is filled in here, only at a place that the manifest names, only towards a granted host, and only
//! encrypted or to an address that the operator allowed.

use openhub_model::manifest::SecretPlace;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use std::net::IpAddr;
use std::time::Duration;

use super::Egress;
use super::hosts::{Pattern, bare};
use crate::bindings::http::http::{Part, Request};
use crate::capabilities::secrets::{Secrets, percent_encode};

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// What decides where a request goes, where it ends and how its answer is packed belongs to the host.
const HOST_HEADERS: [&str; 15] = [
    "accept-encoding",
    "host",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "if-range",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "http2-settings",
];
const URL_BYTES: usize = 8 * 1024;
const HEADERS: usize = 64;

/// What a request is checked against.
pub struct Grant<'a> {
    pub hosts: &'a [Pattern],
    pub secrets: &'a Secrets,
    pub egress: &'a Egress,
}

/// A request that may go out.
#[derive(Debug)]
pub struct Checked {
    pub(super) request: reqwest::Request,
    pub(super) port: u16,
    pub bytes: u64,
}

/// Puts the request together, or says why it is denied.
pub fn check(request: Request, grant: &Grant<'_>, at_most: Duration) -> Result<Checked, String> {
    let method = METHODS.into_iter().find(|method| method.as_str() == request.method);
    let there = METHODS.map(|method| method.to_string()).join(", ");
    let method = method.ok_or_else(|| format!("the method {:?} is not allowed; there are: {there}", request.method))?;
    let holds_secret = has_secret(&request.url)
        || has_secret(&request.body)
        || request.headers.iter().any(|(_, parts)| has_secret(parts));
    let (url, host, port) = target(&request.url, grant)?;
    let to = To { host: &host, port, secrets: grant.secrets };
    if holds_secret && url.scheme() != "https" && !grant.egress.is_allowed(&host, port) {
        return Err("a secret can be sent only over https".to_owned());
    }
    let url = filled(url, &request.url, &to)?;
    let headers = headers(request.headers, &to)?;
    let body = body(request.body, &headers, &to)?;
    let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let bytes = (url.as_str().len() + header_bytes + body.len()) as u64;
    let timeout = match request.timeout_ms {
        0 => at_most,
        millis => at_most.min(Duration::from_millis(u64::from(millis))),
    };
    let mut checked = reqwest::Request::new(method, url);
    *checked.headers_mut() = headers;
    *checked.timeout_mut() = Some(timeout);
    if !body.is_empty() {
        *checked.body_mut() = Some(body.into());
    }
    Ok(Checked { request: checked, port, bytes })
}

fn has_secret(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part, Part::Secret(_)))
}

/// Where a request goes: what a secret may be filled into is known first.
struct To<'a> {
    host: &'a str,
    port: u16,
    secrets: &'a Secrets,
}

impl To<'_> {
    fn secret(&self, name: &str, here: impl Fn(&SecretPlace) -> bool) -> Result<&[u8], String> {
        self.secrets.towards(name, (self.host, self.port), here).map_err(|missing| missing.explain(name))
    }
}

/// Stands for the secret in this part until it is known where the request goes.
fn stand_in(at: usize) -> String {
    format!("openhub-secret-{at}-")
}

/// The URL, with a stand-in for each secret, its host and its port.
fn target(parts: &[Part], grant: &Grant<'_>) -> Result<(Url, String, u16), String> {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Bytes(_) => return Err("a URL must be made of texts and secrets, not of bytes".to_owned()),
            Part::Secret(_) if !text.contains('?') => {
                return Err("in a URL, a secret can be only in the query".to_owned());
            }
            Part::Secret(_) => text.push_str(&stand_in(at)),
        }
    }
    // A URL parser drops or turns some of these silently.
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
        return Err("the URL has a space, a control character or a backslash".to_owned());
    }
    if text.len() > URL_BYTES {
        return Err(format!("the URL is longer than {URL_BYTES} bytes"));
    }
    let url = Url::parse(&text).map_err(|error| format!("the URL cannot be read: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme {:?} is not allowed: use https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(&text).contains('@') {
        return Err("the URL must not have a user or a password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("the URL must not have a fragment (`#…`)".to_owned());
    }
    let host = bare(url.host_str().unwrap_or_default()).to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    match host.parse::<IpAddr>() {
        Ok(address) if !grant.egress.may_reach(address, port) => {
            return Err(format!(
                "the address {address} is not on the open internet: the operator can allow \"{address}:{port}\" in `allow_private`"
            ));
        }
        _ => {}
    }
    if !grant.hosts.iter().any(|granted| granted.matches(&host, port)) {
        return Err(format!(
            "the host `{host}` at port {port} is not granted: name it in `hosts` of the manifest, with the port if it is not 443"
        ));
    }
    if url.scheme() != "https" && !grant.egress.is_allowed(&host, port) {
        return Err(format!(
            "plain HTTP is not allowed: use https, or the operator must name `{host}:{port}` in `allow_private`"
        ));
    }
    Ok((url, host, port))
}

/// The URL with its secrets, each the whole value of a parameter that the manifest names.
fn filled(url: Url, parts: &[Part], to: &To<'_>) -> Result<Url, String> {
    if !has_secret(parts) {
        return Ok(url);
    }
    let text = fields(parts, '?', to, |field, place| matches!(place, SecretPlace::Query(name) if name == field))?;
    Url::parse(&text).map_err(|error| format!("the URL cannot be read: {error}"))
}

/// Puts fields of a form or a query together. A secret is the whole value of a field: behind `name=`, before `&` or the end.
fn fields(
    parts: &[Part],
    opens: char,
    to: &To<'_>,
    here: impl Fn(&str, &SecretPlace) -> bool,
) -> Result<String, String> {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Bytes(bytes) => {
                text.push_str(std::str::from_utf8(bytes).map_err(|_| "a form with a secret must be UTF-8")?)
            }
            Part::Secret(secret) => {
                let field = text.strip_suffix('=').map(|before| before.rsplit(['&', opens]).next().unwrap_or(before));
                let ends = match parts.get(at + 1) {
                    None => true,
                    Some(Part::Text(next)) => next.starts_with('&'),
                    Some(Part::Bytes(next)) => next.starts_with(b"&"),
                    Some(Part::Secret(_)) => false,
                };
                let field = field.filter(|_| ends).ok_or("a secret must be the whole value of a parameter")?.to_owned();
                text.push_str(&percent_encode(to.secret(secret, |place| here(&field, place))?));
            }
        }
    }
    Ok(text)
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn headers(headers: Vec<(String, Vec<Part>)>, to: &To<'_>) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS {
        return Err(format!("the request has too many headers: at most {HEADERS}"));
    }
    let mut checked = HeaderMap::new();
    for (name, parts) in headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not a valid header name"))?;
        if HOST_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(format!("the hub sets the header `{name}`: remove it"));
        }
        let here =
            |place: &SecretPlace| matches!(place, SecretPlace::Header(at) if name.as_str().eq_ignore_ascii_case(at));
        let is_secret = has_secret(&parts);
        let mut value = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => value.extend_from_slice(text.as_bytes()),
                Part::Bytes(more) => value.extend_from_slice(&more),
                Part::Secret(secret) => value.extend_from_slice(to.secret(&secret, here)?),
            }
        }
        let mut value =
            HeaderValue::from_bytes(&value).map_err(|_| format!("the header `{name}` has a control character"))?;
        value.set_sensitive(is_secret);
        checked.append(name, value);
    }
    // Packed, a secret that comes back would pass the mask.
    checked.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(checked)
}

/// A secret stands in a field of a form, or in one text of a JSON document.
fn body(parts: Vec<Part>, headers: &HeaderMap, to: &To<'_>) -> Result<Vec<u8>, String> {
    if !has_secret(&parts) {
        return Ok(parts
            .into_iter()
            .flat_map(|part| match part {
                Part::Text(text) => text.into_bytes(),
                Part::Bytes(bytes) => bytes,
                Part::Secret(_) => Vec::new(),
            })
            .collect());
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") {
        let here = |field: &str, place: &SecretPlace| matches!(place, SecretPlace::Form(name) if name == field);
        return fields(&parts, '&', to, here).map(String::into_bytes);
    }
    document(&parts, to).map(String::into_bytes)
}

fn document(parts: &[Part], to: &To<'_>) -> Result<String, String> {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Bytes(bytes) => {
                text.push_str(std::str::from_utf8(bytes).map_err(|_| "a JSON body with a secret must be UTF-8")?)
            }
            Part::Secret(_) => text.push_str(&stand_in(at)),
        }
    }
    let read: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| "a body with a secret must be JSON or a form (`application/x-www-form-urlencoded`)")?;
    for (at, part) in parts.iter().enumerate() {
        let Part::Secret(secret) = part else { continue };
        let stands = stand_in(at);
        let here = |place: &SecretPlace| match place {
            SecretPlace::Body(pointer) if pointer.starts_with('/') => {
                read.pointer(pointer).and_then(serde_json::Value::as_str).is_some_and(|text| text.contains(&stands))
            }
            _ => false,
        };
        let value = std::str::from_utf8(to.secret(secret, here)?).map_err(|_| "a secret in JSON must be UTF-8")?;
        // Once in the whole: what stands at the pointer is then all that there is of it.
        if text.matches(&stands).count() != 1 {
            return Err("the body contains the mark that stands for a secret".to_owned());
        }
        let quoted = serde_json::Value::from(value).to_string();
        text = text.replace(&stands, &quoted[1..quoted.len() - 1]);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use openhub_model::manifest::{Manifest, SecretEncoding, SecretShape};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned())
    }

    fn get(url: &str) -> Request {
        Request { method: "GET".to_owned(), url: vec![text(url)], headers: Vec::new(), body: Vec::new(), timeout_ms: 0 }
    }

    fn secrets(places: Vec<SecretPlace>) -> Secrets {
        let hosts = vec!["api.example.com".to_owned(), "127.0.0.1:8080".to_owned()];
        let shape =
            SecretShape { name: "key".to_owned(), encoding: SecretEncoding::Text, places, hosts, required: true };
        let hosts = ["api.example.com", "127.0.0.1:8080", "second.example"].map(str::to_owned).to_vec();
        let manifest = Manifest { secrets: vec![shape], hosts, ..Manifest::default() };
        Secrets::prepare(&manifest, "{}", Arc::new(BTreeMap::from([("key".to_owned(), b"a b&c".to_vec())])))
    }

    fn checked(request: Request, hosts: &[&str], places: Vec<SecretPlace>) -> Result<Checked, String> {
        let hosts: Vec<Pattern> = hosts.iter().map(|host| Pattern::parse(host).unwrap()).collect();
        let secrets = secrets(places);
        let egress = Egress::new(&["127.0.0.1:8080".parse().unwrap()], &[]).unwrap();
        let grant = Grant { hosts: &hosts, secrets: &secrets, egress: &egress };
        check(request, &grant, Duration::from_secs(1))
    }

    const GRANTED: [&str; 14] = [
        "api.example.com",
        "second.example",
        "127.0.0.1:8080",
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
    ];

    #[test]
    fn addresses_are_denied_however_they_are_written_even_if_granted() {
        for url in [
            "http://127.0.0.1/",
            "http://127.0.0.1:8081/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://10.0.0.1/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://192.168.0.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[64:ff9b::127.0.0.1]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00:ec2::254]/",
        ] {
            let denied = checked(get(url), &GRANTED, vec![]).unwrap_err();
            assert!(denied.contains("open internet"), "{url}: {denied}");
        }
        assert!(checked(get("http://127.0.0.1:8080/x"), &GRANTED, vec![]).is_ok());
    }

    #[test]
    fn tricks_with_the_url_are_denied() {
        for url in [
            "https://other.example/",
            "https://api.example.com.other.example/",
            "https://api.example.com@127.0.0.1:8080/",
            "https://user:password@api.example.com/",
            "https://@api.example.com/",
            "https://api.example.com\\@127.0.0.1:8080/",
            "https://api.example.com/\r\nx: y",
            "https://api.exam\tple.com/",
            " https://api.example.com/",
            "https://api.example.com/#x",
            "https://api.example.com./",
            "ftp://api.example.com/",
            "file:///etc/passwd",
            "//api.example.com/",
            "",
        ] {
            assert!(checked(get(url), &GRANTED, vec![]).is_err(), "{url}");
        }
        assert!(checked(get("https://API.example.com/a?b=c"), &GRANTED, vec![]).is_ok());
    }

    #[test]
    fn tricks_with_headers_and_methods_are_denied() {
        let with = |name: &str, value: &str| {
            let mut request = get("https://api.example.com/");
            request.headers.push((name.to_owned(), vec![text(value)]));
            checked(request, &GRANTED, vec![])
        };
        for name in [
            "Host",
            "Accept-Encoding",
            "Range",
            "if-range",
            "content-length",
            "Transfer-Encoding",
            "connection",
            "Proxy-Authorization",
            "bad name",
            "x\r\ny",
        ] {
            assert!(with(name, "x").is_err(), "{name}");
        }
        assert!(with("x-key", "a\r\nhost: b").is_err());
        assert!(with("x-key", "a").is_ok());
        for method in ["CONNECT", "TRACE", "get", "GET /x"] {
            let request = Request { method: method.to_owned(), ..get("https://api.example.com/") };
            assert!(checked(request, &GRANTED, vec![]).is_err(), "{method}");
        }
    }

    #[test]
    fn c5_a_secret_stands_only_where_the_manifest_says() {
        let secret = || Part::Secret("key".to_owned());
        let url = |head: &str| Request { url: vec![text(head), secret()], ..get("") };
        let query = || vec![SecretPlace::Query("key".to_owned())];
        let ok = checked(url("https://api.example.com/?a=b&key="), &GRANTED, query()).unwrap();
        assert_eq!(ok.request.url().query(), Some("a=b&key=a%20b%26c"));
        for other in ["/?", "/?other=", "/?key=x", "/?x=key=", "/?xkey=", "/"] {
            assert!(checked(url(&format!("https://api.example.com{other}")), &GRANTED, query()).is_err(), "{other}");
        }
        let longer = Request { url: vec![text("https://api.example.com/?key="), secret(), text("x")], ..get("") };
        assert!(checked(longer, &GRANTED, query()).is_err(), "it is the whole value");
        let unnamed = vec![SecretPlace::Query(String::new())];
        assert!(checked(url("https://api.example.com/?key="), &GRANTED, unnamed).is_err());
        assert!(checked(url("http://api.example.com/?key="), &GRANTED, query()).is_err());
        assert!(checked(url("http://127.0.0.1:8080/?key="), &GRANTED, query()).is_ok());
        let elsewhere = checked(url("https://second.example/?key="), &GRANTED, query()).unwrap_err();
        assert!(elsewhere.contains("host"), "a host of the manifest's, and none of the secret's: {elsewhere}");
        assert!(checked(get("https://second.example/?key=no"), &GRANTED, query()).is_ok());

        let header = |name: &str| Request {
            headers: vec![(name.to_owned(), vec![text("Bearer "), secret()])],
            ..get("https://api.example.com/")
        };
        let place = || vec![SecretPlace::Header("Authorization".to_owned())];
        let ok = checked(header("authorization"), &GRANTED, place()).unwrap();
        assert!(ok.request.headers()["authorization"].is_sensitive());
        assert_eq!(ok.request.headers()["accept-encoding"], "identity");
        assert!(checked(header("x-other"), &GRANTED, place()).is_err());
        let other = Request { url: vec![text("https://second.example/")], ..header("authorization") };
        assert!(checked(other, &GRANTED, place()).is_err());
    }

    #[test]
    fn c5_a_secret_in_a_body_has_a_field() {
        let secret = || Part::Secret("key".to_owned());
        let send = |kind: &str, parts: Vec<Part>, place: SecretPlace| {
            let headers = vec![("content-type".to_owned(), vec![text(kind)])];
            let request = Request { headers, body: parts, ..get("https://api.example.com/") };
            let checked = checked(request, &GRANTED, vec![place])?;
            let body = checked.request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec();
            Ok::<String, String>(String::from_utf8(body).unwrap())
        };
        let form = |parts| send("application/x-www-form-urlencoded", parts, SecretPlace::Form("k".to_owned()));
        assert_eq!(form(vec![text("a=1&k="), secret(), text("&b=2")]).unwrap(), "a=1&k=a%20b%26c&b=2");
        assert_eq!(form(vec![text("k="), secret()]).unwrap(), "k=a%20b%26c");
        assert!(form(vec![text("a="), secret()]).is_err());
        assert!(form(vec![text("k="), secret(), secret()]).is_err());
        let json = |parts| send("application/json", parts, SecretPlace::Body("/auth/key".to_owned()));
        let open = r#"{"z":1, "auth":{"key":""#;
        assert_eq!(json(vec![text(open), secret(), text("\"}}")]).unwrap(), r#"{"z":1, "auth":{"key":"a b&c"}}"#);
        assert!(json(vec![text(r#"{"auth":{"other":""#), secret(), text("\"}}")]).is_err());
        assert!(json(vec![text("key="), secret()]).is_err(), "it is no JSON");
        let twice = vec![text(r#"{"note":"openhub-secret-1-","auth":{"key":""#), secret(), text("\"}}")];
        assert!(json(twice).is_err());
        let hidden = vec![text(r#"{"auth":{"key":""#), secret(), text(r#"","key":"x"}}"#)];
        assert!(json(hidden).is_err(), "the second of two names counts");
    }

    #[test]
    fn c5_a_port_is_granted_by_its_number_and_plain_http_by_the_operator() {
        assert!(checked(get("https://api.example.com:8443/"), &GRANTED, vec![]).is_err());
        assert!(checked(get("https://api.example.com:8443/"), &["api.example.com:8443"], vec![]).is_ok());
        assert!(
            checked(get("http://api.example.com/"), &["api.example.com:80"], vec![])
                .unwrap_err()
                .contains("plain HTTP")
        );
        assert!(checked(get("http://127.0.0.1:8080/"), &GRANTED, vec![]).is_ok());
    }
}
