//! The store's contract, on both databases: each case is one function; they share a database, in order.

mod support;

#[path = "contract/audit.rs"]
mod audit;
#[path = "contract/backup.rs"]
mod backup;
#[path = "contract/deeds.rs"]
mod deeds;
#[path = "contract/faults.rs"]
mod faults;
#[path = "contract/identities.rs"]
mod identities;
#[path = "contract/jobs.rs"]
mod jobs;
#[path = "contract/keys.rs"]
mod keys;
#[path = "contract/kv.rs"]
mod kv;
#[path = "contract/lists.rs"]
mod lists;
#[path = "contract/lost_answers.rs"]
mod lost_answers;
#[path = "contract/metered.rs"]
mod metered;
#[path = "contract/once.rs"]
mod once;
#[path = "contract/outbox.rs"]
mod outbox;
#[path = "contract/persons.rs"]
mod persons;
#[path = "contract/plugin_logs.rs"]
mod plugin_logs;
#[path = "contract/plugin_recordings.rs"]
mod plugin_recordings;
#[path = "contract/previews.rs"]
mod previews;
#[path = "contract/ready.rs"]
mod ready;
#[path = "contract/requests.rs"]
mod requests;
#[path = "contract/subscriptions.rs"]
mod subscriptions;
#[path = "contract/tables.rs"]
mod tables;
#[path = "contract/tenant_tree.rs"]
mod tenant_tree;
#[path = "contract/trials.rs"]
mod trials;
#[path = "contract/usage.rs"]
mod usage;
#[path = "contract/webhooks.rs"]
mod webhooks;
#[path = "contract/writes.rs"]
mod writes;

use openhub_test_postgres::Server;
use support::Database;

macro_rules! each_case {
    ($database:expr) => {{
        let database = $database;
        writes::duplicates_are_left_out(&database).await?;
        writes::appends_share_commits_and_keep_order(&database).await?;
        writes::a_stale_lease_writes_nothing(&database).await?;
        writes::b1_a_commit_whose_answer_was_lost_is_not_made_again(&database).await?;
        writes::a_unique_conflict_leaves_nothing(&database).await?;
        writes::a_commit_reads_back(&database).await?;
        writes::ops_are_all_or_nothing(&database).await?;
        writes::a_trial_leaves_nothing_and_new_events_are_new(&database).await?;
        writes::a_cancelled_write_does_not_stop_the_writer(&database).await?;
        writes::a_newer_database_is_refused(&database).await?;
        writes::a_restart_takes_over(&database).await?;
        writes::f_two_nodes_of_one_name_do_not_take_turns(&database).await?;
        ready::who_sleeps_is_ready_when_something_arrives_or_is_due(&database).await?;
        ready::a_replay_sleeps_through_its_timers(&database).await?;
        kv::an_entry_has_a_version_that_is_never_used_twice(&database).await?;
        kv::an_installation_keeps_so_much_and_no_more(&database).await?;
        jobs::a_job_is_run_by_one_node_and_its_cursor_moves_with_its_outcome(&database).await?;
        once::a_call_is_done_once(&database).await?;
        once::an_act_between_is_seen(&database).await?;
        requests::an_erasure_is_open_until_each_plugin_has_answered(&database).await?;
        writes::what_is_set_aside_counts_nowhere(&database).await?;
        writes::what_is_kept_spares_the_body(&database).await?;
        deeds::history_hides_nothing_that_was_done(&database).await?;
        faults::a_one_list_holds_what_did_not_go_through(&database).await?;
        lists::conditions_are_three_valued(&database).await?;
        lists::pages_follow_keys(&database).await?;
        previews::consents_are_in_the_timeline(&database).await?;
        previews::one_instant_of_a_timeline_is_newest_first(&database).await?;
        previews::what_was_said_is_read_newest_first(&database).await?;
        previews::a_count_ends_in_time_and_its_connection_goes_on(&database).await?;
        identities::a_merge_moves_parts_only(&database).await?;
        identities::policies_attributes_and_matches(&database).await?;
        identities::who_is_about_to_be_erased_is_known_no_more(&database).await?;
        writes::f_what_waits_for_the_engine_is_known_without_counting(&database).await?;
        writes::c_a_page_hides_no_event_of_a_server(&database).await?;
        writes::c10_an_erased_page_hides_no_event_of_a_server(&database).await?;
        writes::c11_a_server_meets_what_servers_said(&database).await?;
        writes::a_replay_stands_where_its_log_ends(&database).await?;
        writes::events_of_many_values_take_more_room(&database).await?;
        previews::c14_a_list_of_any_length_is_one_comparison(&database).await?;
        plugin_logs::the_newest_lines_of_each_plugin_are_kept(&database).await?;
        keys::a_key_has_two_secrets_at_most(&database).await?;
        persons::an_invitation_works_once_and_a_session_is_of_its_tenant(&database).await?;
        persons::a_tenant_keeps_an_owner(&database).await?;
        persons::a_proof_works_once(&database).await?;
        persons::a_provider_is_of_its_tenant_and_knows_each_person_as_one(&database).await?;
        audit::an_act_and_its_entry_are_one(&database).await?;
        audit::acts_at_once_make_one_chain(&database).await?;
        audit::tampering_is_found(&database).await?;
        tenant_tree::a_tree_has_no_cycle_and_no_ceiling_gets_wider(&database).await?;
        tenant_tree::a_tenant_is_deleted_after_its_grace_and_leaves_a_receipt(&database).await?;
        subscriptions::what_two_agree_on_is_seen_by_both_and_by_nobody_else(&database).await?;
        subscriptions::operations_are_one_nodes_at_a_time(&database).await?;
        subscriptions::a_block_holds_what_was_made_until_each_is_lifted(&database).await?;
        plugin_recordings::the_newest_recordings_of_each_plugin_are_kept(&database).await?;
        trials::a_trial_ends_with_its_version(&database).await?;
        trials::f3_an_upload_is_written_only_beside_what_it_was_judged_by(&database).await?;
        webhooks::the_log_is_followed_and_what_is_sent_is_settled_once(&database).await?;
        usage::usage_is_summed_by_day_and_belongs_to_its_commit(&database).await?;
        previews::c13_a_number_that_was_stored_breaks_no_reading(&database).await?;
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() -> anyhow::Result<()> {
    each_case!(Database::sqlite()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    each_case!(Database::postgres(&server).await?);
    Ok(())
}
