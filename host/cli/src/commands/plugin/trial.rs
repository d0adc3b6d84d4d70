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
