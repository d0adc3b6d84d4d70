//! Files that go into a hub and come out of it, by the commands of the real binary.

use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;
use xtask::demo::setup::Tenant;
use xtask::process::Server;

use crate::hub::{Client, Place, programs};

/// A hub with a tenant, and the commands that move files.
pub struct Fixture {
    pub client: Client,
    pub tenant: Tenant,
    pub hub: Server,
    pub place: Place,
}

impl Fixture {
    pub async fn new() -> Fixture {
        Fixture::on(None).await
    }

    /// `database` is the URL of a PostgreSQL database; none is SQLite.
    pub async fn on(database: Option<String>) -> Fixture {
        let place = Place::new(database);
        let tenant = place.tenant("live").await;
        let hub = place.serve().await;
        Fixture { client: Client::new(&hub.url), tenant, hub, place }
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.place.folder.join(name);
        std::fs::write(&path, bytes).expect("a file is written");
        path
    }

    pub fn command(&self, verb: &str, key: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&programs().hub);
        command.arg(verb).args(arguments).args(["--hub", &self.hub.url, "--key", key]).kill_on_drop(true);
        command
    }

    pub async fn import(&self, file: &Path, arguments: &[&str]) -> (bool, String) {
        let mut command = self.command("import", &self.tenant.api_key, arguments);
        told(command.arg(file).output().await.expect("the binary runs"))
    }

    pub async fn export(&self, what: &str, arguments: &[&str]) -> String {
        let mut command = self.command("export", &self.tenant.api_key, &[&[what, "-"], arguments].concat());
        let output = command.output().await.expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("an export is UTF-8")
    }

    /// The message ids of the whole log, with what the engine has made of it.
    pub async fn message_ids(&self) -> Vec<String> {
        self.client.settled(&self.tenant.api_key).await;
        let ids = self.export("events", &["--format", "csv", "--fields", "messageId"]).await;
        ids.lines().skip(1).map(str::to_owned).collect()
    }
}

pub fn told(output: Output) -> (bool, String) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    (output.status.success(), text)
}

/// The file beside an import's, by its ending.
pub fn beside(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", file.display()))
}
