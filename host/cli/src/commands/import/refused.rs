//! The list of refused rows beside the file: CSV with row, line, column, code, message and the row itself.

use anyhow::{Context, Result};
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
    pub source: String,
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
}

/// Made when the first row is refused.
pub struct RefusedFile {
    pub path: PathBuf,
    file: Option<File>,
    pub bytes: u64,
}

impl RefusedFile {
    /// Goes on after `bytes` of an interrupted import; what lies behind them is written again.
    pub fn open(path: &Path, bytes: u64) -> Result<RefusedFile> {
        let mut file = None;
        if bytes > 0 {
            let mut opened = OpenOptions::new().write(true).open(path).with_context(|| path.display().to_string())?;
            opened.set_len(bytes)?;
            opened.seek(SeekFrom::End(0))?;
            file = Some(opened);
        } else if path.exists() {
            std::fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
        Ok(RefusedFile { path: path.to_owned(), file, bytes })
    }

    pub fn write(&mut self, rows: &[Refused]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        if self.file.is_none() {
            self.file = Some(File::create(&self.path).with_context(|| self.path.display().to_string())?);
            writer.write_record(["row", "line", "column", "code", "message", "source"])?;
        }
        for Refused { row, line, column, code, message, source } in rows {
            writer.write_record([&row.to_string(), &line.to_string(), column, code, message, source])?;
        }
        let text = writer.into_inner().context("the list of refused rows")?;
        if let Some(file) = &mut self.file {
            file.write_all(&text).with_context(|| self.path.display().to_string())?;
            self.bytes += text.len() as u64;
        }
        Ok(())
    }
}
