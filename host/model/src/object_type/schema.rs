//! A type as JSON Schema (2020-12), for whoever writes objects with a tool.

use serde_json::{Map, Value, json};

use crate::limits;
use crate::manifest::{Field, ObjectShape, Type};

impl ObjectShape {
    /// Of the fields of an object that is created. Bounds of timestamps, those of decimals that are written as texts, and what is
    /// unique, are the hub's to check.
    pub fn schema(&self) -> Value {
        let properties = self.fields.iter().map(|field| (field.name.clone(), field.schema()));
        let properties: Map<String, Value> = properties.collect();
        let required = self.fields.iter().filter(|field| field.required && field.default.is_none());
        let required: Vec<&str> = required.map(|field| field.name.as_str()).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

impl Field {
    fn schema(&self) -> Value {
        let mut value = match &self.of {
            Type::Boolean => json!({"type": "boolean"}),
            Type::Integer => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
            Type::Number => json!({"type": "number"}),
            Type::Text => json!({"type": "string"}),
            Type::Timestamp => json!({"type": "string", "format": "date-time"}),
            Type::Decimal(scale) => {
                let digits = if *scale == 1 { "digit" } else { "digits" };
                let description = format!("A decimal with at most {scale} {digits} after the point{}.", self.bounds());
                json!({"type": ["string", "number"], "description": description})
            }
            Type::Enum(values) => json!({"type": "string", "enum": values}),
            Type::Customer => {
                json!({"type": "string", "description": "A customer: the id, or an identity, like `user_id:42`."})
            }
            Type::Object(kind) => {
                let description = format!("The key of an object of the type `{kind}`.");
                json!({"type": "string", "minLength": 1, "maxLength": limits::OBJECT_KEY, "description": description})
            }
        };
        if matches!(self.of, Type::Integer | Type::Number | Type::Decimal(_)) {
            set(&mut value, "minimum", self.min.as_ref().and_then(number));
            set(&mut value, "maximum", self.max.as_ref().and_then(number));
        }
        set(&mut value, "minLength", self.min_length.map(Value::from));
        set(&mut value, "maxLength", self.max_length.map(Value::from));
        if self.list {
            value = json!({"type": "array", "items": value});
            set(&mut value, "maxItems", self.max_items.map(Value::from));
        }
        set(&mut value, "default", self.default.clone());
        set(&mut value, "title", self.label.get("en").or(self.label.values().next()).map(|label| json!(label)));
        value
    }

    /// In words, for a value that may be a text.
    fn bounds(&self) -> String {
        let shown = |bound: &Value| bound.as_str().map_or_else(|| bound.to_string(), str::to_owned);
        match (self.min.as_ref().map(shown), self.max.as_ref().map(shown)) {
            (Some(min), Some(max)) => format!(", from {min} to {max}"),
            (Some(min), None) => format!(", {min} or more"),
            (None, Some(max)) => format!(", {max} or less"),
            (None, None) => String::new(),
        }
    }
}

/// A bound as the number that it is, however it is written.
fn number(bound: &Value) -> Option<Value> {
    match bound {
        Value::String(text) => serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number),
        bound => bound.is_number().then(|| bound.clone()),
    }
}

fn set(schema: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        schema[name] = value;
    }
}
