//! Each night, coupons expire: those whose time is over, and those that were issued longer ago than a setting says.

use openhub_sdk::prelude::*;
use openhub_sdk::{call, log, objects};
use serde_json::{Value, json};

use crate::{Coupon, Status};

const DAY: i64 = 86_400;
/// Coupons of a look, which are written at once.
const PAGE: u32 = 100;

#[derive(Clone, Debug, Settings)]
pub struct Terms {
    /// Without, only coupons that say until when they are valid expire by themselves.
    pub expire_after_days: Option<i64>,
    /// How long a settlement is. Default: a month.
    pub settle_by: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Span {
    Day,
    Month,
}

/// What makes a coupon expire, in the order in which the night looks for it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Because {
    Over,
    Old,
}

/// The cursor is what is looked for and the key that was looked at last; a night that ends begins anew.
#[job(name = "expire")]
pub fn expire(run: Run) -> Result<Progress, Failure> {
    let terms: Terms = call::settings().map_err(Failure::Misconfigured)?;
    let days = terms.expire_after_days.filter(|days| *days > 0);
    let cursor = run.cursor.unwrap_or_default();
    let because = if cursor["old"] == true { Because::Old } else { Because::Over };
    let Some((field, before)) = due(because, run.scheduled, days) else {
        return Ok(
            Progress::done().note("coupons without an end do not expire: the setting expire_after_days is not set")
        );
    };
    let tests =
        [objects::test("status", "in", json!(["issued", "reserved"])), objects::test(field, "le", before.to_string())];
    let page = objects::find(Coupon::NAME, &tests, cursor["after"].as_str(), PAGE)?;
    let mut changes = Vec::with_capacity(page.objects.len());
    for object in page.objects {
        let coupon: Coupon = object.read()?;
        // Somebody is paying with it at this moment: the next night finds it.
        if coupon.holder(run.scheduled).is_none() {
            changes.push(object.replace(&Coupon { status: Status::Expired, ..coupon }));
        }
    }
    if let Err(conflict) = objects::commit(&changes)? {
        // Somebody redeems one of them at this moment: the next attempt sees it as it is then.
        log::info(&format!("a coupon was changed meanwhile: {conflict:?}"));
        return Err(again());
    }
    let note = format!("{} coupons expired", changes.len());
    let next: Option<Value> = match (page.next, because) {
        (Some(after), _) => Some(json!({"old": because == Because::Old, "after": after})),
        (None, Because::Over) => days.map(|_| json!({"old": true})),
        (None, Because::Old) => None,
    };
    Ok(next.map_or_else(Progress::done, Progress::more).note(note))
}

/// The field that says when it is due, and what that was at the latest.
fn due(because: Because, now: Timestamp, days: Option<i64>) -> Option<(&'static str, Timestamp)> {
    match because {
        Because::Over => Some(("valid_until", now)),
        Because::Old => Some(("issued_at", now.plus_seconds(-days?.saturating_mul(DAY)))),
    }
}

/// Another attempt from the same cursor.
pub fn again() -> Failure {
    Failure::Retry(Retry { after_ms: 1_000, reason: Reason::new("changed", "an object was changed meanwhile") })
}
