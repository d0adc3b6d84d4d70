//! Amounts: whole cents, rounded half up.

use openhub_sdk::prelude::*;

/// An amount of money.
pub type Money = Decimal<2>;

const ALL: i128 = 10_000;

/// So many percent of an amount.
pub fn part(of: Money, percent: Decimal<2>) -> Money {
    let product = i128::from(of.units()) * i128::from(percent.units());
    let rounded = (product + ALL / 2).div_euclid(ALL);
    Money::from_units(i64::try_from(rounded).unwrap_or(i64::MAX))
}

pub fn plus(one: Money, other: Money) -> Money {
    Money::from_units(one.units().saturating_add(other.units()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_rounded_half_up() {
        let of = |amount: &str, percent: &str| {
            let read = |text| Decimal::<2>::parse(text).expect("an amount");
            part(read(amount), read(percent)).to_string()
        };
        assert_eq!(of("99.90", "15"), "14.99");
        assert_eq!(of("0.03", "50"), "0.02");
        assert_eq!(of("10.00", "33.33"), "3.33");
        assert_eq!(of("90000000000000000.00", "100"), "90000000000000000.00");
    }
}
