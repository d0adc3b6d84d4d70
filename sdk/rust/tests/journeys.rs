//! Steps and functions as their macros make them, called as the host calls them.

use openhub_sdk::content::{Calls, Function};
use openhub_sdk::prelude::*;
use openhub_sdk::rule::{Column, Values};
use openhub_sdk::step::{self, RawEntry, RawNext};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Record)]
pub struct With {
    pub least: Decimal<2>,
    #[field(default = 3)]
    pub tries: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Record)]
pub struct Kept {
    pub seen: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Way {
    GoOn,
    GiveUp,
}

#[step(events = ["Paid", "Left"], state_version = "4")]
pub fn patience(entry: Entry<With>) -> Result<Next<Way>, Reason> {
    let seen = if entry.state.is_empty() { 0 } else { entry.kept::<Kept>()?.seen };
    Ok(match entry.woke {
        Woke::Entered => Next::Wait(Wait::event("Paid").or_event("Left").keeping_record(&Kept { seen: seen + 1 })),
        Woke::Timer => Next::Wait(Wait::event("Unheard Of")),
        Woke::Event { name: "Paid", properties, .. } => match properties["total"].as_f64() {
            Some(_) => Next::Go(Way::GoOn),
            None => return Err(Reason::new("no-total", "there is no total")),
        },
        Woke::Event { .. } => Next::Go(Way::GiveUp),
    })
}

use openhub_sdk::bindings::step::exports::openhub::step::step as raw;

fn entry(input: serde_json::Value, state: &[u8], woke: raw::Woke) -> RawEntry {
    RawEntry {
        run: "r".into(),
        customer: "c".into(),
        at: 0,
        seed: 1,
        input: input.to_string(),
        state: state.to_vec(),
        state_version: 4,
        woke,
    }
}

fn happened(event: u32, properties: serde_json::Value) -> raw::Woke {
    raw::Woke::Event(raw::Happened { event, at: 0, properties: properties.to_string() })
}

#[test]
fn outlets_and_events_are_numbers_and_a_run_that_fails_concerns_no_other() {
    let with = json!({"least": "1.50"});
    let answers = step::run::<patience>(vec![
        entry(with.clone(), br#"{"seen":6}"#, raw::Woke::Entered),
        entry(json!({}), b"", raw::Woke::Entered),
        entry(with.clone(), b"", happened(0, json!({"total": 5}))),
        entry(with.clone(), b"", happened(0, json!({}))),
        entry(with.clone(), b"", happened(1, json!({}))),
        entry(with.clone(), b"", happened(2, json!({}))),
        entry(with, b"", raw::Woke::Timer),
    ]);
    let fails = |answer: &RawNext| match answer {
        RawNext::Fail(reason) => reason.code.clone(),
        _ => String::new(),
    };
    let RawNext::Wait(wait) = &answers[0] else { panic!("it waits") };
    assert_eq!((wait.until, wait.events.as_slice(), wait.state.as_slice()), (None, &[0, 1][..], &br#"{"seen":7}"#[..]));
    assert_eq!(fails(&answers[1]), "malformed-input");
    assert!(matches!(answers[2], RawNext::Go(0)) && matches!(answers[4], RawNext::Go(1)));
    assert_eq!((fails(&answers[3]), fails(&answers[5])), ("no-total".to_owned(), "unknown-event".to_owned()));
    assert_eq!(fails(&answers[6]), "undeclared-event");
}

#[content]
pub fn price(
    receiver: Receiver<'_>,
    amount: Decimal<2>,
    note: Option<&str>,
    way: Option<Way>,
) -> Result<String, Reason> {
    if amount.units() < 0 {
        return Err(Reason::new("negative", "nothing costs less than nothing"));
    }
    let way = way.map_or("-", openhub_sdk::enumeration::Enum::name);
    Ok(format!("{} {amount} {} {way} {}", receiver.language(), note.unwrap_or("-"), receiver.time_zone))
}

#[content]
pub fn twice(number: i64) -> i64 {
    number * 2
}

fn texts(all: &str, absent: &[u32]) -> Column {
    Column { values: Values::Texts(all.into()), absent: absent.to_vec() }
}

#[test]
fn a_function_is_called_with_columns_and_a_row_that_fails_concerns_no_other() {
    let calls = Calls {
        rows: 3,
        locales: "de-AT\0en\0zh\0".into(),
        time_zones: "UTC\0UTC\0Asia/Shanghai\0".into(),
        arguments: vec![
            Column { values: Values::Integers(vec![150, -1, 0]), absent: vec![] },
            texts("a\0\0c\0", &[1]),
            texts("\0\0give-up\0", &[0, 1]),
        ],
    };
    let results = price::apply(&calls).expect("results");
    let Values::Texts(values) = &results.values.values else { panic!("texts") };
    assert_eq!(values, "de 1.50 a - UTC\0\0zh 0.00 c give-up Asia/Shanghai\0");
    assert_eq!(results.values.absent, [1]);
    assert_eq!((results.faults[0].row, results.faults[0].reason.code.as_str()), (1, "negative"));
    let numbers = vec![Column { values: Values::Integers(vec![2, 3, 4]), absent: vec![] }];
    let results = twice::apply(&Calls { arguments: numbers, ..calls.clone() }).expect("results");
    assert!(matches!(&results.values.values, Values::Integers(values) if *values == [4, 6, 8]));
    assert!(twice::apply(&Calls { arguments: vec![texts("a\0", &[])], ..calls }).is_err(), "a column of another type");
}
