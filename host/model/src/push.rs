//! Pushes: a provider takes its subscribers from a version of an offering to another, wave by wave. A wave begins when the one before is done,
//! and too many failures in one stop the push.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::id::Id;

/// Of a push at most.
pub const WAVES: usize = 20;
/// Percent of a wave that may not fail, unless told.
pub const STOP_AT: i64 = 20;

/// Who belongs to a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Wave {
    /// So many of all that the push is for, with those of the waves before.
    Percent(i64),
    /// These subscriptions.
    Subscribers(BTreeSet<Id>),
}

/// How a push stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum PushState {
    Running = 0,
    /// Nobody else is begun with. Whoever is under way gets there.
    Paused = 1,
    /// As paused, for good.
    Stopped = 2,
    Done = 3,
}

/// What may become of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushAct {
    Pause,
    Resume,
    Stop,
    /// Its last wave is done.
    End,
}

impl PushState {
    pub const ALL: [PushState; 4] = [PushState::Running, PushState::Paused, PushState::Stopped, PushState::Done];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<PushState> {
        PushState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What the act makes of it; none: it cannot be done now.
    pub const fn after(self, act: PushAct) -> Option<PushState> {
        match (self, act) {
            (PushState::Running, PushAct::Pause) => Some(PushState::Paused),
            (PushState::Paused, PushAct::Resume) => Some(PushState::Running),
            (PushState::Running | PushState::Paused, PushAct::Stop) => Some(PushState::Stopped),
            (PushState::Running, PushAct::End) => Some(PushState::Done),
            _ => None,
        }
    }
}

/// How far a push has come with one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(i64)]
pub enum TargetState {
    /// Its wave has not begun, or something else is under way there.
    Waiting = 0,
    Running = 1,
    Upgraded = 2,
    /// The partner has to agree, or to say what may be overwritten. It goes on at the version that it has.
    AwaitsPartner = 3,
    Failed = 4,
    /// It is ended, blocked, or at another version already.
    Skipped = 5,
}

impl TargetState {
    pub const ALL: [TargetState; 6] = [
        TargetState::Waiting,
        TargetState::Running,
        TargetState::Upgraded,
        TargetState::AwaitsPartner,
        TargetState::Failed,
        TargetState::Skipped,
    ];

    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Option<TargetState> {
        TargetState::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether the push has no more to do there.
    pub const fn is_settled(self) -> bool {
        !matches!(self, TargetState::Waiting | TargetState::Running)
    }
}

/// All that is wrong with waves, at places below `/waves`.
pub fn faults(waves: &[Wave]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !(1..=WAVES).contains(&waves.len()) {
        faults.push(Fault::new("/waves", "out-of-range", format!("A push has 1 to {WAVES} waves.")));
    }
    let mut before = 0;
    for (at, wave) in waves.iter().enumerate() {
        let (pointer, wrong) = match wave {
            Wave::Percent(percent) => {
                let is_wrong = !(before + 1..=100).contains(percent);
                before = before.max(*percent);
                ("percent", is_wrong)
            }
            Wave::Subscribers(ids) => ("subscribers", ids.is_empty()),
        };
        if wrong {
            let message = "A percent is 1 to 100 and greater than those before, and a list names somebody.";
            faults.push(Fault::new(format!("/waves/{at}/{pointer}"), "out-of-range", message));
        }
    }
    faults
}

/// Who is in which wave, from 0: each in the first that takes it. Whom no wave takes is not in the push. Who comes first by percent is by
/// chance, and the same whoever computes it.
pub fn assign(push: Id, waves: &[Wave], subscribers: &BTreeSet<Id>) -> Vec<(Id, i64)> {
    let mut left: Vec<Id> = subscribers.iter().copied().collect();
    left.sort_by_key(|id| Id::named(&[b"wave", push.as_bytes(), id.as_bytes()]));
    let (all, mut assigned) = (left.len(), Vec::new());
    for (wave, number) in waves.iter().zip(0..) {
        let taken: Vec<Id> = match wave {
            Wave::Percent(percent) => {
                let until = (all * usize::try_from(*percent).unwrap_or_default()).div_ceil(100);
                left.iter().copied().take(until.saturating_sub(assigned.len())).collect()
            }
            Wave::Subscribers(ids) => left.iter().copied().filter(|id| ids.contains(id)).collect(),
        };
        left.retain(|id| !taken.contains(id));
        assigned.extend(taken.into_iter().map(|id| (id, number)));
    }
    assigned
}

/// Whether so many failures of a wave are too many.
pub const fn is_too_many(failed: usize, of_wave: usize, stop_at: i64) -> bool {
    failed > 0 && failed as i128 * 100 >= of_wave as i128 * stop_at as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_push() {
        use PushState::{Done, Paused, Running, Stopped};
        #[rustfmt::skip]
        let table = [
            //         Pause         Resume         Stop           End
            (Running, [Some(Paused), None,          Some(Stopped), Some(Done)]),
            (Paused,  [None,         Some(Running), Some(Stopped), None]),
            (Stopped, [None,         None,          None,          None]),
            (Done,    [None,         None,          None,          None]),
        ];
        assert_eq!(table.map(|(state, _)| state), PushState::ALL);
        for (state, row) in table {
            let acts = [PushAct::Pause, PushAct::Resume, PushAct::Stop, PushAct::End];
            assert_eq!(acts.map(|act| state.after(act)), row, "{state:?}");
            assert_eq!(PushState::from_code(state.code()), Some(state));
        }
    }

    #[test]
    fn a_wave_is_done_when_nothing_is_left_to_do_in_it() {
        use TargetState::{AwaitsPartner, Failed, Running, Skipped, Upgraded, Waiting};
        let settled = TargetState::ALL.map(|state| (state, state.is_settled()));
        let expected = [
            (Waiting, false),
            (Running, false),
            (Upgraded, true),
            (AwaitsPartner, true),
            (Failed, true),
            (Skipped, true),
        ];
        assert_eq!(settled, expected);
    }

    fn ids(numbers: std::ops::Range<u8>) -> BTreeSet<Id> {
        numbers.map(|number| Id::named(&[&[number]])).collect()
    }

    #[test]
    fn each_subscriber_is_in_one_wave() {
        let (push, all) = (Id::named(&[b"push"]), ids(0..30));
        let named = ids(3..5);
        let waves = [Wave::Subscribers(named.clone()), Wave::Percent(10), Wave::Percent(55), Wave::Percent(100)];
        let assigned = assign(push, &waves, &all);
        let sizes = [0, 1, 2, 3].map(|wave| assigned.iter().filter(|(_, of)| *of == wave).count());
        assert_eq!(sizes, [2, 1, 14, 13], "a percentage counts who came before");
        let first: BTreeSet<Id> = assigned.iter().filter(|(_, of)| *of == 0).map(|(id, _)| *id).collect();
        assert_eq!(first, named);
        let once: BTreeSet<Id> = assigned.iter().map(|(id, _)| *id).collect();
        assert_eq!((once, assigned.len()), (all.clone(), 30));
        assert_eq!(assign(push, &waves, &all), assigned, "the same again");
        assert_eq!(assign(push, &[Wave::Percent(10)], &all).len(), 3, "whom no wave takes is not in it");
        assert_eq!(assign(push, &[Wave::Percent(1)], &ids(0..3)).len(), 1, "a part of one is one");
        assert!(assign(push, &waves, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn failures_stop_a_push_from_their_part_of_the_wave_on() {
        for (failed, of_wave, stop_at, expected) in [
            (0, 10, 20, false),
            (1, 10, 20, false),
            (2, 10, 20, true),
            (1, 1, 100, true),
            (1, 2, 100, false),
            (1, 1000, 0, true),
            (0, 0, 0, false),
        ] {
            assert_eq!(is_too_many(failed, of_wave, stop_at), expected, "{failed} of {of_wave} at {stop_at}");
        }
    }

    #[test]
    fn waves_that_make_no_sense_are_told() {
        let places = |waves: &[Wave]| faults(waves).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>();
        assert_eq!(places(&[]), ["/waves"]);
        assert_eq!(
            places(&[Wave::Percent(50), Wave::Percent(50), Wave::Percent(101)]),
            ["/waves/1/percent", "/waves/2/percent"]
        );
        assert_eq!(places(&[Wave::Subscribers(BTreeSet::new()), Wave::Percent(100)]), ["/waves/0/subscribers"]);
        let read: Vec<Wave> = serde_json::from_value(serde_json::json!([{"percent": 10}, {"percent": 100}])).unwrap();
        assert_eq!(places(&read), Vec::<String>::new());
    }
}
