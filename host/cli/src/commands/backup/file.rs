//! The file of a backup: gzip of one JSON value a line. A head, tables each before its rows, and an end that says how many rows there are and
//! what all lines before it hash to, so that a file that is cut or changed is known before anything is made of it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use openhub_model::Timestamp;
use openhub_store::backup::{DumpedTable, Head, Part};
use serde::{Deserialize, Serialize};

/// Of these lines. A reader refuses others.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    openhub_backup: u32,
    pub made_at: Timestamp,
    /// The version of the hub that made it.
    pub hub: String,
    #[serde(flatten)]
    pub head: Head,
}

/// The last line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    rows: u64,
    blake3: String,
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub tenants: u64,
    pub rows: u64,
}

impl Counts {
    /// A row of the table that began last.
    fn row(&mut self, of_tenants: bool) {
        self.rows += 1;
        self.tenants += u64::from(of_tenants);
    }
}

/// Writes parts as they come.
pub struct Writer<W: Write> {
    to: GzEncoder<BufWriter<W>>,
    hash: blake3::Hasher,
    counts: Counts,
    of_tenants: bool,
    /// Nothing is missing.
    whole: bool,
}

impl<W: Write> Writer<W> {
    pub fn new(to: W) -> Writer<W> {
        let to = GzEncoder::new(BufWriter::new(to), Compression::fast());
        Writer { to, hash: blake3::Hasher::new(), counts: Counts::default(), of_tenants: false, whole: false }
    }

    pub fn put(&mut self, part: Part, made_at: Timestamp) -> Result<Counts> {
        let line = match part {
            Part::End => {
                self.whole = true;
                return Ok(self.counts);
            }
            Part::Head(head) => {
                let hub = env!("CARGO_PKG_VERSION").to_owned();
                serde_json::to_string(&Title { openhub_backup: FORMAT, made_at, hub, head })?
            }
            Part::Table(table) => {
                self.of_tenants = table.table == "tenants";
                serde_json::to_string(&table)?
            }
            Part::Row(row) => {
                self.counts.row(self.of_tenants);
                row
            }
        };
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.line(&line)?;
        Ok(self.counts)
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.to.write_all(line.as_bytes())?;
        Ok(self.to.write_all(b"\n")?)
    }

    /// Writes the end, and gives back what it wrote to.
    pub fn end(mut self) -> Result<(W, Counts)> {
        ensure!(self.whole, "the database was not read to its end");
        let end = End { rows: self.counts.rows, blake3: self.hash.finalize().to_hex().to_string() };
        self.line(&serde_json::to_string(&end)?)?;
        let to = self.to.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok((to, self.counts))
    }
}

/// Reads a file line by line.
pub struct Reader {
    lines: BufReader<MultiGzDecoder<BufReader<File>>>,
    hash: blake3::Hasher,
    counts: Counts,
    of_tenants: bool,
    line: String,
}

impl Reader {
    /// The title of a backup, and what follows it.
    pub fn open(path: &Path) -> Result<(Title, Reader)> {
        let mut file = File::open(path).with_context(|| format!("the file {} cannot be read", path.display()))?;
        let mut magic = [0; 2];
        let is_gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        ensure!(is_gzip, "{} is no backup: `openhub backup FILE` makes one", path.display());
        let file = File::open(path)?;
        let lines = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
        let mut reader = Reader {
            lines,
            hash: blake3::Hasher::new(),
            counts: Counts::default(),
            of_tenants: false,
            line: String::new(),
        };
        let title = match reader.next_line()? {
            Some(line) => serde_json::from_str::<Title>(line).ok(),
            None => None,
        };
        reader.hash_line();
        let Some(title) = title else { bail!("{} is no backup: `openhub backup FILE` makes one", path.display()) };
        ensure!(
            title.openhub_backup == FORMAT,
            "the backup {} has the format {}, and this binary reads {FORMAT}: use a newer one",
            path.display(),
            title.openhub_backup
        );
        Ok((title, reader))
    }

    fn next_line(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let read = self.lines.read_line(&mut self.line).context("the backup is damaged: it cannot be unpacked")?;
        Ok((read > 0).then(|| self.line.trim_end_matches('\n')))
    }

    /// The part that follows; none at the end, whose count and hash are right.
    pub fn next(&mut self) -> Result<Option<Part>> {
        let Some(line) = self.next_line()? else {
            bail!("the backup is cut off behind {} rows: take another copy of it", self.counts.rows)
        };
        if line.starts_with('[') {
            let row = line.to_owned();
            self.hash_line();
            self.counts.row(self.of_tenants);
            return Ok(Some(Part::Row(row)));
        }
        if let Ok(table) = serde_json::from_str::<DumpedTable>(line) {
            self.hash_line();
            self.of_tenants = table.table == "tenants";
            return Ok(Some(Part::Table(table)));
        }
        let Ok(end) = serde_json::from_str::<End>(line) else {
            bail!("the backup is damaged: behind {} rows there is a line that says nothing", self.counts.rows)
        };
        let found = End { rows: self.counts.rows, blake3: self.hash.finalize().to_hex().to_string() };
        ensure!(end == found, "the backup is damaged: its lines are not those that were written");
        ensure!(self.next_line()?.is_none(), "the backup is damaged: something stands behind its end");
        Ok(None)
    }

    fn hash_line(&mut self) {
        self.hash.update(self.line.as_bytes());
    }

    pub const fn counts(&self) -> Counts {
        self.counts
    }
}
