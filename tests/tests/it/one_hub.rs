//! What is one hub's alone: its data directory, and the files in it. And commands that only look leave nothing behind.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openhub_test_postgres::Server as Postgres;
use openhub_tests::hub::{Client, Place, programs};
use sqlx::Connection;
use tokio::process::Command;

fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<(String, Vec<u8>)> = files
        .map(|file| file.expect("a file"))
        .map(|file| (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).unwrap_or_default()))
        .collect();
    all.sort();
    all
}

async fn output(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().await.expect("the binary runs");
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_second_hub_on_a_data_directory_is_refused() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    for database in [None, Some(server.database().await.expect("a database"))] {
        let place = Place::new(database);
        let tenant = place.tenant("live").await;
        let hub = place.serve().await;
        for _ in 0..3 {
            let (code, text) = output(&mut place.command(&["serve", "--listen", "127.0.0.1:0"])).await;
            assert_eq!((code, text.lines().count()), (Some(2), 1), "{text}");
            assert!(text.contains("another hub uses the data directory"), "{text}");
        }
        let client = Client::new(&hub.url);
        assert!(client.get("/api/v1/status", &tenant.api_key).await.status.is_success(), "the first serves on");
        // A crash leaves no lock behind.
        hub.kill().await.expect("it is killed");
        let hub = place.serve().await;
        assert!(hub.stop().await.expect("it ends").success());
    }
}

/// Whatever its own folder, and by whatever name it knows the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_a_second_hub_on_a_sqlite_file_is_refused() {
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let hub = place.serve().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (file, link) = (place.folder.join("openhub.db"), elsewhere.path().join("linked.db"));
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let another = elsewhere.path().join("another.db");
    std::fs::hard_link(&file, &another).expect("a hard link");
    for database in [file, link, another.clone()] {
        let mut second = Command::new(&programs().hub);
        second.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(elsewhere.path().join("data"));
        second.arg("--database").arg(format!("sqlite://{}", database.display()));
        let (code, text) = output(&mut second).await;
        assert_eq!((code, text.lines().count()), (Some(2), 1), "{text}");
        assert!(text.contains("only one hub can use a SQLite file"), "{text}");
    }
    // Not even a command may open it by another name.
    let mut command = Command::new(&programs().hub);
    command.args(["tenant", "create", "other", "--data"]).arg(elsewhere.path().join("data"));
    command.arg("--database").arg(format!("sqlite://{}", another.display()));
    let (code, text) = output(&mut command).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("has 2 names (hard links)"), "{text}");
    let client = Client::new(&hub.url);
    assert!(client.get("/api/v1/status", &tenant.api_key).await.status.is_success(), "the first serves on");
    assert!(hub.stop().await.expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c7_files_are_their_owners_alone() {
    let place = Place::new(None);
    place.tenant("live").await;
    let file = place.folder.join("openhub.db");
    // As an older version left it.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is opened up");
    let hub = place.serve().await;
    let mut seen = 0;
    for file in std::fs::read_dir(&place.folder).expect("a folder").map(|file| file.expect("a file")) {
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("openhub.db") || ["secret.key", "node", "hub.lock"].contains(&name.as_str()) {
            let mode = file.metadata().expect("what it is").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 6, "the database with its two files, the key, the name and the lock");
    hub.stop().await.expect("it ends");
    let new = place.folder.join("made/by/the/hub");
    let made = Command::new(&programs().hub).args(["tenant", "create", "a", "--data"]).arg(&new).output().await;
    assert!(made.expect("it runs").status.success());
    assert_eq!(new.metadata().expect("it is made").permissions().mode() & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c7_what_only_looks_makes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Postgres::start().await.expect("PostgreSQL starts");
    let empty = server.database().await.expect("a database");
    let looks: [&[&str]; 3] = [&["doctor"], &["tenant", "list"], &["key", "list", "acme"]];
    for database in [None, Some(&empty)] {
        for look in looks {
            let mut command = Command::new(&programs().hub);
            command.args(look).arg("--data").arg(&data).env_remove("OPENHUB_SECRET_KEY");
            if let Some(database) = database {
                command.args(["--database", database]);
            }
            let (code, text) = output(&mut command).await;
            assert_eq!(listing(folder.path()), [], "{look:?} made something");
            assert!(text.contains("openhub serve"), "it says what makes it: {text}");
            assert!(look[0] == "doctor" || code == Some(2), "{look:?}: {code:?} {text}");
        }
    }
    let tables = tables_of(&empty).await;
    assert_eq!(tables, 0, "a schema was made");

    let place = Place::new(None);
    place.tenant("live").await;
    // As an older version left it.
    let mut connection = sqlx::SqliteConnection::connect(&place.database).await.expect("the file opens");
    let older = "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    sqlx::query(older).execute(&mut connection).await.expect("a row goes");
    connection.close().await.expect("it closes");
    let before = listing(&place.folder);
    for look in looks {
        let (_, text) = output(&mut place.command(look)).await;
        assert!(text.contains("older schema"), "{look:?}: {text}");
        assert!(listing(&place.folder) == before, "{look:?} changed something");
    }
    let place = Place::new(None);
    place.tenant("live").await;
    let before = listing(&place.folder);
    for (look, says) in [(looks[0], "1 tenants"), (looks[1], "test-live"), (&["key", "list", "test-live"], "valid")] {
        let (code, text) = output(&mut place.command(look)).await;
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(says), "{text}");
        assert!(listing(&place.folder) == before, "{look:?} changed something");
    }
}

async fn tables_of(url: &str) -> i64 {
    let mut connection = sqlx::PgConnection::connect(url).await.expect("the database opens");
    let count = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'";
    sqlx::query_scalar(count).fetch_one(&mut connection).await.expect("a count")
}

/// Whoever reads its log may go away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a_hub_whose_log_nobody_reads_serves_and_ends() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let place = Place::new(None);
    let tenant = place.tenant("live").await;
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--log", "debug"]);
    let mut hub = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(hub.stdout.take().expect("a pipe")).lines();
    let first = lines.next_line().await.expect("a line").expect("it says where it listens");
    let url = first.trim_start_matches("listening on ").to_owned();
    drop(hub.stderr.take());
    let client = Client::new(&url);
    for number in 0..20 {
        let event = serde_json::json!({"event": "Seen", "userId": format!("{number}")});
        assert!(client.ingest("/v1/track", &tenant.write_key, &event).await.status.is_success());
    }
    client.settled(&tenant.api_key).await;
    let pid = nix::unistd::Pid::from_raw(hub.id().expect("it runs").cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it is told to end");
    let ended = tokio::time::timeout(std::time::Duration::from_secs(120), hub.wait()).await;
    assert!(ended.expect("it ends").expect("it is waited for").success());
}
