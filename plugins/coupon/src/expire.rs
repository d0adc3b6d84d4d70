//! Each night, coupons that were issued longer ago than a setting says expire.

use openhub_sdk::prelude::*;
use openhub_sdk::{call, log, objects};

use crate::{Coupon, Status};

const DAY: i64 = 86_400_000_000;
/// Coupons of a look, which are written at once.
const PAGE: u32 = 100;

#[derive(Clone, Debug, Settings)]
pub struct Terms {
    /// Without, no coupon expires by itself.
    pub expire_after_days: Option<i64>,
}

/// The cursor is the key that was looked at last; a night that ends begins anew.
#[job(name = "expire")]
pub fn expire(run: Run) -> Result<Progress, Failure> {
    let terms: Terms = call::settings().map_err(Failure::Misconfigured)?;
    let Some(days) = terms.expire_after_days.filter(|days| *days > 0) else {
        return Ok(Progress::done().note("no coupon expires: the setting expire_after_days is not set"));
    };
    let before = run.scheduled.micros().saturating_sub(days.saturating_mul(DAY));
    let tests = [
        objects::test("status", "eq", "issued"),
        objects::test("issued_at", "lt", Timestamp::from_micros(before).to_string()),
    ];
    let after = run.cursor.as_ref().and_then(|cursor| cursor.as_str());
    let page = objects::find(Coupon::NAME, &tests, after, PAGE)?;
    let found = page.objects.len();
    let mut changes = Vec::with_capacity(found);
    for object in page.objects {
        let coupon: Coupon = object.read()?;
        changes.push(object.replace(&Coupon { status: Status::Expired, ..coupon }));
    }
    if let Err(conflict) = objects::commit(&changes)? {
        // Somebody redeems one of them at this moment: the next attempt sees it as it is then.
        log::info(&format!("a coupon was changed meanwhile: {conflict:?}"));
        return Err(Failure::Retry(Retry {
            after_ms: 1_000,
            reason: Reason::new("changed", "a coupon was changed meanwhile"),
        }));
    }
    let note = format!("{found} coupons expired");
    Ok(match page.next {
        Some(next) => Progress::more(next).note(note),
        None => Progress::done().note(note),
    })
}
