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

/// The decimal of a JSON value: a number or a text.
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
}
