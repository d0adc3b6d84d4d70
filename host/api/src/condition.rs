//! Conditions as they come in a request: their form and their meaning are checked with pointers.

use openhub_model::{Condition, Fault};
use serde_json::Value;

use crate::body::from_value;
use crate::problem::{INVALID_QUERY, Problem};
use crate::text;

/// The condition of a list's query parameter `condition`, a JSON text.
pub(crate) fn in_query(text: Option<&str>) -> Result<Option<Condition>, Problem> {
    text.map(|text| {
        read(text).map_err(|faults| {
            let detail = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
            Problem::new(INVALID_QUERY, detail).with_faults(faults)
        })
    })
    .transpose()
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
    match text::find_nul(&value, pointer) {
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
