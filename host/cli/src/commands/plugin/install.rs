//! `openhub plugin install` and `enable`: a version is uploaded, shown in plain words, and agreed to.

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::setting::{self, split, values};
use super::versions::{Terms, activate};
use super::{closed, grant, text};
use crate::hub::Hub;
use openhub_model::plain::plain;
use openhub_runtime::Runtime;

pub async fn install(
    hub: &Hub,
    component: Vec<u8>,
    settings: &[String],
    secrets: &[String],
    enable: bool,
) -> Result<()> {
    let values = values(settings)?;
    let uploaded = Runtime::inspect(&component).ok().map(|inspected| inspected.digest);
    let mut plugin = hub.upload("/api/v1/plugins", component).await?;
    let name = text(&plugin, "name")?.to_owned();
    let name = name.as_str();
    set_secrets(hub, name, secrets).await?;
    if let Some(digest) = uploaded.filter(|digest| plugin["previous"]["digest"] == **digest) {
        let version = plugin["previous"]["version"].as_str().unwrap_or_default();
        println!("{name} {version} is here already: it was active before {}", text(&plugin, "version")?);
        let accept = enable.then(|| "shown".to_owned());
        let terms = Terms { accept, settings: values, grant: grant::Changes::default() };
        return activate(hub, name, Some(&digest), terms).await;
    }
    println!("installed {name} {}", text(offered(&plugin), "version")?);
    if !secrets.is_empty() {
        plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    }
    print!("{}", described(&plugin)?);
    if enable {
        let lacking = lacking(&plugin, &values);
        ensure!(
            lacking.is_empty(),
            "{name} is installed, and not enabled: it needs{lacking}; `openhub plugin enable {name}{lacking}` sets that and enables it"
        );
        agree(hub, &plugin, values, None).await
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
            std::env::var(variable).ok().with_context(|| match is_variable(variable) {
                true => format!("the environment variable {variable}, which is to hold the secret `{secret}`, is not set"),
                false => format!(
                    "`--secret {secret}=…` needs the name of an environment variable that holds the secret, not the secret"
                ),
            })?;
        hub.call(Method::PUT, &format!("/api/v1/plugins/{name}/secrets/{secret}"), &json!({"value": value})).await?;
        println!("secret {secret} is set");
    }
    Ok(())
}

/// A name as variables have it, of letters that secrets do not keep to.
fn is_variable(name: &str) -> bool {
    name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// What is to become of a plugin.
pub struct Changes {
    pub settings: Map<String, Value>,
    pub secrets: Vec<String>,
    pub grant: grant::Changes,
}

/// Enables a plugin that does not run, or changes the version that runs: whatever waits beside that one goes on waiting.
pub async fn enable(hub: &Hub, name: &str, changes: Changes) -> Result<()> {
    let Changes { settings, secrets, grant } = changes;
    set_secrets(hub, name, &secrets).await?;
    let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    if plugin["status"] != "enabled" {
        print!("{}", described(&plugin)?);
        let grant = grant.of(&offered(&plugin)["manifest"], &plugin)?;
        return agree(hub, &plugin, settings, grant).await;
    }
    let version = text(&plugin, "version")?;
    if settings.is_empty() && grant.is_none() {
        match plugin["candidate"]["version"].as_str() {
            Some(waits) if secrets.is_empty() => bail!(
                "`{name}` {version} runs already, and {waits} waits: `openhub plugin activate {name}` shows what that changes, and puts it in force"
            ),
            _ => println!("{name} {version} runs already"),
        }
        return Ok(());
    }
    let mut body = json!({});
    if let Some(mut grant) = grant.of(&plugin["manifest"], &plugin)? {
        grant["digest"] = plugin["digest"].clone();
        body["grant"] = grant;
    }
    put(hub, &plugin, version, body, settings).await
}

/// Agrees to the version that is offered, by its digest: another one that comes in between is not agreed to.
pub async fn agree(hub: &Hub, plugin: &Value, settings: Map<String, Value>, grant: Option<Value>) -> Result<()> {
    let mut body = json!({"accept": offered(plugin)["digest"]});
    if let Some(grant) = grant {
        body["grant"] = grant;
    }
    put(hub, plugin, text(offered(plugin), "version")?, body, settings).await
}

/// Has a version in force with other settings, or another grant, and says so.
async fn put(hub: &Hub, plugin: &Value, version: &str, mut body: Value, settings: Map<String, Value>) -> Result<()> {
    let name = text(plugin, "name")?;
    let closed = closed::told(&settings);
    let set = setting::told(&settings);
    if !settings.is_empty() {
        body["settings"] = Value::Object(settings);
    }
    let enabled = hub.call(Method::POST, &format!("/api/v1/plugins/{name}/enable"), &body).await?;
    match enabled["position"].as_i64() {
        None => {
            println!("enabled {name} {version}");
            set.iter().for_each(|line| println!("{line}"));
            closed.iter().for_each(|line| println!("{line}"));
            print!("{}", addresses(hub, &enabled)?);
        }
        Some(position) => {
            println!("the engine is behind: {name} will be enabled when it reaches position {position}")
        }
    }
    Ok(())
}

/// Where its sources and endpoints are called.
pub fn addresses(hub: &Hub, plugin: &Value) -> Result<String> {
    let listed = |list: &str| plugin[list].as_array().into_iter().flatten().filter_map(Value::as_str);
    let name = text(plugin, "name")?;
    let hooks = listed("hooks").map(|hook| format!("  it answers calls at {}{hook}\n", hub.url()));
    let endpoints = listed("endpoints")
        .map(|endpoint| format!("  it answers {endpoint}, with a key of the scope plugins:call:{name}\n"));
    Ok(hooks.chain(endpoints).collect())
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

/// The same, but for what is set now.
fn lacking(plugin: &Value, settings: &Map<String, Value>) -> String {
    let mut plugin = plugin.clone();
    for (name, value) in settings {
        plugin["settings"][name.as_str()] = value.clone();
    }
    missing(&plugin)
}

/// Lines for people, of what a hub took before it looked at each character.
fn lines(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(plain).collect()
}

/// What the installed version asks for, in plain words.
pub fn asked_for(plugin: &Value) -> Result<String> {
    let mut out = format!("{} {} asks for:\n", text(plugin, "name")?, text(plugin, "version")?);
    let asks = lines(&plugin["asks"]);
    let asks = if asks.is_empty() { vec!["nothing".to_owned()] } else { asks };
    asks.into_iter().for_each(|line| out.push_str(&format!("    {line}\n")));
    Ok(out)
}

/// What the offered version asks for, in plain words, and what of it is new.
pub fn described(plugin: &Value) -> Result<String> {
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
