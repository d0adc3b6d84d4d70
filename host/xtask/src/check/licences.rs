//! Every dependency is under a permissive licence and comes from a registry or from this workspace.

use std::path::Path;

use cargo_metadata::{Metadata, Package};

/// SPDX names that Apache-2.0 code can be shipped with, without further duties than a notice.
const PERMISSIVE: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub fn check(metadata: &Metadata, root: &Path) -> Vec<String> {
    metadata.packages.iter().flat_map(|package| faults(package, root)).collect()
}

fn faults(package: &Package, root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let name = format!("{} {}", package.name, package.version);
    match package.license.as_deref() {
        Some(expression) if is_permissive(expression) => {}
        Some(expression) => faults.push(format!("{name}: its licence `{expression}` is not on the list")),
        None => faults.push(format!("{name}: it names no licence")),
    }
    match &package.source {
        Some(source) if source.repr.starts_with("registry+") || source.repr.starts_with("sparse+") => {}
        Some(source) => faults.push(format!("{name}: it comes from {}, which is no registry", source.repr)),
        None if package.manifest_path.as_std_path().starts_with(root) => {}
        None => faults.push(format!("{name}: its path lies outside of the workspace")),
    }
    faults
}

/// Reads an SPDX expression: `AND` binds closer than `OR`; a slash is an old way to write `OR`.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let permissive = any(&mut rest);
    permissive && rest.is_empty()
}

fn any(words: &mut &[&str]) -> bool {
    let mut permissive = all(words);
    while take(words, "OR") {
        permissive |= all(words);
    }
    permissive
}

fn all(words: &mut &[&str]) -> bool {
    let mut permissive = one(words);
    while take(words, "AND") {
        permissive &= one(words);
    }
    permissive
}

fn one(words: &mut &[&str]) -> bool {
    if take(words, "(") {
        let permissive = any(words);
        return take(words, ")") && permissive;
    }
    let Some((name, rest)) = words.split_first() else { return false };
    *words = rest;
    if take(words, "WITH") {
        let Some((exception, rest)) = words.split_first() else { return false };
        *words = rest;
        return PERMISSIVE.contains(&format!("{name} WITH {exception}").as_str());
    }
    PERMISSIVE.contains(name)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        *words = &words[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_permissive;

    #[test]
    fn expressions() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "MIT OR Apache-2.0 OR LGPL-2.1-or-later",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_permissive(fine), "{fine}");
        }
        for not in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT MIT", "MIT WITH Classpath-exception-2.0", "MPL-2.0"]
        {
            assert!(!is_permissive(not), "{not}");
        }
    }
}
