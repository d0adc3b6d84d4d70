//! Loyalty points from orders: one for each whole dollar, and the tier that they make.
//!
//! A rule that reads its own earlier result: points add up order by order, in the order of the log. Nothing takes
//! points away; an order with a negative total is a fault of that order alone.

use openhub_sdk::prelude::*;

/// The least points of a tier above bronze.
const GOLD: i64 = 500;
const SILVER: i64 = 200;

/// An order, and what its customer had before.
#[derive(Clone, Debug, Reads)]
pub struct Purchase {
    #[read("event.properties.total", bind)]
    pub total: Decimal<2>,
    #[read("customer.attributes.points")]
    pub points: Option<i64>,
    #[read("customer.attributes.tier")]
    pub tier: Option<Tier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Tier {
    Bronze,
    Silver,
    Gold,
}

/// A customer moved from one tier to another. Everybody starts at bronze, so the first bronze is no change.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct TierChanged {
    pub from: Tier,
    pub to: Tier,
    pub points: i64,
}

#[derive(Debug, Default, PartialEq, Writes)]
pub struct Effects {
    #[write("customer.attributes.points")]
    pub points: Set<i64>,
    #[write("customer.attributes.tier")]
    pub tier: Set<Tier>,
    pub events: Option<TierChanged>,
}

impl Tier {
    /// The tier that so many points make.
    pub fn of(points: i64) -> Tier {
        match points {
            GOLD.. => Tier::Gold,
            SILVER.. => Tier::Silver,
            _ => Tier::Bronze,
        }
    }
}

/// Adds an order's points and settles the tier.
#[rule(on = "Order Completed")]
pub fn points(row: Purchase) -> Result<Effects, Reason> {
    let earned = row.total.whole();
    if earned < 0 {
        return Err(Reason::new("negative-total", "an order's total is at least zero"));
    }
    let points = row.points.unwrap_or(0).saturating_add(earned);
    let tier = Tier::of(points);
    let from = row.tier.unwrap_or(Tier::Bronze);
    Ok(Effects {
        points: To(points),
        tier: if row.tier == Some(tier) { Keep } else { To(tier) },
        events: (from != tier).then_some(TierChanged { from, to: tier, points }),
    })
}

openhub_sdk::plugin! { rules: [points] }

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(total: &str, before: Option<(i64, Tier)>) -> Effects {
        let total = Decimal::parse(total).expect("an amount");
        let (had, tier) = before.unzip();
        points(Purchase { total, points: had, tier }).expect("an order without fault")
    }

    #[test]
    fn whole_dollars_count() {
        assert_eq!(purchase("29.99", None).points, To(29));
        assert_eq!(purchase("0.99", Some((29, Tier::Bronze))).points, To(29));
    }

    #[test]
    fn everybody_starts_at_bronze() {
        let first = purchase("199.00", None);
        assert_eq!((first.tier, first.events), (To(Tier::Bronze), None));
        let changed = TierChanged { from: Tier::Bronze, to: Tier::Gold, points: 500 };
        let first = purchase("500.00", None);
        assert_eq!((first.tier, first.events), (To(Tier::Gold), Some(changed)));
    }

    #[test]
    fn a_tier_begins_at_its_bound() {
        assert_eq!(purchase("1.00", Some((198, Tier::Bronze))), Effects { points: To(199), ..Effects::default() });
        let changed = TierChanged { from: Tier::Bronze, to: Tier::Silver, points: 200 };
        assert_eq!(purchase("1.00", Some((199, Tier::Bronze))).events, Some(changed));
        assert_eq!(purchase("500.00", Some((1, Tier::Bronze))).tier, To(Tier::Gold));
    }

    #[test]
    fn a_negative_total_is_a_fault() {
        let row = Purchase { total: Decimal::from_units(-100), points: None, tier: None };
        assert_eq!(points(row).expect_err("a fault").code, "negative-total");
    }
}
