//! Faults of the list.

use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{FaultKind, FaultStatus, Faulted, NewFault};
use serde::Serialize;
use utoipa::ToSchema;

/// Something that did not go through, or so many that are alike.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedFault)]
pub(crate) struct ListedFaultView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// `refused`, `event`, `rule`, `row-skipped`, `control`, `run`, `object`, `message` or `catalog`.
    #[schema(value_type = String)]
    kind: FaultKind,
    /// `open`, `retried` or `discarded`.
    #[schema(value_type = String)]
    status: FaultStatus,
    /// Who is at fault: `<plugin>/<rule>`, `<journey>/<node>`, a key's id, a control event's name.
    subject: String,
    code: String,
    text: String,
    /// A pointer into what is at fault; empty if there is none.
    place: String,
    /// In the log.
    position: Option<i64>,
    /// Of the event; of the last one, where many are counted.
    message_id: Option<String>,
    /// The customer, under the id of the part.
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    count: i64,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// The last time.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What can be done: `retry`, `discard`. Empty for one that is closed.
    actions: Vec<&'static str>,
}

impl From<Faulted> for ListedFaultView {
    fn from(Faulted { fault, status, first_at, at }: Faulted) -> ListedFaultView {
        let mut actions = Vec::new();
        if status == FaultStatus::Open {
            actions.extend(fault.kind.can_retry().then_some("retry"));
            actions.push("discard");
        }
        let NewFault { id, kind, subject, code, text, place, position, message_id, part, count, order: _ } = fault;
        let customer = part;
        ListedFaultView {
            id,
            kind,
            status,
            subject,
            code,
            text,
            place,
            position,
            message_id,
            customer,
            count,
            first_at,
            at,
            actions,
        }
    }
}
