//! Between JSON and columns: a test's rows go in by the names of a rule's reads, effects come out as JSON.

use anyhow::{Context, Result, anyhow, bail, ensure};
use openhub_model::columns::{Column, RecordBatch, Table, Values};
use openhub_model::decimal;
use openhub_model::manifest::{Read, Type};
use openhub_model::{Id, Timestamp};
use serde_json::{Map, Value};

/// The batch of some rows, each a JSON object by the names of the reads; refused if a row names no read, lacks a required one, or
/// has a value of another type.
pub fn batch(reads: &[Read], rows: &[Value]) -> Result<RecordBatch> {
    let rows = rows.iter().map(|row| object(reads, row)).collect::<Result<Vec<_>>>()?;
    let mut batch = RecordBatch { rows: u32::try_from(rows.len())?, ..RecordBatch::default() };
    let mut lists: Vec<&str> = Vec::new();
    for read in reads {
        match list(&read.path) {
            None => {
                let values = rows.iter().map(|row| single(read, row)).collect::<Result<Vec<_>>>()?;
                batch.columns.push(column(&read.of, &values)?);
            }
            Some(path) => {
                let each = rows.iter().map(|row| elements(read, row)).collect::<Result<Vec<_>>>()?;
                let ends = each.iter().scan(0, |end, elements| {
                    *end += elements.len() as u32;
                    Some(*end)
                });
                let ends: Vec<u32> = ends.collect();
                let place = lists.iter().position(|known| *known == path).unwrap_or_else(|| {
                    lists.push(path);
                    batch.lists.push(Table { ends: ends.clone(), columns: Vec::new() });
                    lists.len() - 1
                });
                ensure!(batch.lists[place].ends == ends, "the lists of `{path}` must have the same length");
                let elements: Vec<Option<Value>> = each.into_iter().flatten().map(Some).collect();
                batch.lists[place].columns.push(column(&read.of, &elements)?);
            }
        }
    }
    Ok(batch)
}

fn object<'r>(reads: &[Read], row: &'r Value) -> Result<&'r Map<String, Value>> {
    let Value::Object(fields) = row else { bail!("a row must be a JSON object, not {row}") };
    for name in fields.keys() {
        if !reads.iter().any(|read| read.name == *name) {
            let names: Vec<&str> = reads.iter().map(|read| read.name.as_str()).collect();
            bail!("the rule does not read `{name}`; it reads: {}", names.join(", "));
        }
    }
    Ok(fields)
}

/// The list that a read lies in: `event.properties.items`, of `event.properties.items[].sku`.
fn list(path: &str) -> Option<&str> {
    path.split_once("[]").map(|(list, _)| list)
}

fn single(read: &Read, row: &Map<String, Value>) -> Result<Option<Value>> {
    let given = row.get(&read.name).filter(|value| !value.is_null()).cloned();
    let value = given.or_else(|| match read.path.as_str() {
        "row.at" => Some(Value::from("2026-01-01T00:00:00Z")),
        "row.seed" => Some(Value::from(1)),
        "row.customer" => Some(Value::from(Id::named(&[b"customer"]).to_string())),
        "event.name" => Some(Value::from("Event")),
        // Whoever does not have a tag is known not to.
        path if path.starts_with("customer.tags.") => Some(Value::from(false)),
        _ => None,
    });
    ensure!(
        value.is_some() || !read.required,
        "the rule requires `{}`, so a hub would not send this row: set it",
        read.name
    );
    Ok(value)
}

fn elements(read: &Read, row: &Map<String, Value>) -> Result<Vec<Value>> {
    match row.get(&read.name) {
        None | Some(Value::Null) => {
            let name = &read.name;
            ensure!(!read.required, "the rule requires the list of `{name}`, so a hub would not send this row: set it");
            Ok(Vec::new())
        }
        Some(Value::Array(elements)) => Ok(elements.clone()),
        Some(value) => bail!("`{}` must be a list, not {value}", read.name),
    }
}

fn column(of: &Type, values: &[Option<Value>]) -> Result<Column> {
    let absent = values.iter().enumerate().filter(|(_, value)| value.is_none()).map(|(row, _)| row as u32);
    let absent = absent.collect();
    let given = values.iter().map(Option::as_ref);
    let values = match of {
        Type::Boolean => {
            let read = |value: Option<&Value>| value.map_or(Ok(0), |value| boolean(value).map(u8::from));
            Values::Booleans(given.map(read).collect::<Result<_>>()?)
        }
        Type::Number => Values::Numbers(given.map(|value| value.map_or(Ok(0.0), number)).collect::<Result<_>>()?),
        Type::Integer | Type::Timestamp | Type::Decimal(_) => {
            let read = |value: Option<&Value>| value.map_or(Ok(0), |value| integer(of, value));
            Values::Integers(given.map(read).collect::<Result<_>>()?)
        }
        Type::Text | Type::Enum(_) | Type::Customer => {
            let read = |value: Option<&Value>| Ok(value.map_or(Ok(""), text)?.to_owned() + "\0");
            Values::Texts(given.map(read).collect::<Result<_>>()?)
        }
    };
    Ok(Column { values, absent })
}

fn boolean(value: &Value) -> Result<bool> {
    value.as_bool().with_context(|| format!("{value} is not a boolean"))
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("{value} is not a number"))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is not a string"))
}

fn integer(of: &Type, value: &Value) -> Result<i64> {
    let found = match of {
        Type::Timestamp => match value {
            Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::micros),
            value => value.as_i64(),
        },
        Type::Decimal(scale) => decimal::rounded(value, *scale),
        _ => value.as_i64(),
    };
    found.ok_or_else(|| anyhow!("{value} is not of the type {of:?}"))
}

/// The values of a column as JSON: decimals and timestamps as texts, as a customer's attributes hold them.
pub fn values(of: &Type, values: &Values) -> Vec<Value> {
    match values {
        Values::Booleans(values) => values.iter().map(|value| Value::from(*value != 0)).collect(),
        Values::Numbers(values) => values.iter().map(|value| Value::from(*value)).collect(),
        Values::Texts(texts) => texts.split_terminator('\0').map(Value::from).collect(),
        Values::Integers(values) => values
            .iter()
            .map(|value| match of {
                Type::Timestamp => Value::from(Timestamp::from_micros(*value).to_string()),
                Type::Decimal(scale) => Value::from(decimal::format(*value, *scale)),
                _ => Value::from(*value),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(name: &str, path: &str, of: Type) -> Read {
        Read { name: name.into(), path: path.into(), of, required: false, bind: false }
    }

    #[test]
    fn rows_become_columns() {
        let reads = [
            read("total", "event.properties.total", Type::Decimal(2)),
            read("tier", "customer.attributes.tier", Type::Text),
            read("sku", "event.properties.items[].sku", Type::Text),
            read("at", "row.at", Type::Timestamp),
        ];
        let rows = [json!({"total": "12.50", "sku": ["a", "b"]}), json!({"tier": "gold", "at": 7})];
        let batch = batch(&reads, &rows).expect("rows");
        assert_eq!(batch.columns[0], Column { values: Values::Integers(vec![1250, 0]), absent: vec![1] });
        assert_eq!(batch.columns[1], Column { values: Values::Texts("\0gold\0".into()), absent: vec![0] });
        assert_eq!(batch.columns[2].values, Values::Integers(vec![1_767_225_600_000_000, 7]));
        assert_eq!(batch.lists[0].ends, [2, 2]);
        assert_eq!(batch.lists[0].columns[0].values, Values::Texts("a\0b\0".into()));
    }

    #[test]
    fn e8_what_a_hub_always_knows_is_sent() {
        let required = |path: &str, of: Type| Read { required: true, ..read("it", path, of) };
        let of = |path: &str, of: Type| batch(&[required(path, of)], &[json!({})]).expect("a row").columns.remove(0);
        let vip = of("customer.tags.vip", Type::Boolean);
        assert_eq!(vip, Column { values: Values::Booleans(vec![0]), absent: vec![] });
        assert_eq!(of("event.name", Type::Text).absent, [0u32; 0]);
        let given = batch(&[required("customer.tags.vip", Type::Boolean)], &[json!({"it": true})]).expect("a row");
        assert_eq!(given.columns[0].values, Values::Booleans(vec![1]));
    }

    #[test]
    fn e8_a_row_without_a_required_list_is_not_sent() {
        let read = Read { required: true, ..read("sku", "event.properties.items[].sku", Type::Text) };
        let told = batch(&[read], &[json!({})]).expect_err("it is refused").to_string();
        assert!(told.contains("a hub would not send this row"), "{told}");
    }

    #[test]
    fn values_come_out_as_attributes_hold_them() {
        assert_eq!(values(&Type::Decimal(2), &Values::Integers(vec![5])), [json!("0.05")]);
        assert_eq!(values(&Type::Text, &Values::Texts("a\0\0".into())), [json!("a"), json!("")]);
        assert_eq!(values(&Type::Timestamp, &Values::Integers(vec![0])), [json!("1970-01-01T00:00:00Z")]);
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let told = batch(&[read("total", "event.properties.total", Type::Integer)], &[json!({"totl": 1})])
            .expect_err("it is refused")
            .to_string();
        assert!(told.contains("does not read `totl`"), "{told}");
    }
}
