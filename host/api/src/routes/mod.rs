//! The route table. One noun is one file, or a folder where that would be long: descriptions, handlers, errors.

mod attributes;
mod audit;
pub(crate) mod catalog;
mod clock;
mod customers;
pub(crate) mod endpoints;
mod erasures;
mod events;
mod export;
mod faults;
pub(crate) mod hooks;
mod identity_kinds;
mod identity_provider;
mod invitations;
mod jobs;
pub(crate) mod journeys;
mod keys;
mod matches;
mod messages;
pub(crate) mod object_types;
mod objects;
mod offerings;
mod oidc;
mod partner_tokens;
mod persons;
mod plugin_removals;
pub(crate) mod plugins;
mod quotas;
mod second_factor;
mod segment;
pub(crate) mod segments;
mod session;
mod settings;
mod shares;
mod statements;
mod status;
pub(crate) mod subscriptions;
mod suppressions;
mod system;
mod tenants;
pub(crate) mod unsubscribe;
mod usage;
mod usage_reports;
mod webhooks;

use axum::routing::options;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::cors::preflight;

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
        .routes(routes!(segment::settings::project_settings))
        .routes(routes!(segment::settings::source_config))
}

/// Events in, by the names that libraries have for it too.
pub(crate) fn doors(ingest: axum::Router<Shared>) -> axum::Router<Shared> {
    segment::doors::doors().into_iter().fold(ingest, |router, (path, door)| router.route(&path, door))
}

/// What browsers ask before they send.
pub(crate) fn preflights() -> axum::Router<Shared> {
    segment::doors::asked()
        .into_iter()
        .fold(axum::Router::new(), |router, path| router.route(&path, options(preflight)))
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
        .routes(routes!(erasures::list_erasures))
        .routes(routes!(erasures::get_erasure))
        .routes(routes!(suppressions::count_suppressions))
        .routes(routes!(suppressions::check_suppression))
        .routes(routes!(suppressions::remove_suppression))
        .routes(routes!(customers::timeline::customer_timeline))
        .routes(routes!(customers::segments::customer_segments))
        .routes(routes!(customers::objects::customer_objects))
        .routes(routes!(customers::unmerge::unmerge_customer))
        .routes(routes!(customers::history::customer_history))
        .routes(routes!(attributes::list_attributes))
        .routes(routes!(attributes::get_attribute, attributes::put_attribute, attributes::remove_attribute))
        .routes(routes!(attributes::unfit_customers))
        .routes(routes!(identity_kinds::get_identity_kinds, identity_kinds::put_identity_kinds))
        .routes(routes!(matches::list_matches, matches::decide_matches))
        .routes(routes!(events::list_events))
        .routes(routes!(plugins::list_plugins, plugins::install_plugin))
        .routes(routes!(plugins::get_plugin, plugins::remove_plugin))
        .routes(routes!(plugins::set_plugin_secret))
        .routes(routes!(plugins::enable_plugin))
        .routes(routes!(plugins::disable_plugin))
        .routes(routes!(plugins::activate_plugin))
        .routes(routes!(plugins::set_plugin_canary, plugins::end_plugin_canary))
        .routes(routes!(plugins::plugin_shadow, plugins::start_plugin_shadow, plugins::stop_plugin_shadow))
        .routes(routes!(plugins::record_plugin, plugins::end_plugin_recording))
        .routes(routes!(plugins::list_plugin_recordings, plugins::delete_plugin_recordings))
        .routes(routes!(plugins::plugin_recording))
        .routes(routes!(plugins::plugin_version_over))
        .routes(routes!(plugins::plugin_data))
        .routes(routes!(plugin_removals::list_plugin_removals))
        .routes(routes!(plugin_removals::get_plugin_removal))
        .routes(routes!(plugins::roll_back_plugin))
        .routes(routes!(plugins::list_plugin_versions))
        .routes(routes!(plugins::get_plugin_version, plugins::discard_plugin_version))
        .routes(routes!(plugins::plugin_logs))
        .routes(routes!(plugins::plugin_health))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::run_job))
        .routes(routes!(journeys::list_journeys))
        .routes(routes!(journeys::get_journey, journeys::save_journey, journeys::remove_journey))
        .routes(routes!(journeys::check_journey))
        .routes(routes!(journeys::publish_journey))
        .routes(routes!(journeys::pause_journey))
        .routes(routes!(journeys::resume_journey))
        .routes(routes!(journeys::stop_journey))
        .routes(routes!(journeys::drain_journey))
        .routes(routes!(journeys::journey_counts))
        .routes(routes!(segments::list::list_segments))
        .routes(routes!(segments::get::get_segment, segments::save::save_segment, segments::remove::remove_segment))
        .routes(routes!(segments::versions::segment_versions))
        .routes(routes!(segments::members::segment_members, segments::change_members::change_segment_members))
        .routes(routes!(segments::export::export_segment))
        .routes(routes!(segments::preview::preview_segment))
        .routes(routes!(segments::why::why_segment))
        .routes(routes!(segments::why_condition::why_condition))
        .routes(routes!(messages::list_messages))
        .routes(routes!(messages::get_message))
        .routes(routes!(messages::retry_message))
        .routes(routes!(messages::discard_message))
        .routes(routes!(object_types::list_object_types))
        .routes(routes!(object_types::get_object_type, object_types::put_object_type, object_types::remove_object_type))
        .routes(routes!(object_types::object_type_schema))
        .routes(routes!(objects::list_objects, objects::create_object))
        .routes(routes!(objects::get_object, objects::update_object, objects::remove_object))
        .routes(routes!(objects::import_objects))
        .routes(routes!(export::customers::export_customers))
        .routes(routes!(export::events::export_events))
        .routes(routes!(export::objects::export_objects))
        .routes(routes!(faults::list_faults))
        .routes(routes!(faults::get_fault))
        .routes(routes!(faults::fault_recording))
        .routes(routes!(faults::retry_fault))
        .routes(routes!(faults::discard_fault))
        .routes(routes!(settings::get_settings, settings::change_settings))
        .routes(routes!(clock::get_clock, clock::advance_clock))
        .routes(routes!(clock::stop_clock))
        .routes(routes!(status::get_status))
        .routes(routes!(usage::plugin_usage, usage_reports::report_usage))
        .routes(routes!(usage_reports::meters))
        .routes(routes!(quotas::list_quotas))
        .routes(routes!(statements::list_statements))
        .routes(routes!(statements::get_statement))
        .routes(routes!(statements::statement_usage))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::get_key, keys::revoke_key))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(persons::list_persons, persons::invite_person))
        .routes(routes!(persons::get_person, persons::change_person, persons::remove_person))
        .routes(routes!(persons::invite_person_again))
        .routes(routes!(persons::end_person_sessions))
        .routes(routes!(
            identity_provider::get_identity_provider,
            identity_provider::put_identity_provider,
            identity_provider::remove_identity_provider
        ))
        .routes(routes!(partner_tokens::create_partner_token))
        .routes(routes!(audit::list_audit))
        .routes(routes!(audit::audit_head))
        .routes(routes!(audit::export_audit))
        .routes(routes!(webhooks::list_webhooks))
        .routes(routes!(
            webhooks::get_webhook,
            webhooks::put_webhook,
            webhooks::change_webhook,
            webhooks::remove_webhook
        ))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhooks::test_webhook))
        .routes(routes!(webhooks::list_webhook_deliveries))
        .routes(routes!(webhooks::get_webhook_delivery))
        .routes(routes!(webhooks::replay_webhook_delivery))
        .routes(routes!(webhooks::replay_webhook))
        .routes(routes!(tenants::list_tenants, tenants::create_tenant))
        .routes(routes!(tenants::get_tenant, tenants::change_tenant, tenants::delete_tenant))
        .routes(routes!(tenants::move_tenant))
        .routes(routes!(tenants::pause_tenant))
        .routes(routes!(tenants::resume_tenant))
        .routes(routes!(tenants::tenant_deletions))
        .routes(routes!(tenants::claim_tenant))
        .routes(routes!(offerings::list_offerings))
        .routes(routes!(offerings::get_offering, offerings::put_offering, offerings::remove_offering))
        .routes(routes!(offerings::list_offering_versions, offerings::create_offering_version))
        .routes(routes!(offerings::get_offering_version))
        .routes(routes!(offerings::publish_offering_version))
        .routes(routes!(offerings::archive_offering_version))
        .routes(routes!(offerings::list_pushes, offerings::begin_push))
        .routes(routes!(offerings::get_push))
        .routes(routes!(offerings::list_push_targets))
        .routes(routes!(offerings::pause_push))
        .routes(routes!(offerings::resume_push))
        .routes(routes!(offerings::stop_push))
        .routes(routes!(subscriptions::list_subscribers))
        .routes(routes!(subscriptions::get_subscriber))
        .routes(routes!(subscriptions::approve_subscriber))
        .routes(routes!(subscriptions::decline_subscriber))
        .routes(routes!(subscriptions::lower_subscriber))
        .routes(routes!(catalog::read_catalog))
        .routes(routes!(catalog::read_catalog_entry))
        .routes(routes!(subscriptions::list_subscriptions, subscriptions::request_subscription))
        .routes(routes!(subscriptions::get_subscription))
        .routes(routes!(subscriptions::withdraw_subscription))
        .routes(routes!(subscriptions::cap_subscription))
        .routes(routes!(subscriptions::end_subscription))
        .routes(routes!(subscriptions::end_subscriber))
        .routes(routes!(subscriptions::list_operations))
        .routes(routes!(subscriptions::list_made))
        .routes(routes!(subscriptions::preview_upgrade, subscriptions::upgrade_subscription))
        .routes(routes!(subscriptions::list_subscriber_operations))
        .routes(routes!(subscriptions::list_subscriber_blocks, subscriptions::block_subscriber))
        .routes(routes!(subscriptions::lift_block))
        .routes(routes!(subscriptions::list_blocks))
        .routes(routes!(subscriptions::resume_operation))
        .routes(routes!(shares::list_shares, shares::propose_share))
        .routes(routes!(shares::get_share))
        .routes(routes!(shares::agree_to_share))
        .routes(routes!(shares::decline_share))
        .routes(routes!(shares::withdraw_share))
        .routes(routes!(shares::share_counts))
        .routes(routes!(shares::share_members))
}

/// Where people come in, and what they do with their own session.
pub(crate) fn entrance() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(session::who_am_i, session::log_in, session::log_out))
        .routes(routes!(session::change_password))
        .routes(routes!(
            second_factor::begin_second_factor,
            second_factor::confirm_second_factor,
            second_factor::remove_second_factor
        ))
        .routes(routes!(oidc::begin_oidc, oidc::confirm_oidc))
        .routes(routes!(oidc::end_oidc))
        .routes(routes!(invitations::accept_invitation))
}

/// For the operator; open to whoever reaches the port.
pub(crate) fn hub() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(system::root)).routes(routes!(system::openapi))
}

/// What may have an address of its own.
pub(crate) fn metrics() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(system::metrics))
}

/// What is there at each address that a machine looks at.
pub(crate) fn looks() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(system::health)).routes(routes!(system::ready))
}
