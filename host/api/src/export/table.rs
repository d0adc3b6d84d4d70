//! Rows as text: CSV (RFC 4180, with a header, lines end with a line feed) or JSON Lines.

use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use utoipa::ToSchema;

use super::Column;
use super::style::{Decimal, Style, Texts, is_changed_by_excel, quoted};

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

/// U+FEFF in UTF-8.
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

pub(crate) struct Table {
    pub style: Style,
    /// None: rows as they are. CSV always has columns.
    pub columns: Option<Vec<Column>>,
}

impl Table {
    /// The header, if the format has one.
    pub fn head(&self) -> Vec<u8> {
        match (&self.columns, self.style.format) {
            (Some(columns), Format::Csv) => {
                let mut head = if self.style.bom { BOM.to_vec() } else { Vec::new() };
                let names = columns.iter().map(|column| Cow::Borrowed(column.name.as_bytes()));
                head.extend(self.records(std::iter::once(names)));
                head
            }
            _ => Vec::new(),
        }
    }

    pub fn text(&self, rows: &[Value]) -> Vec<u8> {
        match (&self.columns, self.style.format) {
            (Some(columns), Format::Csv) => {
                let style = self.style;
                self.records(rows.iter().map(|row| columns.iter().map(move |column| cell(column, row, style))))
            }
            (Some(columns), Format::Jsonl) => lines(rows.iter().map(|row| {
                let values = columns.iter().map(|column| (column.name.clone(), column.read.of(row).into_owned()));
                Cow::Owned(Value::Object(values.filter(|(_, value)| !value.is_null()).collect()))
            })),
            (None, _) => lines(rows.iter().map(Cow::Borrowed)),
        }
    }

    /// `csv` does the quoting.
    fn records<'c, C: Iterator<Item = Cow<'c, [u8]>>>(&self, rows: impl Iterator<Item = C>) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new().delimiter(self.style.delimiter).from_writer(Vec::new());
        for row in rows {
            writer.write_record(row).expect("every record has a cell a column, and memory takes it");
        }
        writer.into_inner().expect("a buffer in memory is flushed")
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

/// A text as it is; what is no scalar, as JSON; what is absent, as nothing. A text that a reader would take for a number is written
/// `="0123"`, as Excel keeps it, and as an import takes it for a text again. For Excel, so is one that it would change.
fn cell<'r>(column: &Column, row: &'r Value, style: Style) -> Cow<'r, [u8]> {
    let value = column.read.of(row);
    let is_quoted = |text: &str| match style.texts {
        Texts::AsTheyAre => column.is_guessed() && is_ambiguous(text),
        Texts::ForExcel => is_changed_by_excel(text) || is_ambiguous(text),
    };
    match value {
        Cow::Borrowed(Value::Null) | Cow::Owned(Value::Null) => Cow::Borrowed(b""),
        Cow::Borrowed(Value::String(text)) if column.is_decimal && is_number(text) => {
            Cow::Owned(number(text, style.decimal))
        }
        Cow::Borrowed(Value::String(text)) if is_quoted(text) => Cow::Owned(quoted(text).into_bytes()),
        Cow::Borrowed(Value::String(text)) => Cow::Borrowed(text.as_bytes()),
        Cow::Borrowed(Value::Number(held)) => Cow::Owned(number(&held.to_string(), style.decimal)),
        other => Cow::Owned(other.to_string().into_bytes()),
    }
}

fn number(plain: &str, decimal: Decimal) -> Vec<u8> {
    match decimal {
        Decimal::Point => plain.as_bytes().to_vec(),
        Decimal::Comma => plain.replace('.', ",").into_bytes(),
    }
}

fn is_number(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Number(_)))
}

fn is_ambiguous(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Number(_) | Value::Bool(_)))
        || (text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
        || text.starts_with("=\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Asked, Read};
    use serde_json::json;

    fn column(name: &str, read: Read) -> Column {
        Column { name: name.to_owned(), read, is_decimal: false }
    }

    fn table(format: Format) -> Table {
        let asked = Asked { format: Some(format), excel: None, bom: None, delimiter: None, decimal: None };
        styled(Style::of(&asked).unwrap())
    }

    fn styled(style: Style) -> Table {
        let columns = vec![
            column("identity.email", Read::Identity("email".to_owned())),
            column("attribute.note", Read::below(&["attributes"], "note").unwrap()),
            column("attribute.address", Read::below(&["attributes"], "address").unwrap()),
            column("tag.vip", Read::Tag("vip".to_owned())),
        ];
        Table { style, columns: Some(columns) }
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

    #[test]
    fn nothing_is_computed_that_is_written_for_excel() {
        let asked = |excel, bom, delimiter| {
            Style::of(&Asked { format: Some(Format::Csv), excel, bom, delimiter, decimal: None })
        };
        let for_excel = styled(asked(Some(true), None, None).unwrap());
        assert_eq!(for_excel.head(), "\u{feff}identity.email;attribute.note;attribute.address;tag.vip\n".as_bytes());
        let written = |email: &str, note: &str| {
            let row =
                json!({"identities": [{"kind": "email", "value": email}], "attributes": {"note": note}, "tags": []});
            String::from_utf8(for_excel.text(&[row])).unwrap()
        };
        for (text, cell) in [
            ("=1+1", "\"=\"\"=1+1\"\"\""),
            ("+49170", "\"=\"\"+49170\"\"\""),
            ("-x", "\"=\"\"-x\"\"\""),
            ("@a", "\"=\"\"@a\"\"\""),
            ("\tx", "\"=\"\"\tx\"\"\""),
            ("=\"a\"", "\"=\"\"=\"\"\"\"a\"\"\"\"\"\"\""),
            ("0123", "\"=\"\"0123\"\"\""),
            // Findings14 F23: what only an address can be is left as it is.
            ("wang2@example.cn", "wang2@example.cn"),
            ("=wang2@example.cn", "\"=\"\"=wang2@example.cn\"\"\""),
            ("1 @ 2.a", "\"=\"\"1 @ 2.a\"\"\""),
            ("1,5", "\"=\"\"1,5\"\"\""),
            ("1.5", "\"=\"\"1.5\"\"\""),
            ("1/2", "\"=\"\"1/2\"\"\""),
            ("1:30", "\"=\"\"1:30\"\"\""),
            ("2026-01-31", "\"=\"\"2026-01-31\"\"\""),
            ("5 Mai", "\"=\"\"5 Mai\"\"\""),
            ("3 €", "\"=\"\"3 €\"\"\""),
            ("wahr", "\"=\"\"wahr\"\"\""),
            ("#N/A", "\"=\"\"#N/A\"\"\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(written(text, text), format!("{cell};{cell};;false\n"), "{text}");
        }
        let long = written("x", &format!("={}", "x".repeat(300)));
        assert!(long.contains(&format!("\"\"&\"\"{}\"\"\"", "x".repeat(51))), "{long}");
        let plain = styled(asked(None, Some(true), Some("tab")).unwrap());
        assert!(plain.head().starts_with("\u{feff}identity.email\tattribute.note".as_bytes()));
        let row = json!({"identities": [{"kind": "email", "value": "=1+1"}], "attributes": {"note": "-x"}, "tags": []});
        assert_eq!(String::from_utf8(plain.text(&[row])).unwrap(), "=1+1\t-x\t\tfalse\n");
        for wrong in ["", "ab", "x", "\"", "\n", "ä"] {
            assert!(asked(None, None, Some(wrong)).is_err(), "{wrong:?}");
        }
        let lines = Asked { format: Some(Format::Jsonl), excel: Some(true), bom: None, delimiter: None, decimal: None };
        assert!(Style::of(&lines).is_err());
    }

    #[test]
    fn issue_14_numbers_have_the_mark_of_who_opens_the_file() {
        let rows = [
            json!({"attributes": {"note": 1234.5, "address": {"no": 1.5}}, "fields": {"price": "29.30", "code": "7.5"}}),
        ];
        let written = |excel, delimiter, decimal| {
            let asked = Asked { format: Some(Format::Csv), excel, bom: None, delimiter, decimal };
            let mut columns = vec![
                column("attribute.note", Read::below(&["attributes"], "note").unwrap()),
                column("field.price", Read::below(&["fields"], "price").unwrap()),
                column("field.code", Read::below(&["fields"], "code").unwrap()),
            ];
            columns[1].is_decimal = true;
            let table = Table { style: Style::of(&asked).unwrap(), columns: Some(columns) };
            String::from_utf8(table.text(&rows)).unwrap()
        };
        assert_eq!(written(None, None, None), "1234.5,29.30,\"=\"\"7.5\"\"\"\n");
        assert_eq!(written(Some(true), None, None), "1234,5;29,30;\"=\"\"7.5\"\"\"\n");
        assert_eq!(written(Some(true), None, Some(Decimal::Point)), "1234.5;29.30;\"=\"\"7.5\"\"\"\n");
        assert_eq!(written(Some(true), Some(","), None), "1234.5,29.30,\"=\"\"7.5\"\"\"\n");
        assert_eq!(written(None, Some(";"), Some(Decimal::Comma)), "1234,5;29,30;\"=\"\"7.5\"\"\"\n");
        let lines = Asked { format: None, excel: None, bom: None, delimiter: None, decimal: Some(Decimal::Comma) };
        assert!(Style::of(&lines).is_err(), "JSON has one notation");
    }
}
