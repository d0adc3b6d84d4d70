//! A PostgreSQL server for tests: the one that `OPENHUB_TEST_POSTGRES` names (a URL whose role may create databases, and is no
//! superuser), else a private one that is started for the value's lifetime and stopped with it.
//!
//! A private server lives in a folder that goes away, trusts local connections and does not sync to disk.

mod proxy;

use anyhow::{Context, bail};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub use proxy::Proxy;

const START_TIMEOUT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

pub struct Server {
    /// The server's URL, up to the database's name.
    base: String,
    /// The same for the owner of the databases: on a private server a plain role, which row-level security binds.
    owner: String,
    databases: AtomicU32,
    private: Option<Private>,
}

struct Private {
    postmaster: Child,
    port: u16,
    programs: PathBuf,
    user: Option<nix::unistd::User>,
    folder: TempDir,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Connections are ended and their transactions rolled back.
    Fast,
    /// As in a crash: the next start recovers.
    Immediate,
}

impl Server {
    pub async fn start() -> anyhow::Result<Server> {
        if let Ok(url) = std::env::var("OPENHUB_TEST_POSTGRES") {
            let base = url.rsplit_once('/').map_or(url.as_str(), |(base, _)| base).to_owned();
            return Ok(Server { owner: base.clone(), base, databases: AtomicU32::new(0), private: None });
        }
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("openhub-postgres-").tempdir()?;
        let user = unprivileged()?;
        if let Some(user) = &user {
            nix::unistd::chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let made = command(&programs, "initdb", user.as_ref(), folder.path())
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.path().join("data"))
            .status()?;
        if !made.success() {
            bail!("initdb failed: {made}");
        }
        let port = free_port()?;
        let postmaster = serve(&programs, user.as_ref(), folder.path(), port)?;
        let mut private = Private { postmaster, port, programs, user, folder };
        private.ready(Port::Any).await?;
        let server = Server {
            base: format!("postgres://postgres@127.0.0.1:{}", private.port),
            owner: format!("postgres://openhub@127.0.0.1:{}", private.port),
            databases: AtomicU32::new(0),
            private: Some(private),
        };
        let mut conn = server.connect().await?;
        sqlx::raw_sql("CREATE ROLE openhub LOGIN").execute(&mut conn).await?;
        conn.close().await?;
        Ok(server)
    }

    /// The URL of a fresh, empty database under the server's superuser, whom no policy holds.
    pub async fn database_of_a_superuser(&self) -> anyhow::Result<String> {
        Ok(self.database().await?.replacen(&self.owner, &self.base, 1))
    }

    /// The URL of a fresh, empty database.
    pub async fn database(&self) -> anyhow::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("openhub_test_{}_{number}", std::process::id());
        let mut conn = self.connect().await?;
        // Only letters and numbers: nothing to escape.
        let owner = if self.private.is_some() { " OWNER openhub" } else { "" };
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}{owner}"))).execute(&mut conn).await?;
        conn.close().await?;
        Ok(format!("{}/{name}", self.owner))
    }

    /// Stops a private server and starts it again at the same place.
    pub async fn restart(&mut self, stop: Stop) -> anyhow::Result<()> {
        let private = self.private.as_mut().context("only a private server is stopped")?;
        private.stop(stop)?;
        private.serve()?;
        private.ready(Port::Same).await
    }

    /// Ends all connections of hubs, whatever they are doing. Answers how many.
    pub async fn end_connections(&self) -> anyhow::Result<i64> {
        let mut conn = self.connect().await?;
        let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'openhub'";
        let ended = sqlx::query_scalar(end).fetch_one(&mut conn).await?;
        conn.close().await?;
        Ok(ended)
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&format!("{}/postgres", self.base)).await
    }
}

/// Where a server is started that has lost its port to somebody else before it could listen.
#[derive(PartialEq)]
enum Port {
    Any,
    Same,
}

impl Private {
    fn serve(&mut self) -> std::io::Result<()> {
        self.postmaster = serve(&self.programs, self.user.as_ref(), self.folder.path(), self.port)?;
        Ok(())
    }

    /// Waits until it answers. If it ends instead, it is started again: the port was not free, or its former self has not
    /// quite gone.
    async fn ready(&mut self, port: Port) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.answers().await {
            if Instant::now() > deadline {
                bail!("PostgreSQL did not start");
            }
            tokio::time::sleep(PAUSE).await;
            if self.postmaster.try_wait()?.is_some() {
                if port == Port::Any {
                    self.port = free_port()?;
                }
                self.serve()?;
            }
        }
        Ok(())
    }

    /// Whether it is this server that answers: another one may have the port.
    async fn answers(&self) -> bool {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let Ok(mut conn) = PgConnection::connect(&url).await else { return false };
        let sql = "SELECT current_setting('data_directory')";
        let data: Result<String, _> = sqlx::query_scalar(sql).fetch_one(&mut conn).await;
        let _ = conn.close().await;
        data.is_ok_and(|data| Path::new(&data) == self.folder.path().join("data"))
    }

    fn stop(&mut self, stop: Stop) -> anyhow::Result<()> {
        use nix::sys::signal::{Signal, kill};
        let signal = match stop {
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
        };
        if self.postmaster.try_wait()?.is_some() {
            return Ok(());
        }
        // The server that this process started.
        kill(nix::unistd::Pid::from_raw(self.postmaster.id().cast_signed()), signal)?;
        self.postmaster.wait()?;
        Ok(())
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = self.stop(Stop::Fast);
    }
}

fn command(programs: &Path, program: &str, user: Option<&nix::unistd::User>, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(program));
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn serve(programs: &Path, user: Option<&nix::unistd::User>, folder: &Path, port: u16) -> std::io::Result<Child> {
    command(programs, "postgres", user, folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"])
        .arg(folder)
        .spawn()
}

/// The newest installed server's folder of programs.
fn programs() -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Path::new("/usr/lib/postgresql")
        .read_dir()
        .context("PostgreSQL is not installed; name a server in OPENHUB_TEST_POSTGRES")?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("initdb").exists().then_some((version, programs))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs).context("PostgreSQL has no `initdb` here")
}

/// PostgreSQL refuses to run as root: then it runs as the user that its package made.
fn unprivileged() -> anyhow::Result<Option<nix::unistd::User>> {
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(None);
    }
    let user = nix::unistd::User::from_name("postgres")?;
    Ok(Some(user.context("as root, PostgreSQL needs a user `postgres` to run as")?))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
