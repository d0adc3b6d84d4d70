//! One event a row: a few columns are the event's own, every other one becomes a property (a trait of an `identify`).

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Map, Value};
use std::io::Read;

use super::Row;

/// Which column of a CSV file says what.
#[derive(Args, Clone, Debug)]
pub struct Columns {
    /// CSV: the name of every event, if no column says it.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// CSV: the column of the event's name.
    #[arg(long, value_name = "COLUMN", default_value = "event")]
    event_column: String,
    /// CSV: the column of the user id.
    #[arg(long, value_name = "COLUMN", default_value = "userId")]
    user_column: String,
    /// CSV: the column of the time: RFC 3339, or a date, which is read as its midnight UTC.
    #[arg(long, value_name = "COLUMN", default_value = "timestamp")]
    time_column: String,
}

impl Columns {
    /// The event's own field that a column fills, if it is none of the properties.
    fn field<'a>(&self, column: &'a str) -> Option<&'a str> {
        match column {
            _ if column == self.event_column => Some("event"),
            _ if column == self.user_column => Some("userId"),
            _ if column == self.time_column => Some("timestamp"),
            "type" | "messageId" | "anonymousId" => Some(column),
            _ => None,
        }
    }
}

pub fn read(reader: impl Read, columns: &Columns) -> Result<impl Iterator<Item = Result<Row>>> {
    let mut reader = csv::Reader::from_reader(reader);
    let headers: Vec<String> =
        reader.headers().context("the CSV file has no header")?.iter().map(str::to_owned).collect();
    let columns = columns.clone();
    Ok(reader.into_records().map(move |record| {
        let record = record.context("the CSV file is broken")?;
        let position = record.position();
        let (line, read) = position.map_or((0, 0), |position| (position.line(), position.byte()));
        Ok(Row { line, read, event: event(&headers, &record, &columns) })
    }))
}

fn event(headers: &[String], record: &csv::StringRecord, columns: &Columns) -> Map<String, Value> {
    let (mut event, mut properties) = (Map::new(), Map::new());
    if let Some(name) = &columns.event {
        event.insert("event".to_owned(), Value::from(name.as_str()));
    }
    for (header, text) in headers.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        match columns.field(header) {
            Some("timestamp") => event.insert("timestamp".to_owned(), Value::from(time(text))),
            Some(field) => event.insert(field.to_owned(), Value::from(text)),
            None => properties.insert(header.clone(), scalar(text)),
        };
    }
    let place = if event.get("type").is_some_and(|kind| kind == "identify") { "traits" } else { "properties" };
    event.insert(place.to_owned(), Value::Object(properties));
    event
}

fn time(text: &str) -> String {
    if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() }
}

/// Numbers and booleans are read as such if they are written as JSON writes them; `007` stays a text.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        columns: Columns,
    }

    fn events(arguments: &[&str], text: &str) -> Vec<Value> {
        let columns = Line::parse_from([&["import"], arguments].concat()).columns;
        read(text.as_bytes(), &columns).unwrap().map(|row| Value::Object(row.unwrap().event)).collect()
    }

    #[test]
    fn columns_become_properties_unless_they_are_the_events_own() {
        let text = "customer_id,date,quantity,sku,note\n00001,1997-01-01,2,007,\n";
        let arguments = ["--event", "Order Completed", "--user-column", "customer_id", "--time-column", "date"];
        let expected = json!({"event": "Order Completed", "userId": "00001", "timestamp": "1997-01-01T00:00:00Z",
            "properties": {"quantity": 2, "sku": "007"}});
        assert_eq!(events(&arguments, text), [expected]);
    }

    #[test]
    fn an_identify_has_traits() {
        let rows = events(&[], "type,userId,plan\nidentify,u1,gold\n");
        assert_eq!(rows, [json!({"type": "identify", "userId": "u1", "traits": {"plan": "gold"}})]);
    }
}
