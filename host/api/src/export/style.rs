//! How a CSV is written: for programs, or for people who open it in Excel.

use openhub_model::Fault;

use super::Format;
use crate::problem::{INVALID_QUERY, Problem};

/// What a request asks for.
pub(crate) struct Asked<'a> {
    pub format: Option<Format>,
    pub excel: Option<bool>,
    pub bom: Option<bool>,
    pub delimiter: Option<&'a str>,
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub format: Format,
    /// Whether it begins with the byte order mark, by which Excel knows UTF-8.
    pub bom: bool,
    pub delimiter: u8,
    pub texts: Texts,
}

/// How texts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    /// As they are, but for those that an import would take for numbers.
    AsTheyAre,
    /// So that Excel shows each as it is, and computes none.
    ForExcel,
}

impl Style {
    /// JSON Lines.
    pub const LINES: Style = Style { format: Format::Jsonl, bom: false, delimiter: b',', texts: Texts::AsTheyAre };

    /// JSON Lines, unless something is asked for that only a CSV has.
    pub fn of(asked: &Asked<'_>) -> Result<Style, Problem> {
        let for_excel = asked.excel == Some(true);
        let format = asked.format.unwrap_or(if for_excel { Format::Csv } else { Format::Jsonl });
        let of_csv = [("excel", for_excel), ("bom", asked.bom == Some(true)), ("delimiter", asked.delimiter.is_some())];
        if let Some((name, _)) = of_csv.into_iter().find(|(_, is_asked)| *is_asked && format != Format::Csv) {
            let message = "Only a CSV has this. Send `format=csv` with it.";
            return Err(Problem::fault(INVALID_QUERY, Fault::new(format!("/{name}"), "csv-only", message)));
        }
        let usual = if for_excel { b';' } else { b',' };
        Ok(Style {
            format,
            bom: asked.bom.unwrap_or(for_excel),
            delimiter: asked.delimiter.map_or(Ok(usual), delimiter)?,
            texts: if for_excel { Texts::ForExcel } else { Texts::AsTheyAre },
        })
    }
}

fn delimiter(text: &str) -> Result<u8, Problem> {
    match text.as_bytes() {
        b"tab" => Ok(b'\t'),
        [one] if one.is_ascii() && !one.is_ascii_alphanumeric() && !b"\"\r\n\0".contains(one) => Ok(*one),
        _ => {
            let message =
                "The delimiter must be `tab`, or one character that is no letter, digit, quote or line end, like `;`.";
            Err(Problem::fault(INVALID_QUERY, Fault::new("/delimiter", "invalid-delimiter", message)))
        }
    }
}

/// Whether a program that opens a table may compute a text: what OWASP lists for CSV injection.
pub(super) fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// Characters of a text that one formula takes between its quotes.
const LITERAL: usize = 250;

/// A text as the formula that yields it: `="0123"`. Excel takes so many characters between two quotes, and joins what is longer.
pub(super) fn quoted(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        text.chunks(LITERAL).map(|piece| piece.iter().collect::<String>().replace('"', "\"\"")).collect();
    format!("=\"{}\"", pieces.join("\"&\""))
}
