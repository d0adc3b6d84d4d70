//! The waves of a batch: each takes the next item of every customer, so that a plugin is called once with all of them.

use openhub_model::Month;
use openhub_model::timer::Timer;

use super::absorb::absorb;
use super::actor::{Actor, Item, Turn};
use super::answers::settle;
use super::ask::Kind;
use super::batch::Batch;
use super::beyond;
use super::course::Order;
use super::event::Happening;
use super::journeys::{meet_event, meet_timer};
use super::meanwhile::{make_up, note_done};
use super::occasion::Occasion;
use super::place::Place;
use super::refusals::tell_refused;
use super::rules::ask_rules;
use super::segments::assess;
use super::stop::Stop;

/// Handles all items, or as many as the budget allows. What fails or is spent in a run that lacks something says
/// nothing: it is run again with what it lacks.
pub fn run(batch: &mut Batch<'_>) -> Result<(), Stop> {
    let run = waves(batch);
    match std::mem::take(&mut batch.lacks) {
        _ if matches!(run, Err(Stop::Cancelled)) => run,
        lacks if lacks.is_empty() => run,
        lacks => Err(Stop::Lacks(lacks)),
    }
}

fn waves(batch: &mut Batch<'_>) -> Result<(), Stop> {
    while wave(batch)? {
        let budget = &batch.course.budget;
        batch.spent.time = (batch.course.time.elapsed)();
        if !batch.spent.is_over(budget) {
            continue;
        }
        if let Some(cut) = clean_cut(batch) {
            batch.cut = Some(cut);
            return Ok(());
        }
        if batch.course.order == Order::Waves && batch.spent.is_far_over(budget) {
            return Err(Stop::Over);
        }
    }
    Ok(())
}

/// Where the next item stands, if nothing behind it is handled and nothing before it is left; none at the end.
fn clean_cut(batch: &mut Batch<'_>) -> Option<Place> {
    if batch.actors.iter().any(Actor::has_caused) {
        return None;
    }
    let (actors, fire) = (&batch.actors, &batch.fire);
    let next = batch.active.iter_mut().filter_map(|cluster| cluster.place(actors, fire)).min()?;
    (next > batch.furthest).then_some(next)
}

/// Handles the next item of each customer. False once nobody has one.
fn wave(batch: &mut Batch<'_>) -> Result<bool, Stop> {
    batch.go_on()?;
    let mut wave: Vec<Turn> = Vec::with_capacity(batch.active.len());
    let (actors, fire) = (&mut batch.actors, &batch.fire);
    batch.active.retain_mut(|cluster| match cluster.next(actors, fire) {
        Some(turn) => {
            wave.push(turn);
            true
        }
        None => false,
    });
    if wave.is_empty() {
        return Ok(false);
    }
    batch.tally.waves += 1;
    batch.spent.items += wave.len() as u64;
    for (actor, item) in &mut wave {
        batch.furthest = batch.furthest.max(batch.actors[*actor].place);
        locate(batch, *actor, item);
        batch.actors[*actor].segments.begins();
        if let Item::Event(event) = item {
            if beyond::set_aside(batch, *actor, event) {
                *item = Item::Beyond;
                continue;
            }
            absorb(batch, *actor, event);
            batch.actors[*actor].learn(&batch.catalog.segments, event);
        }
    }
    ask_rules(batch, &wave);
    settle(batch, &wave, Kind::Rules)?;
    for (actor, item) in &wave {
        match item {
            Item::Event(event) => {
                batch.tally.events += 1;
                assess(batch, *actor, Occasion::of(event));
                make_up(batch, *actor, event);
                meet_event(batch, *actor, event);
            }
            Item::Timer(run, due) => {
                batch.tally.timers += 1;
                meet_timer(batch, *actor, *run, *due);
            }
            Item::Wake(_) => batch.tally.timers += 1,
            Item::Beyond => batch.tally.events += 1,
        }
    }
    settle(batch, &wave, Kind::Objects)?;
    for (actor, item) in &wave {
        match item {
            Item::Event(event) => {
                note_active(batch, *actor, event);
                tell_refused(batch, *actor, event);
                assess(batch, *actor, Occasion::of(event));
            }
            Item::Timer(run, due) => {
                let run = &batch.actors[*actor].runs[*run].run;
                let cause = format!("{}/{}", run.id, run.step);
                let occasion = Occasion::timer(*due, &cause);
                tell_refused(batch, *actor, &occasion.happening());
                assess(batch, *actor, occasion);
            }
            Item::Wake(due) => {
                let Some(customer) = &batch.actors[*actor].customer else { continue };
                let cause = format!("{}/{}", Timer::wake(customer.part, *due).id, due.micros());
                assess(batch, *actor, Occasion::timer(*due, &cause));
            }
            Item::Beyond => {}
        }
    }
    note_done(batch, wave);
    Ok(true)
}

/// Notes that the customer is active: the customer that it is at this event.
fn note_active(batch: &mut Batch<'_>, actor: usize, event: &Happening) {
    let Some((quarter, customer)) = event.active_in.zip(batch.actors[actor].customer.as_ref()) else { return };
    let first = batch.seen.entry((Month::of(quarter.begins()), customer.customer)).or_insert(quarter);
    *first = (*first).min(quarter);
}

/// Notes how far in the log a customer's item is.
fn locate(batch: &mut Batch<'_>, actor: usize, item: &Item) {
    let state = &mut batch.actors[actor];
    match item {
        Item::Event(event) if event.arrived() => (state.position, state.root) = (event.position, Some(event.position)),
        // It goes back to the item before.
        Item::Event(_) | Item::Beyond => {}
        Item::Timer(..) | Item::Wake(_) => {
            let place = state.place;
            let before = batch.log.partition_point(|(position, _, bound)| Place::event(*bound, *position) < place);
            let last = before.checked_sub(1).map(|last| batch.log[last].0);
            (state.position, state.root) = (last.unwrap_or(batch.reach.before.1), None);
        }
    }
}
