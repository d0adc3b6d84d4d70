//! One Segment event a line, as the libraries send it; empty lines are passed over.

use anyhow::{Context, Result};
use std::io::BufRead;

use super::Row;

pub fn read(reader: impl BufRead) -> impl Iterator<Item = Result<Row>> {
    let mut read = 0;
    reader.lines().zip(1..).filter_map(move |(text, line)| {
        let text = match text {
            Ok(text) => text,
            Err(error) => return Some(Err(anyhow::Error::new(error).context(format!("line {line}")))),
        };
        read += text.len() as u64 + 1;
        if text.trim().is_empty() {
            return None;
        }
        let event = serde_json::from_str(&text).with_context(|| format!("line {line} is no JSON object"));
        Some(event.map(|event| Row { line, read, event }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_as_in_the_file() {
        let rows: Vec<_> = read("{\"event\":\"a\"}\n\n{\"event\":\"b\"}\nnope\n".as_bytes()).collect();
        let lines: Vec<_> = rows.iter().flatten().map(|row| (row.line, row.event["event"].to_string())).collect();
        assert_eq!(lines, [(1, "\"a\"".to_owned()), (3, "\"b\"".to_owned())]);
        assert!(rows[2].as_ref().is_err_and(|error| error.to_string().starts_with("line 4")));
    }
}
