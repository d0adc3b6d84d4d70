//! Conditions as they come in a request: their form and their meaning are checked with pointers.

use openhub_model::fault::there_are;
use openhub_model::identity::Policy;
use openhub_model::{Condition, Fault, limits};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::{Authorized, may_ask};
use crate::body::from_value;
use crate::problem::{INVALID_QUERY, Problem};

/// The condition of a list's query parameter `condition`, a JSON text.
pub(crate) async fn in_query<P>(
    app: &App,
    access: &Authorized<P>,
    text: Option<&str>,
) -> Result<Option<Condition>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let condition = read(text).map_err(|faults| {
        let detail = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
        Problem::new(INVALID_QUERY, detail).with_faults(faults)
    })?;
    may_ask(access, &condition)?;
    let asked = condition.needs().segments;
    if !asked.is_empty() {
        // Of a name that was mistyped nobody is a member, which looks like an answer.
        let segments = app.store.latest_segment_versions(&access.scope).await?;
        let known: Vec<&str> = segments.iter().map(|segment| segment.segment.as_str()).collect();
        if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
            let message = format!("There is no segment `{unknown}`. {}", there_are(known));
            return Err(Problem::fault(INVALID_QUERY, Fault::new("/condition", "unknown-segment", message)));
        }
    }
    Ok(Some(condition.normal(app.engine.policies(&access.scope).await?.latest())))
}

/// A journey's definition with the identities that its conditions ask for in their form.
pub(crate) fn normal_in(definition: &mut Value, policy: &Policy) {
    match definition {
        Value::Array(items) => items.iter_mut().for_each(|item| normal_in(item, policy)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let condition = matches!(name.as_str(), "if" | "condition").then(|| Condition::deserialize(&*field));
                match condition {
                    Some(Ok(condition)) => *field = json!(condition.normal(policy)),
                    _ => normal_in(field, policy),
                }
            }
        }
        _ => {}
    }
}

fn read(text: &str) -> Result<Condition, Vec<Fault>> {
    let pointer = "/condition";
    let value: Value =
        serde_json::from_str(text).map_err(|error| vec![Fault::new(pointer, "invalid-json", format!("{error}."))])?;
    let condition = parse(value, pointer).map_err(|fault| vec![fault])?;
    let faults = condition.faults(pointer);
    if faults.is_empty() { Ok(condition) } else { Err(faults) }
}

/// The condition that lies at `pointer` of its document, or where it does not have the form of one.
pub(crate) fn parse(value: Value, pointer: &str) -> Result<Condition, Fault> {
    match limits::value(&value, pointer) {
        Some(fault) => Err(fault),
        None => from_value(value, pointer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_pointed_at() {
        assert!(read(r#"{"attribute": {"name": "tier", "is": "eq", "value": "gold"}}"#).is_ok());
        for (text, pointer) in [
            ("{", "/condition"),
            ("7", "/condition"),
            (r#"{"all": [{"tags": "vip"}]}"#, "/condition/all/0"),
            (r#"{"attribute": {"name": "tier", "is": "in", "value": []}}"#, "/condition/attribute/value"),
            (r#"{"tag": "\u0000"}"#, "/condition/tag"),
        ] {
            assert_eq!(read(text).expect_err(text)[0].pointer, pointer, "{text}");
        }
    }
}
