//! The built component, in the hub's own runtime, against a receiver that checks with a library of its own.

use http::{HeaderMap, HeaderName, HeaderValue};
use openhub_sdk_testing::{Answer, Hub, Request, Verdict, json};
use standardwebhooks::Webhook;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn installed(hub: Hub) -> Hub {
    let url = hub.provider().url("/hook?from=hub");
    hub.with_settings(json!({"url": url})).with_secret("signing", SECRET)
}

/// Whether a receiver that holds the key takes the request, and takes it under no other id.
fn verify(request: &Request) {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
    }
    let receiver = Webhook::new(SECRET).expect("a key");
    receiver.verify(&request.body, &headers).expect("a signature under the key");
    headers.insert("webhook-id", HeaderValue::from_static("another"));
    receiver.verify(&request.body, &headers).expect_err("the signature covers the id");
}

#[openhub_sdk_testing::test]
fn messages_are_posted_and_signed(hub: Hub) {
    let hub = installed(hub);
    let content = json!({"template": "win-back", "code": "ÄB\"C"});
    let verdict = hub.channel("webhook").address("user-7").send(content.clone());
    assert!(
        matches!(&verdict, Verdict::Accepted { provider_id, units: 1 } if provider_id == "message-1"),
        "{verdict:?}"
    );
    let [request] = hub.provider().take_requests().try_into().expect("one request");
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?from=hub"));
    let body = json!({"id": "message-1", "customer": "customer-1", "address": "user-7", "content": content});
    assert_eq!(request.json(), body);
    verify(&request);
}

#[openhub_sdk_testing::test]
fn each_message_has_its_own_verdict(hub: Hub) {
    let hub = installed(hub);
    let send = |answer: Answer| {
        hub.provider().answer(answer);
        hub.channel("webhook").send(json!({}))
    };
    let named = send(Answer::status(202).header("webhook-id", "theirs"));
    assert!(matches!(&named, Verdict::Accepted { provider_id, .. } if provider_id == "theirs"), "{named:?}");
    let busy = send(Answer::status(429).header("retry-after", "7"));
    assert!(matches!(busy, Verdict::Retry { after_ms: 7_000, .. }), "{busy:?}");
    let down = send(Answer::status(503));
    assert!(matches!(down, Verdict::Retry { after_ms: 5_000, .. }), "{down:?}");
    let gone = send(Answer::status(410));
    assert!(matches!(gone, Verdict::Rejected(_)), "{gone:?}");
    let elsewhere = send(Answer::status(302).header("location", "http://localhost/"));
    assert!(matches!(elsewhere, Verdict::Retry { after_ms: 5_000, .. }), "not followed: {elsewhere:?}");
    let unknown = send(Answer::status(404));
    assert!(matches!(unknown, Verdict::Retry { after_ms: 5_000, .. }), "{unknown:?}");
    let cut = send(Answer::broken());
    assert!(matches!(cut, Verdict::Unknown { .. }), "{cut:?}");
}

#[openhub_sdk_testing::test]
fn a_batch_goes_out_whole(hub: Hub) {
    let hub = installed(hub);
    let contents: Vec<_> = (0..20).map(|number| json!({"number": number})).collect();
    let verdicts = hub.channel("webhook").send_all(&contents);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Accepted { .. })), "{verdicts:?}");
    let requests = hub.provider().take_requests();
    assert_eq!(requests.len(), 20);
    requests.iter().for_each(verify);
}
