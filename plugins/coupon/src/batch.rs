//! The object types `coupon-batch`, from which coupons are issued, and `coupon-allowance`, which counts what one customer has had of it.
//!
//! A batch counts up with each coupon and never beyond its limit; both are written in the step that writes the coupon.

use openhub_sdk::prelude::*;

use crate::coupon::{discount, period};
use crate::fixed;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "coupon-batch", version = 1)]
pub struct CouponBatch {
    /// Its key: `spring-2026`.
    #[field(unique)]
    pub batch: String,
    pub name: String,
    /// Who takes its coupons; none: every merchant.
    #[field(relation = "merchant")]
    pub merchants: Vec<String>,
    /// What its coupons take off: 1 to 100 percent, or an amount.
    pub percent: Option<i64>,
    pub amount: Option<Decimal<2>>,
    /// How many coupons there may be. Without it, any number.
    pub most: Option<i64>,
    /// How many there are.
    #[field(default = 0i64)]
    pub issued: i64,
    /// How many one customer may have. Without it, any number.
    pub per_customer: Option<i64>,
    pub valid_from: Option<Timestamp>,
    pub valid_until: Option<Timestamp>,
    /// A closed batch issues no more.
    #[field(default = false)]
    pub closed: bool,
}

impl CouponBatch {
    /// Whether a customer who has had so many gets one more.
    pub fn may_issue(&self, had: i64, at: Timestamp) -> Result<(), &'static str> {
        if self.closed || self.valid_until.is_some_and(|until| until <= at) {
            return Err("closed");
        }
        if self.most.is_some_and(|most| self.issued >= most) {
            return Err("used-up");
        }
        if self.per_customer.is_some_and(|most| had >= most) {
            return Err("had-enough");
        }
        Ok(())
    }
}

impl Check for CouponBatch {
    fn check(change: Change<CouponBatch>) -> Result<Accepted<CouponBatch>, Vec<Fault>> {
        match change.operation {
            Operation::Create(new) => {
                let mut faults = sound(&new);
                if new.issued != 0 {
                    faults.push(Fault::new("/issued", "not-issued", "a new batch has no coupons yet"));
                }
                stored(new, faults)
            }
            Operation::Update { old, new } => {
                let mut faults = sound(&new);
                if new.batch != old.batch {
                    faults.push(fixed("/batch"));
                }
                if new.issued != old.issued && new.issued != old.issued + 1 {
                    faults.push(Fault::new("/issued", "out-of-range", "a batch counts up by one with each coupon"));
                }
                if new.issued > old.issued && new.closed {
                    faults.push(Fault::new("/issued", "closed", "a closed batch issues no more"));
                }
                stored(new, faults)
            }
            Operation::Delete(old) => Ok(Accepted::new(old.batch.clone(), old)),
        }
    }
}

fn stored(new: CouponBatch, faults: Vec<Fault>) -> Result<Accepted<CouponBatch>, Vec<Fault>> {
    if faults.is_empty() { Ok(Accepted::new(new.batch.clone(), new)) } else { Err(faults) }
}

fn sound(batch: &CouponBatch) -> Vec<Fault> {
    let mut faults: Vec<Fault> = discount(batch.percent, batch.amount).into_iter().collect();
    faults.extend(period(batch.valid_from, batch.valid_until));
    if batch.batch.is_empty() || batch.batch.contains('/') {
        faults.push(Fault::new("/batch", "malformed", "the key of a batch is not empty and has no slash"));
    }
    let is_below = |most: Option<i64>, least: i64| most.is_some_and(|most| most < least);
    if is_below(batch.most, batch.issued) {
        faults.push(Fault::new("/most", "used-up", "there are more coupons than this already"));
    }
    if is_below(batch.per_customer, 1) {
        faults.push(Fault::new("/per_customer", "out-of-range", "a customer may have at least one"));
    }
    faults
}

/// How many coupons of a batch one customer has had. It goes with the customer.
#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "coupon-allowance", version = 1)]
pub struct Allowance {
    #[field(relation = "coupon-batch")]
    pub batch: String,
    #[field(relation, owner)]
    pub owner: CustomerRef,
    pub issued: i64,
}

impl Allowance {
    /// Of a customer in a batch.
    pub fn key(batch: &str, CustomerRef(owner): &CustomerRef) -> String {
        format!("{batch}/{owner}")
    }
}

impl Check for Allowance {
    fn check(change: Change<Allowance>) -> Result<Accepted<Allowance>, Vec<Fault>> {
        let accepted = |new: Allowance| Accepted::new(Allowance::key(&new.batch, &new.owner), new);
        match change.operation {
            Operation::Create(new) if new.issued == 1 => Ok(accepted(new)),
            Operation::Create(_) => Err(vec![Fault::new("/issued", "out-of-range", "it begins with the first coupon")]),
            Operation::Update { old, new } if new.issued == old.issued + 1 => {
                if (&new.batch, &new.owner) == (&old.batch, &old.owner) {
                    return Ok(accepted(new));
                }
                Err(vec![fixed("/owner")])
            }
            Operation::Update { .. } => {
                Err(vec![Fault::new("/issued", "out-of-range", "it counts up by one with each coupon")])
            }
            Operation::Delete(old) => Ok(accepted(old)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_micros(0);

    fn spring() -> CouponBatch {
        CouponBatch {
            batch: "spring".to_owned(),
            name: "Spring".to_owned(),
            merchants: Vec::new(),
            percent: Some(10),
            amount: None,
            most: Some(2),
            issued: 0,
            per_customer: Some(1),
            valid_from: None,
            valid_until: Some(AT.plus_seconds(60)),
            closed: false,
        }
    }

    fn update(old: CouponBatch, new: CouponBatch) -> Result<CouponBatch, Vec<String>> {
        let operation = Operation::Update { old, new };
        let checked = CouponBatch::check(Change { key: None, customer: None, at: AT, seed: 1, operation });
        let pointers = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.pointer).collect();
        checked.map(|accepted| accepted.record).map_err(pointers)
    }

    #[test]
    fn a_batch_counts_up_to_its_limit() {
        let of = |issued| CouponBatch { issued, ..spring() };
        assert!(update(of(0), of(1)).is_ok() && update(of(1), of(2)).is_ok());
        assert_eq!(update(of(2), of(3)).expect_err("it is used up"), ["/most"]);
        assert_eq!(update(of(0), of(2)).expect_err("two at once"), ["/issued"]);
        assert_eq!(update(of(1), of(0)).expect_err("backwards"), ["/issued"]);
        assert_eq!(update(of(0), CouponBatch { closed: true, ..of(1) }).expect_err("closed"), ["/issued"]);
    }

    #[test]
    fn who_gets_one_more() {
        let may = |batch: CouponBatch, had| batch.may_issue(had, AT).err();
        assert_eq!(may(spring(), 0), None);
        assert_eq!(may(spring(), 1), Some("had-enough"));
        assert_eq!(may(CouponBatch { issued: 2, ..spring() }, 0), Some("used-up"));
        assert_eq!(may(CouponBatch { closed: true, ..spring() }, 0), Some("closed"));
        assert_eq!(spring().may_issue(0, AT.plus_seconds(60)), Err("closed"));
    }
}
