//! Sends what was checked, and reads the answer, capped and masked.

use reqwest::header::{CONTENT_ENCODING, HeaderValue};
use std::error::Error;
use std::sync::Arc;

use super::request::Checked;
use super::{Egress, NoOpenAddress};
use crate::bindings::http::http::Fault;
use crate::bindings::types::types::Response;
use crate::capabilities::secrets::Secrets;
use crate::masks::Masks;

/// Says of an answer that its body is left out, and why.
const CUT: &str = "openhub-cut";

/// Of a secret that an answer gives.
const SECRET_BYTES: usize = 16 * 1024;

/// Sends it and reads the answer, at most `at_most` bytes of body; and the secret that the answer gives at the pointer, if one is named.
pub async fn send(
    checked: Checked,
    egress: &Egress,
    (secrets, pointer): (&Secrets, Option<&str>),
    at_most: u64,
) -> (Result<Response, Fault>, Option<Arc<[u8]>>) {
    let answered = egress.client(checked.port).execute(checked.request).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(error) => return (Err(fault(error, secrets)), None),
    };
    let status = response.status().as_u16();
    let packed = response.headers().get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let mut body = Vec::new();
    let cut = loop {
        if packed && secrets.masks.are_masked() {
            break Some("the answer is compressed, which the hub did not ask for".to_owned());
        }
        match response.chunk().await {
            Ok(None) => break None,
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > at_most => {
                break Some(format!("the answer is too long: at most {at_most} bytes"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => break Some(explain(error, secrets)),
        }
    };
    let is_whole = cut.is_none() && response.status().is_success();
    let given = pointer.filter(|_| is_whole).and_then(|pointer| text_at(&body, pointer));
    let new = given.iter().map(|given| Masks::of([&**given].into_iter())).next().unwrap_or_default();
    let masked = |bytes: Vec<u8>| new.mask(secrets.masks.mask(bytes));
    let text = |value: &HeaderValue| String::from_utf8_lossy(&masked(value.as_bytes().to_vec())).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    let mut headers: Vec<(String, String)> = headers.filter(|(name, _)| name != CUT).collect();
    // The status has been told, whatever comes of the body. A part of it is not handed on: it could end within a secret.
    if let Some(why) = cut {
        headers.push((CUT.to_owned(), why));
        body.clear();
    }
    let body = masked(body);
    (Ok(Response { status, headers, body }), given)
}

/// The text at a pointer of a JSON document, if it can be a secret.
fn text_at(body: &[u8], pointer: &str) -> Option<Arc<[u8]>> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = document.pointer(pointer)?.as_str()?;
    (1..=SECRET_BYTES).contains(&text.len()).then(|| text.as_bytes().into())
}

fn fault(error: reqwest::Error, secrets: &Secrets) -> Fault {
    let denied = is_denied(&error);
    let unsent = error.is_connect() || error.is_builder();
    let message = explain(error, secrets);
    match (denied, unsent) {
        (true, _) => Fault::Denied(message),
        (_, true) => Fault::NotSent(message),
        _ => Fault::Unknown(message),
    }
}

/// Whether it was to go where nothing may go.
pub fn is_denied(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<NoOpenAddress>().is_some())
}

fn explain(error: reqwest::Error, secrets: &Secrets) -> String {
    secrets.masks.mask_text(explained(error))
}

/// Without the URL, whose query may hold a secret.
pub fn explained(error: reqwest::Error) -> String {
    let error = error.without_url();
    causes(&error).last().map_or_else(String::new, ToString::to_string)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
