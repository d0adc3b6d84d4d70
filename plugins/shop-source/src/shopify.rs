//! Shopify: `X-Shopify-Hmac-SHA256` over the raw body, the topic in `X-Shopify-Topic`.

use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use serde_json::Value;

use crate::order::{OrderCancelled, OrderCompleted, OrderRefunded, amount, malformed, of, quantity, text};

/// `orders/paid`, `orders/cancelled` and `refunds/create`. Other topics are answered and change nothing.
#[source(name = "shopify", events = [OrderCompleted, OrderCancelled, OrderRefunded])]
pub fn orders(request: Request) -> Result<Received, Failure> {
    let signature = request.header("x-shopify-hmac-sha256").unwrap_or_default();
    if !secrets::verify_hmac_base64("shopify", secrets::SHA256, &request.body, signature)? {
        return Ok(Received::answered(401, "the signature is missing or wrong"));
    }
    let shop = request.header("x-shopify-shop-domain").unwrap_or_default();
    let body = request.json()?;
    match request.header("x-shopify-topic").unwrap_or_default() {
        topic @ "orders/paid" => {
            let event = OrderCompleted {
                order_id: id(&body, "id")?,
                total: amount(&body, "total_price")?,
                currency: text(&body["currency"]).ok_or_else(|| malformed("currency"))?,
                quantity: quantity(&body["line_items"]),
                sku: text(&body["line_items"][0]["sku"]),
                coupon: text(&body["discount_codes"][0]["code"]),
            };
            yielded(&body, event, (topic, shop, "id"), "processed_at")
        }
        topic @ "orders/cancelled" => {
            let event = OrderCancelled { order_id: id(&body, "id")?, reason: text(&body["cancel_reason"]) };
            yielded(&body, event, (topic, shop, "id"), "cancelled_at")
        }
        topic @ "refunds/create" => {
            let back = body["transactions"].as_array().into_iter().flatten().map(|paid| amount(paid, "amount"));
            let units = back.collect::<Result<Vec<_>, _>>()?.into_iter().map(Decimal::units).sum();
            let event = OrderRefunded { order_id: id(&body, "order_id")?, total: Decimal::from_units(units) };
            yielded(&body, event, (topic, shop, "id"), "processed_at")
        }
        _ => Ok(Received::ok()),
    }
}

fn id(body: &Value, name: &str) -> Result<String, Failure> {
    text(&body[name]).ok_or_else(|| malformed(name))
}

fn yielded<E: Event>(
    body: &Value,
    event: E,
    (topic, shop, key): (&str, &str, &str),
    at: &str,
) -> Result<Received, Failure> {
    let mut event = Happened::new(format!("{shop}:{topic}:{}", id(body, key)?), event);
    if let Some(at) = body[at].as_str().and_then(Timestamp::parse) {
        event = event.at(at);
    }
    let customer = text(&body["customer"]["id"]).map(|id| format!("shopify:{id}"));
    let phone = text(&body["phone"]).or_else(|| text(&body["customer"]["phone"]));
    let who = [("user_id", customer), ("email", text(&body["email"])), ("phone", phone)];
    Ok(of(event, &who).map_or_else(Received::ok, |event| Received::ok().event(&event)))
}
