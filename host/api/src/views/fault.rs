//! Faults of the list.

use openhub_model::{Id, PartId, Timestamp};
use openhub_store::{FaultKind, FaultStatus, Faulted, NewFault};
use serde::Serialize;
use utoipa::ToSchema;

/// Something that failed, or the count of many alike.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedFault)]
pub(crate) struct ListedFaultView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// `refused`, `event`, `rule`, `row-skipped`, `control`, `run`, `object`, `message`, `catalog` or `erasure`.
    #[schema(value_type = String)]
    kind: FaultKind,
    /// `open`, `retried` or `discarded`.
    #[schema(value_type = String)]
    status: FaultStatus,
    /// What failed: `<plugin>/<rule>`, `<journey>/<node>`, a key's id, or a control event's name.
    subject: String,
    code: String,
    text: String,
    /// A JSON pointer to the place that failed; empty if there is none.
    place: String,
    /// Position in the log.
    position: Option<i64>,
    /// The event's `message_id`; the last event's, where many are counted.
    message_id: Option<String>,
    /// The customer, under the id of the part.
    #[schema(value_type = Option<String>, format = "uuid")]
    customer: Option<PartId>,
    count: i64,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// When it last happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What you can do: `retry`, `discard`. Empty if the fault is closed.
    actions: Vec<&'static str>,
    /// Whether `GET /api/v1/faults/{id}/recording` has the call of the plugin that failed.
    recorded: bool,
}

impl From<Faulted> for ListedFaultView {
    fn from(Faulted { fault, status, first_at, at, recorded }: Faulted) -> ListedFaultView {
        let mut actions = Vec::new();
        if status == FaultStatus::Open {
            actions.extend(fault.kind.can_retry().then_some("retry"));
            actions.push("discard");
        }
        let NewFault {
            id,
            kind,
            subject,
            code,
            text,
            place,
            position,
            message_id,
            part,
            count,
            order: _,
            recording: _,
        } = fault;
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
            recorded,
        }
    }
}
