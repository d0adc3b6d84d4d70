//! Our plugins for providers in China, in the real binary, against a gateway that checks what the providers' documentation asks for.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use openhub_tests::gateway::{Asked, Gateway};
use openhub_tests::guests;
use openhub_tests::hub::{Client, Place};
use openhub_tests::patience::until;
use reqwest::Method;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use xtask::demo::setup::Tenant;

const SMS_KEY: &str = "an access key secret";
const TOKEN: &str = "token-of-the-application";
const CALLBACK: &str = "a token of the account";

/// What Alibaba Cloud's gateway does: it makes the signature anew of what came in.
fn is_signed(asked: &Asked) -> bool {
    let names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
    let Some((path, query)) = asked.target.split_once('?') else { return false };
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", asked.header(name))).collect();
    let payload = hex::encode(Sha256::digest(&asked.body));
    let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{payload}", asked.method);
    let mut mac = Hmac::<Sha256>::new_from_slice(SMS_KEY.as_bytes()).expect("a key");
    mac.update(format!("ACS3-HMAC-SHA256\n{}", hex::encode(Sha256::digest(canonical))).as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let must = format!("ACS3-HMAC-SHA256 Credential=LTAI5t,SignedHeaders={names},Signature={signature}");
    asked.header("authorization") == must && asked.header("x-acs-content-sha256") == payload
}

fn answer(asked: &Asked) -> (u16, String) {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let (status, body) = match path {
        "/" if is_signed(asked) && query.contains("PhoneNumbers=13800001234") => {
            (200, json!({"Code": "OK", "Message": "OK", "BizId": "9006197469364984^0"}))
        }
        "/" => (400, json!({"Code": "SignatureDoesNotMatch", "Message": "it is another"})),
        "/cgi-bin/gettoken" if query == "corpid=ww1&corpsecret=an%20app%27s" => {
            (200, json!({"errcode": 0, "errmsg": "ok", "access_token": TOKEN, "expires_in": 7_200}))
        }
        "/cgi-bin/message/send" if query == format!("access_token={TOKEN}") => {
            (200, json!({"errcode": 0, "errmsg": "ok", "msgid": "wecom-1"}))
        }
        _ => (200, json!({"errcode": 40_001, "errmsg": "invalid credential"})),
    };
    (status, body.to_string())
}

async fn set_up(client: &Client, tenant: &Tenant, name: &str, secrets: &[(&str, &str)], settings: Value) {
    let plugin = guests::build(&format!("plugins/{name}"));
    let uploaded = client.upload(&tenant.api_key, plugin.bytes).await;
    for (secret, value) in secrets {
        let path = format!("/api/v1/plugins/{name}/secrets/{secret}");
        let set = client.json(Method::PUT, &path, &tenant.api_key, &json!({"value": value})).await;
        assert!(set.status.is_success(), "{set:?}");
    }
    let accept = json!({"accept": uploaded.body["digest"], "settings": settings});
    let enabled = client.json(Method::POST, &format!("/api/v1/plugins/{name}/enable"), &tenant.api_key, &accept).await;
    assert!(enabled.status.is_success(), "{enabled:?}");
}

async fn journey(client: &Client, tenant: &Tenant) {
    let send = |channel: &str, content: Value, next: &str| json!({"type": "send", "channel": channel, "purpose": "marketing", "content": content, "next": next});
    let params = ["code={{ trigger.properties.code }}"];
    let thanks = json!({
        "trigger": {"event": "Order Completed"}, "start": "sms",
        "nodes": {
            "sms": send("sms", json!({"template": "SMS_1", "params": params}), "wecom"),
            "wecom": send("wecom", json!({"text": "您的订单已完成"}), "end"),
            "end": {"type": "exit", "reason": "sent"},
        },
    });
    let put = client.json(Method::PUT, "/api/v1/journeys/thanks", &tenant.api_key, &thanks).await;
    assert!(put.status.is_success(), "{put:?}");
    let published = client.json(Method::POST, "/api/v1/journeys/thanks/publish", &tenant.api_key, &json!({})).await;
    assert!(published.status.is_success(), "{published:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_and_told_in_china() {
    let gateway = Gateway::start(answer).await;
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.start_hub("127.0.0.1:0", &["--allow-private".to_owned(), gateway.address.clone()]).await;
    let hub = hub.expect("the hub starts");
    let client = Client::new(&hub.url);
    let url = format!("http://{}/", gateway.address);
    let sms = json!({"url": url, "access_key_id": "LTAI5t", "sign_name": "商店"});
    set_up(&client, &tenant, "sms", &[("access-key-secret", SMS_KEY), ("report-token", "a token")], sms).await;
    let application = json!({"url": url, "corp_id": "ww1", "agent_id": 7});
    set_up(&client, &tenant, "wecom", &[("app-secret", "an app's")], application).await;
    let account = json!({"app_id": "wx1", "plain": true});
    set_up(&client, &tenant, "wechat-source", &[("token", CALLBACK)], account).await;
    // No admin sets what an answer gives.
    let path = "/api/v1/plugins/wecom/secrets/access-token";
    assert_eq!(client.json(Method::PUT, path, &tenant.api_key, &json!({"value": "mine"})).await.status, 404);
    journey(&client, &tenant).await;

    let ada = json!({
        "type": "identify", "userId": "ada", "traits": {"phone": "+8613800001234"},
        "identities": [{"kind": "wecom_userid", "value": "zhangsan"}], "consents": {"marketing": {"state": "granted"}},
    });
    let order = json!({"type": "track", "userId": "ada", "event": "Order Completed", "properties": {"code": "1&2"}});
    let sent = client.ingest("/v1/batch", &tenant.api_key, &json!({"batch": [ada, order]})).await;
    assert!(sent.status.is_success(), "{sent:?}");
    let accepted = until("both messages are accepted", || async {
        let found = client.rows("/api/v1/messages?status=accepted", "messages", &tenant.api_key).await;
        (found.len() == 2).then_some(found)
    });
    let mut ids: Vec<Value> = accepted.await.iter().map(|message| message["provider_id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["9006197469364984^0", "wecom-1"]);
    assert!(gateway.asked().iter().any(|asked| asked.target.contains("TemplateParam=%7B%22code%22%3A%221%262%22%7D")));

    // The provider's report on the message, and what a follower of the account did: told twice, it is one event.
    let report = json!([{"biz_id": "9006197469364984^0", "success": true, "err_code": "DELIVERED", "report_time": "2026-01-01 00:00:00"}]);
    let request = client.request(Method::POST, &format!("/hooks/{}/sms/reports?token=a%20token", tenant.name));
    let answered = client.send(request.json(&report)).await;
    assert_eq!((answered.status.as_u16(), &answered.body["code"]), (200, &json!(0)), "{answered:?}");
    let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs().to_string();
    let mut signed = [CALLBACK, &at, "n1"];
    signed.sort_unstable();
    let query = format!("signature={}&timestamp={at}&nonce=n1", hex::encode(Sha1::digest(signed.concat())));
    let follows = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1771999999</CreateTime>\
        <MsgType>event</MsgType><Event>subscribe</Event></xml>";
    for _ in 0..2 {
        let path = format!("/hooks/{}/wechat-source/messages?{query}", tenant.name);
        let told = client.request(Method::POST, &path).body(follows).send().await.expect("the hub answers");
        assert_eq!((told.status().as_u16(), &*told.bytes().await.expect("a body")), (200, &b"success"[..]));
    }
    client.settled(&tenant.api_key).await;
    for (name, property, value) in
        [("Message%20Reported", "status", "delivered"), ("Wechat%20Subscribed", "account", "gh_1")]
    {
        let found = client.rows(&format!("/api/v1/events?name={name}"), "events", &tenant.api_key).await;
        let told: Vec<&Value> = found.iter().map(|event| &event["body"]["properties"][property]).collect();
        assert_eq!(told, [value], "{name}");
    }
    let follower = client.get("/api/v1/customers?identity=wechat_openid:o1", &tenant.api_key).await.body;
    assert!(follower["customers"][0]["id"].is_string(), "{follower}");
    assert!(hub.stop().await.expect("the hub ends").success());
}
