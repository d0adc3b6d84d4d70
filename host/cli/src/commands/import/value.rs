//! From a cell to a JSON value of the type that the mapping says.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::exact;
use super::notation::{Decimal, plain, truth};
use super::target::As;
use super::time::{by_pattern, date, day_by_pattern, other_form, since_1970, timestamp};

/// What people write for yes and no.
const YES: [&str; 7] = ["1", "yes", "y", "ja", "oui", "是", "真"];
const NO: [&str; 7] = ["0", "no", "n", "nein", "non", "否", "假"];
/// And for a consent besides.
const GRANTED: [&str; 3] = ["granted", "同意", "已同意"];
const DENIED: [&str; 4] = ["denied", "不同意", "未同意", "拒绝"];

/// A column's value in a row.
#[derive(Clone, Debug)]
pub enum Cell<'c> {
    /// Of a CSV file.
    Text(&'c str),
    /// Of a CSV file, and a text whatever it looks like.
    Exact(&'c str),
    /// Of JSON Lines.
    Json(&'c Value),
}

/// The value, or what it should have been. An empty text is absent, and so is null.
/// Times without an offset are of `zone`.
pub fn read(cell: &Cell<'_>, of: &As, zone: &TimeZone) -> Result<Option<Value>, String> {
    let text = match cell {
        Cell::Text("") | Cell::Exact("") | Cell::Json(Value::Null) => return Ok(None),
        Cell::Text(text) | Cell::Exact(text) => *text,
        Cell::Json(Value::String(text)) => text,
        Cell::Json(value) => return of_json(value, of, zone).map(Some),
    };
    let is_json = matches!(cell, Cell::Json(_));
    let wrong = |what: &str| format!("`{}` is not {what}", shortened(text));
    Ok(Some(match of {
        As::Guess | As::GuessIn(_) if is_json || matches!(cell, Cell::Exact(_)) => Value::from(text),
        As::GuessIn(decimal) => match plain(text, *decimal).and_then(|number| kept(&number)) {
            Some(number) => number,
            None if ["true", "false"].contains(&text) => Value::Bool(text == "true"),
            None => Value::from(text),
        },
        As::Guess => match serde_json::from_str(text) {
            // One of more digits than a number has is a name: of an order, of a parcel.
            Ok(Value::Number(number)) if number.is_f64() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Value::from(text)
            }
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => Value::from(text),
        },
        As::Text => Value::from(text),
        // What it has to be, the hub says.
        As::Decimal => match (plain(text, Decimal::Comma), serde_json::from_str::<Value>(text.trim())) {
            (Some(_), Err(_)) => {
                return Err(wrong("a decimal like 1234.50: for a decimal comma, use `--decimal comma`"));
            }
            _ => Value::from(text),
        },
        // As an export writes a text.
        As::DecimalIn(_) if matches!(cell, Cell::Exact(_)) => Value::from(text),
        As::DecimalIn(decimal) => Value::from(plain(text, *decimal).ok_or_else(|| {
            wrong(match decimal {
                Decimal::Comma => "a decimal like 1.234,50",
                Decimal::Point => "a decimal like 1,234.50",
            })
        })?),
        As::Integer => json!(text.trim().parse::<i64>().map_err(|_| wrong("a whole number"))?),
        As::IntegerIn(decimal) => {
            let number = plain(text, *decimal).and_then(|number| number.parse::<i64>().ok());
            json!(number.ok_or_else(|| wrong("a whole number"))?)
        }
        As::Number => match serde_json::from_str(text.trim()) {
            Ok(Value::Number(_)) => kept(text.trim()).ok_or_else(|| wrong(KEPT))?,
            _ if plain(text, Decimal::Comma).is_some() => {
                return Err(wrong(
                    "a number: for a decimal comma, use `--decimal comma`, or map the column with `:number:,`",
                ));
            }
            _ if plain(text, Decimal::Point).is_some() => {
                return Err(wrong(
                    "a number: for commas between thousands, use `--decimal point`, or map the column with `:number:.`",
                ));
            }
            _ => return Err(wrong("a number")),
        },
        As::CommaNumber => {
            let plain = plain(text, Decimal::Comma).ok_or_else(|| wrong("a number like 1.234,50"))?;
            kept(&plain).ok_or_else(|| wrong(KEPT))?
        }
        As::PointNumber => {
            let plain = plain(text, Decimal::Point).ok_or_else(|| wrong("a number like 1,234.50"))?;
            kept(&plain).ok_or_else(|| wrong(KEPT))?
        }
        As::Boolean => Value::Bool(boolean(text).ok_or_else(|| {
            wrong("a boolean: write true or false, yes or no, 1 or 0, or what a spreadsheet of your language writes, like WAHR")
        })?),
        As::Consent => match text.trim().to_ascii_lowercase().as_str() {
            text if GRANTED.contains(&text) => json!({"state": "granted"}),
            text if DENIED.contains(&text) => json!({"state": "denied"}),
            text => match boolean(text) {
                Some(true) => json!({"state": "granted"}),
                Some(false) => json!({"state": "denied"}),
                None => return Err(wrong("a consent: write `granted` or `denied`, yes or no, 1 or 0, 同意 or 不同意")),
            },
        },
        As::Timestamp => instant(timestamp(text, zone).ok_or_else(|| {
            wrong(&format!("a time like 2026-01-31T12:00:00Z{}", other_form(text, "timestamp")))
        })?),
        As::Moment => timestamp(text, zone).map_or_else(|| Value::from(text), instant),
        As::Pattern(pattern) => instant(by_pattern(pattern, text, zone).map_err(|_| {
            wrong(&format!("a time like `{pattern}`{}", other_form(text, "timestamp")))
        })?),
        As::Date => Value::from(
            date(text, zone).ok_or_else(|| wrong(&format!("a date like 2026-01-31{}", other_form(text, "date"))))?,
        ),
        As::DatePattern(pattern) => Value::from(
            day_by_pattern(pattern, text)
                .map_err(|_| wrong(&format!("a date like `{pattern}`{}", other_form(text, "date"))))?
                .to_string(),
        ),
        As::Unix => instant(since_1970(text, 1_000_000).ok_or_else(|| wrong("a number of seconds"))?),
        As::UnixMs => instant(since_1970(text, 1_000).ok_or_else(|| wrong("a number of milliseconds"))?),
        As::Json => match (serde_json::from_str(text), is_json) {
            (_, true) => Value::from(text),
            (Ok(value), _) => value,
            (Err(_), _) => return Err(wrong("a JSON value")),
        },
        As::Customer(kind) => json!({"kind": kind, "value": text}),
    }))
}

fn boolean(text: &str) -> Option<bool> {
    let written = text.trim().to_lowercase();
    match written.as_str() {
        word if YES.contains(&word) => Some(true),
        word if NO.contains(&word) => Some(false),
        word => truth(&word.to_uppercase()),
    }
}

/// What a number should have been that would be rounded.
const KEPT: &str = "kept as a number, which has fewer digits: map the column with `:text`";

fn kept(number: &str) -> Option<Value> {
    exact::number(number).map(Value::Number)
}

fn of_json(value: &Value, of: &As, zone: &TimeZone) -> Result<Value, String> {
    let fits = match of {
        As::Guess | As::GuessIn(_) | As::Json | As::Moment => true,
        As::Text => value.is_number(),
        As::Integer | As::IntegerIn(_) => value.is_i64(),
        As::Number | As::CommaNumber | As::PointNumber => value.is_number(),
        As::Boolean => value.is_boolean(),
        As::Unix | As::UnixMs | As::Customer(_) if value.is_number() => {
            return read(&Cell::Text(&value.to_string()), of, zone).map(Option::unwrap_or_default);
        }
        _ => false,
    };
    if fits {
        Ok(value.clone())
    } else {
        Err(format!("`{}` does not have the type of its target", shortened(&value.to_string())))
    }
}

fn instant(timestamp: Timestamp) -> Value {
    Value::from(timestamp.to_string())
}

pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, of: As) -> Result<Option<Value>, String> {
        read(&Cell::Text(text), &of, &TimeZone::UTC)
    }

    #[test]
    fn texts_are_read_as_the_mapping_says() {
        let ok = |found: Result<Option<Value>, String>| found.unwrap().unwrap();
        assert_eq!(ok(text("007", As::Guess)), "007");
        assert_eq!(ok(text("29.30", As::Guess)), 29.3);
        assert_eq!(ok(text("12345678901234567890123", As::Guess)), "12345678901234567890123");
        assert_eq!(ok(text("42", As::Text)), "42");
        for (given, number) in [("10,50", 10.5), ("1.234.567,5", 1_234_567.5), ("-0,1", -0.1)] {
            assert_eq!(ok(text(given, As::CommaNumber)), number, "{given}");
        }
        assert_eq!(ok(text("1.234", As::CommaNumber)), 1_234);
        for (given, of, decimal) in [
            ("29.30", As::Decimal, "29.30"),
            ("1.234,50", As::DecimalIn(Decimal::Comma), "1234.50"),
            ("0,123456789012345678", As::DecimalIn(Decimal::Comma), "0.123456789012345678"),
            ("1,234.50", As::DecimalIn(Decimal::Point), "1234.50"),
        ] {
            assert_eq!(ok(text(given, of)), decimal, "{given}");
        }
        assert_eq!(
            read(&Cell::Exact("29.30"), &As::DecimalIn(Decimal::Comma), &TimeZone::UTC),
            Ok(Some(json!("29.30"))),
            "as an export wrote it"
        );
        assert_eq!((ok(text("是", As::Boolean)), ok(text("Nein", As::Boolean))), (json!(true), json!(false)));
        assert_eq!(ok(text("Yes", As::Boolean)), true);
        for (yes, no) in [("WAHR", "FALSCH"), ("VRAI", "Faux"), ("Истина", "ложь"), ("DOĞRU", "YANLIŞ"), ("真", "假")]
        {
            assert_eq!((ok(text(yes, As::Boolean)), ok(text(no, As::Boolean))), (json!(true), json!(false)), "{yes}");
        }
        assert_eq!(ok(text("FALSCH", As::Consent)), json!({"state": "denied"}));
        assert_eq!(ok(text("1997-01-01", As::Timestamp)), "1997-01-01T00:00:00Z");
        assert_eq!(ok(text("1997-01-01T02:00:00+02:00", As::Timestamp)), "1997-01-01T00:00:00Z");
        assert_eq!(ok(text("31.01.2026 08:05", As::Pattern("%d.%m.%Y %H:%M".into()))), "2026-01-31T08:05:00Z");
        assert_eq!(ok(text("01/31/2026", As::Pattern("%m/%d/%Y".into()))), "2026-01-31T00:00:00Z");
        assert_eq!(ok(text("1700000000", As::Unix)), "2023-11-14T22:13:20Z");
        assert_eq!(ok(text("{\"a\":1}", As::Json)), json!({"a": 1}));
        assert_eq!(ok(text("42", As::Customer("user_id".into()))), json!({"kind": "user_id", "value": "42"}));
        assert_eq!(text("", As::Integer), Ok(None));
        assert_eq!(ok(text("Granted", As::Consent)), json!({"state": "granted"}));
        assert_eq!(ok(text("no", As::Consent)), json!({"state": "denied"}));
        assert_eq!(ok(text("同意", As::Consent)), json!({"state": "granted"}), "findings14 F19");
        assert_eq!(ok(text("不同意", As::Consent)), json!({"state": "denied"}), "findings14 F19");
        let exact = |text| read(&Cell::Exact(text), &As::Guess, &TimeZone::UTC);
        assert_eq!(ok(exact("0123")), "0123");
        assert_eq!(ok(exact("10115")), "10115", "report 17");
        let berlin = TimeZone::get("Europe/Berlin").expect("the system knows zones");
        for (text, of, expected) in [
            ("2026-01-31", As::Timestamp, "2026-01-30T23:00:00Z"),
            ("2026-07-31 12:00", As::Timestamp, "2026-07-31T10:00:00Z"),
            ("2026-07-31T12:00:00Z", As::Timestamp, "2026-07-31T12:00:00Z"),
            ("31.07.2026 12:00", As::Pattern("%d.%m.%Y %H:%M".into()), "2026-07-31T10:00:00Z"),
            ("1990-05-01", As::Date, "1990-05-01"),
            ("1990-05-01 23:30", As::Date, "1990-05-01"),
            ("1990-05-01T00:30:00+09:00", As::Date, "1990-05-01"),
            ("1990-05-01T23:30:00Z", As::Date, "1990-05-01"),
            ("1.5.1990", As::DatePattern("%d.%m.%Y".into()), "1990-05-01"),
            // Findings14 F19: as Excel writes a day in Chinese.
            ("1990/5/1", As::Date, "1990-05-01"),
            ("1990-5-1", As::Date, "1990-05-01"),
            ("1990/5/1 9:05", As::Date, "1990-05-01"),
            ("2026/1/31", As::Timestamp, "2026-01-30T23:00:00Z"),
            ("2026/7/31 9:05", As::Timestamp, "2026-07-31T07:05:00Z"),
            ("2026/7/31 12:00:30", As::Timestamp, "2026-07-31T10:00:30Z"),
        ] {
            assert_eq!(ok(read(&Cell::Text(text), &of, &berlin)), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (given, of) in [
            ("1.5", As::Integer),
            ("x", As::Number),
            ("10,50", As::Number),
            ("10,50", As::Decimal),
            ("10.50", As::DecimalIn(Decimal::Comma)),
            ("10.50", As::CommaNumber),
            ("1.2345,6", As::CommaNumber),
            ("maybe", As::Boolean),
            ("31.01.2026", As::Timestamp),
            ("2026-31-01", As::Pattern("%Y-%m-%d".into())),
            ("{", As::Json),
            ("1990-02-30", As::Date),
            ("01.05.1990", As::Date),
            ("1990-05-01", As::DatePattern("%d.%m.%Y".into())),
            ("soon", As::Unix),
            ("0.12345678901234567890", As::Number),
            ("12345678901234567890123", As::Number),
            ("1.234,12345678901234567890", As::CommaNumber),
        ] {
            assert!(text(given, of.clone()).unwrap_err().contains(given), "{given} {of:?}");
        }
        assert!(read(&Cell::Json(&json!([1])), &As::Number, &TimeZone::UTC).is_err());
    }
}
