//! What an export writes of a customer: the columns that were chosen, as CSV (RFC 4180) or JSON Lines.

use bytes::Bytes;
use openhub_model::{Fault, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::people::Person;
use crate::problem::{INVALID_QUERY, Problem};

/// Columns of one export.
const MOST: usize = 100;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    #[default]
    Csv,
    Jsonl,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Id,
    Since,
    FirstSeenAt,
    LastSeenAt,
    Tags,
    Attribute(String),
    Consent(String),
    /// Of a kind: a customer may have several.
    Identity(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    name: String,
    field: Field,
}

impl Column {
    /// Reads `id,email,attributes.tier`.
    pub fn parse_all(text: &str) -> Result<Vec<Column>, Problem> {
        let refuse =
            |code: &str, message: String| Err(Problem::fault(INVALID_QUERY, Fault::new("/fields", code, message)));
        let mut columns: Vec<Column> = Vec::new();
        for name in text.split(',').map(str::trim) {
            let Some(field) = Field::parse(name) else {
                return refuse("unknown-field", format!("`{name}` is no field of a customer."));
            };
            if columns.iter().any(|column| column.field == field) {
                return refuse("repeated-field", format!("`{name}` occurs twice."));
            }
            columns.push(Column { name: name.to_owned(), field });
        }
        if columns.len() > MOST {
            return refuse("too-many", format!("An export has at most {MOST} fields."));
        }
        Ok(columns)
    }

    fn value(&self, Person { customer, parts }: &Person, since: Option<Timestamp>) -> Value {
        match &self.field {
            Field::Id => json!(customer.customer),
            Field::Since => json!(since),
            Field::FirstSeenAt => json!(customer.first_seen_at),
            Field::LastSeenAt => json!(customer.last_seen_at),
            Field::Tags => customer.tags.keys().filter(|tag| customer.has_tag(tag)).map(String::as_str).collect(),
            Field::Attribute(name) => customer.attribute(name).cloned().unwrap_or_default(),
            Field::Consent(key) => match customer.consents.get(key) {
                Some(consent) => consent.value["state"].clone(),
                None => Value::Null,
            },
            Field::Identity(kind) => {
                let of_kind = parts.iter().map(|part| &part.identity).filter(|identity| identity.kind == *kind);
                of_kind.map(|identity| identity.value.as_str()).collect()
            }
        }
    }
}

impl Field {
    fn parse(name: &str) -> Option<Field> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        Some(match name {
            "id" => Field::Id,
            "since" => Field::Since,
            "first_seen_at" => Field::FirstSeenAt,
            "last_seen_at" => Field::LastSeenAt,
            "tags" => Field::Tags,
            _ => match name.split_once('.') {
                Some(("attributes", name)) if !name.is_empty() => Field::Attribute(name.to_owned()),
                Some(("consents", key)) if !key.is_empty() => Field::Consent(key.to_owned()),
                None if (1..=64).contains(&name.len()) && name.bytes().all(plain) => Field::Identity(name.to_owned()),
                _ => return None,
            },
        })
    }
}

impl Format {
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Jsonl => "application/jsonl",
        }
    }

    /// What comes before all rows.
    pub fn head(self, columns: &[Column]) -> Bytes {
        match self {
            Format::Csv => records([columns.iter().map(|column| column.name.clone())]),
            Format::Jsonl => Bytes::new(),
        }
    }

    pub fn rows<'a>(self, columns: &[Column], people: impl Iterator<Item = (&'a Person, Option<Timestamp>)>) -> Bytes {
        match self {
            Format::Csv => records(
                people.map(|(person, since)| columns.iter().map(move |column| text(&column.value(person, since)))),
            ),
            Format::Jsonl => {
                let mut lines = String::new();
                for (person, since) in people {
                    let values = columns.iter().map(|column| (column.name.clone(), column.value(person, since)));
                    lines.push_str(&Value::Object(values.collect::<Map<_, _>>()).to_string());
                    lines.push('\n');
                }
                lines.into()
            }
        }
    }
}

fn records(records: impl IntoIterator<Item = impl Iterator<Item = String>>) -> Bytes {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(record).expect("all records have as many fields, and memory takes what is written");
    }
    writer.into_inner().expect("memory takes what is written").into()
}

/// A cell: texts as they are, several separated by `;`, everything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(";"),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::identity::{Age, Part};
    use openhub_model::{Cause, Customer, Identity, TenantId};

    fn person() -> Person {
        let identity = Identity::new(Identity::USER_ID, "ada");
        let mut customer = Customer::new(identity.part(TenantId(1)), identity.clone(), Timestamp::default());
        let cause = Cause { at: Timestamp::default(), event: "m".into(), plugin: None, rule: None };
        customer.set("note", json!("says \"hi\", twice\r\n"), cause.clone());
        customer.set("spent", json!(12.5), cause.clone());
        customer.set_tag("vip", json!(true), cause);
        let parts = ["a@x", "b@x"].map(|email| {
            let identity = Identity::new("email", email);
            let age = Age { position: 1, claimed: true, id: identity.part(TenantId(1)) };
            Part { age, customer: customer.customer, identity, source: "m".into(), seen: false, state: None }
        });
        Person { customer, parts: parts.into() }
    }

    #[test]
    fn cells_are_quoted_and_lists_are_joined() {
        let columns = Column::parse_all("email, attributes.note,attributes.spent,tags,since,attributes.none").unwrap();
        let person = person();
        let row = || [(&person, None)].into_iter();
        let csv = Format::Csv.rows(&columns, row());
        assert_eq!(csv, "a@x;b@x,\"says \"\"hi\"\", twice\r\n\",12.5,vip,,\r\n");
        assert_eq!(Format::Csv.head(&columns)[..20], b"email,attributes.not"[..]);
        let line: Value = serde_json::from_slice(&Format::Jsonl.rows(&columns, row())).unwrap();
        assert_eq!(line["email"], json!(["a@x", "b@x"]));
        assert_eq!((&line["attributes.spent"], &line["attributes.none"]), (&json!(12.5), &Value::Null));
    }

    #[test]
    fn only_fields_that_there_are_can_be_chosen() {
        for text in ["", "id,", "Attributes.x", "attributes.", "colour!", "id,id"] {
            assert!(Column::parse_all(text).is_err(), "{text}");
        }
    }
}
