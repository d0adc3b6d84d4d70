//! Shares, as both sides see them, and what the recipient has of them.

use openhub_model::share::{ShareKind, ShareState};
use openhub_model::{Id, Timestamp};
use openhub_store::Share;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::offering::ProviderView;

#[derive(Serialize, ToSchema)]
#[schema(as = Share)]
pub(crate) struct ShareView {
    #[schema(value_type = String, format = "uuid")]
    id: Id,
    /// Whose customers it is about.
    giver: ProviderView,
    recipient: ProviderView,
    name: String,
    /// 1 for the first of this name between the two.
    version: i64,
    /// Agree to this: `{"digest": …}`.
    digest: String,
    /// `action`, `pseudonyms` or `fields`.
    #[schema(value_type = String)]
    kind: ShareKind,
    segments: Vec<String>,
    journeys: Vec<String>,
    /// For what the recipient uses it; `null` of counts.
    purpose: Option<String>,
    fields: Vec<String>,
    /// The consent that names recipient and purpose. `fields` are given of those alone who have granted it; of `pseudonyms`, whoever has denied
    /// it, or has granted neither it nor its first half, is left out.
    consent: Option<String>,
    /// `proposed`, `active`, `declined`, `withdrawn` or `replaced`.
    #[schema(value_type = String)]
    state: ShareState,
    /// Who proposed it, by its number.
    proposer: i64,
    /// Why it was declined or withdrawn.
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    proposed_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    agreed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl ShareView {
    pub fn of(share: Share, (giver, recipient): (String, String)) -> ShareView {
        ShareView {
            id: share.id,
            giver: ProviderView::of(share.giver, giver),
            recipient: ProviderView::of(share.recipient, recipient),
            name: share.name,
            version: share.version,
            digest: share.digest,
            kind: share.terms.kind,
            segments: share.terms.segments,
            journeys: share.terms.journeys,
            purpose: share.terms.purpose,
            fields: share.terms.fields,
            consent: share.consent,
            state: share.state,
            proposer: share.proposer.0,
            reason: share.reason,
            proposed_at: share.proposed_at,
            agreed_at: share.agreed_at,
            ended_at: share.ended_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ShareList {
    pub shares: Vec<ShareView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// What a share of the kind `action` tells.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShareCounts {
    /// Counts below this are `null`.
    pub fewest: i64,
    pub segments: Vec<SegmentShareCount>,
    pub journeys: Vec<JourneyShareCount>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentShareCount {
    pub segment: String,
    pub count: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct JourneyShareCount {
    pub journey: String,
    pub node: String,
    /// Runs that ever entered it.
    pub entered: Option<i64>,
}

/// Somebody in a segment of a share.
#[derive(Serialize, ToSchema)]
#[schema(as = ShareMember)]
pub(crate) struct ShareMemberView {
    /// 32 hexadecimal digits: the same at each read, and another one for each recipient.
    pub pseudonym: String,
    /// The attributes that were agreed on.
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ShareMemberList {
    pub members: Vec<ShareMemberView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}
