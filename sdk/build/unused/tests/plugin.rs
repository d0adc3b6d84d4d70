//! The built component, in the hub's own runtime, against a provider that checks signatures as its documentation says.

use hmac::{Hmac, Mac};
use openhub_sdk_testing::{Answer, Hub, Request, Timestamp, Unanswered, Verdict, json};
use sha2::{Digest, Sha256};

const KEY: &str = "an access key secret";
const NOW: i64 = 1_772_000_000;

fn installed(hub: Hub) -> Hub {
    let settings =
        json!({"url": hub.provider().url("/"), "access_key_id": "LTAI5t", "sign_name": "商店", "template": "SMS_1"});
    hub.at(Timestamp::from_micros(NOW * 1_000_000))
        .with_settings(settings)
        .with_secret("access-key-secret", KEY)
        .with_secret("report-token", "a token")
}

fn taken() -> Answer {
    let body = r#"{"Message":"OK","RequestId":"F655A8D5-B967-440B-8683","Code":"OK","BizId":"9006197469364984^0"}"#;
    Answer::status(200).body(body)
}

/// What the gateway does with a request: it makes the signature anew, of what has come in.
fn is_signed(request: &Request) {
    let header = |name: &str| request.header(name).unwrap_or_else(|| panic!("no header `{name}`"));
    let authorization = header("authorization").strip_prefix("ACS3-HMAC-SHA256 ").expect("its algorithm");
    let part = |name: &str| {
        let mut parts = authorization.split(',').filter_map(|part| part.split_once('='));
        parts.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).expect("all parts")
    };
    assert_eq!(part("Credential"), "LTAI5t");
    let sent =
        request.headers.iter().map(|(name, _)| name).filter(|name| name.starts_with("x-acs-") || *name == "host");
    let mut must: Vec<&String> = sent.collect();
    must.sort();
    let signed = part("SignedHeaders");
    assert_eq!(signed.split(';').collect::<Vec<_>>(), must, "all of them, sorted");
    let payload = hex::encode(Sha256::digest(&request.body));
    assert_eq!(header("x-acs-content-sha256"), payload);
    let at = Timestamp::parse(header("x-acs-date")).expect("a time");
    assert_eq!((at.seconds(), header("x-acs-date").len()), (NOW, 20));
    let (path, query) = request.path.split_once('?').expect("a query");
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!(pairs.join("&"), query, "sorted");
    let lines: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let canonical = format!("{}\n{path}\n{query}\n{lines}\n{signed}\n{payload}", request.method);
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("a key");
    mac.update(to_sign.as_bytes());
    assert_eq!(part("Signature"), hex::encode(mac.finalize().into_bytes()));
}

#[openhub_sdk_testing::test]
fn a_message_is_signed_as_the_provider_wants(hub: Hub) {
    let hub = installed(hub);
    hub.provider().answer(taken());
    let wording = format!("您的验证码是${{code}}。{}", "请勿告诉他人。".repeat(10));
    let content = json!({"template": "SMS_154950909", "params": "{\"code\": \"1&2=3 +中\"}", "wording": wording});
    let verdict = hub.channel("sms").address("+8613800001234").send(content);
    let expected = Verdict::Accepted { provider_id: "9006197469364984^0".to_owned(), units: 2 };
    assert_eq!(verdict, expected);
    let [request] = hub.provider().take_requests().try_into().expect("one request");
    is_signed(&request);
    assert_eq!(
        (request.header("x-acs-action"), request.header("x-acs-version")),
        (Some("SendSms"), Some("2017-05-25"))
    );
    let query = "OutId=message-1&PhoneNumbers=13800001234&SignName=%E5%95%86%E5%BA%97\
        &TemplateCode=SMS_154950909&TemplateParam=%7B%22code%22%3A%221%262%3D3%20%2B%E4%B8%AD%22%7D";
    assert_eq!(request.path, format!("/?{query}"));
}

#[openhub_sdk_testing::test]
fn a_batch_has_a_request_and_a_number_for_each(hub: Hub) {
    let hub = installed(hub);
    hub.provider().answer(taken()).answer(taken()).answer(taken());
    let contents = [json!({}), json!({"params": "{"}), json!({"params": "{\"a\": 1}"}), json!({"sign_name": "别人"})];
    let verdicts = hub.channel("sms").send_all(&contents);
    assert!(matches!(&verdicts[1], Verdict::Rejected(reason) if reason.code == "bad-params"), "{verdicts:?}");
    assert_eq!(
        verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Accepted { .. })).count(),
        3,
        "{verdicts:?}"
    );
    let requests = hub.provider().take_requests();
    requests.iter().for_each(is_signed);
    let mut nonces: Vec<_> = requests.iter().map(|request| request.header("x-acs-signature-nonce")).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}

#[openhub_sdk_testing::test]
fn what_the_provider_answers_decides(hub: Hub) {
    let hub = installed(hub);
    let send = |answer: Answer| {
        hub.provider().answer(answer);
        hub.channel("sms").send(json!({}))
    };
    let code =
        |code: &str| Answer::status(200).body(json!({"Code": code, "Message": "触发小时级流控Permits:5"}).to_string());
    let often = send(code("isv.BUSINESS_LIMIT_CONTROL"));
    assert!(matches!(often, Verdict::Retry { after_ms: 3_600_000, .. }), "{often:?}");
    assert!(matches!(send(code("isv.MOBILE_NUMBER_ILLEGAL")), Verdict::BadAddress(_)));
    assert!(matches!(send(code("isv.OUT_OF_SERVICE")), Verdict::Misconfigured(_)));
    assert!(matches!(send(code("isv.TEMPLATE_PARAMS_ILLEGAL")), Verdict::Rejected(_)));
    assert!(matches!(send(code("isv.NOBODY_KNOWS_IT")), Verdict::Unknown(_)));
    assert!(matches!(send(Answer::status(200).body("a proxy's page")), Verdict::Unknown(_)));
    assert!(matches!(send(Answer::broken()), Verdict::Unknown(_)), "it may have gone out");
}

#[openhub_sdk_testing::test]
fn its_provider_reports(hub: Hub) {
    let hub = installed(hub);
    let entry = |id: &str, success: bool, code: &str| {
        json!({
            "phone_number": "13800001234", "send_time": "2017-01-01 00:00:00", "report_time": "2017-01-01 08:00:00", "success": success,
            "err_code": code, "err_msg": "用户接收成功", "sms_size": "1", "biz_id": id, "out_id": "message-1",
        })
    };
    let body = json!([entry("1^0", true, "DELIVERED"), entry("2^0", false, "MK:0001"), entry("", true, "DELIVERED"), {"biz_id": "3"}]);
    let received = hub.source("reports").query("token=a%20token").post(body.to_string());
    assert_eq!((received.status, received.verified, &*received.body), (200, true, &br#"{"code":0,"msg":"OK"}"#[..]));
    let [delivered, bounced] = received.reports.try_into().expect("two reports");
    assert_eq!(
        (&*delivered.provider_id, &*delivered.status, delivered.at.as_deref(), delivered.reason),
        ("1^0", "delivered", Some("2017-01-01T00:00:00Z"), None)
    );
    assert_eq!((&*bounced.provider_id, &*bounced.status), ("2^0", "bounced"));
    assert_eq!(bounced.reason.map(|reason| reason.code).as_deref(), Some("mk-0001"));
    for wrong in ["", "token=", "token=another", "other=a%20token"] {
        let refused = hub.source("reports").query(wrong).post(body.to_string());
        assert_eq!((refused.status, refused.reports.len(), refused.verified), (401, 0, false), "{wrong}");
    }
    let no_list = hub.source("reports").query("token=a%20token").send("POST", "{}");
    assert!(matches!(no_list, Err(Unanswered::Rejected(_))), "{no_list:?}");
}
