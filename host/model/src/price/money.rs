//! Amounts of money, as whole numbers of the currency's smallest unit, and prices, which may be finer.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

use crate::decimal;

/// Digits behind the point of a price.
pub const PRICE_SCALE: u32 = 9;

/// A currency by its code of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Three capital letters.
    pub fn new(code: &str) -> Option<Currency> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Currency(code))
    }

    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Digits of its smallest unit, by ISO 4217 (list one of 2024).
    pub fn digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// The smallest units of an amount, which has no finer digits.
    pub fn parse(self, amount: &str) -> Option<i64> {
        decimal::parse(amount, self.digits())
    }

    /// The smallest units that an amount covers: what is finer is cut off.
    pub fn covered(self, amount: &str) -> Option<i64> {
        self.parse(amount).or_else(|| {
            let (whole, finer) = amount.split_once('.')?;
            let digits = finer.get(..self.digits() as usize)?;
            let is_decimal = finer.bytes().all(|byte| byte.is_ascii_digit());
            is_decimal
                .then(|| self.parse(&if digits.is_empty() { whole.to_owned() } else { format!("{whole}.{digits}") }))?
        })
    }

    /// An amount as people write it: `12.30`.
    pub fn format(self, units: i64) -> String {
        decimal::format(units, self.digits())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        let text = String::deserialize(deserializer)?;
        Currency::new(&text).ok_or_else(|| de::Error::custom("A currency has three capital letters, like `EUR`"))
    }
}

/// A price in units of 10⁻⁹; none: it is no decimal, is negative, or is finer or greater than a price can be.
pub(super) fn price(text: &str) -> Option<i64> {
    decimal::parse(text, PRICE_SCALE).filter(|price| *price >= 0)
}

/// What a quantity costs, in the currency's smallest units: price × quantity ÷ per, rounded half to even. None: it is too great.
pub(super) fn cost(price: i64, quantity: i64, per: i64, currency: Currency) -> Option<i64> {
    let finer = PRICE_SCALE.checked_sub(currency.digits())?;
    let whole = i128::from(price) * i128::from(quantity);
    let by = i128::from(per) * 10_i128.pow(finer);
    let (units, rest) = (whole.div_euclid(by), whole.rem_euclid(by));
    let is_up = match (rest * 2).cmp(&by) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => units % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    i64::try_from(units + i128::from(is_up)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaker16_1_an_amount_finer_than_its_currency_covers_what_is_whole() {
        let (euro, yen) = (Currency::new("EUR").unwrap(), Currency::new("JPY").unwrap());
        let of = |currency: Currency| ["0.5", "1.5", "2.001", "7", "x.5", "1.x", ""].map(|text| currency.covered(text));
        assert_eq!(of(yen), [Some(0), Some(1), Some(2), Some(7), None, None, None]);
        assert_eq!(of(euro), [Some(50), Some(150), Some(200), Some(700), None, None, None]);
    }

    #[test]
    fn a_cost_is_rounded_once_half_to_even() {
        let euro = Currency::new("EUR").unwrap();
        let of = |text: &str, quantity, per| cost(price(text).unwrap(), quantity, per, euro);
        assert_eq!(of("0.004", 1, 1), Some(0));
        assert_eq!((of("0.005", 1, 1), of("0.005", 3, 1), of("0.005", 5, 1)), (Some(0), Some(2), Some(2)));
        assert_eq!((of("0.0050001", 1, 1), of("0.1", 1, 3)), (Some(1), Some(3)));
        assert_eq!((of("0.40", 12_345, 1_000), of("0.000000001", 1_000_000_000, 1)), (Some(494), Some(100)));
        assert_eq!(of("9223372036", i64::MAX, 1), None);
        let (yen, dinar) = (Currency::new("JPY").unwrap(), Currency::new("KWD").unwrap());
        assert_eq!(
            (cost(price("0.5").unwrap(), 3, 1, yen), cost(price("0.5").unwrap(), 3, 1, dinar)),
            (Some(2), Some(1_500))
        );
    }
}
