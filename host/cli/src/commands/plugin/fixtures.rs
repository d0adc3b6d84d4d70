//! `tests/*.json` of a plugin: rows in, effects out, as files that are reviewed like snapshots.
//!
//! Each file is one call of a rule. It is made again with its rows cut into smaller calls, since a row's answer must not depend on
//! its neighbours.

use anyhow::{Context, Result, anyhow, bail, ensure};
use openhub_runtime::{Config, Plugin, Runtime};
use openhub_sdk_build::{Built, Language, explain};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kit::{Receipt, evaluated};

const FOLDER: &str = "tests";
/// Rows of the smaller calls.
const CUTS: [usize; 2] = [1, 7];

/// What is done with the effects that a file has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effects {
    Compare,
    Write,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    rule: String,
    /// The installation's.
    #[serde(default)]
    settings: Map<String, Value>,
    /// The rule's parameters; without, those in the settings.
    #[serde(default)]
    params: Option<Value>,
    rows: Vec<Value>,
    #[serde(default)]
    effects: Vec<Value>,
}

/// Runs all of them in this binary's own runtime.
pub async fn run(dir: &Path, built: &Built, effects: Effects) -> Result<()> {
    let files = files(dir)?;
    if files.is_empty() {
        if Language::of(dir)? != Language::Rust {
            println!("there are no tests: write rows into {FOLDER}/NAME.json, and run this again with --update");
        }
        return Ok(());
    }
    let config = Config { cache: compiled(dir, built)?, instances: 2, ..Config::default() };
    let limits = config.limits.clone();
    let plugin = Runtime::new(config)?.prepare(&built.bytes).await;
    let plugin = plugin.map_err(|refusal| anyhow!("a hub refuses this component: {refusal}"))?;
    let asked = &plugin.manifest().limits;
    let millis = asked.pure_ms.map_or(limits.pure_ms, |asked| asked.min(limits.pure_ms));
    let (fuel, memory) =
        (u64::from(millis) * limits.fuel_per_ms, asked.memory_mib.unwrap_or(limits.memory_mib).min(limits.memory_mib));
    let mut failed = 0;
    for file in &files {
        let name = file.strip_prefix(dir).unwrap_or(file).display();
        match tried(&plugin, file, effects) {
            Ok((rule, rows, receipt)) => println!(
                "ok   {name}: {rule}, rows {rows}, fuel {} of {fuel} ({} %), memory {} of {memory} MiB",
                receipt.fuel,
                receipt.fuel * 100 / fuel.max(1),
                receipt.peak_memory.div_ceil(1024 * 1024),
            ),
            Err(error) => {
                failed += 1;
                let told = format!("{error:#}");
                println!("FAIL {name}: {}", built.map.as_ref().map_or(told.clone(), |map| explain(map, &told)));
            }
        }
    }
    ensure!(
        failed == 0,
        "{failed} of {} files in {FOLDER} failed; `--update` writes the effects as they are now",
        files.len()
    );
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(dir.join(FOLDER)) else { return Ok(Vec::new()) };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    Ok(files)
}

/// Where the code of an interpreter is kept from test to test, of the last component only: it takes long to compile, and room.
fn compiled(dir: &Path, built: &Built) -> Result<Option<PathBuf>> {
    if Language::of(dir)? == Language::Rust {
        return Ok(None);
    }
    let folder = dir.join(".openhub/compiled");
    let digest =
        Runtime::inspect(&built.bytes).map_err(|refusal| anyhow!("a hub refuses this component: {refusal}"))?.digest;
    for entry in std::fs::read_dir(&folder).into_iter().flatten() {
        let path = entry?.path();
        let is_of_it = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&digest));
        if !is_of_it {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(Some(folder))
}

/// The rule's name, how many rows it got, and what the call took.
fn tried(plugin: &Arc<Plugin>, file: &Path, effects: Effects) -> Result<(String, usize, Receipt)> {
    let text = std::fs::read_to_string(file)?;
    let mut fixture: Fixture =
        serde_json::from_str(&text).context("this is not a test: it needs `rule`, `rows` and `effects`")?;
    let rows = fixture.rows.len();
    let (found, receipt) = called(plugin, &fixture, rows)?;
    for size in CUTS.into_iter().filter(|size| *size < rows) {
        let (cut, _) = called(plugin, &fixture, size)?;
        if let Some(row) = (0..rows).find(|row| cut.get(*row) != found.get(*row)) {
            bail!("row {row} has other effects in a call of {size}: an answer must depend on its own row alone");
        }
    }
    if effects == Effects::Write {
        fixture.effects = found;
        std::fs::write(file, written(&fixture)?)?;
        return Ok((fixture.rule, rows, receipt));
    }
    ensure!(fixture.effects.len() == rows, "it has effects of {} rows, and {rows} rows", fixture.effects.len());
    if let Some(row) = (0..rows).find(|row| without_nothing(&fixture.effects[*row]) != found[*row]) {
        let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
        bail!(
            "row {row} ({})\nexpected {}\nfound {}",
            fixture.rows[row],
            pretty(&fixture.effects[row]),
            pretty(&found[row])
        );
    }
    Ok((fixture.rule, rows, receipt))
}

/// A line for each row and for the effects of each, so that a review shows which row changed.
fn written(fixture: &Fixture) -> Result<String> {
    let lines = |all: &[Value]| {
        let lines: Vec<String> = all.iter().map(|one| format!("\n    {one}")).collect();
        format!("[{}\n  ]", lines.join(","))
    };
    let mut members = vec![format!("\"rule\": {}", Value::from(fixture.rule.as_str()))];
    if !fixture.settings.is_empty() {
        members.push(format!("\"settings\": {}", serde_json::to_string(&fixture.settings)?));
    }
    members.extend(fixture.params.iter().map(|params| format!("\"params\": {params}")));
    members.push(format!("\"rows\": {}", lines(&fixture.rows)));
    members.push(format!("\"effects\": {}", lines(&fixture.effects)));
    Ok(format!("{{\n  {}\n}}\n", members.join(",\n  ")))
}

/// The effects of all rows, by calls of so many; the receipt is of the last one.
fn called(plugin: &Arc<Plugin>, fixture: &Fixture, size: usize) -> Result<(Vec<Value>, Receipt)> {
    let mut effects = Vec::with_capacity(fixture.rows.len());
    let mut used = Receipt::default();
    for rows in fixture.rows.chunks(size.max(1)) {
        let call = (fixture.rule.as_str(), &fixture.settings, fixture.params.as_ref());
        let (found, receipt) = tokio::task::block_in_place(|| evaluated(plugin, call, rows))?;
        effects.extend(found.iter().map(without_nothing));
        used = receipt;
    }
    Ok((effects, used))
}

/// Without lists, objects and members that have nothing in them.
fn without_nothing(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        _ => false,
    };
    let kept = members.iter().filter(|(_, value)| !is_nothing(value));
    Value::Object(
        kept.map(|(name, value)| (name.clone(), if name == "fault" { without_nothing(value) } else { value.clone() }))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_again_line_by_line() {
        let fixture = Fixture {
            rule: "points".into(),
            settings: Map::new(),
            params: Some(json!({"gold": 5})),
            rows: vec![json!({"total": "1"}), json!({})],
            effects: vec![json!({"fault": {"code": "x"}}), json!({})],
        };
        let text = written(&fixture).expect("JSON");
        assert!(text.contains("\n    {\"total\":\"1\"},\n    {}\n  ],\n  \"effects\""), "{text}");
        let read: Fixture = serde_json::from_str(&text).expect("the same form");
        assert_eq!((read.rows, read.effects, read.params), (fixture.rows, fixture.effects, fixture.params));
    }

    #[test]
    fn nothing_is_left_out_but_a_value_of_zero_is_there() {
        let told = json!({"written": {"a": {"to": 0}}, "events": [], "objects": [], "fault": null});
        assert_eq!(without_nothing(&told), json!({"written": {"a": {"to": 0}}}));
        let told = json!({"written": {}, "events": [], "fault": {"code": "x", "message": "y", "args": []}});
        assert_eq!(without_nothing(&told), json!({"fault": {"code": "x", "message": "y"}}));
    }
}
