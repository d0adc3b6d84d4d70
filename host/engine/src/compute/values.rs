//! From the columns in which a rule answers to the JSON in which state is kept.

use openhub_model::columns::Values;
use openhub_model::manifest::Type;
use openhub_model::{Timestamp, decimal};
use serde_json::Value;

/// The values of a write as JSON, one a row, in order; the runtime has checked their count and kind.
pub fn to_json<'a>(of: &'a Type, values: &'a Values) -> Box<dyn Iterator<Item = Value> + 'a> {
    match values {
        Values::Booleans(all) => Box::new(all.iter().map(|value| Value::Bool(*value != 0))),
        Values::Integers(all) => Box::new(all.iter().map(move |value| match of {
            Type::Timestamp => Timestamp::from_micros(*value).to_string().into(),
            Type::Decimal(scale) => decimal::to_json(*value, *scale),
            _ => (*value).into(),
        })),
        Values::Numbers(all) => Box::new(all.iter().map(|value| (*value).into())),
        Values::Texts(all) => Box::new(all.split_terminator('\0').map(Value::from)),
    }
}

/// The lists of a write as JSON, one a row, in order; the runtime has checked that the ends ascend to the last value.
pub fn to_lists(of: &Type, ends: &[u32], values: &Values) -> Vec<Value> {
    let mut values = to_json(of, values);
    let mut at = 0;
    let lists = ends.iter().map(|end| {
        let count = end.saturating_sub(at) as usize;
        at = *end;
        Value::Array(values.by_ref().take(count).collect())
    });
    lists.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writes_come_back_as_json() {
        let texts = Values::Texts("a\0\0b\0".into());
        assert_eq!(to_json(&Type::Text, &texts).collect::<Vec<_>>(), [json!("a"), json!(""), json!("b")]);
        let at = Values::Integers(vec![1_000_000]);
        assert_eq!(to_json(&Type::Timestamp, &at).collect::<Vec<_>>(), [json!("1970-01-01T00:00:01Z")]);
        assert_eq!(to_lists(&Type::Text, &[0, 2, 3], &texts), [json!([]), json!(["a", ""]), json!(["b"])]);
    }
}
