//! What becomes of a delivery, and of its receiver, after an attempt.

use openhub_model::identity::Authority;
use openhub_model::{EventKind, Id, NewEvent, Principal, TenantId, Timestamp};
use openhub_store::{DeliveryState, FaultKind, GivenUp, Health, NewFault, Tried, Webhook};
use serde_json::json;

use super::send::Sent;
use super::{DISABLED, pace};

/// What a receiver answers that wants nothing more, ever.
const GONE: i64 = 410;

pub fn of(sent: &Sent, now: Timestamp) -> Tried {
    let again = pace::again(sent.failed, sent.id, sent.retry_after, now).filter(|_| sent.attempt.status != Some(GONE));
    let (state, due_at) = match (sent.is_taken(), again) {
        (true, _) => (DeliveryState::Delivered, None),
        (false, Some(again)) => (DeliveryState::Waiting, Some(again)),
        (false, None) => (DeliveryState::Failed, None),
    };
    Tried {
        webhook: sent.webhook.clone(),
        position: sent.position,
        attempts: sent.attempts,
        attempt: sent.attempt.clone(),
        state,
        due_at,
    }
}

/// How the receiver does from now on, and why it is given up, if it is.
pub fn health(before: Health, sent: &Sent, now: Timestamp) -> (Health, Option<&'static str>) {
    if sent.is_taken() {
        return (Health::default(), None);
    }
    let failures = before.failures.saturating_add(1);
    let since = before.failing_since.unwrap_or(now);
    let health =
        Health { failures, failing_since: Some(since), rests_until: pace::rest(failures, sent.retry_after, now) };
    let why = match sent.attempt.status {
        Some(GONE) => Some("gone"),
        _ => pace::is_hopeless(failures, since, now).then_some("failing"),
    };
    (health, why)
}

/// A receiver that is given up, with the event and the fault that say so.
pub fn given_up(webhook: &Webhook, tenant: TenantId, why: &'static str, now: Timestamp) -> GivenUp {
    let version = webhook.version;
    let id = Id::named(&[&tenant.0.to_le_bytes(), webhook.name.as_bytes(), &version.to_le_bytes()]);
    let body = json!({"webhook": webhook.name, "reason": why, "principal": Principal::Hub});
    let event = NewEvent {
        message_id: format!("openhub:webhook:{id}"),
        kind: EventKind::Control,
        name: DISABLED.to_owned(),
        part: None,
        occurred_at: now,
        received_at: now,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    };
    let text = match why {
        "gone" => {
            "The receiver of a webhook answered 410, so the webhook is disabled. Correct its address or delete it."
        }
        _ => {
            "The receiver of a webhook has failed for five days, so the webhook is disabled. Correct what fails, and enable it."
        }
    };
    let fault = NewFault::counted(FaultKind::Webhook, webhook.name.clone(), why, "", text);
    GivenUp { webhook: webhook.name.clone(), version, why, event, fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Span;
    use openhub_store::Attempt;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn sent(status: Option<i64>, failed: i64) -> Sent {
        Sent {
            webhook: "shop".to_owned(),
            position: 7,
            id: Id::named(&[b"x"]),
            failed,
            attempts: failed,
            attempt: Attempt { at: NOW, duration_ms: 1, status, error: None, answer: None },
            retry_after: None,
        }
    }

    #[test]
    fn only_a_2xx_is_a_delivery_and_a_410_is_the_last_attempt() {
        for (status, failed, expected) in [
            (Some(200), 0, DeliveryState::Delivered),
            (Some(204), 9, DeliveryState::Delivered),
            (Some(302), 0, DeliveryState::Waiting),
            (Some(400), 0, DeliveryState::Waiting),
            (None, 8, DeliveryState::Waiting),
            (None, 9, DeliveryState::Failed),
            (Some(410), 0, DeliveryState::Failed),
        ] {
            let tried = of(&sent(status, failed), NOW);
            assert_eq!(
                (tried.state, tried.due_at.is_some()),
                (expected, expected == DeliveryState::Waiting),
                "{status:?}"
            );
        }
    }

    #[test]
    fn a_receiver_that_takes_something_is_well_again() {
        let mut now_is = Health::default();
        for _ in 0..6 {
            now_is = health(now_is, &sent(Some(503), 0), NOW).0;
        }
        assert_eq!((now_is.failures, now_is.failing_since, now_is.rests_until.is_some()), (6, Some(NOW), true));
        assert_eq!(health(now_is, &sent(Some(200), 3), NOW), (Health::default(), None));
        assert_eq!(health(Health::default(), &sent(Some(410), 0), NOW).1, Some("gone"));
        let later = NOW + Span::from_micros(5 * 86_400_000_000);
        let failing = Health { failures: 20, ..now_is };
        assert_eq!(health(failing, &sent(None, 0), later).1, Some("failing"));
        assert_eq!(health(failing, &sent(None, 0), NOW).1, None);
    }
}
