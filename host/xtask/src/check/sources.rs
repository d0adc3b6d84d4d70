//! What every source file keeps to: a size, an opening that says what it is, nothing left undone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const ROOMS: [&str; 5] = ["host", "sdk", "plugins", "examples", "tests"];
const LONG: usize = 500;
const TOO_LONG: usize = 800;

/// What must not stand in code, and what to do instead. (Put together here, so that this file is clean itself.)
const FORBIDDEN: [(&str, &str); 5] = [
    (concat!("to", "do!("), "write it"),
    (concat!("unimpl", "emented!("), "write it"),
    (concat!("#[ign", "ore"), "mend or delete the test"),
    (concat!("#[al", "low("), "use #[expect(…, reason = \"…\")]"),
    (concat!("#![al", "low("), "use #![expect(…, reason = \"…\")]"),
];

/// Names that say nothing about what lies in a file.
const VAGUE: [&str; 5] = ["utils", "util", "helpers", "manager", "common"];

#[derive(Default)]
pub struct Found {
    pub faults: Vec<String>,
    /// Files that are long, but not too long.
    pub long: Vec<String>,
}

pub fn check(root: &Path) -> Result<Found> {
    let mut found = Found::default();
    for room in ROOMS {
        let mut files = Vec::new();
        gather(&root.join(room), &mut files)?;
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            check_file(&name, &text, &mut found);
        }
    }
    Ok(found)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type()?.is_dir() {
            let foreign = name == "target" || name == "node_modules" || name.to_string_lossy().starts_with('.');
            if !foreign {
                gather(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn check_file(name: &str, text: &str, found: &mut Found) {
    if !text.starts_with("//!") {
        found.faults.push(format!("{name}: it must open with `//!` and say what it is"));
    }
    let stem = name.rsplit('/').next().and_then(|file| file.strip_suffix(".rs")).unwrap_or(name);
    if VAGUE.contains(&stem) {
        found.faults.push(format!("{name}: `{stem}` says nothing about what lies in it"));
    }
    let lines = lines_of_code(name, text);
    if lines > TOO_LONG {
        found.faults.push(format!("{name}: {lines} lines, more than {TOO_LONG}"));
    } else if lines > LONG {
        found.long.push(format!("{name} has {lines} lines"));
    }
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (forbidden, instead) in FORBIDDEN {
            if line.contains(forbidden) {
                found.faults.push(format!("{name}:{}: `{forbidden}`: {instead}", number + 1));
            }
        }
    }
}

/// Lines without tests: those of a tests folder count nothing, those of a file end where its tests begin.
fn lines_of_code(name: &str, text: &str) -> usize {
    if name.starts_with("tests/") || name.contains("/tests/") {
        return 0;
    }
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> Vec<String> {
        let mut found = Found::default();
        check_file(name, text, &mut found);
        found.faults
    }

    #[test]
    fn openings_names_and_leftovers() {
        assert_eq!(faults("host/a/src/lib.rs", "//! A.\nfn a() {}\n"), Vec::<String>::new());
        assert_eq!(faults("host/a/src/lib.rs", "fn a() {}\n").len(), 1);
        assert_eq!(faults("host/a/src/utils.rs", "//! A.\n").len(), 1);
        for (forbidden, _) in FORBIDDEN {
            assert_eq!(faults("host/a/src/lib.rs", &format!("//! A.\n{forbidden}\n// {forbidden}\n")).len(), 1);
        }
    }

    #[test]
    fn tests_do_not_count() {
        let long = "//! A.\n".to_owned() + &"\n".repeat(900);
        assert_eq!(faults("host/a/src/lib.rs", &long).len(), 1);
        assert_eq!(faults("host/a/tests/it.rs", &long), Vec::<String>::new());
        assert_eq!(faults("host/a/src/lib.rs", &format!("//! A.\n#[cfg(test)]\n{long}")), Vec::<String>::new());
    }
}
