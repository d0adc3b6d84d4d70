//! One request of a plugin: put together from its parts, checked, sent, and its answer capped and masked.
//!
//! A secret is filled in here, only at a place that the manifest names, only towards a granted host, and only
//! encrypted or to an address that the operator allowed.

use openhub_model::manifest::SecretPlace;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use super::hosts::{Pattern, bare};
use super::{Egress, NoOpenAddress};
use crate::bindings::http::http::{Fault, Part, Request};
use crate::bindings::types::types::Response;
use crate::capabilities::secrets::{Secrets, percent_encode};

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// What decides where a request goes and where it ends belongs to the host.
const HOST_HEADERS: [&str; 12] = [
    "host",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "http2-settings",
];
/// Says of an answer that its body is left out, and why.
const CUT: &str = "openhub-cut";
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
    request: reqwest::Request,
    port: u16,
    pub bytes: u64,
}

/// Puts the request together, or says why it is denied.
pub fn check(request: Request, grant: &Grant<'_>, at_most: Duration) -> Result<Checked, String> {
    let method = METHODS.into_iter().find(|method| method.as_str() == request.method);
    let method = method.ok_or_else(|| format!("the method {:?} is not offered", request.method))?;
    let holds_secret = has_secret(&request.url)
        || has_secret(&request.body)
        || request.headers.iter().any(|(_, parts)| has_secret(parts));
    let (url, port) = target(&request.url, holds_secret, grant)?;
    let headers = headers(request.headers, grant.secrets)?;
    let body = body(request.body, grant.secrets)?;
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

fn target(parts: &[Part], holds_secret: bool, grant: &Grant<'_>) -> Result<(Url, u16), String> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Bytes(_) => return Err("a URL is made of texts and secrets".to_owned()),
            Part::Secret(_) if !text.contains('?') => return Err("a secret stands in a URL's query only".to_owned()),
            Part::Secret(name) => {
                let secret = grant.secrets.at(name, |place| *place == SecretPlace::Query);
                text.push_str(&percent_encode(secret.map_err(|missing| missing.explain(name))?));
            }
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
        return Err(format!("the scheme {:?} is not offered", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(&text).contains('@') {
        return Err("a URL carries no user".to_owned());
    }
    if url.fragment().is_some() {
        return Err("a URL to fetch has no fragment".to_owned());
    }
    let host = bare(url.host_str().unwrap_or_default()).to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    if !grant.hosts.iter().any(|granted| granted.matches(&host, port)) {
        return Err(format!("the host `{host}` at port {port} is not granted"));
    }
    match host.parse::<IpAddr>() {
        Ok(address) if !grant.egress.may_reach(address, port) => {
            let why = "is not of the open internet, and the operator's `allow_private` does not name it";
            return Err(format!("the address {address} {why} (\"{address}:{port}\")"));
        }
        _ => {}
    }
    let is_allowed = || grant.egress.is_allowed(&host, port);
    if holds_secret && url.scheme() != "https" && !is_allowed() {
        return Err("a secret travels over https only".to_owned());
    }
    Ok((url, port))
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn headers(headers: Vec<(String, Vec<Part>)>, secrets: &Secrets) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS {
        return Err(format!("more than {HEADERS} headers"));
    }
    let mut checked = HeaderMap::new();
    for (name, parts) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
        if HOST_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(format!("the header `{name}` is the host's"));
        }
        let here =
            |place: &SecretPlace| matches!(place, SecretPlace::Header(at) if name.as_str().eq_ignore_ascii_case(at));
        let is_secret = has_secret(&parts);
        let value = assemble(parts, secrets, here)?;
        let mut value =
            HeaderValue::from_bytes(&value).map_err(|_| format!("the header `{name}` has a control character"))?;
        value.set_sensitive(is_secret);
        checked.append(name, value);
    }
    Ok(checked)
}

fn body(parts: Vec<Part>, secrets: &Secrets) -> Result<Vec<u8>, String> {
    assemble(parts, secrets, |place| *place == SecretPlace::Body)
}

fn assemble(parts: Vec<Part>, secrets: &Secrets, here: impl Fn(&SecretPlace) -> bool) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Part::Bytes(more) => bytes.extend_from_slice(&more),
            Part::Secret(name) => {
                bytes.extend_from_slice(secrets.at(&name, &here).map_err(|missing| missing.explain(&name))?)
            }
        }
    }
    Ok(bytes)
}

/// Sends it and reads the answer, at most `at_most` bytes of body.
pub async fn send(checked: Checked, egress: &Egress, secrets: &Secrets, at_most: u64) -> Result<Response, Fault> {
    let answered = egress.client(checked.port).execute(checked.request).await;
    let mut response = answered.map_err(|error| fault(error, secrets))?;
    let status = response.status().as_u16();
    let masked = |value: &HeaderValue| String::from_utf8_lossy(&secrets.mask(value.as_bytes().to_vec())).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), masked(value)));
    let mut headers: Vec<(String, String)> = headers.filter(|(name, _)| name != CUT).collect();
    let mut body = Vec::new();
    let cut = loop {
        match response.chunk().await {
            Ok(None) => break None,
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > at_most => {
                break Some(format!("it has more than {at_most} bytes"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => break Some(explain(error, secrets)),
        }
    };
    // The status has been told, whatever comes of the body. A part of it is not handed on: it could end within a secret.
    if let Some(why) = cut {
        headers.push((CUT.to_owned(), why));
        body.clear();
    }
    Ok(Response { status, headers, body: secrets.mask(body) })
}

fn fault(error: reqwest::Error, secrets: &Secrets) -> Fault {
    let denied = causes(&error).any(|cause| cause.downcast_ref::<NoOpenAddress>().is_some());
    let unsent = error.is_connect() || error.is_builder();
    let message = explain(error, secrets);
    match (denied, unsent) {
        (true, _) => Fault::Denied(message),
        (_, true) => Fault::NotSent(message),
        _ => Fault::Unknown(message),
    }
}

/// Without the URL, whose query may hold a secret.
fn explain(error: reqwest::Error, secrets: &Secrets) -> String {
    let error = error.without_url();
    let message = causes(&error).last().map_or_else(String::new, ToString::to_string);
    secrets.mask_text(message)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
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
        let shape = SecretShape { name: "key".to_owned(), encoding: SecretEncoding::Text, places, required: true };
        let manifest = Manifest { secrets: vec![shape], ..Manifest::default() };
        Secrets::prepare(&manifest, Arc::new(BTreeMap::from([("key".to_owned(), b"a b&c".to_vec())])))
    }

    fn checked(request: Request, hosts: &[&str], places: Vec<SecretPlace>) -> Result<Checked, String> {
        let hosts: Vec<Pattern> = hosts.iter().map(|host| Pattern::parse(host).unwrap()).collect();
        let secrets = secrets(places);
        let egress = Egress::new(&["127.0.0.1:8080".parse().unwrap()], &[]).unwrap();
        let grant = Grant { hosts: &hosts, secrets: &secrets, egress: &egress };
        check(request, &grant, Duration::from_secs(1))
    }

    const GRANTED: [&str; 12] = [
        "api.example.com",
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
        for name in
            ["Host", "content-length", "Transfer-Encoding", "connection", "Proxy-Authorization", "bad name", "x\r\ny"]
        {
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
    fn a_secret_stands_only_where_the_manifest_says() {
        let secret = || Part::Secret("key".to_owned());
        let url = |head: &str| Request { url: vec![text(head), secret()], ..get("") };
        let query = || vec![SecretPlace::Query];
        let ok = checked(url("https://api.example.com/?key="), &GRANTED, query()).unwrap();
        assert_eq!(ok.request.url().query(), Some("key=a%20b%26c"));
        assert!(checked(url("https://api.example.com/"), &GRANTED, query()).is_err());
        assert!(checked(url("https://api.example.com/?key="), &GRANTED, vec![SecretPlace::Body]).is_err());
        assert!(checked(url("http://api.example.com/?key="), &GRANTED, query()).unwrap_err().contains("https"));
        assert!(checked(url("http://127.0.0.1:8080/?key="), &GRANTED, query()).is_ok());
        assert!(checked(url("https://other.example/?key="), &GRANTED, query()).is_err());

        let body = || Request { body: vec![text("k="), secret()], ..get("https://api.example.com/") };
        let ok = checked(body(), &GRANTED, vec![SecretPlace::Body]).unwrap();
        assert_eq!(ok.request.body().and_then(|body| body.as_bytes()), Some(&b"k=a b&c"[..]));
        assert!(checked(body(), &GRANTED, query()).is_err());

        let header = |name: &str| Request {
            headers: vec![(name.to_owned(), vec![text("Bearer "), secret()])],
            ..get("https://api.example.com/")
        };
        let place = || vec![SecretPlace::Header("Authorization".to_owned())];
        let ok = checked(header("authorization"), &GRANTED, place()).unwrap();
        assert!(ok.request.headers()["authorization"].is_sensitive());
        assert!(checked(header("x-other"), &GRANTED, place()).is_err());
    }
}
