//! Settings on the command line: `name=value`, and `rule.name=value` for a parameter of a rule.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

pub fn values(settings: &[String]) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    for setting in settings {
        let (name, value) = split(setting)?;
        set(&mut values, name, serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)))?;
    }
    Ok(values)
}

/// `spending.large_cents` is the setting `large_cents` of the object `spending`.
pub fn set(values: &mut Map<String, Value>, path: &str, value: Value) -> Result<()> {
    let Some((outer, inner)) = path.split_once('.') else {
        values.insert(path.to_owned(), value);
        return Ok(());
    };
    let below = values.entry(outer).or_insert_with(|| json!({}));
    let below =
        below.as_object_mut().with_context(|| format!("`{outer}` is set twice, and one value is not an object"))?;
    set(below, inner, value)
}

pub fn split(pair: &str) -> Result<(&str, &str)> {
    pair.split_once('=').with_context(|| format!("`{pair}` is not valid: write NAME=VALUE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_set_by_path() {
        let mut values = Map::new();
        for (path, value) in [("url", json!("x")), ("spending.large_cents", json!(500)), ("spending.on", json!(true))] {
            set(&mut values, path, value).unwrap();
        }
        assert_eq!(Value::Object(values.clone()), json!({"url": "x", "spending": {"large_cents": 500, "on": true}}));
        assert!(set(&mut values, "url.x", json!(1)).is_err());
    }
}
