//! SIGTERM under load: the hub finishes what is under way and ends with exit code 0; the next one goes on, and not
//! even a message comes in twice.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::load::Load;

/// Of the work: where the hub is asked to end.
const POINTS: [f64; 4] = [0.15, 0.35, 0.55, 0.75];

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
    let mut at_work = 0;
    for point in POINTS {
        let address = hub.address().to_owned();
        let progress = load.reach(point).await;
        at_work += usize::from(load.is_at_work(&progress));
        let ended = hub.stop().await.expect("the hub ends in time");
        assert_eq!(ended.code(), Some(0), "{name}");
        hub = load.restart(&address, &progress).await;
    }
    assert!(at_work >= POINTS.len() - 1, "only {at_work} of {} ends met the hub at work", POINTS.len());
    assert_eq!(load.finish(hub).await, 0, "messages came in again although the hub was asked to end");
}
