//! What comes in by any place and fails: the tenant's checkpoint passes it, its neighbour does not notice, it stands in the
//! list of faults, can be tried again and discarded, and a restart changes nothing.

use std::collections::BTreeMap;

use openhub_engine::again::remedy;
use openhub_model::{ClockKind, EventKind, Identity, NewEvent, Timestamp};
use openhub_store::{CustomerFilter, FaultFilter, FaultKind, FaultStatus, Faulted, Remedy, RunFilter, Scope, Store};
use openhub_test_postgres::Server;
use openhub_tests::guests;
use openhub_tests::house::{HOST_NOW, House, control};
use openhub_tests::report::say;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

const START: &str = "2025-01-01T12:00:00Z";

/// A database that refuses to write some customers, whatever the reason: those called `refused`, and those with an attribute
/// `boom`.
async fn refuse(url: &str) {
    if url.starts_with("sqlite") {
        let mut link = SqliteConnection::connect(url).await.expect("the file opens");
        let sql = "CREATE TRIGGER refuse BEFORE INSERT ON customers WHEN NEW.identity_value = 'refused' \
                   OR NEW.attributes LIKE '%boom%' BEGIN SELECT RAISE(ABORT, 'it is refused'); END";
        sqlx::raw_sql(sql).execute(&mut link).await.expect("a trigger");
        return link.close().await.expect("the file closes");
    }
    let mut link = PgConnection::connect(url).await.expect("a connection");
    let sql = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF NEW.identity_value = 'refused' OR CAST(NEW.attributes AS TEXT) LIKE '%boom%' THEN \
               RAISE EXCEPTION 'it is refused' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$; \
               CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(sql).execute(&mut link).await.expect("a trigger");
    link.close().await.expect("it closes");
}

/// The database takes all again.
async fn relent(url: &str) {
    if url.starts_with("sqlite") {
        let mut link = SqliteConnection::connect(url).await.expect("the file opens");
        sqlx::raw_sql("DROP TRIGGER refuse").execute(&mut link).await.expect("it is gone");
        return link.close().await.expect("the file closes");
    }
    let mut link = PgConnection::connect(url).await.expect("a connection");
    sqlx::raw_sql("DROP TRIGGER refuse ON customers").execute(&mut link).await.expect("it is gone");
    link.close().await.expect("it closes");
}

/// Makes an event one that nothing can read: of no kind that there is.
async fn spoil(url: &str, message: &str) {
    let sql = "UPDATE events SET kind = 77 WHERE message_id = $1";
    if url.starts_with("sqlite") {
        let mut link = SqliteConnection::connect(url).await.expect("the file opens");
        sqlx::query(sql).bind(message).execute(&mut link).await.expect("it is spoilt");
        return link.close().await.expect("the file closes");
    }
    let mut link = PgConnection::connect(url).await.expect("a connection");
    sqlx::raw_sql("SET openhub.tenants = '1,2'").execute(&mut link).await.expect("a setting");
    sqlx::query(sql).bind(message.to_owned()).execute(&mut link).await.expect("it is spoilt");
    link.close().await.expect("it closes");
}

struct Trial {
    house: House,
    url: String,
    neighbour: Scope,
}

impl Trial {
    async fn open(url: Option<String>) -> Trial {
        let house = House::open(url.clone()).await;
        let url = url.unwrap_or_else(|| house.database());
        let neighbour = house.store.create_tenant("neighbour", ClockKind::Replay, HOST_NOW).await.expect("a tenant");
        house.install(&guests::build("tests/hostile/poison"), json!({})).await;
        let reach = |node: Value| {
            json!({
                "trigger": {"event": "Dug"}, "reentry": "after-exit", "start": "relic",
                "nodes": {"relic": node, "end": {"type": "exit"}}
            })
        };
        let weight = json!({"weight": "{{ trigger.properties.weight }}"});
        let relic = json!({"type": "object", "action": "create", "kind": "relic", "fields": weight, "next": "end"});
        house.publish("relics", reach(relic)).await;
        let later = json!({
            "trigger": {"event": "Begun"}, "reentry": "after-exit", "start": "pause",
            "nodes": {
                "pause": {"type": "wait", "duration": "1d", "next": "boom"},
                "boom": {"type": "update", "attributes": {"boom": true}, "next": "end"},
                "end": {"type": "exit"}
            }
        });
        house.publish("later", later).await;
        refuse(&url).await;
        Trial { house, url, neighbour: Scope::of(neighbour.id) }
    }

    fn track(&self, id: &str, user: &str, name: &str, properties: Value) -> NewEvent {
        let user_id = Identity::new(Identity::USER_ID, user);
        let body = json!({"type": "track", "event": name, "userId": user, "properties": properties});
        self.house.call(EventKind::Track, id, &user_id, at(START), body)
    }

    /// Bad things among good ones, by every place: events, rules, objects, timers, control events.
    fn events(&self) -> Vec<NewEvent> {
        let mut events = Vec::new();
        for number in 0..40 {
            let (id, user) = (format!("good-{number}"), format!("user-{number}"));
            events.push(self.track(&id, &user, "Order Completed", json!({"amount": number})));
            if number % 10 == 5 {
                let of = |what: &str| format!("{what}-{number}");
                events.push(self.track(&of("treated"), &user, "Treated", json!({"dose": number})));
                events.push(self.track(&of("cursed"), &user, "Dug", json!({"weight": 13})));
                events.push(self.track(&of("relic"), &of("digger"), "Dug", json!({"weight": 7})));
            }
        }
        events.insert(20, self.track("refused", "refused", "Order Completed", json!({"amount": 1})));
        events.insert(30, self.track("begun", "waits", "Begun", json!({})));
        events.insert(33, self.track("spoilt", "spoilt", "Order Completed", json!({"amount": 1})));
        let nonsense = [
            ("plugin.enabled", json!([])),
            ("plugin.enabled", json!({"plugin": "none"})),
            ("plugin.removed", json!(7)),
            ("journey.published", json!({"journey": "relics"})),
            ("journey.paused", json!({"journey": 4})),
            ("segment.published", json!({"segment": "x"})),
            ("segment.members", json!("nobody")),
            ("segment.removed", json!({})),
            ("identity.kinds", json!({"policy": 3})),
            ("identity.undone", json!({})),
            ("attribute.declared", json!(null)),
            ("customer.erased", json!({"erasure": "x"})),
            ("what", json!({})),
        ];
        for (number, (name, body)) in nonsense.into_iter().enumerate() {
            events.insert(number * 3, control(name, &number.to_string(), body));
        }
        events
    }

    async fn faults(&self) -> Vec<Faulted> {
        let filter = FaultFilter { limit: 1_000, ..FaultFilter::default() };
        self.house.store.faults(&self.house.scope, &filter).await.expect("the faults")
    }

    /// By kind and subject, those that are open.
    async fn open_faults(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for known in self.faults().await.iter().filter(|known| known.status == FaultStatus::Open) {
            let what = format!("{} {} {}", known.fault.kind.name(), known.fault.subject, known.fault.code);
            *counts.entry(what).or_default() += known.fault.count;
        }
        counts
    }

    async fn retry(&self, id: &str, kind: FaultKind) -> i64 {
        let House { store, scope, .. } = &self.house;
        let all = self.faults().await;
        let named = |known: &&Faulted| known.fault.kind == kind && known.fault.message_id.as_deref() == Some(id);
        let fault = all.iter().find(named).expect("it is listed").fault.clone();
        let remedy = remedy(store, scope, &fault, HOST_NOW).await.expect("a store").expect("it can be tried again");
        assert!(store.close_fault(scope, fault.id, remedy, HOST_NOW).await.expect("a store"));
        store.standing(scope).await.expect("a standing").head
    }

    async fn attribute(&self, user: &str, name: &str) -> Option<Value> {
        let part = Identity::new(Identity::USER_ID, user).part(self.house.tenant);
        let customers = self.house.store.customers_by_part(&self.house.scope, &[part]).await.expect("customers");
        customers.get(&part).map(|customer| customer.attribute(name).cloned().unwrap_or_default())
    }

    async fn close(self) {
        self.house.store.close().await;
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

async fn customers(store: &Store, scope: &Scope) -> usize {
    let filter = CustomerFilter { limit: 1_000, ..CustomerFilter::default() };
    store.customers(scope, &filter).await.expect("customers").len()
}

/// All that came of the bad things, at a size of a batch: open faults and state.
async fn stands(url: Option<String>, batch: usize) -> (BTreeMap<String, i64>, Value) {
    let trial = Trial::open(url).await;
    let (store, scope) = (&trial.house.store, &trial.house.scope);
    store.append(scope, trial.events()).await.expect("they are appended");
    spoil(&trial.url, "spoilt").await;
    let theirs: Vec<NewEvent> = (0..5)
        .map(|number| NewEvent {
            part: Some(Identity::new(Identity::USER_ID, "theirs").part(trial.neighbour.tenant())),
            ..trial.track(&format!("theirs-{number}"), "theirs", "Order Completed", json!({"amount": 13}))
        })
        .collect();
    store.append(&trial.neighbour, theirs).await.expect("they are appended");
    let position = trial.house.advance("2025-01-03T12:00:00Z").await;
    trial.house.run_to_the_end(batch, 1, position).await;

    let standing = store.standing(scope).await.expect("a standing");
    assert_eq!((standing.arrived_behind, standing.waiting_runs), (0, 0), "nothing stands");
    assert_eq!(
        (customers(store, &trial.neighbour).await, store.open_faults(&trial.neighbour).await.unwrap()),
        (1, vec![])
    );
    // Whom a rule fails on is there; of what was refused nothing is.
    assert_eq!(trial.attribute("user-13", "amount").await, Some(Value::Null));
    assert_eq!(trial.attribute("user-12", "amount").await, Some(json!(12)));
    assert_eq!(trial.attribute("refused", "amount").await, None);
    let open = trial.open_faults().await;
    let state = trial.house.state().await;
    say(format_args!("batches of {batch}: {} kinds of faults, {} in all", open.len(), open.values().sum::<i64>()));

    // A restart changes nothing.
    let position = trial.house.advance("2025-01-03T13:00:00Z").await;
    trial.house.run(batch, 1, position).await;
    assert_eq!(trial.open_faults().await, open);

    // The run whose timer failed is over: its customer enters again.
    let begun = trial.track("begun-2", "waits", "Begun", json!({}));
    let position = store.append(scope, vec![begun]).await.expect("it is appended").position;
    trial.house.run(batch, 1, position).await;
    let runs = RunFilter { limit: 100, ..RunFilter::default() };
    let runs = store.runs(scope, &runs).await.expect("runs");
    assert_eq!(runs.iter().filter(|run| run.journey == "later").count(), 2, "b8: it enters again after a failure");

    // What is in the way goes away, and what is tried again goes through.
    relent(&trial.url).await;
    trial.retry("refused", FaultKind::Event).await;
    let cured = Identity::new(Identity::USER_ID, "user-5");
    let body = json!({"identity": cured, "attributes": {"cured": true}});
    let cures = trial.house.call(EventKind::Update, "cures", &cured, at(START), body);
    store.append(scope, vec![cures]).await.expect("it is appended");
    trial.retry("treated-5", FaultKind::Rule).await;
    let position = trial.retry("treated-15", FaultKind::Rule).await;
    trial.house.run(batch, 1, position).await;
    assert_eq!(trial.attribute("refused", "amount").await, Some(json!(1)), "it was set aside, and is done now");
    assert_eq!(trial.attribute("user-5", "dose").await, Some(json!(5)), "the rule has seen it now");
    assert_eq!(trial.attribute("user-15", "dose").await, Some(Value::Null), "it fails again");
    let all = trial.faults().await;
    let of = |id: &str| all.iter().find(|known| known.fault.message_id.as_deref() == Some(id)).expect("it is listed");
    assert_eq!(of("refused").status, FaultStatus::Retried);
    assert_eq!(of("treated-5").status, FaultStatus::Retried);
    assert_eq!((of("treated-15").status, of("treated-15").fault.count), (FaultStatus::Open, 2));

    let discarded = of("treated-15").fault.id;
    assert!(store.close_fault(scope, discarded, Remedy::Discard, HOST_NOW).await.expect("a store"));
    assert!(!trial.faults().await.iter().any(|known| known.fault.id == discarded && known.status == FaultStatus::Open));
    trial.close().await;
    (open, state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a6_b8_nothing_that_fails_stops_its_tenant() {
    let (open, state) = stands(None, 8_000).await;
    for (what, count) in [
        ("rule hostile-poison/poison trap", 1),
        ("rule hostile-poison/fragile trap", 4),
        ("object hostile-poison/relic trap", 4),
        ("run relics/relic object-refused", 4),
        ("run later/pause database-refuses", 1),
        ("event event database-refuses", 1),
        ("event event unreadable", 1),
    ] {
        assert_eq!(open.get(what), Some(&count), "{what}: {open:?}");
    }
    assert!(
        open.iter().filter(|(what, _)| what.starts_with("control ")).map(|(_, count)| count).sum::<i64>() >= 6,
        "{open:?}"
    );
    let server = Server::start().await.expect("PostgreSQL starts");
    for (database, batch) in [("SQLite", 1), ("SQLite", 7), ("PostgreSQL", 8_000), ("PostgreSQL", 3)] {
        let url = if database == "SQLite" { None } else { Some(server.database().await.expect("a database")) };
        let (faults, other) = stands(url, batch).await;
        assert_eq!(faults, open, "{database}, batches of {batch}");
        for (name, list) in state.as_object().expect("an object") {
            assert_eq!(list, &other[name], "{database}, batches of {batch}: {name}");
        }
    }
}

/// What one customer asks of PostgreSQL takes longer than a statement may, each time: their event is set aside, and the tenant
/// goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_what_takes_the_database_too_long_is_set_aside() {
    let server = Server::start().await.expect("PostgreSQL starts");
    let url = server.database().await.expect("a database");
    let mut house = House::open(Some(url.clone())).await;
    let says = |house: &House, user: &str| {
        let body = json!({"type": "identify", "userId": user, "traits": {"seen": true}});
        let subject = Identity::new(Identity::USER_ID, user);
        (house.call(EventKind::Identify, user, &subject, HOST_NOW, body), subject.part(house.tenant))
    };
    let ((before, _), (slow, part), (after, other)) =
        (says(&house, "before"), says(&house, "slow"), says(&house, "after"));
    let events = vec![before, slow, after];
    let position = house.store.append(&house.scope, events).await.expect("events are appended").position;
    house.store.close().await;
    // As if this customer had more than can be read in time.
    let sleeps = format!(
        "ALTER FUNCTION json_each(TEXT) RENAME TO json_each_of; \
         CREATE FUNCTION json_each(list TEXT) RETURNS TABLE (key BIGINT, value JSONB, atom TEXT) LANGUAGE plpgsql AS $$ \
         BEGIN IF list LIKE '%{part}%' THEN PERFORM pg_sleep(60); END IF; \
         RETURN QUERY SELECT * FROM json_each_of(list); END $$"
    );
    let mut link = PgConnection::connect(&url).await.expect("the database opens");
    sqlx::raw_sql(AssertSqlSafe(sleeps)).execute(&mut link).await.expect("the function is replaced");
    link.close().await.expect("the database closes");
    let config = openhub_store::Config { url, node: "test".into(), read_connections: 4 };
    house.store = Store::open(&config).await.expect("the store opens");
    house.run(1, 2, position).await;
    let filter = FaultFilter { limit: 9, ..FaultFilter::default() };
    let faults = house.store.faults(&house.scope, &filter).await.expect("faults");
    let faults: Vec<_> = faults.iter().map(|known| (&*known.fault.code, known.fault.message_id.as_deref())).collect();
    assert_eq!(faults, [("too-slow", Some("slow"))]);
    let customer = house.store.customer(&house.scope, other).await.expect("a read");
    assert!(customer.is_some(), "the tenant went on");
}
