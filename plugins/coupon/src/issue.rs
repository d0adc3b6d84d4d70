//! How a coupon of a batch comes to a customer: by an endpoint.
//!
//! The coupon, the batch's count and the customer's are written in one step, each at the version that was read: so there are never more
//! than the batch and the customer may have, however many ask at once.

use openhub_sdk::code;
use openhub_sdk::objects::{self, Object};
use openhub_sdk::prelude::*;
use openhub_sdk::{clock, customers};
use serde_json::Value;

use crate::Coupon;
use crate::batch::{Allowance, CouponBatch};
use crate::expire::again;
use crate::till::{Till, malformed, refused, shown, text};

/// How often a request looks again when somebody else was first.
const ATTEMPTS: usize = 8;

/// `POST /x/coupon/issue`: `{"batch": "spring", "customer": {"user_id": "42"}}`. The `Idempotency-Key` is required: the same request has
/// the same coupon, however often it is sent.
#[endpoint(method = "POST", path = "/issue")]
pub fn issue(call: Call) -> Result<Answer, Failure> {
    if !Till::of(&call)?.is_some_and(|till| till.may_issue()) {
        return Ok(refused(403, "may-not-issue"));
    }
    let Some(once) = call.idempotency_key() else {
        return Err(malformed("name the request with an Idempotency-Key".to_owned()));
    };
    let request = format!("{}:{once}", call.caller.key);
    let body = call.json()?;
    let Some(batch) = text(&body, "batch")? else { return Err(malformed("name the `batch`".to_owned())) };
    let Some(owner) = customer(&body["customer"])? else { return Ok(refused(404, "unknown-customer")) };
    for _ in 0..ATTEMPTS {
        if let Some(answer) = attempt(&request, &batch, &owner)? {
            return Ok(answer);
        }
    }
    Err(again())
}

/// None if somebody else was first.
fn attempt(request: &str, batch: &str, owner: &CustomerRef) -> Result<Option<Answer>, Failure> {
    let now = clock::now();
    let code = code::make(named(request));
    if let Some(object) = objects::get(Coupon::NAME, std::slice::from_ref(&code))?.remove(0) {
        let coupon: Coupon = object.read()?;
        let is_own = coupon.issued_by.as_deref() == Some(request);
        return Ok(Some(if is_own { Answer::json(200, &shown(&coupon, now)) } else { refused(409, "taken") }));
    }
    let Some(of) = objects::get(CouponBatch::NAME, &[batch.to_owned()])?.remove(0) else {
        return Ok(Some(refused(404, "unknown-batch")));
    };
    let had = objects::get(Allowance::NAME, &[Allowance::key(batch, owner)])?.remove(0);
    let before: CouponBatch = of.read()?;
    let allowance: Option<Allowance> = had.as_ref().map(Object::read).transpose()?;
    let count = allowance.map_or(0, |allowance| allowance.issued);
    if let Err(why) = before.may_issue(count, now) {
        return Ok(Some(refused(409, why)));
    }
    let coupon = Coupon {
        code: Some(code),
        batch: Some(before.batch.clone()),
        percent: before.percent,
        amount: before.amount,
        issued_at: Some(now),
        issued_by: Some(request.to_owned()),
        valid_from: before.valid_from,
        valid_until: before.valid_until,
        ..Coupon::new(Some(owner.clone()))
    };
    let counted = Allowance { batch: batch.to_owned(), owner: owner.clone(), issued: count + 1 };
    let writes = [
        of.replace(&CouponBatch { issued: before.issued + 1, ..before }),
        match had {
            Some(object) => object.replace(&counted),
            None => objects::create(&counted),
        },
        objects::create(&coupon),
    ];
    Ok(objects::commit(&writes)?.ok().map(|()| Answer::json(201, &shown(&coupon, now))))
}

/// The customer that the body names: `"<id>"`, or one identity, `{"user_id": "42"}`.
fn customer(named: &Value) -> Result<Option<CustomerRef>, Failure> {
    let wrong = || malformed("`customer` must be an id, or one identity like {\"user_id\": \"42\"}".to_owned());
    let found = match named {
        Value::String(id) => customers::get(std::slice::from_ref(id), &[])?,
        Value::Object(identity) => match identity.iter().next() {
            Some((kind, Value::String(value))) if identity.len() == 1 => customers::find(&[(kind, value)], &[])?,
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    Ok(found.into_iter().next().flatten().map(|customer| CustomerRef(customer.id)))
}

/// A number for a text: FNV-1a (Fowler, Noll, Vo), 64 bits.
fn named(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
