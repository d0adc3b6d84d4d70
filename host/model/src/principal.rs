//! Who changed something.

use serde::{Deserialize, Serialize};

/// Who is behind a change that did not come about in COMPUTE. Every control event names one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Principal {
    /// An API key, by its id.
    Key { id: String },
    /// A person who is logged in.
    Person { id: String },
    /// A plugin on its own account.
    Plugin { name: String, digest: String },
    /// Another firm, by the token that it was given.
    Partner { id: String },
    /// What a tenant subscribed to, by the subscription's id: it makes and removes what was agreed on.
    Subscription { id: String },
    /// Whoever runs the hub, from its command line.
    Operator,
    /// The hub by itself.
    Hub,
}

impl Principal {
    pub fn key(id: impl Into<String>) -> Principal {
        Principal::Key { id: id.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn c8_a_principal_says_what_kind_it_is() {
        assert_eq!(serde_json::to_value(Principal::key("ab12")).unwrap(), json!({"kind": "key", "id": "ab12"}));
        assert_eq!(serde_json::to_value(Principal::Operator).unwrap(), json!({"kind": "operator"}));
    }
}
