//! What a message says that its follower did.

use openhub_sdk::prelude::*;

use crate::message::{Message, bad};

const FOLLOWER: &str = "wechat_openid";
/// What stands before the scene of a code that somebody scanned who did not follow yet.
const SCENE: &str = "qrscene_";

/// Somebody follows the account.
#[derive(Clone, Debug, Event)]
pub struct WechatSubscribed {
    /// The account, `gh_…`.
    pub account: String,
    /// Of the code that they scanned, if they did.
    pub scene: Option<String>,
}

/// Somebody follows no more.
#[derive(Clone, Debug, Event)]
pub struct WechatUnsubscribed {
    pub account: String,
}

/// A follower chose an entry of the account's menu.
#[derive(Clone, Debug, Event)]
pub struct WechatMenuClicked {
    pub account: String,
    pub key: String,
}

/// A follower scanned a code of the account.
#[derive(Clone, Debug, Event)]
pub struct WechatScanned {
    pub account: String,
    pub scene: String,
}

/// A follower wrote to the account.
#[derive(Clone, Debug, Event)]
pub struct WechatMessageReceived {
    pub account: String,
    pub message_id: String,
    pub text: String,
}

/// Adds the event of a message; of what no event is declared for (pictures, places, …) there is none.
pub fn add(received: Received, message: &Message) -> Result<Received, Failure> {
    let account = message.text("ToUserName")?;
    let key = || message.get("EventKey").unwrap_or_default().to_owned();
    Ok(match (message.text("MsgType")?.as_str(), message.get("Event").unwrap_or_default()) {
        ("text", _) => {
            let (message_id, text) = (message.text("MsgId")?, message.get("Content").unwrap_or_default().to_owned());
            received.event(&happened(message, WechatMessageReceived { account, message_id, text })?)
        }
        ("event", "subscribe") => {
            let scene = message.get("EventKey").and_then(|key| key.strip_prefix(SCENE)).map(str::to_owned);
            received.event(&happened(message, WechatSubscribed { account, scene })?)
        }
        ("event", "unsubscribe") => received.event(&happened(message, WechatUnsubscribed { account })?),
        ("event", "CLICK") => received.event(&happened(message, WechatMenuClicked { account, key: key() })?),
        ("event", "SCAN") => received.event(&happened(message, WechatScanned { account, scene: key() })?),
        _ => received,
    })
}

/// WeChat sends a message again until it is answered. One that has no id is known by its follower and its time.
fn happened<E: Event>(message: &Message, event: E) -> Result<Happened<E>, Failure> {
    let follower = message.text("FromUserName")?;
    let seconds = message.text("CreateTime")?;
    let at: i64 = seconds.parse().map_err(|_| bad("`CreateTime` is not a number of seconds"))?;
    let id = match message.get("MsgId") {
        Some(id) => id.to_owned(),
        None => format!("{follower}-{at}-{}", message.get("Event").unwrap_or_default()),
    };
    let at = Timestamp::from_micros(at.saturating_mul(1_000_000));
    Ok(Happened::new(id, event).at(at).of(FOLLOWER, follower))
}
