//! The built component, in the hub's own runtime, against a provider that answers as its documentation says.

use openhub_sdk_testing::{Answer, Erased, Hub, Timestamp, Unanswered, Verdict, json};
use standardwebhooks::Webhook;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_772_000_000;

fn installed(hub: Hub) -> Hub {
    let url = hub.provider().url("/emails");
    let settings = json!({"url": url, "from": "Shop <shop@example.com>", "reply_to": "help@example.com"});
    hub.at(Timestamp::from_micros(NOW * 1_000_000))
        .with_settings(settings)
        .with_secret("api-key", "re_123456789")
        .with_secret("webhook", SECRET)
}

#[openhub_sdk_testing::test]
fn a_mail_is_handed_over_once_whatever_its_attempts(hub: Hub) {
    let hub = installed(hub);
    hub.provider().answer(Answer::status(200).body(r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"#));
    let content = json!({"subject": "你好", "html": "<p>Hello</p>", "text": "Hello"});
    let verdict = hub.channel("email").address("ada@example.com").send(content);
    assert!(
        matches!(&verdict, Verdict::Accepted { provider_id, .. } if provider_id.starts_with("49a3999c")),
        "{verdict:?}"
    );
    let [request] = hub.provider().take_requests().try_into().expect("one request");
    assert_eq!(
        (request.header("authorization"), request.header("idempotency-key")),
        (Some("Bearer re_123456789"), Some("message-1"))
    );
    let body = json!({
        "from": "Shop <shop@example.com>", "to": ["ada@example.com"], "subject": "你好", "html": "<p>Hello</p>",
        "text": "Hello", "reply_to": "help@example.com",
    });
    assert_eq!(request.json(), body);
    hub.provider().answer(Answer::broken());
    let lost = hub.channel("email").send(json!({"subject": "a", "text": "b"}));
    assert!(matches!(lost, Verdict::Retry { .. }), "it is sent again under its key: {lost:?}");
}

#[openhub_sdk_testing::test]
fn who_gets_it_can_unsubscribe_with_one_click(hub: Hub) {
    let hub = installed(hub);
    let url = "https://hub.example.com/unsubscribe/a.b";
    let channel = hub.channel("email").unsubscribe_url(url);
    assert!(matches!(channel.send(json!({"subject": "a", "text": "b"})), Verdict::Accepted { .. }));
    let headers =
        json!({"List-Unsubscribe": format!("<{url}>"), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"});
    assert_eq!(hub.provider().take_requests()[0].json()["headers"], headers);
}

#[openhub_sdk_testing::test]
fn what_says_nothing_is_not_sent(hub: Hub) {
    let hub = installed(hub);
    let verdicts = hub.channel("email").send_all(&[
        json!({"subject": "a"}),
        json!({"subject": "", "text": "b"}),
        json!({"subject": "a", "text": "b"}),
    ]);
    assert!(
        matches!(verdicts[..], [Verdict::Rejected(_), Verdict::Rejected(_), Verdict::Accepted { .. }]),
        "{verdicts:?}"
    );
    assert_eq!(hub.provider().take_requests().len(), 1);
}

#[openhub_sdk_testing::test]
fn its_provider_reports(hub: Hub) {
    let hub = installed(hub);
    let sent = |kind: &str, at: i64, key: &str| {
        let body = json!({
            "type": kind, "created_at": "2026-02-22T23:41:12.126Z",
            "data": {"email_id": "56761188-7520-42d8-8898-ff6fc54ce618", "bounce": {"message": "mailbox full", "subType": "Suppressed"}},
        })
        .to_string();
        let signature = Webhook::new(key).expect("a key").sign("msg_1", at, body.as_bytes()).expect("a signature");
        let case = hub.source("events").header("svix-id", "msg_1").header("svix-timestamp", &at.to_string());
        case.header("svix-signature", &format!("v1,AAAA {signature}")).post(body)
    };
    let bounced = sent("email.bounced", NOW, SECRET);
    assert!(bounced.verified, "{bounced:?}");
    let [report] = bounced.reports.try_into().expect("one report");
    assert_eq!((&*report.provider_id, &*report.status), ("56761188-7520-42d8-8898-ff6fc54ce618", "bounced"));
    assert_eq!(
        (report.at.as_deref(), report.reason.map(|reason| reason.code)),
        (Some("2026-02-22T23:41:12.126Z"), Some("suppressed".into()))
    );
    assert_eq!(sent("email.delivery_delayed", NOW, SECRET).reports[0].status, "delayed");
    assert_eq!(sent("email.sent", NOW, SECRET).reports, []);
    assert_eq!(sent("contact.created", NOW, SECRET).reports, []);
    assert_eq!(sent("email.opened", NOW - 301, SECRET).status, 401, "who listened cannot say it again later");
    assert_eq!(sent("email.opened", NOW, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").status, 401);
}

#[openhub_sdk_testing::test]
fn the_contact_of_who_is_erased_is_deleted(hub: Hub) {
    let hub = installed(hub);
    let ada = hub.privacy().identity("email", "ada@example.com").identity("phone", "+1");
    hub.provider().answer(Answer::status(200).body(r#"{"object":"contact","id":"c-1","deleted":true}"#));
    assert_eq!(ada.erase(), Erased::Done("1 contacts deleted".to_owned()));
    let request = hub.provider().take_requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("DELETE", "/contacts/ada@example.com"));
    assert_eq!(request.header("authorization"), Some("Bearer re_123456789"));
    hub.provider().answer(Answer::status(404));
    assert_eq!(ada.erase(), Erased::Nothing, "it is gone already");
    hub.provider().answer(Answer::status(500));
    assert!(matches!(ada.try_erase(), Err(Unanswered::Retry { .. })));
    hub.provider().answer(Answer::status(401));
    assert!(matches!(ada.try_erase(), Err(Unanswered::Misconfigured(_))));
    assert_eq!(hub.privacy().erase(), Erased::Nothing, "who has no address");
}

#[openhub_sdk_testing::test]
fn the_contact_of_who_asks_is_handed_out(hub: Hub) {
    let hub = installed(hub);
    hub.provider()
        .answer(Answer::status(200).body(r#"{"object":"contact","email":"ada@example.com","first_name":"Ada"}"#));
    let told = hub.privacy().identity("email", "ada@example.com").export();
    assert_eq!(told, [json!({"object": "contact", "email": "ada@example.com", "first_name": "Ada"})]);
}
