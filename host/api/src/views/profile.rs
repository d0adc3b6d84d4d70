//! All that is known of one customer, on one page.

use openhub_model::{Attribute, Customer, Timestamp};
use openhub_store::Membership;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::customer::{CauseView, CustomerView};
use super::segment::ExplanationView;
use crate::people::Person;

/// A customer with what belongs to them.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub(crate) struct ProfileView {
    #[serde(flatten)]
    customer: CustomerView,
    /// Names of the segments that the customer is in.
    segments: Vec<MembershipView>,
    /// How many objects of each type the customer has.
    objects: BTreeMap<String, i64>,
    /// Numbers among the attributes that a rule keeps.
    scores: BTreeMap<String, ScoreView>,
}

/// A number that a rule keeps.
#[derive(Serialize, ToSchema)]
#[schema(as = Score)]
pub(crate) struct ScoreView {
    #[schema(value_type = f64)]
    value: Value,
    cause: CauseView,
}

/// That a customer is in a segment.
#[derive(Serialize, ToSchema)]
#[schema(as = Membership)]
pub(crate) struct MembershipView {
    segment: String,
    /// By the tenant's clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only if you asked for it, and not for a static segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<ExplanationView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MembershipList)]
pub(crate) struct MembershipList {
    pub segments: Vec<MembershipView>,
}

impl ProfileView {
    pub fn new(person: Person, memberships: Vec<Membership>, objects: Vec<(String, i64)>) -> ProfileView {
        ProfileView {
            scores: scores(&person.customer),
            customer: CustomerView::new(person),
            segments: memberships.into_iter().map(|membership| MembershipView::new(membership, None)).collect(),
            objects: objects.into_iter().collect(),
        }
    }
}

impl MembershipView {
    pub fn new(membership: Membership, why: Option<ExplanationView>) -> MembershipView {
        MembershipView { segment: membership.segment, since: membership.since, why }
    }
}

fn scores(customer: &Customer) -> BTreeMap<String, ScoreView> {
    let is_kept =
        |Attribute { value, cause }: &Attribute| value.is_number() && cause.rule.is_some() && !cause.is_page();
    let kept = customer.attributes.iter().filter(|(_, attribute)| is_kept(attribute));
    let score =
        |Attribute { value, cause }: &Attribute| ScoreView { value: value.clone(), cause: cause.clone().into() };
    kept.map(|(name, attribute)| (name.clone(), score(attribute))).collect()
}
