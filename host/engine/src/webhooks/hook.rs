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

    /// How many more it may be sent at once: one that fails is tried with one.
    pub fn room(&self) -> usize {
        let most = if self.health.failures >= pace::PATIENCE { 1 } else { pace::AT_ONCE };
        most.saturating_sub(self.under_way.len())
    }

    pub fn is_doubtful(&self) -> bool {
        self.slow || self.health.failures > 0
    }
}
