//! The rows of a file, one by one, as the hub takes them. A row that is broken is told with its number; the next one
//! is read all the same.

use anyhow::{Context, Result, bail};
use csv::ByteRecord;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::plan::{Form, Mapper, Plan, RowFault};
use super::value::Cell;

/// One row of the file.
pub struct Row {
    /// From 1, the header not counted.
    pub number: u64,
    /// Where it begins in the file.
    pub line: u64,
    /// Bytes of the file read so far.
    pub read: u64,
    /// As it stands in the file, for the list of refused rows.
    pub source: String,
    pub row: Result<Map<String, Value>, RowFault>,
}

pub struct Source {
    rows: Rows,
    pub mapper: Mapper,
    number: u64,
}

enum Rows {
    Csv { reader: Box<csv::Reader<BufReader<File>>>, header: Vec<String>, record: ByteRecord },
    Lines { reader: BufReader<File>, line: u64, read: u64, text: Vec<u8> },
}

impl Source {
    pub fn open(path: &Path, form: Form, plan: Plan) -> Result<Source> {
        let reader = BufReader::with_capacity(1 << 20, opened(path)?);
        let rows = match form {
            Form::Lines => Rows::Lines { reader, line: 0, read: 0, text: Vec::new() },
            Form::Csv => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
                let header = reader.byte_headers().context("the CSV file has no header")?;
                let header: Result<Vec<String>, _> =
                    header.iter().map(|name| std::str::from_utf8(name).map(|name| name.trim().to_owned())).collect();
                let header = header.context("the header is not UTF-8: save the file as UTF-8")?;
                plan.check_header(&header)?;
                Rows::Csv { reader: Box::new(reader), header, record: ByteRecord::new() }
            }
        };
        Ok(Source { rows, mapper: Mapper::new(plan, form), number: 0 })
    }

    /// The next row; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Row>> {
        let mapper = &mut self.mapper;
        match &mut self.rows {
            Rows::Csv { reader, header, record } => {
                if !reader.read_byte_record(record).context("the CSV file is broken")? {
                    return Ok(None);
                }
                self.number += 1;
                let line = record.position().map_or(0, csv::Position::line);
                let row = from_record(mapper, header, record);
                let source = written(record);
                Ok(Some(Row { number: self.number, line, read: reader.position().byte(), source, row }))
            }
            Rows::Lines { reader, line, read, text } => loop {
                text.clear();
                let taken = reader.read_until(b'\n', text)?;
                if taken == 0 {
                    return Ok(None);
                }
                (*line, *read) = (*line + 1, *read + taken as u64);
                if text.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                self.number += 1;
                let row = from_line(mapper, text);
                let source = String::from_utf8_lossy(text).trim_end().to_owned();
                return Ok(Some(Row { number: self.number, line: *line, read: *read, source, row }));
            },
        }
    }
}

/// The file after its byte order mark. Other encodings than UTF-8 that give themselves away are refused whole.
fn opened(path: &Path) -> Result<File> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut first = [0; 3];
    let read = file.read(&mut first)?;
    match &first[..read] {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => bail!("{} is UTF-16: save it as UTF-8", path.display()),
        [0xef, 0xbb, 0xbf] => {}
        _ => {
            file.seek(SeekFrom::Start(0))?;
        }
    }
    Ok(file)
}

fn fault(column: &str, code: &'static str, message: impl Into<String>) -> RowFault {
    RowFault { column: column.to_owned(), code, message: message.into() }
}

fn from_record(mapper: &mut Mapper, header: &[String], record: &ByteRecord) -> Result<Map<String, Value>, RowFault> {
    if record.len() != header.len() {
        let message = format!("the row has {} columns, the header {}", record.len(), header.len());
        return Err(fault("", "wrong-columns", message));
    }
    let mut cells = Vec::with_capacity(header.len());
    for (column, bytes) in header.iter().zip(record) {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| fault(column, "wrong-encoding", "this is not UTF-8: save the file as UTF-8"))?;
        cells.push((column.as_str(), Cell::Text(text)));
    }
    mapper.row(cells.into_iter())
}

fn from_line(mapper: &mut Mapper, line: &[u8]) -> Result<Map<String, Value>, RowFault> {
    let text = std::str::from_utf8(line)
        .map_err(|_| fault("", "wrong-encoding", "this is not UTF-8: save the file as UTF-8"))?;
    let row: Value = serde_json::from_str(text).map_err(|error| fault("", "invalid-json", error.to_string()))?;
    let Value::Object(members) = row else {
        return Err(fault("", "not-an-object", "a line is one JSON object"));
    };
    mapper.row(members.iter().map(|(name, value)| (name.as_str(), Cell::Json(value))))
}

/// A record as CSV again, what is not UTF-8 replaced.
fn written(record: &ByteRecord) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
    let text = writer.write_record(cells).ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default();
    String::from_utf8_lossy(&text).trim_end().to_owned()
}
