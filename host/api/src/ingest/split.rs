//! A batch whose text is no JSON because of what stands in one of its events: `NaN`, most of all, which JavaScript's and Python's
//! numbers know and JSON does not. The events are told apart by their brackets alone, so that each is read by itself and the faulty one
//! is refused.

/// The members of an object and the items of a list by their texts, without looking into them.
fn parts(text: &str, open: u8, close: u8) -> Option<Vec<&str>> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.first() != Some(&open) || bytes.last() != Some(&close) || bytes.len() < 2 {
        return None;
    }
    let inside = &text[1..text.len() - 1];
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (place, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                parts.push(inside[from..place].trim());
                from = place + 1;
            }
            _ => {}
        }
    }
    if depth > 0 || quoted {
        return None;
    }
    let last = inside[from..].trim();
    if !(last.is_empty() && parts.is_empty()) {
        parts.push(last);
    }
    Some(parts)
}

/// The events of a batch, and the text of its `sentAt`; none if not even its brackets tell.
pub(super) fn split(body: &str) -> Option<(Vec<&str>, Option<&str>)> {
    let members = parts(body, b'{', b'}')?;
    let member = |name: &str| {
        let named = members.iter().filter_map(|member| member.split_once(':'));
        let mut named = named.filter(|(key, _)| key.trim().trim_matches('"') == name).map(|(_, value)| value.trim());
        named.next().filter(|_| named.next().is_none())
    };
    Some((parts(member("batch")?, b'[', b']')?, member("sentAt")))
}

/// A number of other languages that JSON does not have, if a text has one outside its strings.
pub(super) fn no_number(text: &str) -> Option<&'static str> {
    let outside = text.replace("\\\\", "").replace("\\\"", "");
    let mut outside = outside.split('"').step_by(2);
    outside.find_map(|part| ["NaN", "Infinity"].into_iter().find(|word| part.contains(word)))
}

/// The `messageId` of an event, also of one that is no JSON.
pub(super) fn message_id(event: &str) -> Option<String> {
    let members = parts(event, b'{', b'}')?;
    let named = members.iter().filter_map(|member| member.split_once(':'));
    let value = named.filter(|(name, _)| name.trim() == "\"messageId\"").map(|(_, value)| value.trim()).next()?;
    serde_json::from_str(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_by_their_brackets() {
        let body = r#" {"sentAt":"2026-01-31T12:00:00Z", "batch" : [{"a":NaN}, {"b":"},{\"]"} ,{"c":[1,{}]}] } "#;
        let (events, sent) = split(body).expect("brackets are in order");
        assert_eq!(events, [r#"{"a":NaN}"#, r#"{"b":"},{\"]"}"#, r#"{"c":[1,{}]}"#]);
        assert_eq!(sent, Some(r#""2026-01-31T12:00:00Z""#));
        assert_eq!(split(r#"{"batch":[]}"#), Some((vec![], None)));
        for none in [
            "",
            "{",
            "[]",
            r#"{"batch":[{]}"#,
            r#"{"batch":[{}"#,
            r#"{"batch":"[]"}"#,
            r#"{"batch":[],"batch":[]}"#,
            r#"{"x":1}"#,
        ] {
            assert_eq!(split(none), None, "{none}");
        }
    }

    #[test]
    fn user14_f11_an_event_that_is_no_json_is_found_by_its_id() {
        let event = r#"{"properties":{"messageId":"in","a":NaN},"messageId" : "m\u0031" }"#;
        assert_eq!((message_id(event).as_deref(), no_number(event)), (Some("m1"), Some("NaN")));
        assert_eq!(no_number(r#"{"a":-Infinity}"#), Some("Infinity"));
        assert_eq!(no_number(r#"{"NaN":"say \"NaN\" \\","b":1,}"#), None);
        assert_eq!((message_id("{"), message_id("[]"), message_id(r#"{"messageId":7}"#)), (None, None, None));
    }
}
