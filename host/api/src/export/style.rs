//! How a CSV is written: for programs, or for people who open it in Excel.

use openhub_model::Fault;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Format;
use crate::problem::{INVALID_QUERY, Problem};

/// What a request asks for.
pub(crate) struct Asked<'a> {
    pub format: Option<Format>,
    pub excel: Option<bool>,
    pub bom: Option<bool>,
    pub delimiter: Option<&'a str>,
    pub decimal: Option<Decimal>,
}

/// What stands before the decimals of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DecimalMark)]
pub(crate) enum Decimal {
    Comma,
    Point,
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub format: Format,
    /// Whether it begins with the byte order mark, by which Excel knows UTF-8.
    pub bom: bool,
    pub delimiter: u8,
    pub decimal: Decimal,
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
    pub const LINES: Style =
        Style { format: Format::Jsonl, bom: false, delimiter: b',', decimal: Decimal::Point, texts: Texts::AsTheyAre };

    /// JSON Lines, unless something is asked for that only a CSV has.
    pub fn of(asked: &Asked<'_>) -> Result<Style, Problem> {
        let for_excel = asked.excel == Some(true);
        let format = asked.format.unwrap_or(if for_excel { Format::Csv } else { Format::Jsonl });
        let of_csv = [
            ("excel", for_excel),
            ("bom", asked.bom == Some(true)),
            ("delimiter", asked.delimiter.is_some()),
            ("decimal", asked.decimal.is_some()),
        ];
        if let Some((name, _)) = of_csv.into_iter().find(|(_, is_asked)| *is_asked && format != Format::Csv) {
            let message = "Only a CSV has this. Send `format=csv` with it.";
            return Err(Problem::fault(INVALID_QUERY, Fault::new(format!("/{name}"), "csv-only", message)));
        }
        let usual = if for_excel { b';' } else { b',' };
        let delimiter = asked.delimiter.map_or(Ok(usual), delimiter)?;
        // An Excel that finds `;` between cells is one that finds a comma before decimals: it would read `1.5` as a day of May.
        let decimal = if for_excel && delimiter == b';' { Decimal::Comma } else { Decimal::Point };
        Ok(Style {
            format,
            bom: asked.bom.unwrap_or(for_excel),
            delimiter,
            decimal: asked.decimal.unwrap_or(decimal),
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

/// Whether Excel would show a text as something else. What begins like a formula is computed: what OWASP lists for CSV injection.
/// What has a digit may be a number, a day, a time, a fraction or an amount in some country (`1,5`, `1/2`, `1:30`, `5 Mai`, `3 €`).
pub(super) fn is_changed_by_excel(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '#'])
        || (text.contains(char::is_numeric) && !is_address(text))
        || BOOLEANS.contains(&text.trim().to_uppercase().as_str())
}

/// An email address: no Excel takes one for something else, whatever digits it has.
fn is_address(text: &str) -> bool {
    let halves = text.split_once('@');
    halves.is_some_and(|(name, host)| !name.is_empty() && !text.contains(char::is_whitespace) && is_host(host))
}

fn is_host(text: &str) -> bool {
    text.contains('.') && !text.contains('@') && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// What Excel takes for true and false, by the language of who opens the file.
const BOOLEANS: [&str; 34] = [
    "TRUE",
    "FALSE",
    "WAHR",
    "FALSCH",
    "VRAI",
    "FAUX",
    "VERDADERO",
    "FALSO",
    "VERO",
    "VERDADEIRO",
    "WAAR",
    "ONWAAR",
    "PRAWDA",
    "FAŁSZ",
    "SANT",
    "SANN",
    "USANN",
    "SAND",
    "FALSK",
    "TOSI",
    "EPÄTOSI",
    "IGAZ",
    "HAMIS",
    "PRAVDA",
    "NEPRAVDA",
    "ADEVĂRAT",
    "FALS",
    "DOĞRU",
    "YANLIŞ",
    "ИСТИНА",
    "ЛОЖЬ",
    "ІСТИНА",
    "ΑΛΗΘΗΣ",
    "ΨΕΥΔΗΣ",
];

/// Characters of a text that one formula takes between its quotes.
const LITERAL: usize = 250;

/// A text as the formula that yields it: `="0123"`. Excel takes so many characters between two quotes, and joins what is longer.
pub(super) fn quoted(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        text.chunks(LITERAL).map(|piece| piece.iter().collect::<String>().replace('"', "\"\"")).collect();
    format!("=\"{}\"", pieces.join("\"&\""))
}
