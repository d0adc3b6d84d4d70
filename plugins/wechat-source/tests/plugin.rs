//! The built component, in the hub's own runtime, called as WeChat's documentation says.

use aes::cipher::{BlockEncryptMut, KeyIvInit, block_padding::NoPadding};
use openhub_sdk_testing::{Hub, Received, Timestamp, Unanswered, json};
use sha1::{Digest, Sha1};

const NOW: i64 = 1_772_000_000;
const TOKEN: &str = "a token of mine";
const APP: &str = "wxb11529c136998cb6";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const FOLLOWER: &str = "oIt4tt1JCxZcgNp5q5VrTdkYjO5k";

fn installed(hub: Hub, plain: bool) -> Hub {
    hub.at(Timestamp::from_micros(NOW * 1_000_000))
        .with_settings(json!({"app_id": APP, "plain": plain}))
        .with_secret("token", TOKEN)
        .with_secret("encoding-aes-key", KEY)
}

fn signature(others: &[&str]) -> String {
    let mut all = [&[TOKEN], others].concat();
    all.sort_unstable();
    hex::encode(Sha1::digest(all.concat()))
}

/// As WeChat encrypts it: the vector is the key's first half.
fn sealed(message: &str, app: &str) -> String {
    let key = decoded(KEY);
    let mut bytes = b"0123456789abcdef".to_vec();
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend_from_slice(message.as_bytes());
    bytes.extend_from_slice(app.as_bytes());
    let fill = 32 - bytes.len() % 32;
    bytes.extend(std::iter::repeat_n(fill as u8, fill));
    let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key, &key[..16]).expect("a key");
    let length = bytes.len();
    encoded(cipher.encrypt_padded_mut::<NoPadding>(&mut bytes, length).expect("whole blocks"))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn decoded(text: &str) -> Vec<u8> {
    let bits = text.bytes().flat_map(|digit| {
        let value = DIGITS.iter().position(|known| *known == digit).expect("base64");
        (0..6).rev().map(move |bit| (value >> bit & 1) as u8)
    });
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn encoded(bytes: &[u8]) -> String {
    let group = |group: &[u8]| {
        let value = group.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        (0..4)
            .map(move |at| match at > group.len() {
                true => '=',
                false => char::from(DIGITS[(value >> (18 - 6 * at) & 63) as usize]),
            })
            .collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

fn xml(kind: &str, rest: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><FromUserName><![CDATA[{FOLLOWER}]]></FromUserName>\
         <CreateTime>1771999999</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>{rest}</xml>"
    )
}

fn event(name: &str, rest: &str) -> String {
    xml("event", &format!("<Event><![CDATA[{name}]]></Event>{rest}"))
}

fn plainly(hub: &Hub, at: i64, signature: &str, body: &str) -> Received {
    hub.source("messages").query(&format!("signature={signature}&timestamp={at}&nonce=n1&openid={FOLLOWER}")).post(body)
}

fn safely(hub: &Hub, message: &str, app: &str) -> Result<Received, Unanswered> {
    let (at, sealed) = (NOW.to_string(), sealed(message, app));
    let body = format!(
        "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    );
    let (own, of_message) = (signature(&[&at, "n1"]), signature(&[&at, "n1", &sealed]));
    let query = format!("signature={own}&timestamp={at}&nonce=n1&encrypt_type=aes&msg_signature={of_message}");
    hub.source("messages").query(&query).send("POST", body)
}

#[openhub_sdk_testing::test]
fn the_address_is_verified(hub: Hub) {
    let hub = installed(hub, false);
    let ask = |at: i64, signature: &str| {
        let query = format!("signature={signature}&timestamp={at}&nonce=n%201&echostr=4375120948345356249");
        hub.source("messages").query(&query).get()
    };
    let right = signature(&[&NOW.to_string(), "n 1"]);
    let answer = ask(NOW, &right);
    assert_eq!((answer.status, &*answer.body, answer.verified), (200, &b"4375120948345356249"[..], true));
    assert_eq!(answer.headers, [("Content-Type".to_owned(), "text/plain".to_owned())]);
    assert_eq!(ask(NOW, "").status, 403);
    assert_eq!(ask(NOW + 1, &right).status, 403, "it is signed over the time");
    let old = NOW - 301;
    assert_eq!(ask(old, &signature(&[&old.to_string(), "n 1"])).status, 403, "who listened cannot say it again later");
}

#[openhub_sdk_testing::test]
fn encrypted_messages_are_events(hub: Hub) {
    let hub = installed(hub, false);
    let text = xml("text", "<Content><![CDATA[你好 <b>]]></Content><MsgId>23456789012345678</MsgId>");
    let received = safely(&hub, &text, APP).expect("an answer");
    assert_eq!((received.status, &*received.body, received.verified), (200, &b"success"[..], true));
    let [written] = received.events.try_into().expect("one event");
    assert_eq!((&*written.id, &*written.name), ("23456789012345678", "Wechat Message Received"));
    assert_eq!(written.at.as_deref(), Some("2026-02-25T06:13:19Z"));
    assert_eq!(written.identities, [("wechat_openid".to_owned(), FOLLOWER.to_owned())]);
    let expected = json!({"account": "gh_7f083739789a", "message_id": "23456789012345678", "text": "你好 <b>"});
    assert_eq!(written.properties, expected);

    let told = |message: &str| safely(&hub, message, APP).expect("an answer").events;
    for (message, name, key) in [
        (event("subscribe", "<EventKey><![CDATA[]]></EventKey>"), "Wechat Subscribed", json!(null)),
        (
            event("subscribe", "<EventKey><![CDATA[qrscene_123]]></EventKey><Ticket>t</Ticket>"),
            "Wechat Subscribed",
            json!("123"),
        ),
        (event("unsubscribe", ""), "Wechat Unsubscribed", json!(null)),
        (event("CLICK", "<EventKey><![CDATA[MENU_1]]></EventKey>"), "Wechat Menu Clicked", json!("MENU_1")),
        (event("SCAN", "<EventKey><![CDATA[7]]></EventKey>"), "Wechat Scanned", json!("7")),
    ] {
        let [happened] = told(&message).try_into().expect("one event");
        assert_eq!(happened.name, name);
        let found = happened.properties.get("key").or(happened.properties.get("scene")).cloned().unwrap_or_default();
        assert_eq!(found, key, "{message}");
        assert_eq!(told(&message)[0].id, happened.id, "sent again, it is the same event");
        assert!(happened.id.starts_with(&format!("{FOLLOWER}-1771999999-")), "{}", happened.id);
    }
    assert_eq!(told(&event("VIEW", "<EventKey>https://example.com</EventKey>")), []);
    assert_eq!(told(&xml("image", "<MediaId>1</MediaId><MsgId>1</MsgId>")), []);
}

#[openhub_sdk_testing::test]
fn what_is_for_another_account_or_was_changed_is_refused(hub: Hub) {
    let hub = installed(hub, false);
    let follows = event("subscribe", "");
    let another = safely(&hub, &follows, "wxAnother");
    assert!(matches!(&another, Err(Unanswered::Rejected(reason)) if reason.code == "bad-message"), "{another:?}");
    let (at, theirs, mine) = (NOW.to_string(), sealed(&follows, APP), sealed(&event("unsubscribe", ""), APP));
    let body = format!("<xml><Encrypt>{mine}</Encrypt></xml>");
    let query = format!("timestamp={at}&nonce=n1&encrypt_type=aes&msg_signature={}", signature(&[&at, "n1", &theirs]));
    let swapped = hub.source("messages").query(&query).post(&body);
    assert_eq!((swapped.status, swapped.verified, swapped.events.len()), (403, false, 0));
    let plain = plainly(&hub, NOW, &signature(&[&at, "n1"]), &follows);
    assert_eq!((plain.status, plain.events.len()), (403, 0), "nobody goes around the encryption");
}

#[openhub_sdk_testing::test]
fn plain_messages_are_taken_where_the_account_has_them(hub: Hub) {
    let hub = installed(hub, true);
    let follows = event("subscribe", "");
    let sign = |at: i64| signature(&[&at.to_string(), "n1"]);
    let received = plainly(&hub, NOW, &sign(NOW), &follows);
    assert_eq!((received.status, received.verified, received.events.len()), (200, true, 1));
    assert_eq!(plainly(&hub, NOW, &sign(NOW + 1), &follows).status, 403);
    assert_eq!(plainly(&hub, NOW - 301, &sign(NOW - 301), &follows).status, 403, "it is too old");
    let query = format!("signature={}&timestamp={NOW}&nonce=n1", sign(NOW));
    for nonsense in ["", "<xml></xml>", "{}", "<xml><ToUserName>a</ToUserName><MsgType>text</MsgType></xml>"] {
        let refused = hub.source("messages").query(&query).send("POST", nonsense);
        assert!(matches!(refused, Err(Unanswered::Rejected(_))), "{nonsense}: {refused:?}");
    }
}
