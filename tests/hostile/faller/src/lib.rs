//! Everything that a plugin can be, and each falls in the way that it is told, at a place that `fall` alone has.

use std::hint::black_box;

use openhub_sdk::prelude::*;
use openhub_sdk::{customers, events, kv, objects};

/// The ways to break off; the test looks for the lines of these.
#[inline(never)]
fn fall(how: &str) {
    match how {
        "panic" => panic!("it fell"),
        "unreachable" => nowhere(),
        "outside" => outside(),
        "overflow" => overflow(),
        "memory" => grow(),
        "stack" => {
            black_box(deeper(1));
        }
        "fuel" => endless(),
        _ => log::info("it stands"),
    }
}

#[inline(never)]
fn nowhere() {
    if black_box(true) {
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
    }
}

#[inline(never)]
fn outside() {
    // SAFETY: there is none: the sandbox ends it.
    black_box(unsafe { core::ptr::read_volatile(black_box(0x7fff_0000) as *const u8) });
}

/// The least number has no opposite: Rust's own check is promised away, and WebAssembly's is left.
#[inline(never)]
fn overflow() {
    let (least, minus) = (black_box(i32::MIN), black_box(-1));
    // SAFETY: there is none: the sandbox ends it.
    unsafe {
        core::hint::assert_unchecked(minus != 0);
        core::hint::assert_unchecked(!(least == i32::MIN && minus == -1));
    }
    black_box(least / minus);
}

#[inline(never)]
fn grow() {
    let mut all = Vec::new();
    loop {
        all.push(vec![1u8; 1 << 20]);
        black_box(&all);
    }
}

#[expect(unconditional_recursion, reason = "its stack ends")]
fn deeper(depth: u64) -> u64 {
    black_box(depth + deeper(black_box(depth + 1)))
}

#[inline(never)]
fn endless() {
    loop {
        black_box(0);
    }
}

#[derive(Reads)]
pub struct Row {
    #[read("event.properties.how")]
    pub how: String,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.stands")]
    pub stands: Set<bool>,
}

#[rule(on = "Told")]
pub fn by_rule(row: Row) -> Effects {
    fall(&row.how);
    Effects { stands: To(true) }
}

#[derive(Clone, Debug, DataObject)]
#[object(name = "fallen", version = 1)]
pub struct Fallen {
    pub how: String,
}

impl Check for Fallen {
    fn check(change: Change<Fallen>) -> Result<Accepted<Fallen>, Vec<Fault>> {
        let (Operation::Create(fallen) | Operation::Update { new: fallen, .. } | Operation::Delete(fallen)) =
            change.operation;
        fall(&fallen.how);
        Ok(Accepted::new("one", fallen))
    }
}

#[derive(Clone, Debug, Content)]
pub struct Told {
    pub how: String,
}

#[channel(name = "by-channel", address = "user_id")]
pub fn by_channel(batch: Messages<Told>) -> Result<(), Failure> {
    for message in batch {
        fall(&message.content.how);
        message.settle(Verdict::Accepted(Receipt { provider_id: "one".to_owned(), units: 1 }));
    }
    Ok(())
}

#[derive(Clone, Debug, Event)]
pub struct Stood {
    pub how: String,
}

#[source(name = "by-source", events = [Stood])]
pub fn by_source(request: Request) -> Result<Received, Failure> {
    fall(&String::from_utf8_lossy(&request.body));
    Ok(Received::ok())
}

#[endpoint(method = "POST", path = "/falls/{how}")]
pub fn by_endpoint(call: Call) -> Result<Answer, Failure> {
    let how = call.step("how").unwrap_or_default();
    fall(&how);
    Ok(Answer::of(200, if how == "large" { "x".repeat((1 << 20) + 1) } else { String::new() }))
}

#[job(name = "by-job")]
pub fn by_job(run: Run) -> Result<Progress, Failure> {
    fall(run.cursor.as_ref().and_then(|cursor| cursor.as_str()).unwrap_or_default());
    Ok(Progress::done())
}

/// Asks the hub for more than it gives: the cursor says of what.
#[job(name = "beyond")]
pub fn beyond(run: Run) -> Result<Progress, Failure> {
    let many = |count: usize| (0..count).map(|number| format!("k{number}")).collect::<Vec<String>>();
    match run.cursor.as_ref().and_then(|cursor| cursor.as_str()).unwrap_or_default() {
        "key" => drop(kv::get(&"k".repeat(256))?),
        "value" => drop(kv::entry("k", vec![0; (64 << 10) + 1]).set()?),
        "state" => {
            for key in many(65) {
                kv::entry(key, vec![0; 64 << 10]).set()?;
            }
        }
        "events" => {
            let stood = || Happened::new("1", Stood { how: String::new() }).of("user_id", "ada").to_event();
            events::track(&(0..1_001).map(|_| stood()).collect::<Vec<_>>())?;
        }
        "customers" => drop(customers::get(&many(101), &[])?),
        "objects" => drop(objects::get("fallen", &many(101))?),
        "changes" => {
            let create = |how| objects::create(&Fallen { how });
            drop(objects::commit(&many(101).into_iter().map(create).collect::<Vec<_>>())?);
        }
        "calls" => {
            for key in many(2_001) {
                kv::get(&key)?;
            }
        }
        "read" => {
            for _ in 0..101 {
                customers::get(&many(100), &[])?;
            }
        }
        "cursor" => return Ok(Progress::done().cursor("x".repeat(64 << 10))),
        _ => {}
    }
    Ok(Progress::done())
}

#[derive(Clone, Debug, Record)]
pub struct How {
    pub how: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Way {
    On,
}

#[step(events = ["Told"])]
pub fn by_step(entry: Entry<How>) -> Result<Next<Way>, Reason> {
    fall(&entry.input.how);
    Ok(Next::Go(Way::On))
}

#[content]
pub fn by_function(how: &str) -> Result<String, Reason> {
    fall(how);
    Ok(how.to_owned())
}

pub enum Kept {}

#[privacy(identities = ["user_id"])]
impl Privacy for Kept {
    fn erase(_request: &str, who: &Person) -> Result<Erased, Failure> {
        who.all("user_id").for_each(fall);
        Ok(Erased::Nothing)
    }

    fn export(_request: &str, who: &Person, _after: Option<&str>) -> Result<Exported, Failure> {
        who.all("user_id").for_each(fall);
        Ok(Exported::items(Vec::new()))
    }
}

openhub_sdk::plugin! {
    rules: [by_rule], objects: [Fallen], channels: [by_channel], sources: [by_source], endpoints: [by_endpoint],
    jobs: [by_job, beyond], steps: [by_step], functions: [by_function], privacy: [Kept]
}
