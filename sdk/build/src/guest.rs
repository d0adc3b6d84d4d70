//! Runs cargo for the guests: all that are asked for of one workspace at once, for `wasm32-unknown-unknown`.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Message, MetadataCommand, PackageId, TargetKind};
use openhub_model::Id;

use crate::sdk;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "guest";
/// Whatever a plugin's own `Cargo.toml` says of it: the map is made of this, and none of it is left in the component.
const WITH_LINES: [&str; 2] = ["profile.guest.debug=\"line-tables-only\"", "profile.guest.strip=false"];

/// A compiled plugin crate.
pub struct Guest {
    /// Where its `Cargo.toml` and `plugin.toml` stand.
    pub dir: PathBuf,
    /// The core module.
    pub module: PathBuf,
    pub target_dir: PathBuf,
}

/// A plugin crate before it is compiled.
struct Crate {
    dir: PathBuf,
    package: PackageId,
    name: String,
    workspace: PathBuf,
    target_dir: PathBuf,
}

/// Compiles the plugin crates in `dirs`; the answer has their order.
pub fn compile(dirs: &[PathBuf], target_dir: Option<&Path>) -> Result<Vec<Guest>> {
    let crates = dirs.iter().map(|dir| locate(dir, target_dir)).collect::<Result<Vec<_>>>()?;
    let mut modules = Vec::new();
    let mut workspaces: Vec<&Path> = crates.iter().map(|found| found.workspace.as_path()).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    for workspace in workspaces {
        let asked: Vec<&Crate> = crates.iter().filter(|found| found.workspace == workspace).collect();
        modules.extend(run(workspace, &asked)?);
    }
    crates
        .into_iter()
        .map(|found| {
            let module = modules.iter().find(|(package, _)| *package == found.package);
            let (_, module) = module.with_context(|| {
                format!(
                    "{} does not make a WebAssembly module: its [lib] needs crate-type = [\"cdylib\", \"rlib\"]",
                    found.name
                )
            })?;
            Ok(Guest { dir: found.dir, module: module.clone(), target_dir: found.target_dir })
        })
        .collect()
}

fn locate(dir: &Path, target_dir: Option<&Path>) -> Result<Crate> {
    let dir = dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display()))?;
    let manifest = dir.join("Cargo.toml");
    ensure!(manifest.is_file(), "{} has no Cargo.toml, so it is not a plugin crate", dir.display());
    sdk::settle(&dir)?;
    let metadata = match MetadataCommand::new().manifest_path(&manifest).no_deps().exec() {
        Ok(metadata) => metadata,
        Err(error) => {
            started(&program("CARGO", "cargo"))?;
            // Its own text has what it is caused by.
            bail!("{error}");
        }
    };
    let package = metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == manifest);
    let package =
        package.with_context(|| format!("{} has no package: add [package] with a name", manifest.display()))?;
    Ok(Crate {
        package: package.id.clone(),
        name: package.name.to_string(),
        workspace: metadata.workspace_root.clone().into_std_path_buf(),
        target_dir: target_dir.map_or_else(|| metadata.target_directory.clone().into_std_path_buf(), Path::to_path_buf),
        dir,
    })
}

fn run(workspace: &Path, crates: &[&Crate]) -> Result<Vec<(PackageId, PathBuf)>> {
    let mut command = cargo();
    command.current_dir(workspace).args(["build", "--lib", "--target", TARGET, "--profile", PROFILE]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.args(WITH_LINES.iter().flat_map(|setting| ["--config", setting]));
    if let Some(first) = crates.first() {
        command.arg("--target-dir").arg(place(workspace, &first.target_dir));
    }
    for one in crates {
        command.arg("--package").arg(&one.package.repr);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    let mut modules = Vec::new();
    for message in Message::parse_stream(std::io::BufReader::new(stdout)) {
        let Message::CompilerArtifact(artifact) = message.context("cannot read cargo's messages")? else { continue };
        let wanted = crates.iter().any(|one| one.package == artifact.package_id);
        if wanted && artifact.target.is_kind(TargetKind::CDyLib) {
            let files = artifact.filenames.into_iter().filter(|file| file.extension() == Some("wasm"));
            modules.extend(files.map(|file| (artifact.package_id.clone(), file.into_std_path_buf())));
        }
    }
    if !child.wait().context("cannot wait for cargo")?.success() {
        require_target(workspace)?;
        let names: Vec<&str> = crates.iter().map(|one| one.name.as_str()).collect();
        bail!("cargo could not build {} for {TARGET}; see its messages above", names.join(", "));
    }
    Ok(modules)
}

/// Cargo tells two crates of one name and version apart by their place below their workspace alone, so in a target folder that
/// several workspaces share one would be taken for the other: each has a place of its own there.
fn place(workspace: &Path, target_dir: &Path) -> PathBuf {
    if target_dir.starts_with(workspace) {
        return target_dir.to_path_buf();
    }
    let id = Id::named(&[workspace.as_os_str().as_encoded_bytes()]);
    target_dir.join("guests").join(id.to_string())
}

/// Cargo, free of the flags that were meant for the host (coverage, sanitizers, target CPUs).
fn cargo() -> Command {
    let mut command = Command::new(program("CARGO", "cargo"));
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    command
}

/// A program of the toolchain, as the environment names it.
fn program(variable: &str, usual: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| usual.into())
}

/// Says what to install, if a program of the toolchain is not there; else the version that it names.
fn started(program: &OsStr) -> Result<String> {
    match Command::new(program).arg("--version").output() {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "plugins are compiled with Rust, and there is no `{}` here: install Rust (https://rustup.rs), and then run \
             `rustup target add {TARGET}`",
            program.display()
        ),
        Err(error) => bail!("`{}` cannot be started: {error}", program.display()),
        Ok(answer) => Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned()),
    }
}

/// Whether plugins can be compiled here: the version of cargo, or what is missing and how to install it.
pub fn toolchain() -> Result<String> {
    let version = started(&program("CARGO", "cargo"))?;
    started(&program("RUSTC", "rustc"))?;
    require_target(Path::new("."))?;
    Ok(version)
}

/// Says how to add the target, if its absence is why a build failed.
fn require_target(workspace: &Path) -> Result<()> {
    let mut rustc = Command::new(program("RUSTC", "rustc"));
    let answer = rustc.current_dir(workspace).args(["--print", "target-libdir", "--target", TARGET]).output();
    let Ok(answer) = answer else { return Ok(()) };
    let folder = String::from_utf8_lossy(&answer.stdout);
    if answer.status.success() && !Path::new(folder.trim()).is_dir() {
        bail!("the Rust target {TARGET} is not installed: run `rustup target add {TARGET}`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f6_without_a_toolchain_it_is_said_what_to_install() {
        let told = started(OsStr::new("/nowhere/cargo")).unwrap_err().to_string();
        assert!(
            told.contains("https://rustup.rs") && told.contains("rustup target add wasm32-unknown-unknown"),
            "{told}"
        );
        assert!(!told.contains("os error"), "{told}");
        assert!(toolchain().unwrap().starts_with("cargo "), "whoever runs this has one");
    }

    #[test]
    fn e9_two_folders_of_one_name_do_not_share_a_place() {
        let shared = Path::new("/shared/target");
        let (one, two) = (place(Path::new("/a/points"), shared), place(Path::new("/b/points"), shared));
        assert!(one != two && one.starts_with(shared) && two.starts_with(shared));
        assert_eq!(place(Path::new("/a/points"), shared), one);
        assert_eq!(place(Path::new("/a"), Path::new("/a/target")), Path::new("/a/target"), "its own is its own");
    }
}
