//! WooCommerce: `X-WC-Webhook-Signature` over the raw body, the topic in `X-WC-Webhook-Topic`.

use openhub_sdk::prelude::*;
use openhub_sdk::secrets;
use serde_json::Value;

use crate::order::{OrderCancelled, OrderCompleted, OrderRefunded, amount, malformed, of, quantity, text};

/// `order.created` and `order.updated`, by the order's status. Other topics are answered and change nothing.
#[source(name = "woocommerce", events = [OrderCompleted, OrderCancelled, OrderRefunded])]
pub fn orders(request: Request) -> Result<Received, Failure> {
    // When a webhook is made, the shop asks once whether somebody is there, in a form and without a topic.
    if request.header("x-wc-webhook-topic").is_none() && request.body.starts_with(b"webhook_id=") {
        return Ok(Received::ok());
    }
    let signature = request.header("x-wc-webhook-signature").unwrap_or_default();
    if !secrets::verify_hmac_base64("woocommerce", secrets::SHA256, &request.body, signature)? {
        return Ok(Received::answered(401, "the signature is missing or wrong"));
    }
    if !matches!(request.header("x-wc-webhook-topic"), Some("order.created" | "order.updated")) {
        return Ok(Received::ok());
    }
    let order = request.json()?;
    let order_id = text(&order["id"]).ok_or_else(|| malformed("id"))?;
    // An order is told again whenever something in it changes: each status is one event.
    match order["status"].as_str().unwrap_or_default() {
        // It is paid once, and both words mean so.
        "processing" | "completed" => {
            let event = OrderCompleted {
                total: amount(&order, "total")?,
                currency: text(&order["currency"]).ok_or_else(|| malformed("currency"))?,
                quantity: quantity(&order["line_items"]),
                sku: text(&order["line_items"][0]["sku"]),
                coupon: text(&order["coupon_lines"][0]["code"]),
                order_id,
            };
            yielded(&request, &order, event, "paid", "date_paid_gmt")
        }
        status @ ("cancelled" | "failed") => {
            let reason = Some(status.to_owned());
            yielded(&request, &order, OrderCancelled { order_id, reason }, "cancelled", "date_modified_gmt")
        }
        "refunded" => {
            let event = OrderRefunded { total: amount(&order, "total")?, order_id };
            yielded(&request, &order, event, "refunded", "date_modified_gmt")
        }
        _ => Ok(Received::ok()),
    }
}

fn yielded<E: Event>(request: &Request, order: &Value, event: E, what: &str, at: &str) -> Result<Received, Failure> {
    let shop = request.header("x-wc-webhook-source").unwrap_or_default();
    let id = text(&order["id"]).ok_or_else(|| malformed("id"))?;
    let mut event = Happened::new(format!("{shop}:{what}:{id}"), event);
    // Without a zone, in UTC.
    if let Some(at) = order[at].as_str().and_then(|at| Timestamp::parse(&format!("{at}Z"))) {
        event = event.at(at);
    }
    // 0 is a guest.
    let customer = text(&order["customer_id"]).filter(|id| id != "0").map(|id| format!("woocommerce:{id}"));
    let billing = &order["billing"];
    let who = [("user_id", customer), ("email", text(&billing["email"])), ("phone", text(&billing["phone"]))];
    Ok(of(event, &who).map_or_else(Received::ok, |event| Received::ok().event(&event)))
}
