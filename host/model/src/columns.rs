//! Many rows at once, column by column: how batches cross the plugin boundary.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::manifest::Type;
use crate::{Timestamp, decimal};

/// The values of one column. Logical types (timestamp, decimal with scale, enum) travel as integers or texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Values {
    /// 0 or 1.
    Booleans(Vec<u8>),
    Integers(Vec<i64>),
    Numbers(Vec<f64>),
    /// Each text ends with U+0000; as JSON, it is a list of texts.
    #[serde(serialize_with = "several", deserialize_with = "joined")]
    Texts(String),
}

/// One value a row; `absent` lists the rows without one, ascending, and `values` holds 0 or an empty text in their place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub values: Values,
    pub absent: Vec<u32>,
}

/// One declared list of all rows: entry `i` of what it belongs to has the elements from `ends[i - 1]` (0 for the first) to
/// `ends[i]`. It belongs to the rows, or to the elements of the table `parent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub parent: Option<u32>,
    pub ends: Vec<u32>,
    pub columns: Vec<Column>,
}

/// What a rule is called with: its parameters, each a column with one value; its declared reads, in order; and a table for each
/// declared list ([`RuleShape::tables`](crate::manifest::RuleShape::tables)).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordBatch {
    pub rows: u32,
    pub params: Vec<Column>,
    pub columns: Vec<Column>,
    pub tables: Vec<Table>,
}

/// Builds one column from JSON values. A value that is absent, or of another type, counts as absent.
pub struct ColumnBuilder {
    of: Type,
    values: Values,
    absent: Vec<u32>,
    rows: u32,
}

impl ColumnBuilder {
    pub fn new(of: &Type, rows: usize) -> ColumnBuilder {
        let values = match of {
            Type::Boolean => Values::Booleans(Vec::with_capacity(rows)),
            Type::Integer | Type::Timestamp | Type::Decimal(_) => Values::Integers(Vec::with_capacity(rows)),
            Type::Number => Values::Numbers(Vec::with_capacity(rows)),
            Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_) => {
                Values::Texts(String::with_capacity(rows * 12))
            }
        };
        ColumnBuilder { of: of.clone(), values, absent: Vec::new(), rows: 0 }
    }

    /// A column with one value.
    pub fn one(of: &Type, value: Option<&Value>) -> Column {
        let mut column = ColumnBuilder::new(of, 1);
        column.push(value);
        column.build()
    }

    pub fn push(&mut self, value: Option<&Value>) {
        let present = match (&mut self.values, value) {
            (_, None | Some(Value::Null)) => false,
            (Values::Booleans(all), Some(value)) => value.as_bool().map(|value| all.push(value.into())).is_some(),
            (Values::Integers(all), Some(value)) => integer(&self.of, value).map(|value| all.push(value)).is_some(),
            (Values::Numbers(all), Some(value)) => value.as_f64().map(|value| all.push(value)).is_some(),
            (Values::Texts(all), Some(value)) => text(&self.of, value).map(|value| push_text(all, value)).is_some(),
        };
        self.pushed(present);
    }

    /// For a read that is an integer by itself (a time, a seed) and needs no JSON.
    pub fn push_integer(&mut self, value: i64) {
        let fits = match &mut self.values {
            Values::Integers(all) => {
                all.push(value);
                true
            }
            Values::Numbers(all) => {
                all.push(value as f64);
                true
            }
            _ => false,
        };
        self.pushed(fits);
    }

    pub fn push_text(&mut self, value: &str) {
        let fits = match &mut self.values {
            Values::Texts(all) => {
                push_text(all, value);
                true
            }
            _ => false,
        };
        self.pushed(fits);
    }

    fn pushed(&mut self, present: bool) {
        if !present {
            self.absent.push(self.rows);
            match &mut self.values {
                Values::Booleans(all) => all.push(0),
                Values::Integers(all) => all.push(0),
                Values::Numbers(all) => all.push(0.0),
                Values::Texts(all) => push_text(all, ""),
            }
        }
        self.rows += 1;
    }

    pub fn build(self) -> Column {
        Column { values: self.values, absent: self.absent }
    }
}

/// Whether a column of this type would hold the value.
pub fn fits(of: &Type, value: Option<&Value>) -> bool {
    let Some(value) = value else { return false };
    match of {
        Type::Boolean => value.is_boolean(),
        Type::Integer | Type::Timestamp | Type::Decimal(_) => integer(of, value).is_some(),
        Type::Number => value.is_number(),
        Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_) => text(of, value).is_some(),
    }
}

fn integer(of: &Type, value: &Value) -> Option<i64> {
    match of {
        Type::Decimal(scale) => decimal::rounded(value, *scale),
        Type::Timestamp => Some(value.as_str()?.parse::<Timestamp>().ok()?.micros()),
        _ => value.as_i64(),
    }
}

fn text<'a>(of: &Type, value: &'a Value) -> Option<&'a str> {
    let text = value.as_str()?;
    match of {
        Type::Enum(values) if !values.iter().any(|known| known == text) => None,
        _ => Some(text),
    }
}

fn several<S: Serializer>(texts: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.split_terminator('\0'))
}

fn joined<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let several = Vec::<String>::deserialize(deserializer)?;
    let mut all = String::new();
    several.iter().for_each(|text| push_text(&mut all, text));
    Ok(all)
}

fn push_text(all: &mut String, value: &str) {
    all.push_str(value);
    all.push('\0');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_fit_is_absent() {
        let mut column = ColumnBuilder::new(&Type::Decimal(2), 4);
        for value in [Some(json!(29.33)), None, Some(json!("x")), Some(json!("7"))] {
            column.push(value.as_ref());
        }
        let column = column.build();
        assert_eq!(column.values, Values::Integers(vec![2933, 0, 0, 700]));
        assert_eq!(column.absent, [1, 2]);
    }

    #[test]
    fn a_column_is_read_as_it_is_written() {
        for values in [Values::Texts("a\0\0é\0".into()), Values::Texts(String::new()), Values::Numbers(vec![0.1, -0.0])]
        {
            let column = Column { values, absent: vec![1] };
            let text = serde_json::to_string(&column).expect("a column is JSON");
            assert!(!text.contains("\\u0000"), "{text}");
            assert_eq!(serde_json::from_str::<Column>(&text).expect("it is read"), column);
        }
    }

    #[test]
    fn an_unknown_enum_value_is_absent() {
        let mut column = ColumnBuilder::new(&Type::Enum(vec!["gold".into()]), 2);
        column.push(Some(&json!("gold")));
        column.push(Some(&json!("lead")));
        let column = column.build();
        assert_eq!((column.values, column.absent), (Values::Texts("gold\0\0".into()), vec![1]));
    }
}
