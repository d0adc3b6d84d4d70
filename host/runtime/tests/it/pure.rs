//! The pure lane: fresh instances, budgets, and answers that are held to their declaration.

use openhub_model::Timestamp;
use openhub_model::columns::{Column, RecordBatch, Values};
use openhub_runtime::{CallFault, Change, Config, Evaluated, FaultKind, Imports, Operation, Plugin, Runtime};
use std::time::Instant;

use crate::guest::{self, ECHO, call};

fn batch(rows: u32) -> RecordBatch {
    let values = Values::Integers((0..i64::from(rows)).collect());
    RecordBatch { rows, columns: vec![Column { values, absent: Vec::new() }], ..RecordBatch::default() }
}

fn evaluate(plugin: &Plugin, rows: u32) -> Result<Evaluated, CallFault> {
    plugin.evaluate(&call(), "r", &batch(rows))
}

async fn fault(body: &str) -> CallFault {
    evaluate(&guest::rule(body).await.unwrap(), 1).unwrap_err()
}

#[tokio::test]
async fn columns_come_back_as_they_went() {
    let plugin = guest::rule(ECHO).await.unwrap();
    let Evaluated { outcome, receipt } = evaluate(&plugin, 1000).unwrap();
    assert_eq!(outcome.writes.len(), 1);
    assert_eq!(outcome.writes[0].rows, (0..1000).collect::<Vec<_>>());
    assert_eq!(outcome.writes[0].values, batch(1000).columns[0].values);
    assert!(receipt.fuel > 1000 && receipt.peak_memory == 1024 * 1024, "{receipt:?}");
}

#[tokio::test]
async fn every_call_gets_a_fresh_instance() {
    let counter = "(i32.store (i32.const 8) (i32.add (i32.const 1) (i32.load (i32.const 8))))
        (i64.store (i32.const 1208) (i64.load32_u (i32.const 8)))
        (call $answer (i32.const 0) (i32.const 1200) (i32.const 1) (i32.const 1) (i32.const 1208) (i32.const 1))";
    let plugin = guest::rule(counter).await.unwrap();
    for _ in 0..3 {
        assert_eq!(evaluate(&plugin, 1).unwrap().outcome.writes[0].values, Values::Integers(vec![1]));
    }
}

#[tokio::test]
async fn the_same_call_costs_the_same_fuel() {
    let plugin = guest::rule(ECHO).await.unwrap();
    let receipts = [1, 2].map(|_| evaluate(&plugin, 100).unwrap().receipt);
    assert_eq!(receipts[0], receipts[1]);
}

#[tokio::test]
async fn an_endless_loop_is_stopped_by_its_fuel() {
    let wat = guest::rule_wat("(loop $again (br $again)) (i32.const 0)", "");
    let bytes = guest::component("openhub:plugin/rule-plugin@1.0.0", &wat, Some(&guest::rule_manifest(&[])));
    let plugin = guest::short_of_fuel().prepare(&bytes).await.unwrap();
    assert_eq!(evaluate(&plugin, 1).unwrap_err().kind, FaultKind::Fuel);
}

#[tokio::test]
async fn memory_over_the_limit_is_refused() {
    let fault = fault("(drop (memory.grow (i32.const 1000))) (i32.const 1024)").await;
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.message.contains("bytes of memory"), "{fault}");
}

#[tokio::test]
async fn deep_recursion_ends_on_its_stack() {
    assert_eq!(fault("(call $deeper (i32.const 0))").await.kind, FaultKind::Stack);
}

#[tokio::test]
async fn a_panic_is_told_with_the_line_logged_before_it() {
    let import = r#"(import "openhub:log/log@1.0.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;
    let body = "(call $log (i32.const 3) (i32.const 1400) (i32.const 16) (i32.const 1416) (i32.const 2)) unreachable";
    let manifest = guest::rule_manifest(&["openhub:log/log"]);
    let wat = guest::rule_wat(body, import);
    let bytes = guest::component("openhub:plugin/rule-plugin@1.0.0", &wat, Some(&manifest));
    let plugin = guest::runtime().prepare(&bytes).await.unwrap();
    let fault = evaluate(&plugin, 1).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Trap);
    assert!(fault.message.contains("panicked at here"), "{fault}");
}

#[tokio::test]
async fn endless_calls_of_the_host_run_into_their_quota() {
    let import = r#"(import "openhub:call/call@1.0.0" "settings" (func $settings (param i32)))"#;
    let wat = guest::rule_wat("(loop $again (call $settings (i32.const 2048)) (br $again)) (i32.const 0)", import);
    let manifest = guest::rule_manifest(&["openhub:call/call"]);
    let bytes = guest::component("openhub:plugin/rule-plugin@1.0.0", &wat, Some(&manifest));
    let plugin = guest::runtime().prepare(&bytes).await.unwrap();
    let fault = evaluate(&plugin, 1).unwrap_err();
    assert!(fault.kind == FaultKind::Fuel && fault.message.contains("called the hub too often"), "{fault}");
}

#[tokio::test]
async fn what_the_host_reads_for_a_plugin_costs_fuel() {
    let import = r#"(import "openhub:log/log@1.0.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;
    let line = "(call $log (i32.const 0) (i32.const 0) (i32.const 900000) (i32.const 0) (i32.const 0))";
    let manifest = guest::rule_manifest(&["openhub:log/log"]);
    let mut fuel = Vec::new();
    for lines in [1, 2, 40] {
        let wat = guest::rule_wat(&format!("{} (i32.const 1024)", line.repeat(lines)), import);
        let bytes = guest::component("openhub:plugin/rule-plugin@1.0.0", &wat, Some(&manifest));
        let plugin = guest::runtime().prepare(&bytes).await.unwrap();
        fuel.push(evaluate(&plugin, 1).map(|evaluated| evaluated.receipt.fuel).map_err(|fault| fault.kind));
    }
    let [Ok(one), Ok(two), Err(FaultKind::Fuel)] = fuel[..] else { panic!("{fuel:?}") };
    assert!(two - one > 900_000, "each byte is counted: {one}, {two}");
}

#[tokio::test]
async fn the_other_lanes_capabilities_are_not_in_this_one() {
    let import = r#"(import "openhub:clock/clock@1.0.0" "now" (func $now (result i64)))"#;
    let wat = guest::rule_wat("(drop (call $now)) (i32.const 1024)", import);
    let manifest = guest::rule_manifest(&["openhub:clock/clock"]);
    let bytes = guest::component("test:guest/reaching-rule", &wat, Some(&manifest));
    let plugin = guest::runtime().prepare(&bytes).await.unwrap();
    let fault = evaluate(&plugin, 1).unwrap_err();
    assert!(fault.kind == FaultKind::NotGranted && fault.message.contains("cannot be called by a rule"), "{fault}");
}

#[tokio::test]
async fn an_import_that_was_not_granted_breaks_the_call_off() {
    let import = r#"(import "openhub:call/call@1.0.0" "settings" (func $settings (param i32)))"#;
    let wat = guest::rule_wat("(call $settings (i32.const 2048)) (i32.const 1024)", import);
    let bytes =
        guest::component("openhub:plugin/rule-plugin@1.0.0", &wat, Some(&guest::rule_manifest(&["openhub:call/call"])));
    let only = |names: &[&str]| Imports::Only(names.iter().map(|&name| name.to_owned()).collect());
    let runtime = guest::runtime();
    for granted in [Imports::Whole, only(&["openhub:call/call"])] {
        let plugin = runtime.prepare_with(&bytes, granted).await.unwrap();
        assert!(evaluate(&plugin, 1).is_ok());
    }
    let withholding = Config { withhold: vec!["openhub:call/call".to_owned()], instances: 1, ..Config::default() };
    let withholding = Runtime::new(withholding).unwrap();
    for (runtime, granted) in
        [(&runtime, only(&[])), (&withholding, Imports::Whole), (&withholding, only(&["openhub:call/call"]))]
    {
        let plugin = runtime.prepare_with(&bytes, granted).await.unwrap();
        let fault = evaluate(&plugin, 1).unwrap_err();
        assert!(fault.kind == FaultKind::NotGranted && fault.message.contains("was not granted"), "{fault}");
    }
}

#[tokio::test]
async fn a_malformed_answer_is_refused() {
    let answer = |target, row, case, values| {
        format!(
            "(i32.store (i32.const 1200) (i32.const {row}))
            (call $answer (i32.const {target}) (i32.const 1200) (i32.const 1) (i32.const {case})
                (i32.const {values}) (i32.const 1))"
        )
    };
    let bodies = [
        ("an undeclared target", answer(7, 0, 1, 1208)),
        ("a row that does not exist", answer(0, 5, 1, 1208)),
        ("values of another type", answer(0, 0, 0, 1208)),
        ("a case that does not exist", answer(0, 0, 9, 1208)),
        ("a text without its end", answer(2, 0, 3, 1300)),
        ("columns outside of memory", answer(0, 0, 1, 2_000_000)),
    ];
    for (what, body) in bodies {
        let fault = fault(&body).await;
        assert_eq!(fault.kind, FaultKind::Malformed, "{what}: {fault}");
    }
    let too_few =
        "(call $answer (i32.const 0) (i32.const 1200) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0))";
    assert_eq!(fault(too_few).await.kind, FaultKind::Malformed);
}

#[tokio::test]
async fn a_value_at_fault_costs_its_row_only() {
    let not_finite = "(f64.store (i32.const 1208) (f64.const inf))
        (call $answer (i32.const 1) (i32.const 1200) (i32.const 1) (i32.const 2) (i32.const 1208) (i32.const 1))";
    let outcome = evaluate(&guest::rule(not_finite).await.unwrap(), 1).unwrap().outcome;
    assert_eq!((outcome.faults.len(), outcome.faults[0].reason.code.as_str()), (1, "not-finite"));
    assert!(outcome.writes[0].rows.is_empty() && outcome.writes[0].values == Values::Numbers(vec![]));

    let gold =
        "(call $answer (i32.const 2) (i32.const 1200) (i32.const 1) (i32.const 3) (i32.const 1300) (i32.const 5))";
    let outcome = evaluate(&guest::rule(gold).await.unwrap(), 1).unwrap().outcome;
    assert!(outcome.faults.is_empty() && outcome.writes[0].values == Values::Texts("gold\0".to_owned()));
}

#[tokio::test]
async fn what_the_hub_sends_wrongly_is_no_fault_of_the_plugin() {
    let plugin = guest::rule(ECHO).await.unwrap();
    let no_columns = RecordBatch { rows: 1, ..RecordBatch::default() };
    for result in [
        plugin.evaluate(&call(), "other", &batch(1)),
        plugin.evaluate(&call(), "r", &no_columns),
        plugin.evaluate(&call(), "r", &batch(1001)),
    ] {
        assert_eq!(result.unwrap_err().kind, FaultKind::Host);
    }
}

/// 1,000 integers are 8,000 bytes on the way in, and with the numbers of their rows 12,000 on the way out.
#[tokio::test]
async fn what_is_too_large_goes_neither_in_nor_out() {
    let bytes = guest::component(
        "openhub:plugin/rule-plugin@1.0.0",
        &guest::rule_wat(ECHO, ""),
        Some(&guest::rule_manifest(&[])),
    );
    for (call_bytes, kind) in [(7_000, Some(FaultKind::Host)), (10_000, Some(FaultKind::Malformed)), (50_000, None)] {
        let mut config = Config { instances: 2, ..Config::default() };
        config.limits.call_bytes = call_bytes;
        let plugin = Runtime::new(config).unwrap().prepare(&bytes).await.unwrap();
        let called = evaluate(&plugin, 1_000);
        assert_eq!(called.as_ref().err().map(|fault| fault.kind), kind, "{call_bytes}: {called:?}");
    }
}

#[tokio::test]
async fn a_table_over_the_limit_is_refused() {
    let grow = |elements: u32| {
        let body = format!("(drop (table.grow 0 (ref.null func) (i32.const {elements}))) {ECHO}");
        let wat = guest::rule_wat(&body, "(table 0 funcref)");
        guest::component("openhub:plugin/rule-plugin@1.0.0", &wat, Some(&guest::rule_manifest(&[])))
    };
    assert!(evaluate(&guest::runtime().prepare(&grow(20_000)).await.unwrap(), 1).is_ok());
    let fault = evaluate(&guest::runtime().prepare(&grow(20_001)).await.unwrap(), 1).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Memory);
    assert!(fault.message.contains("a table of 20001 elements: at most 20000"), "{fault}");
}

#[tokio::test]
async fn objects_are_checked_and_held_to_their_type() {
    let prepare = async |fields: &str| {
        let world = "openhub:plugin/data-object-plugin@1.0.0";
        let bytes = guest::component(world, &guest::object_wat(fields), Some(&guest::object_manifest()));
        guest::runtime().prepare(&bytes).await.unwrap()
    };
    let change = || Change {
        key: None,
        customer: None,
        at: Timestamp::from_micros(0),
        seed: 7,
        operation: Operation::Create("{}".to_owned()),
    };
    let plugin = prepare(r#"{"code":"A"}"#).await;
    let checked = plugin.check(&call(), "coupon", vec![change(), change()]).unwrap();
    for answer in checked.answers {
        let accepted = answer.unwrap();
        assert_eq!((accepted.key.as_str(), accepted.fields.as_str()), ("k", r#"{"code":"A"}"#));
    }
    for (fields, pointer, code) in [
        ("{}", "/code", "required"),
        (r#"{"code":1}"#, "/code", "wrong-type"),
        (r#"{"code":"A","x":1}"#, "/x", "unknown-field"),
        ("[]", "", "not-an-object"),
    ] {
        let checked = prepare(fields).await.check(&call(), "coupon", vec![change()]).unwrap();
        let faults = checked.answers[0].as_ref().unwrap_err();
        assert_eq!((faults[0].pointer.as_str(), faults[0].code.as_str()), (pointer, code));
    }
}

#[tokio::test]
async fn many_calls_wait_for_few_instances() {
    let plugin = guest::rule(ECHO).await.unwrap();
    let began = Instant::now();
    let calls = (0..16).map(|_| {
        let plugin = std::sync::Arc::clone(&plugin);
        tokio::task::spawn_blocking(move || (0..50).filter(|_| evaluate(&plugin, 1).is_ok()).count())
    });
    let done: usize = futures::future::join_all(calls).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(done, 800);
    println!("800 calls in {:?}", began.elapsed());
}
