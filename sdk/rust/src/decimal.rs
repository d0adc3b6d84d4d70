//! Decimal numbers with a fixed scale, as integers of the smallest unit: `29.33` at scale 2 is `2933`.

/// `Decimal<2>` is an amount in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Decimal<const SCALE: u32>(i64);

impl<const SCALE: u32> Decimal<SCALE> {
    const ONE: i64 = 10i64.pow(SCALE);

    pub const fn from_units(units: i64) -> Self {
        Decimal(units)
    }

    /// In the smallest unit.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Without its fraction, towards zero.
    pub const fn whole(self) -> i64 {
        self.0 / Self::ONE
    }

    /// Reads a decimal text exactly; digits beyond the scale are refused unless they are zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut units: i64 = 0;
        for digit in whole.bytes() {
            units = append(units, digit)?;
        }
        let mut fraction = fraction.bytes();
        for _ in 0..SCALE {
            units = append(units, fraction.next().unwrap_or(b'0'))?;
        }
        fraction.all(|digit| digit == b'0').then_some(Decimal(sign * units))
    }
}

fn append(units: i64, digit: u8) -> Option<i64> {
    digit.is_ascii_digit().then(|| units.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?
}

impl<const SCALE: u32> std::fmt::Display for Decimal<SCALE> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (magnitude, one) = (self.0.unsigned_abs(), Self::ONE.unsigned_abs());
        match SCALE {
            0 => write!(f, "{}", self.0),
            _ => write!(f, "{sign}{}.{:0width$}", magnitude / one, magnitude % one, width = SCALE as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_or_refused() {
        let units = |text| Decimal::<2>::parse(text).map(Decimal::units);
        assert_eq!(units("29.33"), Some(2933));
        assert_eq!(units("-0.5"), Some(-50));
        assert_eq!(units("7"), Some(700));
        assert_eq!(units("7.100"), Some(710));
        for text in ["", ".", "1e3", "1.234", "12a", "--1", "99999999999999999999"] {
            assert_eq!(units(text), None, "{text}");
        }
        assert_eq!(Decimal::<2>::from_units(-50).to_string(), "-0.50");
        assert_eq!(Decimal::<2>::from_units(2999).whole(), 29);
    }
}
