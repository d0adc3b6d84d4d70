//! The rows of a file, one by one, as the hub takes them. A row that is broken is told with its number; the next one
//! is read all the same.

use anyhow::{Context, Result, bail, ensure};
use csv::ByteRecord;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};
use std::path::Path;

use super::exact;
use super::input::Look;
use super::plan::{Form, Mapper, Plan, RowFault};
use super::quotes;
use super::refused::{Before, Manner, is_reason, is_why, without_reason, without_why};
use super::value::{self, Cell};

/// Of a row, in bytes: no hub takes one of half that.
pub const LONGEST: u64 = 1 << 20;

/// One row of the file.
pub struct Row {
    /// From 1, the header not counted.
    pub number: u64,
    /// Where it begins in the file.
    pub line: u64,
    /// Bytes of the file read so far.
    pub read: u64,
    /// Its cells as they stand in the file, or its line, for the list of refused rows.
    pub source: Vec<String>,
    /// What a list of refused rows says of it.
    pub before: Before,
    pub row: Result<Map<String, Value>, RowFault>,
}

pub struct Source {
    rows: Rows,
    pub mapper: Mapper,
    delimiter: u8,
    number: u64,
}

enum Rows {
    Csv {
        reader: Box<csv::Reader<Box<dyn BufRead + Send>>>,
        header: Vec<String>,
        record: ByteRecord,
        lines_before: u64,
    },
    Lines {
        reader: Box<dyn BufRead + Send>,
        line: u64,
        read: u64,
        text: Vec<u8>,
    },
}

impl Source {
    /// `delimiter` is what was said to stand between cells.
    pub fn open(path: &Path, look: &Look, form: Form, delimiter: Option<u8>, plan: Plan) -> Result<Source> {
        let reader = look.open(path)?;
        let delimiter = delimiter.unwrap_or_else(|| look.delimiter());
        if form == Form::Lines && look.is_one_value() {
            bail!(
                "{} is not JSON Lines: write one JSON object a line, for example with `jq -c '.[]'` for an array",
                path.display()
            );
        }
        if form == Form::Csv {
            quotes::check(look.open(path)?, delimiter).with_context(|| path.display().to_string())?;
        }
        let rows = match form {
            Form::Lines => Rows::Lines { reader, line: 0, read: 0, text: Vec::new() },
            Form::Csv => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(reader);
                let header = reader
                    .byte_headers()
                    .context("the CSV file has no header: add a first line with the names of the columns")?;
                let header: Result<Vec<String>, _> =
                    header.iter().map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned())).collect();
                let header = header.context("the header is not UTF-8: save the file as UTF-8")?;
                ensure!(
                    header.iter().any(|name| !name.is_empty()),
                    "{} has no header: the first line must be the names of the columns",
                    path.display()
                );
                plan.check_header(&header)?;
                let lines_before = look.lines_before();
                Rows::Csv { reader: Box::new(reader), header, record: ByteRecord::new(), lines_before }
            }
        };
        Ok(Source { rows, mapper: Mapper::new(plan, form), delimiter, number: 0 })
    }

    /// How refused rows are written, so that they can be mended and sent again.
    pub fn manner(&self) -> Manner {
        match &self.rows {
            Rows::Csv { header, .. } => Manner::Csv { header: header.clone(), delimiter: self.delimiter },
            Rows::Lines { .. } => Manner::Lines,
        }
    }

    /// The columns of a CSV file that are fields of an object, each with the field's name.
    pub fn fields(&self) -> Vec<(String, String)> {
        match &self.rows {
            Rows::Csv { header, .. } => {
                let of = |column: &String| -> Vec<(String, String)> {
                    self.mapper.fields(column).into_iter().map(|field| (column.clone(), field)).collect()
                };
                header.iter().filter(|column| !column.is_empty()).flat_map(of).collect()
            }
            Rows::Lines { .. } => Vec::new(),
        }
    }

    /// Where rows begin in the file, by their numbers.
    pub fn lines_of(mut self, rows: &BTreeSet<u64>) -> Result<BTreeMap<u64, u64>> {
        let mut lines = BTreeMap::new();
        while lines.len() < rows.len() {
            let Some(row) = self.next()? else { break };
            if rows.contains(&row.number) {
                lines.insert(row.number, row.line);
            }
        }
        Ok(lines)
    }

    /// The next row; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Row>> {
        let mapper = &mut self.mapper;
        match &mut self.rows {
            Rows::Csv { reader, header, record, lines_before } => loop {
                if !reader.read_byte_record(record).context("the CSV file is broken")? {
                    return Ok(None);
                }
                // A line of nothing but delimiters is as empty as an empty line.
                if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
                    continue;
                }
                self.number += 1;
                let line = record.position().map_or(0, csv::Position::line) + *lines_before;
                let row = from_record(mapper, header, record);
                let (source, before) = (written(header, record), Before::of_record(header, record));
                return Ok(Some(Row {
                    number: self.number,
                    line,
                    read: reader.position().byte(),
                    source,
                    before,
                    row,
                }));
            },
            Rows::Lines { reader, line, read, text } => loop {
                text.clear();
                let taken = (&mut *reader).take(LONGEST + 1).read_until(b'\n', text)?;
                ensure!(taken as u64 <= LONGEST, "line {} is longer than {LONGEST} bytes", *line + 1);
                if taken == 0 {
                    return Ok(None);
                }
                (*line, *read) = (*line + 1, *read + taken as u64);
                if text.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                let source = String::from_utf8_lossy(text).trim_end_matches(['\r', '\n']).to_owned();
                if is_reason(&source) {
                    continue;
                }
                self.number += 1;
                let (row, before) = (from_line(mapper, &source), Before::of_line(&source));
                let source = vec![source];
                return Ok(Some(Row { number: self.number, line: *line, read: *read, source, before, row }));
            },
        }
    }
}

const WRONG_COLUMNS: &str = "wrong-columns";

fn fault(column: &str, code: &'static str, message: impl Into<String>) -> RowFault {
    RowFault { column: column.to_owned(), code, message: message.into() }
}

fn from_record(mapper: &mut Mapper, header: &[String], record: &ByteRecord) -> Result<Map<String, Value>, RowFault> {
    if record.len() != header.len() {
        // Those of a list of refused rows are nobody's business.
        let ours = header.iter().filter(|column| is_why(column)).count();
        let (has, of_header) = (record.len().saturating_sub(ours), header.len() - ours);
        let message = format!("the row has {has} columns, but the header has {of_header}");
        return Err(fault("", WRONG_COLUMNS, message));
    }
    // In the list of refused rows it was filled up with empty cells: whoever mends it says so.
    let code = header.iter().rposition(|column| column == "import.code");
    if code.is_some_and(|code| &record[code] == WRONG_COLUMNS.as_bytes()) {
        let message = "the row had more or fewer columns than the header: correct it, then clear its `import.code`";
        return Err(fault("import.code", WRONG_COLUMNS, message));
    }
    let mut cells = Vec::with_capacity(header.len());
    for (place, (column, bytes)) in header.iter().zip(record).enumerate() {
        if column.is_empty() {
            if !bytes.trim_ascii().is_empty() {
                let shown = value::shortened(&String::from_utf8_lossy(bytes));
                let place = place + 1;
                let message = format!(
                    "column {place} has no name in the header, but `{shown}` in this row: name the column, or empty the cell"
                );
                return Err(fault("", WRONG_COLUMNS, message));
            }
            continue;
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| fault(column, "wrong-encoding", "this is not UTF-8: save the file as UTF-8"))?;
        cells.push((column.as_str(), text, exact_text(text)));
    }
    mapper.row(
        cells.iter().map(|(column, text, exact)| (*column, exact.as_deref().map_or(Cell::Text(text), Cell::Exact))),
    )
}

/// A text as Excel keeps it from becoming a number or a formula: `="0123"`, with each quote in it twice, or in pieces that are joined,
/// `="a"&"b"`. Whoever wrote it by hand may have left its quotes as they are.
fn exact_text(cell: &str) -> Option<String> {
    let inner = cell.strip_prefix("=\"")?.strip_suffix('"')?;
    Some(joined(inner).unwrap_or_else(|| inner.to_owned()))
}

/// What stands between the first quote of a formula and the last; none if a quote alone is no end of a piece.
fn joined(inner: &str) -> Option<String> {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('"') {
        text.push_str(before);
        rest = match after.strip_prefix('"') {
            Some(after) => {
                text.push('"');
                after
            }
            None => after.strip_prefix("&\"")?,
        };
    }
    text.push_str(rest);
    Some(text)
}

fn from_line(mapper: &mut Mapper, line: &str) -> Result<Map<String, Value>, RowFault> {
    let row = exact::read(&without_reason(line)).map_err(|(code, message)| fault("", code, message))?;
    let Value::Object(members) = row else {
        return Err(fault("", "not-an-object", "each line must be one JSON object"));
    };
    mapper.row(members.iter().map(|(name, value)| (name.as_str(), Cell::Json(value))))
}

/// The cells of a record that are its own, as many as the header has columns of its own, or more.
fn written(header: &[String], record: &ByteRecord) -> Vec<String> {
    without_why(header, record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_kept_from_excel_is_read_as_it_was() {
        for (cell, text) in [
            ("=\"0123\"", Some("0123")),
            ("=\"=1+1\"", Some("=1+1")),
            ("=\"say \"\"hi\"\"\"", Some("say \"hi\"")),
            ("=\"a\"&\"b\"", Some("ab")),
            ("=\"\"\"\"", Some("\"")),
            ("=\"\"", Some("")),
            // As it was once written.
            ("=\"=\"x\"\"", Some("=\"x\"")),
            ("=1+1", None),
            ("0123", None),
        ] {
            assert_eq!(exact_text(cell).as_deref(), text, "{cell}");
        }
    }
}
