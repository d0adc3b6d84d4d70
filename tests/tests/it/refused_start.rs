//! What an operator has to put right before the hub can start: one clear line on stderr, and exit code 2.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use openhub_test_postgres::Server as Postgres;
use openhub_tests::hub::Place;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpSocket;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(120);

async fn is_refused(command: &mut Command, reasons: &[&str]) {
    let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?} serves")).expect("the binary runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{stderr}");
    assert_eq!(output.status.code(), Some(2), "{command:?}: {stderr}");
    assert_eq!((stderr.lines().count(), stdout.as_ref()), (1, ""), "{command:?}: {stderr}");
    assert!(stderr.starts_with("openhub: "), "{stderr}");
    for reason in reasons {
        assert!(stderr.contains(reason), "`{reason}` is missing: {stderr}");
    }
}

/// As a later version would leave the database behind.
const LATER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    SELECT 9999, 'of a later version', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";

#[tokio::test]
async fn a_newer_sqlite_database() {
    let place = Place::new(None);
    place.tenant("live").await;
    let mut connection = SqliteConnection::connect(&place.database).await.expect("the file opens");
    sqlx::query(LATER).execute(&mut connection).await.expect("a row is written");
    connection.close().await.expect("the file closes");
    is_refused(&mut place.command(&["serve", "--listen", "127.0.0.1:0"]), &["9999", "newer"]).await;
    is_refused(&mut place.command(&["tenant", "list"]), &["9999", "newer"]).await;
}

#[tokio::test]
async fn too_few_open_files() {
    let place = Place::new(None);
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 24; exec "$0" serve --listen 127.0.0.1:0 --data "$1""#]);
    command.arg(&openhub_tests::hub::programs().hub).arg(&place.folder);
    is_refused(&mut command, &["24", "ulimit -n", "raise the limit"]).await;
}

/// A file of the hub's is its owner's alone. What is none of its files is not touched.
#[tokio::test]
async fn a_folder_in_place_of_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let shared = folder.path().join("shared");
    std::fs::create_dir(&shared).expect("a folder within");
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o755)).expect("it is open to all");
    let place = Place::new(Some(format!("sqlite://{}", shared.display())));
    is_refused(&mut place.command(&["serve", "--listen", "127.0.0.1:0"]), &["shared is no file"]).await;
    let mode = std::fs::metadata(&shared).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[tokio::test]
async fn a_newer_postgres_database() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let place = Place::new(Some(server.database().await.expect("a database")));
    place.tenant("live").await;
    let mut connection = PgConnection::connect(&place.database).await.expect("the database opens");
    sqlx::query(LATER).execute(&mut connection).await.expect("a row is written");
    connection.close().await.expect("the database closes");
    is_refused(&mut place.command(&["serve", "--listen", "127.0.0.1:0"]), &["9999", "newer"]).await;
}

#[tokio::test]
async fn a_role_above_the_policies() {
    if std::env::var_os("OPENHUB_TEST_POSTGRES").is_some() {
        return println!("a given server has no superuser for tests");
    }
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let place = Place::new(Some(server.database_of_a_superuser().await.expect("a database")));
    for arguments in [["serve", "--listen", "127.0.0.1:0"].as_slice(), &["tenant", "create", "shop"]] {
        is_refused(&mut place.command(arguments), &["superuser", "CREATE ROLE"]).await;
    }
}

/// With another key, secrets cannot be opened, and nobody who is suppressed is known again.
#[tokio::test]
async fn a_lost_secret_key() {
    let place = Place::new(None);
    place.tenant("live").await;
    assert!(place.serve().await.stop().await.expect("the hub ends").success());
    let key = place.folder.join("secret.key");
    let former = std::fs::read(&key).expect("the first start makes it");
    std::fs::remove_file(&key).expect("it is lost");
    let doctor = async || {
        let output = place.command(&["doctor"]).output().await.expect("the binary runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (is_well, told) = doctor().await;
    assert!(!is_well && told.contains("put `secret.key` back"), "{told}");
    is_refused(&mut place.command(&["serve", "--listen", "127.0.0.1:0"]), &["secret.key", "--new-secret-key"]).await;
    assert!(!key.exists(), "what is written now would be taken for the key that is lost");
    std::fs::write(&key, "ab".repeat(32)).expect("another is put there");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("for its owner alone");
    let (is_well, told) = doctor().await;
    assert!(!is_well && told.contains("put the old"), "another is no better: {told}");
    is_refused(&mut place.command(&["serve", "--listen", "127.0.0.1:0"]), &["put the old"]).await;
    std::fs::remove_file(&key).expect("it is taken away");
    let mut anew = place.command(&["serve", "--listen", "127.0.0.1:0", "--new-secret-key"]);
    let mut anew = anew.kill_on_drop(true).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut line = String::new();
    let mut out = BufReader::new(anew.stdout.take().expect("its output"));
    tokio::time::timeout(PATIENCE, out.read_line(&mut line)).await.expect("in time").expect("a line");
    assert!(line.starts_with("listening"), "it goes on where that is said: {line}");
    anew.kill().await.expect("it ends");
    assert!(place.serve().await.stop().await.expect("the hub ends").success(), "and from then on without");
    std::fs::write(&key, former).expect("the former key is found");
    assert!(place.serve().await.stop().await.expect("the hub ends").success());
}

#[tokio::test]
async fn a_port_in_use() {
    let place = Place::new(None);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    is_refused(&mut place.command(&["serve", "--listen", &address]), &["in use", &address]).await;
    assert!(!place.folder.join("openhub.db").exists(), "the database was touched");
}

#[tokio::test]
async fn an_unreachable_postgres() {
    // A port that is ours, and where nobody listens.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = socket.local_addr().expect("an address");
    let place = Place::new(Some(format!("postgres://hub:hunter2@{address}/hub")));
    for arguments in [["serve", "--listen", "127.0.0.1:0"].as_slice(), &["tenant", "list"]] {
        is_refused(&mut place.command(arguments), &["database", "reach"]).await;
    }
}

#[tokio::test]
async fn a_bad_configuration() {
    let place = Place::new(None);
    let file = place.folder.join("hub.toml");
    for (text, key) in
        [("batch = 0", "batch"), ("bach = 7", "bach"), ("workers = \"many\"", "workers"), ("batch = [", "batch")]
    {
        std::fs::write(&file, text).expect("the file is written");
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        is_refused(command.arg("--config").arg(&file), &["configuration", "hub.toml, line 1", key]).await;
    }
    // All of them at once, each with its line, and the nearest setting.
    std::fs::write(&file, "bach = 7\nworkers = \"many\"\ndeliveries = 0\n").expect("the file is written");
    let all =
        ["line 1: there is no setting `bach` (did you mean `batch`?)", "line 2: `workers`", "line 3: `deliveries`"];
    is_refused(place.command(&["serve", "--listen", "127.0.0.1:0"]).arg("--config").arg(&file), &all).await;
    is_refused(&mut place.command(&["serve", "--listen", "nowhere"]), &["configuration", "`--listen`"]).await;
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    is_refused(command.env("OPENHUB_WORKERS", "0"), &["configuration", "workers"]).await;
    for arguments in [["serve", "--listen", "127.0.0.1:0"].as_slice(), &["tenant", "list"], &["doctor"]] {
        let mut command = place.command(arguments);
        is_refused(command.env("OPENHUB_DATBASE", "x"), &["`OPENHUB_DATBASE`", "`OPENHUB_DATABASE`"]).await;
    }
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    is_refused(command.args(["--allow-private", "nowhere"]), &["configuration", "allow_private"]).await;
}

/// `openhub … | head`: the command ends without a word when nobody reads any more.
#[tokio::test]
async fn a_reader_that_goes_away_is_no_crash() {
    let place = Place::new(None);
    place.tenant("live").await;
    let mut command = place.command(&["tenant", "list"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it ran");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", output.status);
}
