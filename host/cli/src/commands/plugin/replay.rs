//! `openhub plugin replay`: a recorded call is made again, in this binary's own runtime.

use anyhow::{Context, Result, anyhow, ensure};
use openhub_runtime::{CallFault, Config, Plugin, Recorded, RecordedAnswer, Recording, Replayed, Runtime};
use serde_json::{Value, json};
use std::path::Path;

use super::kit::{answered, by_row, onwards, results};

/// Prints what comes of the call as JSON, and then whether it is what was recorded.
pub async fn run(call: &Path, component: &[u8]) -> Result<()> {
    let text = std::fs::read(call).with_context(|| call.display().to_string())?;
    let recording: Recording = serde_json::from_slice(&text).with_context(|| {
        format!(
            "{} is no recording: `openhub plugin record export` or `openhub faults recording` prints one",
            call.display()
        )
    })?;
    ensure!(Recording::FORMATS.contains(&recording.format), "the recording was made by another version of openhub");
    let plugin = Runtime::new(Config { instances: 4, ..Config::default() })?.prepare(component).await;
    let plugin = plugin.map_err(|refusal| anyhow!("the hub refuses this component: {refusal}"))?;
    let name = &plugin.manifest().name;
    ensure!(*name == recording.plugin, "the recording is of the plugin `{}`, and this is `{name}`", recording.plugin);
    let same_component = plugin.digest() == recording.digest;

    if let Recorded::Io { .. } = &recording.call {
        return replay_io(&plugin, &recording, same_component).await;
    }
    let replayed = tokio::task::block_in_place(|| plugin.replay(&recording));
    let rows = match &recording.call {
        Recorded::Rule { batch, .. } => batch.rows as usize,
        Recorded::Check { changes, .. } => changes.len(),
        Recorded::Step { entries, .. } => entries.len(),
        Recorded::Function { calls, .. } => calls.rows as usize,
        Recorded::Io { .. } => 0,
    };
    let (manifest, name) = (plugin.manifest(), recording.call.name());
    let printed = match &replayed {
        Ok(Replayed::Rule(evaluated)) => {
            let shape = manifest.rules.iter().find(|rule| rule.name == *name);
            let effects = shape.map(|shape| by_row(shape, evaluated.outcome.clone(), &vec![Value::Null; rows]));
            json!({"effects": effects})
        }
        Ok(Replayed::Check(checked)) => json!({"answers": answered(checked.answers.clone())}),
        Ok(Replayed::Step(stepped)) => {
            let shape = manifest.steps.iter().find(|step| step.name == *name);
            let answers = shape.map(|shape| onwards(shape, stepped));
            json!({"answers": answers})
        }
        Ok(Replayed::Function(applied)) => {
            let shape = manifest.functions.iter().find(|function| function.name == *name);
            let results = shape.map(|shape| results(shape, applied));
            json!({"results": results})
        }
        Err(fault) => json!({"fault": told(fault)}),
    };
    println!("{}", serde_json::to_string_pretty(&printed)?);
    eprintln!("{}", compared(&recording, same_component, &replayed));
    Ok(())
}

/// Makes a call of the I/O lane again: the host answers from the recording, and nothing goes out.
async fn replay_io(plugin: &Plugin, recording: &Recording, same_component: bool) -> Result<()> {
    let again = plugin.replay_io(recording).await.map_err(|fault| anyhow!("{fault}"))?;
    let printed = match (&again.answer, &again.fault) {
        (Some(RecordedAnswer::Io { answer, settled }), _) => json!({"answer": answer, "settled": settled}),
        (_, Some(fault)) => json!({"fault": fault}),
        _ => Value::Null,
    };
    println!("{}", serde_json::to_string_pretty(&printed)?);
    let of = of(recording, same_component);
    let outcome = match (&recording.fault, &again.fault) {
        (None, None) if recording.answer == again.answer => "answers the same",
        (None, None) => "answers otherwise",
        (Some(_), None) => "does not fail",
        (None, Some(_)) => "fails",
        (Some(recorded), Some(fault)) if recorded == fault => "fails in the same way",
        (Some(_), Some(_)) => "fails in another way",
    };
    let strayed = match &again.strayed_at {
        Some(call) => format!("; what it asks of the hub is different from `{call}` on"),
        None => String::new(),
    };
    let (fuel, recorded) = (again.receipt.fuel, recording.receipt.fuel);
    eprintln!("{of}: it {outcome}; fuel {fuel} (recorded: {recorded}){strayed}");
    Ok(())
}

/// Which component it is.
fn of(recording: &Recording, same_component: bool) -> String {
    let (plugin, version) = (&recording.plugin, &recording.version);
    match same_component {
        true => format!("{plugin} {version}, the component of the recording"),
        false => format!("another component than the recorded {plugin} {version}"),
    }
}

fn told(fault: &CallFault) -> Value {
    json!({"kind": fault.kind.as_str(), "message": fault.message})
}

/// In words: the same outcome and the same fuel, or what is different.
fn compared(recording: &Recording, same_component: bool, replayed: &Result<Replayed, CallFault>) -> String {
    let of = of(recording, same_component);
    let same = recording.is_met_by(replayed);
    let outcome = match (&recording.fault, replayed) {
        (Some(_), Err(_)) if same => "fails in the same way",
        (_, Err(_)) if recording.fault.is_some() => "fails in another way",
        (Some(_), _) => "does not fail",
        (None, Ok(_)) if same => "answers the same",
        (None, Ok(_)) => "answers otherwise",
        (None, Err(_)) => "fails",
    };
    let fuel = replayed.as_ref().map_or_else(|fault| fault.receipt.fuel, |replayed| replayed.receipt().fuel);
    let others = if recording.depends_on_others { "; in the hub it answered otherwise among other rows" } else { "" };
    format!("{of}: it {outcome}; fuel {fuel} (recorded: {}){others}", recording.receipt.fuel)
}
