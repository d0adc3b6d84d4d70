//! Coupons: batches of them, the merchants who take them, the API of their tills, and what each merchant is owed.
//!
//! A coupon is issued, may be reserved for a while, and is redeemed once, expires or is cancelled; the last three are final. The check of
//! each type guards this at every door, so that the API, an import, a journey and a till obey the same rules.
//!
//! `coupon`, `batch` and `merchant` are the object types, `till` the API of tills, `issue` and `earn` how a coupon of a batch
//! comes to a customer, by an endpoint and by rules, `expire` and `settle` what happens by the clock.

mod batch;
mod coupon;
mod earn;
mod expire;
mod issue;
mod merchant;
mod money;
mod settle;
mod till;

use openhub_sdk::prelude::*;

pub use batch::{Allowance, CouponBatch};
pub use coupon::{Coupon, CouponIssued, CouponRedeemed, Status};
pub use merchant::{CouponTill, Merchant};
pub use settle::CouponSettlement;

/// A fault at a field that does not change once it is written.
fn fixed(pointer: &str) -> Fault {
    Fault::new(pointer, "fixed", "this never changes once it is written")
}

openhub_sdk::plugin! {
    rules: [earn::earn, earn::draw],
    objects: [Coupon, CouponBatch, Allowance, Merchant, CouponTill, CouponSettlement],
    endpoints: [till::look, till::reserve, till::release, till::redeem, issue::issue, settle::statements, settle::statement],
    jobs: [expire::expire, settle::settle],
}
