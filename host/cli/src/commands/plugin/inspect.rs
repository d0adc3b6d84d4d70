//! `openhub plugin inspect` and `diff`: what is in a component, in plain words, without a hub and without running anything of it.

use anyhow::{Context, Result, anyhow};
use openhub_model::asks::{self, Ask, Difference};
use openhub_model::manifest::Manifest;
use openhub_model::release;
use openhub_runtime::{Inspected, Runtime};
use serde_json::json;
use std::fmt::Write;

fn read(component: &[u8]) -> Result<Inspected> {
    Runtime::inspect(component).map_err(|refusal| anyhow!("a hub refuses this component: {refusal}"))
}

/// What a component says of itself, and what it really imports and exports.
pub fn shown(component: &[u8]) -> Result<String> {
    let Inspected { digest, manifest, signer, imports, exports } = read(component)?;
    let Manifest { name, version, publisher, title, description, .. } = &manifest;
    let mut out = format!("{name} {version} by {publisher}\n");
    for language in ["en", "zh"] {
        let texts = [title.get(language), description.get(language)].into_iter().flatten().map(String::as_str);
        let texts: Vec<&str> = texts.collect();
        if !texts.is_empty() {
            writeln!(out, "{language}: {}", texts.join(". "))?;
        }
    }
    let signed = signer.map_or_else(|| "by nobody".to_owned(), |key| format!("with the key {key}"));
    writeln!(out, "signed  {signed}")?;
    writeln!(out, "digest  {digest}\nsize    {} KiB", component.len().div_ceil(1024))?;
    let list = |all: &[String]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
    writeln!(out, "exports {}\nimports {}", list(&exports), list(&imports))?;
    out.push_str("asks for:\n");
    for ask in asks::all(&manifest) {
        writeln!(out, "    {}\n      {}", ask.en, ask.zh)?;
    }
    Ok(out)
}

/// The same for programs.
pub fn json_of(component: &[u8]) -> Result<String> {
    let Inspected { digest, manifest, signer, imports, exports } = read(component)?;
    let asks = asks::asks(&manifest);
    let all = json!({
        "digest": digest, "signer": signer, "bytes": component.len(), "imports": imports, "exports": exports, "asks": asks, "manifest": manifest,
    });
    serde_json::to_string_pretty(&all).context("a manifest is always JSON")
}

/// What the second asks for beyond the first (`+`), and no more (`-`).
pub fn difference(old: &[u8], new: &[u8]) -> Result<String> {
    let (old, new) = (read(old)?, read(new)?);
    let (before, after) = (&old.manifest, &new.manifest);
    let Difference { more, less } = Difference::between(Some(before), after);
    let mut out = format!("{} {} → {} {}\n", before.name, before.version, after.name, after.version);
    let signer =
        |key: &Option<String>| key.as_ref().map_or_else(|| "by nobody".to_owned(), |key| format!("with the key {key}"));
    for (mark, asks) in [('+', &more), ('-', &less)] {
        for Ask { en, zh, .. } in asks {
            writeln!(out, "  {mark} {en}\n    {zh}")?;
        }
    }
    if old.signer != new.signer {
        writeln!(out, "  signed {}, before {}", signer(&new.signer), signer(&old.signer))?;
    }
    if more.is_empty() && less.is_empty() {
        out.push_str("  asks for the same\n");
    }
    for hindrance in hindrances(&old, &new) {
        writeln!(out, "  a hub where the old one is active refuses the new one: {hindrance}")?;
    }
    Ok(out)
}

/// Why the new one could not be uploaded beside the old one.
fn hindrances(old: &Inspected, new: &Inspected) -> Vec<&'static str> {
    let (before, after) = (&old.manifest, &new.manifest);
    let is_other = old.digest != new.digest && before.name == after.name;
    let is_unsigned = old.signer.is_some() && new.signer.is_none();
    let is_signed_otherwise = !is_unsigned && old.signer.is_some() && old.signer != new.signer;
    let all = [
        (before.version == after.version, "it has the same version number and other contents"),
        (release::is_older(&after.version, &before.version), "it is older"),
        (is_unsigned, "it is not signed"),
        (is_signed_otherwise, "it is signed with another key"),
        (old.signer.is_none() && before.publisher != after.publisher, "it is by another publisher"),
    ];
    all.into_iter().filter(|(holds, _)| is_other && *holds).map(|(_, why)| why).collect()
}
