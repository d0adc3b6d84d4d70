//! One attempt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openhub_model::{Id, TenantId, Timestamp};
use openhub_runtime::{Post, Posted, Unposted};
use openhub_store::{Attempt, DueDelivery, Webhook};

use super::sign;
use crate::delivery::places::Place;
use crate::shared::Shared;

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer that are kept.
const ANSWER: usize = 1_024;
/// The type of a test.
const TEST: &str = "openhub:test";

/// What a send needs.
pub struct Order {
    pub shared: Arc<Shared>,
    pub tenant: TenantId,
    pub webhook: Arc<Webhook>,
    pub delivery: DueDelivery,
    /// Held until it is over.
    pub place: Place,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub webhook: String,
    pub position: i64,
    pub id: Id,
    /// How many attempts failed before it, and how many there were.
    pub failed: i64,
    pub attempts: i64,
    pub attempt: Attempt,
    /// Seconds that the receiver asks to be left alone.
    pub retry_after: Option<i64>,
}

/// None: it was not sent for a reason of the hub's own, and is sent later.
pub async fn send(order: Order) -> Option<Sent> {
    let Order { shared, tenant, webhook, delivery, place } = order;
    // It shows events as whoever reads the log sees them.
    let door = shared.door_soon().await?;
    let event = delivery.event?;
    let (at, r#type) = (event.occurred_at, delivery.r#type);
    let body = envelope(&r#type, at, &door.show(event));
    let (attempt, retry_after) = post(&shared, (tenant, &webhook), delivery.id, body, place).await;
    let DueDelivery { position, id, attempt: failed, attempts, .. } = delivery;
    Some(Sent { webhook: webhook.name.clone(), position, id, failed, attempts, attempt, retry_after })
}

/// A test is signed as everything is, and says nothing of anybody.
pub async fn test(shared: &Shared, tenant: TenantId, webhook: &Webhook, id: Id, place: Place) -> Attempt {
    let now = (shared.clock)();
    let data = serde_json::json!({"webhook": webhook.name}).to_string();
    post(shared, (tenant, webhook), id, envelope(TEST, now, &data), place).await.0
}

fn envelope(r#type: &str, at: Timestamp, data: &str) -> Vec<u8> {
    let (kind, at) = (serde_json::json!(r#type), serde_json::json!(at));
    format!(r#"{{"type":{kind},"timestamp":{at},"data":{data}}}"#).into_bytes()
}

async fn post(
    shared: &Shared,
    (tenant, webhook): (TenantId, &Webhook),
    id: Id,
    body: Vec<u8>,
    place: Place,
) -> (Attempt, Option<i64>) {
    let (at, began) = ((shared.clock)(), Instant::now());
    let secrets = match sign::secrets(&shared.sealer, tenant, webhook, at) {
        Ok(secrets) => secrets,
        Err(error) => {
            tracing::error!(tenant.id = tenant.0, webhook = webhook.name, %error, "A webhook's secret cannot be opened.");
            let error = Some("the hub cannot open the secret of the webhook: rotate it".to_owned());
            return (Attempt { at, duration_ms: 0, status: None, error, answer: None }, None);
        }
    };
    let (id, seconds) = (id.to_string(), at.micros().div_euclid(1_000_000));
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-signature", sign::signature(&secrets, &id, seconds, &body)),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-id", id),
    ];
    let post = Post { url: &webhook.url, headers, body, timeout: TIMEOUT, at_most: ANSWER };
    let posted = shared.prepared.post(post).await;
    drop(place);
    let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let attempt = |status, error, answer| Attempt { at, duration_ms, status, error, answer };
    match posted {
        Ok(Posted { status, retry_after, body }) => {
            let answer = String::from_utf8_lossy(&body).replace('\0', "");
            let error = (!(200..300).contains(&status)).then(|| format!("the receiver answered {status}"));
            let seconds = retry_after.and_then(|text| asked(&text, at));
            (attempt(Some(i64::from(status)), error, Some(answer).filter(|text| !text.is_empty())), seconds)
        }
        Err(Unposted::Denied(why) | Unposted::Failed(why)) => (attempt(None, Some(why), None), None),
    }
}

/// `Retry-After` in seconds, or until a date.
fn asked(text: &str, now: Timestamp) -> Option<i64> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(i64::from(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some((date.as_second() - now.micros().div_euclid(1_000_000)).max(0))
}

impl Sent {
    pub fn is_taken(&self) -> bool {
        self.attempt.status.is_some_and(|status| (200..300).contains(&status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_asks_for_seconds_or_a_date() {
        let now = Timestamp::from_micros(784_111_770_000_000);
        assert_eq!(asked("120", now), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(7));
        assert_eq!(asked("Sun, 06 Nov 1993 08:49:37 GMT", now), None, "it was no Sunday");
        assert_eq!((asked("soon", now), asked("-1", now)), (None, None));
    }

    #[test]
    fn an_envelope_is_json_whatever_an_event_is_called() {
        let body = envelope("a \"b\"", Timestamp::from_micros(0), r#"{"x":1.10}"#);
        let text = String::from_utf8(body).unwrap();
        assert_eq!(text, r#"{"type":"a \"b\"","timestamp":"1970-01-01T00:00:00Z","data":{"x":1.10}}"#);
    }
}
