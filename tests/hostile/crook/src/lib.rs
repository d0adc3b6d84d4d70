//! A rule and a channel that do the deed that they are told. Each must harm nobody else.

use std::hint::black_box;

use openhub_sdk::http::{self, Fault, Part, Request as Fetch, Response};
use openhub_sdk::prelude::*;
use openhub_sdk::{call, log};
use serde_json::Value;

#[derive(Reads)]
pub struct Row {
    #[read("event.properties.deed")]
    pub deed: String,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.done")]
    pub done: Set<String>,
}

#[derive(Clone, Debug, Settings)]
pub struct Provider {
    pub url: String,
}

/// What both lanes can do.
fn deed(deed: &str) {
    match deed {
        "loop" => loop {
            black_box(0);
        },
        "grow" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1u8; 1 << 20]);
                black_box(&all);
            }
        }
        "nest" => {
            black_box(nested(1));
        }
        "panic" => panic!("it was told to"),
        "host-calls" => loop {
            log::info("again");
        },
        "long-line" => log::error(&"x".repeat(20 << 20)),
        "colours" => log::error("\u{1b}[2J\u{1b}]0;owned\u{7}ada@example.com"),
        _ => {}
    }
}

#[expect(unconditional_recursion, reason = "its stack ends")]
fn nested(depth: u64) -> u64 {
    black_box(depth + nested(black_box(depth + 1)))
}

#[rule(on = "Told")]
pub fn crook(row: Row) -> Effects {
    deed(&row.deed);
    Effects { done: To(row.deed) }
}

/// `{"deed": "fetch", "url": …, "header": [name, value], "secret": true, "capture": "given"}`, `{"deed": "fetches"}`, or one of both lanes.
#[channel(name = "crooked", address = "user_id")]
pub fn crooked(batch: Messages<Json>) -> Result<(), Failure> {
    let provider: Provider = call::settings().map_err(Failure::Misconfigured)?;
    for message in batch {
        let asked: Value = serde_json::from_str(&message.content.0).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let what = text(&asked["deed"]);
        if what == "fetches" {
            let many: Vec<Fetch> = (0..1_000).map(|_| Fetch::get(&provider.url).concerning(&message)).collect();
            let answers = http::fetch(&many);
            let denied = answers.iter().filter(|answer| matches!(answer, Err(Fault::Denied(_)))).count();
            let code = if denied < 600 { "too-many" } else { "few" };
            message.settle(Verdict::Rejected(Reason::new(code, format!("{denied} of {} were denied", many.len()))));
            continue;
        }
        if what != "fetch" {
            deed(&what);
            message.settle(Verdict::Accepted(Receipt { provider_id: what, units: 1 }));
            continue;
        }
        let url = text(&asked["url"]);
        let url = url.strip_prefix('/').map_or(url.clone(), |path| format!("{}/{path}", provider.url));
        let mut request = Fetch::post(url).timeout_ms(2_000).concerning(&message);
        if let [name, value] = asked["header"].as_array().map(Vec::as_slice).unwrap_or_default() {
            request = request.header(text(name), text(value));
        }
        if asked["secret"] == true {
            request = request.header_of("authorization", vec![Part::Secret("token".to_owned())]);
        }
        if asked["leak"] == true {
            request = request.header_of("x-token", vec![Part::Secret("token".to_owned())]);
        }
        if let Some(secret) = asked["capture"].as_str() {
            let captured = outcome(http::capture(secret, &Fetch::get(format!("{}/token", provider.url))));
            if captured.code != "answered" {
                message.settle(Verdict::Rejected(captured));
                continue;
            }
            let name = if asked["elsewhere"] == true { "x-token" } else { "authorization" };
            request = request.header_of(name, vec![Part::Secret(secret.to_owned())]).header("x-told", captured.message);
        }
        let reason = http::fetch(&[request]).pop().map_or_else(|| Reason::new("nothing", ""), outcome);
        message.settle(Verdict::Rejected(reason));
    }
    Ok(())
}

fn outcome(answer: Result<Response, Fault>) -> Reason {
    match answer {
        Ok(answer) => {
            let cut = answer.header("openhub-cut").unwrap_or_default().to_owned();
            let body = String::from_utf8_lossy(&answer.body).chars().take(80).collect::<String>();
            Reason::new("answered", format!("{} {cut} {body}", answer.status))
        }
        Err(Fault::Denied(why)) => Reason::new("denied", why),
        Err(Fault::NotSent(why)) => Reason::new("not-sent", why),
        Err(Fault::Unknown(why)) => Reason::new("unknown", why),
    }
}

openhub_sdk::plugin! { rules: [crook], channels: [crooked] }
