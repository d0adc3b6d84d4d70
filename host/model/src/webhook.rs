//! Webhooks: what an event is called towards a receiver, which events a webhook wants, and who may see them.
//!
//! A `track` is called by its name. Everything else is called by its kind, with its name behind a colon if it has one:
//! `control:journey.published`, `page:Home`, `identify`. A `track` that somebody calls like one of those is `track:…`, so that no page
//! can send what looks like a word of the hub.

use crate::event::EventKind;
use crate::fault::Fault;

/// Patterns of a webhook at most, and characters of each.
pub const PATTERNS: usize = 100;
pub const PATTERN: usize = 300;

const KINDS: [(&str, EventKind); 9] = [
    ("alias", EventKind::Alias),
    ("control", EventKind::Control),
    ("group", EventKind::Group),
    ("identify", EventKind::Identify),
    ("object", EventKind::Object),
    ("page", EventKind::Page),
    ("screen", EventKind::Screen),
    ("track", EventKind::Track),
    ("update", EventKind::Update),
];

/// The type of an event; none of one that was erased.
pub fn type_of(kind: EventKind, name: &str) -> Option<String> {
    let (word, _) = KINDS.iter().find(|(_, known)| *known == kind)?;
    let first = name.split(':').next().unwrap_or_default();
    let is_mistaken = KINDS.iter().any(|(word, _)| *word == first);
    Some(match (kind, name.is_empty()) {
        (EventKind::Track, false) if !is_mistaken => name.to_owned(),
        (_, true) => (*word).to_owned(),
        (_, false) => format!("{word}:{name}"),
    })
}

/// Whether one of the patterns is this type, or ends with `*` and begins it.
pub fn wants(patterns: &[String], r#type: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => r#type.starts_with(beginning),
        None => pattern == r#type,
    })
}

/// What is wrong with the patterns of a webhook.
pub fn faults(patterns: &[String]) -> Vec<Fault> {
    if patterns.is_empty() || patterns.len() > PATTERNS {
        let message =
            format!("A webhook has 1 to {PATTERNS} types of events, like `Order Completed`, `Order *` or `*`.");
        return vec![Fault::new("/events", "out-of-range", message)];
    }
    let wrong = |(at, pattern): (usize, &String)| {
        let is_right = !pattern.is_empty() && pattern.chars().count() <= PATTERN && !pattern.contains('\0');
        let message = format!("A type of events has 1 to {PATTERN} characters.");
        (!is_right).then(|| Fault::new(format!("/events/{at}"), "invalid-type", message))
    };
    patterns.iter().enumerate().filter_map(wrong).collect()
}

/// The scope without which somebody sees nothing of what such an event says; none if `events:read` is enough.
pub fn needs(kind: EventKind, name: &str) -> Option<&'static str> {
    match (kind, name.split('.').next()) {
        (EventKind::Object, _) => Some("objects:read"),
        (EventKind::Control, Some("plugin")) => Some("plugins:read"),
        (EventKind::Control, Some("journey")) => Some("journeys:read"),
        (EventKind::Control, Some("segment")) => Some("segments:read"),
        (EventKind::Control, Some("statement" | "quota" | "usage")) => Some("usage:read"),
        (EventKind::Control, Some("webhook")) => Some("webhooks:read"),
        (EventKind::Control, Some("share")) => Some("shares:read"),
        (EventKind::Control, Some("offering")) => Some("offerings:read"),
        (EventKind::Control, Some("subscription")) => Some("subscriptions:read"),
        (EventKind::Control, Some("clock")) => None,
        (EventKind::Control, _) => Some("customers:read"),
        _ => None,
    }
}

/// All scopes that some event needs.
pub const NEEDED: [&str; 9] = [
    "customers:read",
    "journeys:read",
    "objects:read",
    "offerings:read",
    "plugins:read",
    "segments:read",
    "subscriptions:read",
    "usage:read",
    "webhooks:read",
];

/// As in a path: letters, digits and `-`.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_page_sends_is_called_like_a_word_of_the_hub() {
        let cases = [
            (EventKind::Track, "Order Completed", "Order Completed"),
            (EventKind::Track, "journey.published", "journey.published"),
            (EventKind::Control, "journey.published", "control:journey.published"),
            (EventKind::Track, "control:journey.published", "track:control:journey.published"),
            (EventKind::Track, "identify", "track:identify"),
            (EventKind::Track, "track:x", "track:track:x"),
            (EventKind::Track, "", "track"),
            (EventKind::Identify, "", "identify"),
            (EventKind::Page, "Home", "page:Home"),
        ];
        for (kind, name, expected) in cases {
            assert_eq!(type_of(kind, name).as_deref(), Some(expected));
        }
        assert_eq!(type_of(EventKind::Erased, ""), None);
    }

    #[test]
    fn a_pattern_is_a_type_or_the_beginning_of_one() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert!(wants(&patterns(&["Order Completed"]), "Order Completed"));
        assert!(!wants(&patterns(&["Order"]), "Order Completed"));
        assert!(wants(&patterns(&["x", "Order*"]), "Order Completed"));
        assert!(wants(&patterns(&["*"]), "control:journey.published"));
        assert!(wants(&patterns(&["control:journey.*"]), "control:journey.published"));
        assert!(!wants(&patterns(&["journey.*"]), "control:journey.published"));
        assert!(faults(&patterns(&["*", "Order Completed"])).is_empty());
        assert_eq!(faults(&patterns(&["*", ""]))[0].pointer, "/events/1");
        assert_eq!((faults(&[]).len(), faults(&vec!["*".to_owned(); PATTERNS + 1]).len()), (1, 1));
    }

    #[test]
    fn every_scope_that_an_event_needs_is_listed() {
        let names = [
            "plugin.x",
            "journey.x",
            "segment.x",
            "statement.x",
            "webhook.x",
            "clock.x",
            "customer.x",
            "offering.x",
            "subscription.x",
        ];
        let control = names.iter().filter_map(|name| needs(EventKind::Control, name));
        let mut needed: Vec<&str> = control.chain(needs(EventKind::Object, "")).collect();
        needed.sort_unstable();
        assert_eq!(needed, NEEDED);
    }
}
