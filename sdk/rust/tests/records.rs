//! Records as an author writes them, to and from the JSON of the contract.

use openhub_sdk::data_object::{self, RawChange};
use openhub_sdk::prelude::*;
use openhub_sdk::record::Record;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "ticket", version = 2)]
struct Ticket {
    #[field(unique)]
    number: Option<String>,
    price: Decimal<2>,
    #[field(relation, owner)]
    owner: CustomerRef,
    #[field(default)]
    used: bool,
    valid_from: Timestamp,
    r#type: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Enum)]
enum Kind {
    Day,
    Week,
}

#[derive(Event)]
#[event(name = "Ticket Made")]
struct Made {
    number: String,
}

impl Check for Ticket {
    fn check(change: Change<Ticket>) -> Result<Accepted<Ticket>, Vec<Fault>> {
        match change.operation {
            Operation::Create(ticket) => {
                let number = format!("{:04}", change.seed);
                let made = Made { number: number.clone() };
                Ok(Accepted::new(&number, Ticket { number: Some(number.clone()), ..ticket }).causing(&made))
            }
            Operation::Update { .. } | Operation::Delete(_) => {
                Err(Fault::new("", "final", "tickets never change").into())
            }
        }
    }
}

#[derive(Debug, PartialEq, Content)]
struct Post {
    title: String,
    link: Option<String>,
}

const TICKET: &str =
    r#"{"price":"19.90","owner":"ann","valid_from":"2026-01-31T08:00:00+08:00","type":"week","unknown":1}"#;

fn change(json: &str) -> RawChange {
    let operation = openhub_sdk::bindings::data_object::exports::openhub::data_object::data_object::Operation::Create(
        json.to_owned(),
    );
    RawChange { key: None, customer: None, at: 0, seed: 7, operation }
}

#[test]
fn a_record_is_completed_and_causes_events() {
    let answers = data_object::run::<Ticket>(vec![change(TICKET)]);
    let accepted = answers.into_iter().next().expect("an answer").expect("a ticket");
    assert_eq!(accepted.key, "0007");
    let events: Vec<_> = accepted.events.iter().map(|event| (event.name.as_str(), event.properties.as_str())).collect();
    assert_eq!(events, [("Ticket Made", r#"{"number":"0007"}"#)]);
    let stored = Ticket::parse(&accepted.fields).expect("what was written");
    assert_eq!((stored.used, stored.r#type, stored.price.units()), (false, Kind::Week, 1990));
    assert_eq!(stored.valid_from.to_string(), "2026-01-31T00:00:00Z");
}

#[test]
fn every_fault_of_a_record_is_told_and_its_neighbour_stands() {
    let answers =
        data_object::run::<Ticket>(vec![change(r#"{"price":"1.999","owner":7,"type":"year"}"#), change(TICKET)]);
    let [Err(faults), Ok(_)] = answers.as_slice() else { panic!("{answers:?}") };
    let told: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.reason.code.as_str())).collect();
    assert_eq!(
        told,
        [("/price", "wrong-type"), ("/owner", "wrong-type"), ("/valid_from", "required"), ("/type", "wrong-type")]
    );
    assert!(data_object::run::<Ticket>(vec![change("7")])[0].is_err());
}

#[test]
fn content_is_read_by_its_fields() {
    let post = Post { title: "Hi".to_owned(), link: None };
    assert_eq!(Post::read(r#"{"title":"Hi","link":null}"#).ok(), Some(post));
    assert_eq!(Post::read("{}").expect_err("a fault").code, "malformed-content");
}
