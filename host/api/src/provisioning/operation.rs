//! An operation as it begins: all that it has to do, item by item.

use openhub_model::Timestamp;
use openhub_model::offering::Document;
use openhub_model::subscription::{ItemState, OperationState, Progress, Purpose};
use openhub_store::{Agreement, Operation, Subscription};

/// How far a step has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Done,
    /// It is in the log, and the engine has yet to pass it.
    Pending,
}

/// An operation that begins now, with all that it has to do.
pub(crate) fn begun(
    subscription: &Subscription,
    before: &[Operation],
    purpose: Purpose,
    items: impl IntoIterator<Item = String>,
    now: Timestamp,
) -> Operation {
    let waiting = |item| Progress { item, state: ItemState::Waiting, reason: None };
    Operation {
        subscription: subscription.id,
        number: before.first().map_or(1, |newest| newest.number + 1),
        purpose,
        state: OperationState::Running,
        version: subscription.version,
        digest: subscription.digest.clone(),
        progress: items.into_iter().map(waiting).collect(),
        reason: None,
        started_at: now,
        settled_at: None,
    }
}

/// All of a version is made, in its order.
pub(crate) fn provision(subscription: &Subscription, document: &Document, now: Timestamp) -> Vec<Agreement> {
    let items = document.provisioned().map(|item| item.id().0);
    let operation = begun(subscription, &[], Purpose::Provision, items, now);
    let partner = subscription.partner;
    vec![Agreement::Begin { partner, operation: Box::new(operation) }, Agreement::LookAt { partner, at: None }]
}
