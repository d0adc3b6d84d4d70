//! How a coupon of a batch comes to a customer by what they do: rules, so that it replays.
//!
//! Two, since a rule reads an object by what the row names: the first says which batch it is, the second looks at the batch and at what the
//! customer has had of it, in the order of the log.

use openhub_sdk::prelude::*;

use crate::batch::{Allowance, AllowancePatch, CouponBatch, CouponBatchPatch};
use crate::coupon::Coupon;

#[derive(Clone, Debug, Reads)]
pub struct Deed {
    #[read("event.properties.coupon_batch", bind)]
    pub batch: Option<String>,
}

#[derive(Clone, Debug, Params)]
pub struct Gift {
    /// The batch, if the event does not name one.
    pub batch: Option<String>,
}

/// The customer is due a coupon of a batch.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct CouponDue {
    pub batch: String,
}

#[derive(Debug, Default, PartialEq, Writes)]
pub struct Earned {
    pub due: Option<CouponDue>,
}

/// Bind `on` to the events that earn a coupon.
#[rule(on = "Coupon Earned")]
pub fn earn(row: Deed, gift: &Gift) -> Earned {
    let batch = row.batch.or_else(|| gift.batch.clone()).filter(|batch| !batch.is_empty());
    Earned { due: batch.map(|batch| CouponDue { batch }) }
}

#[derive(Clone, Debug, Reads)]
pub struct Draw {
    #[read("row.customer")]
    pub customer: CustomerRef,
    #[read("row.at")]
    pub at: Timestamp,
    #[read("event.properties.batch")]
    pub batch: String,
    #[read("object.coupon-batch[event.properties.batch].name")]
    pub name: Option<String>,
    #[read("object.coupon-batch[event.properties.batch].percent")]
    pub percent: Option<i64>,
    #[read("object.coupon-batch[event.properties.batch].amount")]
    pub amount: Option<Decimal<2>>,
    #[read("object.coupon-batch[event.properties.batch].most")]
    pub most: Option<i64>,
    #[read("object.coupon-batch[event.properties.batch].issued")]
    pub issued: Option<i64>,
    #[read("object.coupon-batch[event.properties.batch].per_customer")]
    pub per_customer: Option<i64>,
    #[read("object.coupon-batch[event.properties.batch].valid_from")]
    pub valid_from: Option<Timestamp>,
    #[read("object.coupon-batch[event.properties.batch].valid_until")]
    pub valid_until: Option<Timestamp>,
    #[read("object.coupon-batch[event.properties.batch].closed")]
    pub closed: Option<bool>,
    #[read("object.coupon-allowance[event.properties.batch/row.customer].issued")]
    pub had: Option<i64>,
}

/// The customer gets no coupon, and why.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct CouponRefused {
    pub batch: String,
    pub why: String,
}

#[derive(Debug, Default, Writes)]
pub struct Drawn {
    #[object]
    pub coupons: Vec<ObjectEffect<Coupon>>,
    #[object]
    pub batches: Vec<ObjectEffect<CouponBatch>>,
    #[object]
    pub allowances: Vec<ObjectEffect<Allowance>>,
    pub refused: Option<CouponRefused>,
}

/// Takes a coupon out of a batch, if there is one left for this customer.
#[rule(on = "Coupon Due")]
pub fn draw(row: Draw) -> Drawn {
    let had = row.had.unwrap_or(0);
    let why = match batch(&row) {
        None => Err("unknown-batch"),
        Some(batch) => batch.may_issue(had, row.at),
    };
    if let Err(why) = why {
        return Drawn { refused: Some(CouponRefused { batch: row.batch, why: why.to_owned() }), ..Drawn::default() };
    }
    let count = Some(row.issued.unwrap_or(0) + 1);
    let allowance = match row.had {
        Some(had) => ObjectEffect::Patch(
            Allowance::key(&row.batch, &row.customer),
            AllowancePatch { issued: Some(had + 1), ..AllowancePatch::default() },
        ),
        None => ObjectEffect::Create(Allowance { batch: row.batch.clone(), owner: row.customer.clone(), issued: 1 }),
    };
    let coupon = Coupon {
        batch: Some(row.batch.clone()),
        percent: row.percent,
        amount: row.amount,
        valid_from: row.valid_from,
        valid_until: row.valid_until,
        ..Coupon::new(Some(row.customer))
    };
    Drawn {
        coupons: vec![ObjectEffect::Create(coupon)],
        batches: vec![ObjectEffect::Patch(
            row.batch,
            CouponBatchPatch { issued: count, ..CouponBatchPatch::default() },
        )],
        allowances: vec![allowance],
        refused: None,
    }
}

/// The batch as far as it decides; none if there is none of that key.
fn batch(row: &Draw) -> Option<CouponBatch> {
    Some(CouponBatch {
        batch: row.batch.clone(),
        name: row.name.clone()?,
        merchants: Vec::new(),
        percent: row.percent,
        amount: row.amount,
        most: row.most,
        issued: row.issued.unwrap_or(0),
        per_customer: row.per_customer,
        valid_from: row.valid_from,
        valid_until: row.valid_until,
        closed: row.closed.unwrap_or(false),
    })
}
