//! The JSON that the API answers with, one file a noun. Made from the model's types, never stored.

mod catalog;
mod customer;
mod fault;
mod history;
mod privacy;
mod profile;
mod record;
mod segment;

pub(crate) use catalog::{CountsView, FaultsView, JourneyList, JourneyView, PluginList, PluginView, PublishedView};
pub(crate) use customer::{CustomerList, CustomerView, IdentityView, TimelineItemView, TimelinePage};
pub(crate) use fault::ListedFaultView;
pub(crate) use history::{HistoryEntry, HistoryPage, ValueKind};
pub(crate) use privacy::{ErasureList, ErasureView, SuppressionCheckView, SuppressionsView};
pub(crate) use profile::{MembershipList, MembershipView, ProfileView};
pub(crate) use record::{
    ClockView, EventList, EventView, FaultView, MessageList, MessageView, ObjectList, ObjectView, PendingView,
    StatusView,
};
pub(crate) use segment::{
    ExplanationView, MemberList, MembersChangedView, PreviewView, SegmentList, SegmentVersionList, SegmentView, WhyView,
};
