//! A file as people have it: packed by gzip or not, in one encoding or another, with commas or semicolons. What is no text is refused in
//! one line, before its first row is sent.

use anyhow::{Context, Result, bail, ensure};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::refused::is_reason;

/// What was found out about a file by reading it once.
#[derive(Clone)]
pub struct Look {
    pub encoding: &'static Encoding,
    is_packed: bool,
    /// Of its text, as UTF-8.
    pub bytes: u64,
    /// Of its bytes as they are.
    pub hash: blake3::Hash,
    /// Of its text, as UTF-8: packed or not, and in whatever encoding, it has the same rows.
    pub text: blake3::Hash,
    stamp: Stamp,
    /// The beginning of its text.
    head: String,
}

/// By what a file is told that was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    inode: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Result<Stamp> {
        let of = std::fs::metadata(path).with_context(|| path.display().to_string())?;
        Ok(Stamp { bytes: of.len(), inode: of.ino(), modified: (of.mtime(), of.mtime_nsec()) })
    }
}

/// Somebody has written to the file while it was read.
#[derive(Debug)]
pub struct Changed(String);

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was changed while it was read: let whoever writes it finish before it is imported", self.0)
    }
}

impl std::error::Error for Changed {}

/// Refuses what can be read only once, before it is opened: that would wait for whoever writes it.
pub fn must_be_a_file(path: &Path) -> Result<()> {
    let of = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    ensure!(!of.is_dir(), "{} is a folder: name a file", path.display());
    ensure!(of.is_file(), "{} is no regular file, and {READ_AGAIN}", path.display());
    Ok(())
}

/// Characters between cells, the usual one first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
pub const READ_AGAIN: &str = "an import reads its file more than once: write it to a file first";
/// Bytes by which a file is told.
const HEAD: usize = 64 * 1024;

impl Look {
    /// Reads all of a file. `told` is the encoding that was said of it.
    pub fn at(path: &Path, told: Option<&'static Encoding>) -> Result<Look> {
        let shown = path.display();
        let stamp = Stamp::of(path)?;
        let mut hasher = blake3::Hasher::new();
        hasher
            .update_reader(File::open(path).with_context(|| shown.to_string())?)
            .with_context(|| shown.to_string())?;
        let mut first = [0; 4];
        let taken = File::open(path)?.read(&mut first)?;
        let is_packed = first[..taken].starts_with(&[0x1f, 0x8b]);
        let mut head = Vec::new();
        // What breaks off is told when all of it is read.
        let _ = unpacked(path, is_packed)?.take(HEAD as u64).read_to_end(&mut head);
        refuse_workbook(path, &head)?;
        // A mark is the file's own word, as in the list of refused rows of a file that has another encoding.
        let marked = Encoding::for_bom(&head).map(|(encoding, _)| encoding);
        let encoding = marked.or(told).unwrap_or_else(|| guessed(&head));
        let hash = hasher.finalize();
        let mut look = Look { encoding, is_packed, bytes: 0, hash, text: hash, stamp, head: String::new() };
        look.read_through(path)?;
        look.still(path)?;
        Ok(look)
    }

    /// Fails if the file was written to since.
    pub fn still(&self, path: &Path) -> Result<()> {
        ensure!(Stamp::of(path)? == self.stamp, Changed(path.display().to_string()));
        Ok(())
    }

    /// The same by what is in it, at the end: who writes may leave no mark of it.
    pub fn was_still(&self, path: &Path) -> Result<()> {
        self.still(path)?;
        let mut hasher = blake3::Hasher::new();
        let file = File::open(path).with_context(|| path.display().to_string())?;
        hasher.update_reader(file).with_context(|| path.display().to_string())?;
        ensure!(hasher.finalize() == self.hash, Changed(path.display().to_string()));
        Ok(())
    }

    /// Refuses a file of no known name, if its beginning shows that it is no text.
    pub fn refuse_workbook(path: &Path) -> Result<()> {
        let mut head = [0; 8];
        let taken = File::open(path).and_then(|mut file| file.read(&mut head));
        let taken = taken.with_context(|| path.display().to_string())?;
        refuse_workbook(path, &head[..taken])
    }

    fn read_through(&mut self, path: &Path) -> Result<()> {
        let mut text = Decoded::of(unpacked(path, self.is_packed)?, self.encoding);
        let (mut buffer, mut line) = (vec![0; HEAD], 1);
        let mut hasher = blake3::Hasher::new();
        let mut head = Vec::new();
        loop {
            let taken = text.read(&mut buffer).with_context(|| self.unreadable(path))?;
            let chunk = &buffer[..taken];
            if let Some(wrong) = text.wrong_in(chunk) {
                let line = line + lines(&chunk[..wrong]);
                let others = ["gb18030", "windows-1252"]
                    .into_iter()
                    .filter(|other| !self.encoding.name().eq_ignore_ascii_case(other));
                let others: Vec<String> = others.map(|other| format!("`--encoding {other}`")).collect();
                bail!(
                    "{} is not {} (line {line}): name its encoding, like {}",
                    path.display(),
                    self.encoding.name(),
                    others.join(" or ")
                );
            }
            if let Some(zero) = chunk.iter().position(|byte| *byte == 0) {
                let line = line + lines(&chunk[..zero]);
                bail!("{} is not a text file: there is a zero byte in line {line}", path.display());
            }
            if taken == 0 {
                break;
            }
            if head.len() < HEAD {
                head.extend_from_slice(chunk);
            }
            line += lines(chunk);
            hasher.update(chunk);
            self.bytes += taken as u64;
        }
        self.text = hasher.finalize();
        self.head = String::from_utf8_lossy(&head).into_owned();
        Ok(())
    }

    fn unreadable(&self, path: &Path) -> String {
        let shown = path.display();
        match self.is_packed {
            true => format!("{shown} cannot be unpacked: it is cut off or damaged, so get it again"),
            false => shown.to_string(),
        }
    }

    /// The text from its beginning on.
    pub fn open(&self, path: &Path) -> Result<Box<dyn BufRead + Send>> {
        let text = Decoded::of(unpacked(path, self.is_packed)?, self.encoding);
        let mut reader = BufReader::with_capacity(1 << 20, text);
        // Excel's own word for what stands between cells.
        if self.said_delimiter().is_some() {
            reader.read_line(&mut String::new())?;
        }
        Ok(Box::new(reader))
    }

    /// How many more lines there are before a row than a reader of CSV counts: Excel's own word, which it does not see, and the
    /// second half of CRLF, which it takes only with the next row.
    pub fn lines_before(&self) -> u64 {
        let first = self.head.split_inclusive('\n').next().unwrap_or_default();
        u64::from(self.said_delimiter().is_some()) + u64::from(first.ends_with("\r\n"))
    }

    /// Whether it is JSON that does not go line by line: a list, or an object that is written over several lines. A list of refused
    /// rows may begin with what is no object.
    pub fn is_one_value(&self) -> bool {
        let text = self.head.trim_start();
        let is_refused = text.lines().nth(1).is_some_and(is_reason);
        (text.starts_with('[') && !is_refused) || text.lines().next().is_some_and(|line| line.trim_end() == "{")
    }

    fn said_delimiter(&self) -> Option<u8> {
        let said = self.head.lines().next()?.strip_prefix("sep=")?;
        said.bytes().next().filter(|_| said.len() == 1)
    }

    /// What stands between the cells of its header.
    pub fn delimiter(&self) -> u8 {
        if let Some(said) = self.said_delimiter() {
            return said;
        }
        let header = self.head.lines().next().unwrap_or_default();
        let mut quoted = false;
        let mut counts = [0usize; DELIMITERS.len()];
        for byte in header.bytes() {
            quoted ^= byte == b'"';
            if let (false, Some(place)) = (quoted, DELIMITERS.iter().position(|delimiter| *delimiter == byte)) {
                counts[place] += 1;
            }
        }
        let most = counts.iter().max().copied().unwrap_or_default();
        let place = counts.iter().position(|count| *count == most).unwrap_or_default();
        DELIMITERS[place]
    }
}

fn refuse_workbook(path: &Path, head: &[u8]) -> Result<()> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\xd0\xcf\x11\xe0") {
        bail!("{} is a workbook or an archive, not a text file: save the sheet as CSV (UTF-8)", path.display());
    }
    Ok(())
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn unpacked(path: &Path, is_packed: bool) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(if is_packed { Box::new(MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(file) })
}

/// By its byte order mark, else by the zeros that UTF-16 has in every other place of a text.
fn guessed(head: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return encoding;
    }
    let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    match (zeros(0), zeros(1)) {
        (0, 0) => UTF_8,
        (first, second) if first > head.len() / 4 && second == 0 => UTF_16BE,
        (first, second) if second > head.len() / 4 && first == 0 => UTF_16LE,
        _ => UTF_8,
    }
}

/// A text as UTF-8, without its byte order mark.
struct Decoded {
    from: Box<dyn Read + Send>,
    decoder: Decoder,
    raw: Vec<u8>,
    /// What of `raw` is left to decode.
    left: std::ops::Range<usize>,
    /// What is decoded, and not yet taken.
    text: Vec<u8>,
    ready: std::ops::Range<usize>,
    is_over: bool,
    has_errors: bool,
}

impl Decoded {
    fn of(from: Box<dyn Read + Send>, encoding: &'static Encoding) -> Decoded {
        let decoder = encoding.new_decoder_with_bom_removal();
        let (raw, text) = (vec![0; HEAD], vec![0; HEAD]);
        Decoded { from, decoder, raw, left: 0..0, text, ready: 0..0, is_over: false, has_errors: false }
    }

    /// Where what was read last has a mark in place of what could not be decoded.
    fn wrong_in(&self, chunk: &[u8]) -> Option<usize> {
        let mark = "\u{fffd}".as_bytes();
        self.has_errors.then(|| chunk.windows(mark.len()).position(|window| window == mark).unwrap_or(chunk.len()))
    }
}

impl Read for Decoded {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !(self.is_over && self.left.is_empty()) {
            if self.left.is_empty() {
                let taken = self.from.read(&mut self.raw)?;
                self.left = 0..taken;
                self.is_over = taken == 0;
            }
            let bytes = &self.raw[self.left.clone()];
            let (_, read, written, had_errors) = self.decoder.decode_to_utf8(bytes, &mut self.text, self.is_over);
            self.left.start += read;
            self.ready = 0..written;
            self.has_errors |= had_errors;
        }
        let taken = self.ready.len().min(to.len());
        to[..taken].copy_from_slice(&self.text[self.ready.start..self.ready.start + taken]);
        self.ready.start += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("it is written");
        file
    }

    fn text(bytes: &[u8], told: Option<&'static Encoding>) -> Result<(String, u8)> {
        let file = file(bytes);
        let look = Look::at(file.path(), told)?;
        let mut text = String::new();
        look.open(file.path())?.read_to_string(&mut text)?;
        Ok((text, look.delimiter()))
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn a_text_is_read_in_whatever_encoding_it_is() {
        let plain = "id,name\n1,张伟\n2,Jürgen\n";
        let ok = (plain.to_owned(), b',');
        assert_eq!(text(plain.as_bytes(), None).unwrap(), ok);
        assert_eq!(text(format!("\u{feff}{plain}").as_bytes(), None).unwrap(), ok);
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(text(&utf16(&format!("\u{feff}{plain}"), order), None).unwrap(), ok);
        }
        let ascii = "id,name\n1,Ann\n";
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(text(&utf16(ascii, order), None).unwrap().0, ascii, "without a mark, too");
        }
        let gb = encoding_rs::GB18030.encode(plain).0.into_owned();
        assert_eq!(text(&gb, Some(encoding_rs::GB18030)).unwrap(), ok);
        let latin = encoding_rs::WINDOWS_1252.encode("id;name\n2;Jürgen €\n").0.into_owned();
        let told = text(&latin, Some(encoding_rs::WINDOWS_1252)).unwrap();
        assert_eq!(told, ("id;name\n2;Jürgen €\n".to_owned(), b';'));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut packed, plain.as_bytes()).unwrap();
        assert_eq!(text(&packed.finish().unwrap(), None).unwrap(), ok);
        let long = "ä".repeat(200_000);
        assert_eq!(text(long.as_bytes(), None).unwrap().0, long, "letters lie across what is read at once");
    }

    #[test]
    fn report_16_what_is_no_such_text_is_refused_whole_with_its_line() {
        // The second row's bytes are UTF-8, too, and say something else there.
        let rows = "id,name\n1,谢小一\n2,张伟\n3,李四\n";
        let gbk = encoding_rs::GB18030.encode(rows).0.into_owned();
        let told = text(&gbk, None).unwrap_err().to_string();
        assert!(told.contains("is not UTF-8 (line 3)") && told.contains("--encoding gb18030"), "{told}");
        assert_eq!(text(&gbk, Some(encoding_rs::GB18030)).unwrap().0, rows);
        let latin = encoding_rs::WINDOWS_1252.encode("id;name\n2;Gnü\n").0.into_owned();
        let told = text(&latin, Some(encoding_rs::GB18030)).unwrap_err().to_string();
        assert!(told.ends_with("(line 2): name its encoding, like `--encoding windows-1252`"), "user14 17: {told}");
        let workbook = text(b"PK\x03\x04\x14\0\x06\0", None).unwrap_err().to_string();
        assert!(workbook.contains("save the sheet as CSV"), "{workbook}");
        let book = file(b"PK\x03\x04\x14\0\x06\0");
        let told = Look::refuse_workbook(book.path()).unwrap_err().to_string();
        assert!(told.contains("save the sheet as CSV"), "findings14 F17: {told}");
        assert!(Look::refuse_workbook(file(b"id").path()).is_ok());
        let zero = text(b"id,name\n1,a\0b\n", None).unwrap_err().to_string();
        assert!(zero.contains("line 2"), "{zero}");
    }

    #[test]
    fn report_18_what_stands_between_cells_is_told_by_the_header() {
        for (header, delimiter) in [
            ("id,name", b','),
            ("id;name;\"a,b,c,d\"", b';'),
            ("id\tname", b'\t'),
            ("id|name", b'|'),
            ("id", b','),
            ("sep=;\nid;name", b';'),
        ] {
            assert_eq!(text(header.as_bytes(), None).unwrap().1, delimiter, "{header}");
        }
        assert_eq!(text(b"sep=;\nid;name\n", None).unwrap().0, "id;name\n");
    }
}
