//! The commands beside `serve`, one file each.

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

pub mod attribute;
pub mod audit;
pub mod backup;
pub mod doctor;
pub mod export;
pub mod faults;
pub mod identity_provider;
pub mod import;
pub mod journey;
pub mod key;
pub mod object_type;
pub mod offering;
pub mod person;
pub mod plugin;
pub mod statement;
pub mod subscription;
pub mod tenant;
pub mod usage;
pub mod webhook;

/// What a list says in place of rows: that there are none, and what to do next. It goes where no script looks for rows.
pub fn empty(said: &str) {
    eprintln!("{said}");
}

/// Prints something as JSON.
pub fn shown(value: &Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A text of an answer; empty where there is none.
pub fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// What a file says as JSON; `-` is the standard input.
pub fn json_file(file: &Path) -> Result<Value> {
    let text = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("the standard input")?;
            text
        }
        _ => std::fs::read_to_string(file).with_context(|| file.display().to_string())?,
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}
