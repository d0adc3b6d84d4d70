//! The sources `shopify` and `woocommerce`: their webhooks about orders become events of the shop's customers.
//!
//! Both sign the raw body with HMAC-SHA256 and send it in base64. What is not signed is refused, and nothing in it is looked
//! at. An order that is sent again, by whatever delivery, is the same event: its id is the order's and the topic's.

mod order;
mod shopify;
mod woocommerce;

openhub_sdk::plugin! { sources: [shopify::orders, woocommerce::orders] }
