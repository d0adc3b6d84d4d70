//! From the log to deliveries.

use openhub_model::{Id, TenantId, webhook};
use openhub_store::{NewDelivery, StoreError, Webhook};

use super::Webhooks;

/// Events that are looked at at once, and deliveries that are written at once at most.
const NEWS: usize = 500;
const NEW: usize = 5_000;
/// How far the log was looked through is noted with each delivery; without one, after so many positions.
const UNNOTED: i64 = 2_000;

impl Webhooks {
    /// Looks through the log as far as the engine is done with it.
    pub(super) async fn follow(&mut self) -> Result<(), StoreError> {
        let done = self.shared.store.done_up_to(&self.scope).await?;
        loop {
            let seen = self.hooks.values().map(|hook| hook.seen).min();
            let Some(after) = seen.filter(|seen| *seen < done) else { return Ok(()) };
            let news = self.shared.store.news(&self.scope, (after, done), NEWS).await?;
            let mut to = if news.len() < NEWS { done } else { news.last().map_or(done, |news| news.position) };
            let mut new = Vec::new();
            for event in &news {
                let Some(r#type) = webhook::type_of(event.kind, &event.name) else { continue };
                let wanting = self.hooks.values().filter(|hook| hook.wants(event, &r#type));
                new.extend(wanting.map(|hook| NewDelivery {
                    webhook: hook.row.name.clone(),
                    position: event.position,
                    id: delivery_id(self.tenant, &hook.row, event.position),
                    r#type: r#type.clone(),
                    part: event.part,
                }));
                if new.len() >= NEW {
                    to = event.position;
                    break;
                }
            }
            self.advance(to, new).await?;
        }
    }

    async fn advance(&mut self, to: i64, new: Vec<NewDelivery>) -> Result<(), StoreError> {
        let now = (self.shared.clock)();
        let has_new = |name: &str| new.iter().any(|new| new.webhook == name);
        let is_noted = |name: &str, noted: i64| to > noted && (to - noted >= UNNOTED || has_new(name));
        let noted: Vec<String> =
            self.hooks.iter().filter(|(name, hook)| is_noted(name, hook.noted)).map(|(name, _)| name.clone()).collect();
        let wanted: Vec<String> = new.iter().map(|new| new.webhook.clone()).collect();
        if !noted.is_empty() {
            self.rests.worked();
            self.shared.store.follow_log(&self.scope, self.fence, (noted.clone(), to), new, now).await?;
        }
        for name in noted {
            self.hooks.entry(name).and_modify(|hook| hook.noted = to);
        }
        for name in wanted {
            self.hooks.entry(name).and_modify(|hook| hook.wait_until(now));
        }
        self.hooks.values_mut().for_each(|hook| hook.seen = hook.seen.max(to));
        Ok(())
    }

    /// Notes how far the log was looked through, so that whoever goes on does not look through it again.
    pub(super) async fn mark(&mut self) -> Result<(), StoreError> {
        let Some(seen) = self.hooks.values().map(|hook| hook.seen).min() else { return Ok(()) };
        let behind: Vec<String> =
            self.hooks.iter().filter(|(_, hook)| hook.noted < seen).map(|(name, _)| name.clone()).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let now = (self.shared.clock)();
        self.shared.store.follow_log(&self.scope, self.fence, (behind, seen), Vec::new(), now).await
    }
}

/// The same for each attempt, and another one for a webhook that was made anew.
fn delivery_id(tenant: TenantId, webhook: &Webhook, position: i64) -> Id {
    let (tenant, position) = (tenant.0.to_le_bytes(), position.to_le_bytes());
    let made = webhook.created_at.micros().to_le_bytes();
    Id::named(&[b"webhook", &tenant, webhook.name.as_bytes(), &made, &position])
}
