//! Files of a crate lean on each other in one direction: none reaches itself through what it uses.
//!
//! Read are the paths that begin with `crate`, `super` or `self`, in `use` and elsewhere, down to the tests of a file. A folder's
//! `mod.rs` counts as what it uses of its children, so a child that goes through it closes a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The crates that keep to this so far.
pub const CRATES: &[&str] = &["host/engine", "host/journey"];

/// The modules of a crate by their paths (`a::b`; the crate's root is empty), each with its text.
type Modules = BTreeMap<Vec<String>, String>;

/// One fault a circle.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for room in CRATES {
        let mut modules = Modules::new();
        let source = root.join(room).join("src");
        collect(&source, &source, &mut modules)?;
        faults.extend(circles(&modules).into_iter().map(|circle| format!("{room}: files use each other: {circle}")));
    }
    Ok(faults)
}

fn collect(source: &Path, folder: &Path, modules: &mut Modules) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(source, &path, modules)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(source)?.with_extension("");
            let mut names: Vec<String> =
                inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            if names.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                names.pop();
            }
            modules.insert(names, fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

/// Each circle as its files, from the first by name back to itself; one for each set of files that reach each other.
fn circles(modules: &Modules) -> Vec<String> {
    let uses: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
        modules.iter().map(|(module, text)| (module, used(module, text, modules))).collect();
    let mut told: BTreeSet<&Vec<String>> = BTreeSet::new();
    let mut found = Vec::new();
    for module in modules.keys() {
        if told.contains(module) {
            continue;
        }
        if let Some(way) = way_back(module, &uses) {
            told.extend(way.iter().copied());
            let names: Vec<String> = way.iter().chain([&module]).map(|module| name(module)).collect();
            found.push(names.join(" → "));
        }
    }
    found
}

fn name(module: &[String]) -> String {
    if module.is_empty() { "the crate's root".to_owned() } else { module.join("::") }
}

/// The shortest way from a module back to itself, without its end.
fn way_back<'a>(
    from: &'a Vec<String>,
    uses: &BTreeMap<&'a Vec<String>, BTreeSet<&'a Vec<String>>>,
) -> Option<Vec<&'a Vec<String>>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in way.last().and_then(|last| uses.get(last)).into_iter().flatten() {
                if *next == from {
                    return Some(way);
                }
                if seen.insert(*next) {
                    longer.push([way.clone(), vec![*next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// The other modules that a module's text names.
fn used<'a>(module: &[String], text: &str, modules: &'a Modules) -> BTreeSet<&'a Vec<String>> {
    let code: Vec<&str> = text
        .split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for (at, start) in starts(&code) {
        for path in paths(&code[at..]) {
            let Some(path) = absolute(module, start, path) else { continue };
            // Down to the file in which it is said.
            let file = (0..=path.len()).rev().find_map(|length| modules.get_key_value(&path[..length]));
            found.extend(file.map(|(file, _)| file).filter(|file| file.as_slice() != module));
        }
    }
    found.extend(children(module, &code, modules));
    found
}

/// Where paths begin, behind their first word.
fn starts(code: &str) -> Vec<(usize, &'static str)> {
    let mut starts = Vec::new();
    for word in ["crate", "super", "self"] {
        for (at, _) in code.match_indices(&format!("{word}::")) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '_' | ':' | '$')) {
                starts.push((at + word.len() + 2, word));
            }
        }
    }
    starts
}

/// What a `mod.rs` hands on of its own children: `pub use fields::Fields`.
fn children<'a>(module: &[String], code: &str, modules: &'a Modules) -> Vec<&'a Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        for path in paths(&code[at + 4..]) {
            let path: Vec<String> = module.iter().cloned().chain(path).collect();
            let file = (module.len() + 1..=path.len()).rev().find_map(|length| modules.get_key_value(&path[..length]));
            found.extend(file.map(|(file, _)| file));
        }
    }
    found
}

fn absolute(module: &[String], start: &str, path: Vec<String>) -> Option<Vec<String>> {
    let mut base = match start {
        "crate" => Vec::new(),
        "super" => module.split_last()?.1.to_vec(),
        _ => module.to_vec(),
    };
    let mut rest = path.as_slice();
    while let Some((first, others)) = rest.split_first().filter(|(first, _)| *first == "super") {
        base.pop()?;
        (_, rest) = (first, others);
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The paths that a use tree at the beginning of `text` stands for: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    tree(text, &[], &mut found);
    found
}

/// Reads one tree behind a prefix; answers what is left of the text.
fn tree<'a>(text: &'a str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            rest = group;
            loop {
                rest = tree(rest, &path, found).trim_start();
                match rest.strip_prefix(',') {
                    Some(more) if !more.trim_start().starts_with('}') => rest = more,
                    Some(more) => return more.trim_start().trim_start_matches('}'),
                    None => return rest.trim_start_matches('}'),
                }
            }
        }
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word != "self" && !word.is_empty() {
            path.push(word.to_owned());
        }
        match behind.strip_prefix("::") {
            Some(more) if !word.is_empty() => rest = more,
            _ => {
                found.push(path);
                return behind.strip_prefix(" as ").map_or(behind, |renamed| {
                    renamed.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_')
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(files: &[(&str, &str)]) -> Modules {
        let path = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        files.iter().map(|(name, text)| (path(name), (*text).to_owned())).collect()
    }

    #[test]
    fn a_use_tree_is_all_of_its_paths() {
        let all: Vec<String> = paths("a::{self, b, c::{d, e as f}, g};").iter().map(|path| path.join("::")).collect();
        assert_eq!(all, ["a", "a::b", "a::c::d", "a::c::e", "a::g"]);
    }

    #[test]
    fn the_crates_that_keep_to_it_do() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert_eq!(check(&root).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn files_that_lean_on_each_other_are_told() {
        let straight = [
            ("", "mod a;\nmod b;\nmod c;\npub use c::Third;"),
            ("a", "pub struct First;\n#[cfg(test)]\nmod tests { use crate::b::Second; }"),
            ("b", "use crate::a::{self, First};"),
            ("c", "mod d;\nuse super::b::Second;\npub use d::Fourth;"),
            ("c::d", "// use super::Third;\nuse crate::a::First;"),
        ];
        assert_eq!(circles(&modules(&straight)), Vec::<String>::new());
        let with = |file: &'static str, text: &'static str| {
            let changed = straight.map(|(name, old)| (name, if name == file { text } else { old }));
            circles(&modules(&changed))
        };
        assert_eq!(with("a", "fn f() -> crate::c::Third { todo() }"), ["a → c → b → a", "c::d → a → c → c::d"]);
        assert_eq!(with("c::d", "use super::Third;"), ["c → c::d → c"]);
        assert_eq!(with("b", "use crate::Third;"), ["the crate's root → c → b → the crate's root"]);
    }
}
