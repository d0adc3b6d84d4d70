//! Blocks: what holds a subscription back, each for a reason of its own. What one stops goes on once no other stops it, too.
//!
//! A block deletes nothing. It is kept when it is lifted: a statement has to tell what was not charged while it was in force.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::{Quarter, Timestamp};

/// What a block stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum Stop {
    /// The partner goes over to no other version, and resumes nothing.
    Changes = 1,
    /// What the subscription made does not act.
    Service = 2,
    /// What is used costs nothing.
    Billing = 4,
}

impl Stop {
    pub const ALL: [Stop; 3] = [Stop::Changes, Stop::Service, Stop::Billing];

    /// A bit of [`Stops::bits`].
    pub const fn bit(self) -> i64 {
        self as i64
    }
}

/// What something stops, each thing once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stops(BTreeSet<Stop>);

impl Stops {
    pub fn has(&self, stop: Stop) -> bool {
        self.0.contains(&stop)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As one number.
    pub fn bits(&self) -> i64 {
        self.0.iter().map(|stop| stop.bit()).sum()
    }

    pub fn from_bits(bits: i64) -> Stops {
        Stop::ALL.into_iter().filter(|stop| bits & stop.bit() != 0).collect()
    }

    /// All that blocks stop together.
    pub fn of<'a>(blocks: impl IntoIterator<Item = &'a Stops>) -> Stops {
        blocks.into_iter().flat_map(|stops| stops.0.iter().copied()).collect()
    }
}

impl FromIterator<Stop> for Stops {
    fn from_iter<T: IntoIterator<Item = Stop>>(stops: T) -> Stops {
        Stops(stops.into_iter().collect())
    }
}

/// How a block stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockState {
    InForce,
    Lifted,
}

impl BlockState {
    pub fn of(lifted_at: Option<Timestamp>) -> BlockState {
        if lifted_at.is_some() { BlockState::Lifted } else { BlockState::InForce }
    }

    /// What lifting makes of it, by who set it or by somebody else; none: it cannot be done.
    pub const fn lifted(self, by: By) -> Option<BlockState> {
        match (self, by) {
            (BlockState::InForce, By::WhoSetIt) => Some(BlockState::Lifted),
            _ => None,
        }
    }
}

/// Who lifts a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    WhoSetIt,
    SomebodyElse,
}

/// A time in which what is used costs nothing, in whole quarters of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unbilled {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Unbilled {
    pub fn has(&self, quarter: Quarter) -> bool {
        (self.from..self.to).contains(&quarter.begins())
    }
}

/// The parts of a period in which one of these blocks on billing was in force: set then, and lifted then or not yet. The quarters in which
/// one was set or lifted belong to them as a whole. They do not touch each other, and the earliest is the first.
pub fn unbilled(
    blocks: impl IntoIterator<Item = (Timestamp, Option<Timestamp>)>,
    (from, to): (Timestamp, Timestamp),
) -> Vec<Unbilled> {
    let whole = |(set, lifted): (Timestamp, Option<Timestamp>)| {
        let end = lifted.map_or(to, |at| Quarter::new(Quarter::of(at).number() + 1).begins());
        Unbilled { from: Quarter::of(set).begins().max(from), to: end.min(to) }
    };
    let mut parts: Vec<Unbilled> = blocks.into_iter().map(whole).filter(|part| part.from < part.to).collect();
    parts.sort_unstable();
    let mut merged: Vec<Unbilled> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.from <= last.to => last.to = last.to.max(part.to),
            _ => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_block() {
        use BlockState::{InForce, Lifted};
        for (state, by, expected) in [
            (InForce, By::WhoSetIt, Some(Lifted)),
            (InForce, By::SomebodyElse, None),
            (Lifted, By::WhoSetIt, None),
            (Lifted, By::SomebodyElse, None),
        ] {
            assert_eq!(state.lifted(by), expected, "{state:?} {by:?}");
        }
    }

    /// Two blocks, each set or not, lifted or not: a thing is stopped as long as one of them is in force that stops it.
    #[test]
    fn what_is_stopped_goes_on_once_nothing_stops_it() {
        use Stop::{Billing, Changes, Service};
        let stops = |of: &[Stop]| of.iter().copied().collect::<Stops>();
        let one = stops(&[Service, Changes]);
        let other = stops(&[Service, Billing]);
        #[rustfmt::skip]
        let table: [(&[&Stops], &[Stop]); 4] = [
            (&[],             &[]),
            (&[&one],         &[Changes, Service]),
            (&[&one, &other], &[Changes, Service, Billing]),
            (&[&other],       &[Service, Billing]),
        ];
        for (in_force, expected) in table {
            assert_eq!(Stops::of(in_force.iter().copied()), stops(expected));
        }
    }

    #[test]
    fn stops_are_one_number() {
        for bits in 0..8 {
            assert_eq!(Stops::from_bits(bits).bits(), bits);
        }
        assert_eq!(
            serde_json::to_value(Stops::from_bits(7)).unwrap(),
            serde_json::json!(["changes", "service", "billing"])
        );
    }

    #[test]
    fn what_is_not_charged_is_told_in_whole_quarters_and_once() {
        let at = |text: &str| -> Timestamp { format!("2026-11-{text}Z").parse().unwrap() };
        let period = (at("01T00:00:00"), at("30T00:00:00"));
        let part = |from: &str, to: &str| Unbilled { from: at(from), to: at(to) };
        for (blocks, expected) in [
            (vec![], vec![]),
            (vec![(at("10T10:07:00"), Some(at("10T10:08:00")))], vec![part("10T10:00:00", "10T10:15:00")]),
            // One that is still in force, one within it, and one that touches neither.
            (
                vec![
                    (at("20T00:00:00"), None),
                    (at("21T00:00:00"), Some(at("22T00:00:00"))),
                    (at("05T00:00:00"), Some(at("06T23:59:59"))),
                ],
                vec![part("05T00:00:00", "07T00:00:00"), part("20T00:00:00", "30T00:00:00")],
            ),
            // What follows at once is one part.
            (
                vec![(at("02T00:00:00"), Some(at("02T00:14:00"))), (at("02T00:15:00"), Some(at("02T00:16:00")))],
                vec![part("02T00:00:00", "02T00:30:00")],
            ),
            (vec![(at("30T00:00:00"), None)], vec![]),
        ] {
            assert_eq!(unbilled(blocks, period), expected);
        }
        assert!(part("02T00:00:00", "02T00:30:00").has(Quarter::of(at("02T00:29:00"))));
        assert!(!part("02T00:00:00", "02T00:30:00").has(Quarter::of(at("02T00:30:00"))));
    }
}
