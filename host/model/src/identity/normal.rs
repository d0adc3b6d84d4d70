//! The one form in which an identity is stored, looked for, suppressed and compared. Two texts that a reader takes for
//! the same address have one form; what no reader can see is no part of it.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Values that programs send when they know none.
const JUNK: [&str; 18] = [
    "",
    "-1",
    "[object object]",
    "[object undefined]",
    "anonymous",
    "false",
    "guest",
    "n/a",
    "nan",
    "nil",
    "none",
    "null",
    "(null)",
    "<null>",
    "nan.0",
    "true",
    "undefined",
    "unknown",
];

/// A value as any kind writes it: composed (NFC), without surrounding white space, control characters and what shows
/// nothing.
pub fn plain(value: &str) -> Cow<'_, str> {
    if value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(value.trim_matches(' '));
    }
    let seen: String = value.chars().filter(|c| !is_invisible(*c)).nfc().collect();
    Cow::Owned(seen.trim().to_owned())
}

/// A number as the text of an id: a whole one by its digits, however it is written, so that 123, 123.0 and 1.23e2 are one.
pub fn number(number: &serde_json::Number) -> String {
    // What is larger no double tells from its neighbours, and programs write it with an exponent.
    const WHOLE: f64 = 1e21;
    match number.as_f64().filter(|double| number.is_f64() && double.fract() == 0.0 && double.abs() < WHOLE) {
        Some(0.0) => "0".to_owned(),
        Some(whole) => format!("{whole:.0}"),
        None => number.to_string(),
    }
}

/// An e-mail address: in lower case, its domain as punycode writes it.
pub fn email(value: &str) -> String {
    let value = plain(value);
    let Some((name, domain)) = value.rsplit_once('@') else { return lower(&value) };
    let domain = domain.trim_end_matches('.');
    let domain = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(domain).unwrap_or_else(|_| lower(domain))
    };
    format!("{}@{domain}", lower(name))
}

fn lower(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase().nfc().collect() }
}

/// A phone number: digits, behind a `+` if it is international. A number that is not becomes so by the calling code of
/// its tenant, where there is one.
pub fn phone(value: &str, calling_code: Option<&str>) -> String {
    let value = plain(value);
    let value = if value.contains('+') || value.starts_with("00") { value.replace("(0)", "") } else { value.into() };
    let mut digits = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '+' | '\u{ff0b}' if digits.is_empty() => digits.push('+'),
            _ if is_separator(c) => {}
            _ => digits.push(ascii_digit(c).unwrap_or(c)),
        }
    }
    if let Some(international) = digits.strip_prefix("00").filter(|_| !is_zeros(&digits)) {
        return format!("+{international}");
    }
    match calling_code {
        Some(code) if has_code(&digits, code) => format!("+{digits}"),
        Some(code) if is_national(&digits) => format!("+{code}{}", without_trunk(&digits, code)),
        _ => digits,
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Other scripts' digits that keyboards of phones write.
fn ascii_digit(c: char) -> Option<char> {
    let zero = match c {
        '\u{660}'..='\u{669}' => 0x660,
        '\u{6f0}'..='\u{6f9}' => 0x6f0,
        '\u{966}'..='\u{96f}' => 0x966,
        '\u{ff10}'..='\u{ff19}' => 0xff10,
        _ => return None,
    };
    char::from_digit(c as u32 - zero, 10)
}

fn is_national(digits: &str) -> bool {
    digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) && !is_zeros(digits)
}

/// Whether a number is international but for its `+`: so many digits behind the calling code no number within a country has, unless
/// with a `0` before it.
fn has_code(digits: &str, code: &str) -> bool {
    let longest = if code == "7" { 10 } else { 11 };
    digits.starts_with(code) && digits.len() > longest && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is dialled before a number within its country is no part of it abroad: mostly `0`.
fn without_trunk<'a>(digits: &'a str, code: &str) -> &'a str {
    let trunk = match code {
        // Italy and its neighbours dial the 0 from abroad, too.
        "39" | "378" | "379" => return digits,
        "1" if digits.len() == 11 => "1",
        "7" if digits.len() == 11 => "8",
        _ => "0",
    };
    digits.strip_prefix(trunk).unwrap_or(digits)
}

/// Whether a value, in its normal form, is what a program writes that has none: it names nobody.
pub fn is_junk(value: &str) -> bool {
    JUNK.iter().any(|junk| value.eq_ignore_ascii_case(junk)) || is_zeros(value) || is_marks(value)
}

/// Whether an id, in its normal form, can be nobody's own. Some shops count their customers from `0`, or `000`.
pub fn is_nobody(id: &str) -> bool {
    is_junk(id) && !(is_zeros(id) && id.len() < 8)
}

/// `0`, `00000000000`, `00000000-0000-0000-0000-000000000000`.
fn is_zeros(value: &str) -> bool {
    value.contains('0') && value.bytes().all(|byte| byte == b'0' || byte.is_ascii_punctuation())
}

/// `-`, `?`, `...`
fn is_marks(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_punctuation())
}

/// Control characters other than white space, and what Unicode ignores by default: joiners, direction marks, soft
/// hyphens, variation selectors, tags.
fn is_invisible(c: char) -> bool {
    let ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    ignorable || (c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_08_an_address_has_one_form() {
        for one in [
            "jürgen@bücher.example",
            "ju\u{308}rgen@bu\u{308}cher.example",
            " JÜRGEN@BÜCHER.EXAMPLE. ",
            "jürgen@xn--bcher-kva.example",
            "\u{202a}jürgen@bü\u{ad}cher.example\u{202c}",
            "j\u{200b}ürgen@bücher\u{3002}example",
        ] {
            assert_eq!(email(one), "jürgen@xn--bcher-kva.example", "{one:?}");
        }
        assert_eq!(email(" Ada@Example.COM\t"), "ada@example.com");
        assert_eq!(email("no address"), "no address");
        assert_eq!(email("a@b_c.d"), "a@b_c.d");
    }

    #[test]
    fn report_09_a_phone_has_one_form() {
        for one in [
            "+49 30 1234567",
            "+49\u{a0}(0)30/123 45-67\u{200b}",
            "0049 30 1234567",
            "+４９３０１２３４５６７",
            "\u{202d}+49301234567",
        ] {
            assert_eq!(phone(one, None), "+49301234567", "{one:?}");
        }
        assert_eq!(phone("030 1234567", None), "0301234567");
        assert_eq!(phone("030 1234567", Some("49")), "+49301234567");
        assert_eq!(phone("06 1234 5678", Some("39")), "+390612345678");
        assert_eq!(phone("(415) 555-0100", Some("1")), "+14155550100");
        assert_eq!(phone("1 415 555 0100", Some("1")), "+14155550100");
        assert_eq!(phone("8 916 123 45 67", Some("7")), "+79161234567");
        assert!(is_junk(&phone("00000000000", Some("49"))));
        for one in ["13900001111", "8613900001111", "+8613900001111", "0086 139 0000 1111", "+86 (0)139-0000-1111"] {
            assert_eq!(phone(one, Some("86")), "+8613900001111", "findings14 F4: {one}");
        }
        assert_eq!(phone("010 8888 8888", Some("86")), "+861088888888");
        assert_eq!(phone("79161234567", Some("7")), "+79161234567");
        assert_eq!(phone("447911123456", Some("44")), "+447911123456");
    }

    #[test]
    fn report_06_what_a_program_sends_that_knows_nobody_is_junk() {
        for junk in [
            "[object Object]",
            "NULL",
            "undefined",
            "NaN",
            "anonymous",
            "00000000000",
            "-",
            "none",
            "0",
            "",
            "00000000-0000-0000-0000-000000000000",
            "--",
            "+000000",
        ] {
            assert!(is_junk(junk), "{junk}");
        }
        assert!(is_nobody("null") && is_nobody("00000000-0000") && !is_nobody("0") && !is_nobody("000"));
        for real in ["1", "10", "a-0", "nullo", "ada@example.com", "零", "0x0"] {
            assert!(!is_junk(real), "{real}");
        }
    }

    #[test]
    fn a_plain_value_shows_all_that_it_is() {
        assert_eq!(plain(" a b "), "a b");
        assert_eq!(plain("\u{feff}id\u{7}-1\u{200f}\n"), "id-1");
        assert_eq!(plain("e\u{301}"), "é");
        assert!(matches!(plain("plain"), Cow::Borrowed("plain")));
        for value in ["a\u{200b}\u{301}", "\u{200b} x", "İ@İ.com", "ﬁ@x.y", "ẛ\u{323}"] {
            let once = plain(value).into_owned();
            assert_eq!(plain(&once), once);
            assert_eq!(email(&email(value)), email(value), "{value:?}");
        }
    }
}
