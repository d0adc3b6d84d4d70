//! `openhub plugin inspect` and `diff`: what is in a component, in plain words, without a hub and without running anything of it.

use anyhow::{Context, Result, anyhow};
use openhub_model::asks;
use openhub_model::manifest::Manifest;
use openhub_runtime::{Inspected, Runtime};
use serde_json::json;
use std::fmt::Write;

fn read(component: &[u8]) -> Result<Inspected> {
    Runtime::inspect(component).map_err(|refusal| anyhow!("a hub refuses this component: {refusal}"))
}

/// What a component says of itself, and what it really imports and exports.
pub fn shown(component: &[u8]) -> Result<String> {
    let Inspected { digest, manifest, imports, exports } = read(component)?;
    let Manifest { name, version, publisher, title, description, .. } = &manifest;
    let mut out = format!("{name} {version} by {publisher}\n");
    for language in ["en", "zh"] {
        let texts = [title.get(language), description.get(language)].into_iter().flatten().map(String::as_str);
        let texts: Vec<&str> = texts.collect();
        if !texts.is_empty() {
            writeln!(out, "{language}: {}", texts.join(". "))?;
        }
    }
    writeln!(out, "digest  {digest}\nsize    {} KiB", component.len().div_ceil(1024))?;
    let list = |all: &[String]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
    writeln!(out, "exports {}\nimports {}", list(&exports), list(&imports))?;
    out.push_str("asks for:\n");
    for line in asks::asks(&manifest) {
        writeln!(out, "    {line}")?;
    }
    Ok(out)
}

/// The same for programs.
pub fn json_of(component: &[u8]) -> Result<String> {
    let Inspected { digest, manifest, imports, exports } = read(component)?;
    let asks = asks::asks(&manifest);
    let all = json!({
        "digest": digest, "bytes": component.len(), "imports": imports, "exports": exports, "asks": asks, "manifest": manifest,
    });
    serde_json::to_string_pretty(&all).context("a manifest is always JSON")
}

/// What the second asks for beyond the first (`+`), and no more (`-`).
pub fn difference(old: &[u8], new: &[u8]) -> Result<String> {
    let (old, new) = (read(old)?.manifest, read(new)?.manifest);
    let (more, less) = asks::difference(&old, &new);
    let mut out = format!("{} {} → {} {}\n", old.name, old.version, new.name, new.version);
    for (mark, lines) in [('+', &more), ('-', &less)] {
        for line in lines {
            writeln!(out, "  {mark} {line}")?;
        }
    }
    if more.is_empty() && less.is_empty() {
        out.push_str("  asks for the same\n");
    }
    Ok(out)
}
