//! The contract that was released: its texts never change, and the plugins of its day run as they did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use openhub_model::columns::{Column, RecordBatch, Values};
use openhub_runtime::{CallContext, Imports, Plugin, Runtime};
use std::sync::Arc;

use crate::guest::runtime;

fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released/1.0.0")
}

/// The texts below a folder, by their paths there.
fn texts(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(of) = folders.pop() {
        for entry in std::fs::read_dir(&of).unwrap_or_else(|error| panic!("{}: {error}", of.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// Without comments, which may be mended.
fn meaning(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::trim_end);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Each package of a released version stands there as it was; a later version is a package beside it.
#[test]
fn the_released_contract_is_unchanged() {
    let now = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"));
    let then = texts(&released().join("wit"));
    assert!(then.len() > 15, "{:?}", then.keys());
    for (path, text) in &then {
        let now = now.get(path).unwrap_or_else(|| panic!("{} was released and is gone", path.display()));
        assert_eq!(meaning(now), meaning(text), "{} was released: give what changes a new version", path.display());
    }
}

async fn plugin(runtime: &Runtime, name: &str) -> Arc<Plugin> {
    let bytes = std::fs::read(released().join(format!("{name}.wasm"))).unwrap();
    let inspected = Runtime::inspect(&bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    assert_eq!(inspected.manifest.name, name);
    runtime.prepare_with(&bytes, Imports::Whole).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// They were built when the version was released, and are never built again.
#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_of_its_day_still_run() {
    let runtime = runtime();
    for name in ["coupon", "email", "lead-router", "local-format"] {
        plugin(&runtime, name).await;
    }
    let points = plugin(&runtime, "points").await;
    let orders = vec![25_000, 1_000, 60_000];
    let columns = vec![
        Column { values: Values::Integers(orders), absent: Vec::new() },
        Column { values: Values::Integers(vec![0; 3]), absent: vec![0, 1, 2] },
        Column { values: Values::Texts("\0\0\0".to_owned()), absent: vec![0, 1, 2] },
    ];
    let batch = RecordBatch { rows: 3, columns, ..RecordBatch::default() };
    let call = CallContext::new("{}");
    let evaluated = tokio::task::spawn_blocking(move || points.evaluate(&call, "points", &batch)).await.unwrap();
    let outcome = evaluated.expect("it answers").outcome;
    assert!(outcome.faults.is_empty(), "{outcome:?}");
    let values: Vec<&Values> = outcome.writes.iter().map(|write| &write.values).collect();
    assert!(values.contains(&&Values::Integers(vec![250, 10, 600])), "{outcome:?}");
    assert!(values.contains(&&Values::Texts("silver\0bronze\0gold\0".to_owned())), "{outcome:?}");
}
