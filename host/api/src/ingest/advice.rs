//! What a sender has to change, by the code of what was refused. Stands in the list of faults, which keeps nothing that was
//! sent: so no sentence here names a value.

use openhub_model::attribute::AttributeType;

const TABLE: &[(&str, &str)] = &[
    ("authority", "Send it with a server's key."),
    ("blocked-identity", "Send the real id: this is a placeholder, like `null` or `undefined`."),
    ("epoch", "A source or an endpoint took too long: tell its author, or find out what its calls wait for."),
    ("event-too-large", "Send less in one event: the limit is in the answer to the sender."),
    ("fuel", "A source or an endpoint used up its CPU time: tell its author."),
    ("host", "A source or an endpoint could not be called: the hub's log says why."),
    ("invalid-body", "Send an object with the events in the list `batch`, and `sentAt` as a time."),
    ("invalid-encoding", "Compress the body as `Content-Encoding` says, or leave that header out."),
    ("invalid-event", "Send the event as JSON that can be read."),
    ("invalid-id", "Send an id of 1 to 255 bytes, without U+0000."),
    ("invalid-identity", "Write each identity as `{\"kind\": …, \"value\": …}`, both strings."),
    (
        "invalid-json",
        "Send valid JSON in UTF-8: without NaN, Infinity and lone surrogates, and with numbers that a double can hold.",
    ),
    ("invalid-name", "Use a name of 1 to 255 bytes, without U+0000; a consent's is its purpose, or `purpose/channel`."),
    (
        "invalid-query",
        "Take the parameters out of the address: a call of events takes `writeKey`, and such as `t` or `v` against caches.",
    ),
    ("invalid-timestamp", "Write the time like 2026-01-31T12:00:00Z, in the years 1 to 9999."),
    (
        "malformed",
        "A source or an endpoint gave an answer that it does not declare: the hub's log says what; tell its author.",
    ),
    ("memory", "A source or an endpoint used up its memory: tell its author."),
    ("missing-event", "Set `event`, the name of what happened."),
    ("missing-group-id", "Set `groupId`, the group that the customer belongs to."),
    ("missing-identity", "Set `userId` or `anonymousId`, so that the event has a customer."),
    ("missing-previous-id", "Set `previousId`, the id that the customer had before."),
    ("missing-type", "Set `type`: `identify`, `track`, `page`, `screen`, `group` or `alias`."),
    (
        "misspelt-member",
        "The place names the member: a call has none of that name, so it has no effect, and the rest of the event was stored.",
    ),
    ("not-an-object", "Send each event as a JSON object."),
    ("not-granted", "An admin must act: the plugin called what it was not granted; `openhub plugin logs` names it."),
    ("null-character", "Remove the character U+0000."),
    ("repeated-field", "Write each field once."),
    ("reserved-field", "Remove the member: those whose names begin with `openhub:` are the hub's."),
    ("reserved-id", "Use another `messageId`: those that begin with `openhub:` are the hub's."),
    ("reserved-name", "Send this event with a server's key: anybody can read a page's."),
    ("said-by-hub", "Leave the event out, or give it another name: the hub says it by itself."),
    ("several-keys", "Send the events of each write key in a body of their own."),
    ("stack", "A source or an endpoint nested its calls too deep: tell its author."),
    ("suppressed-identity", "Stop sending it: the customer was erased, and asked not to be stored again."),
    ("too-deep", "Nest the value less deeply."),
    ("too-large", "Send smaller batches: the limit is in the answer to the sender."),
    ("too-long", "Shorten the value: the limit is in the answer to the sender."),
    ("too-many", "Send fewer: the limit is in the answer to the sender."),
    ("too-many-digits", "Send the number with fewer digits, or as a text."),
    ("trap", "A source or an endpoint broke off: the hub's log has its message; tell its author."),
    ("turned-away", "A source turned a caller away: its signature or secret is not the one that the plugin has."),
    ("unknown-field", "Remove the field: a consent has `state`, `source` and `text_version`."),
    ("unknown-kind", "Set the identity's `kind`, like `email`."),
    ("unknown-state", "Set the consent's `state` to `granted` or `denied`."),
    ("unknown-type", "Set `type` to `identify`, `track`, `page`, `screen`, `group` or `alias`."),
    ("unsupported-media-type", "Send JSON, as `application/json` or `text/plain`, plain or with gzip or deflate."),
    ("unverified-report", "A source reported on a message without verifying its caller: tell its author."),
    (
        "value-left-out",
        "Send the trait in the form of its declared type: its value was left out, and the rest of the event stored.",
    ),
    ("wrong-form", "Send the field in the form that the documentation of the call names."),
    ("wrong-type", "Send the field with the type that it has, or that its attribute was declared with."),
];

/// One sentence that says what to change.
pub(crate) fn advice(code: &str) -> &'static str {
    let known = TABLE.iter().find(|(known, _)| *known == code).map(|(_, advice)| *advice);
    known.unwrap_or("Correct what the code and the place name, as the answer to the sender says.")
}

/// The same of a value that was left out, with the type that its attribute was declared with.
pub(crate) fn advice_for(of: AttributeType) -> &'static str {
    macro_rules! declared {
        ($what:literal) => {
            concat!(
                "Send this trait as ",
                $what,
                ", as its attribute was declared: its value was left out, and the rest of the event stored."
            )
        };
    }
    match of {
        AttributeType::Text => declared!("a text"),
        AttributeType::Number => declared!("a number"),
        AttributeType::Integer => declared!("a whole number, without a decimal point"),
        AttributeType::Boolean => declared!("true or false"),
        AttributeType::Timestamp => declared!("a time, like `2026-01-31T12:00:00Z`"),
        AttributeType::Date => declared!("a date, like `2026-01-31`"),
        AttributeType::List => declared!("a list"),
        AttributeType::Object => declared!("an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_each_code_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
