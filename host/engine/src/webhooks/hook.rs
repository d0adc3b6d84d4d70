//! A webhook that is enabled, as the engine holds it.

use std::collections::HashSet;
use std::sync::Arc;

use openhub_model::{Timestamp, webhook};
use openhub_store::{DueDelivery, Health, News, Webhook};

use super::pace;

pub struct Hook {
    /// As it was read.
    pub row: Arc<Webhook>,
    /// The log was looked through up to here, and what came of it is stored.
    pub seen: i64,
    /// Up to where that is noted.
    pub noted: i64,
    /// When the first delivery is due that is not being sent.
    pub next: Option<Timestamp>,
    /// Positions of what is being sent.
    pub under_way: HashSet<i64>,
    pub health: Health,
    /// Its last answer took long.
    pub slow: bool,
}

impl Hook {
    /// `before` is what was held of one of this name.
    pub fn of(row: Webhook, next: Option<Timestamp>, before: Option<Hook>) -> Hook {
        let Webhook { failures, failing_since, rests_until, .. } = row;
        let before = before.filter(|before| before.row.created_at == row.created_at);
        let seen = before.as_ref().map_or(row.position, |before| before.seen.max(row.position));
        let slow = before.as_ref().is_some_and(|before| before.slow);
        Hook {
            seen,
            noted: row.position,
            next,
            under_way: before.map(|before| before.under_way).unwrap_or_default(),
            health: Health { failures, failing_since, rests_until },
            slow,
            row: Arc::new(row),
        }
    }

    /// Whether an event is sent to it. History triggers nothing.
    pub fn wants(&self, news: &News, r#type: &str) -> bool {
        news.position > self.seen && !news.historical && webhook::wants(&self.row.events, r#type) && {
            let needed = webhook::needs(news.kind, &news.name);
            needed.is_none_or(|scope| self.sees(scope))
        }
    }

    /// Whether there is an event, and whoever set this up may see it.
    pub fn may_see(&self, delivery: &DueDelivery) -> bool {
        let needs = |event: &openhub_model::Event| webhook::needs(event.kind, &event.name);
        delivery.event.as_ref().is_some_and(|event| needs(event).is_none_or(|scope| self.sees(scope)))
    }

    fn sees(&self, scope: &str) -> bool {
        self.row.sees.iter().any(|seen| seen == scope)
    }

    /// When something may be sent next.
    pub fn due(&self) -> Option<Timestamp> {
        self.next.map(|next| self.health.rests_until.map_or(next, |until| until.max(next)))
    }

    pub fn wait_until(&mut self, due: Timestamp) {
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }

    /// How many more it may be sent at once: one fewer for each failure in a row, and one in the end.
    pub fn room(&self) -> usize {
        let failures = usize::try_from(self.health.failures).unwrap_or(usize::MAX);
        pace::AT_ONCE.saturating_sub(failures).max(1).saturating_sub(self.under_way.len())
    }

    pub fn is_doubtful(&self) -> bool {
        self.slow || self.health.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::{Event, EventKind, Id, Origin, identity::Authority};

    fn hook(events: &[&str], sees: &[&str]) -> Hook {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let row = Webhook {
            name: "shop".to_owned(),
            url: String::new(),
            description: String::new(),
            events: texts(events),
            sees: texts(sees),
            enabled: true,
            disabled_for: None,
            secret: String::new(),
            old_secret: None,
            old_until: None,
            version: 1,
            position: 10,
            failures: 0,
            failing_since: None,
            rests_until: None,
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(1),
        };
        Hook::of(row, None, None)
    }

    fn news(position: i64, kind: EventKind, name: &str) -> News {
        News { position, kind, name: name.to_owned(), part: None, historical: false }
    }

    #[test]
    fn a_webhook_wants_what_is_new_what_it_named_and_what_its_owner_may_see() {
        let hook = hook(&["Order *", "control:*"], &["journeys:read"]);
        let order = news(11, EventKind::Track, "Order Completed");
        assert!(hook.wants(&order, "Order Completed"));
        assert!(!hook.wants(&News { historical: true, ..order.clone() }, "Order Completed"));
        assert!(!hook.wants(&News { position: 10, ..order }, "Order Completed"), "it was looked at");
        assert!(!hook.wants(&news(11, EventKind::Track, "Viewed"), "Viewed"));
        let control = |name: &str| hook.wants(&news(11, EventKind::Control, name), &format!("control:{name}"));
        assert!(control("journey.published") && control("clock.advanced") && !control("plugin.enabled"));
    }

    #[test]
    fn what_is_gone_or_must_not_be_seen_is_not_sent() {
        let hook = hook(&["*"], &[]);
        let event = |kind: EventKind| Event {
            position: 11,
            origin: Origin::Arrived,
            message_id: "m".to_owned(),
            kind,
            name: String::new(),
            part: None,
            occurred_at: Timestamp::from_micros(1),
            received_at: Timestamp::from_micros(1),
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: "{}".to_owned(),
        };
        let due = |event: Option<Event>| DueDelivery {
            position: 11,
            id: Id::named(&[b"x"]),
            r#type: String::new(),
            attempt: 0,
            attempts: 0,
            due_at: Timestamp::from_micros(1),
            event,
        };
        assert!(hook.may_see(&due(Some(event(EventKind::Identify)))));
        assert!(!hook.may_see(&due(None)) && !hook.may_see(&due(Some(event(EventKind::Object)))));
    }

    #[test]
    fn who_fails_is_sent_less_at_once_and_what_is_under_way_stays_so_when_it_is_read_anew() {
        let mut hook = hook(&["*"], &[]);
        assert_eq!((hook.room(), hook.is_doubtful()), (4, false));
        hook.under_way.extend([11, 12, 13]);
        assert_eq!(hook.room(), 1);
        hook.health.failures = 1;
        assert_eq!((hook.room(), hook.is_doubtful()), (0, true));
        hook.under_way.clear();
        hook.health.failures = i64::MAX;
        assert_eq!(hook.room(), 1, "and tried on");
        hook.under_way.insert(14);
        (hook.seen, hook.health.failures) = (20, 0);
        let row = (*hook.row).clone();
        let again = Hook::of(row.clone(), None, Some(hook));
        assert_eq!((again.seen, again.room()), (20, 3));
        let anew = Hook::of(Webhook { created_at: Timestamp::from_micros(2), ..row }, None, Some(again));
        assert_eq!((anew.seen, anew.room()), (10, 4), "another one of the same name");
    }

    #[test]
    fn what_is_due_waits_for_a_receiver_that_rests() {
        let at = |micros| Some(Timestamp::from_micros(micros));
        let mut hook = hook(&["*"], &[]);
        assert_eq!(hook.due(), None);
        hook.wait_until(Timestamp::from_micros(50));
        hook.wait_until(Timestamp::from_micros(70));
        assert_eq!(hook.due(), at(50));
        hook.health.rests_until = at(60);
        assert_eq!(hook.due(), at(60));
    }
}
