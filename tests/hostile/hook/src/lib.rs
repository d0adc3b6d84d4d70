//! A source that does what the request says, whoever sends it, and a channel on whose messages it reports.

use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use serde_json::Value;

#[derive(Clone, Debug, Event)]
pub struct Told {
    pub what: String,
}

/// What it does not declare as its own.
#[derive(Clone, Debug, Event)]
pub struct Untold {
    pub what: String,
}

/// Takes every message; its provider's id is what the content has as `id`, or where the receiver lives if that is `home`. To whom
/// `opted-out` is said, it says that they want no more.
#[channel(name = "hooked", address = "user_id")]
pub fn hooked(batch: Messages<Json>) -> Result<(), Failure> {
    for message in batch {
        let content: Value = serde_json::from_str(&message.content.0).unwrap_or_default();
        let provider_id = match content["id"].as_str().unwrap_or_default() {
            "opted-out" => {
                message.settle(Verdict::OptedOut(Reason::new("unsubscribed", "the receiver wants no more")));
                continue;
            }
            "home" => format!("{} {}", message.locale, message.time_zone),
            id => id.to_owned(),
        };
        message.settle(Verdict::Accepted(Receipt { provider_id, units: 1 }));
    }
    Ok(())
}

/// `{"do": "event", "id": "1", "identities": [["email", "ada@example.com"]]}`; who sends the token in `x-token` is verified.
#[source(name = "hook", events = [Told])]
pub fn hook(request: Request) -> Result<Received, Failure> {
    if let Some(token) = request.header("x-token")
        && !secrets::verify_token("token", token)?
    {
        return Ok(Received::answered(401, "another token"));
    }
    let asked = request.json()?;
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let reason = |code: &str| Reason::new(code, "because it was told to");
    let events = |count: usize| {
        (0..count).fold(Received::ok(), |received, number| {
            let happened = Happened::new(format!("{}-{number}", text("id")), Told { what: text("what") });
            let identities = asked["identities"].as_array().into_iter().flatten();
            let word = |pair: &Value, at: usize| pair[at].as_str().unwrap_or_default().to_owned();
            received.event(&identities.fold(happened, |happened, pair| happened.of(word(pair, 0), word(pair, 1))))
        })
    };
    match text("do").as_str() {
        "event" => Ok(events(1)),
        "many" => Ok(events(1_001)),
        "undeclared" => {
            Ok(Received::ok().event(&Happened::new("1", Untold { what: text("what") }).of("user_id", "ada")))
        }
        "report" => {
            let report = Report::new(text("message"), text("status"));
            let at = asked["at"].as_i64().map(Timestamp::from_micros);
            Ok(Received::ok().report(at.map_or(report.clone(), |at| report.at(at))))
        }
        "answer" => {
            let status = asked["status"].as_u64().unwrap_or_default() as u16;
            let answer = Received::answered(status, "<script>alert(1)</script>").header("Content-Type", "text/html");
            Ok(answer.header("Set-Cookie", "session=mine").header("Location", "https://example.com"))
        }
        "headers" => Ok(Received::answered(200, serde_json::to_vec(&request.headers).unwrap_or_default())),
        "sign" => {
            let signature = secrets::sign("pair", &text("algorithm"), text("data").as_bytes())?;
            let holds = |data: &str| secrets::verify_signature("pair", secrets::ED25519, data.as_bytes(), &signature);
            let told = (holds(&text("data"))?, holds("another")?, signature);
            Ok(Received::answered(200, serde_json::to_vec(&told).unwrap_or_default()))
        }
        "retry" => Err(Failure::Retry(Retry { after_ms: 7_000, reason: reason("later") })),
        "reject" => Err(Failure::Rejected(reason("never"))),
        "misconfigured" => Err(Failure::Misconfigured(reason("nobody-set-it"))),
        "panic" => panic!("it was told to"),
        "spin" => loop {
            std::hint::black_box(0);
        },
        "grow" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1u8; 1 << 20]);
                std::hint::black_box(&all);
            }
        }
        "huge" => Ok(Received::answered(200, vec![b'x'; 2 << 20])),
        _ => Ok(Received::ok()),
    }
}

openhub_sdk::plugin! { channels: [hooked], sources: [hook] }
