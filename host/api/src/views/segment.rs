//! Segments as the API shows them: what they say, who is in them, and why.

use openhub_model::condition::{Explanation, Truth};
use openhub_model::{Condition, PartId, Timestamp};
use openhub_store::{Filling, Preview, Segment, SegmentVersion};
use serde::Serialize;
use utoipa::ToSchema;

use super::customer::{CustomerView, IdentityView};

/// A named condition with its members, or a list kept by hand.
#[derive(Serialize, ToSchema)]
#[schema(as = Segment)]
pub(crate) struct SegmentView {
    name: String,
    /// Its members are added and removed by hand.
    r#static: bool,
    /// The version in force; `null` until the engine has reached the first one.
    version: Option<i64>,
    /// The version that was saved last.
    latest: i64,
    /// The condition of the version that was saved last; `null` if the segment is static.
    #[schema(value_type = Option<Object>)]
    condition: Option<Condition>,
    /// How many members it has.
    members: i64,
    /// Progress of the first fill of the version in force; `null` if it is done.
    fill: Option<FillView>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// Customers that a first fill has checked.
#[derive(Serialize, ToSchema)]
#[schema(as = Fill)]
pub(crate) struct FillView {
    filled: i64,
    /// How many customers there are to check.
    of: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentList {
    pub segments: Vec<SegmentView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl SegmentView {
    /// `latest` is the version that was written last, `customers` how many there are.
    pub fn new(segment: Segment, latest: Option<&SegmentVersion>, customers: i64) -> SegmentView {
        let condition = latest.map_or(segment.condition, |version| version.condition.clone());
        // Nobody has to be looked at for a list that is kept by hand.
        let fill = segment.fill.filter(|_| condition.is_some());
        let fill = fill.map(|Filling { filled, .. }| FillView { filled, of: customers.max(filled) });
        SegmentView {
            name: segment.name,
            r#static: condition.is_none(),
            version: segment.version,
            latest: segment.latest,
            condition,
            members: segment.members,
            fill,
            created_at: segment.created_at,
            updated_at: segment.updated_at,
        }
    }
}

/// One version of a segment, and who saved it.
#[derive(Serialize, ToSchema)]
#[schema(as = SegmentVersion)]
pub(crate) struct SegmentVersionView {
    version: i64,
    /// `null` if the segment is static.
    #[schema(value_type = Option<Object>)]
    condition: Option<Condition>,
    /// Id of the key that saved it.
    author: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentVersionList {
    versions: Vec<SegmentVersionView>,
    /// Cursor of the next page.
    next: Option<String>,
}

impl SegmentVersionList {
    pub fn new(versions: Vec<SegmentVersion>, next: Option<String>) -> SegmentVersionList {
        let view = |version: SegmentVersion| SegmentVersionView {
            version: version.version,
            condition: version.condition,
            author: version.author,
            created_at: version.created_at,
        };
        SegmentVersionList { versions: versions.into_iter().map(view).collect(), next }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView {
    #[schema(value_type = String, format = "uuid")]
    customer: PartId,
    /// By the tenant's clock.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MemberList {
    members: Vec<MemberView>,
    /// Cursor of the next page.
    next: Option<String>,
}

impl MemberList {
    pub fn new(members: Vec<(PartId, Timestamp)>, next: Option<String>) -> MemberList {
        let members = members.into_iter().map(|(customer, since)| MemberView { customer, since });
        MemberList { members: members.collect(), next }
    }
}

/// What a change of a static segment's members asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = MembersChanged)]
pub(crate) struct MembersChangedView {
    /// Identities of known customers, who are members now.
    pub added: usize,
    /// Identities of known customers, who are not members now.
    pub removed: usize,
    /// Identities that no customer has; they were left out.
    pub unknown: Vec<IdentityView>,
    /// Only with status 202: the change is visible when the checkpoint of `/api/v1/status` reaches this position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
}

/// For whom a condition would hold.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub(crate) struct PreviewView {
    /// How many customers; an estimate if it is not `exact`.
    count: i64,
    exact: bool,
    /// In 95 of 100 cases the true count differs from `count` by at most this. 0 if it is exact.
    error: i64,
    /// The share of all customers that was checked.
    share: f64,
    /// Segments that the condition mentions and that are still being filled: until that is done the count is not exact.
    filling: Vec<String>,
    /// Some of these customers.
    sample: Vec<CustomerView>,
}

impl PreviewView {
    pub fn new(preview: &Preview, filling: Vec<String>, sample: Vec<CustomerView>) -> PreviewView {
        PreviewView {
            count: preview.count(),
            exact: preview.is_exact() && filling.is_empty(),
            error: preview.error(),
            share: preview.share(),
            filling,
            sample,
        }
    }
}

/// Why a condition holds for a customer, or why not.
#[derive(Serialize, ToSchema)]
#[schema(as = Why)]
pub(crate) struct WhyView {
    #[schema(value_type = String, format = "uuid")]
    pub customer: PartId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Since when the customer is in the segment; `null` if they are not.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Option<Timestamp>>,
    /// The moment of the check, by the tenant's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// `true`, `false` or `unknown`; `null` if the segment is static.
    #[schema(value_type = Option<String>)]
    pub truth: Option<Truth>,
    /// When the answer may change by time alone.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// The condition's tree, with the truth and the evidence at each leaf.
    pub why: Option<ExplanationView>,
}

/// A node of a condition: its `kind` and `truth`, `until` when that holds, and its `parts`, or a leaf's `test` and `evidence`. A leaf that
/// names a segment has `because`, too: the same node of the segment's own condition, up to three segments deep and at most 20 in
/// all, without those whose condition asks for what the key may not read.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Explanation, value_type = Object)]
pub(crate) struct ExplanationView(pub Explanation);
