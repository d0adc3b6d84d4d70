//! The API of tills: a till looks a coupon up, reserves it while the customer pays, and redeems it, once.
//!
//! A till is a key, and what the body calls `till` where several share one. Whoever redeems has the reservation first, so that
//! nobody reserves what somebody else is about to redeem; which of several requests of one till redeems is decided by the version of
//! the coupon that they replace. A coupon says by which request it was redeemed: sent again, that request has the same answer.

use openhub_sdk::objects::{self, Object};
use openhub_sdk::prelude::*;
use openhub_sdk::{kv, log};
use serde_json::{Value, json};

use crate::{Coupon, Status, code};

/// How long a reservation holds.
const SECONDS: u32 = 300;
/// Characters of a till's name.
const NAME: usize = 64;

/// `GET /x/coupon/coupons/{code}`: what it is worth, and whether it can be redeemed.
#[endpoint(method = "GET", path = "/coupons/{code}")]
pub fn look(call: Call) -> Result<Answer, Failure> {
    match find(&call)? {
        Some((_, coupon)) => Ok(Answer::json(200, &shown(&coupon))),
        None => unknown(),
    }
}

/// `POST /x/coupon/coupons/{code}/reserve`: no other till redeems it for five minutes.
#[endpoint(method = "POST", path = "/coupons/{code}/reserve")]
pub fn reserve(call: Call) -> Result<Answer, Failure> {
    let Some((_, coupon)) = find(&call)? else { return unknown() };
    if coupon.status != Status::Issued {
        return refused(coupon.status);
    }
    match hold(&coupon, &till(&call)?)? {
        true => {
            Ok(Answer::json(200, &json!({"code": coupon.code, "percent": coupon.percent, "reserved_seconds": SECONDS})))
        }
        false => Ok(Answer::json(409, &json!({"error": "reserved"}))),
    }
}

/// `POST /x/coupon/coupons/{code}/redeem`
#[endpoint(method = "POST", path = "/coupons/{code}/redeem")]
pub fn redeem(call: Call) -> Result<Answer, Failure> {
    let Some((object, coupon)) = find(&call)? else { return unknown() };
    let by = call.idempotency_key().map(|once| format!("{}:{once}", call.caller.key));
    if coupon.status == Status::Redeemed && by.is_some() && coupon.redeemed_by == by {
        return Ok(Answer::json(200, &shown(&coupon)));
    }
    if coupon.status != Status::Issued {
        return refused(coupon.status);
    }
    if !hold(&coupon, &till(&call)?)? {
        return Ok(Answer::json(409, &json!({"error": "reserved"})));
    }
    let redeemed = Coupon { status: Status::Redeemed, redeemed_by: by, ..coupon };
    match objects::commit(&[object.replace(&redeemed)])? {
        Ok(()) => Ok(Answer::json(200, &shown(&redeemed))),
        Err(conflict) => {
            // Another request was first; maybe this very one, sent twice at the same moment.
            log::info(&format!("a coupon was changed meanwhile: {conflict:?}"));
            match find(&call)? {
                Some((_, now)) if now.redeemed_by.is_some() && now.redeemed_by == redeemed.redeemed_by => {
                    Ok(Answer::json(200, &shown(&now)))
                }
                Some((_, now)) if now.status != Status::Issued => refused(now.status),
                Some(_) => Ok(Answer::json(409, &json!({"error": "changed"}))),
                None => unknown(),
            }
        }
    }
}

/// The coupon of the path, however its code is written.
fn find(call: &Call) -> Result<Option<(Object, Coupon)>, Failure> {
    let Some(code) = call.step("code").and_then(|code| code::read(&code)) else { return Ok(None) };
    let Some(object) = objects::get(Coupon::NAME, &[code])?.remove(0) else { return Ok(None) };
    let coupon = object.read()?;
    Ok(Some((object, coupon)))
}

/// Whether the coupon is this till's to redeem now. A reservation is its owner's data, and is erased with them.
fn hold(coupon: &Coupon, till: &str) -> Result<bool, Failure> {
    let key = format!("reserved/{}", coupon.code.as_deref().unwrap_or_default());
    let held = |entry: Option<kv::Entry>| entry.map(|entry| entry.text() == Some(till));
    if let Some(is_own) = held(kv::get(&key)?) {
        return Ok(is_own);
    }
    let entry = kv::entry(&key, till).for_seconds(SECONDS);
    let entry = match &coupon.owner {
        Some(CustomerRef(owner)) => entry.of(owner),
        None => entry,
    };
    match entry.set_if(0)? {
        Some(_) => Ok(true),
        None => Ok(held(kv::get(&key)?).unwrap_or_default()),
    }
}

/// Who reserves.
fn till(call: &Call) -> Result<String, Failure> {
    let body = call.json()?;
    let name = match &body["till"] {
        Value::Null => "",
        Value::String(name) if name.len() <= NAME => name,
        _ => {
            let message = format!("`till` must be a text of at most {NAME} bytes");
            return Err(Failure::Rejected(Reason::new("malformed", message)));
        }
    };
    Ok(format!("{}/{name}", call.caller.key))
}

fn shown(coupon: &Coupon) -> Value {
    json!({"code": coupon.code, "percent": coupon.percent, "status": word(coupon.status)})
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Issued => "issued",
        Status::Redeemed => "redeemed",
        Status::Expired => "expired",
    }
}

fn refused(status: Status) -> Result<Answer, Failure> {
    Ok(Answer::json(409, &json!({"error": word(status)})))
}

fn unknown() -> Result<Answer, Failure> {
    Ok(Answer::json(404, &json!({"error": "unknown"})))
}
