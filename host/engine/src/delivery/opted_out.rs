//! What follows if a provider says that a receiver wants no more: the consent is withdrawn in the hub, too.

use openhub_model::{Id, TenantId};
use openhub_runtime::{Reason, Verdict};
use openhub_store::{Outgoing, Scope, StoreError};

use crate::shared::Shared;
use crate::unsubscribe::Subscription;

/// Records the withdrawals before the verdicts are settled. A verdict whose withdrawal cannot be recorded becomes a retry: the
/// provider will say it again.
pub async fn record(shared: &Shared, tenant: TenantId, messages: &[Outgoing], verdicts: &mut [Verdict]) {
    for (outgoing, verdict) in messages.iter().zip(verdicts) {
        if !matches!(verdict, Verdict::OptedOut(_)) {
            continue;
        }
        if let Err(error) = withdraw(shared, tenant, outgoing).await {
            tracing::error!(tenant.id = tenant.0, %error, "A withdrawal could not be recorded.");
            let message = "the withdrawal of the consent could not be recorded".to_owned();
            let reason = Reason { code: "not-recorded".to_owned(), message, args: Vec::new() };
            *verdict = Verdict::Retry { after_ms: 0, reason };
        }
    }
}

/// Whoever was erased meanwhile has nothing to withdraw.
async fn withdraw(shared: &Shared, tenant: TenantId, outgoing: &Outgoing) -> Result<(), StoreError> {
    let Some(withdrawn) = Subscription::of(tenant, outgoing) else { return Ok(()) };
    let scope = Scope::of(tenant);
    if shared.store.customer(&scope, withdrawn.part).await?.is_none() {
        return Ok(());
    }
    let now = (shared.clock)();
    let at = shared.present(&scope, now).await?;
    let message: Id = outgoing.message.id;
    shared.store.append(&scope, vec![withdrawn.opted_out(message, at, now)]).await.map(drop)
}
