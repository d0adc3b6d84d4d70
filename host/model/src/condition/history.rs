//! A customer's history as conditions ask about it: the events themselves, and running totals over them, by which what an
//! aggregate over any window comes to is found without walking the events.
//!
//! Conditions that pick the same events, by name, property tests and aggregated property, share a [`Series`], whatever
//! their windows and bounds. It holds a term for each picked event, in the order of the history, with the sum up to it;
//! a window is a range of terms, found by halving. `First`, `Last`, `Distinct` and sequences need the events themselves;
//! events that nothing of the kind asks about are let go once their totals are there.

use std::collections::{HashMap, HashSet};

use super::compare::{properties_match, test_number};
use super::events::{Sum, plain, scaled};
use super::number::Number;
use super::window::earlier;
use super::{Aggregate, Condition, Evaluation, EventFact, EventTest, Needs, PropertyTest, Truth};
use crate::event::Origin;
use crate::time::Timestamp;

/// A series by its place in [`Picks`].
pub type SeriesId = u32;

/// So many series of one name take less room than its events, however many of them an event is in.
const MOST: usize = 6;
/// Events that are kept without asking whether a window still reaches them.
const FEW: usize = 16;

/// What a series is about.
#[derive(Clone, Debug, PartialEq)]
struct Pick {
    name: String,
    tests: Vec<PropertyTest>,
    of: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Named {
    series: Vec<SeriesId>,
    /// Something asks about the events themselves.
    walked: bool,
}

/// All that a set of conditions picks, each once.
#[derive(Clone, Debug, Default)]
pub struct Picks {
    picks: Vec<Pick>,
    names: HashMap<String, Named>,
}

impl Picks {
    /// Gives the event tests of a condition their series; answers which they are, each once. All conditions of a set are
    /// numbered before a history follows one of them.
    pub fn number(&mut self, condition: &mut Condition) -> Vec<SeriesId> {
        let mut ids = Vec::new();
        self.visit(condition, &mut ids);
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Others, who have no series, ask about events of this name.
    pub fn walk(&mut self, name: &str) {
        self.named(name).walked = true;
    }

    fn visit(&mut self, condition: &mut Condition, ids: &mut Vec<SeriesId>) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter_mut().for_each(|part| self.visit(part, ids)),
            Condition::Not(part) => self.visit(part, ids),
            Condition::Event(test) if is_summed(test.aggregate) => {
                let id = self.place(test);
                test.series = Some(id);
                ids.push(id);
            }
            Condition::Event(test) => self.walk(&test.name),
            Condition::Sequence(test) => test.steps.iter().chain(&test.without).for_each(|step| self.walk(&step.name)),
            _ => {}
        }
    }

    /// A count adds nothing up: any series of the same events has it.
    fn place(&mut self, test: &EventTest) -> SeriesId {
        let ids = self.names.get(&test.name).map(|named| named.series.as_slice()).unwrap_or_default();
        for id in ids {
            let pick = &mut self.picks[*id as usize];
            if pick.tests == test.tests && (pick.of == test.of || pick.of.is_none() || test.of.is_none()) {
                pick.of = pick.of.take().or_else(|| test.of.clone());
                return *id;
            }
        }
        let id = self.picks.len() as SeriesId;
        self.named(&test.name).series.push(id);
        self.picks.push(Pick { name: test.name.clone(), tests: test.tests.clone(), of: test.of.clone() });
        id
    }

    fn named(&mut self, name: &str) -> &mut Named {
        self.names.entry(name.to_owned()).or_default()
    }

    fn pick(&self, id: SeriesId) -> &Pick {
        &self.picks[id as usize]
    }

    /// The series that stand for the events of this name, if they do.
    fn instead(&self, name: &str) -> Option<&[SeriesId]> {
        let named = self.names.get(name)?;
        (!named.walked && (1..=MOST).contains(&named.series.len())).then_some(&named.series)
    }
}

fn is_summed(aggregate: Aggregate) -> bool {
    match aggregate {
        Aggregate::Count | Aggregate::Sum | Aggregate::Avg | Aggregate::Min | Aggregate::Max => true,
        Aggregate::First | Aggregate::Last | Aggregate::Distinct => false,
    }
}

/// A picked event.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    at: Timestamp,
    origin: Origin,
    /// None if the event has no number there.
    number: Option<Number>,
    /// Of this term and all before it, from anywhere on, the same for all terms: only differences mean something.
    sum: Sum,
}

impl Term {
    fn own(&self) -> Sum {
        Sum::of(self.number.into_iter())
    }
}

/// The terms, in the order of their events; those of one instant and origin stand in any.
#[derive(Clone, Debug, Default, PartialEq)]
struct Series(Vec<Term>);

impl Series {
    fn of(pick: &Pick, events: &[EventFact]) -> Series {
        let mut series = Series::default();
        events.iter().for_each(|event| series.learn(pick, event));
        series
    }

    fn learn(&mut self, pick: &Pick, event: &EventFact) {
        if *event.name != *pick.name || !properties_match(&pick.tests, &event.properties) {
            return;
        }
        let number = pick.of.as_ref().and_then(|of| event.properties.get(of)).and_then(Number::of);
        let place = self.0.partition_point(|term| (term.at, term.origin) <= (event.at, event.origin));
        let before = match place.checked_sub(1) {
            Some(before) => self.0[before].sum,
            None => self.base(),
        };
        let term = Term { at: event.at, origin: event.origin, number, sum: before };
        self.0.insert(place, term);
        let own = term.own();
        self.0[place..].iter_mut().for_each(|term| term.sum = term.sum.plus(own));
    }

    /// The sum of what is before all terms: of those that were let go.
    fn base(&self) -> Sum {
        self.0.first().map(|first| first.sum.minus(first.own())).unwrap_or_default()
    }

    fn join(&mut self, other: Series) {
        self.0.extend(other.0);
        self.0.sort_by_key(|term| (term.at, term.origin));
        let mut sum = Sum::default();
        for term in &mut self.0 {
            sum = sum.plus(term.own());
            term.sum = sum;
        }
    }

    /// Lets terms go that no window reaches any more, once they are more than the others.
    fn prune(&mut self, after: Timestamp) {
        let gone = self.0.partition_point(|term| term.at <= after);
        if gone > self.0.len() / 2 {
            self.0.drain(..gone);
        }
    }
}

/// What is known of one customer's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Ascending by [`EventFact::order`].
    events: Vec<EventFact>,
    /// By id. Where series stand for the events of a name, all of them are there or none, and if they are, the events are not.
    series: Vec<(SeriesId, Series)>,
    /// How many events there were when those were last let go that no window reaches.
    kept: usize,
}

/// The history of whoever has none.
pub(super) static NO_HISTORY: History = History { events: Vec::new(), series: Vec::new(), kept: 0 };

impl History {
    /// Of these events, in any order.
    pub fn of(mut events: Vec<EventFact>) -> History {
        events.sort_by_key(EventFact::order);
        History { events, series: Vec::new(), kept: 0 }
    }

    /// Those that no series stands for.
    pub fn events(&self) -> &[EventFact] {
        &self.events
    }

    /// An event is added, behind all others of its instant and origin.
    pub fn learn(&mut self, picks: &Picks, event: EventFact) {
        for (id, series) in &mut self.series {
            series.learn(picks.pick(*id), &event);
        }
        if picks.instead(&event.name).is_none_or(|ids| self.find(ids[0]).is_err()) {
            let place = self.events.partition_point(|known| known.order() <= event.order());
            self.events.insert(place, event);
        }
    }

    /// Keeps these series from now on.
    pub fn follow(&mut self, ids: &[SeriesId], picks: &Picks) {
        for id in ids {
            if self.find(*id).is_err() {
                match picks.instead(&picks.pick(*id).name) {
                    Some(all) => self.condense(all, picks),
                    None => self.add(*id, picks),
                }
            }
        }
    }

    /// The events of two customers who are one from now on.
    pub fn join(&mut self, mut other: History, picks: &Picks) {
        let condensed = |history: &History| {
            let ids = history.series.iter().filter_map(|(id, _)| picks.instead(&picks.pick(*id).name));
            ids.map(|ids| ids[0]).collect::<HashSet<SeriesId>>()
        };
        for first in condensed(self).union(&condensed(&other)) {
            let all = picks.instead(&picks.pick(*first).name).unwrap_or_default();
            self.condense(all, picks);
            other.condense(all, picks);
        }
        self.forget(picks);
        other.forget(picks);
        for ((id, series), (theirs, more)) in self.series.iter_mut().zip(other.series) {
            debug_assert_eq!(*id, theirs);
            series.join(more);
        }
        self.events.append(&mut other.events);
        self.events.sort_by_key(EventFact::order);
    }

    /// Lets events go that no window reaches any more: to read the customer anew would not bring them either. They are
    /// looked at when they have become twice as many, so that a long history costs each of its events the same.
    pub fn prune(&mut self, needs: &Needs, picks: &Picks, now: Timestamp) {
        for (id, series) in &mut self.series {
            if let Some(window) = needs.events.get(&picks.pick(*id).name).and_then(|need| need.window) {
                series.prune(now - window);
            }
        }
        let many = self.events.len();
        if many <= FEW.max(2 * self.kept) {
            return;
        }
        self.events.retain(|event| match needs.events.get(&*event.name).map(|need| need.window) {
            Some(Some(window)) => event.at > now - window,
            Some(None) => true,
            None => false,
        });
        self.kept = self.events.len();
    }

    /// Its bytes in memory, if an event with properties takes so many besides.
    pub fn weight(&self, properties: usize) -> usize {
        let with = self.events.iter().filter(|event| !event.properties.is_null()).count();
        let terms: usize = self.series.iter().map(|(_, series)| series.0.capacity()).sum();
        self.events.len() * size_of::<EventFact>()
            + with * properties
            + self.series.len() * size_of::<(SeriesId, Series)>()
            + terms * size_of::<Term>()
    }

    fn find(&self, id: SeriesId) -> Result<usize, usize> {
        self.series.binary_search_by_key(&id, |(known, _)| *known)
    }

    fn get(&self, id: SeriesId) -> Option<&Series> {
        self.find(id).ok().map(|place| &self.series[place].1)
    }

    fn add(&mut self, id: SeriesId, picks: &Picks) {
        if let Err(place) = self.find(id) {
            let series = Series::of(picks.pick(id), &self.events);
            self.series.insert(place, (id, series));
        }
    }

    /// Puts all series of a name in the place of its events.
    fn condense(&mut self, ids: &[SeriesId], picks: &Picks) {
        ids.iter().for_each(|id| self.add(*id, picks));
        if let Some(id) = ids.first() {
            let name = &picks.pick(*id).name;
            self.events.retain(|event| *event.name != **name);
            self.events.shrink_to_fit();
        }
    }

    /// Lets go of what can be made of the events again.
    fn forget(&mut self, picks: &Picks) {
        self.series.retain(|(id, _)| picks.instead(&picks.pick(*id).name).is_some());
    }
}

impl EventTest {
    /// What [`EventTest::evaluate`] finds by walking the events; `None` if there is no series of them.
    pub(super) fn evaluate_series(&self, now: Timestamp, history: &History) -> Option<Evaluation> {
        let Series(terms) = history.get(self.series?)?;
        let window = self.window(now);
        let (present, coming) = window.split(terms, |term| term.at);
        let next = coming.first().map(|term| term.at);
        if self.aggregate == Aggregate::Count {
            return Some(window.count(present.len(), |place| Some(present[place].at), next, self.is, &self.value));
        }
        let sum = || match (present.first(), present.last()) {
            (Some(first), Some(last)) => last.sum.minus(first.sum).plus(first.own()),
            _ => Sum::default(),
        };
        let numbers = present.iter().filter_map(|term| term.number);
        let found = match self.aggregate {
            Aggregate::Sum => sum().total().map(Number::Double),
            Aggregate::Avg => sum().average().map(Number::Double),
            Aggregate::Min => numbers.reduce(Number::lesser),
            Aggregate::Max => numbers.reduce(Number::greater),
            Aggregate::Count | Aggregate::First | Aggregate::Last | Aggregate::Distinct => return None,
        };
        let scale = if matches!(self.aggregate, Aggregate::Sum | Aggregate::Avg) { scaled } else { plain };
        let truth = found.map_or(Truth::Unknown, |found| test_number(found, self.is, &self.value, scale));
        let leaving = present.first().and_then(|first| window.leaves(first.at));
        Some(Evaluation { truth, until: earlier(leaving, next) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventNeed;
    use super::*;
    use crate::time::Span;
    use serde_json::{Value, json};

    const HOUR: i64 = 3_600_000_000;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * 60_000_000)
    }

    fn event(name: &str, minute: i64) -> EventFact {
        let properties = json!({"total": minute});
        EventFact { name: name.into(), at: at(minute), origin: Origin::Arrived, position: minute, properties }
    }

    /// Numbered in this order.
    fn numbered(conditions: &[Value]) -> (Vec<Vec<SeriesId>>, Picks, Needs) {
        let (mut picks, mut needs) = (Picks::default(), Needs::default());
        let ids = conditions.iter().map(|condition| {
            let mut condition: Condition = serde_json::from_value(condition.clone()).unwrap();
            needs.add(&condition);
            picks.number(&mut condition)
        });
        (ids.collect(), picks, needs)
    }

    fn count(history: &History, name: &str) -> usize {
        history.events().iter().filter(|event| *event.name == *name).count()
    }

    #[test]
    fn who_asks_the_same_shares_a_series() {
        let ordered = |within: &str| json!({"event": {"name": "Ordered", "within": within, "is": "ge", "value": 2}});
        let sum =
            |of: &str| json!({"event": {"name": "Ordered", "aggregate": "sum", "of": of, "is": "ge", "value": 9}});
        let all = json!({"all": [ordered("1h"), {"not": sum("total")}, {"event": {"name": "Viewed", "is": "exists"}}]});
        let (ids, ..) = numbered(&[ordered("1h"), ordered("9d"), sum("total"), sum("quantity"), all]);
        assert_eq!(ids, [vec![0], vec![0], vec![0], vec![1], vec![0, 2]]);
    }

    #[test]
    fn totals_take_the_place_of_events_that_nobody_walks() {
        let counted = |name: &str| json!({"event": {"name": name, "within": "1h", "is": "ge", "value": 2}});
        let last = json!({"event": {"name": "Viewed", "aggregate": "last", "of": "total", "is": "ge", "value": 2}});
        let (ids, mut picks, needs) = numbered(&[counted("Ordered"), counted("Viewed"), last, counted("Paid")]);
        picks.walk("Paid");
        let events = (0..50).flat_map(|minute| ["Ordered", "Viewed", "Paid"].map(|name| event(name, minute)));
        let mut history = History::of(events.collect());
        let before = history.weight(160);
        history.follow(&ids.concat(), &picks);
        let names = ["Ordered", "Viewed", "Paid"];
        assert_eq!(names.map(|name| count(&history, name)), [0, 50, 50]);
        assert!(history.weight(160) < before);
        names.iter().for_each(|name| history.learn(&picks, event(name, 200)));
        assert_eq!(names.map(|name| count(&history, name)), [0, 51, 51]);
        history.prune(&needs, &picks, at(220));
        let terms: Vec<usize> = history.series.iter().map(|(_, series)| series.0.len()).collect();
        // Of `Viewed` the last is asked about, whenever it was.
        assert_eq!((names.map(|name| count(&history, name)), terms), ([0, 51, 1], vec![1, 51, 1]));
    }

    /// Eight of 100 on the first day, one of 1 much later, then one of 1 that is late.
    #[test]
    fn b3_totals_that_let_terms_go_learn_at_their_beginning() {
        const DAY: i64 = 24 * 60;
        let of =
            |day: i64, total: i64| EventFact { properties: json!({ "total": total }), ..event("Ordered", day * DAY) };
        let asked = |aggregate: &str, is: &str, value: i64| json!({"event": {"name": "Ordered", "aggregate": aggregate, "of": "total", "within": "30d", "is": is, "value": value}});
        let count = json!({"event": {"name": "Ordered", "within": "30d", "is": "eq", "value": 2}});
        let conditions =
            [asked("sum", "eq", 2), asked("avg", "eq", 1), asked("min", "eq", 1), asked("max", "eq", 1), count];
        let (mut picks, mut needs) = (Picks::default(), Needs::default());
        let mut read: Vec<Condition> =
            conditions.iter().map(|one| serde_json::from_value(one.clone()).unwrap()).collect();
        let ids: Vec<_> = read.iter_mut().flat_map(|condition| picks.number(condition)).collect();
        read.iter().for_each(|condition| needs.add(condition));
        let mut history = History::of((0..8).map(|_| of(1, 100)).collect());
        history.follow(&ids, &picks);
        for late in [of(39, 1), of(20, 1)] {
            history.learn(&picks, late);
            history.prune(&needs, &picks, at(39 * DAY));
        }
        // What lies before every window changes none.
        history.learn(&picks, of(2, 100));
        for condition in read {
            let Condition::Event(test) = condition else { panic!("not of an event") };
            let found = test.evaluate_series(at(39 * DAY), &history).unwrap();
            assert_eq!((found.truth, found.until), (Truth::True, Some(at(50 * DAY))), "{test:?}");
        }
    }

    /// A customer whom something happens to all the time is never let go.
    #[test]
    fn events_that_no_window_reaches_are_let_go() {
        let need = |window| EventNeed { window, properties: Default::default() };
        let needs = [("Viewed", need(Some(Span::from_micros(HOUR)))), ("Ordered", need(None))];
        let needs = Needs { events: needs.map(|(name, need)| (name.to_owned(), need)).into(), ..Needs::default() };
        let picks = Picks::default();
        let mut history =
            History::of((0..100).flat_map(|minute| ["Viewed", "Ordered"].map(|name| event(name, minute))).collect());
        history.prune(&needs, &picks, at(100));
        assert_eq!((count(&history, "Viewed"), count(&history, "Ordered")), (59, 100));
        history.prune(&Needs::default(), &picks, at(100));
        assert_eq!(history.events().len(), 159, "they are not twice as many yet");
        (100..260).for_each(|minute| history.learn(&picks, event("Viewed", minute)));
        history.prune(&Needs::default(), &picks, at(260));
        assert!(history.events().is_empty(), "what nobody asks about any more");
    }
}
