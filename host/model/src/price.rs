//! What an offering costs: a price plan, which says what is charged for what is counted, and quotas, which say how much may be used.
//!
//! A plan never changes once it is published; its digest names it. Who collects the money is no matter of the hub.
//!
//! Amounts and prices are decimals, as texts. Nothing here computes with floats: see [`rate`](rate()) for the one rule of rounding.

mod meter;
mod money;
mod quota;
mod rate;

pub use meter::{Meter, is_name};
pub use money::{Currency, PRICE_SCALE};
pub use quota::{Quota, Then, WARNINGS, faults as quota_faults};
pub use rate::{Charge, ChargeKind, RateError, Used, rate};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

use crate::fault::Fault;

/// Prices of a plan, and tiers of a price, at most.
pub const PRICES: usize = 100;
pub const TIERS: usize = 20;
/// The greatest quantity that a plan names.
const MOST: i64 = 1_000_000_000_000_000;

/// What one subscription costs in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricePlan {
    pub currency: Currency,
    /// For each period that has begun, whole: a decimal. None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<String>,
    #[serde(default)]
    pub prices: Vec<Price>,
}

/// What the quantity of one meter costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub meter: Meter,
    /// Only of this channel, plugin or object type: see [`Meter::of`]. None: of all that have no price of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// How much a price of the tiers is for: 1000 means per thousand (default 1). A part of it costs its part.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub per: i64,
    /// What is free in each period, before the first tier.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub included: i64,
    /// Graduated: each price is for the quantity that lies in its tier, counted behind what is included.
    pub tiers: Vec<Tier>,
}

/// The price of a part of a quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The last of the quantity that has this price. Only the last tier has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    /// A decimal with at most nine digits behind the point.
    pub price: String,
}

fn one() -> i64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(count: &i64) -> bool {
    *count == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &i64) -> bool {
    *count == 0
}

impl PricePlan {
    /// All that is wrong with it, at places below `pointer`. A plan without faults can be rated.
    pub fn faults(&self, pointer: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(fee) = &self.fee {
            let of = self.currency.digits();
            if self.currency.parse(fee).is_none_or(|units| units < 0) {
                let message = format!(
                    "`fee` is an amount of {}: a decimal as text, with at most {of} digits behind the point, not negative.",
                    self.currency
                );
                faults.push(Fault::new(format!("{pointer}/fee"), "invalid-amount", message));
            }
        }
        if self.prices.len() > PRICES {
            let message = format!("A plan has at most {PRICES} prices.");
            faults.push(Fault::new(format!("{pointer}/prices"), "too-many", message));
        }
        let mut known = BTreeSet::new();
        for (at, price) in self.prices.iter().take(PRICES).enumerate() {
            let pointer = format!("{pointer}/prices/{at}");
            if !known.insert((&price.meter, &price.of)) {
                let message = format!("There is a price for {} already: remove one.", price.named());
                faults.push(Fault::new(&*pointer, "duplicate", message));
            }
            price.check(&pointer, &mut faults);
        }
        faults
    }

    /// Names what it says, whoever computes it: SHA-256 of its JSON as the hub writes it, without spaces, its fields in this order and
    /// without those that are as they would be if left out.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let digits: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    }
}

impl Price {
    fn named(&self) -> String {
        match &self.of {
            Some(of) => format!("`{}` of `{of:.64}`", self.meter),
            None => format!("`{}`", self.meter),
        }
    }

    fn check(&self, pointer: &str, faults: &mut Vec<Fault>) {
        meter::check_of(&self.meter, self.of.as_deref(), pointer, faults);
        if !(1..=MOST).contains(&self.per) {
            faults.push(Fault::new(format!("{pointer}/per"), "out-of-range", format!("`per` is 1 to {MOST}.")));
        }
        if !(0..=MOST).contains(&self.included) {
            let message = format!("`included` is 0 to {MOST}.");
            faults.push(Fault::new(format!("{pointer}/included"), "out-of-range", message));
        }
        if self.tiers.is_empty() || self.tiers.len() > TIERS {
            let message = format!("A price has 1 to {TIERS} tiers, like `[{{\"price\": \"0.004\"}}]`.");
            faults.push(Fault::new(format!("{pointer}/tiers"), "out-of-range", message));
        }
        let mut before = 0;
        for (at, tier) in self.tiers.iter().take(TIERS).enumerate() {
            let is_last = at + 1 == self.tiers.len();
            let fault = match tier.up_to {
                None if !is_last => Some("Only the last tier has no `up_to`."),
                Some(_) if is_last => Some("The last tier is for all that is beyond: it has no `up_to`."),
                Some(up_to) if up_to <= before || up_to > MOST => {
                    Some("`up_to` is greater than that of the tier before.")
                }
                _ => None,
            };
            before = tier.up_to.unwrap_or(before);
            if let Some(message) = fault {
                faults.push(Fault::new(format!("{pointer}/tiers/{at}/up_to"), "invalid-tier", message));
            }
            if money::price(&tier.price).is_none() {
                let message = format!(
                    "A price is a decimal as text, with at most {PRICE_SCALE} digits behind the point, not negative."
                );
                faults.push(Fault::new(format!("{pointer}/tiers/{at}/price"), "invalid-amount", message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(value: serde_json::Value) -> PricePlan {
        crate::strict::from_slice(value.to_string().as_bytes()).expect("it has its form")
    }

    #[test]
    fn all_faults_are_told_at_their_places() {
        let wrong = plan(json!({"currency": "JPY", "fee": "1.5", "prices": [
            {"meter": "messages", "of": "sms", "per": 0, "included": -1, "tiers": []},
            {"meter": "messages", "of": "sms", "tiers": [{"price": "1e3"}, {"up_to": 10, "price": "-1"}]},
            {"meter": "events", "of": "sms", "tiers": [{"up_to": 5, "price": "1"}, {"up_to": 5, "price": "1"}, {"price": ".0000000001"}]},
        ]}));
        let told: Vec<_> = wrong.faults("/p").into_iter().map(|fault| (fault.pointer, fault.code)).collect();
        let told: Vec<_> = told.iter().map(|(pointer, code)| (&**pointer, &**code)).collect();
        assert_eq!(
            told,
            [
                ("/p/fee", "invalid-amount"),
                ("/p/prices/0/per", "out-of-range"),
                ("/p/prices/0/included", "out-of-range"),
                ("/p/prices/0/tiers", "out-of-range"),
                ("/p/prices/1", "duplicate"),
                ("/p/prices/1/tiers/0/up_to", "invalid-tier"),
                ("/p/prices/1/tiers/0/price", "invalid-amount"),
                ("/p/prices/1/tiers/1/up_to", "invalid-tier"),
                ("/p/prices/1/tiers/1/price", "invalid-amount"),
                ("/p/prices/2/of", "not-divided"),
                ("/p/prices/2/tiers/1/up_to", "invalid-tier"),
                ("/p/prices/2/tiers/2/price", "invalid-amount"),
            ]
        );
    }

    #[test]
    fn a_form_that_does_not_fit_is_told_in_whole() {
        let wrong = json!({"currency": "euro", "fee": 49, "prices": [{"meter": "clicks", "tiers": [{"price": 0.5}]}]});
        let read = crate::misfits::read::<PricePlan>(&wrong);
        let mut places: Vec<_> = read.misfits.iter().map(|misfit| &*misfit.place).collect();
        places.sort_unstable();
        assert_eq!(places, ["/currency", "/fee", "/prices/0/meter", "/prices/0/tiers/0/price"]);
    }

    #[test]
    fn a_digest_names_what_a_plan_says_and_not_how_it_is_written() {
        let short = plan(json!({"currency": "EUR", "prices": [{"meter": "events", "tiers": [{"price": "1"}]}]}));
        let long = plan(
            json!({"prices": [{"tiers": [{"price": "1"}], "included": 0, "per": 1, "meter": "events"}], "currency": "EUR"}),
        );
        assert_eq!(short.digest(), long.digest());
        let text = r#"{"currency":"EUR","prices":[{"meter":"events","tiers":[{"price":"1"}]}]}"#;
        assert_eq!(serde_json::to_string(&short).unwrap(), text);
        assert_ne!(short.digest(), plan(json!({"currency": "EUR", "prices": []})).digest());
    }
}
