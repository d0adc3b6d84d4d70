//! The demo's answers: the table, the line of JSON, and what to try next.

use anyhow::Result;
use serde_json::{Map, Value};

use super::cost::Costs;
use super::figures::Figures;
use super::setup::Tenant;

/// The figures beside the truths, and what it took.
pub fn table(figures: &Figures, truths: &Figures, costs: &Costs) {
    println!("{:<44} {:>14} {:>14}", "", "figure", "must be");
    for ((name, figure), (_, truth)) in rows(figures).into_iter().zip(rows(truths)) {
        let mark = if figure == truth { "" } else { "  differs" };
        println!("{name:<44} {figure:>14} {truth:>14}{mark}");
    }
    println!();
    println!("{:<44} {:>14}", "seconds, first request to last checkpoint", costs.seconds);
    println!("{:<44} {:>14}", "events per second", costs.events_per_second);
    println!("{:<44} {:>14}", "messages per second, to the last one sent", costs.messages_per_second);
    println!("{:<44} {:>14}", "peak resident memory of the hub, MiB", costs.peak_rss_mib);
    println!("{:<44} {:>14}", "CPU seconds of the hub", costs.cpu_seconds);
}

fn rows(figures: &Figures) -> Vec<(&'static str, String)> {
    vec![
        ("events `Order Completed`", figures.events.to_string()),
        ("customers", figures.customers.to_string()),
        ("total, USD", figures.total_usd.clone()),
        ("customers who spent 200.00 or more", figures.spent_200.to_string()),
        ("points", figures.points.to_string()),
        ("tier gold", figures.tiers.gold.to_string()),
        ("tier silver", figures.tiers.silver.to_string()),
        ("tier bronze", figures.tiers.bronze.to_string()),
        ("segment: two orders in 30 days", figures.segments.two_orders.to_string()),
        ("segment: no order for 180 days", figures.segments.quiet.to_string()),
        ("segment: spent 200.00 or more", figures.segments.spent.to_string()),
        ("changes of tier", figures.tier_changed.to_string()),
        ("win-back messages received", figures.win_back_sent.to_string()),
        ("  by idempotency key", figures.win_back_distinct.to_string()),
        ("coupons", figures.coupons.to_string()),
        ("  by code", figures.coupon_codes.to_string()),
        ("  whose code came in a message", figures.coupons_in_messages.to_string()),
        ("messages of other kinds, or badly signed", figures.strange_messages.to_string()),
    ]
}

/// Why a customer is in a segment: the tree of its condition with the truth and the evidence at each leaf.
pub fn why(segment: &str, why: &Value) -> Result<()> {
    println!("\nwhy `{segment}`:\n{}", serde_json::to_string_pretty(why)?);
    Ok(())
}

/// One object: the figures, then the costs.
pub fn json(figures: &Figures, costs: &Costs) -> Result<String> {
    let mut object = Map::new();
    for part in [serde_json::to_value(figures)?, serde_json::to_value(costs)?] {
        if let Value::Object(fields) = part {
            object.extend(fields);
        }
    }
    Ok(Value::Object(object).to_string())
}

/// What to try on the second tenant, whose clock is the machine's.
pub fn invitation(url: &str, live: &Tenant) {
    let Tenant { name, write_key, api_key } = live;
    println!(
        "\nThe hub goes on serving at {url}; Ctrl-C ends it.\n\
         Tenant `{name}` runs on the live clock, with the same plugins, and thanks for an order by a coupon.\n\
         write key  {write_key}\n\
         api key    {api_key}\n\n\
         Send an order, look at the customer that it made, at the message that went out three seconds later, and at all that happened:\n\n\
         curl -u {write_key}: {url}/v1/track -H 'content-type: application/json' -d '{{\"userId\":\"ada\",\"event\":\"Order Completed\",\"properties\":{{\"quantity\":2,\"total\":250.00}}}}'\n\
         curl -H 'authorization: Bearer {api_key}' '{url}/api/v1/customers?identity=user_id:ada'\n\
         curl -H 'authorization: Bearer {api_key}' '{url}/api/v1/messages?limit=1'\n\
         curl -H 'authorization: Bearer {api_key}' '{url}/api/v1/events?limit=20'"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_exactly_the_promised_keys() {
        let costs = Costs {
            seconds: 1.0,
            events_per_second: 2.0,
            messages_per_second: 3.0,
            peak_rss_mib: 4.0,
            cpu_seconds: 5.0,
        };
        let object: Map<String, Value> = serde_json::from_str(&json(&Figures::default(), &costs).unwrap()).unwrap();
        let keys: Vec<&str> = object.keys().map(String::as_str).collect();
        let promised = "events customers total_usd spent_200 points tiers tier_changed win_back_sent win_back_distinct coupons \
            coupons_in_messages seconds events_per_second messages_per_second peak_rss_mib cpu_seconds";
        assert_eq!(keys, promised.split_whitespace().collect::<Vec<_>>());
    }
}
