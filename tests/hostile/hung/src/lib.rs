//! A channel whose name comes before the others', and whose provider never answers.

use openhub_sdk::call;
use openhub_sdk::http::{self, Fault, Request};
use openhub_sdk::prelude::*;

#[derive(Clone, Debug, Settings)]
pub struct Provider {
    pub url: String,
}

#[channel(name = "a-hung", address = "user_id")]
pub fn hung(batch: Messages<Json>) -> Result<(), Failure> {
    let provider: Provider = call::settings().map_err(Failure::Misconfigured)?;
    for message in batch {
        let request = Request::post(&provider.url).header("webhook-id", &message.idempotency_key).body("{}");
        let Some(answer) = http::fetch(&[request]).pop() else { continue };
        let verdict = match answer {
            Ok(_) => Verdict::Accepted(Receipt { provider_id: message.idempotency_key.clone(), units: 1 }),
            Err(Fault::Denied(why)) => Verdict::Misconfigured(Reason::new("denied", why)),
            Err(Fault::NotSent(why) | Fault::Unknown(why)) => Verdict::Unknown(Reason::new("no-answer", why)),
        };
        message.settle(verdict);
    }
    Ok(())
}

openhub_sdk::plugin! { channels: [hung] }
