//! A type as JSON Schema (2020-12), for whoever writes objects with a tool.

use serde_json::{Map, Value, json};

use crate::limits;
use crate::manifest::{Field, ObjectShape, Type};

impl ObjectShape {
    /// Of the fields of an object that is created. Bounds of decimals and timestamps, and what is unique, are the hub's to check.
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
                json!({"type": ["string", "number"], "description": format!("A decimal with at most {scale} digits after the point.")})
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
        if matches!(self.of, Type::Integer | Type::Number) {
            set(&mut value, "minimum", self.min.clone());
            set(&mut value, "maximum", self.max.clone());
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
}

fn set(schema: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        schema[name] = value;
    }
}
