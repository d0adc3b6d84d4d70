//! A test call of a webhook, for whoever sets it up.

use openhub_model::Id;
use openhub_store::{Attempt, Scope, Webhook};

use crate::engine::Engine;
use crate::webhooks::{GRACE, send};

impl Engine {
    /// Sends a signed test to a webhook, whatever it wants, and answers what came of it. None: too much is being sent.
    pub async fn test_webhook(&self, scope: &Scope, webhook: &Webhook, id: Id) -> Option<Attempt> {
        let place = self.shared.webhook_places.take_within(scope.tenant(), GRACE).await?;
        Some(send::test(&self.shared, scope.tenant(), webhook, id, place).await)
    }
}
