//! What came of the purchases, read from outside: by paging through the hub's API, and from the receiver.

use anyhow::{Context, Result, ensure};
use openhub_model::decimal;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;

use super::api::Api;
use super::setup;
use crate::receiver::Summary;

/// In the order and under the names of the JSON answer; what is skipped there is compared all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    pub events: u64,
    pub customers: u64,
    pub total_usd: String,
    pub spent_200: u64,
    pub points: i64,
    pub tiers: Tiers,
    pub tier_changed: u64,
    pub win_back_sent: u64,
    pub win_back_distinct: u64,
    pub coupons: u64,
    pub coupons_in_messages: u64,
    /// Members of each segment at the end.
    #[serde(skip)]
    pub segments: Members,
    /// Different codes among the coupons.
    #[serde(skip)]
    pub coupon_codes: u64,
    /// Messages that the receiver refused or did not expect.
    #[serde(skip)]
    pub strange_messages: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    pub two_orders: u64,
    pub quiet: u64,
    pub spent: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tiers {
    pub gold: u64,
    pub silver: u64,
    pub bronze: u64,
}

/// Reads all figures. `hub` speaks with the tenant's key.
pub async fn collect(hub: &Api, receiver: &Api) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut cents = 0;
    hub.each("/api/v1/events?name=Order%20Completed", "events", |event| {
        figures.events += 1;
        let total = event.pointer("/body/properties/total").context("an order without a total")?;
        cents += decimal::from_json(total, 2).with_context(|| format!("the total {total} has no exact cents"))?;
        Ok(())
    })
    .await?;
    figures.total_usd = decimal::format(cents, 2);
    hub.each("/api/v1/customers?", "customers", |customer| count_customer(&mut figures, customer)).await?;
    let spent = r#"{"attribute":{"name":"spent_cents","is":"ge","value":20000}}"#;
    figures.spent_200 = hub.count(&format!("/api/v1/customers?condition={}", encode(spent)), "customers").await?;
    figures.tier_changed = hub.count("/api/v1/events?name=Tier%20Changed", "events").await?;

    figures.segments = members(hub).await?;

    let mut codes = HashSet::new();
    hub.each("/api/v1/objects/coupon?", "objects", |coupon| {
        figures.coupons += 1;
        let code = coupon.pointer("/fields/code").and_then(Value::as_str).context("a coupon without a code")?;
        codes.insert(code.to_owned());
        Ok(())
    })
    .await?;
    figures.coupon_codes = codes.len() as u64;
    let summary: Summary = serde_json::from_value(receiver.get("/summary").await?)?;
    figures.win_back_sent = summary.received;
    figures.win_back_distinct = summary.distinct;
    figures.strange_messages = summary.others + summary.forged;
    let seen: HashSet<String> = serde_json::from_value(receiver.get("/codes").await?)?;
    figures.coupons_in_messages = codes.intersection(&seen).count() as u64;
    Ok(figures)
}

/// How many members the segments have now.
pub async fn members(hub: &Api) -> Result<Members> {
    let answer = hub.get("/api/v1/segments").await?;
    let segments = answer["segments"].as_array().context("a list of segments")?;
    let count = |name: &str| {
        let segment = segments.iter().find(|segment| segment["name"] == name);
        segment.and_then(|segment| segment["members"].as_u64()).unwrap_or(0)
    };
    Ok(Members { two_orders: count(setup::TWO_ORDERS), quiet: count(setup::QUIET), spent: count(setup::SPENT) })
}

fn count_customer(figures: &mut Figures, customer: &Value) -> Result<()> {
    figures.customers += 1;
    let attributes = &customer["attributes"];
    figures.points += attributes["points"].as_i64().unwrap_or(0);
    match attributes["tier"].as_str() {
        Some("gold") => figures.tiers.gold += 1,
        Some("silver") => figures.tiers.silver += 1,
        Some("bronze") => figures.tiers.bronze += 1,
        other => ensure!(other.is_none(), "a customer of the unknown tier {other:?}"),
    }
    Ok(())
}

/// Percent-encodes all but letters and digits.
fn encode(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
