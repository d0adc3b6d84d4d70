//! Conditions of the kinds that people write, each with the SQL that an analyst would write for it.

use openhub_model::Timestamp;
use serde_json::{Value, json};

use crate::audiences::ORDER;
use crate::history::{AGES, CITIES, DAY_MICROS, DAYS, ORDERS, VIEW};
use crate::hub::NOW;

pub struct Audience {
    pub name: String,
    pub condition: Value,
    /// Selects the members' numbers, each once, as `id`.
    pub sql: String,
}

/// Events a customer, in the mean.
pub const EVENTS_EACH: u64 = 20;
/// Of a total, in the mean.
const MEAN_TOTAL: f64 = 250.0;
const KINDS: u64 = 6;

/// Two orders within thirty days.
pub fn one(name: String) -> Audience {
    count(name, ORDER, 30, 2)
}

/// So many, each with bounds of its own, each for about a customer in a hundred.
pub fn many(count: usize) -> Vec<Audience> {
    (0..count as u64).map(|number| audience(format!("many-{number}"), number)).collect()
}

fn audience(name: String, number: u64) -> Audience {
    let days = 14 + number * 7 % 167;
    // What a customer has in such a window, in the mean, of events and of orders.
    let events = (EVENTS_EACH * days) as f64 / DAYS as f64;
    let orders = events * ORDERS as f64 / 100.0;
    let above = |mean: f64| (4.0 * mean).ceil() as u64 + 2 + number % 3;
    match number % KINDS {
        0 => count(name, ORDER, days, above(orders)),
        1 => sum(name, days, (above(orders) as f64 * MEAN_TOTAL) as u64),
        2 => absence(name, days, number % CITIES),
        3 => ages(name, 18 + number % AGES, number % CITIES),
        // Fewer do not buy the more they look.
        4 => looking(name, days, (events * 0.6).ceil() as u64 + 1 + number % 3),
        _ => large(name, days, above(orders / 2.0)),
    }
}

/// At least so many events of a name.
fn count(name: String, event: &str, days: u64, at_least: u64) -> Audience {
    let condition = json!({"event": {"name": event, "within": format!("{days}d"), "is": "ge", "value": at_least}});
    let sql = format!("{} HAVING count(*) >= {at_least}", grouped(event, days, ""));
    Audience { name, condition, sql }
}

/// At least such a sum of orders.
fn sum(name: String, days: u64, at_least: u64) -> Audience {
    let condition = json!({"event": {"name": ORDER, "within": format!("{days}d"), "aggregate": "sum", "of": "total",
        "is": "ge", "value": at_least}});
    let sql = format!("{} HAVING sum(total) >= {at_least}", grouped(ORDER, days, ""));
    Audience { name, condition, sql }
}

/// Of a city, and without an order.
fn absence(name: String, days: u64, city: u64) -> Audience {
    let city = format!("city-{city}");
    let order = json!({"event": {"name": ORDER, "within": format!("{days}d"), "is": "ge", "value": 1}});
    let condition = json!({"all": [{"attribute": {"name": "city", "is": "eq", "value": city}}, {"not": order}]});
    let sql = format!("SELECT id FROM customers WHERE city = '{city}' AND id NOT IN ({})", within(ORDER, days));
    Audience { name, condition, sql }
}

/// Above an age, of two cities.
fn ages(name: String, above: u64, city: u64) -> Audience {
    let cities = [format!("city-{city}"), format!("city-{}", (city + 1) % CITIES)];
    let condition = json!({"all": [{"attribute": {"name": "age", "is": "ge", "value": above}},
        {"attribute": {"name": "city", "is": "in", "value": cities}}]});
    let sql = format!("SELECT id FROM customers WHERE age >= {above} AND city IN ('{}', '{}')", cities[0], cities[1]);
    Audience { name, condition, sql }
}

/// Has looked so often and not bought.
fn looking(name: String, days: u64, at_least: u64) -> Audience {
    let event = |name: &str, at_least: u64| json!({"event": {"name": name, "within": format!("{days}d"), "is": "ge", "value": at_least}});
    let condition = json!({"all": [event(VIEW, at_least), {"not": event(ORDER, 1)}]});
    let without = format!("AND customer NOT IN ({})", within(ORDER, days));
    let sql = format!("{} HAVING count(*) >= {at_least}", grouped(VIEW, days, &without));
    Audience { name, condition, sql }
}

/// So many orders of a certain worth, of those on a plan that is not the cheapest.
fn large(name: String, days: u64, at_least: u64) -> Audience {
    let order = json!({"event": {"name": ORDER, "where": [{"property": "total", "is": "ge", "value": MEAN_TOTAL}],
        "within": format!("{days}d"), "is": "ge", "value": at_least}});
    let plan = json!({"not": {"attribute": {"name": "plan", "is": "eq", "value": "bronze"}}});
    let condition = json!({"all": [order, plan]});
    let on = format!("AND total >= {MEAN_TOTAL} AND customer IN (SELECT id FROM customers WHERE plan <> 'bronze')");
    let sql = format!("{} HAVING count(*) >= {at_least}", grouped(ORDER, days, &on));
    Audience { name, condition, sql }
}

fn grouped(event: &str, days: u64, and: &str) -> String {
    format!("SELECT customer AS id FROM events WHERE {} {and} GROUP BY customer", window(event, days))
}

fn within(event: &str, days: u64) -> String {
    format!("SELECT customer FROM events WHERE {}", window(event, days))
}

fn window(event: &str, days: u64) -> String {
    let since = Timestamp::from_micros(NOW.micros() - days as i64 * DAY_MICROS).micros();
    format!("name = '{event}' AND happened_at > {since} AND happened_at <= {}", NOW.micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Condition;

    #[test]
    fn all_are_conditions() {
        for Audience { name, condition, .. } in many(KINDS as usize) {
            let condition: Condition = serde_json::from_value(condition).unwrap();
            assert!(condition.faults("").is_empty(), "{name}");
        }
    }
}
