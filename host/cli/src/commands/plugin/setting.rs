//! Settings on the command line: `name=value`, and `rule.name=value` for a parameter of a rule.

use anyhow::{Context, Result};
use openhub_model::plain::plain;
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

/// What was set, a line each, as the hub was given it.
pub fn told(settings: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in settings {
        lines_of(name, value, &mut lines);
    }
    lines
}

fn lines_of(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(below) if !below.is_empty() => {
            below.iter().for_each(|(name, value)| lines_of(&format!("{path}.{name}"), value, lines));
        }
        Value::Null => lines.push(format!("  {} is set to nothing", plain(path))),
        value => lines.push(format!("  {} is set to {}", plain(path), plain(&value.to_string()))),
    }
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
        values.insert("gone".into(), Value::Null);
        let lines = told(&values);
        let expected = [
            "  url is set to \"x\"",
            "  spending.large_cents is set to 500",
            "  spending.on is set to true",
            "  gone is set to nothing",
        ];
        assert!(lines.len() == 4 && expected.iter().all(|line| lines.iter().any(|told| told == line)), "{lines:?}");
    }
}
