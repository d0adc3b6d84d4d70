//! Between JSON and columns: a test's rows go in by the names of a rule's reads, effects come out as JSON.

use anyhow::{Context, Result, anyhow, bail, ensure};
use openhub_model::columns::{Column, RecordBatch, Table, Values};
use openhub_model::decimal;
use openhub_model::manifest::{ListShape, Read, RuleShape, Type, split};
use openhub_model::{Id, Timestamp};
use serde_json::{Map, Value};

/// The batch of some rows, each a JSON object by the names of the reads; refused if a row names no read, lacks a required one, or
/// has a value of another type. A list is an array: of values, or of objects by the names of the elements' reads.
pub fn batch(rule: &RuleShape, params: &Value, rows: &[Value]) -> Result<RecordBatch> {
    let rows = rows.iter().map(|row| object(&rule.reads, &rule.lists, row)).collect::<Result<Vec<_>>>()?;
    let params = rule.params.iter().map(|field| {
        let value = params.get(&field.name).filter(|value| !value.is_null()).cloned();
        ensure!(value.is_some() || !field.required, "the rule needs the parameter `{}`: set it", field.name);
        column(&field.of, &[value])
    });
    let params = params.collect::<Result<_>>()?;
    let columns = rule.scalars().map(|read| column(&read.of, &singles(read, &rows)?));
    let columns = columns.collect::<Result<_>>()?;
    let mut tables = Vec::new();
    add_tables(None, &rule.reads, &rule.lists, &rows, &mut tables)?;
    Ok(RecordBatch { rows: u32::try_from(rows.len())?, params, columns, tables })
}

/// The tables of some entries, in the order in which a hub sends them.
fn add_tables(
    parent: Option<u32>,
    reads: &[Read],
    lists: &[ListShape],
    entries: &[&Map<String, Value>],
    tables: &mut Vec<Table>,
) -> Result<()> {
    for read in reads.iter().filter(|read| split(&read.path).is_some()) {
        let (ends, elements) = elements(&read.name, entries)?;
        ensure!(
            !read.required || elements.iter().all(|element| !element.is_null()),
            "the rule requires each element of `{}`, so a hub would not send this row: set it",
            read.name
        );
        let values = elements.into_iter().map(|element| Some(element.clone()).filter(|value| !value.is_null()));
        tables.push(Table { parent, ends, columns: vec![column(&read.of, &values.collect::<Vec<_>>())?] });
    }
    for list in lists {
        let (ends, elements) = elements(&list.name, entries)?;
        let elements = elements.into_iter().map(|element| object(&list.reads, &list.lists, element));
        let elements = elements.collect::<Result<Vec<_>>>().with_context(|| format!("the list `{}`", list.name))?;
        let fields = list.reads.iter().filter(|read| split(&read.path).is_none());
        let columns = fields.map(|read| column(&read.of, &singles(read, &elements)?)).collect::<Result<_>>()?;
        let at = u32::try_from(tables.len())?;
        tables.push(Table { parent, ends, columns });
        add_tables(Some(at), &list.reads, &list.lists, &elements, tables)?;
    }
    Ok(())
}

fn object<'r>(reads: &[Read], lists: &[ListShape], row: &'r Value) -> Result<&'r Map<String, Value>> {
    let Value::Object(fields) = row else { bail!("a row must be a JSON object, not {row}") };
    let names = || reads.iter().map(|read| &read.name).chain(lists.iter().map(|list| &list.name));
    for name in fields.keys() {
        if !names().any(|known| known == name) {
            let names: Vec<&str> = names().map(String::as_str).collect();
            bail!("the rule does not read `{name}`; it reads: {}", names.join(", "));
        }
    }
    Ok(fields)
}

fn singles(read: &Read, rows: &[&Map<String, Value>]) -> Result<Vec<Option<Value>>> {
    rows.iter().map(|row| single(read, row)).collect()
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

/// Where each entry's list ends, and the elements of all. An entry without the list has an empty one.
fn elements<'r>(name: &str, entries: &[&'r Map<String, Value>]) -> Result<(Vec<u32>, Vec<&'r Value>)> {
    let (mut ends, mut all) = (Vec::with_capacity(entries.len()), Vec::new());
    for entry in entries {
        match entry.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(elements)) => all.extend(elements),
            Some(value) => bail!("`{name}` must be a list, not {value}"),
        }
        ends.push(u32::try_from(all.len())?);
    }
    Ok((ends, all))
}

/// One value a row.
pub fn column(of: &Type, values: &[Option<Value>]) -> Result<Column> {
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
        Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_) => {
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

    fn rule(reads: &[Read], lists: Vec<ListShape>) -> RuleShape {
        let (on, writes, events, objects) = (vec!["Event".into()], vec![], vec![], vec![]);
        RuleShape {
            name: "rule".into(),
            on,
            reads: reads.to_vec(),
            lists,
            writes,
            events,
            to: vec![],
            objects,
            params: vec![],
        }
    }

    fn batch(reads: &[Read], rows: &[Value]) -> Result<RecordBatch> {
        super::batch(&rule(reads, vec![]), &Value::Null, rows)
    }

    #[test]
    fn each_list_has_its_table_and_lists_in_a_list_name_it() {
        let codes = read("codes", "codes[]", Type::Text);
        let discounts = ListShape {
            name: "discounts".into(),
            path: "discounts".into(),
            bind: false,
            reads: vec![read("off", "off", Type::Integer)],
            lists: vec![],
        };
        let items = ListShape {
            name: "items".into(),
            path: "event.properties.items".into(),
            bind: false,
            reads: vec![read("sku", "sku", Type::Text), codes],
            lists: vec![discounts],
        };
        let seen = [read("seen", "customer.attributes.seen[]", Type::Text)];
        let rows = [
            json!({"seen": ["x"], "items": [{"sku": "a", "codes": ["1", "2"], "discounts": [{"off": 5}]}, {"sku": "b"}]}),
            json!({"items": [{"sku": "c", "discounts": [{"off": 1}, {"off": 2}]}]}),
        ];
        let batch = super::batch(&rule(&seen, vec![items]), &Value::Null, &rows).expect("rows");
        let tables: Vec<_> = batch.tables.iter().map(|table| (table.parent, table.ends.clone())).collect();
        let (of_rows, of_items) = (None, Some(1));
        let expected =
            [(of_rows, vec![1, 1]), (of_rows, vec![2, 3]), (of_items, vec![2, 2, 2]), (of_items, vec![1, 1, 3])];
        assert_eq!(tables, expected);
        assert_eq!(batch.tables[1].columns.len(), 1, "what is a list in an element is a table of its own");
        assert_eq!(batch.tables[3].columns[0].values, Values::Integers(vec![5, 1, 2]));
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
        assert_eq!(batch.tables[0].ends, [2, 2]);
        assert_eq!(batch.tables[0].columns[0].values, Values::Texts("a\0b\0".into()));
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
    fn a_row_with_an_element_without_what_is_required_is_not_sent() {
        let read = Read { required: true, ..read("sku", "event.properties.items[].sku", Type::Text) };
        assert_eq!(batch(std::slice::from_ref(&read), &[json!({})]).expect("a row").tables[0].ends, [0]);
        let told = batch(&[read], &[json!({"sku": ["a", null]})]).expect_err("it is refused").to_string();
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
