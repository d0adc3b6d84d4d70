//! `openhub plugin install` and `enable`: a version is uploaded, shown in plain words, and agreed to.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::closed;
use super::setting::{split, values};
use super::text;
use crate::hub::Hub;

pub async fn install(
    hub: &Hub,
    component: Vec<u8>,
    settings: &[String],
    secrets: &[String],
    enable: bool,
) -> Result<()> {
    let values = values(settings)?;
    let plugin = hub.upload("/api/v1/plugins", component).await?;
    let name = text(&plugin, "name")?;
    let offered = offered(&plugin);
    println!("installed {name} {}", text(offered, "version")?);
    set_secrets(hub, name, secrets).await?;
    print!("{}", described(&plugin)?);
    if enable {
        agree(hub, &plugin, values).await
    } else {
        match (plugin["status"] == "enabled", plugin["difference"]["accept"].as_str()) {
            (true, Some(accept)) => {
                println!("version {} keeps running", text(&plugin, "version")?);
                println!(
                    "to agree to this, run `openhub plugin activate {name} --accept {accept}{}`",
                    missing(&plugin)
                );
            }
            (true, None) => println!("version {} runs already", text(&plugin, "version")?),
            (false, _) => {
                println!("it does not run yet");
                println!("to agree to this and start it, run `openhub plugin enable {name}{}`", missing(&plugin));
            }
        }
        Ok(())
    }
}

pub async fn set_secrets(hub: &Hub, name: &str, secrets: &[String]) -> Result<()> {
    for secret in secrets {
        let (secret, variable) = split(secret)?;
        let value =
            // It may be the secret itself, written where its variable is asked for: nothing repeats it.
            std::env::var(variable).ok().with_context(|| {
                format!("`--secret {secret}=…` needs the name of an environment variable that holds the secret, not the secret")
            })?;
        hub.call(Method::PUT, &format!("/api/v1/plugins/{name}/secrets/{secret}"), &json!({"value": value})).await?;
        println!("secret {secret} is set");
    }
    Ok(())
}

/// Agrees to the version that is offered, by its digest: another one that comes in between is not agreed to.
pub async fn agree(hub: &Hub, plugin: &Value, settings: Map<String, Value>) -> Result<()> {
    let name = text(plugin, "name")?;
    let mut body = json!({"accept": offered(plugin)["digest"]});
    let closed = closed::told(&settings);
    if !settings.is_empty() {
        body["settings"] = Value::Object(settings);
    }
    let enabled = hub.call(Method::POST, &format!("/api/v1/plugins/{name}/enable"), &body).await?;
    match enabled["position"].as_i64() {
        None => {
            println!("enabled {name} {}", text(offered(plugin), "version")?);
            closed.iter().for_each(|line| println!("{line}"));
            for hook in enabled["hooks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                println!("  it answers calls at {}{hook}", hub.url());
            }
            for endpoint in enabled["endpoints"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                println!("  it answers {endpoint}, with a key of the scope plugins:call:{name}");
            }
        }
        Some(position) => {
            println!("the engine is behind: {name} will be enabled when it reaches position {position}")
        }
    }
    Ok(())
}

/// The version that an enable takes: the candidate if one waits, else the installed one.
pub fn offered(plugin: &Value) -> &Value {
    if plugin["candidate"].is_object() { &plugin["candidate"] } else { plugin }
}

/// The flags for what it needs and does not have.
pub fn missing(plugin: &Value) -> String {
    let manifest = &offered(plugin)["manifest"];
    let required = |list: &str| {
        let all = manifest[list].as_array().into_iter().flatten();
        all.filter(|shape| shape["required"] == true).filter_map(|shape| shape["name"].as_str())
    };
    let is_set = |name: &str| plugin["secrets"].as_array().is_some_and(|set| set.iter().any(|secret| secret == name));
    let settings = required("settings").filter(|name| plugin["settings"][*name].is_null());
    let settings = settings.map(|name| format!(" --set {name}=VALUE"));
    let secrets = required("secrets").filter(|name| !is_set(name)).map(|name| format!(" --secret {name}=VARIABLE"));
    settings.chain(secrets).collect()
}

/// What the offered version asks for, in plain words, and what of it is new.
pub fn described(plugin: &Value) -> Result<String> {
    let lines = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect()
    };
    let (offered, old) = (offered(plugin), text(plugin, "version")?);
    let mut out = format!("{} {} asks for:\n", text(plugin, "name")?, text(offered, "version")?);
    let (asks, more) = (lines(&offered["asks"]), lines(&offered["more"]));
    if asks.is_empty() {
        out.push_str("    nothing\n");
    }
    for line in asks {
        let mark = if more.contains(&line) { "  + " } else { "    " };
        out.push_str(&format!("{mark}{line}\n"));
    }
    for line in lines(&offered["less"]) {
        out.push_str(&format!("  - {line} (no more)\n"));
    }
    if !more.is_empty() {
        out.push_str(&format!("  (+ is what version {old} did not ask for)\n"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e12_what_is_agreed_to_is_told_in_plain_words() {
        let plugin = json!({
            "name": "big-spender", "version": "1.0.0", "digest": "a", "asks": ["reads x"],
            "candidate": {"version": "1.1.0", "digest": "b", "asks": ["reads x", "reaches the host y"],
                "more": ["reaches the host y"], "less": ["writes z"]},
        });
        let told = described(&plugin).unwrap();
        assert!(
            told.contains("big-spender 1.1.0 asks for:\n    reads x\n  + reaches the host y\n  - writes z"),
            "{told}"
        );
        assert_eq!(offered(&plugin)["digest"], "b");
    }
}
