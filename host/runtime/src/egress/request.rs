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
use super::fill::Written;
use super::hosts::{Pattern, bare};
use crate::bindings::http::http::{Part, Request};
use crate::capabilities::secrets::Secrets;

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
/// Of one request.
const PARTS: usize = 1_000;
/// Each makes the host read what surrounds it.
const SECRETS: usize = 8;
/// Of a body with a secret.
const BODY_BYTES: usize = 1024 * 1024;

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

/// How many bytes are walked over to put a request together. What surrounds a secret is read once more for each.
pub fn work(request: &Request) -> usize {
    let size = |parts: &[Part]| parts.iter().map(len).sum::<usize>() + parts.len();
    let secrets = |parts: &[Part]| parts.iter().filter(|part| matches!(part, Part::Secret(_))).count();
    let headers = request.headers.iter().map(|(name, parts)| name.len() + size(parts)).sum::<usize>();
    let (url, body) = (size(&request.url), size(&request.body));
    // One with too many is not read.
    headers
        + url
        + body
        + 4 * request.concerns.len()
        + (url + body) * (secrets(&request.url) + secrets(&request.body)).min(SECRETS)
}

fn len(part: &Part) -> usize {
    match part {
        Part::Text(text) | Part::Secret(text) => text.len(),
        Part::Bytes(bytes) => bytes.len(),
    }
}

/// Puts the request together, or says why it is denied.
pub fn check(request: Request, grant: &Grant<'_>, at_most: Duration) -> Result<Checked, String> {
    let method = METHODS.into_iter().find(|method| method.as_str() == request.method);
    let there = METHODS.map(|method| method.to_string()).join(", ");
    let method = method.ok_or_else(|| format!("the method {:?} is not allowed; there are: {there}", request.method))?;
    let parts = || request.headers.iter().map(|(_, parts)| parts).chain([&request.url, &request.body]).flatten();
    if parts().count() > PARTS {
        return Err(format!("the request has too many parts: at most {PARTS}"));
    }
    let secrets = parts().filter(|part| matches!(part, Part::Secret(_))).count();
    if secrets > SECRETS {
        return Err(format!("the request has too many secrets: at most {SECRETS}"));
    }
    let (url, host, port) = target(&request.url, grant)?;
    let to = To { host: &host, port, secrets: grant.secrets };
    if secrets > 0 && url.scheme() != "https" && !grant.egress.is_allowed(&host, port) {
        return Err("a secret can be sent only over https".to_owned());
    }
    let url = filled(url, &request.url, &to)?;
    let mut headers = headers(request.headers, &to)?;
    let body = body(request.body, &mut headers, &to)?;
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
pub struct To<'a> {
    host: &'a str,
    port: u16,
    secrets: &'a Secrets,
}

impl To<'_> {
    pub fn secret(&self, name: &str, here: impl Fn(&SecretPlace) -> bool) -> Result<&[u8], String> {
        self.secrets.towards(name, (self.host, self.port), here).map_err(|missing| missing.explain(name))
    }
}

/// The URL without its secrets, its host and its port.
fn target(parts: &[Part], grant: &Grant<'_>) -> Result<(Url, String, u16), String> {
    if parts.iter().any(|part| matches!(part, Part::Bytes(_))) {
        return Err("a URL must be made of texts and secrets, not of bytes".to_owned());
    }
    let written = Written::of(parts)?;
    if written.first().is_some_and(|at| !written.text[..at].contains('?')) {
        return Err("in a URL, a secret can be only in the query".to_owned());
    }
    let Target { url, host, port } = target_of(&written.text, grant.egress)?;
    if !grant.hosts.iter().any(|granted| granted.matches(&host, port)) {
        return Err(format!(
            "the host `{host}` at port {port} is not granted: name it in `hosts` of the manifest, with the port if it is not 443"
        ));
    }
    plain(&url, &host, port, grant.egress)?;
    Ok((url, host, port))
}

/// Where a request goes.
pub struct Target {
    pub url: Url,
    pub host: String,
    pub port: u16,
}

/// A URL that something may be sent to, if its host is granted: encrypted, or to an address that the operator allowed.
pub fn open_target(text: &str, egress: &Egress) -> Result<Target, String> {
    let target = target_of(text, egress)?;
    plain(&target.url, &target.host, target.port, egress)?;
    Ok(target)
}

fn plain(url: &Url, host: &str, port: u16, egress: &Egress) -> Result<(), String> {
    if url.scheme() != "https" && !egress.is_allowed(host, port) {
        return Err(format!(
            "plain HTTP is not allowed: use https, or the operator must name `{host}:{port}` in `allow_private`"
        ));
    }
    Ok(())
}

fn target_of(text: &str, egress: &Egress) -> Result<Target, String> {
    // A URL parser drops or turns some of these silently.
    if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
        return Err("the URL has a space, a control character or a backslash".to_owned());
    }
    if text.len() > URL_BYTES {
        return Err(format!("the URL is longer than {URL_BYTES} bytes"));
    }
    let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme {:?} is not allowed: use https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err("the URL must not have a user or a password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("the URL must not have a fragment (`#…`)".to_owned());
    }
    let host = bare(url.host_str().unwrap_or_default()).to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    match host.parse::<IpAddr>() {
        Ok(address) if !egress.may_reach(address, port) => Err(format!(
            "the address {address} is not on the open internet: the operator can allow \"{address}:{port}\" in `allow_private`"
        )),
        _ => Ok(Target { url, host, port }),
    }
}

/// The URL with its secrets, each the whole value of a parameter that the manifest names.
fn filled(mut url: Url, parts: &[Part], to: &To<'_>) -> Result<Url, String> {
    let written = Written::of(parts)?;
    if let (Some(_), Some(at)) = (written.first(), written.text.find('?')) {
        let here =
            |field: &[u8], place: &SecretPlace| matches!(place, SecretPlace::Query(name) if name.as_bytes() == field);
        url.set_query(Some(&written.fields(at + 1, to, here)?));
    }
    Ok(url)
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
        // Of two, the hub could read one and the receiver the other.
        if checked.insert(&name, value).is_some() {
            return Err(format!("the header `{name}` is there twice"));
        }
    }
    // Packed, a secret that comes back would pass the mask.
    checked.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(checked)
}

/// A secret stands in a field of a form, or in one text of a JSON document.
fn body(parts: Vec<Part>, headers: &mut HeaderMap, to: &To<'_>) -> Result<Vec<u8>, String> {
    if !parts.iter().any(|part| matches!(part, Part::Secret(_))) {
        return Ok(parts
            .into_iter()
            .flat_map(|part| match part {
                Part::Text(text) => text.into_bytes(),
                Part::Bytes(bytes) => bytes,
                Part::Secret(_) => Vec::new(),
            })
            .collect());
    }
    if parts.iter().map(len).sum::<usize>() > BODY_BYTES {
        return Err(format!("the body has a secret, and more than {BODY_BYTES} bytes"));
    }
    let kind = headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    let written = Written::of(&parts)?;
    let filled = match Kind::of(kind)? {
        Kind::Form => {
            let here = |field: &[u8], place: &SecretPlace| matches!(place, SecretPlace::Form(name) if name.as_bytes() == field);
            written.fields(0, to, here)
        }
        Kind::Json => written.document(to),
    };
    filled.map(String::into_bytes)
}

/// As what its receiver reads a body that has a secret.
enum Kind {
    Form,
    Json,
}

impl Kind {
    fn of(media_type: &HeaderValue) -> Result<Kind, String> {
        let text = media_type.to_str().unwrap_or_default().to_ascii_lowercase();
        let mut parameters = text.split(';').map(str::trim);
        let essence = parameters.next().unwrap_or_default();
        let is_json = |subtype: &str| {
            let word = subtype.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            word && (subtype == "json" || subtype.ends_with("+json") || subtype.starts_with("x-amz-json-"))
        };
        let is_utf_8 = |parameter: &str| match parameter.split_once('=') {
            Some(("charset", charset)) => charset.trim_matches('"') == "utf-8",
            _ => !parameter.contains("charset"),
        };
        match essence.split_once('/') {
            _ if !parameters.all(is_utf_8) => Err("a body with a secret must be in UTF-8".to_owned()),
            Some(("application", "x-www-form-urlencoded")) => Ok(Kind::Form),
            Some(("application" | "text", subtype)) if is_json(subtype) => Ok(Kind::Json),
            _ => Err(format!(
                "a body with a secret must have the content type of JSON or of a form (`application/x-www-form-urlencoded`), not {essence:?}"
            )),
        }
    }
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
        Request {
            method: "GET".to_owned(),
            url: vec![text(url)],
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 0,
            concerns: Vec::new(),
        }
    }

    fn secrets(places: Vec<SecretPlace>) -> Secrets {
        let hosts = vec!["api.example.com".to_owned(), "127.0.0.1:8080".to_owned()];
        let shape = SecretShape {
            name: "key".to_owned(),
            encoding: SecretEncoding::Text,
            places,
            hosts,
            required: true,
            capture: None,
        };
        let hosts = ["api.example.com", "127.0.0.1:8080", "second.example"].map(str::to_owned).to_vec();
        let manifest = Manifest { secrets: vec![shape], hosts, ..Manifest::default() };
        Secrets::prepare(
            &manifest,
            "{}",
            Arc::new(BTreeMap::from([("key".to_owned(), b"a b&c".to_vec())])),
            Arc::default(),
        )
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
        let hidden = vec![text(r#"{"auth":{"key":""#), secret(), text(r#"","key":"x"}}"#)];
        assert!(json(hidden).is_err(), "the second of two names counts");
    }

    #[test]
    fn c5_nothing_that_a_plugin_writes_moves_a_secret() {
        let secret = || Part::Secret("key".to_owned());
        let body = |kinds: &[&str], parts: Vec<Part>| {
            let headers = kinds.iter().map(|kind| ("content-type".to_owned(), vec![text(kind)])).collect();
            let places = vec![SecretPlace::Body("/key".to_owned()), SecretPlace::Form("key".to_owned())];
            let request = Request { headers, body: parts, ..get("https://api.example.com/") };
            let checked = checked(request, &GRANTED, places)?;
            let body = checked.request.body().and_then(|body| body.as_bytes()).unwrap_or_default().to_vec();
            Ok::<String, String>(String::from_utf8(body).unwrap())
        };
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded";
        let around = |before: &str, after: &str| vec![text(before), secret(), text(after)];
        assert_eq!(body(&[JSON], around(r#"{"key":"x "#, r#" y"}"#)).unwrap(), r#"{"key":"x a b&c y"}"#);
        assert_eq!(body(&[], around(r#"{"k\u0065y":""#, r#""}"#)).unwrap(), r#"{"k\u0065y":"a b&c"}"#);
        let elsewhere = [
            (r#"{"n":2,"text":""#, r#"","key":"\u006fpenhub-secret-1-"}"#),
            (r#"{"n":2,"text":""#, r#"","key":"openhub-secret-1-"}"#),
            (r#"{"text":""#, r#"","key":""}"#),
            (r#"{"key":"","#, r#""text":""}"#),
            (r#"{"key":"#, r#""","text":1}"#),
            (r#"{"key":"\"#, r#"n"}"#),
            (r#"{"key":"\u00"#, r#"41"}"#),
            (r#"{"key":"","k\u0065y":""#, r#""}"#),
            (r#"{"key":{"x":""#, r#""}}"#),
            (r#"{"":{"key":""#, r#""}}"#),
        ];
        for (before, after) in elsewhere {
            assert!(body(&[JSON], around(before, after)).is_err(), "{before} {after}");
        }
        // One reader takes it for a form, another for JSON.
        for kinds in
            [&[FORM, JSON][..], &[JSON, FORM], &[JSON, JSON], &["application/json, text/plain"], &["text/plain"]]
        {
            assert!(body(kinds, around(r#"{"n":3,"text":"&key="#, r#"&"}"#)).is_err(), "{kinds:?}");
        }
        assert!(body(&["application/json; charset=utf-7"], around(r#"{"key":""#, r#""}"#)).is_err());
        assert!(body(&["application/json; charset=UTF-8"], around(r#"{"key":""#, r#""}"#)).is_ok());
        assert_eq!(
            body(&[FORM], around("b=x;y&k%65y=", "&c+d=%2Be&f")).unwrap(),
            "b=x%3By&key=a%20b%26c&c%20d=%2Be&f",
            "written anew, so that every reader finds the same fields"
        );
        for (before, after) in [("a?key=", ""), ("text=&key", "="), ("key=", "=&"), ("text=;key=", "")] {
            assert!(body(&[FORM], around(before, after)).is_err(), "{before} {after}");
        }
        let query = |before: &str, after: &str| {
            let url = vec![text(before), secret(), text(after)];
            let places = vec![SecretPlace::Query("key".to_owned())];
            checked(Request { url, ..get("") }, &GRANTED, places).map(|checked| checked.request.url().to_string())
        };
        assert!(query("https://api.example.com/?a?key=", "").is_err(), "the field is called `a?key`");
        assert!(query("https://api.example.com/?a=;key=", "").is_err());
        let anew = query("https://api.example.com/p?a=1;2&key=", "&b=%C3%A9").unwrap();
        assert_eq!(anew, "https://api.example.com/p?a=1%3B2&key=a%20b%26c&b=%C3%A9");
    }

    #[test]
    fn a_request_has_few_parts_and_fewer_secrets() {
        let place = || vec![SecretPlace::Body("/key".to_owned())];
        let request = |middle: Vec<Part>| {
            let body = [vec![text(r#"{"key":""#)], middle, vec![text(r#""}"#)]].concat();
            checked(Request { body, ..get("https://api.example.com/") }, &GRANTED, place())
        };
        let secrets = |many: usize| vec![Part::Secret("key".to_owned()); many];
        assert!(request(secrets(SECRETS)).is_ok());
        assert!(request(secrets(SECRETS + 1)).unwrap_err().contains("too many secrets"));
        assert!(request(secrets(20_000)).unwrap_err().contains("too many parts"));
        assert!(request(vec![text("x"); PARTS]).unwrap_err().contains("too many parts"));
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
