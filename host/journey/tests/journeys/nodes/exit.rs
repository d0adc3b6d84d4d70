//! Exits, and what a run ignores after its end.

use openhub_journey::{Answer, Input, Next};
use openhub_model::run::RunStatus;
use serde_json::json;

use crate::{Trip, ignored};

#[test]
fn a_run_that_has_ended_ignores_everything() {
    let mut trip = Trip::of(json!({ "start": { "type": "exit", "reason": "nothing to do" } }));
    let step = trip.enter();
    assert_eq!((step.entered, step.next), (vec!["start".to_owned()], Next::Rest));
    assert_eq!((trip.run.status, trip.run.ended_at), (RunStatus::Done, Some(trip.now)));

    let ended = trip.run.clone();
    assert!(ignored(&trip.enter()));
    assert!(ignored(&trip.event("Order Completed", json!({}))));
    assert!(ignored(&trip.advance(Input::Timer)));
    assert!(ignored(&trip.advance(Input::Continue)));
    assert!(ignored(&trip.advance(Input::Answer(Answer::Object { key: "k", fields: &json!({}) }))));
    assert!(ignored(&trip.advance(Input::Answer(Answer::Refused(&[])))));
    assert_eq!(trip.run, ended);
}

#[test]
fn a_run_at_a_node_of_another_version_fails() {
    let mut trip = Trip::of(json!({ "start": { "type": "exit" } }));
    trip.run.node = "elsewhere".to_owned();
    trip.enter();
    assert_eq!(trip.run.status, RunStatus::Failed);
    assert_eq!(trip.fault(), "/nodes/elsewhere: version 3 has no node of this name");
}
