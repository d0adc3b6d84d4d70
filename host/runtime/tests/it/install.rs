//! What is refused at install, each with its reason, and the cache of compiled code.

use openhub_model::manifest::{EventShape, Field, FunctionShape, Manifest, StepShape, Type};
use openhub_runtime::{Config, Runtime};
use std::os::unix::fs::PermissionsExt;

use crate::guest::{self, CHANNEL_IMPORTS, ECHO, POSTING, component, rule_manifest, rule_wat};

const RULE: &str = "openhub:plugin/rule-plugin@1.0.0";
const CHANNEL: &str = "openhub:plugin/channel-plugin@1.0.0";

fn code(bytes: &[u8]) -> &'static str {
    Runtime::inspect(bytes).unwrap_err().code
}

#[test]
fn what_is_no_component_is_refused() {
    assert_eq!(code(b"not wasm at all"), "not-a-component");
    assert_eq!(code(b""), "incomplete-component");
    assert_eq!(code(&wat::parse_str("(module)").unwrap()), "not-a-component");
    let mut cut = component(RULE, &rule_wat(ECHO, ""), Some(&rule_manifest(&[])));
    cut.truncate(cut.len() / 2);
    assert_eq!(code(&cut), "incomplete-component");
}

#[test]
fn a_component_needs_one_manifest_that_can_be_read() {
    let bare = || component(RULE, &rule_wat(ECHO, ""), None);
    assert_eq!(code(&bare()), "no-manifest");
    let with = |manifest: &[u8]| {
        let mut bytes = bare();
        guest::add_manifest(&mut bytes, manifest);
        bytes
    };
    assert_eq!(code(&with(b"{}")), "bad-manifest");
    let newer = Manifest { format: 2, ..rule_manifest(&[]) };
    assert_eq!(code(&with(&serde_json::to_vec(&newer).unwrap())), "newer-manifest");
    let good = serde_json::to_vec(&rule_manifest(&[])).unwrap();
    let mut two = with(&good);
    guest::add_manifest(&mut two, &good);
    assert_eq!(code(&two), "bad-manifest");
    let inspected = Runtime::inspect(&with(&good)).unwrap();
    assert_eq!(inspected.exports, ["openhub:rule/rule"]);
    assert_eq!(inspected.manifest, rule_manifest(&[]));
    assert!(inspected.imports.is_empty());
}

#[test]
fn an_import_that_is_not_declared_is_refused_by_name() {
    let declared = guest::channel_manifest(&CHANNEL_IMPORTS);
    let inspected = Runtime::inspect(&component(CHANNEL, POSTING, Some(&declared))).unwrap();
    assert_eq!(inspected.imports, CHANNEL_IMPORTS);
    let undeclared = guest::channel_manifest(&CHANNEL_IMPORTS[..1]);
    let refusal = Runtime::inspect(&component(CHANNEL, POSTING, Some(&undeclared))).unwrap_err();
    assert_eq!(refusal.code, "undeclared-import");
    assert!(refusal.message.contains("openhub:http/http"), "{refusal}");
}

#[test]
fn an_import_that_is_not_offered_is_refused() {
    let import = r#"(import "test:guest/strange" "reach" (func $reach))"#;
    let wat = rule_wat("(call $reach) (i32.const 1024)", import);
    let manifest = rule_manifest(&["test:guest/strange"]);
    assert_eq!(code(&component("test:guest/strange-rule", &wat, Some(&manifest))), "unsupported-import");
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let without_hosts = Manifest { hosts: Vec::new(), ..guest::channel_manifest(&CHANNEL_IMPORTS) };
    assert_eq!(code(&component(CHANNEL, POSTING, Some(&without_hosts))), "bad-manifest");
    let every_host = Manifest { hosts: vec!["*".to_owned()], ..guest::channel_manifest(&CHANNEL_IMPORTS) };
    assert_eq!(code(&component(CHANNEL, POSTING, Some(&every_host))), "bad-manifest");
}

/// What a manifest names is written for each row, by the host.
#[test]
fn a_manifest_has_its_bounds() {
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = rule_manifest(&[]);
        change(&mut manifest);
        code(&component(RULE, &rule_wat(ECHO, ""), Some(&manifest)))
    };
    let field = |name: String, of| Field::new(name, of);
    let event = |fields| EventShape { name: "Tier Changed".to_owned(), fields };
    assert_eq!(refused(&|it| it.rules[0].writes[0].of = Type::Decimal(4_000_000_000)), "bad-manifest");
    assert_eq!(refused(&|it| it.events = vec![event(vec![field("a".to_owned(), Type::Decimal(19))])]), "bad-manifest");
    assert_eq!(refused(&|it| it.events = vec![event(vec![field("a".repeat(256), Type::Text)])]), "bad-manifest");
    let fields = (0..201).map(|at| field(format!("f{at}"), Type::Text)).collect::<Vec<_>>();
    assert_eq!(refused(&|it| it.events = vec![event(fields.clone())]), "bad-manifest");
    let values = vec!["v".to_owned(); 1_001];
    assert_eq!(refused(&|it| it.rules[0].writes[2].of = Type::Enum(values.clone())), "bad-manifest");
    assert_eq!(refused(&|it| drop(it.title.insert("en".to_owned(), "x".repeat(300_000)))), "bad-manifest");
}

#[test]
fn what_is_exported_must_be_declared() {
    let manifest = Manifest { rules: Vec::new(), ..rule_manifest(&[]) };
    assert_eq!(code(&component(RULE, &rule_wat(ECHO, ""), Some(&manifest))), "undeclared-export");
}

#[test]
fn what_is_declared_must_be_exported() {
    let manifest = Manifest { channels: guest::channel_manifest(&[]).channels, ..rule_manifest(&[]) };
    assert_eq!(code(&component(RULE, &rule_wat(ECHO, ""), Some(&manifest))), "missing-export");
}

/// What a plugin brings into journeys, told only, done only, and both.
#[tokio::test]
async fn steps_and_functions_are_declared_and_exported_or_neither() {
    let step = StepShape { name: "s".to_owned(), outlets: vec!["on".to_owned()], ..StepShape::default() };
    let function = FunctionShape { name: "f".to_owned(), arguments: Vec::new(), returns: Type::Text };
    let steps = |manifest: Manifest| Manifest { steps: vec![step.clone()], ..manifest };
    let functions = |manifest: Manifest| Manifest { functions: vec![function.clone()], ..manifest };
    let (bare, ruling) = (guest::manifest(&[]), rule_manifest(&[]));
    let worlds = [
        (
            "openhub:plugin/step-plugin@1.0.0",
            "openhub:step/step@1.0.0#run",
            4,
            steps(bare.clone()),
            steps(ruling.clone()),
        ),
        (
            "openhub:plugin/content-plugin@1.0.0",
            "openhub:content/content@1.0.0#apply",
            9,
            functions(bare.clone()),
            functions(ruling),
        ),
    ];
    for (world, export, parameters, told, only_told) in worlds {
        let wat = format!(
            r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "{export}") (param {}) (result i32) unreachable))"#,
            "i32 ".repeat(parameters)
        );
        guest::runtime().prepare(&component(world, &wat, Some(&told))).await.expect("both");
        assert_eq!(code(&component(world, &wat, Some(&bare))), "undeclared-export", "{world}");
        assert_eq!(code(&component(RULE, &rule_wat(ECHO, ""), Some(&only_told))), "missing-export", "{world}");
    }
    let wrong = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = functions(steps(rule_manifest(&[])));
        change(&mut manifest);
        code(&component(RULE, &rule_wat(ECHO, ""), Some(&manifest)))
    };
    assert_eq!(wrong(&|_| ()), "missing-export");
    assert_eq!(wrong(&|it| it.steps[0].outlets.clear()), "bad-manifest");
    assert_eq!(wrong(&|it| it.steps[0].outlets.push("on".to_owned())), "bad-manifest");
    assert_eq!(wrong(&|it| it.steps[0].events = vec!["x".repeat(256)]), "bad-manifest");
    assert_eq!(wrong(&|it| it.functions[0].name = "in words".to_owned()), "bad-manifest");
    let optional = Field::new("a", Type::Text);
    let required = Field { required: true, ..Field::new("b", Type::Text) };
    assert_eq!(wrong(&|it| it.functions[0].arguments = vec![optional.clone(), required.clone()]), "bad-manifest");
}

#[tokio::test]
async fn a_component_over_the_size_limit_is_refused() {
    let mut config = Config { instances: 1, ..Config::default() };
    config.limits.component_bytes = 100;
    let bytes = component(RULE, &rule_wat(ECHO, ""), Some(&rule_manifest(&[])));
    assert_eq!(Runtime::new(config).unwrap().prepare(&bytes).await.unwrap_err().code, "too-large");
}

#[tokio::test]
async fn a_component_that_cannot_start_is_refused() {
    let endless = "(func $endless (loop $again (br $again))) (start $endless)";
    let wat = rule_wat(ECHO, "").replacen("(global", &format!("{endless} (global"), 1);
    let bytes = component(RULE, &wat, Some(&rule_manifest(&[])));
    let refusal = guest::short_of_fuel().prepare(&bytes).await.unwrap_err();
    assert_eq!(refusal.code, "bad-export");
    assert!(refusal.message.contains("fuel"), "{refusal}");
}

#[tokio::test]
async fn compiled_code_is_kept_for_this_user_only_and_used_again() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("code");
    let runtime =
        || Runtime::new(Config { cache: Some(directory.clone()), instances: 1, ..Config::default() }).unwrap();
    let bytes = component(RULE, &rule_wat(ECHO, ""), Some(&rule_manifest(&[])));
    let plugin = runtime().prepare(&bytes).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(plugin.digest()) && name.ends_with(".cwasm"), "{name}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&files[0])), (0o700, 0o600));

    // A second start loads that file; one that others can write, or that is damaged, is compiled anew.
    let written = std::fs::metadata(&files[0]).unwrap().modified().unwrap();
    runtime().prepare(&bytes).await.unwrap();
    assert_eq!(std::fs::metadata(&files[0]).unwrap().modified().unwrap(), written);
    std::fs::set_permissions(&files[0], std::fs::Permissions::from_mode(0o666)).unwrap();
    runtime().prepare(&bytes).await.unwrap();
    assert_eq!(mode(&files[0]), 0o600);
    std::fs::write(&files[0], b"damaged").unwrap();
    runtime().prepare(&bytes).await.unwrap();
    assert!(std::fs::metadata(&files[0]).unwrap().len() > 1000);
}
