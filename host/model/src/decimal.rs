//! Decimal numbers with a fixed scale, as integers of the smallest unit: `29.33` at scale 2 is `2933`.

/// The greatest scale: with more digits, not even 10 fits 64 bits.
pub const MAX_SCALE: u32 = 18;

/// Reads a decimal text exactly; more digits than `scale` are refused unless they are zeros, as are an overflow and
/// a scale beyond [`MAX_SCALE`].
///
/// JSON numbers reach this through their shortest text form, which is exact for up to 15 significant digits.
pub fn parse(text: &str, scale: u32) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if scale > MAX_SCALE || (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let scale = scale as usize;
    let kept = &fraction[..fraction.len().min(scale)];
    let dropped = fraction.get(scale..).unwrap_or("");
    if !dropped.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let mut value: i64 = 0;
    let zeros = std::iter::repeat_n(b'0', scale - kept.len());
    for digit in whole.bytes().chain(kept.bytes()).chain(zeros) {
        let digit = i64::from(digit - b'0');
        value = value.checked_mul(10)?.checked_add(if negative { -digit } else { digit })?;
    }
    Some(value)
}

/// Reads a decimal text, with an exponent or without, rounded half to even where it has more digits than `scale`:
/// `59.970000000000006`, as a program adds up floats, is 59.97. What does not fit is none.
pub fn round(text: &str, scale: u32) -> Option<i64> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match magnitude.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (magnitude, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if scale > MAX_SCALE || (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    // How many digits, from the first, are kept; those before it, if it is negative, are zeros.
    let kept = (whole.len() as i64).checked_add(i64::from(exponent))?.checked_add(i64::from(scale))?;
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|digit| i64::from(digit - b'0'));
    let mut value: i64 = 0;
    for _ in 0..kept {
        let Some(digit) = digits.next() else { break };
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    let missing = kept - (whole.len() + fraction.len()) as i64;
    for _ in 0..missing {
        if value == 0 {
            break;
        }
        value = value.checked_mul(10)?;
    }
    let first = if kept < 0 { 0 } else { digits.next().unwrap_or(0) };
    let beyond = digits.any(|digit| digit != 0);
    if first > 5 || (first == 5 && (beyond || value % 2 != 0)) {
        value = value.checked_add(1)?;
    }
    Some(if negative { -value } else { value })
}

/// The decimal that a rule reads of a JSON value, a number or a text: see [`round`].
pub fn rounded(value: &serde_json::Value, scale: u32) -> Option<i64> {
    match value {
        serde_json::Value::Number(number) => round(&number.to_string(), scale),
        serde_json::Value::String(text) => round(text, scale),
        _ => None,
    }
}

/// The decimal of a JSON value, a number or a text, exactly.
pub fn from_json(value: &serde_json::Value, scale: u32) -> Option<i64> {
    match value {
        serde_json::Value::Number(number) => parse(&number.to_string(), scale),
        serde_json::Value::String(text) => parse(text, scale),
        _ => None,
    }
}

/// The decimal as a JSON number, which conditions compare; exact for up to 15 significant digits.
pub fn to_json(units: i64, scale: u32) -> serde_json::Value {
    let number = format(units, scale).parse::<f64>().ok().and_then(serde_json::Number::from_f64);
    number.map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// Writes the smallest units with their point: `2933` at scale 2 is `29.33`.
pub fn format(units: i64, scale: u32) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = units.unsigned_abs().to_string();
    let scale = scale as usize;
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = "0".repeat((scale + 1).saturating_sub(digits.len())) + &digits;
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_or_refused() {
        assert_eq!(parse("29.33", 2), Some(2933));
        assert_eq!(parse("-0.5", 2), Some(-50));
        assert_eq!(parse("7", 2), Some(700));
        assert_eq!(parse("7.100", 2), Some(710));
        assert_eq!(from_json(&serde_json::json!(29.33), 2), Some(2933));
        assert_eq!(from_json(&serde_json::json!("12.00"), 2), Some(1200));
        for text in ["", ".", "1e3", "1.234", "1.é", "12a", "--1", "99999999999999999999"] {
            assert_eq!(parse(text, 2), None, "{text}");
        }
        assert_eq!(to_json(2933, 2), serde_json::json!(29.33));
        assert_eq!(format(2933, 2), "29.33");
        assert_eq!(format(-50, 2), "-0.50");
    }

    #[test]
    fn b9_more_digits_are_rounded_half_to_even() {
        let halves = [("0.005", 0), ("0.015", 2), ("0.025", 2), ("0.0250001", 3), ("-0.015", -2), ("0.0049999", 0)];
        for (text, units) in halves {
            assert_eq!(round(text, 2), Some(units), "{text}");
        }
        assert_eq!(rounded(&serde_json::json!(59.970000000000006), 2), Some(5997));
        assert_eq!(rounded(&serde_json::json!(1e-9), 2), Some(0));
        assert_eq!(rounded(&serde_json::json!(1e3), 2), Some(100_000));
        assert_eq!(rounded(&serde_json::json!("9.999"), 2), Some(1000));
        assert_eq!((round("2.5", 0), round("3.5", 0), round("0.5", 0)), (Some(2), Some(4), Some(0)));
        assert_eq!((round("1.5e1", 0), round("6e-1", 0), round("6e-2", 0)), (Some(15), Some(1), Some(0)));
        assert_eq!((round("92233720368547758.07", 2), round("0e400000", 2)), (Some(i64::MAX), Some(0)));
        for text in ["", ".", "1e", "e3", "12a", "--1", "1e400000", "92233720368547758.075", "99999999999999999999"] {
            assert_eq!(round(text, 2), None, "{text}");
        }
    }
}
