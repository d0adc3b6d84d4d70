//! Rows as text: CSV (RFC 4180, with a header, lines end with a line feed) or JSON Lines.

use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use utoipa::ToSchema;

use super::Column;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ExportFormat)]
pub(crate) enum Format {
    Csv,
    #[default]
    Jsonl,
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Jsonl => "application/x-ndjson",
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
        }
    }
}

pub(crate) struct Table {
    pub format: Format,
    /// None: rows as they are. CSV always has columns.
    pub columns: Option<Vec<Column>>,
}

impl Table {
    /// The header, if the format has one.
    pub fn head(&self) -> Vec<u8> {
        match (&self.columns, self.format) {
            (Some(columns), Format::Csv) => {
                records(std::iter::once(columns.iter().map(|column| Cow::Borrowed(column.name.as_bytes()))))
            }
            _ => Vec::new(),
        }
    }

    pub fn text(&self, rows: &[Value]) -> Vec<u8> {
        match (&self.columns, self.format) {
            (Some(columns), Format::Csv) => {
                records(rows.iter().map(|row| columns.iter().map(move |column| cell(column, row))))
            }
            (Some(columns), Format::Jsonl) => lines(rows.iter().map(|row| {
                let values = columns.iter().map(|column| (column.name.clone(), column.read.of(row).into_owned()));
                Cow::Owned(Value::Object(values.filter(|(_, value)| !value.is_null()).collect()))
            })),
            (None, _) => lines(rows.iter().map(Cow::Borrowed)),
        }
    }
}

fn lines<'r>(rows: impl Iterator<Item = Cow<'r, Value>>) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut out, row.as_ref()).expect("a JSON value is written to memory");
        out.push(b'\n');
    }
    out
}

/// `csv` does the quoting.
fn records<'c, C: Iterator<Item = Cow<'c, [u8]>>>(rows: impl Iterator<Item = C>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("every record has a cell a column, and memory takes it");
    }
    writer.into_inner().expect("a buffer in memory is flushed")
}

/// A text as it is; what is no scalar, as JSON; what is absent, as nothing. A text that a reader would take for a number is written
/// `="0123"`, as Excel keeps it, and as an import takes it for a text again.
fn cell<'r>(column: &Column, row: &'r Value) -> Cow<'r, [u8]> {
    match column.read.of(row) {
        Cow::Borrowed(Value::Null) | Cow::Owned(Value::Null) => Cow::Borrowed(b""),
        Cow::Borrowed(Value::String(text)) if column.is_guessed() && is_ambiguous(text) => {
            Cow::Owned(format!("=\"{text}\"").into_bytes())
        }
        Cow::Borrowed(Value::String(text)) => Cow::Borrowed(text.as_bytes()),
        other => Cow::Owned(other.to_string().into_bytes()),
    }
}

fn is_ambiguous(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Number(_) | Value::Bool(_)))
        || (text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
        || text.starts_with("=\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::Read;
    use serde_json::json;

    fn column(name: &str, read: Read) -> Column {
        Column { name: name.to_owned(), read }
    }

    fn table(format: Format) -> Table {
        let columns = vec![
            column("identity.email", Read::Identity("email".to_owned())),
            column("attribute.note", Read::below(&["attributes"], "note").unwrap()),
            column("attribute.address", Read::below(&["attributes"], "address").unwrap()),
            column("tag.vip", Read::Tag("vip".to_owned())),
        ];
        Table { format, columns: Some(columns) }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let rows = [
            json!({"identities": [{"kind": "email", "value": "a@b.c"}], "attributes": {"note": "say \"hi\",\nbye"}, "tags": ["vip"]}),
            json!({"identities": [], "attributes": {"address": {"city": "深圳"}}, "tags": []}),
        ];
        let table = table(Format::Csv);
        assert_eq!(table.head(), b"identity.email,attribute.note,attribute.address,tag.vip\n");
        let text = String::from_utf8(table.text(&rows)).unwrap();
        assert_eq!(text, "a@b.c,\"say \"\"hi\"\",\nbye\",,true\n,,\"{\"\"city\"\":\"\"深圳\"\"}\",false\n");
    }

    #[test]
    fn lines_leave_out_what_is_absent() {
        let rows = [json!({"identities": [], "attributes": {"note": 1.50}, "tags": []})];
        let text = String::from_utf8(table(Format::Jsonl).text(&rows)).unwrap();
        assert_eq!(text, "{\"attribute.note\":1.5,\"tag.vip\":false}\n");
    }
}
