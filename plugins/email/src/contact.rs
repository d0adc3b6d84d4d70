//! The provider's contact of a customer: handed out when they ask for their data, and deleted when they are erased.
//!
//! `GET` and `DELETE /contacts/{address}` beside the address for mails. Mails that were sent stay in the provider's log for as long as the
//! account says: its API deletes none.

use openhub_sdk::call;
use openhub_sdk::http::{self, Fault, Part, Request, Response};
use openhub_sdk::prelude::*;
use serde_json::Value;

use crate::{KEY, Provider};

/// What the plugin keeps of customers at its provider.
pub enum Contacts {}

#[privacy(identities = ["email"])]
impl Privacy for Contacts {
    fn erase(_request: &str, who: &Person) -> Result<Erased, Failure> {
        let answers = ask("DELETE", who)?;
        let mut deleted = 0;
        for answer in answers {
            deleted += usize::from(found(answer)?.is_some());
        }
        Ok(if deleted == 0 { Erased::Nothing } else { Erased::Done(format!("{deleted} contacts deleted")) })
    }

    fn export(_request: &str, who: &Person, _after: Option<&str>) -> Result<Exported, Failure> {
        let mut contacts = Vec::new();
        for answer in ask("GET", who)? {
            if let Some(response) = found(answer)? {
                let contact: Value = serde_json::from_slice(&response.body)
                    .map_err(|error| again("not-json", format!("the provider's contact is not JSON: {error}")))?;
                contacts.push(contact);
            }
        }
        Ok(Exported::items(contacts))
    }
}

/// One request for each address.
fn ask(method: &str, who: &Person) -> Result<Vec<Result<Response, Fault>>, Failure> {
    let provider: Provider = call::settings().map_err(Failure::Misconfigured)?;
    let beside = provider.url.rsplit_once('/').map_or(provider.url.as_str(), |(parent, _)| parent);
    let requests = who.all("email").map(|address| {
        Request::new(method, format!("{beside}/contacts/{}", encoded(address)))
            .header_of("authorization", vec![Part::Text("Bearer ".to_owned()), Part::Secret(KEY.to_owned())])
    });
    Ok(http::fetch(&requests.collect::<Vec<_>>()))
}

/// None if the provider knows no such contact.
fn found(answer: Result<Response, Fault>) -> Result<Option<Response>, Failure> {
    let response = match answer {
        Ok(response) => response,
        Err(Fault::Denied(why)) => return Err(Failure::Misconfigured(Reason::new("denied", why))),
        Err(Fault::NotSent(why) | Fault::Unknown(why)) => return Err(again("no-answer", why)),
    };
    let told = format!("the provider answered {}", response.status);
    match response.status {
        200..=299 => Ok(Some(response)),
        404 => Ok(None),
        401 | 403 => Err(Failure::Misconfigured(Reason::new("status", told))),
        408 | 429 | 500..=599 => Err(again("status", told)),
        _ => Err(Failure::Rejected(Reason::new("status", told))),
    }
}

fn again(code: &str, why: String) -> Failure {
    Failure::Retry(Retry { after_ms: 0, reason: Reason::new(code, why) })
}

/// As one step of a path.
fn encoded(address: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@".contains(&byte);
    address
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_step_of_a_path() {
        assert_eq!(encoded("ada+shop/1@example.com"), "ada%2Bshop%2F1@example.com");
        assert_eq!(encoded("../emails"), "..%2Femails");
    }
}
