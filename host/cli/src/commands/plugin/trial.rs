//! `openhub plugin canary` and `shadow`: the version that waits is tried beside the active one.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::text;
use super::versions::{agreed, told};
use crate::hub::Hub;

/// Has the version that waits serve so many of a hundred customers; none: no customer any more.
pub async fn canary(hub: &Hub, name: &str, percent: Option<u8>, accept: Option<&str>) -> Result<()> {
    let path = format!("/api/v1/plugins/{name}/canary");
    let Some(percent) = percent else {
        let answer = hub.call(Method::DELETE, &path, &json!({})).await?;
        pending(&answer, &format!("{name} {} serves all customers", active(&answer)));
        return Ok(());
    };
    let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    let candidate = waiting(&plugin)?;
    let digest = text(candidate, "digest")?;
    let serves = plugin["canary"]["digest"] == digest;
    let difference = &plugin["difference"];
    if !serves {
        print!("{name} {}", told(difference)?);
    }
    let mut body = json!({"digest": digest, "percent": percent});
    match accept {
        Some(accept) => body["accept"] = json!(agreed(accept, difference)?),
        None if serves => {}
        None => {
            let accept = text(difference, "accept")?;
            println!("to agree to this, run `openhub plugin canary {name} --percent {percent} --accept {accept}`");
            return Ok(());
        }
    }
    let answer = hub.call(Method::PUT, &path, &body).await?;
    let version = text(candidate, "version")?;
    pending(&answer, &format!("{name} {version} serves {percent} % of the customers, {} the others", active(&plugin)));
    Ok(())
}

/// What is done about a shadow.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum What {
    Start,
    Stop,
    Report,
}

/// Has the version that waits called beside the active one, or no more, or tells what differs.
pub async fn shadow(hub: &Hub, name: &str, what: What, json: bool) -> Result<()> {
    let path = format!("/api/v1/plugins/{name}/shadow");
    match what {
        What::Start => {
            let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
            let candidate = waiting(&plugin)?;
            let answer = hub.call(Method::PUT, &path, &json!({"digest": text(candidate, "digest")?})).await?;
            let version = text(candidate, "version")?;
            pending(&answer, &format!("{name} {version} is called beside {}, and changes nothing", active(&plugin)));
        }
        What::Stop => {
            let answer = hub.call(Method::DELETE, &path, &json!({})).await?;
            pending(&answer, &format!("{name} has no shadow any more; its report stays"));
        }
        What::Report => {
            let report = hub.get(&path).await?;
            match json {
                true => println!("{}", serde_json::to_string_pretty(&report)?),
                false => print!("{}", reported(&report)?),
            }
        }
    }
    Ok(())
}

/// A report for people.
fn reported(report: &Value) -> Result<String> {
    let mut out = String::new();
    for rule in report["rules"].as_array().into_iter().flatten() {
        let number = |of: &str| rule[of].as_i64().unwrap_or_default();
        out.push_str(&format!(
            "{}: {} rows compared, {} differ",
            text(rule, "rule")?,
            number("compared"),
            number("differing")
        ));
        for (of, told) in [
            ("faults", "broken off on"),
            ("neighbours", "depend on other rows of the call"),
            ("skipped", "left out, since it burns too much"),
        ] {
            if number(of) > 0 {
                out.push_str(&format!(", {} {told}", number(of)));
            }
        }
        out.push_str(&format!("; fuel {} beside {}\n", number("shadow_fuel"), number("fuel")));
    }
    if out.is_empty() {
        out.push_str("nothing is compared yet\n");
    }
    for row in report["rows"].as_array().into_iter().flatten() {
        let paths = row["paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let paths: Vec<&str> = paths.collect();
        out.push_str(&format!("  position {} ({}): {}\n", row["position"], text(row, "rule")?, paths.join(", ")));
        if let (Some(active), Some(shadow)) = (row.get("active"), row.get("shadow")) {
            out.push_str(&format!("    - {active}\n    + {shadow}\n"));
        }
    }
    Ok(out)
}

/// The version that waits.
fn waiting(plugin: &Value) -> Result<&Value> {
    let candidate = Some(&plugin["candidate"]).filter(|candidate| candidate.is_object());
    candidate.with_context(|| {
        let name = plugin["name"].as_str().unwrap_or_default();
        format!("no version of `{name}` waits: upload one with `openhub plugin install`")
    })
}

fn active(plugin: &Value) -> &str {
    plugin["version"].as_str().unwrap_or("the active version")
}

/// Says what is so now, or will be.
fn pending(answer: &Value, done: &str) {
    match answer["position"].as_i64() {
        Some(position) if answer["name"].is_null() => {
            println!("the engine is behind: when it reaches position {position}, {done}");
        }
        _ => println!("{done}"),
    }
}
