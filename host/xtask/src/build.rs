//! Builds what the commands run: the guests and the binary `openhub`, always with the same features.

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use openhub_sdk_build::Built;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a program may write nothing before it is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(100);
pub const WASM: &str = "wasm32-unknown-unknown";
/// The plugins of ours, in the order in which they are installed.
pub const PLUGINS: [&str; 4] = ["rfm", "points", "coupon", "webhook"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Dev,
    Release,
}

/// Runs a program and fails if it does.
///
/// What cargo tells us of our own package is kept from it: there are build scripts (ring's) that cargo runs again, and
/// all that depends on them, whenever these variables differ.
pub fn run(command: &mut Command) -> Result<()> {
    forget_our_package(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{name} could not be started"))?;
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}

/// Likewise, and is given each line that the program writes to either stream.
pub fn run_each_line(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    forget_our_package(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("{name} could not be started"))?;
    // This end of the writers goes, too, so that the pipe ends with the program.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (lines, read) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let status = loop {
        match read.recv_timeout(PAUSE) {
            Ok(line) => each(&String::from_utf8_lossy(&line)),
            // What it started and left behind may hold the pipe open.
            Err(_) => {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                std::thread::sleep(PAUSE);
            }
        }
    };
    ensure!(status.success(), "{name} failed ({status})");
    Ok(())
}

fn forget_our_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|own| name.starts_with(own))) {
            command.env_remove(name);
        }
    }
}

/// Adds the guests' compilation target if the toolchain lacks it.
pub fn wasm_target(root: &Path) -> Result<()> {
    let listed = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root).output();
    match listed {
        Ok(output) if output.status.success() => {
            let installed = String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim() == WASM);
            if installed { Ok(()) } else { run(Command::new("rustup").args(["target", "add", WASM]).current_dir(root)) }
        }
        _ => {
            let sysroot = Command::new("rustc").args(["--print", "sysroot"]).current_dir(root).output()?;
            let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
            if sysroot.join("lib/rustlib").join(WASM).is_dir() {
                return Ok(());
            }
            bail!("the Rust target {WASM} is missing, and there is no rustup to add it: install rustup")
        }
    }
}

/// Builds the plugins of ours into components.
pub fn guests(root: &Path) -> Result<Vec<Built>> {
    wasm_target(root)?;
    let folders: Vec<PathBuf> = PLUGINS.iter().map(|name| root.join("plugins").join(name)).collect();
    openhub_sdk_build::build_all(&folders).context("the plugins could not be built")
}

/// The plugins of ours as they were built last, by name.
pub fn built(root: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = target(root)?.join("plugins");
    let read = |name: &str| {
        let path = folder.join(format!("{name}.wasm"));
        let component = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok((name.to_owned(), component))
    };
    PLUGINS.iter().map(|name| read(name)).collect()
}

/// Builds the binary `openhub` and says where it is.
pub fn hub(root: &Path, profile: Profile) -> Result<PathBuf> {
    binary(root, "openhub", profile).context("the hub could not be built")
}

/// Builds a package's binary, which has the package's name, and says where it is.
pub fn binary(root: &Path, package: &str, profile: Profile) -> Result<PathBuf> {
    let mut cargo = Command::new(cargo());
    cargo.args(["build", "--package", package]).current_dir(root);
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    run(&mut cargo)?;
    Ok(target(root)?.join(folder).join(package))
}

/// Cargo's target folder.
pub fn target(root: &Path) -> Result<PathBuf> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// The cargo that runs us.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
