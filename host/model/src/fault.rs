//! What is wrong with an input, and where.

use serde::{Deserialize, Serialize};

/// One fault of an input: `pointer` is an RFC 6901 JSON pointer into it, `code` is stable and kebab-case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub pointer: String,
    pub code: String,
    pub message: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Names listed in a message at most.
const LISTED: usize = 20;

/// The sentence that says which names there are, for a message about one that is not among them.
pub fn there_are<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let names: Vec<S> = names.into_iter().collect();
    if names.is_empty() {
        return "There are none.".to_owned();
    }
    let listed: Vec<&str> = names.iter().take(LISTED).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(LISTED) {
        0 => format!("There are: {}.", listed.join(", ")),
        more => format!("There are: {}, and {more} more.", listed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_lists_what_there_is_up_to_a_bound() {
        assert_eq!(there_are(["a", "b"]), "There are: a, b.");
        assert_eq!(there_are(Vec::<String>::new()), "There are none.");
        let many = there_are((0..22).map(|number| number.to_string()));
        assert!(many.ends_with("18, 19, and 2 more."), "{many}");
    }
}
