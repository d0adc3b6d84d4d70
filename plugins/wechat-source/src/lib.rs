//! The source `messages`: what WeChat (微信) tells of an official account, as events of the follower.
//!
//! Give the account the hub's address of the source as its server, with the token and the key that are the plugin's secrets, and
//! choose the safe mode (安全模式). WeChat asks the address once by `GET` before it uses it. A message is signed over its time, and is
//! refused when it is older than five minutes.
//!
//! The follower is an identity of the kind `wechat_openid`: declare it in the tenant's kinds of identities.

mod event;
mod message;
mod sealed;

use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use openhub_sdk::{call, clock};

use message::Message;

openhub_sdk::plugin! { sources: [messages] }

const TOKEN: &str = "token";
/// How old, or how far ahead, what is signed may be. Seconds.
const TOLERANCE: i64 = 300;

#[derive(Clone, Debug, Settings)]
pub struct Account {
    /// `wx…`: a message for another one is refused.
    pub app_id: String,
    /// Whether messages are taken that are not encrypted (明文模式): their signature does not cover what they say.
    pub plain: Option<bool>,
}

#[source(
    name = "messages",
    events = [WechatSubscribed, WechatUnsubscribed, WechatMenuClicked, WechatScanned, WechatMessageReceived]
)]
pub fn messages(request: Request) -> Result<Received, Failure> {
    let account: Account = call::settings().map_err(Failure::Misconfigured)?;
    let query = |name: &str| request.parameter(name).unwrap_or_default();
    let (at, nonce) = (query("timestamp"), query("nonce"));
    if !at.parse::<i64>().is_ok_and(|at| (clock::now().seconds() - at).abs() <= TOLERANCE) {
        return Ok(Received::answered(403, "the timestamp is missing, too old or too far ahead"));
    }
    let is_signed = |also: Option<&str>, signature: &str| {
        let others: Vec<String> = [at.as_str(), nonce.as_str()].into_iter().chain(also).map(str::to_owned).collect();
        secrets::verify_sorted(TOKEN, secrets::SHA1, &others, signature)
    };
    let refused = || Ok(Received::answered(403, "the signature is missing or wrong"));
    if request.method == "GET" {
        return match is_signed(None, &query("signature"))? {
            true => Ok(Received::answered(200, query("echostr")).header("Content-Type", "text/plain")),
            false => refused(),
        };
    }
    let message = if query("encrypt_type") == "aes" {
        let sealed = Message::read(&request.body)?.text("Encrypt")?;
        if !is_signed(Some(&sealed), &query("msg_signature"))? {
            return refused();
        }
        Message::read(&sealed::open(&sealed, &account.app_id)?)?
    } else if account.plain == Some(true) {
        if !is_signed(None, &query("signature"))? {
            return refused();
        }
        Message::read(&request.body)?
    } else {
        return Ok(Received::answered(
            403,
            "the message is not encrypted: choose the safe mode, or allow it in `plain`",
        ));
    };
    // WeChat sends what has another answer again, three times.
    event::add(Received::answered(200, "success").header("Content-Type", "text/plain"), &message)
}
