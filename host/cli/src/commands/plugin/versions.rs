//! `openhub plugin versions`, `activate` and `rollback`: which version of a plugin is in force.

use anyhow::{Context, Result, bail};
use openhub_model::fault::there_are;
use openhub_model::plain::plain;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::install::addresses;
use super::{grant, short, text, trial};
use crate::hub::Hub;

/// Prints what a version changes, in both languages.
pub fn told(difference: &Value) -> Result<String> {
    let mut out = match difference["from_version"].as_str() {
        Some(from) => format!("{from} → {}\n", text(difference, "to_version")?),
        None => format!("{}\n", text(difference, "to_version")?),
    };
    let mut any = false;
    for (mark, of) in [('+', "more"), ('-', "less")] {
        for ask in difference[of].as_array().into_iter().flatten() {
            out.push_str(&format!("  {mark} {}\n    {}\n", plain(text(ask, "en")?), plain(text(ask, "zh")?)));
            any = true;
        }
    }
    if !any {
        out.push_str("  asks for the same\n");
    }
    out.push_str(&format!("  agreement {}\n", text(difference, "accept")?));
    Ok(out)
}

/// What would become of objects.
fn objects(version: &Value) -> Result<String> {
    let mut out = String::new();
    for of in version["objects"].as_array().into_iter().flatten() {
        let (kind, from, to) = (text(of, "type")?, &of["from"], &of["to"]);
        out.push_str(&format!(
            "  objects `{kind}`: {} of version {from}, {} change for version {to}\n",
            of["objects"], of["changed"]
        ));
        for fault in of["faults"].as_array().into_iter().flatten() {
            out.push_str(&format!("    does not fit: {}\n", text(fault, "message")?));
        }
    }
    Ok(out)
}

/// Lists the versions of a plugin.
pub async fn list(hub: &Hub, name: &str) -> Result<()> {
    let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
    for version in versions(hub, name).await? {
        let tried = trial::tried(&plugin).filter(|_| version["place"] == "candidate");
        let tried = tried.map(|tried| format!("   {tried}")).unwrap_or_default();
        let signed = version["signer"].as_str().map(|key| format!("   signed {}", short(key))).unwrap_or_default();
        let (number, place) = (text(&version, "version")?, text(&version, "place")?);
        println!(
            "{number:<12} {place:<10} {}   {}{signed}{tried}",
            text(&version, "digest")?,
            text(&version, "uploaded_at")?
        );
    }
    Ok(())
}

/// What is agreed to.
pub struct Terms {
    /// The difference that was read.
    pub accept: Option<String>,
    pub settings: Map<String, Value>,
    pub grant: grant::Changes,
}

/// The version with this number or digest, of which eight digits are enough.
fn named<'a>(name: &str, all: &'a [Value], wanted: &str) -> Result<&'a Value> {
    let is_wanted = |version: &&Value| {
        let digest = version["digest"].as_str().unwrap_or_default();
        version["version"] == wanted || (wanted.len() >= 8 && digest.starts_with(wanted))
    };
    all.iter().find(is_wanted).with_context(|| {
        let known = all.iter().filter_map(|version| version["version"].as_str());
        format!("`{name}` has no version {wanted}. {}", there_are(known))
    })
}

/// The digest of the version with this number or beginning of a digest.
pub async fn digest_of(hub: &Hub, name: &str, wanted: &str) -> Result<String> {
    Ok(text(named(name, &versions(hub, name).await?, wanted)?, "digest")?.to_owned())
}

/// The version that waits; where none does, how one comes into force.
fn waiting<'a>(name: &str, all: &'a [Value]) -> Result<&'a Value> {
    let at = |place: &str| all.iter().find(|version| version["place"] == place);
    if let Some(candidate) = at("candidate") {
        return Ok(candidate);
    }
    match at("previous").and_then(|previous| previous["version"].as_str()) {
        Some(previous) => bail!(
            "no version of `{name}` waits: upload one with `openhub plugin install`, or name the one before, `openhub plugin activate {name} \
             {previous}`"
        ),
        None => bail!("no version of `{name}` waits: upload one with `openhub plugin install`"),
    }
}

/// Puts a version in force: the one that waits, or the one with this number or digest. Without `accept` it shows what the version
/// changes, and changes nothing.
pub async fn activate(hub: &Hub, name: &str, wanted: Option<&str>, terms: Terms) -> Result<()> {
    let Terms { accept, settings, grant } = terms;
    let all = versions(hub, name).await?;
    let version = match wanted {
        Some(wanted) => named(name, &all, wanted)?,
        None => waiting(name, &all)?,
    };
    let digest = text(version, "digest")?;
    let whole = hub.get(&format!("/api/v1/plugins/{name}/versions/{digest}")).await?;
    let difference = &whole["difference"];
    if difference.is_null() {
        bail!("version {} of `{name}` is active already", text(version, "version")?);
    }
    print!("{name} {}{}", told(difference)?, objects(&whole)?);
    let Some(accept) = accept.as_deref() else {
        let digest = short(digest);
        println!(
            "to agree to this, run `openhub plugin activate {name} {digest} --accept {}`",
            text(difference, "accept")?
        );
        return Ok(());
    };
    let mut body = json!({"digest": digest, "accept": agreed(accept, difference)?});
    if !settings.is_empty() {
        body["settings"] = Value::Object(settings);
    }
    if !grant.is_none() {
        let plugin = hub.get(&format!("/api/v1/plugins/{name}")).await?;
        body["grant"] = json!(grant.of(&whole["manifest"], &plugin)?);
    }
    let answer = hub.call(Method::POST, &format!("/api/v1/plugins/{name}/activate"), &body).await?;
    done(name, text(version, "version")?, &answer);
    if answer["name"].is_string() {
        print!("{}", addresses(hub, &answer)?);
    }
    Ok(())
}

/// Goes back to the version before. Without `accept` it shows what that changes, and changes nothing.
pub async fn roll_back(hub: &Hub, name: &str, accept: Option<&str>) -> Result<()> {
    let all = versions(hub, name).await?;
    let previous = all.iter().find(|version| version["place"] == "previous");
    let previous =
        previous.with_context(|| format!("no version of `{name}` was active before: there is no way back"))?;
    let path = format!("/api/v1/plugins/{name}/versions/{}", text(previous, "digest")?);
    let whole = hub.get(&path).await?;
    let difference = &whole["difference"];
    print!("{name} {}{}", told(difference)?, objects(&whole)?);
    let Some(accept) = accept else {
        println!("to agree to this, run `openhub plugin rollback {name} --accept {}`", text(difference, "accept")?);
        return Ok(());
    };
    let body = json!({"accept": agreed(accept, difference)?});
    let answer = hub.call(Method::POST, &format!("/api/v1/plugins/{name}/rollback"), &body).await?;
    done(name, text(previous, "version")?, &answer);
    Ok(())
}

/// `shown` is for people who have just read it; everybody else names what they have read.
pub fn agreed<'a>(accept: &'a str, difference: &'a Value) -> Result<&'a str> {
    if accept == "shown" { text(difference, "accept") } else { Ok(accept) }
}

fn done(name: &str, version: &str, answer: &Value) {
    match answer["position"].as_i64() {
        Some(position) if answer["name"].is_null() => {
            println!("the engine is behind: {name} {version} will be active when it reaches position {position}");
        }
        _ => println!("{name} {version} is active"),
    }
}

async fn versions(hub: &Hub, name: &str) -> Result<Vec<Value>> {
    let answer = hub.get(&format!("/api/v1/plugins/{name}/versions")).await?;
    Ok(answer["versions"].as_array().cloned().unwrap_or_default())
}
