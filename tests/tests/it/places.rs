//! Where a plugin broke off: its function and its line, in each of its parts and for each way to break off, as `openhub plugin test` tells.
//! And what it is told when it goes beyond a limit. Which test meets which of the limits in `docs/plugins.md`:
//!
//! | limit | test |
//! | --- | --- |
//! | fuel | here; `pure::an_endless_loop_is_stopped_by_its_fuel`, `channel::an_endless_loop_is_stopped_by_its_fuel` (runtime) |
//! | the clock | `channel::a_call_that_waits_too_long_is_ended_by_the_clock` (runtime) |
//! | memory, tables, stack | here; `pure::memory_over_the_limit_is_refused`, `pure::a_table_over_the_limit_is_refused`, `pure::deep_recursion_ends_on_its_stack` |
//! | rows and messages of a call | `pure::what_the_hub_sends_wrongly_is_no_fault_of_the_plugin`, `channel::too_many_messages_and_unknown_channels_are_the_hubs_fault` |
//! | bytes of a call, both ways | `pure::what_is_too_large_goes_neither_in_nor_out` |
//! | events and objects of a row | the unit tests of `emits` and `changes` (runtime) |
//! | calls of the hub, HTTP requests, their answers | here; `crook` |
//! | log | the unit tests of `capabilities/log` (runtime), `crook` |
//! | own state, events, customers, objects, cursor, answers | here; what an installation keeps: the contract tests of the store |
//! | component, manifest | `install::a_component_over_the_size_limit_is_refused`, `install::a_manifest_has_its_bounds` (runtime) |
//! | compiling | `hostile::what_compiles_too_long_or_too_large_is_refused` |

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use openhub_runtime::Runtime;
use openhub_sdk_build::MAP;
use openhub_tests::guests;
use openhub_tests::hub::programs;
use serde_json::{Value, json};

const FOLDER: &str = "tests/hostile/faller";

/// How it falls, what the runtime calls that, and what stands in the line.
const WAYS: [(&str, &str, &str); 7] = [
    ("panic", "trap", "panic!("),
    ("unreachable", "trap", "wasm32::unreachable();"),
    ("outside", "trap", "read_volatile("),
    ("overflow", "trap", "least / minus"),
    ("memory", "memory", "vec![1u8"),
    ("stack", "stack", "depth + deeper("),
    ("fuel", "fuel", "fn endless()"),
];

/// What is asked of the kit so that each part of the plugin falls.
fn asked(part: &str, how: &str) -> Value {
    let (settings, secrets) = (json!({}), json!([]));
    match part {
        "by_rule" => json!({"rule": {"name": "by-rule", "settings": settings, "params": null, "rows": [{"how": how}]}}),
        "check" => json!({"object": {"name": "fallen", "settings": settings, "changes": [
            {"key": null, "customer": null, "at": 0, "seed": 1, "old": null, "new": {"how": how}}]}}),
        "by_channel" => {
            json!({"channel": {"name": "by-channel", "settings": settings, "secrets": secrets, "at": 0, "messages": [
            {"idempotency_key": "1", "attempt": 1, "address": "ada", "content": {"how": how}, "unsubscribe_url": null}]}})
        }
        "by_source" => {
            json!({"source": {"name": "by-source", "settings": settings, "secrets": secrets, "at": 0, "method": "POST",
            "query": "", "headers": [], "body": how.as_bytes()}})
        }
        "by_endpoint" => {
            json!({"endpoint": {"settings": settings, "secrets": secrets, "at": 0, "key": "1", "scopes": [],
            "method": "POST", "path": format!("/falls/{how}"), "query": "", "headers": [], "body": []}})
        }
        "by_job" => {
            json!({"job": {"name": "by-job", "settings": settings, "secrets": secrets, "at": 0, "cursor": how}})
        }
        "by_step" => json!({"step": {"name": "by-step", "settings": settings, "entries": [
            {"at": 0, "seed": 1, "input": {"how": how}, "state": [], "state_version": 0, "woke": "entered"}]}}),
        "by_function" => {
            json!({"function": {"name": "by-function", "settings": settings, "locale": "en", "time_zone": "UTC",
            "rows": [[how]]}})
        }
        _ => json!({"privacy": {"what": part, "settings": settings, "secrets": secrets, "at": 0, "request": "1",
            "customers": ["1"], "identities": [["user_id", how]], "after": null}}),
    }
}

const PARTS: [&str; 10] = [
    "by_rule",
    "check",
    "by_channel",
    "by_source",
    "by_endpoint",
    "by_job",
    "by_step",
    "by_function",
    "erase",
    "export",
];

#[test]
fn what_breaks_off_names_its_function_and_its_line_in_each_part() {
    let source = std::fs::read_to_string(guests::root().join(FOLDER).join("src/lib.rs")).expect("its source");
    let line = |text: &str| source.lines().position(|line| line.contains(text)).expect("it is in the source") + 1;
    let mut kit = Kit::open();
    for part in PARTS {
        let stands = kit.ask(&asked(part, "not at all"));
        assert!(!stands.contains("src/lib.rs") && stands.starts_with("{\"ok\""), "{part}: {stands}");
        for (how, kind, text) in WAYS {
            let told = kit.ask(&asked(part, how));
            assert!(told.contains(kind), "{part}, {how}: {told}");
            assert!(
                told.contains(&format!("(src/lib.rs:{})", line(text))),
                "{part}, {how}, line {}: {told}",
                line(text)
            );
            // A recursion has more callers than are told.
            assert!(how == "stack" || told.contains(part), "{part}, {how}: its caller is named, too: {told}");
            assert_eq!(how == "panic", told.contains("last error logged: it fell"), "{part}, {how}: {told}");
        }
    }
    kit.end();
}

/// What is asked for in a job, and what the hub says to it.
const BEYOND: [(&str, &str); 10] = [
    ("key", "a key has 1 to 255 bytes"),
    ("value", "at most 65536"),
    ("state", "at most 4194304 bytes a call"),
    ("events", "at most 1000 at once"),
    ("customers", "at most 100 customers"),
    ("objects", "at most 100 objects at once"),
    ("changes", "at most 100 at once"),
    ("calls", "called the hub too often: at most 2000 times a call"),
    ("read", "read too many customers and objects: at most 10000 a call"),
    ("cursor", "at most 65536"),
];

/// The limits of what a plugin asks the hub for and answers.
#[test]
fn what_goes_beyond_a_bound_is_refused_and_says_which() {
    let mut kit = Kit::open();
    let job = |what: &str| json!({"job": {"name": "beyond", "settings": {}, "secrets": [], "at": 0, "cursor": what}});
    let within = kit.ask(&job("nothing"));
    assert!(within.starts_with("{\"ok\"") && !within.contains("fault\":{"), "{within}");
    for (what, bound) in BEYOND {
        let told = kit.ask(&job(what));
        assert!(told.contains(bound), "{what}: {told}");
    }
    let large = kit.ask(&asked("by_endpoint", "large"));
    assert!(large.contains("at most 1048576"), "{large}");
    kit.end();
}

/// The runtime of the binary, asked as a plugin's tests ask it.
struct Kit {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Kit {
    fn open() -> Kit {
        let built = guests::build(FOLDER);
        let folder = tempfile::tempdir().expect("a folder");
        let component = folder.path().join("faller.wasm");
        std::fs::write(&component, &built.bytes).expect("it is written");
        std::fs::write(component.with_extension(MAP), built.map.as_ref().expect("it has a map"))
            .expect("it is written");
        let mut kit = Command::new(&programs().hub);
        let kit = kit.args(["plugin", "kit"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = kit.spawn().expect("the kit starts");
        let (asks, answers) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let mut kit = Kit { child, asks, answers: BufReader::new(answers), _folder: folder };
        let opened = kit.ask(&json!({"open": {"dir": null, "component": component, "cache": null}}));
        assert!(opened.starts_with("{\"ok\""), "{opened}");
        kit
    }

    fn ask(&mut self, question: &Value) -> String {
        writeln!(self.asks, "{question}").expect("it is asked");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        answer
    }

    fn end(mut self) {
        drop(self.asks);
        assert!(self.child.wait().expect("it ends").success());
    }
}

/// What is installed has no names of the source and no lines in it; they are in the map.
#[test]
fn the_component_says_nothing_of_the_source() {
    let built = guests::build(FOLDER);
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let root = guests::root().canonicalize().expect("a folder").display().to_string();
    assert!(!has(&built.bytes, ".debug_line") && !has(&built.bytes, &root) && !has(&built.bytes, "deeper"));
    let map = built.map.expect("it has a map");
    assert!(has(&map, ".debug_line") && has(&map, "deeper"));
    let plain = openhub_sdk_build::explain(&map, "trap: unreachable; at 0x7fffffff");
    assert_eq!(plain, "trap: unreachable; at 0x7fffffff", "an address of another component is no place");
    assert!(Runtime::inspect(&built.bytes).is_ok());
}
