//! The API of tills: a till looks a coupon up, reserves it while the customer pays, lets go of it, or redeems it, once.
//!
//! A till is a key of the hub, which an object `coupon-till` allows for some merchants, and what the body calls `till` where several share
//! a key. Which of many requests wins is decided by the version of the coupon that they replace; the others look again, and see what became
//! of it. An order that has redeemed a coupon has the same answer whenever it asks again.

use openhub_sdk::clock;
use openhub_sdk::code;
use openhub_sdk::objects::{self, Object};
use openhub_sdk::prelude::*;
use serde_json::{Value, json};

use crate::batch::CouponBatch;
use crate::expire::again;
use crate::merchant::CouponTill;
use crate::money::Money;
use crate::{Coupon, Status};

/// How long a reservation holds, if the till does not say, and at most.
const SECONDS: i64 = 300;
const MOST_SECONDS: i64 = 3_600;
/// Bytes of a till's name, and of an order's.
const NAME: usize = 200;
/// How often a request looks again when somebody else has changed the coupon.
const ATTEMPTS: usize = 4;

/// Who calls, and what they may.
pub struct Till {
    key: String,
    allowed: CouponTill,
}

impl Till {
    /// None for a key that no till has.
    pub fn of(call: &Call) -> Result<Option<Till>, Failure> {
        let key = call.caller.key.clone();
        let Some(object) = objects::get(CouponTill::NAME, std::slice::from_ref(&key))?.remove(0) else {
            return Ok(None);
        };
        Ok(Some(Till { key, allowed: object.read()? }))
    }

    pub fn acts_for(&self, merchant: &str) -> bool {
        self.allowed.merchants.iter().any(|own| own == merchant)
    }

    pub fn may_issue(&self) -> bool {
        self.allowed.may_issue
    }

    /// The till's own name, where several share its key.
    fn named(&self, body: &Value) -> Result<String, Failure> {
        Ok(format!("{}/{}", self.key, text(body, "till")?.unwrap_or_default()))
    }

    /// The merchant that the body names, or the only one there is.
    fn merchant(&self, body: &Value) -> Result<Option<String>, Failure> {
        let only = || (self.allowed.merchants.len() == 1).then(|| self.allowed.merchants[0].clone());
        Ok(text(body, "merchant")?.or_else(only).filter(|merchant| self.acts_for(merchant)))
    }
}

/// A coupon that the caller's till may see.
struct Found {
    till: Till,
    object: Object,
    coupon: Coupon,
    /// The merchants who take it; empty: all.
    takers: Vec<String>,
}

impl Found {
    /// The coupon of the path, however its code is written; or what its caller is told.
    fn of(call: &Call) -> Result<Result<Found, Answer>, Failure> {
        let Some(till) = Till::of(call)? else { return Ok(Err(refused(403, "no-till"))) };
        let Some(code) = call.step("code").and_then(|code| code::read(&code)) else { return Ok(Err(unknown())) };
        let Some(object) = objects::get(Coupon::NAME, &[code])?.remove(0) else { return Ok(Err(unknown())) };
        let coupon: Coupon = object.read()?;
        let takers = match &coupon.batch {
            None => Vec::new(),
            Some(batch) => match objects::get(CouponBatch::NAME, std::slice::from_ref(batch))?.remove(0) {
                Some(batch) => batch.read::<CouponBatch>()?.merchants,
                None => return Ok(Err(unknown())),
            },
        };
        if !takers.is_empty() && !takers.iter().any(|taker| till.acts_for(taker)) {
            return Ok(Err(refused(403, "other-merchant")));
        }
        Ok(Ok(Found { till, object, coupon, takers }))
    }

    fn takes(&self, merchant: &str) -> bool {
        self.takers.is_empty() || self.takers.iter().any(|taker| taker == merchant)
    }

    /// Writes the coupon as it shall be. None if somebody else has changed it: then it is to be looked at again.
    fn write(self, new: &Coupon) -> Result<Option<()>, Failure> {
        Ok(objects::commit(&[self.object.replace(new)])?.ok())
    }
}

/// Looks at the coupon and acts on it, again as long as somebody else is first.
fn act(call: &Call, once: impl Fn(Found) -> Result<Option<Answer>, Failure>) -> Result<Answer, Failure> {
    for _ in 0..ATTEMPTS {
        let found = match Found::of(call)? {
            Ok(found) => found,
            Err(refused) => return Ok(refused),
        };
        if let Some(answer) = once(found)? {
            return Ok(answer);
        }
    }
    Err(again())
}

/// `GET /x/coupon/coupons/{code}`: what it is worth, and whether it can be redeemed.
#[endpoint(method = "GET", path = "/coupons/{code}")]
pub fn look(call: Call) -> Result<Answer, Failure> {
    Ok(match Found::of(&call)? {
        Ok(found) => Answer::json(200, &shown(&found.coupon, clock::now())),
        Err(refused) => refused,
    })
}

/// `POST /x/coupon/coupons/{code}/reserve`: no other till redeems it for a while. `{"till": …, "seconds": 300}`
#[endpoint(method = "POST", path = "/coupons/{code}/reserve")]
pub fn reserve(call: Call) -> Result<Answer, Failure> {
    let body = call.json()?;
    let seconds = match &body["seconds"] {
        Value::Null => SECONDS,
        seconds => seconds
            .as_i64()
            .filter(|seconds| (1..=MOST_SECONDS).contains(seconds))
            .ok_or_else(|| malformed(format!("`seconds` must be a whole number from 1 to {MOST_SECONDS}")))?,
    };
    act(&call, |found| {
        let now = clock::now();
        if let Some(refused) = usable(&found.coupon, now) {
            return Ok(Some(refused));
        }
        let by = found.till.named(&body)?;
        if found.coupon.holder(now).is_some_and(|holder| holder != by) {
            return Ok(Some(refused(409, "reserved")));
        }
        let until = now.plus_seconds(seconds);
        let new = Coupon {
            status: Status::Reserved,
            reserved_by: Some(by),
            reserved_until: Some(until),
            ..found.coupon.clone()
        };
        Ok(found.write(&new)?.map(|()| {
            let mut told = shown(&new, now);
            told["reserved_seconds"] = seconds.into();
            Answer::json(200, &told)
        }))
    })
}

/// `POST /x/coupon/coupons/{code}/release`: the till that has it reserved lets go of it. `{"till": …}`
#[endpoint(method = "POST", path = "/coupons/{code}/release")]
pub fn release(call: Call) -> Result<Answer, Failure> {
    let body = call.json()?;
    act(&call, |found| {
        let now = clock::now();
        let by = found.till.named(&body)?;
        if found.coupon.status != Status::Reserved {
            return Ok(Some(match found.coupon.status {
                Status::Issued => Answer::json(200, &shown(&found.coupon, now)),
                status => refused(409, word(status)),
            }));
        }
        if found.coupon.holder(now).is_some_and(|holder| holder != by) {
            return Ok(Some(refused(409, "reserved")));
        }
        let new = found.coupon.clone().released();
        Ok(found.write(&new)?.map(|()| Answer::json(200, &shown(&new, now))))
    })
}

/// `POST /x/coupon/coupons/{code}/redeem`:
/// `{"till": …, "merchant": "north-cafe", "order": "4711", "order_amount": "99.90"}`. Without `order`, the `Idempotency-Key` names it;
/// without `merchant`, it is the only one of the key.
#[endpoint(method = "POST", path = "/coupons/{code}/redeem")]
pub fn redeem(call: Call) -> Result<Answer, Failure> {
    let body = call.json()?;
    let order = text(&body, "order")?.or_else(|| call.idempotency_key().map(str::to_owned));
    let order = order.filter(|order| !order.is_empty() && order.len() <= NAME);
    let Some(order) = order else {
        return Err(malformed(format!("name the order, in `order` or as Idempotency-Key: at most {NAME} bytes")));
    };
    let amount = amount(&body)?;
    act(&call, |found| {
        let Some(merchant) = found.till.merchant(&body)?.filter(|merchant| found.takes(merchant)) else {
            return Ok(Some(refused(403, "other-merchant")));
        };
        let (now, coupon) = (clock::now(), &found.coupon);
        let is_own =
            (coupon.merchant.as_deref(), coupon.order.as_deref()) == (Some(merchant.as_str()), Some(order.as_str()));
        if coupon.status == Status::Redeemed && is_own {
            return Ok(Some(Answer::json(200, &shown(coupon, now))));
        }
        if let Some(refused) = usable(coupon, now) {
            return Ok(Some(refused));
        }
        let by = found.till.named(&body)?;
        if coupon.holder(now).is_some_and(|holder| holder != by) {
            return Ok(Some(refused(409, "reserved")));
        }
        let new = Coupon {
            status: Status::Redeemed,
            merchant: Some(merchant),
            order: Some(order.clone()),
            order_amount: amount,
            redeemed_by: Some(by.clone()),
            reserved_by: coupon.reserved_by.as_ref().map(|_| by),
            ..coupon.clone()
        };
        if found.write(&new)?.is_none() {
            return Ok(None);
        }
        // As it is stored: the check has worked out what it takes off.
        Ok(match Found::of(&call)? {
            Ok(found) => Some(Answer::json(200, &shown(&found.coupon, now))),
            Err(refused) => Some(refused),
        })
    })
}

/// Why it cannot be used now, if it cannot.
fn usable(coupon: &Coupon, now: Timestamp) -> Option<Answer> {
    match coupon.status {
        Status::Issued | Status::Reserved if coupon.valid_until.is_some_and(|until| until <= now) => {
            Some(refused(409, "expired"))
        }
        Status::Issued | Status::Reserved if coupon.valid_from.is_some_and(|from| from > now) => {
            Some(refused(409, "not-yet-valid"))
        }
        Status::Issued | Status::Reserved => None,
        status => Some(refused(409, word(status))),
    }
}

/// A text of the body, if it is there.
pub fn text(body: &Value, name: &str) -> Result<Option<String>, Failure> {
    match &body[name] {
        Value::Null => Ok(None),
        Value::String(text) if text.len() <= NAME => Ok(Some(text.clone())),
        _ => Err(malformed(format!("`{name}` must be a text of at most {NAME} bytes"))),
    }
}

/// The order's amount: a number, or a text like "99.90".
fn amount(body: &Value) -> Result<Option<Money>, Failure> {
    let read = match &body["order_amount"] {
        Value::Null => return Ok(None),
        Value::String(text) => Money::parse(text),
        Value::Number(number) => Money::parse(&number.to_string()),
        _ => None,
    };
    let amount = read.filter(|amount| amount.units() >= 0);
    amount
        .map(Some)
        .ok_or_else(|| malformed("`order_amount` must be an amount of at least zero, like \"99.90\"".to_owned()))
}

pub fn malformed(message: String) -> Failure {
    Failure::Rejected(Reason::new("malformed", message))
}

pub fn shown(coupon: &Coupon, now: Timestamp) -> Value {
    let mut told = json!({"code": coupon.code, "status": word(coupon.status_at(now))});
    let money = |amount: Option<Money>| amount.map(|amount| Value::from(amount.to_string()));
    let time = |at: Option<Timestamp>| at.map(|at| Value::from(at.to_string()));
    for (name, value) in [
        ("batch", coupon.batch.clone().map(Value::from)),
        ("percent", coupon.percent.map(Value::from)),
        ("amount", money(coupon.amount)),
        ("valid_from", time(coupon.valid_from)),
        ("valid_until", time(coupon.valid_until)),
        ("merchant", coupon.merchant.clone().map(Value::from)),
        ("order", coupon.order.clone().map(Value::from)),
        ("order_amount", money(coupon.order_amount)),
        ("discount", money(coupon.discount)),
    ] {
        if let Some(value) = value {
            told[name] = value;
        }
    }
    told
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Issued => "issued",
        Status::Reserved => "reserved",
        Status::Redeemed => "redeemed",
        Status::Expired => "expired",
        Status::Cancelled => "cancelled",
    }
}

pub fn refused(status: u16, why: &str) -> Answer {
    Answer::json(status, &json!({"error": why}))
}

fn unknown() -> Answer {
    refused(404, "unknown")
}
