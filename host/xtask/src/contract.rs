//! `cargo xtask contract`: the reference of the contract between hub and plugins, made from the texts in `wit/`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where the reference stands, below the workspace.
pub const REFERENCE: &str = "docs/plugin-contract.md";

const HEAD: &str = "# The contract between hub and plugins

This page is made from the texts in `wit/` (`cargo xtask contract`). [Plugins](plugins.md) tells how to write one; a plugin in Rust,
JavaScript or Python sees the SDK of its language and not these texts. They are for authors of an SDK, and for whoever wants to know exactly
what passes between a hub and a plugin.

Interfaces of the *pure lane* are called with nothing but their input: they replay. Interfaces of the *I/O lane* may use what an admin granted.
A released version never changes: a new one stands beside it.
";

/// Parts of the page, with the packages of each.
const PARTS: [(&str, &[&str]); 5] = [
    ("What a plugin exports: the pure lane", &["rule", "data-object", "content", "step"]),
    ("What a plugin exports: the I/O lane", &["channel", "source", "endpoint", "job", "privacy"]),
    ("What every plugin may import", &["call", "log"]),
    ("What the I/O lane may import", &["clock", "http", "secrets", "customers", "events", "objects", "kv"]),
    ("Words that they share", &["types"]),
];

/// Writes the page.
pub fn write(root: &Path) -> Result<()> {
    let path = root.join(REFERENCE);
    std::fs::write(&path, reference(root)?).with_context(|| path.display().to_string())
}

/// What is wrong with the page, if it is not as the texts are now.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let stands = std::fs::read_to_string(root.join(REFERENCE)).unwrap_or_default();
    let fault = || format!("{REFERENCE} is not what `wit/` says now: run `cargo xtask contract`");
    Ok(if stands == reference(root)? { Vec::new() } else { vec![fault()] })
}

fn reference(root: &Path) -> Result<String> {
    let mut page = HEAD.to_owned();
    for (title, packages) in PARTS {
        write!(page, "\n## {title}\n")?;
        for package in packages {
            let path: PathBuf = root.join("wit/deps").join(package).join(format!("{package}.wit"));
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            page.push_str(&of_package(&text));
        }
    }
    let world = root.join("wit/plugin.wit");
    let text = std::fs::read_to_string(&world).with_context(|| world.display().to_string())?;
    write!(page, "\n## Worlds\n\n```wit\n{}```\n", without_package(&text))?;
    Ok(page)
}

/// A heading with the package's name and version, what is said of each interface, and its text.
fn of_package(text: &str) -> String {
    let name = text.lines().next().unwrap_or_default();
    let name = name.trim_start_matches("package ").trim_end_matches(';');
    let mut out = format!("\n### `{name}`\n");
    let mut said = String::new();
    let mut code = String::new();
    for line in without_package(text).lines() {
        match line.strip_prefix("///") {
            // What stands before an interface is about it; what stands inside stays with what it is about.
            Some(words) => {
                said.push_str(words.trim());
                said.push('\n');
            }
            None => {
                code.push_str(line);
                code.push('\n');
            }
        }
        if line == "}" {
            let (words, text) = (std::mem::take(&mut said), std::mem::take(&mut code));
            out.push_str(&format!("\n{words}\n```wit\n{}\n```\n", text.trim()).replace("\n\n\n", "\n\n"));
        }
    }
    out
}

fn without_package(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_interface_stands_before_it() {
        let text = "package a:b@1.0.0;\n\n/// One.\n/// Two.\ninterface c {\n  /// Inside.\n  d: func();\n}\n";
        let page = of_package(text);
        assert_eq!(
            page,
            "\n### `a:b@1.0.0`\n\nOne.\nTwo.\n\n```wit\ninterface c {\n  /// Inside.\n  d: func();\n}\n```\n"
        );
    }

    #[test]
    fn each_package_of_the_contract_is_on_the_page() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders = std::fs::read_dir(root.join("wit/deps")).expect("the contract");
        let mut there: Vec<String> =
            folders.map(|entry| entry.expect("a folder").file_name().to_string_lossy().into_owned()).collect();
        there.sort();
        let mut told: Vec<&str> = PARTS.iter().flat_map(|(_, packages)| *packages).copied().collect();
        told.sort_unstable();
        assert_eq!(there, told);
    }
}
