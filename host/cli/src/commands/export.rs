//! `openhub export`: everything of a kind as a file, through the public API.
//!
//! The file appears under its name when it is whole: until then it is called `FILE.part`.

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::import::Decimal;
use crate::hub::{Hub, HubFlags};

#[derive(Args)]
pub struct Arguments {
    /// What to export.
    #[arg(value_enum)]
    what: What,
    /// The file to write; `-` is stdout. Its name tells the format.
    file: PathBuf,
    /// The file's format (default: read from its name).
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A CSV for Excel: with a byte order mark, `;` between cells, and no text that Excel would compute.
    #[arg(long)]
    excel: bool,
    /// Begin a CSV with the byte order mark of UTF-8.
    #[arg(long)]
    bom: bool,
    /// What stands between the cells of a CSV: one character, or `tab` (default `,`; with `--excel`, `;`).
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// How a CSV writes its numbers: `comma` for `1234,56`, `point` for `1234.56` (default: `point`; with `--excel` and `;`, `comma`).
    #[arg(long, value_name = "MARK", value_enum)]
    decimal: Option<Decimal>,
    #[command(flatten)]
    hub: HubFlags,
    /// The columns, separated by commas: `identity.user_id,attribute.city,tag.vip,consent.news` (default: the usual ones).
    #[arg(long, value_name = "NAMES")]
    fields: Option<String>,
    /// For objects: their type.
    #[arg(long = "type", value_name = "KIND", required_if_eq("what", "objects"))]
    kind: Option<String>,
    /// For customers: only those for whom this condition holds, as JSON.
    #[arg(long, value_name = "JSON")]
    condition: Option<String>,
    /// For events: only those of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// For events and objects: only those of this customer, by id.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Customers,
    Events,
    Objects,
}

impl What {
    /// So many of them.
    fn counted(self, count: u64) -> String {
        let (one, many) = match self {
            What::Customers => ("customer", "customers"),
            What::Events => ("event", "events"),
            What::Objects => ("object", "objects"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let for_csv = arguments.excel.then_some(Format::Csv);
    let format = arguments.format.or_else(|| told_by_name(&arguments.file)).or(for_csv);
    let format = format.context("the file name does not show the format: add `--format jsonl` or `--format csv`")?;
    let name = match format {
        Format::Csv => "csv",
        Format::Jsonl => "jsonl",
    };
    let of_csv = arguments.excel || arguments.bom || arguments.delimiter.is_some() || arguments.decimal.is_some();
    ensure!(
        format == Format::Csv || !of_csv,
        "only a CSV has `--excel`, `--bom`, `--delimiter` and `--decimal`: add `--format csv`, or leave them out"
    );
    let path = match arguments.what {
        What::Customers => "/api/v1/export/customers",
        What::Events => "/api/v1/export/events",
        What::Objects => "/api/v1/export/objects",
    };
    let said = [
        ("format", Some(name)),
        ("excel", arguments.excel.then_some("true")),
        ("bom", arguments.bom.then_some("true")),
        ("delimiter", arguments.delimiter.as_deref()),
        ("decimal", arguments.decimal.map(Decimal::word)),
        ("fields", arguments.fields.as_deref()),
        ("kind", arguments.kind.as_deref()),
        ("condition", arguments.condition.as_deref()),
        ("name", arguments.name.as_deref()),
        ("customer", arguments.customer.as_deref()),
    ];
    let query: Vec<(&str, &str)> = said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut answer = Hub::new(&arguments.hub)?.download(path, &query).await?;
    let mut out = Out::create(&arguments.file)?;
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let (began, mut bytes, mut rows) = (Instant::now(), 0, Rows::of(format));
    // Of columns that were asked for by name, one may be misspelt.
    let is_asked = arguments.fields.is_some() && format == Format::Csv;
    let mut columns = Columns::of(is_asked.then(|| mark(&arguments)));
    while let Some(chunk) = answer.chunk().await.context("the export broke off")? {
        out.write(&chunk)?;
        bytes += chunk.len() as u64;
        rows.count(&chunk);
        columns.read(&chunk);
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    out.finish()?;
    let seconds = began.elapsed().as_secs_f64();
    let (lines, rate) = (rows.lines, rows.whole() as f64 / seconds.max(1e-3));
    eprintln!(
        "{} in {lines} lines, {bytes} bytes ({seconds:.1} s, {rate:.0} rows/s)",
        arguments.what.counted(rows.whole())
    );
    if let Some(note) = columns.note() {
        eprintln!("{note}");
    }
    Ok(())
}

/// What stands between cells, as the hub was asked to write it.
fn mark(arguments: &Arguments) -> u8 {
    match arguments.delimiter.as_deref() {
        Some("tab") => b'\t',
        Some(mark) => mark.bytes().next().unwrap_or(b','),
        None if arguments.excel => b';',
        None => b',',
    }
}

/// Which columns of a CSV file have a value in no row.
#[derive(Default)]
struct Columns {
    /// None if nobody asks.
    mark: Option<u8>,
    /// The header line, and then its names.
    header: Vec<u8>,
    names: Vec<String>,
    filled: Vec<bool>,
    at: usize,
    quoted: bool,
    has_rows: bool,
}

impl Columns {
    fn of(mark: Option<u8>) -> Columns {
        Columns { mark, ..Columns::default() }
    }

    fn read(&mut self, chunk: &[u8]) {
        let Some(mark) = self.mark else { return };
        for byte in chunk {
            self.quoted ^= *byte == b'"';
            let is_header = self.names.is_empty();
            match byte {
                b'\n' if !self.quoted && is_header => self.name(mark),
                _ if is_header => self.header.push(*byte),
                b'\n' if !self.quoted => (self.at, self.has_rows) = (0, true),
                byte if !self.quoted && *byte == mark => self.at += 1,
                b'"' | b'\r' => {}
                _ => {
                    if let Some(filled) = self.filled.get_mut(self.at) {
                        *filled = true;
                    }
                }
            }
        }
    }

    fn name(&mut self, mark: u8) {
        let header = String::from_utf8_lossy(&self.header).into_owned();
        let names = header.trim_start_matches('\u{feff}').split(char::from(mark));
        self.names = names.map(|name| name.trim_matches(['"', '\r']).to_owned()).collect();
        self.filled = vec![false; self.names.len()];
    }

    fn note(&self) -> Option<String> {
        let empty: Vec<&str> = self
            .names
            .iter()
            .zip(&self.filled)
            .filter(|(_, filled)| !**filled)
            .map(|(name, _)| name.as_str())
            .collect();
        let what = match empty.as_slice() {
            [] => return None,
            [one] => format!("the column `{one}` is"),
            several => format!("the columns `{}` are", several.join("`, `")),
        };
        self.has_rows
            .then(|| format!("note: {what} empty in all rows: if you expected values, check the name in `--fields`"))
    }
}

/// Counts what a file has: of a CSV, its header is no row, and a row may go over several lines.
struct Rows {
    format: Format,
    lines: u64,
    ended: u64,
    quoted: bool,
}

impl Rows {
    fn of(format: Format) -> Rows {
        Rows { format, lines: 0, ended: 0, quoted: false }
    }

    fn count(&mut self, chunk: &[u8]) {
        for byte in chunk {
            match byte {
                b'"' if self.format == Format::Csv => self.quoted = !self.quoted,
                b'\n' => {
                    self.lines += 1;
                    self.ended += u64::from(!self.quoted);
                }
                _ => {}
            }
        }
    }

    fn whole(&self) -> u64 {
        self.ended.saturating_sub(u64::from(self.format == Format::Csv))
    }
}

fn told_by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

/// Stdout, or a file that is not whole yet.
enum Out {
    Stdout(std::io::Stdout),
    File { file: std::fs::File, part: PathBuf, whole: PathBuf },
}

impl Out {
    fn create(path: &Path) -> Result<Out> {
        if path == Path::new("-") {
            return Ok(Out::Stdout(std::io::stdout()));
        }
        ensure!(!path.exists(), "{} already exists: choose another name, or remove it", path.display());
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = std::fs::File::create(&part).with_context(|| part.display().to_string())?;
        Ok(Out::File { file, part, whole: path.to_owned() })
    }

    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Out::Stdout(out) => out.write_all(chunk)?,
            Out::File { file, part, .. } => file.write_all(chunk).with_context(|| part.display().to_string())?,
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Out::Stdout(mut out) => out.flush()?,
            Out::File { part, whole, .. } => {
                std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f23_a_column_without_a_value_is_told() {
        let note = |mark, text: &str| {
            let mut columns = Columns::of(Some(mark));
            text.as_bytes().chunks(3).for_each(|chunk| columns.read(chunk));
            columns.note()
        };
        let told = note(b',', "id,attribute.nam,x\n1,,\"\"\n2,,\"a,b\nc\"\n").unwrap();
        assert!(told.contains("the column `attribute.nam` is empty in all rows"), "{told}");
        let told = note(b';', "\u{feff}id;a;b\r\n1;;\r\n").unwrap();
        assert!(told.contains("the columns `a`, `b` are empty"), "{told}");
        assert_eq!((note(b',', "id,a\n1,x\n"), note(b',', "id,a\n")), (None, None));
        assert_eq!(Columns::of(None).note(), None);
    }

    #[test]
    fn rows_are_counted_and_not_lines() {
        let counted = |format, text: &str| {
            let mut rows = Rows::of(format);
            text.as_bytes().chunks(3).for_each(|chunk| rows.count(chunk));
            (rows.whole(), rows.lines)
        };
        assert_eq!(counted(Format::Csv, ""), (0, 0));
        assert_eq!(counted(Format::Csv, "a,b\n"), (0, 1));
        assert_eq!(counted(Format::Csv, "a,b\n1,\"x \"\"y\"\"\nz\"\n2,3\n"), (2, 4));
        assert_eq!(counted(Format::Jsonl, "{\"a\":\"\\\"\"}\n{}\n"), (2, 2));
        assert_eq!([What::Customers.counted(1), What::Events.counted(2)], ["1 customer", "2 events"]);
    }
}
