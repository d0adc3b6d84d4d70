//! The data directory: the database file, the key that seals secrets, the node's name, compiled plugins.
//!
//! Compiled code is trusted input, and the key opens every stored secret, so the directory is its owner's alone.

use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;

/// Overrides the key file: 64 hexadecimal digits.
pub const SECRET_KEY_VARIABLE: &str = "OPENHUB_SECRET_KEY";

pub struct DataDir(PathBuf);

/// Let go of when it is dropped.
#[must_use]
pub struct Lock(#[expect(dead_code, reason = "held, never read")] File);

impl DataDir {
    /// Makes the directory if it is missing.
    pub fn open(path: &Path) -> Result<DataDir> {
        let refused = |error: std::io::Error| {
            Refusal::new(format!("the data directory {} cannot be used: {error}", path.display()))
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused)?;
        Ok(DataDir(path.canonicalize().map_err(refused)?))
    }

    /// One that is there: nothing is made.
    pub fn existing(path: &Path) -> Result<DataDir> {
        match path.canonicalize() {
            Ok(found) if found.is_dir() => Ok(DataDir(found)),
            Ok(found) => Err(Refusal::new(format!("{} is not a directory", found.display())).into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Refusal::new(format!(
                "there is no data directory {}: if your hub has one elsewhere, name it with `--data DIR` or `--database URL`; for a new hub, \
                 `openhub serve` or `openhub tenant create` creates it",
                path.display()
            ))
            .into()),
            Err(error) => {
                Err(Refusal::new(format!("the data directory {} cannot be used: {error}", path.display())).into())
            }
        }
    }

    /// Held by the one hub that serves from this directory, whose name in leases it holds. The system gives it back when the
    /// process ends, however it ends.
    pub fn lock(&self) -> Result<Lock> {
        lock(&self.0.join("hub.lock"), || {
            format!("another hub uses the data directory {}: each hub needs its own", self.0.display())
        })
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// The key that seals secrets: from the environment, else from `secret.key`, which the first start writes.
    pub fn secret_key(&self) -> Result<[u8; 32]> {
        if let Some(key) = given_key()? {
            return Ok(key);
        }
        let text = self.written_once("secret.key", || hex::encode(rand::random::<[u8; 32]>()))?;
        self.checked_key(&text)
    }

    /// The key that would be used, if there is one; none is made.
    pub fn key_there(data: Option<&DataDir>) -> Result<Option<[u8; 32]>> {
        if let Some(key) = given_key()? {
            return Ok(Some(key));
        }
        let Some(data) = data else { return Ok(None) };
        match fs::read_to_string(data.0.join("secret.key")) {
            Ok(text) => data.checked_key(&text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(Refusal::new(format!("{} cannot be read: {error}", data.0.join("secret.key").display())).into())
            }
        }
    }

    fn checked_key(&self, text: &str) -> Result<[u8; 32]> {
        let file = self.0.join("secret.key");
        let mode = fs::metadata(&file).with_context(|| file.display().to_string())?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Refusal::new(format!("other users can read {}: run `chmod 600` on it", file.display())).into());
        }
        parse_key(text).ok_or_else(|| Refusal::new(format!("{} is not 64 hexadecimal digits", file.display())).into())
    }

    /// This node's name in leases: stays over restarts, so that a hub takes its own partitions back at once.
    pub fn node(&self) -> Result<String> {
        self.written_once("node", || hex::encode(rand::random::<[u8; 8]>()))
    }

    /// The text of a file that the first reader makes, for its owner's eyes only.
    ///
    /// It is written beside its place, synced and linked into it, so that a crash leaves no half of it and two
    /// processes that start together agree on one.
    fn written_once(&self, name: &str, make: impl FnOnce() -> String) -> Result<String> {
        let file = self.0.join(name);
        match fs::read_to_string(&file) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Refusal::new(format!("{} cannot be read: {error}", file.display())).into()),
        }
        let draft = self.0.join(format!(".{name}.{}", std::process::id()));
        let written = || -> std::io::Result<()> {
            let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            out.write_all(make().as_bytes())?;
            out.sync_all()?;
            match fs::hard_link(&draft, &file) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
                _ => fs::remove_file(&draft),
            }
        };
        written().with_context(|| format!("{} could not be written", file.display()))?;
        Ok(fs::read_to_string(&file).with_context(|| file.display().to_string())?.trim().to_owned())
    }
}

fn given_key() -> Result<Option<[u8; 32]>> {
    let Ok(text) = std::env::var(SECRET_KEY_VARIABLE) else { return Ok(None) };
    match parse_key(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(Refusal::new(format!("{SECRET_KEY_VARIABLE} is not 64 hexadecimal digits")).into()),
    }
}

fn parse_key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut key).ok()?;
    Some(key)
}

/// Held by the one hub that serves from a SQLite file, whatever its data directory and by whatever name it knows the file; none of
/// another database. Taken before the file is opened as a database: by another name, SQLite would begin another write-ahead log.
pub fn lock_database(url: &str) -> Result<Option<Lock>> {
    let Some(path) = url.strip_prefix("sqlite://") else { return Ok(None) };
    let path = Path::new(path.split('?').next().unwrap_or(path));
    let refused = |error: std::io::Error| Refusal::new(format!("{} cannot be used: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    if let Err(error) = made
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(refused(error).into());
    }
    let path = fs::canonicalize(path).map_err(refused)?;
    if !path.is_file() {
        return Err(Refusal::new(format!("{} is no file", path.display())).into());
    }
    let taken = || format!("another hub uses {}: only one hub can use a SQLite file", path.display());
    lock(&place_of_lock(&path), taken).map(Some)
}

/// The file itself, which is the same by each of its names. SQLite's locks are of another kind (`fcntl`) than ours (`flock`), and on
/// Linux they do not meet.
#[cfg(target_os = "linux")]
fn place_of_lock(database: &Path) -> PathBuf {
    database.to_owned()
}

/// Beside the file, by its real name: both kinds of locks are one here.
#[cfg(not(target_os = "linux"))]
fn place_of_lock(database: &Path) -> PathBuf {
    let mut file = database.to_owned().into_os_string();
    file.push(".lock");
    file.into()
}

fn lock(file: &Path, taken: impl FnOnce() -> String) -> Result<Lock> {
    let refused = |error: &dyn std::fmt::Display| Refusal::new(format!("{} cannot be locked: {error}", file.display()));
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file);
    let opened = opened.map_err(|error| refused(&error))?;
    match opened.try_lock() {
        Ok(()) => Ok(Lock(opened)),
        Err(TryLockError::WouldBlock) => Err(Refusal::new(taken()).into()),
        Err(TryLockError::Error(error)) => Err(refused(&error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(&place.path().join("hub")).unwrap();
        let key = data.secret_key().unwrap();
        assert_eq!(data.secret_key().unwrap(), key);
        let file = data.path().join("secret.key");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(data.secret_key().unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn f_a_data_directory_serves_one_hub() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        let lock = data.lock().unwrap();
        let refused = DataDir::open(place.path()).unwrap().lock().err().unwrap();
        assert!(refused.to_string().contains("another hub"), "{refused}");
        drop(lock);
        drop(data.lock().unwrap());
    }

    #[test]
    fn issue_14_a_sqlite_file_serves_one_hub_by_whatever_name() {
        let place = tempfile::tempdir().unwrap();
        let (file, other) = (place.path().join("a.db"), place.path().join("elsewhere/b.db"));
        let url = |path: &Path| format!("sqlite://{}", path.display());
        let lock = lock_database(&url(&file)).unwrap().unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::create_dir(other.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&file, &other).unwrap();
        let refused = |path: &Path| lock_database(&url(path)).err().expect("another hub has it").to_string();
        assert!(refused(&other).contains("only one hub can use a SQLite file"));
        fs::remove_file(&other).unwrap();
        if cfg!(target_os = "linux") {
            fs::hard_link(&file, &other).unwrap();
            assert!(refused(&other).contains("only one hub can use a SQLite file"));
            // It has one name again, and this is another.
            fs::remove_file(&file).unwrap();
            assert!(refused(&other).contains("only one hub can use a SQLite file"));
            drop(lock);
            drop(lock_database(&url(&other)).unwrap().unwrap());
        }
        assert!(lock_database("postgres://hub@db/openhub").unwrap().is_none());
    }

    #[test]
    fn c7_what_is_not_there_is_not_made() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("hub");
        assert!(DataDir::existing(&missing).err().unwrap().to_string().contains("no data directory"));
        assert!(!missing.exists());
    }

    #[test]
    fn a_node_keeps_its_name() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        let name = data.node().unwrap();
        assert_eq!(DataDir::open(place.path()).unwrap().node().unwrap(), name);
    }
}
