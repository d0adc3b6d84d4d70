//! The crates of the workspace as the house sees them: a room, and the rooms that each one uses.

use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, Package};

/// A crate and what it depends on.
pub struct Crate {
    /// Its folder from the root, with slashes: `host/model`.
    pub room: String,
    pub uses: Vec<Use>,
}

pub struct Use {
    /// The room of a crate of ours, or none.
    pub room: Option<String>,
    pub name: String,
    pub kind: DependencyKind,
}

/// Every crate of the workspace.
pub fn of_workspace(metadata: &Metadata) -> Vec<Crate> {
    let root = metadata.workspace_root.as_std_path();
    let one = |package: &Package| {
        let uses = package.dependencies.iter().map(|dependency| Use {
            room: dependency.path.as_ref().map(|path| room(root, path.as_std_path())),
            name: dependency.name.clone(),
            kind: dependency.kind,
        });
        Crate { room: folder(root, package), uses: uses.collect() }
    };
    metadata.workspace_packages().into_iter().map(one).collect()
}

/// The crates that become WebAssembly modules.
pub fn guests(metadata: &Metadata) -> Vec<&Package> {
    let makes_module = |package: &&Package| package.targets.iter().any(|target| target.is_cdylib());
    metadata.workspace_packages().into_iter().filter(makes_module).collect()
}

fn folder(root: &Path, package: &Package) -> String {
    package.manifest_path.parent().map(|folder| room(root, folder.as_std_path())).unwrap_or_default()
}

fn room(root: &Path, folder: &Path) -> String {
    folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().replace('\\', "/")
}
