//! Whether each quote of a CSV file is closed. One that is not would take the rows behind it for a part of its cell, as many as
//! stand before the next quote.

use anyhow::{Result, bail, ensure};
use std::io::BufRead;

use super::source::LONGEST;

enum At {
    /// The beginning of a cell.
    Start,
    Bare,
    /// In a quoted cell, which began in this line.
    Quoted(u64),
    /// Behind a quote in a quoted cell: its end, or a quote that stands for itself.
    Quote(u64),
}

/// Refuses a file with a quoted cell that ends nowhere, or whose end, in a line further down, is the beginning of another.
pub fn check(mut reader: impl BufRead, delimiter: u8) -> Result<()> {
    let (mut at, mut line) = (At::Start, 1);
    let (mut row, mut size) = (line, 0);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        for byte in bytes {
            let ends = *byte == delimiter || matches!(byte, b'\n' | b'\r');
            at = match (at, byte) {
                (At::Start, b'"') => At::Quoted(line),
                (At::Start | At::Bare, _) => {
                    if ends {
                        At::Start
                    } else {
                        At::Bare
                    }
                }
                (At::Quoted(from), b'"') => At::Quote(from),
                (At::Quoted(from), _) => At::Quoted(from),
                (At::Quote(from), b'"') => At::Quoted(from),
                (At::Quote(_), _) if ends => At::Start,
                (At::Quote(from), _) if from < line => bail!("{}", open(from, line)),
                (At::Quote(_), _) => At::Bare,
            };
            line += u64::from(*byte == b'\n');
            size += 1;
            if matches!(byte, b'\n' | b'\r') && matches!(at, At::Start) {
                (row, size) = (line, 0);
            }
            ensure!(size <= LONGEST, "the row that begins in line {row} is longer than {LONGEST} bytes");
        }
        let taken = bytes.len();
        reader.consume(taken);
    }
    match at {
        At::Quoted(from) => bail!("{}", open(from, line)),
        _ => Ok(()),
    }
}

fn open(from: u64, to: u64) -> String {
    format!(
        "a quote opens a cell in line {from} and is not closed before line {to}: close it, or write \"\" for a quote that \
         belongs to the text"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        check(text.as_bytes(), b',').err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_people_write_passes() {
        for text in [
            "",
            "a,b\n1,2",
            "a,b\n\"x\ny\",\"\"\"q\"\"\"\n",
            "size\n5\" pipe\n6\" pipe\n7\" pipe",
            "a\n\"=\"\"0123\"\"\"\n",
            "a,b\r\n\"x\",\"y\"\r\n",
            "a\n\"x\" or so\n",
        ] {
            assert_eq!(told(text), "", "{text}");
        }
    }

    #[test]
    fn a_row_without_end_is_told_before_it_is_read() {
        let long = "x".repeat(LONGEST as usize);
        assert!(told(&format!("a,b\n1,2\n\"{long}\n{long}\",3\n")).contains("begins in line 3"));
        for end in ["\n", "\r", "\r\n"] {
            assert_eq!(told(&format!("a{end}{}", format!("x{end}").repeat(LONGEST as usize))), "");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_its_line() {
        for (text, from, to) in [("a,b\n1,\"x\n2,y\n", 2, 4), ("a,b\n1,\"x\n2,\"y\"\n", 2, 3), ("a\n\"x", 2, 2)] {
            let expected = format!("in line {from} and is not closed before line {to}");
            assert!(told(text).contains(&expected), "{text}: {}", told(text));
        }
    }
}
