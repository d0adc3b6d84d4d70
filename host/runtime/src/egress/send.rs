//! Sends what was checked, and reads the answer, capped and masked.

use reqwest::header::{CONTENT_ENCODING, HeaderValue};
use std::error::Error;

use super::request::Checked;
use super::{Egress, NoOpenAddress};
use crate::bindings::http::http::Fault;
use crate::bindings::types::types::Response;
use crate::capabilities::secrets::Secrets;

/// Says of an answer that its body is left out, and why.
const CUT: &str = "openhub-cut";

/// Sends it and reads the answer, at most `at_most` bytes of body.
pub async fn send(checked: Checked, egress: &Egress, secrets: &Secrets, at_most: u64) -> Result<Response, Fault> {
    let answered = egress.client(checked.port).execute(checked.request).await;
    let mut response = answered.map_err(|error| fault(error, secrets))?;
    let status = response.status().as_u16();
    let masked = |value: &HeaderValue| String::from_utf8_lossy(&secrets.mask(value.as_bytes().to_vec())).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), masked(value)));
    let mut headers: Vec<(String, String)> = headers.filter(|(name, _)| name != CUT).collect();
    let packed = response.headers().get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let mut body = Vec::new();
    let cut = loop {
        if packed && secrets.are_masked() {
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
    // The status has been told, whatever comes of the body. A part of it is not handed on: it could end within a secret.
    if let Some(why) = cut {
        headers.push((CUT.to_owned(), why));
        body.clear();
    }
    Ok(Response { status, headers, body: secrets.mask(body) })
}

fn fault(error: reqwest::Error, secrets: &Secrets) -> Fault {
    let denied = causes(&error).any(|cause| cause.downcast_ref::<NoOpenAddress>().is_some());
    let unsent = error.is_connect() || error.is_builder();
    let message = explain(error, secrets);
    match (denied, unsent) {
        (true, _) => Fault::Denied(message),
        (_, true) => Fault::NotSent(message),
        _ => Fault::Unknown(message),
    }
}

/// Without the URL, whose query may hold a secret.
fn explain(error: reqwest::Error, secrets: &Secrets) -> String {
    let error = error.without_url();
    let message = causes(&error).last().map_or_else(String::new, ToString::to_string);
    secrets.mask_text(message)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
