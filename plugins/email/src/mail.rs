//! A mail as the provider's API wants it.

use openhub_sdk::prelude::*;
use serde_json::{Map, Value, json};

use crate::{Mail, Provider};

pub fn body(provider: &Provider, message: &Message<Mail>) -> String {
    let Mail { subject, html, text } = &message.content;
    let mut body = json!({"from": provider.from, "to": [message.address], "subject": one_line(subject)});
    for (name, value) in [("html", html), ("text", text), ("reply_to", &provider.reply_to)] {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    if let Some(url) = &message.unsubscribe_url {
        body["headers"] = Value::Object(unsubscribe(url));
    }
    body.to_string()
}

/// RFC 2369 and RFC 8058: a mail program shows a button, and sends the form by itself.
fn unsubscribe(url: &str) -> Map<String, Value> {
    let headers =
        [("List-Unsubscribe", format!("<{url}>")), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())];
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// A subject is one line: a value in it could else add headers.
fn one_line(subject: &str) -> String {
    subject.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line() {
        assert_eq!(one_line("Hello\r\nBcc: everybody@example.com"), "Hello Bcc: everybody@example.com");
    }
}
