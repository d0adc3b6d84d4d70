//! Lints and documentation in the same run of the compiler that builds the code. Apart, `cargo clippy` and `cargo doc` would read all
//! of the dependencies once more, which takes as long as a fifth of the whole.
//!
//! Cargo calls us in place of the compiler for the crates of the workspace, with the compiler's path before its arguments. We
//! call clippy's driver, which is the compiler with more lints, and rustdoc for what has documentation.

use anyhow::{Context, Result, ensure};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::build;

/// Set where we are called by cargo: the folder of the documentation.
const DOCS: &str = "OPENHUB_DOCS";

/// A cargo command that compiles the workspace with lints, warnings being errors. All that build the same use it: what is compiled
/// in another way is compiled once more.
pub fn cargo(root: &Path) -> Result<Command> {
    let target = build::target(root)?;
    // Cargo tells by the path how something was compiled, and it builds `debug/xtask` anew.
    let wrapper = target.join("openhub-lints");
    match std::env::current_exe().and_then(std::fs::read) {
        Ok(own) if std::fs::read(&wrapper).ok().as_ref() != Some(&own) => {
            std::fs::create_dir_all(&target)?;
            let draft = target.join("openhub-lints.new");
            std::fs::write(&draft, own)?;
            std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755))?;
            std::fs::rename(draft, &wrapper)?;
        }
        Ok(_) => {}
        // The build that we began has put another program in our own place.
        Err(_) if wrapper.is_file() => {}
        Err(error) => return Err(error).context("the program that runs cannot be read"),
    }
    let mut cargo = Command::new(build::cargo());
    cargo.current_dir(root).env(DOCS, target.join("doc"));
    cargo.arg("--config").arg(format!("build.rustc-workspace-wrapper={:?}", wrapper.display().to_string()));
    Ok(cargo)
}

/// Compiles, if it is cargo that calls: the compiler's path and arguments are ours. None if somebody else does.
pub fn compile(mut arguments: impl Iterator<Item = OsString>) -> Option<Result<ExitCode>> {
    let docs = std::env::var_os(DOCS)?;
    let rustc = PathBuf::from(arguments.nth(1)?);
    (rustc.file_stem()? == "rustc").then(|| compile_with(&rustc, &arguments.collect::<Vec<_>>(), &docs))
}

fn compile_with(rustc: &Path, arguments: &[OsString], docs: &OsStr) -> Result<ExitCode> {
    let mut clippy = Command::new(tool(rustc, "clippy-driver")?);
    clippy.arg(rustc).args(arguments);
    let of = Crate::of(arguments);
    if of.is_some() {
        clippy.args(["-D", "warnings"]);
    }
    if !clippy.status().context("clippy-driver could not be started")?.success() {
        return Ok(ExitCode::FAILURE);
    }
    if of.is_some_and(|of| of.is_documented()) {
        let mut rustdoc = Command::new(tool(rustc, "rustdoc")?);
        rustdoc.args(documentation(arguments)).args(["-D", "warnings", "--out-dir"]).arg(docs);
        if !rustdoc.status().context("rustdoc could not be started")?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A program of the same toolchain.
fn tool(rustc: &Path, name: &str) -> Result<PathBuf> {
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output()?;
    let tool = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("bin").join(name);
    ensure!(tool.is_file(), "the toolchain has no {name}: rustup component add clippy");
    Ok(tool)
}

/// What is compiled.
struct Crate<'a> {
    name: &'a str,
    /// The root of its sources.
    path: &'a str,
    is_test: bool,
}

impl Crate<'_> {
    /// None if the compiler is only asked about itself.
    fn of(arguments: &[OsString]) -> Option<Crate<'_>> {
        let text = || arguments.iter().filter_map(|argument| argument.to_str());
        let name = text().skip_while(|argument| *argument != "--crate-name").nth(1)?;
        let path = text().find(|argument| argument.ends_with(".rs"))?;
        Some(Crate { name, path, is_test: text().any(|argument| argument == "--test") })
    }

    /// Libraries and programs: what `cargo doc` would document.
    fn is_documented(&self) -> bool {
        let is_main = ["src/lib.rs", "src/main.rs"].iter().any(|end| self.path.ends_with(end));
        is_main && !self.is_test && self.name != "build_script_build"
    }
}

/// The compiler's arguments that rustdoc takes: where things are, and no word about what is made of them.
fn documentation(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let pair =
            ["--crate-name", "--crate-type", "--cfg", "--check-cfg", "--extern", "-L", "--target", "--cap-lints"];
        if pair.contains(&text) {
            kept.push(argument.clone());
            kept.extend(arguments.next().cloned());
        } else if ["-C", "--out-dir"].contains(&text) {
            arguments.next();
        } else if text.ends_with(".rs") || text.starts_with("--edition") {
            kept.push(argument.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn libraries_and_programs_are_documented_and_nothing_else() {
        for (text, documented) in [
            ("--crate-name a --edition=2024 host/a/src/lib.rs --crate-type lib", Some(true)),
            ("--crate-name a host/a/src/main.rs --crate-type bin", Some(true)),
            ("--crate-name a host/a/src/lib.rs --test", Some(false)),
            ("--crate-name build_script_build host/a/build.rs --crate-type bin", Some(false)),
            ("--crate-name it tests/tests/it/main.rs --test", Some(false)),
            ("--crate-name bench host/xtask/examples/bench/main.rs --crate-type bin", Some(false)),
            ("- --crate-name ___ --print=file-names", None),
            ("-vV", None),
        ] {
            let found = Crate::of(&arguments(text)).map(|of| of.is_documented());
            assert_eq!(found, documented, "{text}");
        }
    }

    #[test]
    fn rustdoc_is_told_where_things_are() {
        let all = "--crate-name a --edition=2024 src/lib.rs --error-format=json --json=artifacts --crate-type lib \
                   --emit=dep-info,link -C opt-level=1 --warn=clippy::all --check-cfg cfg(docsrs) -Cx=y --out-dir deps \
                   -L dependency=deps --extern b=deps/libb.rmeta";
        let kept = "--crate-name a --edition=2024 src/lib.rs --crate-type lib --check-cfg cfg(docsrs) -L dependency=deps \
                    --extern b=deps/libb.rmeta";
        assert_eq!(documentation(&arguments(all)), arguments(kept));
    }
}
