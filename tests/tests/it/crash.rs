//! `kill -9` of the hub, again and again under load, and then every figure exact: nothing acknowledged is lost, nothing
//! is doubled, and a message comes in more than once only if it was in flight at a kill.

use openhub_test_postgres::Server as Postgres;
use openhub_tests::load::Load;
use openhub_tests::report::say;
use openhub_tests::seed::seed;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const KILLS: usize = 10;
/// The part of the work within which it is killed.
const FIRST: f64 = 0.05;
const LAST: f64 = 0.9;
/// So many kills have to hit the hub at work, or the test has tried nothing. A hub that is faster than who watches it ends its work
/// before the last ones.
const KILLS_AT_WORK: usize = 3;
/// What the hub has in flight at most: calls of the channel at the same time, and messages of one call.
const IN_FLIGHT: u64 = 2 * 8 * 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    survives("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    let server = Postgres::start().await.expect("PostgreSQL starts");
    survives("PostgreSQL", Some(server.database().await.expect("a database"))).await;
}

async fn survives(name: &str, database: Option<String>) {
    let seed = seed(name);
    let (load, mut hub) = Load::start(name, database).await;
    let mut at_work = 0;
    for point in points(seed) {
        let address = hub.address().to_owned();
        let progress = load.reach(point).await;
        hub.kill().await.expect("the hub is killed");
        at_work += usize::from(load.is_at_work(&progress));
        hub = load.restart(&address, &progress).await;
    }
    let again = load.finish(hub).await;
    assert!(at_work >= KILLS_AT_WORK, "only {at_work} of {KILLS} kills hit the hub at work");
    say(format!("{name}: {at_work} of {KILLS} kills hit the hub at work"));
    assert!(again <= KILLS as u64 * IN_FLIGHT, "{again} messages came in again: more than were in flight");
}

/// Fractions of the work, ascending: one drawn from each of as many equal parts of it.
fn points(seed: u64) -> Vec<f64> {
    let mut random = StdRng::seed_from_u64(seed);
    let part = (LAST - FIRST) / KILLS as f64;
    (0..KILLS).map(|kill| FIRST + part * (kill as f64 + random.random::<f64>())).collect()
}
