//! The refused rows, in a file beside the import's: as they stand there, with why behind them. Mended, it is imported as it is: what begins
//! with `import.` is left out.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::batch::Sent;

/// A row that was not imported, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub row: u64,
    pub line: u64,
    pub column: String,
    pub code: String,
    pub message: String,
    /// Its cells, or its line.
    pub source: Vec<String>,
}

impl Refused {
    pub fn of(sent: &Sent, column: &str, code: &str, message: &str) -> Refused {
        Refused {
            row: sent.number,
            line: sent.line,
            column: column.to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            source: sent.source.clone(),
        }
    }

    fn why(&self) -> [(&'static str, String); 5] {
        let Refused { row, line, column, code, message, .. } = self;
        [
            ("import.row", row.to_string()),
            ("import.line", line.to_string()),
            ("import.column", column.clone()),
            ("import.code", code.clone()),
            ("import.message", message.clone()),
        ]
    }
}

/// How the rows of a file are written.
#[derive(Clone, Debug)]
pub enum Manner {
    Csv { header: Vec<String>, delimiter: u8 },
    Lines,
}

impl Manner {
    /// What ends the name of the file.
    pub fn ending(&self) -> &'static str {
        match self {
            Manner::Csv { .. } => "refused.csv",
            Manner::Lines => "refused.jsonl",
        }
    }

    fn header(&self) -> Result<Vec<u8>> {
        let Manner::Csv { header, delimiter } = self else { return Ok(Vec::new()) };
        let why = ["import.row", "import.line", "import.column", "import.code", "import.message"].map(str::to_owned);
        // With a mark, by which Excel knows what it is.
        let mut text = "\u{feff}".as_bytes().to_vec();
        text.extend(record(*delimiter, header.iter().cloned().chain(why))?);
        Ok(text)
    }

    fn row(&self, refused: &Refused) -> Result<Vec<u8>> {
        let why = refused.why();
        match self {
            Manner::Csv { delimiter, .. } => {
                record(*delimiter, refused.source.iter().cloned().chain(why.into_iter().map(|(_, text)| text)))
            }
            Manner::Lines => {
                let line = refused.source.concat();
                let mut members: Map<String, Value> = match serde_json::from_str(&line) {
                    Ok(members) => members,
                    Err(_) => Map::from_iter([("import.source".to_owned(), json!(line))]),
                };
                members.extend(why.into_iter().map(|(name, text)| (name.to_owned(), json!(text))));
                Ok(format!("{}\n", Value::Object(members)).into_bytes())
            }
        }
    }
}

fn record(delimiter: u8, cells: impl Iterator<Item = String>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().flexible(true).delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(cells)?;
    writer.into_inner().context("the list of refused rows")
}

/// Made when the first row is refused.
pub struct RefusedFile {
    pub path: PathBuf,
    manner: Manner,
    file: Option<File>,
    pub bytes: u64,
}

impl RefusedFile {
    /// Goes on after `bytes` of an interrupted import; what lies behind them is written again.
    pub fn open(path: &Path, manner: Manner, bytes: u64) -> Result<RefusedFile> {
        let mut file = None;
        if bytes > 0 {
            let mut opened = OpenOptions::new().write(true).open(path).with_context(|| path.display().to_string())?;
            opened.set_len(bytes)?;
            opened.seek(SeekFrom::End(0))?;
            file = Some(opened);
        } else if path.exists() {
            std::fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
        Ok(RefusedFile { path: path.to_owned(), manner, file, bytes })
    }

    pub fn write(&mut self, rows: &[Refused]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        if self.file.is_none() {
            self.file = Some(File::create(&self.path).with_context(|| self.path.display().to_string())?);
            text.extend(self.manner.header()?);
        }
        for refused in rows {
            text.extend(self.manner.row(refused)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&text).with_context(|| self.path.display().to_string())?;
            self.bytes += text.len() as u64;
        }
        Ok(())
    }
}
