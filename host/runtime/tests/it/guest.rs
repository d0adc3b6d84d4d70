//! Makes components for tests out of core modules in the WebAssembly text format.
//!
//! Offsets in the texts follow the canonical ABI; each guest says what lies where.

use openhub_model::manifest::{
    ChannelShape, Field, Manifest, ObjectShape, Read, RuleShape, SecretEncoding, SecretPlace, SecretShape, Type, Write,
};
use openhub_runtime::{CallContext, Config, Plugin, Refusal, Runtime};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use wasm_encoder::{CustomSection, Encode, Section};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Imports every capability, exports a rule: what no honest build would make.
const ODD_WORLDS: &str = "package test:guest;
    interface strange { reach: func(); }
    world strange-rule { import strange; export openhub:rule/rule@1.0.0; }
    world reaching-rule { include openhub:plugin/io@1.0.0; export openhub:rule/rule@1.0.0; }";

/// The component of a core module, with its manifest inside.
pub fn component(world: &str, wat: &str, manifest: Option<&Manifest>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (hub, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    let odd = resolve.push_str("odd.wit", ODD_WORLDS).unwrap();
    let world = resolve.select_world(&[hub, odd], Some(world)).unwrap();
    let mut module = wat::parse_str(wat).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut component = ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap();
    if let Some(manifest) = manifest {
        add_manifest(&mut component, &serde_json::to_vec(manifest).unwrap());
    }
    component
}

pub fn add_manifest(component: &mut Vec<u8>, manifest: &[u8]) {
    let section = CustomSection { name: "openhub:manifest".into(), data: Cow::Borrowed(manifest) };
    component.push(section.id());
    section.encode(component);
}

pub fn runtime() -> Runtime {
    Runtime::new(Config { instances: 4, ..Config::default() }).unwrap()
}

/// Where a call has so little fuel that even a slow machine burns it before the clock ends the call.
pub fn short_of_fuel() -> Runtime {
    let mut config = Config { instances: 4, ..Config::default() };
    config.limits.fuel_per_ms = 20_000;
    Runtime::new(config).unwrap()
}

pub fn call() -> CallContext {
    CallContext::new("{}")
}

pub fn manifest(imports: &[&str]) -> Manifest {
    Manifest {
        format: 1,
        name: "guest".to_owned(),
        version: "1.0.0".to_owned(),
        publisher: "tests".to_owned(),
        imports: imports.iter().map(|&import| import.to_owned()).collect(),
        ..Manifest::default()
    }
}

/// One rule `r`: reads an integer, may write an integer, a number, an enum.
pub fn rule_manifest(imports: &[&str]) -> Manifest {
    let read = Read {
        name: "total".to_owned(),
        path: "event.properties.total".to_owned(),
        of: Type::Integer,
        required: true,
        bind: false,
    };
    let write =
        |name: &str, of| Write { name: name.to_owned(), path: format!("customer.attributes.{name}"), of, list: false };
    let rule = RuleShape {
        name: "r".to_owned(),
        on: vec!["Order Completed".to_owned()],
        reads: vec![read],
        lists: vec![],
        writes: vec![
            write("points", Type::Integer),
            write("ratio", Type::Number),
            write("tier", Type::Enum(vec!["gold".to_owned(), "silver".to_owned()])),
        ],
        events: vec!["Tier Changed".to_owned()],
        to: Vec::new(),
        objects: Vec::new(),
        params: Vec::new(),
    };
    Manifest { rules: vec![rule], ..manifest(imports) }
}

/// A rule whose body leaves the pointer of its result on the stack.
///
/// Locals of the body: 0–1 rule, 2 rows, 3–4 params, 5–6 columns, 7–8 tables, 9–10 spare.
/// 1024: the result; 1100: its one write; 1200: row 0; 1208: an i64 or f64; 1300: texts; 1400: "panicked at here".
pub fn rule_wat(body: &str, imports: &str) -> String {
    format!(
        r#"(module
        {imports}
        (memory (export "memory") 16)
        (global $heap (mut i32) (i32.const 65536))
        (data (i32.const 1300) "gold\00")
        (data (i32.const 1400) "panicked at here{{}}")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        ;; One write, whose values are of the given case.
        (func $answer (param $target i32) (param $rows i32) (param $n i32) (param $case i32) (param $values i32)
            (param $values_n i32) (result i32)
            (i32.store (i32.const 1028) (i32.const 1100))
            (i32.store (i32.const 1032) (i32.const 1))
            (i32.store (i32.const 1100) (local.get $target))
            (i32.store (i32.const 1104) (local.get $rows))
            (i32.store (i32.const 1108) (local.get $n))
            (i32.store8 (i32.const 1120) (local.get $case))
            (i32.store (i32.const 1124) (local.get $values))
            (i32.store (i32.const 1128) (local.get $values_n))
            (i32.const 1024))
        (func $deeper (param i32) (result i32)
            (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
        (func (export "openhub:rule/rule@1.0.0#evaluate") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (local i32 i32)
            {body}))"#
    )
}

/// Answers each row's integer as it came.
pub const ECHO: &str = "
    (block $done (loop $next
        (br_if $done (i32.ge_u (local.get 9) (local.get 2)))
        (i32.store (i32.add (i32.const 16384) (i32.mul (local.get 9) (i32.const 4))) (local.get 9))
        (local.set 9 (i32.add (local.get 9) (i32.const 1)))
        (br $next)))
    (call $answer (i32.const 0) (i32.const 16384) (local.get 2) (i32.const 1)
        (i32.load offset=4 (local.get 5)) (local.get 2))";

pub async fn rule(body: &str) -> Result<Arc<Plugin>, Refusal> {
    let bytes = component("openhub:plugin/rule-plugin@1.0.0", &rule_wat(body, ""), Some(&rule_manifest(&[])));
    runtime().prepare(&bytes).await
}

pub const CHANNEL_IMPORTS: [&str; 2] = ["openhub:channel/settlement", "openhub:http/http"];

/// One channel `c`, and a secret `key` for the header `authorization`.
pub fn channel_manifest(imports: &[&str]) -> Manifest {
    let channel = ChannelShape {
        name: "c".to_owned(),
        address: "user_id".to_owned(),
        purpose: None,
        unknown: Default::default(),
        content: Vec::new(),
    };
    let secret = SecretShape {
        name: "key".to_owned(),
        encoding: SecretEncoding::Text,
        places: vec![SecretPlace::Header("Authorization".to_owned())],
        hosts: Vec::new(),
        required: true,
        capture: None,
    };
    Manifest {
        channels: vec![channel],
        secrets: vec![secret],
        hosts: vec!["setting:url".to_owned()],
        settings: vec![Field::new("url", Type::Text)],
        ..manifest(imports)
    }
}

/// A channel that settles two messages, and then does `rest`.
pub fn settling_wat(rest: &str) -> String {
    format!(
        r#"(module
        (import "openhub:channel/settlement@1.0.0" "settle"
            (func $settle (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
        (memory (export "memory") 4)
        (global $heap (mut i32) (i32.const 65536))
        (data (i32.const 3000) "id")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func $accept (param i32)
            (call $settle (local.get 0) (i32.const 0) (i32.const 3000) (i32.const 2) (i32.const 1)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (func (export "openhub:channel/channel@1.0.0#send") (param i32 i32 i32 i32) (result i32)
            (call $accept (i32.const 0))
            (call $accept (i32.const 1))
            {rest}))"#
    )
}

/// A channel that POSTs each message's content to the URL in its address, all at once, with the secret as a header if
/// the attempt is 1; it settles with the answer's body as provider id and its status as units, or with the fault.
pub const POSTING: &str = r#"(module
    (import "openhub:channel/settlement@1.0.0" "settle" (func $settle (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "openhub:http/http@1.0.0" "fetch" (func $fetch (param i32 i32 i32)))
    (memory (export "memory") 64)
    (global $heap (mut i32) (i32.const 65536))
    (data (i32.const 3000) "POST")
    ;; A tuple of a name and its parts, of which there is one: the secret.
    (data (i32.const 3100) "\80\0c\00\00\0d\00\00\00\e4\0c\00\00\01\00\00\00")
    (data (i32.const 3200) "authorization")
    (data (i32.const 3300) "\02\00\00\00\48\0d\00\00\03\00\00\00")
    (data (i32.const 3400) "key")
    (data (i32.const 3500) "denied\00\00unsent\00\00unclear\00")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
        (global.set $heap (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
    (func (export "openhub:channel/channel@1.0.0#send")
        (param i32 i32) (param $messages i32) (param $n i32) (result i32)
        (local $i i32) (local $m i32) (local $r i32) (local $p i32) (local $e i32)
        (block $built (loop $next
            (br_if $built (i32.ge_u (local.get $i) (local.get $n)))
            (local.set $m (i32.add (local.get $messages) (i32.mul (local.get $i) (i32.const 96))))
            (local.set $r (i32.add (i32.const 8192) (i32.mul (local.get $i) (i32.const 44))))
            (local.set $p (i32.add (i32.const 16384) (i32.mul (local.get $i) (i32.const 24))))
            (i32.store (local.get $r) (i32.const 3000))
            (i32.store offset=4 (local.get $r) (i32.const 4))
            (i32.store offset=8 (local.get $r) (local.get $p))
            (i32.store offset=12 (local.get $r) (i32.const 1))
            (i32.store offset=4 (local.get $p) (i32.load offset=12 (local.get $m)))
            (i32.store offset=8 (local.get $p) (i32.load offset=16 (local.get $m)))
            (i32.store offset=16 (local.get $r) (i32.const 3100))
            (i32.store offset=20 (local.get $r) (i32.eq (i32.const 1) (i32.load offset=8 (local.get $m))))
            (i32.store offset=24 (local.get $r) (i32.add (local.get $p) (i32.const 12)))
            (i32.store offset=28 (local.get $r) (i32.const 1))
            (i32.store offset=16 (local.get $p) (i32.load offset=84 (local.get $m)))
            (i32.store offset=20 (local.get $p) (i32.load offset=88 (local.get $m)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (call $fetch (i32.const 8192) (local.get $n) (i32.const 4000))
        (local.set $i (i32.const 0))
        (block $settled (loop $next
            (br_if $settled (i32.ge_u (local.get $i) (local.get $n)))
            (local.set $e (i32.add (i32.load (i32.const 4000)) (i32.mul (local.get $i) (i32.const 24))))
            (if (i32.eqz (i32.load8_u (local.get $e)))
                (then (call $settle (local.get $i) (i32.const 0)
                    (i32.load offset=16 (local.get $e)) (i32.load offset=20 (local.get $e))
                    (i32.load16_u offset=4 (local.get $e))
                    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
                (else (call $settle (local.get $i) (i32.const 2)
                    (i32.add (i32.const 3500) (i32.shl (i32.load8_u offset=4 (local.get $e)) (i32.const 3))) (i32.const 6)
                    (i32.load offset=8 (local.get $e)) (i32.load offset=12 (local.get $e))
                    (i32.const 0) (i32.const 0) (i32.const 0))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (i32.const 5000)))"#;

/// One object type `coupon` with a required text `code`.
pub fn object_manifest() -> Manifest {
    let code = Field { required: true, unique: true, ..Field::new("code", Type::Text) };
    let coupon = ObjectShape { name: "coupon".to_owned(), version: 1, fields: vec![code], owner: None };
    Manifest { objects: vec![coupon], ..manifest(&[]) }
}

/// Accepts each change under the key `k`, with the given fields. 2048: results of 32 bytes each.
pub fn object_wat(fields: &str) -> String {
    let (length, escaped) = (fields.len(), fields.replace('"', "\\\""));
    format!(
        r#"(module
        (memory (export "memory") 4)
        (global $heap (mut i32) (i32.const 65536))
        (data (i32.const 3000) "k")
        (data (i32.const 3100) "{escaped}")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func (export "openhub:data-object/data-object@1.0.0#check") (param i32 i32 i32 i32) (result i32)
            (local $i i32) (local $a i32)
            (block $done (loop $next
                (br_if $done (i32.ge_u (local.get $i) (local.get 3)))
                (local.set $a (i32.add (i32.const 2048) (i32.mul (local.get $i) (i32.const 28))))
                (i32.store offset=4 (local.get $a) (i32.const 3000))
                (i32.store offset=8 (local.get $a) (i32.const 1))
                (i32.store offset=12 (local.get $a) (i32.const 3100))
                (i32.store offset=16 (local.get $a) (i32.const {length}))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br $next)))
            (i32.store (i32.const 1028) (i32.const 2048))
            (i32.store (i32.const 1032) (local.get 3))
            (i32.const 1024)))"#
    )
}
