//! One meaning, three executions: the evaluator over loaded facts, the SQL form, and a reference over the raw data agree on
//! random conditions, people and moments, on both databases.
//!
//! `OPENHUB_SEED` draws other cases than the usual ones.

#[path = "support/database.rs"]
mod database;
#[path = "equivalence/dice.rs"]
mod dice;
#[path = "equivalence/fill.rs"]
mod fill;
#[path = "equivalence/people.rs"]
mod people;
#[path = "equivalence/pure.rs"]
mod pure;
#[path = "equivalence/reference.rs"]
mod reference;
#[path = "equivalence/shrink.rs"]
mod shrink;
#[path = "equivalence/trees.rs"]
mod trees;

use openhub_model::condition::{Evaluation, History, Needs, Picks, SeriesId};
use openhub_model::{Condition, Customer, PartId, Timestamp};
use openhub_store::{AsOf, CustomerFacts, Scope, Store};
use openhub_test_postgres::Server;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use database::Database;
use dice::Dice;
use fill::{Rows, fill};
use people::Person;
use pure::{known, moment};
use reference::{Planted, Reference};
use shrink::{Case, shrink};

const WORLDS: usize = 12;
const PEOPLE: usize = 42;
const CONDITIONS: usize = 42;

fn seed() -> u64 {
    std::env::var("OPENHUB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7)
}

/// What the three say of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    memory: Option<bool>,
    sql: Option<bool>,
    reference: Option<bool>,
}

impl Verdict {
    fn agrees(self) -> bool {
        self.memory == self.sql && self.sql == self.reference
    }
}

struct World<'a> {
    store: &'a Store,
    scope: Scope,
    people: &'a [Person],
}

/// What the evaluator says when it walks the events; it says the same by totals, however they came about.
fn evaluate(condition: &Condition, known: &CustomerFacts, customer: &Customer, now: Timestamp) -> Evaluation {
    let walked = condition.evaluate(&known.facts(customer, now));
    let (mut numbered, mut picks) = (condition.clone(), Picks::default());
    let ids = picks.number(&mut numbered);
    let mut arrived = known.history.events().to_vec();
    arrived.sort_by_key(|event| event.position);
    let later = arrived.split_off(arrived.len() / 2);
    let mut early = History::of(arrived);
    early.follow(&ids, &picks);
    let mut learned = early.clone();
    later.iter().for_each(|event| learned.learn(&picks, event.clone()));
    let (mut joined, mut turned) = (early.clone(), History::of(later));
    joined.join(turned.clone(), &picks);
    turned.join(early, &picks);
    let mut pruned = learned.clone();
    pruned.prune(&condition.needs(), &picks, now);
    let [lean, spare] = [1, 3].map(|every| lived(known, &ids, &picks, &condition.needs(), now, every));
    for history in [learned, joined, turned, pruned, lean, spare] {
        let facts = CustomerFacts { history, ..known.clone() };
        let found = numbered.evaluate(&facts.facts(customer, now));
        assert_eq!(found, walked, "{condition:?} at {now} of {:#?}, by {:#?}", known.history, facts.history);
    }
    walked
}

/// A history that learns one event after the other, and lets go of what no window reaches after every few of them, by a clock
/// that is the greatest time so far: so it also learns at its beginning what it has forgotten.
fn lived(
    known: &CustomerFacts,
    ids: &[SeriesId],
    picks: &Picks,
    needs: &Needs,
    now: Timestamp,
    every: usize,
) -> History {
    let mut arrived = known.history.events().to_vec();
    arrived.sort_by_key(|event| event.position);
    let (mut history, mut clock) = (History::default(), Timestamp::MIN);
    history.follow(ids, picks);
    for (number, event) in arrived.into_iter().enumerate() {
        clock = clock.max(event.at.min(now));
        history.learn(picks, event);
        if (number + 1) % every == 0 {
            history.prune(needs, picks, clock);
        }
    }
    history
}

impl World<'_> {
    async fn ask(&self, condition: &Condition, now: i64, checkpoint: usize) -> anyhow::Result<Vec<Verdict>> {
        let (tenant, now_at) = (self.scope.tenant(), Timestamp::from_micros(now));
        let as_of = AsOf { now: now_at, checkpoint: checkpoint as i64 };
        let rows = self.store.truths(&self.scope, condition, as_of, None, self.people.len() + 1).await?;
        let sql: BTreeMap<PartId, _> = rows.into_iter().collect();
        anyhow::ensure!(sql.len() == self.people.len(), "one truth for each person");
        let parts = |person: &Person| person.parts.iter().map(|part| part.part(tenant)).collect();
        let asked: Vec<(PartId, Vec<PartId>)> =
            self.people.iter().map(|person| (person.id(tenant), parts(person))).collect();
        let loaded = self.store.facts(&self.scope, &asked, &condition.needs(), as_of).await?;
        let mut verdicts = Vec::new();
        let mut before = 0;
        for (person, facts) in self.people.iter().zip(&loaded) {
            let done = checkpoint.saturating_sub(before).min(person.deliveries.len());
            before += person.deliveries.len();
            let reference = Reference { person, tenant, now, done, planted: Planted::Nothing };
            verdicts.push(Verdict {
                memory: known(evaluate(condition, facts, &person.customer(tenant), now_at).truth),
                sql: known(sql[&person.id(tenant)]),
                reference: reference.truth(condition),
            });
        }
        Ok(verdicts)
    }
}

async fn equivalent(database: &Database) -> anyhow::Result<()> {
    let store = database.open("a").await?;
    let rows = Rows::open(database).await?;
    let mut dice = Dice::new(seed());
    let (mut yes, mut no, mut unknown) = (0, 0, 0);
    for world in 0..WORLDS {
        let people: Vec<Person> = (0..PEOPLE).map(|number| people::person(&mut dice, number)).collect();
        let scope = fill(&store, &rows, &format!("world-{world}"), &people).await?;
        let total: usize = people.iter().map(|person| person.deliveries.len()).sum();
        let world = World { store: &store, scope, people: &people };
        for _ in 0..CONDITIONS {
            let condition = trees::condition(&mut dice);
            let now = moment(&mut dice, &people[0]);
            let checkpoint = if dice.once_in(3) { dice.below(total + 1) } else { total };
            let verdicts = world.ask(&condition, now, checkpoint).await?;
            if let Some(wrong) = verdicts.iter().position(|verdict| !verdict.agrees()) {
                let before: usize = people[..wrong].iter().map(|person| person.deliveries.len()).sum();
                let person = people[wrong].clone();
                let done = checkpoint.saturating_sub(before).min(person.deliveries.len());
                report(&store, &rows, Case { person, condition, now, done }).await?;
            }
            for verdict in verdicts {
                match verdict.reference {
                    Some(true) => yes += 1,
                    Some(false) => no += 1,
                    None => unknown += 1,
                }
            }
        }
    }
    let cases = yes + no + unknown;
    println!("{cases} cases: {yes} true, {no} false, {unknown} unknown");
    assert!(cases >= 20_000, "{cases} cases");
    assert!(yes * 5 >= cases && no * 5 >= cases && unknown * 10 >= cases, "{yes} true, {no} false, {unknown} unknown");
    rows.close().await;
    store.close().await;
    Ok(())
}

/// Makes a disagreement small and fails with it. Each try has a tenant of its own.
async fn report(store: &Store, rows: &Rows, case: Case) -> anyhow::Result<()> {
    let tries = AtomicUsize::new(0);
    let ask = async |case: &Case| {
        let name = format!("try-{}", tries.fetch_add(1, Ordering::Relaxed));
        let people = [case.person.clone()];
        let scope = fill(store, rows, &name, &people).await?;
        let verdicts = World { store, scope, people: &people }.ask(&case.condition, case.now, case.done).await?;
        anyhow::Ok(verdicts[0])
    };
    let small = shrink(case, async |case| Ok(!ask(case).await?.agrees())).await?;
    anyhow::bail!("{:?} for {small:#?}", ask(&small).await?);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() -> anyhow::Result<()> {
    equivalent(&Database::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() -> anyhow::Result<()> {
    let server = Server::start().await?;
    equivalent(&Database::postgres(&server).await?).await
}
