//! The built component, in the hub's own runtime, called as the shops call it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use openhub_sdk_testing::{Hub, Received, Unanswered, Value, json};
use sha2::Sha256;

const KEY: &str = "shpss_0123456789abcdef";

fn signed(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn shopify(hub: &Hub, topic: &str, body: &Value) -> Received {
    let body = body.to_string();
    hub.source("shopify")
        .header("X-Shopify-Topic", topic)
        .header("X-Shopify-Shop-Domain", "example.myshopify.com")
        .header("X-Shopify-Hmac-SHA256", &signed(&body))
        .post(body)
}

fn woocommerce(hub: &Hub, topic: &str, body: &Value) -> Received {
    let body = body.to_string();
    hub.source("woocommerce")
        .header("X-WC-Webhook-Topic", topic)
        .header("X-WC-Webhook-Source", "https://shop.example.com/")
        .header("X-WC-Webhook-Signature", &signed(&body))
        .post(body)
}

/// As Shopify's documentation shows an order, shortened.
fn order() -> Value {
    json!({
        "id": 820_982_911_946_154_508_i64, "email": "jon@example.com", "phone": null, "currency": "USD",
        "processed_at": "2021-12-31T19:00:00-05:00", "total_price": "388.00",
        "cancelled_at": "2021-12-31T19:30:00-05:00", "cancel_reason": "customer",
        "customer": {"id": 115_310_627_314_723_954_i64, "email": "jon@example.com", "phone": "+15145556677"},
        "discount_codes": [{"code": "SPRING", "amount": "20.00", "type": "fixed_amount"}],
        "line_items": [{"sku": "IPOD2008", "quantity": 1, "price": "199.00"}, {"sku": null, "quantity": 2, "price": "109.00"}],
    })
}

#[openhub_sdk_testing::test]
fn a_paid_order_of_shopify(hub: Hub) {
    let hub = hub.with_secret("shopify", KEY);
    let received = shopify(&hub, "orders/paid", &order());
    assert!(received.verified && received.status == 200, "{received:?}");
    let [event] = received.events.try_into().expect("one event");
    assert_eq!((&*event.name, &*event.id), ("Order Completed", "example.myshopify.com:orders/paid:820982911946154508"));
    assert_eq!(event.at.as_deref(), Some("2022-01-01T00:00:00Z"));
    let whose = [("user_id", "shopify:115310627314723954"), ("email", "jon@example.com"), ("phone", "+15145556677")];
    assert_eq!(event.identities, whose.map(|(kind, value)| (kind.to_owned(), value.to_owned())));
    let properties = json!({
        "order_id": "820982911946154508", "total": 388.0, "currency": "USD", "quantity": 3, "sku": "IPOD2008",
        "coupon": "SPRING",
    });
    assert_eq!(event.properties, properties);
    let again = shopify(&hub, "orders/paid", &order());
    assert_eq!(again.events[0].id, event.id, "what is sent again is the same event");
    let cancelled = shopify(&hub, "orders/cancelled", &order());
    assert_eq!(cancelled.events[0].properties, json!({"order_id": "820982911946154508", "reason": "customer"}));
    assert_eq!(shopify(&hub, "products/update", &json!({"id": 1})).events, [], "what nobody asked for is answered");
}

#[openhub_sdk_testing::test]
fn orders_of_woocommerce_by_their_status(hub: Hub) {
    let hub = hub.with_secret("woocommerce", KEY);
    let order = |status: &str| {
        json!({
            "id": 727, "status": status, "currency": "EUR", "total": "29.35", "customer_id": 0,
            "date_paid_gmt": "2017-03-22T19:28:08", "date_modified_gmt": "2017-03-23T09:00:00",
            "billing": {"email": "john.doe@example.com", "phone": "(555) 555-5555"},
            "line_items": [{"sku": "BAR3", "quantity": 2}], "coupon_lines": [],
        })
    };
    let paid = woocommerce(&hub, "order.updated", &order("processing"));
    assert_eq!(
        (&*paid.events[0].name, paid.events[0].at.as_deref()),
        ("Order Completed", Some("2017-03-22T19:28:08Z"))
    );
    let done = woocommerce(&hub, "order.updated", &order("completed"));
    assert_eq!(done.events, paid.events, "an order is completed once");
    assert_eq!(woocommerce(&hub, "order.created", &order("pending")).events, []);
    assert_eq!(&*woocommerce(&hub, "order.updated", &order("refunded")).events[0].name, "Order Refunded");
    assert_eq!(&*woocommerce(&hub, "order.updated", &order("cancelled")).events[0].name, "Order Cancelled");
    let asks = hub.source("woocommerce").post("webhook_id=1");
    assert_eq!((asks.status, asks.events.len()), (200, 0));
}

#[openhub_sdk_testing::test]
fn what_is_not_signed_or_makes_no_sense_is_no_event(hub: Hub) {
    let unset = hub.source("shopify").header("X-Shopify-Topic", "orders/paid").send("POST", "{}");
    assert!(matches!(unset, Err(Unanswered::Misconfigured(_))), "an admin sets the secret: {unset:?}");
    let hub = hub.with_secret("shopify", KEY);
    let body = order().to_string();
    for wrong in [None, Some(String::new()), Some("%%%".to_owned()), Some(signed("another body"))] {
        let case = hub.source("shopify").header("X-Shopify-Topic", "orders/paid");
        let case = match &wrong {
            Some(wrong) => case.header("X-Shopify-Hmac-SHA256", wrong),
            None => case,
        };
        let received = case.post(&body);
        assert_eq!((received.status, received.verified, received.events.len()), (401, false, 0), "{wrong:?}");
    }
    let nonsense = json!({"id": 1, "total_price": "12.345", "currency": "USD", "email": "a@example.com"}).to_string();
    let case = hub.source("shopify").header("X-Shopify-Topic", "orders/paid");
    let refused = case.header("X-Shopify-Hmac-SHA256", &signed(&nonsense)).send("POST", &nonsense);
    assert!(matches!(refused, Err(Unanswered::Rejected(_))), "{refused:?}");
    let mut nobody = order();
    for name in ["email", "phone", "customer"] {
        nobody[name] = Value::Null;
    }
    assert_eq!(shopify(&hub, "orders/paid", &nobody).events, [], "an order of nobody");
}
