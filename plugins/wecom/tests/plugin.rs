//! The built component, in the hub's own runtime, against a provider that answers as its documentation says.

use openhub_sdk_testing::{Answer, Hub, Timestamp, Verdict, json};

const NOW: i64 = 1_772_000_000;

fn installed(hub: Hub) -> Hub {
    let settings = json!({"url": hub.provider().url("/"), "corp_id": "ww1a+b", "agent_id": 1_000_002});
    hub.at(Timestamp::from_micros(NOW * 1_000_000)).with_settings(settings).with_secret("app-secret", "an app's secret")
}

fn token(token: &str) -> Answer {
    Answer::status(200)
        .body(json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7_200}).to_string())
}

fn sent(id: &str) -> Answer {
    let body =
        json!({"errcode": 0, "errmsg": "ok", "invaliduser": "", "invalidparty": "", "invalidtag": "", "msgid": id});
    Answer::status(200).body(body.to_string())
}

fn refused(code: i64) -> Answer {
    Answer::status(200).body(json!({"errcode": code, "errmsg": "why"}).to_string())
}

/// Method and path of each request since the last time.
fn asked(hub: &Hub) -> Vec<String> {
    hub.provider().take_requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
}

const ASKS: &str = "GET /cgi-bin/gettoken?corpid=ww1a%2Bb&corpsecret=an%20app%27s%20secret";

fn sends(token: &str) -> String {
    format!("POST /cgi-bin/message/send?access_token={token}")
}

#[openhub_sdk_testing::test]
fn a_token_serves_until_it_is_old(hub: Hub) {
    let hub = installed(hub);
    hub.provider().answer(token("first-token")).answer(sent("m-1"));
    let verdict = hub.channel("wecom").address("zhangsan").send(json!({"text": "你好 <b>"}));
    assert_eq!(verdict, Verdict::Accepted { provider_id: "m-1".to_owned(), units: 1 });
    let requests = hub.provider().take_requests();
    let paths: Vec<String> = requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    assert_eq!(paths, [ASKS.to_owned(), sends("first-token")]);
    let body = json!({"touser": "zhangsan", "msgtype": "text", "agentid": 1_000_002, "safe": 0, "text": {"content": "你好 <b>"}});
    assert_eq!(requests[1].json(), body);
    // The next call has it, too.
    hub.provider().answer(sent("m-2"));
    assert!(matches!(hub.channel("wecom").send(json!({"text": "again"})), Verdict::Accepted { .. }));
    assert_eq!(asked(&hub), [sends("first-token")]);
    let hub = hub.at(Timestamp::from_micros((NOW + 7_001) * 1_000_000));
    hub.provider().answer(token("second-token")).answer(sent("m-3"));
    assert!(matches!(hub.channel("wecom").send(json!({"text": "later"})), Verdict::Accepted { .. }));
    assert_eq!(asked(&hub), [ASKS.to_owned(), sends("second-token")]);
}

#[openhub_sdk_testing::test]
fn a_token_that_is_refused_is_asked_for_anew_once(hub: Hub) {
    let hub = installed(hub);
    hub.provider().answer(token("old-token")).answer(refused(42_001)).answer(token("new-token")).answer(sent("m-1"));
    let verdict = hub.channel("wecom").send(json!({"text": "a"}));
    assert!(matches!(verdict, Verdict::Accepted { .. }), "{verdict:?}");
    assert_eq!(asked(&hub), [ASKS.to_owned(), sends("old-token"), ASKS.to_owned(), sends("new-token")]);
    // It is refused for another reason than its age: an admin looks.
    hub.provider().answer(refused(40_014)).answer(token("third-token")).answer(refused(40_014));
    let verdict = hub.channel("wecom").send(json!({"text": "a"}));
    assert!(matches!(verdict, Verdict::Misconfigured(_)), "{verdict:?}");
    // The secret is wrong.
    hub.provider().answer(refused(42_001)).answer(refused(40_001));
    let sent = hub.channel("wecom").try_send_all(&[json!({"text": "a"})]);
    assert!(matches!(sent.verdicts[0], Verdict::Misconfigured(_)), "{sent:?}");
    // Nobody knows of a token: it delivers nothing, so the messages have not gone out either.
    hub.provider().answer(refused(42_001)).answer(Answer::broken());
    let verdicts = hub.channel("wecom").send_all(&[json!({"text": "a"})]);
    assert!(matches!(verdicts[0], Verdict::Retry { .. }), "{verdicts:?}");
}

#[openhub_sdk_testing::test]
fn each_member_has_a_verdict(hub: Hub) {
    let hub = installed(hub);
    hub.provider().answer(token("a-token"));
    let send = |answer: Answer| {
        hub.provider().answer(answer);
        hub.channel("wecom").address("ZhangSan").send(json!({"text": "a"}))
    };
    let named = json!({"errcode": 0, "errmsg": "ok", "invaliduser": "zhangsan", "msgid": "m-1"});
    assert!(matches!(send(Answer::status(200).body(named.to_string())), Verdict::BadAddress(_)));
    assert!(matches!(send(refused(81_013)), Verdict::BadAddress(_)));
    assert!(matches!(send(refused(45_009)), Verdict::Retry { .. }));
    assert!(matches!(send(refused(301_002)), Verdict::Misconfigured(_)));
    assert!(matches!(send(refused(987_654)), Verdict::Unknown(_)));
    assert!(matches!(send(Answer::broken()), Verdict::Unknown(_)), "it may have gone out");
    assert!(matches!(send(Answer::status(200).body("a proxy's page")), Verdict::Unknown(_)));
}

#[openhub_sdk_testing::test]
fn cards_and_markdown(hub: Hub) {
    let hub = installed(hub);
    let contents = [
        json!({"kind": "textcard", "title": "领奖通知", "text": "<div class=\"gray\">2016</div>", "url": "https://example.com/?a=1", "button": "更多"}),
        json!({"kind": "markdown", "text": "**预定会议室**"}),
        json!({"kind": "textcard", "text": "no title"}),
        json!({"text": ""}),
        json!({"text": "长".repeat(700)}),
    ];
    hub.provider().answer(token("a-token")).answer(sent("m-1")).answer(sent("m-2"));
    let verdicts = hub.channel("wecom").send_all(&contents);
    assert_eq!(
        verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Accepted { .. })).count(),
        2,
        "{verdicts:?}"
    );
    assert!(verdicts[2..].iter().all(|verdict| matches!(verdict, Verdict::Rejected(_))), "{verdicts:?}");
    let bodies: Vec<_> = hub.provider().take_requests()[1..].iter().map(|request| request.json()).collect();
    let card = bodies.iter().find(|body| body["msgtype"] == "textcard").expect("a card");
    let expected = json!({"title": "领奖通知", "description": "<div class=\"gray\">2016</div>", "url": "https://example.com/?a=1", "btntxt": "更多"});
    assert_eq!(card["textcard"], expected);
    let markdown = bodies.iter().find(|body| body["msgtype"] == "markdown").expect("a text");
    assert_eq!(markdown["markdown"], json!({"content": "**预定会议室**"}));
    for everybody in ["@all", "a|b"] {
        let verdict = hub.channel("wecom").address(everybody).send(json!({"text": "a"}));
        assert!(matches!(verdict, Verdict::Rejected(_)), "{everybody}: {verdict:?}");
    }
}
