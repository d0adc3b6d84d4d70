//! How numbers are written: `1234.56`, `1.234,56` or `1,234.56`. What one country writes is a text in another, so that a column may
//! become a mixture of numbers and texts. So may postcodes, of which some begin with a zero; and a spreadsheet writes true and false in
//! its own language. All of this is noticed, and told before the first row is sent, and again at the end.

use clap::ValueEnum;
use serde_json::Value;
use std::collections::BTreeMap;

use super::value::Cell;

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

/// True and false as spreadsheets write them, language by language.
const TRUE: [&str; 17] = [
    "TRUE",
    "WAHR",
    "VRAI",
    "VERDADERO",
    "VERO",
    "VERDADEIRO",
    "WAAR",
    "PRAWDA",
    "SANT",
    "SAND",
    "SANN",
    "TOSI",
    "PRAVDA",
    "IGAZ",
    "ADEVĂRAT",
    "ИСТИНА",
    "DOĞRU",
];
const FALSE: [&str; 16] = [
    "FALSE", "FALSCH", "FAUX", "FALSO", "ONWAAR", "FAŁSZ", "FALSKT", "FALSK", "USANN", "EPÄTOSI", "NEPRAVDA", "HAMIS",
    "FALS", "ЛОЖЬ", "YANLIŞ", "YANLIS",
];

/// What a word in capital letters says to a spreadsheet of some language.
pub fn truth(word: &str) -> Option<bool> {
    TRUE.contains(&word).then_some(true).or_else(|| FALSE.contains(&word).then_some(false))
}

/// Values of one kind, and the first of them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Few {
    count: u64,
    example: String,
}

impl Few {
    fn add(&mut self, text: &str) {
        self.count += 1;
        if self.example.is_empty() {
            self.example = text.trim().to_owned();
        }
    }

    /// `2 values like `x``
    fn shown(&self) -> String {
        let values = if self.count == 1 { "value" } else { "values" };
        format!("{} {values} like `{}`", self.count, self.example)
    }
}

/// What was noticed of a column.
#[derive(Clone, Debug, Default, PartialEq)]
struct Noted {
    /// Texts that would be numbers in some other notation.
    texts: Few,
    /// How many of them in each.
    by: BTreeMap<Decimal, u64>,
    /// Texts of digits alone, like `01067`.
    digits: Few,
    /// Texts that a spreadsheet writes for true and false.
    truths: Few,
    numbers: Few,
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

    /// A cell of the column became this value, by its looks alone.
    pub fn note(&mut self, column: &str, cell: &Cell<'_>, value: &Value) {
        let (text, is_exact) = match cell {
            Cell::Text(text) => (*text, false),
            Cell::Exact(text) => (*text, true),
            Cell::Json(_) => return,
        };
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let others: Vec<Decimal> = match value {
            Value::String(_) if !is_exact => other(text, self.read_as).collect(),
            _ => Vec::new(),
        };
        let is_truth = value.is_string() && !is_exact && truth(text.trim()).is_some();
        if !(value.is_number() || is_digits || is_truth || !others.is_empty()) {
            return;
        }
        if !self.columns.contains_key(column) {
            self.columns.insert(column.to_owned(), Noted::default());
        }
        let Some(noted) = self.columns.get_mut(column) else { return };
        if value.is_number() {
            noted.numbers.add(text);
        } else if is_digits {
            noted.digits.add(text);
        } else if is_truth {
            noted.truths.add(text);
        } else {
            noted.texts.add(text);
            others.into_iter().for_each(|decimal| *noted.by.entry(decimal).or_default() += 1);
        }
    }

    /// Lines for the columns of which something was noticed, with the option that reads them otherwise. `verb` says what becomes of the texts.
    pub fn told(&self, verb: &str) -> Vec<String> {
        self.columns.iter().flat_map(|(column, noted)| noted.told(column, verb)).collect()
    }
}

impl Noted {
    fn told(&self, column: &str, verb: &str) -> Vec<String> {
        let Noted { texts, by, digits, truths, numbers } = self;
        let mut lines = Vec::new();
        if texts.count > 0 {
            let most = by.values().max().copied().unwrap_or_default();
            let best: Vec<&str> =
                by.iter().filter(|(_, count)| **count == most).map(|(decimal, _)| decimal.word()).collect();
            let options: Vec<String> = best.iter().map(|word| format!("`--decimal {word}`")).collect();
            let (they, are) = if texts.count == 1 { ("it", "is") } else { ("they", "are") };
            lines.push(format!(
                "the column `{column}` has {}, which {verb} for texts: with {} {they} {are} read as numbers; \
                 `--map {column}=…:text` keeps the whole column as text",
                texts.shown(),
                options.join(" or ")
            ));
        }
        if digits.count > 0 && numbers.count > 0 {
            lines.push(format!(
                "the column `{column}` has {}, which {verb} for texts, and {}, which {verb} for numbers: `--map {column}=…:text` \
                 keeps the whole column as text",
                digits.shown(),
                numbers.shown()
            ));
        }
        if truths.count > 0 {
            lines.push(format!(
                "the column `{column}` has {}, which {verb} for texts: `--map {column}=…:boolean` reads true and false",
                truths.shown()
            ));
        }
        lines
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
            texts.iter().for_each(|text| notations.note("amount", &Cell::Text(text), &Value::from(*text)));
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
        assert_eq!(told(None, &["free", "31.01.2026", "a, b", "Sand", "007"]), "");
        let truths = told(None, &["WAHR", "FALSCH", "maybe"]);
        assert!(truths.contains("2 values like `WAHR`") && truths.contains("`--map amount=…:boolean`"), "{truths}");
    }

    #[test]
    fn user14_f7_postcodes_of_which_some_are_numbers_are_told() {
        let mut notations = Notations::default();
        notations.note("PLZ", &Cell::Exact("01067"), &Value::from("01067"));
        assert!(notations.told("was taken").is_empty(), "texts alone are no mixture");
        notations.note("PLZ", &Cell::Text("10115"), &Value::from(10_115));
        notations.note("PLZ", &Cell::Text("04103"), &Value::from("04103"));
        let told = notations.told("will be taken").join("\n");
        assert!(
            told.contains("2 values like `01067`, which will be taken for texts, and 1 value like `10115`"),
            "{told}"
        );
        assert!(told.contains("`--map PLZ=…:text` keeps the whole column as text"), "{told}");
    }
}
