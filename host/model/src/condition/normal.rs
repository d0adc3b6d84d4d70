//! Conditions ask for identities in the form in which they are stored.

use serde_json::Value;

use super::{Comparison, Condition, IdentityTest};
use crate::identity::{Identity, Policy};

impl Condition {
    /// The condition with the values of its `identity` leaves in the form of their kinds.
    pub fn normal(mut self, policy: &Policy) -> Condition {
        self.bring(policy);
        self
    }

    fn bring(&mut self, policy: &Policy) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter_mut().for_each(|part| part.bring(policy)),
            Condition::Not(part) => part.bring(policy),
            Condition::Identity(test) => test.bring(policy),
            _ => {}
        }
    }
}

impl IdentityTest {
    /// A beginning or a middle of a value has no form of its own: only whole values are brought into theirs.
    fn bring(&mut self, policy: &Policy) {
        let normal = |value: &mut Value| {
            if let Value::String(text) = value {
                *text = policy.normal(Identity::new(self.kind.as_str(), std::mem::take(text))).value;
            }
        };
        match (self.is, &mut self.value) {
            (Comparison::Eq | Comparison::Ne, value) => normal(value),
            (Comparison::In, Value::Array(values)) => values.iter_mut().for_each(normal),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn report_07_an_identity_is_asked_for_in_its_form() {
        let read = |value: Value| serde_json::from_value::<Condition>(value).expect("a condition");
        let leaf = |is: &str, value: Value| json!({"identity": {"kind": "email", "is": is, "value": value}});
        let asked = read(
            json!({"all": [{"not": leaf("eq", json!(" Ada@Bücher.Example"))}, leaf("in", json!(["B@C.d", 7])), leaf("prefix", json!("Ad"))]}),
        );
        let normal = read(
            json!({"all": [{"not": leaf("eq", json!("ada@xn--bcher-kva.example"))}, leaf("in", json!(["b@c.d", 7])), leaf("prefix", json!("Ad"))]}),
        );
        assert_eq!(asked.normal(&Policy::default()), normal);
    }
}
