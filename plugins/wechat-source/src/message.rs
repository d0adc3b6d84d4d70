//! A message of WeChat's: XML, one element a field.

use openhub_sdk::prelude::*;
use roxmltree::Document;
use std::collections::BTreeMap;

/// The fields of a message, by name.
pub struct Message(BTreeMap<String, String>);

impl Message {
    /// Without document types, and so without entities of its own.
    pub fn read(body: &[u8]) -> Result<Message, Failure> {
        let text = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8"))?;
        let document = Document::parse(text).map_err(|error| bad(format!("the body is not XML: {error}")))?;
        let fields = document.root_element().children().filter(roxmltree::Node::is_element);
        // A text may come in several pieces.
        let text = |node: roxmltree::Node<'_, '_>| node.children().filter_map(|piece| piece.text()).collect::<String>();
        Ok(Message(fields.map(|node| (node.tag_name().name().to_owned(), text(node))).collect()))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What a message must have.
    pub fn text(&self, name: &str) -> Result<String, Failure> {
        self.get(name).map(str::to_owned).ok_or_else(|| bad(format!("the message has no `{name}`")))
    }
}

pub fn bad(why: impl Into<String>) -> Failure {
    Failure::Rejected(Reason::new("bad-message", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_and_without_cdata() {
        let xml = "<xml><ToUserName><![CDATA[gh_1]]></ToUserName>\n<CreateTime>123456789</CreateTime><Event><![CDATA[]]></Event>\
            <Content><![CDATA[a <b> &amp; ]]>&amp;<![CDATA[ c]]></Content></xml>";
        let message = Message::read(xml.as_bytes()).expect("a message");
        assert_eq!((message.get("ToUserName"), message.get("CreateTime")), (Some("gh_1"), Some("123456789")));
        assert_eq!(message.get("Content"), Some("a <b> &amp; & c"));
        assert!(message.text("Event").is_err() && message.text("MsgId").is_err());
    }

    #[test]
    fn nothing_is_expanded() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><xml><Content>&b;</Content></xml>";
        assert!(Message::read(bomb.as_bytes()).is_err());
        assert!(Message::read(b"{}").is_err() && Message::read(&[0xff]).is_err());
    }
}
