//! Amounts of money: `local_format.money(trigger.properties.total, 'EUR')`.

use openhub_sdk::prelude::*;

use crate::Language;

/// `currency` is an ISO 4217 code.
#[content]
pub fn money(receiver: Receiver<'_>, amount: Decimal<2>, currency: &str) -> Result<String, Reason> {
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Reason::new("bad-currency", "a currency is three capital letters, like EUR"));
    }
    let language = Language::of(receiver.language());
    let (sign, symbol) = (if amount.units() < 0 { "-" } else { "" }, symbol(language, currency));
    let digits = digits(language, amount.units().unsigned_abs(), has_cents(currency));
    Ok(match language {
        Language::German | Language::French => format!("{sign}{digits}\u{a0}{symbol}"),
        // A code stands apart from its amount, a symbol does not.
        _ if symbol == currency => format!("{sign}{symbol}\u{a0}{digits}"),
        _ => format!("{sign}{symbol}{digits}"),
    })
}

/// Currencies in everyday use without a smaller unit.
fn has_cents(currency: &str) -> bool {
    !matches!(currency, "JPY" | "KRW" | "VND" | "CLP" | "ISK")
}

fn symbol(language: Language, currency: &str) -> &str {
    match (currency, language) {
        ("EUR", _) => "€",
        ("GBP", _) => "£",
        ("USD", Language::Chinese) => "US$",
        ("USD", Language::French) => "$US",
        ("USD", _) => "$",
        ("CNY", Language::Chinese) => "¥",
        ("CNY", Language::Japanese) => "元",
        ("CNY", _) => "CN¥",
        ("JPY", Language::Chinese) => "JP¥",
        ("JPY", Language::Japanese) => "￥",
        ("JPY", Language::English) => "¥",
        _ => currency,
    }
}

/// In groups of three. Without cents, half a unit is rounded up.
fn digits(language: Language, cents: u64, has_cents: bool) -> String {
    let (group, point) = match language {
        Language::German => (".", ","),
        Language::French => ("\u{202f}", ","),
        _ => (",", "."),
    };
    let whole = if has_cents { cents / 100 } else { (cents + 50) / 100 }.to_string();
    let mut grouped = String::with_capacity(whole.len() * 2);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push_str(group);
        }
        grouped.push(digit);
    }
    if has_cents { format!("{grouped}{point}{:02}", cents % 100) } else { grouped }
}
