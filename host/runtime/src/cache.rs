//! Compiled code on disk, so that a restart compiles nothing.
//!
//! Loading compiled code trusts it like the hub's own. So it lives in a directory that is nobody else's, only files
//! that this user wrote are loaded, and it is never taken from outside.

use nix::unistd::Uid;
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::RuntimeError;

pub struct Cache {
    directory: PathBuf,
    compatibility: String,
}

impl Cache {
    pub fn open(directory: &Path, engine: &Engine) -> Result<Cache, RuntimeError> {
        let failed = |source| RuntimeError::Cache { path: directory.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let found = fs::symlink_metadata(directory).map_err(failed)?;
        if !found.is_dir() || !is_own(&found) {
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it is not this user's directory")));
        }
        let mut hasher = CompatibilityHasher(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = hasher.0.finalize().to_hex()[..16].to_owned();
        Ok(Cache { directory: directory.to_owned(), compatibility })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}-{}.cwasm", self.compatibility))
    }

    /// The compiled component, if it is there and this engine can use it.
    pub fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        // SAFETY: the file was written by `store` below, from this hub's own compiler, into a directory and under
        // permissions that let no one else write; it was renamed into place whole.
        self.load_with(digest, |path| unsafe { Component::deserialize_file(engine, path) })
    }

    /// Nothing is locked here: who loads waits for nobody else who does.
    fn load_with(&self, digest: &str, read: impl FnOnce(&Path) -> wasmtime::Result<Component>) -> Option<Component> {
        let path = self.path(digest);
        let found = fs::symlink_metadata(&path).ok()?;
        if !found.is_file() || !is_own(&found) {
            tracing::warn!(path = %path.display(), "a file of compiled code is not this user's own, it is not used");
            return None;
        }
        match read(&path) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %error, "compiled code cannot be loaded, it is compiled anew");
                None
            }
        }
    }

    /// Keeps compiled code, whole or not at all.
    pub fn store(&self, digest: &str, code: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn is_own(found: &Metadata) -> bool {
    found.uid() == Uid::effective().as_raw() && found.mode() & 0o022 == 0
}

/// Writes a file that only this user can read.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The same for the same engine on every start, which the standard library's hasher does not promise.
struct CompatibilityHasher(blake3::Hasher);

impl Hasher for CompatibilityHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        let first = hash.as_bytes()[..8].try_into().expect("8 of 32 bytes");
        u64::from_le_bytes(first)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn two_loads_at_once_overlap() {
        let engine = crate::engine::compiling().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), &engine).unwrap();
        let code = engine.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap();
        cache.store("one", &code).unwrap();
        cache.store("other", &code).unwrap();
        let ((to_one, one), (to_other, other)) = (channel(), channel());
        let load = |digest: &str, tell: std::sync::mpsc::Sender<()>, hear: std::sync::mpsc::Receiver<()>| {
            let loaded = cache.load_with(digest, |path| {
                tell.send(()).unwrap();
                hear.recv_timeout(Duration::from_secs(60)).expect("the other one is loading, too");
                // SAFETY: it was written above.
                unsafe { Component::deserialize_file(&engine, path) }
            });
            assert!(loaded.is_some());
        };
        std::thread::scope(|scope| {
            scope.spawn(|| load("one", to_other, one));
            scope.spawn(|| load("other", to_one, other));
        });
    }
}
