//! The JSON that the API answers with, one file a noun. Made from the model's types, never stored.

mod audit;
mod clock;
mod customer;
mod event;
mod fault;
mod history;
mod identity_provider;
mod input;
mod job;
mod journey;
mod key;
mod message;
mod meter;
mod object;
mod object_type;
mod offering;
mod pending;
mod person;
mod plugin;
mod plugin_log;
mod plugin_recording;
mod plugin_removal;
mod plugin_trial;
mod plugin_version;
mod privacy;
mod profile;
mod push;
mod quota;
mod segment;
mod share;
mod statement;
mod status;
mod subscription;
mod tenant;
mod usage;
mod webhook;

pub(crate) use audit::{AuditEntryView, AuditHeadView, AuditList};
pub(crate) use clock::ClockView;
pub(crate) use customer::{CustomerList, CustomerView, IdentityView, TimelineItemView, TimelinePage};
pub(crate) use event::{EventList, EventView};
pub(crate) use fault::ListedFaultView;
pub(crate) use history::{HistoryEntry, HistoryPage, ValueKind};
pub(crate) use identity_provider::IdentityProviderView;
pub(crate) use input::FaultView;
pub(crate) use job::{JobList, JobView};
pub(crate) use journey::{CountsView, FaultsView, JourneyList, JourneyView, PublishedView};
pub(crate) use key::{KeyList, KeyView, NewKeyView};
pub(crate) use message::{MessageList, MessageView};
pub(crate) use meter::{MeterList, MeterView, ReportedView};
pub(crate) use object::{ObjectList, ObjectView};
pub(crate) use object_type::{Declared, ObjectTypeList, ObjectTypeTrial, ObjectTypeView};
pub(crate) use offering::{
    Catalog, CatalogEntry, CatalogItem, GrantView, OfferingList, OfferingVersionList, OfferingVersionView,
    OfferingView, ProviderView,
};
pub(crate) use pending::PendingView;
pub(crate) use person::{InvitedView, PersonList, PersonView, RecoveryView, SecondFactorView, SessionView};
pub(crate) use plugin::{PluginList, PluginView};
pub(crate) use plugin_log::{PluginHealthView, PluginLogList};
pub(crate) use plugin_recording::{PluginRecordingList, RecorderView, RecordingView};
pub(crate) use plugin_removal::{PluginRemovalList, PluginRemovalView};
pub(crate) use plugin_trial::{CanaryView, OverReport, ShadowReport, ShadowView};
pub(crate) use plugin_version::{
    Compared, DifferenceView, PluginObjectsView, PluginVersionList, PluginVersionView, PluginVersionWhole,
};
pub(crate) use privacy::{ErasureList, ErasureView, SuppressionCheckView, SuppressionsView};
pub(crate) use profile::{MembershipList, MembershipView, ProfileView};
pub(crate) use push::{PushList, PushTargetList, PushTargetView, PushView};
pub(crate) use quota::{QuotaList, QuotaView};
pub(crate) use segment::{
    ExplanationView, MemberList, MembersChangedView, PreviewView, SegmentList, SegmentVersionList, SegmentView, WhyView,
};
pub(crate) use share::{
    JourneyShareCount, SegmentShareCount, ShareCounts, ShareList, ShareMemberList, ShareMemberView, ShareView,
};
pub(crate) use statement::{StatementList, StatementRowView, StatementView};
pub(crate) use status::StatusView;
pub(crate) use subscription::{
    BlockList, BlockView, ItemChange, MadeList, MadeView, OperationList, OperationView, PARTNERS_REASON,
    SubscriptionList, SubscriptionView, UpgradeGrant, UpgradeItem, UpgradeView,
};
pub(crate) use tenant::{CeilingView, NewTenantView, TenantDeletionList, TenantList, TenantView};
pub(crate) use usage::UsageList;
pub(crate) use webhook::{
    AttemptView, DeliveryList, DeliveryView, DeliveryWhole, ReplayedView, WebhookList, WebhookStatus, WebhookView,
};
