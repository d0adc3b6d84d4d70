//! How many SQL statements a commit takes, counted at the driver: as many at any size of batch.

mod support;

use openhub_model::{Customer, Id};
use openhub_test_postgres::Server;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Database, changes, event, identity, lease, part, tenant};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

/// The driver logs each statement as one event. What looks after SQLite's write-ahead log is no part of a commit.
struct Count;

struct Checkpoint(bool);

impl tracing::field::Visit for Checkpoint {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0 |= field.name() == "summary" && value.starts_with("PRAGMA");
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Count {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut checkpoint = Checkpoint(false);
        event.record(&mut checkpoint);
        if event.metadata().target() == "sqlx::query" && !checkpoint.0 {
            STATEMENTS.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn a_commit_takes_as_many_statements_at_any_size() -> anyhow::Result<()> {
    tracing_subscriber::registry().with(Count).init();
    let server = Server::start().await?;
    for database in [Database::sqlite()?, Database::postgres(&server).await?] {
        let store = database.open("a").await?;
        let mut counts = Vec::new();
        let (tenant, scope) = tenant(&store).await?;
        let mut lease = lease(&store).await?;
        for size in [1, 37, 5_000] {
            let mut batch = changes(size as i64);
            for user in 0..size {
                let part = part(&tenant, user);
                batch.customers.push(Customer::new(part, identity(user), support::at(1)).into());
                batch.events.push(event(format!("{size}-{user}"), part));
                let id = Id::named(&[&size.to_le_bytes(), &user.to_le_bytes()]);
                batch.armed.push(openhub_model::timer::Timer::run(id, part, support::at(9)));
            }
            batch.disarmed = batch.armed.clone();
            let before = STATEMENTS.load(Ordering::SeqCst);
            lease = store.commit(&scope, &lease, &batch).await?;
            counts.push(STATEMENTS.load(Ordering::SeqCst) - before);
        }
        assert!(counts[0] <= 18 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        store.close().await;
    }
    Ok(())
}
