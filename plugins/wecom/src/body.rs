//! A message as the provider's API wants it.

use openhub_sdk::prelude::*;
use serde_json::{Value, json};

use crate::{Application, Kind, Note};

/// Bytes that the provider takes of each; it cuts longer ones silently.
const TEXT: usize = 2_048;
const TITLE: usize = 128;
const DESCRIPTION: usize = 512;
const URL: usize = 2_048;

pub fn of(application: &Application, message: &Message<Note>) -> Result<String, Reason> {
    let Note { kind, text, title, url, button } = &message.content;
    bounded("text", text, if *kind == Some(Kind::Textcard) { DESCRIPTION } else { TEXT })?;
    // `@all` is everybody, and `|` parts one member from the next.
    if message.address.contains('|') || message.address.starts_with('@') {
        return Err(Reason::new("bad-address", "a message goes to one member"));
    }
    let (name, content) = match kind.unwrap_or(Kind::Text) {
        Kind::Text => ("text", json!({"content": text})),
        Kind::Markdown => ("markdown", json!({"content": text})),
        Kind::Textcard => {
            let (title, url) = (title.as_deref().unwrap_or_default(), url.as_deref().unwrap_or_default());
            bounded("title", title, TITLE)?;
            bounded("url", url, URL)?;
            let mut card = json!({"title": title, "description": text, "url": url});
            if let Some(button) = button {
                card["btntxt"] = Value::from(button.as_str());
            }
            ("textcard", card)
        }
    };
    let mut body = json!({"touser": message.address, "msgtype": name, "agentid": application.agent_id, "safe": 0});
    body[name] = content;
    Ok(body.to_string())
}

fn bounded(name: &str, text: &str, at_most: usize) -> Result<(), Reason> {
    match text.len() {
        0 => Err(Reason::new("empty", format!("the message needs `{name}`"))),
        length if length > at_most => {
            Err(Reason::new("too-long", format!("`{name}` has {length} bytes: at most {at_most}")))
        }
        _ => Ok(()),
    }
}
