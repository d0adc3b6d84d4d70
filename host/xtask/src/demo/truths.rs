//! What must come of the purchases: published facts for the whole file, a brute-force count for a part of it.
//!
//! The count shares no code with the hub and its plugins; over the whole file it must give the published facts.

use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

use super::figures::{Figures, Members, Tiers};
use super::purchases::Purchase;

/// The clock is set to noon of this day at the end.
const LAST_DAY: &str = "1998-06-30";
const QUIET_DAYS: i32 = 60;

pub fn of(purchases: &[Purchase], every: u64) -> Figures {
    if every == 1 { published() } else { count(purchases) }
}

/// Computed from the file with exact cents, twice and independently of this program.
fn published() -> Figures {
    Figures {
        events: 69_659,
        customers: 23_570,
        total_usd: "2500315.63".to_owned(),
        spent_200: 3_005,
        points: 2_453_159,
        tiers: Tiers { gold: 720, silver: 2_230, bronze: 20_620 },
        tier_changed: 3_658,
        win_back_sent: 36_633,
        win_back_distinct: 36_633,
        coupons: 36_633,
        coupons_in_messages: 36_633,
        segments: Members { two_orders: 323, quiet: 18_210, spent: 3_005 },
        coupon_codes: 36_633,
        strange_messages: 0,
    }
}

#[derive(Default)]
struct Customer<'a> {
    cents: i64,
    points: i64,
    days: BTreeSet<&'a str>,
    /// One an order.
    orders: Vec<i32>,
}

fn count(purchases: &[Purchase]) -> Figures {
    let mut figures = Figures { events: purchases.len() as u64, ..Figures::default() };
    let mut customers: BTreeMap<&str, Customer<'_>> = BTreeMap::new();
    for purchase in purchases {
        let customer = customers.entry(&purchase.customer_id).or_default();
        let before = tier(customer.points);
        let cents = cents(&purchase.amount_usd);
        customer.cents += cents;
        customer.points += cents / 100;
        customer.days.insert(&purchase.date);
        customer.orders.push(day_number(&purchase.date));
        figures.tier_changed += u64::from(tier(customer.points) != before);
    }
    let last = day_number(LAST_DAY);
    let mut messages = 0;
    for customer in customers.values() {
        figures.customers += 1;
        figures.points += customer.points;
        figures.spent_200 += u64::from(customer.cents >= 20_000);
        // A window of n days ends at noon of the last day, and leaves out the noon at which it begins.
        let since = |days: i32| customer.orders.iter().filter(|day| **day > last - days).count();
        figures.segments.two_orders += u64::from(since(30) >= 2);
        figures.segments.quiet += u64::from(since(180) == 0);
        match tier(customer.points) {
            2 => figures.tiers.gold += 1,
            1 => figures.tiers.silver += 1,
            _ => figures.tiers.bronze += 1,
        }
        messages += quiet_spells(&customer.days);
    }
    let cents: i64 = customers.values().map(|customer| customer.cents).sum();
    figures.total_usd = format!("{}.{:02}", cents / 100, cents % 100);
    figures.segments.spent = figures.spent_200;
    figures.win_back_sent = messages;
    figures.win_back_distinct = messages;
    figures.coupons = messages;
    figures.coupons_in_messages = messages;
    figures.coupon_codes = messages;
    figures
}

fn tier(points: i64) -> u8 {
    match points {
        500.. => 2,
        200.. => 1,
        _ => 0,
    }
}

/// Days with an order after which none came for 60 days; an order on the sixtieth day came in time.
fn quiet_spells(days: &BTreeSet<&str>) -> u64 {
    let days: Vec<i32> = days.iter().map(|day| day_number(day)).collect();
    let last = day_number(LAST_DAY);
    let next = days.iter().skip(1).copied().map(Some).chain([None]);
    let is_quiet = |(&day, next): (&i32, Option<i32>)| {
        let until = day + QUIET_DAYS;
        until <= last && next.is_none_or(|next| next > until)
    };
    days.iter().zip(next).filter(|(day, next)| is_quiet((*day, *next))).count() as u64
}

fn day_number(text: &str) -> i32 {
    let day: Date = text.parse().expect("the file's dates are calendar days");
    day.since((jiff::Unit::Day, jiff::civil::date(1990, 1, 1))).expect("a difference in days").get_days()
}

fn cents(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: i64 = format!("{whole}{fraction:0<2}").parse().expect("the file's amounts have at most two decimals");
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::purchases;
    use std::path::Path;

    #[test]
    fn the_count_of_the_whole_file_gives_the_published_facts() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cdnow/cdnow.csv");
        assert_eq!(count(&purchases::read(&file, 1).unwrap()), published());
    }

    #[test]
    fn an_order_on_the_sixtieth_day_is_in_time() {
        assert_eq!(quiet_spells(&BTreeSet::from(["1997-01-01", "1997-03-02"])), 1);
        assert_eq!(quiet_spells(&BTreeSet::from(["1997-01-01", "1997-03-03"])), 2);
        assert_eq!(quiet_spells(&BTreeSet::from(["1998-05-01"])), 1);
        assert_eq!(quiet_spells(&BTreeSet::from(["1998-05-02"])), 0);
    }
}
