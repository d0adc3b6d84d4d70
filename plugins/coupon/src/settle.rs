//! What each merchant is owed: the object type `coupon-settlement`, one for each merchant and period, the job that makes them, and the
//! report for the merchant.
//!
//! A coupon is counted in the step in which it gets its settlement, so that it is in one and counts once, wherever a run breaks off.

use std::collections::BTreeMap;

use openhub_sdk::objects::{self, Object, Operation as Write};
use openhub_sdk::prelude::*;
use openhub_sdk::{call, log};
use serde_json::{Value, json};

use crate::Coupon;
use crate::expire::{Span, Terms, again};
use crate::fixed;
use crate::merchant::Merchant;
use crate::money::{self, Money};
use crate::till::{self, Till};

/// Coupons of a look: with a settlement for each of them, they are written at once.
const PAGE: u32 = 50;
/// A period is over so long after its end: a till may just be redeeming.
const GRACE: i64 = 3_600;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "coupon-settlement", version = 1)]
pub struct CouponSettlement {
    #[field(relation = "merchant")]
    pub merchant: String,
    /// `2026-01`, or `2026-01-31`, by UTC.
    pub period: String,
    pub coupons: i64,
    /// What the orders came to, and what the coupons took off.
    pub orders: Decimal<2>,
    pub discounts: Decimal<2>,
    /// The merchant's share as it was when the settlement was begun, in percent, and what it makes of the discounts.
    pub share: Decimal<2>,
    pub payable: Decimal<2>,
    pub currency: Option<String>,
    /// Nothing is added any more.
    #[field(default = false)]
    pub closed: bool,
}

impl CouponSettlement {
    fn key(merchant: &str, period: &str) -> String {
        format!("{merchant}/{period}")
    }

    fn begun(merchant: &Merchant, period: &str) -> CouponSettlement {
        let nothing = Money::from_units(0);
        CouponSettlement {
            merchant: merchant.merchant.clone(),
            period: period.to_owned(),
            coupons: 0,
            orders: nothing,
            discounts: nothing,
            share: merchant.share,
            payable: nothing,
            currency: merchant.currency.clone(),
            closed: false,
        }
    }

    fn add(&mut self, coupon: &Coupon) {
        let or_nothing = |amount: Option<Money>| amount.unwrap_or(Money::from_units(0));
        self.coupons += 1;
        self.orders = money::plus(self.orders, or_nothing(coupon.order_amount));
        self.discounts = money::plus(self.discounts, or_nothing(coupon.discount));
    }

    fn shown(&self) -> Value {
        json!({
            "merchant": self.merchant, "period": self.period, "coupons": self.coupons, "orders": self.orders.to_string(),
            "discounts": self.discounts.to_string(), "share": self.share.to_string(), "payable": self.payable.to_string(),
            "currency": self.currency, "closed": self.closed,
        })
    }
}

impl Check for CouponSettlement {
    fn check(change: Change<CouponSettlement>) -> Result<Accepted<CouponSettlement>, Vec<Fault>> {
        let new = match change.operation {
            Operation::Create(new) => new,
            Operation::Update { old, .. } if old.closed => {
                return Err(vec![Fault::new("/closed", "closed", "a closed settlement does not change")]);
            }
            Operation::Update { old, new } => {
                let mut faults = Vec::new();
                for (pointer, changes) in [
                    ("/merchant", new.merchant != old.merchant),
                    ("/period", new.period != old.period),
                    ("/share", new.share != old.share),
                ] {
                    if changes {
                        faults.push(fixed(pointer));
                    }
                }
                if new.coupons < old.coupons {
                    faults.push(Fault::new("/coupons", "out-of-range", "a coupon stays in its settlement"));
                }
                if !faults.is_empty() {
                    return Err(faults);
                }
                new
            }
            Operation::Delete(_) => {
                return Err(vec![Fault::new("", "fixed", "coupons are settled once, so a settlement stays")]);
            }
        };
        let payable = money::part(new.discounts, new.share);
        Ok(Accepted::new(CouponSettlement::key(&new.merchant, &new.period), CouponSettlement { payable, ..new }))
    }
}

/// First the coupons, then the settlements whose period is over. The cursor is which of them, and the key that was looked at last.
#[job(name = "settle")]
pub fn settle(run: Run) -> Result<Progress, Failure> {
    let terms: Terms = call::settings().map_err(Failure::Misconfigured)?;
    let span = terms.settle_by.unwrap_or(Span::Month);
    let cursor = run.cursor.unwrap_or_default();
    let after = cursor["after"].as_str();
    let closing = cursor["closing"] == true;
    let (note, next) = match closing {
        false => count(after, span)?,
        true => close(after, &period(run.scheduled.plus_seconds(-GRACE), span))?,
    };
    let next = match (next, closing) {
        (Some(after), _) => Some(json!({"closing": closing, "after": after})),
        (None, false) => Some(json!({"closing": true})),
        (None, true) => None,
    };
    Ok(next.map_or_else(Progress::done, Progress::more).note(note))
}

type Page = (String, Option<String>);

/// Settles the next coupons.
fn count(after: Option<&str>, span: Span) -> Result<Page, Failure> {
    let tests = [
        objects::test("status", "eq", "redeemed"),
        objects::test("merchant", "exists", Value::Null),
        objects::test("settlement", "missing", Value::Null),
    ];
    let page = objects::find(Coupon::NAME, &tests, after, PAGE)?;
    let mut open: BTreeMap<String, (Option<Object>, CouponSettlement)> = BTreeMap::new();
    let mut coupons = Vec::new();
    for object in page.objects {
        let coupon: Coupon = object.read()?;
        let (Some(merchant), Some(at)) = (&coupon.merchant, coupon.redeemed_at) else { continue };
        let period = period(at, span);
        let key = CouponSettlement::key(merchant, &period);
        if !open.contains_key(&key) {
            let Some(known) = known(merchant, &period, &key)? else { continue };
            open.insert(key.clone(), known);
        }
        let Some((_, settlement)) = open.get_mut(&key).filter(|(_, settlement)| !settlement.closed) else {
            log::warn(&format!("the settlement {key} is closed, and a coupon was redeemed in its period"));
            continue;
        };
        settlement.add(&coupon);
        coupons.push(object.replace(&Coupon { settlement: Some(key), ..coupon }));
    }
    let note = format!("{} coupons settled", coupons.len());
    // The settlements come first: coupons lead to them.
    let settlements = open.into_values().filter(|(_, settlement)| !settlement.closed);
    let mut writes: Vec<Write> = settlements.map(|(object, settlement)| written(object, &settlement)).collect();
    writes.append(&mut coupons);
    commit(&writes)?;
    Ok((note, page.next))
}

/// The settlement of a merchant and a period, if it was begun, and as it is or begins. None without the merchant.
fn known(merchant: &str, period: &str, key: &str) -> Result<Option<(Option<Object>, CouponSettlement)>, Failure> {
    if let Some(object) = objects::get(CouponSettlement::NAME, &[key.to_owned()])?.remove(0) {
        let settlement = object.read()?;
        return Ok(Some((Some(object), settlement)));
    }
    let Some(merchant) = objects::get(Merchant::NAME, &[merchant.to_owned()])?.remove(0) else { return Ok(None) };
    Ok(Some((None, CouponSettlement::begun(&merchant.read()?, period))))
}

fn written(object: Option<Object>, settlement: &CouponSettlement) -> Write {
    match object {
        Some(object) => object.replace(settlement),
        None => objects::create(settlement),
    }
}

/// Closes the next settlements of periods before this one.
fn close(after: Option<&str>, current: &str) -> Result<Page, Failure> {
    let tests = [objects::test("closed", "eq", false)];
    let page = objects::find(CouponSettlement::NAME, &tests, after, PAGE)?;
    let mut writes = Vec::new();
    for object in page.objects {
        let settlement: CouponSettlement = object.read()?;
        // A day comes before its month ends, whichever the setting says now.
        if settlement.period.as_str() < &current[..settlement.period.len().min(current.len())] {
            writes.push(object.replace(&CouponSettlement { closed: true, ..settlement }));
        }
    }
    let note = format!("{} settlements closed", writes.len());
    commit(&writes)?;
    Ok((note, page.next))
}

/// All of it, or another attempt: somebody changed one of them.
fn commit(writes: &[Write]) -> Result<(), Failure> {
    if writes.is_empty() {
        return Ok(());
    }
    objects::commit(writes)?.map_err(|conflict| {
        log::info(&format!("an object was changed meanwhile: {conflict:?}"));
        again()
    })
}

/// The period that a time is in.
fn period(at: Timestamp, span: Span) -> String {
    let mut text = at.to_string();
    text.truncate(match span {
        Span::Day => "2026-01-31".len(),
        Span::Month => "2026-01".len(),
    });
    text
}

/// `GET /x/coupon/merchants/{merchant}/settlements`: by period, `?after=2026-01` goes on.
#[endpoint(method = "GET", path = "/merchants/{merchant}/settlements")]
pub fn statements(call: Call) -> Result<Answer, Failure> {
    let merchant = match own_merchant(&call)? {
        Ok(merchant) => merchant,
        Err(refused) => return Ok(refused),
    };
    let after = CouponSettlement::key(&merchant, &call.request.parameter("after").unwrap_or_default());
    let page = objects::find(
        CouponSettlement::NAME,
        &[objects::test("merchant", "eq", merchant.as_str())],
        Some(&after),
        PAGE,
    )?;
    let settlements: Vec<CouponSettlement> = page.objects.iter().map(Object::read).collect::<Result<_, _>>()?;
    let next = page.next.and_then(|_| Some(settlements.last()?.period.clone()));
    let settlements: Vec<Value> = settlements.iter().map(CouponSettlement::shown).collect();
    Ok(Answer::json(200, &json!({"settlements": settlements, "next": next})))
}

/// `GET /x/coupon/merchants/{merchant}/settlements/{period}`
#[endpoint(method = "GET", path = "/merchants/{merchant}/settlements/{period}")]
pub fn statement(call: Call) -> Result<Answer, Failure> {
    let merchant = match own_merchant(&call)? {
        Ok(merchant) => merchant,
        Err(refused) => return Ok(refused),
    };
    let key = CouponSettlement::key(&merchant, &call.step("period").unwrap_or_default());
    match objects::get(CouponSettlement::NAME, &[key])?.remove(0) {
        Some(object) => Ok(Answer::json(200, &object.read::<CouponSettlement>()?.shown())),
        None => Ok(till::refused(404, "unknown")),
    }
}

/// The merchant of the path, if the caller's key acts for them.
fn own_merchant(call: &Call) -> Result<Result<String, Answer>, Failure> {
    let merchant = call.step("merchant").unwrap_or_default();
    Ok(match Till::of(call)? {
        Some(till) if till.acts_for(&merchant) => Ok(merchant),
        _ => Err(till::refused(403, "other-merchant")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_a_day_and_a_month() {
        let at = Timestamp::parse("2026-01-31T23:59:59.999999Z").expect("a time");
        assert_eq!((period(at, Span::Day).as_str(), period(at, Span::Month).as_str()), ("2026-01-31", "2026-01"));
    }
}
