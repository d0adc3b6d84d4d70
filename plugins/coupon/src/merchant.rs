//! The object types `merchant`, who takes coupons, and `coupon-till`, which says for which merchants a key may act.

use openhub_sdk::prelude::*;

use crate::fixed;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "merchant", version = 1)]
pub struct Merchant {
    /// Its key: `north-cafe`.
    #[field(unique)]
    pub merchant: String,
    pub name: String,
    /// How many percent of its coupons' discounts the merchant is paid back.
    #[field(default = Decimal::from_units(10_000))]
    pub share: Decimal<2>,
    /// In which its amounts are: ISO 4217.
    pub currency: Option<String>,
}

impl Check for Merchant {
    fn check(change: Change<Merchant>) -> Result<Accepted<Merchant>, Vec<Fault>> {
        let mut faults = Vec::new();
        let new = match change.operation {
            Operation::Create(new) => new,
            Operation::Update { old, new } => {
                if new.merchant != old.merchant {
                    faults.push(fixed("/merchant"));
                }
                new
            }
            Operation::Delete(old) => return Ok(Accepted::new(old.merchant.clone(), old)),
        };
        if new.merchant.is_empty() || new.merchant.contains('/') {
            faults.push(Fault::new("/merchant", "malformed", "the key of a merchant is not empty and has no slash"));
        }
        if !(0..=10_000).contains(&new.share.units()) {
            faults.push(Fault::new("/share", "out-of-range", "a share is 0 to 100 percent"));
        }
        let is_currency = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if new.currency.as_deref().is_some_and(|currency| !is_currency(currency)) {
            faults.push(Fault::new("/currency", "malformed", "a currency has three letters: EUR"));
        }
        if faults.is_empty() { Ok(Accepted::new(new.merchant.clone(), new)) } else { Err(faults) }
    }
}

/// A key of the hub, and whose tills use it. A key that no object names redeems nothing.
#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "coupon-till", version = 1)]
pub struct CouponTill {
    /// The id of the key, not the key itself.
    #[field(unique)]
    pub key: String,
    pub name: Option<String>,
    #[field(relation = "merchant")]
    pub merchants: Vec<String>,
    /// Whether it may issue coupons, too.
    #[field(default = false)]
    pub may_issue: bool,
}

impl Check for CouponTill {
    fn check(change: Change<CouponTill>) -> Result<Accepted<CouponTill>, Vec<Fault>> {
        match change.operation {
            Operation::Update { old, new } if new.key != old.key => Err(vec![fixed("/key")]),
            Operation::Create(new) | Operation::Update { new, .. } if new.key.is_empty() => {
                Err(vec![Fault::new("/key", "required", "a till has the id of a key")])
            }
            Operation::Create(record) | Operation::Update { new: record, .. } | Operation::Delete(record) => {
                Ok(Accepted::new(record.key.clone(), record))
            }
        }
    }
}
