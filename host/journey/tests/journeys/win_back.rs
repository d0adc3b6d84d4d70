//! The example of the repository, from the first order to the message.

use openhub_journey::{Answer, Ask, Input, Journey, Next, Reentry, StepContext, check, parse};
use openhub_model::run::{Run, RunStatus};
use openhub_model::{Span, Timestamp};
use serde_json::json;

use crate::{TENANT, at, customer, moment, surroundings};

const DEFINITION: &str = include_str!("../../../../examples/cdnow/win-back.journey.json");
const DAY: i64 = 86_400_000_000;

fn journey() -> Journey {
    let definition = parse(&serde_json::from_str(DEFINITION).unwrap()).unwrap();
    assert_eq!(check(&definition, &surroundings()), []);
    Journey::compile("win-back", 1, &definition, &surroundings()).unwrap()
}

fn first_order(journey: &Journey) -> (Run, Timestamp) {
    let (customer, now) = (customer(), at("1997-01-01T12:00:00Z"));
    let properties = json!({ "total": 11.77, "quantity": 1 });
    let order = moment("Order Completed", "cdnow-1", now, &properties);
    let mut run = journey.start(TENANT, &customer, &order);
    let step = journey.advance(
        &mut run,
        Input::Enter(&order),
        &StepContext::of(TENANT, &[], openhub_model::condition::Facts::of(&customer, now)),
    );
    assert_eq!((step.entered, step.next), (vec!["quiet".to_owned()], Next::Rest));
    (run, now)
}

#[test]
fn sixty_quiet_days_bring_a_coupon_and_one_message() {
    let (journey, customer) = (journey(), customer());
    assert_eq!((journey.trigger().key(), journey.reentry()), ("Order Completed", Reentry::Always));
    let (mut run, start) = first_order(&journey);
    let due = start + Span::from_micros(60 * DAY);
    assert_eq!((run.awaits.join(",").as_str(), run.due, run.state.as_str()), ("Order Completed", Some(due), "{}"));

    let facts = StepContext::of(TENANT, &[], openhub_model::condition::Facts::of(&customer, due));
    let step = journey.advance(&mut run, Input::Timer, &facts);
    let fields = json!({ "percent": 15, "owner": customer.customer.to_string() });
    assert_eq!(step.next, Next::Ask(Ask::Object { kind: "coupon".to_owned(), fields }));
    let accepted = json!({ "percent": 15, "owner": "…", "code": "ABCD-1234" });
    let step = journey.advance(&mut run, Input::Answer(Answer::Object { key: "ABCD-1234", fields: &accepted }), &facts);
    assert_eq!(step.entered, ["send", "done"]);
    assert_eq!(step.messages.len(), 1);
    assert_eq!(step.messages[0].address, "42");
    assert_eq!(step.messages[0].content, r#"{"template":"win-back","code":"ABCD-1234"}"#);
    assert_eq!((run.status, run.node.as_str(), run.step, run.state.as_str()), (RunStatus::Done, "done", 4, "{}"));
}

#[test]
fn another_order_ends_the_wait() {
    let (journey, customer) = (journey(), customer());
    let (mut run, start) = first_order(&journey);
    let now = start + Span::from_micros(60 * DAY);
    let properties = json!({});
    let order = moment("Order Completed", "cdnow-2", now, &properties);
    let step = journey.advance(
        &mut run,
        Input::Event(&order),
        &StepContext::of(TENANT, &[], openhub_model::condition::Facts::of(&customer, now)),
    );
    assert_eq!((step.entered, step.messages.len()), (vec!["bought".to_owned()], 0));
    assert_eq!((run.status, run.ended_at), (RunStatus::Done, Some(now)));
}

#[test]
fn a_run_is_named_by_its_cause() {
    let journey = journey();
    let customer = customer();
    let properties = json!({});
    let id = |message: &str, micros: i64| {
        let moment = moment("Order Completed", message, Timestamp::from_micros(micros), &properties);
        journey.start(TENANT, &customer, &moment).id
    };
    assert_eq!(id("m-1", 5_000), id("m-1", 5_000));
    assert_ne!(id("m-1", 5_000), id("m-2", 5_000));
    assert!(id("m-1", 5_000) < id("m-2", 6_000), "runs sort by their trigger's time");
}
