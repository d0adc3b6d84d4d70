//! Jobs that count, and one that does what a setting says: what it does wrong must harm nobody else.

use openhub_sdk::prelude::*;
use openhub_sdk::{call, customers, events, kv, log, objects};
use serde_json::Value;

#[derive(Clone, Debug, Settings)]
pub struct Orders {
    pub what: Option<String>,
    pub customer: Option<String>,
}

#[derive(Clone, Debug, Event)]
pub struct Ticked {
    pub number: i64,
}

#[derive(Clone, Debug, Event)]
pub struct Stepped {
    pub number: i64,
}

fn number(cursor: Option<&Value>) -> i64 {
    cursor.and_then(Value::as_i64).unwrap_or_default()
}

/// Its cursor is the number of the next tick. What it counts in its own state it counts at every attempt.
#[job(name = "tick")]
pub fn tick(run: Run) -> Result<Progress, Failure> {
    let number = number(run.cursor.as_ref());
    attempted("ticks")?;
    events::track_one(&Happened::unnamed(Ticked { number }).of("user_id", "ticker"))?;
    Ok(Progress::done().cursor(number + 1))
}

fn attempted(key: &str) -> Result<i64, Failure> {
    let stored = kv::get(key)?;
    let count = stored.as_ref().and_then(kv::Entry::text).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let version = stored.map_or(0, |entry| entry.version);
    let written = kv::entry(key, (count + 1).to_string()).set_if(version)?;
    let raced = || Failure::Retry(Retry { after_ms: 0, reason: Reason::new("raced", "another run writes, too") });
    written.map(|_| count + 1).ok_or_else(raced)
}

/// Says which time of its schedule it is run for.
#[job(name = "each")]
pub fn each(run: Run) -> Progress {
    Progress::done().note(run.scheduled.to_string())
}

#[job(name = "latest")]
pub fn latest(run: Run) -> Progress {
    Progress::done().note(run.scheduled.to_string())
}

#[job(name = "never-late")]
pub fn never_late(run: Run) -> Progress {
    Progress::done().note(run.scheduled.to_string())
}

/// Steps of `steps`.
const STEPS: i64 = 40;

#[job(name = "told")]
pub fn told(run: Run) -> Result<Progress, Failure> {
    let orders: Orders = call::settings().map_err(Failure::Misconfigured)?;
    let reason = || Reason::new("because", "it was told to");
    let customer = orders.customer.unwrap_or_default();
    match orders.what.as_deref().unwrap_or_default() {
        // Each run makes one step, with many commits in between at which the hub may die.
        "steps" => {
            let number = number(run.cursor.as_ref());
            if number >= STEPS {
                return Ok(Progress::done().cursor(number));
            }
            for _ in 0..3 {
                attempted("steps")?;
            }
            events::track_one(&Happened::unnamed(Stepped { number }).of("user_id", "stepper"))?;
            attempted("steps")?;
            Ok(if number + 1 < STEPS { Progress::more(number + 1) } else { Progress::done().cursor(number + 1) })
        }
        "keep" => {
            kv::entry("of/1", "what is known of them").of(customer).set()?;
            Ok(Progress::done().note("kept"))
        }
        "look" => {
            let page = kv::scan("of/", None, 10)?;
            Ok(Progress::done().note(format!("{} entries", page.items.len())))
        }
        // Whoever it asks for, it is told what was granted.
        "read" => {
            let fields = ["attributes.points", "attributes.secret", "identities.email", "identities.user_id"];
            let found = customers::find(&[("user_id", &customer), ("user_id", "nobody")], &fields)?;
            let [Some(known), None] = found.as_slice() else { return Err(Failure::Rejected(reason())) };
            let again = customers::get(&[known.id.clone(), "no id".to_owned()], &fields)?;
            let same = again[0].as_ref().is_some_and(|again| again.fields == known.fields) && again[1].is_none();
            let members = customers::members("rich", None, 10)?.customers;
            Ok(Progress::done().note(format!("{} {same} {}", known.fields, members == [known.id.clone()])))
        }
        "members" => customers::members("others", None, 10).map(|_| Progress::done()),
        "everybody" => {
            let nobody: Vec<String> = (0..100).map(|number| number.to_string()).collect();
            loop {
                customers::get(&nobody, &["attributes.points"])?;
            }
        }
        "coupons" => {
            let tests = [objects::test("percent", "ge", 10), objects::test("status", "eq", "issued")];
            let page = objects::find("coupon", &tests, None, 10)?;
            let keys: Vec<String> = page.objects.iter().map(|object| object.key.clone()).collect();
            let read = objects::get("coupon", &keys)?.into_iter().flatten().count();
            Ok(Progress::done().note(format!("{read} of {}", keys.len())))
        }
        "mistaken" => {
            objects::find("coupon", &[objects::test("colour", "eq", "red")], None, 10).map(|_| Progress::done())
        }
        "forge" => {
            let page = objects::find("coupon", &[], None, 1)?;
            let stolen = page.objects.into_iter().next().map(objects::Object::delete);
            objects::commit(&stolen.into_iter().collect::<Vec<_>>()).map(|_| Progress::done())
        }
        "others-objects" => objects::get("order", &["1".to_owned()]).map(|_| Progress::done()),
        "undeclared" => {
            let mut event = Happened::new("1", Ticked { number: 1 }).of("user_id", "ada").to_event();
            event.name = "Order Completed".to_owned();
            let answers = events::track(&[event])?;
            let code = answers[0].as_ref().err().map(|faults| faults[0].reason.code.clone());
            Ok(Progress::done().note(code.unwrap_or_default()))
        }
        "retry" => Err(Failure::Retry(Retry { after_ms: 1_000, reason: reason() })),
        "reject" => Err(Failure::Rejected(reason())),
        "misconfigured" => Err(Failure::Misconfigured(reason())),
        "panic" => panic!("it was told to"),
        "spin" => loop {
            std::hint::black_box(0);
        },
        "grow" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1u8; 1 << 20]);
                std::hint::black_box(&all);
            }
        }
        "flood" => {
            let value = vec![b'x'; 64 << 10];
            for number in 0..100_000 {
                kv::entry(format!("flood/{number}"), value.clone()).set()?;
            }
            Ok(Progress::done())
        }
        "call" => loop {
            kv::get("nothing")?;
        },
        "talk" => {
            for _ in 0..10_000 {
                log::info("x\u{1b}[31my");
            }
            Ok(Progress::done())
        }
        "bad-cursor" => Ok(Progress::done().cursor("x".repeat(100_000))),
        // It never comes to an end, and asks for more each time.
        "endless" => Ok(Progress::more(number(run.cursor.as_ref()) + 1)),
        _ => Ok(Progress::done().note("nothing")),
    }
}

openhub_sdk::plugin! { jobs: [tick, told, each, latest, never_late] }
