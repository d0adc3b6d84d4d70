//! The refused rows, in a file beside the import's: as they stand there, with why behind them. Mended, it is imported as it is: what begins
//! with `import.` is left out.
//!
//! Of a row that is refused again, the reason of before is left out: each list has one reason a row.
//!
//! A line of JSON is kept byte for byte. If it is an object, the reason stands in members at its end; if not, in a line of its
//! own behind it, which an import passes over. A file that somebody has mended is never written over.

use anyhow::{Context, Result, ensure};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
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
    pub id: String,
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
            id: sent.id.clone(),
        }
    }

    /// Where it stands in the file, and why.
    pub fn in_words(&self) -> String {
        let column = if self.column.is_empty() { String::new() } else { format!(", column `{}`", self.column) };
        format!("line {}{column}: {}", self.line, self.message)
    }

    fn why(&self) -> [(&'static str, String); 6] {
        let Refused { row, line, column, code, message, id, .. } = self;
        let [of_row, of_line, of_column, of_code, of_message, of_id] = WHY;
        [
            (of_row, row.to_string()),
            (of_line, line.to_string()),
            (of_column, column.clone()),
            (of_code, code.clone()),
            (of_message, message.clone()),
            (of_id, id.clone()),
        ]
    }
}

/// What says why a row was refused, and which it is: columns behind its own, or members.
const WHY: [&str; 6] = ["import.row", "import.line", "import.column", "import.code", "import.message", "import.id"];

/// Whether a column, or a member, says why its row was refused before.
pub fn is_why(column: &str) -> bool {
    WHY.contains(&column)
}

/// Why a row was refused before, as a list of refused rows says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    pub code: String,
    pub message: String,
    id: String,
}

impl Before {
    /// Of a row of a CSV file: nothing, if it is no list, or somebody has cleared the code.
    pub fn of_record(header: &[String], record: &csv::ByteRecord) -> Before {
        let cell = |name: &str| {
            let place = header.iter().rposition(|column| column == name);
            let cell = place.and_then(|place| record.get(place)).unwrap_or_default();
            String::from_utf8_lossy(cell).into_owned()
        };
        let [.., code, message, id] = WHY;
        Before { code: cell(code), message: cell(message), id: cell(id) }
    }

    /// Likewise, of a line of JSON.
    pub fn of_line(line: &str) -> Before {
        let why = line.rfind(REASON).map(|at| format!("{{{}", &line[at..]));
        let members: Map<String, Value> = why.and_then(|why| serde_json::from_str(&why).ok()).unwrap_or_default();
        let said = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let [.., code, message, id] = WHY;
        Before { code: said(code), message: said(message), id: said(id) }
    }

    /// Which row it was, if that is a text that an import writes.
    pub fn id(&self) -> Option<&str> {
        let (import, row) = self.id.split_once('-')?;
        let is_import = import.len() == 16 && import.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_import && row.parse::<u64>().is_ok()).then_some(&self.id)
    }
}

/// How many columns of a header are its own.
fn own_columns(header: &[String]) -> usize {
    header.iter().filter(|column| !is_why(column)).count()
}

/// The cells of a row of a CSV file without the reason of an earlier import. Cells that the header has no column for stand behind
/// the reason, in a list of refused rows, and a row of fewer cells was not filled up.
pub fn without_why(header: &[String], mut cells: Vec<String>) -> Vec<String> {
    let own = own_columns(header);
    let mut columns = header.iter();
    cells.retain(|_| columns.next().is_none_or(|column| !is_why(column)));
    cells.resize(own.max(cells.len()), String::new());
    cells
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
            // By its name Excel takes a file for one with commas or semicolons.
            Manner::Csv { delimiter: b'\t', .. } => "refused.tsv",
            Manner::Csv { .. } => "refused.csv",
            Manner::Lines => "refused.jsonl",
        }
    }

    fn header(&self) -> Result<Vec<u8>> {
        let Manner::Csv { header, delimiter } = self else { return Ok(Vec::new()) };
        let own = header.iter().filter(|column| !is_why(column));
        // With a mark, by which Excel knows what it is.
        let mut text = "\u{feff}".as_bytes().to_vec();
        text.extend(record(*delimiter, own.cloned().chain(WHY.map(str::to_owned)))?);
        Ok(text)
    }

    fn row(&self, refused: &Refused) -> Result<Vec<u8>> {
        let why = refused.why();
        match self {
            Manner::Csv { delimiter, header } => {
                // A cell too many stands behind the reason, which stays below its names whatever a spreadsheet makes of the row.
                let (own, more) = refused.source.split_at(own_columns(header).min(refused.source.len()));
                let why = why.into_iter().map(|(_, text)| text);
                record(*delimiter, own.iter().cloned().chain(why).chain(more.iter().cloned()))
            }
            Manner::Lines => {
                let line = refused.source.concat();
                let line = without_reason(&line);
                let why = why.into_iter().map(|(name, text)| (name.to_owned(), json!(text)));
                let why = Value::Object(why.collect()).to_string();
                let text = match open_object(&line) {
                    Some(begun) => format!("{begun}{}\n", why.trim_start_matches('{')),
                    None => format!("{line}\n{why}\n"),
                };
                Ok(text.into_bytes())
            }
        }
    }
}

/// What a reason begins with.
const REASON: &str = "\"import.row\":\"";

/// Whether a line says why the one before it was refused.
pub fn is_reason(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('{') else { return false };
    rest.starts_with(REASON) && is_only_reason(line)
}

fn is_only_reason(text: &str) -> bool {
    let members: Option<Map<String, Value>> = serde_json::from_str(text).ok();
    members.is_some_and(|members| members.keys().all(|name| name.starts_with("import.")))
}

/// A line of a list of refused rows as it was before.
pub fn without_reason(line: &str) -> Cow<'_, str> {
    let cut = || {
        let at = line.rfind(REASON)?;
        let (kept, why) = line.split_at(at);
        let kept = kept.strip_suffix(',').unwrap_or(kept);
        (kept.starts_with('{') && is_only_reason(&format!("{{{why}"))).then(|| format!("{kept}}}"))
    };
    cut().filter(|line| is_object(line)).map_or(Cow::Borrowed(line), Cow::Owned)
}

/// By its syntax: also with a member twice, and with numbers that no number keeps.
fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// An object's text without its end, ready for a member more; none of an object that has none.
fn open_object(line: &str) -> Option<String> {
    let begun = is_object(line).then(|| line.trim_end().strip_suffix('}'))??;
    (begun.trim() != "{").then(|| format!("{begun},"))
}

fn record(delimiter: u8, cells: impl Iterator<Item = String>) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().flexible(true).delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(cells)?;
    writer.into_inner().context("the list of refused rows")
}

/// Made when the first row is refused.
pub struct RefusedFile {
    /// None in a dry run, which writes no file.
    path: Option<PathBuf>,
    manner: Manner,
    file: Option<File>,
    pub bytes: u64,
    hasher: blake3::Hasher,
}

impl RefusedFile {
    /// Of a dry run.
    pub fn none(manner: Manner) -> RefusedFile {
        RefusedFile { path: None, manner, file: None, bytes: 0, hasher: blake3::Hasher::new() }
    }

    /// Goes on after `bytes` of an interrupted import; what lies behind them is written again. `known` is the hash of the file
    /// as an import has left it, or as it was imported itself: one that was changed since has somebody's work in it.
    pub fn open(path: &Path, manner: Manner, bytes: u64, known: &[Option<&str>]) -> Result<RefusedFile> {
        let opened = RefusedFile { path: Some(path.to_owned()), bytes, ..RefusedFile::none(manner) };
        let there = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && bytes == 0 => return Ok(opened),
            there => there.with_context(|| path.display().to_string())?,
        };
        ensure!(there.is_file(), "{} is no regular file: choose another one with `--refused`", path.display());
        let written = if bytes > 0 { bytes } else { there.len() };
        let mut hasher = blake3::Hasher::new();
        let text = File::open(path).with_context(|| path.display().to_string())?.take(written);
        hasher.update_reader(text).with_context(|| path.display().to_string())?;
        ensure!(
            known.contains(&Some(hasher.finalize().to_hex().as_str())),
            "{} was changed after the import wrote it: import it or rename it first, or choose another file with `--refused`",
            path.display()
        );
        if bytes == 0 {
            std::fs::remove_file(path).with_context(|| path.display().to_string())?;
            return Ok(opened);
        }
        let mut file = OpenOptions::new().write(true).open(path).with_context(|| path.display().to_string())?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(RefusedFile { file: Some(file), hasher, ..opened })
    }

    /// Puts a list aside that was begun, and of which an import does not know how far it came. Somebody may have mended it.
    pub fn put_aside(path: &Path) -> Result<()> {
        if !path.is_file() {
            return Ok(());
        }
        let mut aside = path.as_os_str().to_owned();
        aside.push(".unfinished");
        let aside = PathBuf::from(aside);
        std::fs::rename(path, &aside).with_context(|| path.display().to_string())?;
        eprintln!("the list of refused rows that was begun before is now {}: it is written anew", aside.display());
        Ok(())
    }

    /// Where the refused rows are to be found.
    pub fn place(&self) -> String {
        match &self.path {
            Some(path) => format!("see {}", path.display()),
            None => "a dry run writes no file of them".to_owned(),
        }
    }

    /// Of the whole file; none, if there is none.
    pub fn hash(&self) -> Option<String> {
        self.file.as_ref().map(|_| self.hasher.finalize().to_hex().to_string())
    }

    pub fn write(&mut self, rows: &[Refused]) -> Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| !rows.is_empty()) else { return Ok(()) };
        let mut text = Vec::new();
        if self.file.is_none() {
            let file = OpenOptions::new().write(true).create_new(true).open(path);
            self.file = Some(file.with_context(|| path.display().to_string())?);
            text.extend(self.manner.header()?);
        }
        for refused in rows {
            text.extend(self.manner.row(refused)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&text).with_context(|| path.display().to_string())?;
            self.hasher.update(&text);
            self.bytes += text.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &str) -> String {
        let id = "0123456789abcdef-3".to_owned();
        let sent = Sent { number: 3, line: 4, source: vec![line.to_owned()], id, is_carried: false };
        let row = Manner::Lines.row(&Refused::of(&sent, "a", "wrong-type", "it is \"wrong\""));
        String::from_utf8(row.unwrap()).unwrap()
    }

    /// And once more, when it was refused again.
    #[test]
    fn a_refused_line_of_json_is_kept_byte_for_byte() {
        for line in [
            r#"{"a": 1, "a": 2}"#,
            r#"{ "n" : 0.12345678901234567890, "b":{"c":[1e400]} }"#,
            r#"{"t":"x,\"import.row\":\"1\""}"#,
        ] {
            let text = written(line);
            let again = text.trim_end_matches('\n');
            assert!(!again.contains('\n') && again.starts_with(line.trim_end_matches('}')), "{again}");
            assert!(is_object(again) && !is_reason(again), "{again}");
            assert_eq!(without_reason(again), line, "{again}");
            assert_eq!(written(again), text);
        }
        for line in ["{}", "{\"a\": 1", "[1]", "7", "{\"a\": nul}"] {
            let text = written(line);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!((lines.len(), lines[0]), (2, line));
            assert!(is_reason(lines[1]) && !is_reason(line), "{text}");
        }
    }

    #[test]
    fn what_a_row_was_refused_for_before_is_known() {
        let line = written(r#"{"id":"ada"}"#);
        let [code, message, id] = ["wrong-type", "it is \"wrong\"", "0123456789abcdef-3"].map(str::to_owned);
        let before = Before { code, message, id };
        assert_eq!(Before::of_line(line.trim_end()), before);
        assert_eq!(Before::of_line(r#"{"id":"ada"}"#), Before::default());
        assert_eq!(before.id(), Some("0123456789abcdef-3"));
        for other in ["", "-", "0123456789abcdef-x", "x-3"] {
            assert_eq!(Before { id: other.to_owned(), ..before.clone() }.id(), None, "{other}");
        }
        let header = ["id", "import.code", "import.message", "import.id"].map(str::to_owned);
        let record = csv::ByteRecord::from(vec!["ada", "wrong-type", "it is \"wrong\"", "0123456789abcdef-3"]);
        assert_eq!(Before::of_record(&header, &record), before);
        assert_eq!(Before::of_record(&header[..1], &record), Before::default());
    }

    #[test]
    fn breaker14_a_list_is_a_file() {
        let refused =
            |path: &Path| RefusedFile::open(path, Manner::Lines, 0, &[None]).err().map(|error| error.to_string());
        assert!(refused(Path::new("/dev/full")).is_some_and(|told| told.contains("is no regular file")));
        let folder = tempfile::tempdir().unwrap();
        assert!(refused(folder.path()).is_some_and(|told| told.contains("is no regular file")));
        assert_eq!(refused(&folder.path().join("new.jsonl")), None);
    }

    /// As often as it is refused and sent again.
    #[test]
    fn findings14_f1_a_refused_row_has_one_reason() {
        const ID: &str = "0123456789abcdef-1";
        let own = ["id", "n"].map(str::to_owned).to_vec();
        let list = |header: &[String], cells: &[&str]| {
            let manner = Manner::Csv { header: header.to_vec(), delimiter: b',' };
            let source = without_why(header, cells.iter().map(|cell| (*cell).to_owned()).collect());
            let sent = Sent { number: 1, line: 2, source, id: ID.to_owned(), is_carried: false };
            let text = [manner.header().unwrap(), manner.row(&Refused::of(&sent, "n", "wrong-type", "why")).unwrap()];
            String::from_utf8(text.concat()).unwrap()
        };
        let once = list(&own, &["a", "x"]);
        assert_eq!(once, format!("\u{feff}id,n,{}\na,x,1,2,n,wrong-type,why,{ID}\n", WHY.join(",")));
        let header: Vec<String> = own.iter().cloned().chain(WHY.map(str::to_owned)).collect();
        assert_eq!(list(&header, &["a", "x", "7", "8", "m", "too-large", "before", ID]), once);
        // Whoever mends a row in another program may take the reason out of it, and the columns of the list before last are there twice.
        assert_eq!(list(&header, &["a", "x"]), once);
        let twice: Vec<String> = header.iter().cloned().chain(WHY.map(str::to_owned)).collect();
        assert_eq!(list(&twice, &["a", "x", "7", "8", "m", "c", "b", ID, "7", "8", "m", "c", "b", ID]), once);
        // A cell too many is not lost.
        let more = list(&own, &["a", "x", "y"]);
        assert!(more.ends_with(&format!("a,x,1,2,n,wrong-type,why,{ID},y\n")), "{more}");
        assert_eq!(list(&header, &["a", "x", "7", "8", "m", "wrong-columns", "before", ID, "y"]), more);
        let few = list(&own, &["a"]);
        assert!(few.ends_with(&format!("a,,1,2,n,wrong-type,why,{ID}\n")), "{few}");
        let tabs = Manner::Csv { header: own, delimiter: b'\t' };
        assert_eq!(tabs.ending(), "refused.tsv");
    }
}
