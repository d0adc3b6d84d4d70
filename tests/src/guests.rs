//! The components that tests install, built once a process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use openhub_sdk_build::Assembled;

/// The workspace's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).map(Path::to_path_buf).unwrap_or_default()
}

/// Our own plugins, in the order in which they are installed.
pub fn ours() -> &'static [Assembled] {
    static OURS: OnceLock<Vec<Assembled>> = OnceLock::new();
    OURS.get_or_init(|| {
        ["rfm", "points", "coupon", "webhook"].iter().map(|name| build(&format!("plugins/{name}"))).collect()
    })
}

/// A plugin by its folder. Panics if it does not build: no test can go on without it.
pub fn build(folder: &str) -> Assembled {
    openhub_sdk_build::assemble(&root().join(folder))
        .unwrap_or_else(|error| panic!("{folder} does not build: {error:#}"))
}
