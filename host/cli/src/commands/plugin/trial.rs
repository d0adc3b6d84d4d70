//! `openhub plugin canary` and `shadow`: the version that waits is tried beside the active one.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::text;
use super::versions::{agreed, digest_of, told};
use crate::hub::Hub;

/// Rows that are shown.
const MOST: usize = 100;

/// The active version serves all customers again.
pub async fn end_canary(hub: &Hub, name: &str) -> Result<()> {
    let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    if !plugin["canary"].is_object() {
        println!("{name} {} serves all customers: there is no canary", active(&plugin));
        return Ok(());
    }
    let answer = hub.call(Method::DELETE, &format!("/api/v1/plugins/{name}/canary"), &json!({})).await?;
    pending(&answer, &format!("{name} {} serves all customers", active(&plugin)));
    Ok(())
}

/// Which version is tried beside the active one, and how.
pub fn tried(plugin: &Value) -> Option<String> {
    let version = plugin["candidate"]["version"].as_str()?;
    match plugin["canary"]["percent"].as_i64() {
        Some(percent) => Some(format!("{version} serves {percent} % of the customers")),
        None => plugin["shadow"].is_object().then(|| format!("{version} is called as a shadow")),
    }
}

/// Which version waits, and what it does meanwhile.
pub fn waits(plugin: &Value) -> Option<String> {
    let version = plugin["candidate"]["version"].as_str()?;
    Some(tried(plugin).unwrap_or_else(|| format!("{version} waits until you agree to it")))
}

/// Has the version that waits serve so many of a hundred customers; none: says how many it serves.
pub async fn canary(hub: &Hub, name: &str, percent: Option<u8>, accept: Option<&str>) -> Result<()> {
    let path = format!("/api/v1/plugins/{name}/canary");
    let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    let Some(percent) = percent else {
        match plugin["canary"].is_object() {
            true => println!("{name} {}, {} the others", tried(&plugin).unwrap_or_default(), active(&plugin)),
            false => println!("{name} {} serves all customers; `--percent N` begins a canary", active(&plugin)),
        }
        return Ok(());
    };
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
        out.push_str(&format!("; fuel {}, of the active version {}\n", number("shadow_fuel"), number("fuel")));
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

/// Over which events a version is compared.
#[derive(clap::Args)]
pub struct Over {
    /// Compare over the events of the last days or hours in the log instead: `7d`, `12h`. Nothing is written.
    #[arg(long, value_name = "SPAN", conflicts_with_all = ["after", "to"])]
    over: Option<String>,
    /// Compare over the events behind this position in the log.
    #[arg(long, value_name = "POSITION")]
    after: Option<i64>,
    /// Compare over the events up to this position.
    #[arg(long, value_name = "POSITION")]
    to: Option<i64>,
    /// The version, by its digest or number. Default: the one that waits.
    #[arg(long, value_name = "VERSION")]
    digest: Option<String>,
}

impl Over {
    pub fn is_asked(&self) -> bool {
        self.over.is_some() || self.after.is_some() || self.to.is_some()
    }
}

/// Compares a version with the active one over a stretch of the log, part by part.
pub async fn over(hub: &Hub, name: &str, over: &Over, json: bool) -> Result<()> {
    let digest = match &over.digest {
        Some(digest) => digest_of(hub, name, digest).await?,
        None => text(waiting(&hub.get(&format!("/api/v1/plugins/{name}")).await?)?, "digest")?.to_owned(),
    };
    let path = format!("/api/v1/plugins/{name}/versions/{digest}/over");
    let mut asked = match (&over.over, over.after) {
        (Some(last), _) => format!("last={last}"),
        (None, after) => format!("after={}", after.unwrap_or(0)),
    };
    if let Some(to) = over.to {
        asked.push_str(&format!("&to={to}"));
    }
    let mut whole = hub.get(&format!("{path}?{asked}")).await?;
    while let Some(after) = whole["next"].as_i64() {
        let part = hub.get(&format!("{path}?after={after}&to={}", whole["to"])).await?;
        add(&mut whole, part);
    }
    match json {
        true => println!("{}", serde_json::to_string_pretty(&whole)?),
        false => {
            println!("positions {} to {}", whole["after"], whole["to"]);
            print!("{}", reported(&whole["report"])?);
        }
    }
    Ok(())
}

/// Adds the next part: its counts, and its rows as long as there is room.
fn add(whole: &mut Value, mut part: Value) {
    let taken = |of: &mut Value, what: &str| -> Vec<Value> {
        of["report"][what].as_array_mut().map(std::mem::take).unwrap_or_default()
    };
    let mut rules = taken(whole, "rules");
    for more in taken(&mut part, "rules") {
        match rules.iter_mut().find(|known| known["rule"] == more["rule"]) {
            Some(known) => {
                for (name, count) in more.as_object().into_iter().flatten() {
                    if let (Some(had), Some(count)) = (known[name].as_i64(), count.as_i64()) {
                        known[name] = json!(had + count);
                    }
                }
            }
            None => rules.push(more),
        }
    }
    let mut rows = taken(whole, "rows");
    rows.append(&mut taken(&mut part, "rows"));
    rows.truncate(MOST);
    whole["report"] = json!({"rules": rules, "rows": rows});
    whole["next"] = part["next"].take();
}
