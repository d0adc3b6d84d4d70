//! Offerings: what a tenant publishes for those below it. An offering has versions, and a version never changes: what a partner
//! subscribed to is known by its number and its digest.
//!
//! A version is a document of items, which stand in the order in which they are made. Values that differ from partner to partner are
//! parameters: wherever `{"$parameter": "days"}` stands in an item, a subscription puts its own value.

mod check;
mod digest;
mod parameters;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

use crate::manifest::Field;
use crate::object_type::Declaration;
use crate::price::{PricePlan, Quota};
use crate::time::Timestamp;

pub use check::text_faults;
pub use digest::digest;
pub use parameters::{parameters_in, substituted};

/// Items of a version at most.
pub const ITEMS: usize = 200;
/// Parameters of a version at most.
pub const PARAMETERS: usize = 50;
/// Bytes of a version as JSON at most.
pub const BYTES: usize = 1024 * 1024;

/// What a version of an offering says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What is new in it, for people, by language: `en`, `zh`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
    /// Who says yes to a subscription.
    #[serde(default)]
    pub approval: Approval,
    /// What a partner sets, or may set, when it subscribes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Field>,
    pub items: Vec<Item>,
}

/// Who says yes to a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// The provider, for each subscription.
    #[default]
    Provider,
    /// Nobody: who subscribes has it.
    Automatic,
}

/// One thing that a subscription has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// An object type, as an admin declares it.
    ObjectType(ObjectTypeItem),
    /// A plugin of the provider.
    Plugin(PluginItem),
    Segment(SegmentItem),
    /// A journey, published.
    Journey(JourneyItem),
    /// A bound on what the subscription uses.
    Quota(Quota),
    /// What its use costs.
    Price(PricePlan),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectTypeItem {
    pub name: String,
    pub declaration: Declaration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginItem {
    pub name: String,
    /// The component. A version that is made without it has the one that is active at the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its settings, as `POST /api/v1/plugins/{name}/enable` takes them.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub settings: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentItem {
    pub name: String,
    pub condition: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneyItem {
    pub name: String,
    pub definition: Value,
}

/// What an item is called in a subscription: `journey/win-back`, `price`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub String);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Item {
    /// Its kind, as the document names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Item::ObjectType(_) => "object-type",
            Item::Plugin(_) => "plugin",
            Item::Segment(_) => "segment",
            Item::Journey(_) => "journey",
            Item::Quota(_) => "quota",
            Item::Price(_) => "price",
        }
    }

    /// The name that it has at the partner's; none of what is nothing there.
    pub fn name(&self) -> Option<&str> {
        match self {
            Item::ObjectType(item) => Some(&item.name),
            Item::Plugin(item) => Some(&item.name),
            Item::Segment(item) => Some(&item.name),
            Item::Journey(item) => Some(&item.name),
            Item::Quota(_) | Item::Price(_) => None,
        }
    }

    /// No two items of a version have the same.
    pub fn id(&self) -> ItemId {
        ItemId(match self {
            Item::Quota(Quota { meter, of: None, .. }) => format!("quota/{meter}"),
            Item::Quota(Quota { meter, of: Some(of), .. }) => format!("quota/{meter}/{of}"),
            item => item.name().map_or_else(|| item.kind().to_owned(), |name| format!("{}/{name}", item.kind())),
        })
    }
}

impl Document {
    /// The items that are made at the partner's, in their order.
    pub fn provisioned(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.name().is_some())
    }

    /// What its use costs; none: nothing.
    pub fn price(&self) -> Option<&PricePlan> {
        self.items.iter().find_map(|item| match item {
            Item::Price(plan) => Some(plan),
            _ => None,
        })
    }

    pub fn quotas(&self) -> impl Iterator<Item = &Quota> {
        self.items.iter().filter_map(|item| match item {
            Item::Quota(quota) => Some(quota),
            _ => None,
        })
    }

    /// Names this content: who agreed to it agreed to nothing else.
    pub fn digest(&self) -> String {
        digest(self)
    }
}

/// How a version stands. Nothing has to happen for it to change: it follows from the times that were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionState {
    /// Nobody but its provider sees it.
    Draft,
    /// It will be active from a time on that is yet to come.
    Scheduled,
    /// Partners can subscribe to it, or go over to it.
    Active,
    /// Nobody comes onto it any more; who is on it stays.
    Archived,
}

impl VersionState {
    pub const ALL: [VersionState; 4] =
        [VersionState::Draft, VersionState::Scheduled, VersionState::Active, VersionState::Archived];

    /// At `now`.
    pub fn of(active_at: Option<Timestamp>, archived_at: Option<Timestamp>, now: Timestamp) -> VersionState {
        match (active_at, archived_at) {
            (_, Some(at)) if at <= now => VersionState::Archived,
            (Some(at), _) if at <= now => VersionState::Active,
            (Some(_), _) => VersionState::Scheduled,
            (None, _) => VersionState::Draft,
        }
    }

    /// Whether it can be published now.
    pub const fn may_be_published(self) -> bool {
        matches!(self, VersionState::Draft | VersionState::Scheduled)
    }

    /// Whether it can be archived now.
    pub const fn may_be_archived(self) -> bool {
        !matches!(self, VersionState::Archived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_version_stands_follows_from_its_times() {
        let at = |micros: i64| Some(Timestamp::from_micros(micros));
        let now = Timestamp::from_micros(100);
        for (active, archived, expected) in [
            (None, None, VersionState::Draft),
            (at(101), None, VersionState::Scheduled),
            (at(100), None, VersionState::Active),
            (at(50), at(101), VersionState::Active),
            (at(50), at(100), VersionState::Archived),
            (at(101), at(100), VersionState::Archived),
            (None, at(100), VersionState::Archived),
        ] {
            assert_eq!(VersionState::of(active, archived, now), expected, "{active:?} {archived:?}");
        }
    }
}
