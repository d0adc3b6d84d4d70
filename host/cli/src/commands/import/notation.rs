//! How numbers are written: `1234.56`, `1.234,56` or `1,234.56`. What one country writes is a text in another, so that a column may
//! become a mixture of numbers and texts. That is noticed, and told before the first row is sent, and again at the end.

use clap::ValueEnum;
use std::collections::BTreeMap;

/// What stands before the decimals of a number; the other of the two may stand between its thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Decimal {
    /// `1.234,56`
    Comma,
    /// `1,234.56`
    Point,
}

impl Decimal {
    pub fn word(self) -> &'static str {
        match self {
            Decimal::Comma => "comma",
            Decimal::Point => "point",
        }
    }
}

/// A number in a notation, as JSON writes it.
pub fn plain(text: &str, decimal: Decimal) -> Option<String> {
    let (mark, group) = match decimal {
        Decimal::Comma => (',', '.'),
        Decimal::Point => ('.', ','),
    };
    let text = text.trim();
    let (whole, decimals) = text.split_once(mark).unwrap_or((text, ""));
    let (first, thousands) = whole.split_once(group).unwrap_or((whole, ""));
    let is_group = |digits: &str| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let has_groups = whole.contains(group);
    let is_grouped = first.trim_start_matches('-').len() <= 3 && thousands.split(group).all(is_group);
    if has_groups && !is_grouped {
        return None;
    }
    let whole = whole.replace(group, "");
    let plain = if decimals.is_empty() { whole } else { format!("{whole}.{decimals}") };
    matches!(serde_json::from_str(&plain), Ok(serde_json::Value::Number(_))).then_some(plain)
}

/// In which notation a text that is kept as one would be a number; both, if it may be either.
fn other(text: &str, read_as: Option<Decimal>) -> impl Iterator<Item = Decimal> {
    let would_be = move |decimal: &Decimal| read_as != Some(*decimal) && plain(text, *decimal).is_some();
    [Decimal::Comma, Decimal::Point].into_iter().filter(would_be)
}

/// What was noticed of a column.
#[derive(Clone, Debug, Default, PartialEq)]
struct Noted {
    /// Texts that would be numbers in some other notation.
    texts: u64,
    /// How many of them in each.
    by: BTreeMap<Decimal, u64>,
    example: String,
}

/// What was noticed of the columns that nothing was said of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notations {
    read_as: Option<Decimal>,
    columns: BTreeMap<String, Noted>,
}

impl Notations {
    pub fn new(read_as: Option<Decimal>) -> Notations {
        Notations { read_as, columns: BTreeMap::new() }
    }

    /// A value of the column was kept as a text.
    pub fn note(&mut self, column: &str, text: &str) {
        let mut is_new = true;
        for decimal in other(text, self.read_as) {
            let noted = self.columns.entry(column.to_owned()).or_default();
            noted.texts += u64::from(std::mem::take(&mut is_new));
            *noted.by.entry(decimal).or_default() += 1;
            if noted.example.is_empty() {
                noted.example = text.trim().to_owned();
            }
        }
    }

    /// A line for each such column, with the option that reads its numbers. `verb` says what becomes of the texts.
    pub fn told(&self, verb: &str) -> Vec<String> {
        let line = |(column, noted): (&String, &Noted)| {
            let most = noted.by.values().max().copied().unwrap_or_default();
            let best: Vec<&str> =
                noted.by.iter().filter(|(_, count)| **count == most).map(|(decimal, _)| decimal.word()).collect();
            let options: Vec<String> = best.iter().map(|word| format!("`--decimal {word}`")).collect();
            let (values, they, are) = if noted.texts == 1 { ("value", "it", "is") } else { ("values", "they", "are") };
            format!(
                "the column `{column}` has {} {values} like `{}`, which {verb} for texts: with {} {they} {are} read as numbers; \
                 `--map {column}=…:text` keeps the whole column as text",
                noted.texts,
                noted.example,
                options.join(" or ")
            )
        };
        self.columns.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_in_its_notation() {
        for (text, comma, point) in [
            ("10,50", Some("10.50"), None),
            ("1.234,56", Some("1234.56"), None),
            ("-1.234.567,5", Some("-1234567.5"), None),
            ("1.234", Some("1234"), Some("1.234")),
            ("1,234", Some("1.234"), Some("1234")),
            ("1,234.56", None, Some("1234.56")),
            ("29.33", None, Some("29.33")),
            ("7", Some("7"), Some("7")),
            ("1234.567,8", None, None),
            ("1.2345,6", None, None),
            ("31.01.2026", None, None),
            ("007", None, None),
            ("1.,5", None, None),
            (",5", None, None),
            ("", None, None),
            ("a,b", None, None),
        ] {
            assert_eq!(plain(text, Decimal::Comma).as_deref(), comma, "{text}");
            assert_eq!(plain(text, Decimal::Point).as_deref(), point, "{text}");
        }
    }

    #[test]
    fn what_would_be_a_number_elsewhere_is_told() {
        let told = |read_as, texts: &[&str]| {
            let mut notations = Notations::new(read_as);
            texts.iter().for_each(|text| notations.note("amount", text));
            notations.told("is kept").join("\n")
        };
        let german = told(None, &["1.234,56", "10,50", "free"]);
        assert!(
            german.contains("`amount` has 2 values like `1.234,56`") && german.contains("with `--decimal comma` they"),
            "{german}"
        );
        let english = told(None, &["1,234.56"]);
        assert!(english.contains("1 value like `1,234.56`") && english.contains("with `--decimal point`"), "{english}");
        let either = told(None, &["1,234"]);
        assert!(either.contains("`--decimal comma` or `--decimal point`"), "{either}");
        assert!(told(Some(Decimal::Comma), &["29.33"]).contains("`--decimal point`"));
        assert_eq!(told(None, &["free", "31.01.2026", "a, b"]), "");
    }
}
