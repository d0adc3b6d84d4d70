//! What the generated module of a plugin says of each rule: the names in its code, and how each value crosses the boundary.

use anyhow::{Context, Result, ensure};
use openhub_model::manifest::{Field, ListShape, Manifest, Read, RuleShape, Type, Write, split};
use openhub_model::{Timestamp, decimal};
use serde::Serialize;
use serde_json::Value;

/// Of the effects of a row, beside the names of its writes.
const EVENTS: &str = "events";

/// A rule as the SDK's runtime wants it.
#[derive(Debug, Serialize)]
pub struct Rule {
    pub name: String,
    /// The rule's function in JavaScript; Python's has another form of the same name.
    pub function: String,
    pub params: Vec<Cell>,
    pub reads: Vec<Cell>,
    pub lists: Vec<List>,
    pub writes: Vec<Cell>,
    pub events: Vec<Event>,
}

/// A value: its name in the code, and its type.
#[derive(Debug, Serialize)]
pub struct Cell {
    pub name: String,
    pub kind: &'static str,
    pub required: bool,
    pub scale: u32,
    pub values: Vec<String>,
    /// A list of such values.
    pub list: bool,
    /// What is written is added.
    pub counter: bool,
    /// What is read is drawn from, not counted with.
    pub seed: bool,
    /// Of a parameter, as it would cross the boundary.
    pub default: Option<Value>,
}

#[derive(Debug, Serialize)]
pub struct List {
    pub name: String,
    pub reads: Vec<Cell>,
    pub lists: Vec<List>,
}

#[derive(Debug, Serialize)]
pub struct Event {
    pub name: String,
    pub class: String,
    pub fields: Vec<Cell>,
}

pub fn rules(manifest: &Manifest) -> Result<Vec<Rule>> {
    let rules: Vec<Rule> = manifest.rules.iter().map(|rule| of_rule(manifest, rule)).collect::<Result<_>>()?;
    let mut classes: Vec<(&str, &str)> =
        rules.iter().flat_map(|rule| &rule.events).map(|event| (event.class.as_str(), event.name.as_str())).collect();
    classes.sort_unstable();
    classes.dedup();
    for pair in classes.windows(2) {
        ensure!(
            pair[0].0 != pair[1].0,
            "the events \"{}\" and \"{}\" would have the same class in the code: rename one",
            pair[0].1,
            pair[1].1
        );
    }
    Ok(rules)
}

fn of_rule(manifest: &Manifest, rule: &RuleShape) -> Result<Rule> {
    let place = || format!("rule `{}`", rule.name);
    let events = rule.events.iter().map(|name| {
        let shape = manifest.events.iter().find(|event| event.name == *name);
        let shape = shape.with_context(|| format!("it causes the event \"{name}\", which is not declared"))?;
        let class = pascal(name);
        ensure!(
            !class.is_empty() && !class.starts_with(|first: char| first.is_ascii_digit()),
            "the event \"{name}\" needs a name of its own in the code: begin it with a letter from a to z"
        );
        Ok(Event {
            name: name.clone(),
            class,
            fields: fields(&shape.fields).with_context(|| format!("event `{name}`"))?,
        })
    });
    let writes: Vec<Cell> = rule.writes.iter().map(of_write).collect::<Result<_>>().with_context(place)?;
    ensure!(
        writes.iter().all(|write| write.name != EVENTS),
        "{}: a write cannot have the name `{EVENTS}`: rename it",
        place()
    );
    Ok(Rule {
        function: camel(&rule.name),
        params: fields(&rule.params).with_context(place)?,
        reads: rule.reads.iter().map(of_read).collect::<Result<_>>().with_context(place)?,
        lists: lists(&rule.lists).with_context(place)?,
        writes,
        events: events.collect::<Result<_>>().with_context(place)?,
        name: rule.name.clone(),
    })
}

fn lists(all: &[ListShape]) -> Result<Vec<List>> {
    let lists = all.iter().map(|list| {
        Ok(List {
            name: identifier(&list.name)?,
            reads: list.reads.iter().map(of_read).collect::<Result<_>>()?,
            lists: lists(&list.lists)?,
        })
    });
    lists.collect()
}

fn of_read(read: &Read) -> Result<Cell> {
    let cell = cell(&read.name, &read.of)?;
    Ok(Cell { required: read.required, list: split(&read.path).is_some(), seed: read.path == "row.seed", ..cell })
}

fn of_write(write: &Write) -> Result<Cell> {
    let cell = cell(&write.name, &write.of)?;
    Ok(Cell { list: write.list, counter: write.path.starts_with("customer.counters."), ..cell })
}

fn fields(fields: &[Field]) -> Result<Vec<Cell>> {
    let cells = fields.iter().map(|field| {
        ensure!(!field.list, "field `{}`: it cannot be a list here", field.name);
        let default = field.default.as_ref().map(|value| raw(&field.name, &field.of, value)).transpose()?;
        Ok(Cell { required: field.required && default.is_none(), default, ..cell(&field.name, &field.of)? })
    });
    cells.collect()
}

/// A default as it would cross the boundary.
fn raw(name: &str, of: &Type, value: &Value) -> Result<Value> {
    let found = match of {
        Type::Boolean => value.as_bool().map(|value| Value::from(u8::from(value))),
        Type::Integer => value.as_i64().map(Value::from),
        Type::Number => value.as_f64().map(Value::from),
        Type::Decimal(scale) => decimal::from_json(value, *scale).map(Value::from),
        Type::Timestamp => {
            value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).map(|at| Value::from(at.micros()))
        }
        Type::Enum(values) => value.as_str().filter(|text| values.iter().any(|value| value == text)).map(Value::from),
        Type::Text | Type::Customer | Type::Object(_) => value.as_str().map(Value::from),
    };
    found.with_context(|| format!("parameter `{name}`: its default {value} must be {}", of.in_words()))
}

fn cell(name: &str, of: &Type) -> Result<Cell> {
    let (kind, scale, values) = match of {
        Type::Boolean => ("boolean", 0, Vec::new()),
        Type::Integer => ("integer", 0, Vec::new()),
        Type::Number => ("number", 0, Vec::new()),
        Type::Timestamp => ("timestamp", 0, Vec::new()),
        Type::Decimal(scale) => ("decimal", *scale, Vec::new()),
        Type::Enum(values) => ("enum", 0, values.clone()),
        Type::Text | Type::Customer | Type::Object(_) => ("text", 0, Vec::new()),
    };
    let name = identifier(name)?;
    let (list, counter, seed) = (false, false, false);
    Ok(Cell { name, kind, required: false, scale, values, list, counter, seed, default: None })
}

/// A name that both languages take as it is.
fn identifier(name: &str) -> Result<String> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    ensure!(
        letters && name.starts_with(|first: char| first.is_ascii_lowercase()),
        "`{name}` is a name in the code: use lower-case letters, digits and `_`, a letter first"
    );
    Ok(name.to_owned())
}

/// `tier-changed` and `Tier Changed` become `TierChanged`.
pub fn pascal(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}

/// `big-spender` becomes `bigSpender`.
fn camel(name: &str) -> String {
    let pascal = pascal(name);
    let (first, rest) = pascal.split_at(pascal.len().min(1));
    first.to_ascii_lowercase() + rest
}
