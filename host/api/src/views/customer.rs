//! Customers as the API shows them.

use openhub_model::identity::Part;
use openhub_model::{Attribute, Cause, Identity, PartId, Timestamp};
use openhub_store::{TimelineItem, TimelineKind};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::people::Person;

/// A customer, with its values and who set them.
#[derive(Serialize, ToSchema)]
#[schema(as = Customer)]
pub(crate) struct CustomerView {
    #[schema(value_type = String, format = "uuid")]
    id: PartId,
    identities: Vec<IdentityView>,
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    tags: Vec<String>,
    /// By purpose, or by `purpose/channel`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    consents: BTreeMap<String, ConsentView>,
    /// For each attribute: the event that set it and, if a rule set it, which rule.
    causes: BTreeMap<String, CauseView>,
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
}

#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct IdentityView {
    kind: String,
    value: String,
    /// The `message_id` of the event that first named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// Who set an attribute.
#[derive(Serialize, ToSchema)]
#[schema(as = Cause)]
pub(crate) struct CauseView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The event's `message_id`.
    event: String,
    /// Digest of the plugin's component.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    /// The rule's id, or the journey's name and version; `@page` if a page's key set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CustomerList {
    pub customers: Vec<CustomerView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

impl CustomerView {
    pub fn new(Person { customer, parts }: Person) -> CustomerView {
        let mut identities: Vec<IdentityView> = parts.into_iter().map(Into::into).collect();
        if identities.is_empty() {
            identities.push(customer.identity.into());
        }
        let consents = customer.consents.into_iter().filter(|(_, record)| !record.value.is_null());
        let consents = consents.map(|(key, record)| (key, record.into())).collect();
        let tags = customer.tags.iter().filter(|(_, tag)| tag.value == Value::Bool(true));
        let tags = tags.map(|(name, _)| name.clone()).collect();
        let mut attributes = Map::new();
        let mut causes = BTreeMap::new();
        for (name, attribute) in customer.attributes {
            if !attribute.value.is_null() {
                causes.insert(name.clone(), attribute.cause.into());
                attributes.insert(name, attribute.value);
            }
        }
        CustomerView {
            id: customer.customer,
            identities,
            attributes,
            tags,
            consents,
            causes,
            first_seen_at: customer.first_seen_at,
            last_seen_at: customer.last_seen_at,
        }
    }
}

/// What a customer agreed to or refused, and the event that recorded it.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
pub(crate) struct ConsentView {
    /// `granted` or `denied`.
    state: String,
    /// Where the customer said it, like a form or a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// The version of the text that was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_version: Option<String>,
    /// When it was recorded. `null` if nobody knows: it was imported without a time, and counts as older than any denial.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The event's `message_id`.
    event: String,
}

impl From<Attribute> for ConsentView {
    fn from(Attribute { value, cause }: Attribute) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        ConsentView {
            state: text("state").unwrap_or_default(),
            source: text("source"),
            text_version: text("text_version"),
            at: Some(cause.at).filter(|at| *at != Timestamp::FIRST),
            event: cause.event.as_ref().to_owned(),
        }
    }
}

impl From<Identity> for IdentityView {
    fn from(Identity { kind, value }: Identity) -> Self {
        IdentityView { kind, value, source: None }
    }
}

impl From<Part> for IdentityView {
    fn from(Part { identity, source, .. }: Part) -> Self {
        let source = Some(source).filter(|source| !source.is_empty());
        IdentityView { source, ..identity.into() }
    }
}

impl From<Cause> for CauseView {
    fn from(Cause { at, event, plugin, rule }: Cause) -> Self {
        let text = |text: Arc<str>| text.as_ref().to_owned();
        CauseView { at, event: text(event), plugin: plugin.map(text), rule: rule.map(text) }
    }
}

/// Something that happened to a customer.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineItem)]
pub(crate) struct TimelineItemView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// `event`, `message`, `run`, `object`, `consent`, `set-aside` or `fault`.
    #[schema(value_type = String)]
    kind: TimelineKind,
    id: String,
    title: String,
    #[schema(value_type = Object)]
    detail: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TimelinePage {
    pub items: Vec<TimelineItemView>,
    /// Cursor of the next, older page.
    pub next: Option<String>,
}

impl From<TimelineItem> for TimelineItemView {
    fn from(item: TimelineItem) -> Self {
        let TimelineItem { at, kind, id, title, detail, .. } = item;
        TimelineItemView { at, kind, id, title, detail }
    }
}
