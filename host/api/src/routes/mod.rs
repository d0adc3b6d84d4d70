//! The route table. One endpoint is one file, `<noun>/<verb>.rs`: its description, its handler, its errors.

mod attributes;
mod clock;
mod customers;
mod erasures;
mod events;
mod export;
mod faults;
mod identity_kinds;
mod journeys;
mod matches;
mod messages;
mod objects;
mod plugins;
mod segment;
mod segments;
mod settings;
mod status;
mod suppressions;
mod system;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;

/// Events in.
pub(crate) fn ingest() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(segment::identify::identify))
        .routes(routes!(segment::track::track))
        .routes(routes!(segment::page::page))
        .routes(routes!(segment::screen::screen))
        .routes(routes!(segment::group::group))
        .routes(routes!(segment::alias::alias))
        .routes(routes!(segment::batch::batch))
        .routes(routes!(segment::import::import))
}

/// The hub's own API.
pub(crate) fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(customers::list::list_customers, customers::create::create_customer))
        .routes(routes!(
            customers::get::get_customer,
            customers::update::update_customer,
            customers::erase::erase_customer
        ))
        .routes(routes!(customers::data::customer_data))
        .routes(routes!(erasures::list::list_erasures))
        .routes(routes!(erasures::get::get_erasure))
        .routes(routes!(suppressions::get::count_suppressions))
        .routes(routes!(suppressions::check::check_suppression))
        .routes(routes!(suppressions::remove::remove_suppression))
        .routes(routes!(customers::timeline::customer_timeline))
        .routes(routes!(customers::segments::customer_segments))
        .routes(routes!(customers::objects::customer_objects))
        .routes(routes!(customers::unmerge::unmerge_customer))
        .routes(routes!(customers::history::customer_history))
        .routes(routes!(attributes::list::list_attributes))
        .routes(routes!(attributes::put::put_attribute, attributes::remove::remove_attribute))
        .routes(routes!(identity_kinds::get::get_identity_kinds, identity_kinds::put::put_identity_kinds))
        .routes(routes!(matches::list::list_matches, matches::decide::decide_matches))
        .routes(routes!(events::list::list_events))
        .routes(routes!(plugins::list::list_plugins, plugins::install::install_plugin))
        .routes(routes!(plugins::get::get_plugin, plugins::remove::remove_plugin))
        .routes(routes!(plugins::set_secret::set_plugin_secret))
        .routes(routes!(plugins::enable::enable_plugin))
        .routes(routes!(plugins::disable::disable_plugin))
        .routes(routes!(journeys::list::list_journeys))
        .routes(routes!(journeys::get::get_journey, journeys::save::save_journey, journeys::remove::remove_journey))
        .routes(routes!(journeys::check::check_journey))
        .routes(routes!(journeys::publish::publish_journey))
        .routes(routes!(journeys::pause::pause_journey))
        .routes(routes!(journeys::resume::resume_journey))
        .routes(routes!(journeys::stop::stop_journey))
        .routes(routes!(journeys::drain::drain_journey))
        .routes(routes!(journeys::counts::journey_counts))
        .routes(routes!(segments::list::list_segments))
        .routes(routes!(segments::get::get_segment, segments::save::save_segment, segments::remove::remove_segment))
        .routes(routes!(segments::versions::segment_versions))
        .routes(routes!(segments::members::segment_members, segments::change_members::change_segment_members))
        .routes(routes!(segments::export::export_segment))
        .routes(routes!(segments::preview::preview_segment))
        .routes(routes!(segments::why::why_segment))
        .routes(routes!(segments::why_condition::why_condition))
        .routes(routes!(messages::list::list_messages))
        .routes(routes!(messages::get::get_message))
        .routes(routes!(messages::retry::retry_message))
        .routes(routes!(messages::discard::discard_message))
        .routes(routes!(objects::list::list_objects, objects::create::create_object))
        .routes(routes!(objects::get::get_object, objects::update::update_object, objects::remove::remove_object))
        .routes(routes!(objects::import::import_objects))
        .routes(routes!(export::customers::export_customers))
        .routes(routes!(export::events::export_events))
        .routes(routes!(export::objects::export_objects))
        .routes(routes!(faults::list::list_faults))
        .routes(routes!(faults::get::get_fault))
        .routes(routes!(faults::retry::retry_fault))
        .routes(routes!(faults::discard::discard_fault))
        .routes(routes!(settings::get_settings, settings::change_settings))
        .routes(routes!(clock::get::get_clock, clock::advance::advance_clock))
        .routes(routes!(status::get::get_status))
}

/// For the operator; open to whoever reaches the port.
pub(crate) fn hub() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(system::health::health))
        .routes(routes!(system::ready::ready))
        .routes(routes!(system::metrics::metrics))
        .routes(routes!(system::openapi::openapi))
}
