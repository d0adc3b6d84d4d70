//! The evaluator against the reference without a database: its truths, its `until`, and faults that are put in.

use openhub_model::condition::Truth;
use openhub_model::{Condition, TenantId, Timestamp};

use super::dice::Dice;
use super::evaluate;
use super::people::{DAY, INSTANTS, Person, person};
use super::reference::{Planted, Reference};
use super::shrink::{Case, shrink};
use super::trees;

const TENANT: TenantId = TenantId(1);

pub fn known(truth: Truth) -> Option<bool> {
    match truth {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Unknown => None,
    }
}

/// A moment at which something can turn: an event's or message's time, or one on the grid.
pub fn moment(dice: &mut Dice, person: &Person) -> i64 {
    let own: Vec<i64> = person.deliveries.iter().map(|delivery| delivery.at).collect();
    let near = match own.is_empty() || dice.once_in(3) {
        true => dice.between(0, 35) * DAY,
        false => dice.pick(&own) + dice.between(0, 9) * DAY,
    };
    near + *dice.pick(&[0, 0, 0, 1, -1])
}

fn case(dice: &mut Dice, number: usize) -> Case {
    let person = person(dice, number);
    let done = match dice.once_in(4) {
        true => dice.below(person.deliveries.len() + 1),
        false => person.deliveries.len(),
    };
    Case { condition: trees::condition(dice), now: moment(dice, &person), done, person }
}

fn evaluated(case: &Case) -> Option<bool> {
    let (facts, customer) = (case.person.facts(case.done), case.person.customer(TENANT));
    known(evaluate(&case.condition, &facts, &customer, Timestamp::from_micros(case.now)).truth)
}

fn referred(case: &Case, planted: Planted) -> Option<bool> {
    let Case { person, condition, now, done } = case;
    Reference { person, tenant: TENANT, now: *now, done: *done, planted }.truth(condition)
}

#[tokio::test]
async fn the_evaluator_is_the_reference() -> anyhow::Result<()> {
    let mut dice = Dice::new(super::seed());
    for number in 0..20_000 {
        let case = case(&mut dice, number);
        if evaluated(&case) != referred(&case, Planted::Nothing) {
            let small = shrink(case, async |case| Ok(evaluated(case) != referred(case, Planted::Nothing))).await?;
            let (evaluated, referred) = (evaluated(&small), referred(&small, Planted::Nothing));
            panic!("the evaluator says {evaluated:?}, the reference {referred:?}: {small:#?}");
        }
    }
    Ok(())
}

/// What finds the real faults finds these too, and makes them small.
#[tokio::test]
async fn planted_faults_are_found() -> anyhow::Result<()> {
    for planted in [Planted::OpenEnd, Planted::ClosedStart, Planted::StrictNumbers] {
        let mut dice = Dice::new(super::seed());
        let found =
            (0..20_000).map(|number| case(&mut dice, number)).find(|case| evaluated(case) != referred(case, planted));
        let found = found.unwrap_or_else(|| panic!("{planted:?} went unnoticed"));
        let small = shrink(found, async |case| Ok(evaluated(case) != referred(case, planted))).await?;
        assert!(!matches!(small.condition, Condition::All(_) | Condition::Any(_) | Condition::Not(_)), "{small:#?}");
        assert!(small.person.deliveries.len() + small.person.messages.len() <= 3, "{small:#?}");
        assert_eq!(evaluated(&small), referred(&small, Planted::Nothing), "{small:#?}");
    }
    Ok(())
}

/// Every instant after `now` at which a window can begin or end, or something happens, and the moments beside it.
fn instants(person: &Person, now: i64) -> Vec<i64> {
    let happened = person.deliveries.iter().map(|delivery| delivery.at);
    let happened: Vec<i64> = happened.chain(person.messages.iter().map(|message| message.at)).collect();
    let written = INSTANTS.iter().filter_map(|(_, at)| *at).flat_map(|at| (-12..=12).map(move |days| at + days * DAY));
    let mut instants: Vec<i64> = happened
        .iter()
        .flat_map(|at| (0..9).map(move |days| at + days * DAY))
        .chain(written)
        .flat_map(|at| [at - 1, at, at + 1])
        .filter(|at| *at > now)
        .collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}

/// The truth is what it was at `now` at every instant before `until`, by the reference; then comes the next `until`.
#[test]
fn the_answer_holds_until_the_moment_it_names() {
    let mut dice = Dice::new(super::seed());
    let (mut answers, mut limited, mut turned) = (0, 0, 0);
    for number in 0..3_000 {
        let Case { person, mut condition, mut now, done } = case(&mut dice, number);
        while !condition.needs().clock {
            condition = trees::condition(&mut dice);
        }
        let (facts, customer) = (person.facts(done), person.customer(TENANT));
        let truth_at =
            |now| Reference { person: &person, tenant: TENANT, now, done, planted: Planted::Nothing }.truth(&condition);
        let mut rest = instants(&person, now).into_iter().peekable();
        let mut before = None;
        loop {
            let evaluation = evaluate(&condition, &facts, &customer, Timestamp::from_micros(now));
            let truth = known(evaluation.truth);
            assert_eq!(truth, truth_at(now), "{condition:?} at {now}");
            answers += 1;
            limited += usize::from(evaluation.until.is_some());
            turned += usize::from(before.is_some_and(|before| before != truth));
            before = Some(truth);
            let until = evaluation.until.map_or(i64::MAX, Timestamp::micros);
            assert!(until > now, "{condition:?} at {now}");
            while let Some(instant) = rest.next_if(|instant| *instant < until) {
                assert_eq!(
                    truth_at(instant),
                    truth,
                    "{condition:?}: from {now} until {until}, at {instant}: {person:#?}"
                );
            }
            if evaluation.until.is_none() {
                break;
            }
            now = until;
        }
    }
    assert!(limited * 5 > answers && turned * 12 > answers, "{limited} limited, {turned} turned of {answers}");
}
