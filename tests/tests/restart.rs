//! SIGTERM under load: the hub finishes what is under way and ends with exit code 0; the next one goes on, and not
//! even a message comes in twice.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    drains("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    drains("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}

async fn drains(name: &str, database: Option<String>) {
    let (load, mut hub) = Load::start(name, database).await;
    for point in [0.2, 0.4, 0.6, 0.8] {
        let address = hub.address().to_owned();
        let progress = load.reach(point).await;
        assert!(load.is_at_work(&progress), "the hub was idle at {:.1} %", progress.fraction * 100.0);
        let ended = hub.stop().await.expect("the hub ends in time");
        assert_eq!(ended.code(), Some(0), "{name}");
        hub = load.restart(&address, &progress).await;
    }
    assert_eq!(load.finish(hub).await, 0, "messages came in again although the hub was asked to end");
}
