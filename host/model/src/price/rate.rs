//! From quantities to amounts: a function, so that anyone computes the same.

use serde::{Deserialize, Serialize};

use super::money::{cost, price};
use super::{Meter, Price, PricePlan};

/// A quantity of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    pub meter: Meter,
    /// The channel, plugin or object type: see [`Meter::of`].
    pub of: Option<String>,
    pub quantity: i64,
}

/// What one part of a quantity costs, or the fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub kind: ChargeKind,
    pub meter: Option<Meter>,
    pub of: Option<String>,
    pub quantity: i64,
    /// How much the price is for.
    pub per: i64,
    /// As the plan writes it.
    pub price: String,
    /// In the currency's smallest units.
    pub amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChargeKind {
    Fee,
    /// Free by the plan.
    Included,
    Usage,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    #[error("the price plan has faults")]
    Plan,
    #[error("the quantity of `{0}` is negative or too great")]
    Quantity(Meter),
    #[error("the amount for `{0}` is too great")]
    Amount(Meter),
}

/// What the quantities of one period cost.
///
/// The fee comes first, then each price of the plan in its order: what is included, then each tier that the quantity reaches. A quantity
/// counts for the price of its `of`; if there is none, for the price of its meter without `of`; if there is none either, for nothing.
///
/// **The rule of rounding.** The amount of a charge is `price × quantity ÷ per`, computed exactly, then rounded once to the currency's smallest
/// unit, half to even. A total is a sum of amounts.
///
/// # Errors
///
/// Where the plan has faults, or a number is greater than it can be.
pub fn rate(plan: &PricePlan, used: &[Used]) -> Result<Vec<Charge>, RateError> {
    if !plan.faults("").is_empty() {
        return Err(RateError::Plan);
    }
    let mut charges = Vec::new();
    if let Some(fee) = &plan.fee {
        let amount = plan.currency.parse(fee).ok_or(RateError::Plan)?;
        let (kind, price) = (ChargeKind::Fee, fee.clone());
        charges.push(Charge { kind, meter: None, of: None, quantity: 1, per: 1, price, amount });
    }
    for (at, price) in plan.prices.iter().enumerate() {
        let mut quantity: i64 = 0;
        for used in used.iter().filter(|used| priced_by(plan, used) == Some(at)) {
            let added = if used.quantity < 0 { None } else { quantity.checked_add(used.quantity) };
            quantity = added.ok_or_else(|| RateError::Quantity(used.meter.clone()))?;
        }
        graduated(plan, price, quantity, &mut charges)?;
    }
    Ok(charges)
}

/// Where in the plan the price of a quantity stands.
fn priced_by(plan: &PricePlan, used: &Used) -> Option<usize> {
    let of = |of: &Option<String>| plan.prices.iter().position(|price| price.meter == used.meter && price.of == *of);
    of(&used.of).or_else(|| of(&None))
}

fn graduated(plan: &PricePlan, of: &Price, quantity: i64, charges: &mut Vec<Charge>) -> Result<(), RateError> {
    let charge = |kind, quantity, price: &str, amount| Charge {
        kind,
        meter: Some(of.meter.clone()),
        of: of.of.clone(),
        quantity,
        per: of.per,
        price: price.to_owned(),
        amount,
    };
    let included = quantity.min(of.included);
    if included > 0 {
        charges.push(charge(ChargeKind::Included, included, "0", 0));
    }
    let (rest, mut below) = (quantity - included, 0);
    for tier in &of.tiers {
        let within = rest.min(tier.up_to.unwrap_or(i64::MAX)) - below;
        if within <= 0 {
            break;
        }
        below += within;
        let amount = price(&tier.price).and_then(|price| cost(price, within, of.per, plan.currency));
        let amount = amount.ok_or_else(|| RateError::Amount(of.meter.clone()))?;
        charges.push(charge(ChargeKind::Usage, within, &tier.price, amount));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn plan(value: serde_json::Value) -> PricePlan {
        serde_json::from_value(value).expect("it has its form")
    }

    fn used(meter: Meter, of: Option<&str>, quantity: i64) -> Used {
        Used { meter, of: of.map(str::to_owned), quantity }
    }

    fn told(charges: &[Charge]) -> Vec<(ChargeKind, i64, &str, i64)> {
        charges.iter().map(|charge| (charge.kind, charge.quantity, &*charge.price, charge.amount)).collect()
    }

    #[test]
    fn each_part_of_a_quantity_has_the_price_of_its_tier() {
        let plan = plan(json!({"currency": "EUR", "fee": "49.00", "prices": [
            {"meter": "events", "per": 1000, "included": 500, "tiers": [{"up_to": 1000, "price": "0.40"}, {"price": "0.30"}]},
        ]}));
        use ChargeKind::{Fee, Included, Usage};
        let fee = (Fee, 1, "49.00", 4900);
        let of = |quantity| rate(&plan, &[used(Meter::Events, None, quantity)]).unwrap();
        assert_eq!(told(&of(0)), [fee]);
        assert_eq!(told(&of(500)), [fee, (Included, 500, "0", 0)]);
        assert_eq!(told(&of(1500)), [fee, (Included, 500, "0", 0), (Usage, 1000, "0.40", 40)]);
        assert_eq!(
            told(&of(2516)),
            [fee, (Included, 500, "0", 0), (Usage, 1000, "0.40", 40), (Usage, 1016, "0.30", 30)]
        );
    }

    #[test]
    fn a_quantity_counts_for_its_own_price_else_for_that_of_its_meter() {
        let plan = plan(json!({"currency": "EUR", "prices": [
            {"meter": "messages", "tiers": [{"price": "0.01"}]},
            {"meter": "messages", "of": "sms", "tiers": [{"price": "0.08"}]},
        ]}));
        let used = [
            used(Meter::Messages, Some("sms"), 2),
            used(Meter::Messages, Some("mail"), 3),
            used(Meter::Messages, Some("push"), 4),
            used(Meter::Events, None, 5),
        ];
        let charges = rate(&plan, &used).unwrap();
        assert_eq!(told(&charges), [(ChargeKind::Usage, 7, "0.01", 7), (ChargeKind::Usage, 2, "0.08", 16)]);
    }

    #[test]
    fn what_is_too_great_is_no_amount() {
        let plan =
            plan(json!({"currency": "EUR", "prices": [{"meter": "events", "tiers": [{"price": "9000000000"}]}]}));
        let of = |quantity| rate(&plan, &[used(Meter::Events, None, quantity), used(Meter::Events, None, 1)]);
        assert_eq!(of(i64::MAX), Err(RateError::Quantity(Meter::Events)));
        assert_eq!(of(-1), Err(RateError::Quantity(Meter::Events)));
        assert_eq!(of(i64::MAX - 1), Err(RateError::Amount(Meter::Events)));
    }

    proptest! {
        #[test]
        fn no_quantity_is_lost_or_charged_twice(
            quantity in 0..1_000_000_i64, included in 0..500_000_i64, first in 1..300_000_i64, second in 1..300_000_i64,
        ) {
            let plan = plan(json!({"currency": "EUR", "prices": [{"meter": "events", "included": included, "tiers": [
                {"up_to": first, "price": "3"}, {"up_to": first + second, "price": "2"}, {"price": "1"},
            ]}]}));
            let charges = rate(&plan, &[used(Meter::Events, None, quantity)]).unwrap();
            prop_assert_eq!(charges.iter().map(|charge| charge.quantity).sum::<i64>(), quantity);
            let one_by_one = (included..quantity).map(|at| at - included);
            let cents: i64 = one_by_one.map(|at| if at < first { 300 } else if at < first + second { 200 } else { 100 }).sum();
            prop_assert_eq!(charges.iter().map(|charge| charge.amount).sum::<i64>(), cents);
        }
    }
}
