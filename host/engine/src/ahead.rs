//! Reading ahead: the next batch is loaded and computed while the last one commits. A read then sees the database
//! before or after that commit, and nobody knows which; what the last batch changed is laid over it, so that
//! both look the same.
//!
//! Only what COMPUTE reads is laid over, and of that only what the lane does not hold anyway: the customers of the last
//! batch it does. Objects that rules and runs change are not: a batch that turns out to need one is not read ahead.

use hashbrown::{HashMap, HashSet};
use openhub_model::condition::{Needs, ObjectFact};
use openhub_model::identity::{Authority, Part};
use openhub_model::run::{Run, RunStatus};
use openhub_model::timer::Timer;
use openhub_model::{Id, Identity, PartId, Timestamp};
use openhub_store::{Changes, CustomerFacts, Judged, ObjectChange};

/// What of a batch is laid over reads while it commits. All else of it is written out for the commit and let go.
#[derive(Default)]
pub struct Ahead {
    pub checkpoint: i64,
    pub clock: Timestamp,
    /// Runs that changed, and when those come due that wait.
    runs: HashMap<Id, Option<Timer>>,
    /// Customers whose waking changed, and when they wake now.
    wakes: Vec<(PartId, Option<Timestamp>)>,
    claims: Vec<Judged>,
    /// Those of types that conditions ask about.
    objects: Vec<ObjectChange>,
}

impl Ahead {
    pub fn of(changes: &Changes, needs: &Needs) -> Ahead {
        let timer = |run: &Run| {
            let due = run.due.filter(|_| run.status == RunStatus::Waiting)?;
            Some(Timer::run(run.id, run.part, due))
        };
        let gone = changes.gone_customers.iter().map(|customer| (*customer, None));
        let asked = changes.objects.iter().filter(|change| needs.objects.contains(change.kind()));
        Ahead {
            checkpoint: changes.checkpoint,
            clock: changes.clock,
            runs: changes.runs.iter().map(|run| (run.id, timer(run))).collect(),
            wakes: changes.wakes.iter().map(|wake| (wake.customer, wake.due)).chain(gone).collect(),
            claims: changes.claims.iter().map(Judged::from).collect(),
            objects: asked.cloned().collect(),
        }
    }

    /// The timers due before `until`, and not behind `upto` if the read ended there.
    pub fn timers(&self, read: &mut Vec<Timer>, until: Timestamp, upto: Option<Timer>) {
        let wakes: HashSet<Id> = self.wakes.iter().map(|(customer, _)| Timer::wake(*customer, until).id).collect();
        read.retain(|timer| !self.runs.contains_key(&timer.id) && !wakes.contains(&timer.id));
        let runs = self.runs.values().copied().flatten();
        let wakes = self.wakes.iter().filter_map(|(customer, due)| Some(Timer::wake(*customer, (*due)?)));
        let armed = runs.chain(wakes);
        read.extend(armed.filter(|timer| timer.due < until && upto.is_none_or(|upto| *timer <= upto)));
        read.sort_unstable();
    }

    /// What is stored of these pairs.
    pub fn claims(&self, read: &mut Vec<Judged>, pairs: &[(PartId, Identity)]) {
        if self.claims.is_empty() || pairs.is_empty() {
            return;
        }
        let made: HashSet<(PartId, &Identity, Authority, i64)> =
            self.claims.iter().map(|claim| (claim.part, &claim.identity, claim.authority, claim.policy)).collect();
        read.retain(|claim| !made.contains(&(claim.part, &claim.identity, claim.authority, claim.policy)));
        let pairs: HashSet<(PartId, &Identity)> = pairs.iter().map(|(part, identity)| (*part, identity)).collect();
        let made = self.claims.iter().filter(|claim| pairs.contains(&(claim.part, &claim.identity)));
        read.extend(made.cloned());
    }

    /// Objects of customers that conditions ask about.
    pub fn objects(&self, read: &mut [(PartId, CustomerFacts)], parts: &[Part]) {
        let places: HashMap<PartId, usize> =
            read.iter().enumerate().map(|(place, (customer, _))| (*customer, place)).collect();
        let owners: HashMap<PartId, usize> =
            parts.iter().filter_map(|part| Some((part.id(), *places.get(&part.customer)?))).collect();
        for change in &self.objects {
            let (kind, key, object) = match change {
                ObjectChange::Create(object, _) | ObjectChange::Replace { object, .. } => {
                    (&object.kind, &object.key, Some(object))
                }
                ObjectChange::Delete { kind, key, .. } => (kind, key, None),
            };
            let same = |known: &ObjectFact| *known.kind == **kind && known.key == *key;
            read.iter_mut().for_each(|(_, facts)| facts.objects.retain(|known| !same(known)));
            if let Some(object) = object
                && let Some(facts) = object.part.and_then(|part| owners.get(&part)).map(|place| &mut read[*place].1)
            {
                let fact = ObjectFact { kind: kind.as_str().into(), key: key.clone(), fields: object.fields.clone() };
                facts.objects.push(fact);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::run::Told;
    use openhub_store::{ClaimRow, ClaimStatus};

    fn run(id: u8, status: RunStatus, due: Option<i64>) -> Run {
        let id = Id::named(&[&[id]]);
        Run {
            id,
            part: id,
            journey: "win-back".into(),
            version: 1,
            node: "quiet".into(),
            step: 1,
            status,
            awaits: Vec::new(),
            since: 0,
            due: due.map(Timestamp::from_micros),
            state: "{}".into(),
            started_at: Timestamp::from_micros(0),
            ended_at: None,
            fault: None,
            served_by: None,
            told: Told::default(),
        }
    }

    fn timer(id: u8, due: i64) -> Timer {
        let id = Id::named(&[&[id]]);
        Timer::run(id, id, Timestamp::from_micros(due))
    }

    /// Whether the commit is seen by the read or not, the timers are the same.
    #[test]
    fn timers_are_those_after_the_commit() {
        let changes = Changes {
            runs: vec![
                run(1, RunStatus::Done, None),
                run(2, RunStatus::Waiting, Some(30)),
                run(3, RunStatus::Waiting, Some(90)),
            ],
            ..Changes::default()
        };
        let ahead = Ahead::of(&changes, &Needs::default());
        let until = Timestamp::from_micros(80);
        let (mut before, mut after) =
            (vec![timer(1, 10), timer(2, 20), timer(4, 40)], vec![timer(2, 30), timer(4, 40)]);
        ahead.timers(&mut before, until, None);
        ahead.timers(&mut after, until, None);
        assert_eq!(before, [timer(2, 30), timer(4, 40)]);
        assert_eq!(before, after);
    }

    /// A read that was cut says nothing of what lies behind its end.
    #[test]
    fn nothing_is_armed_behind_the_end_of_the_read() {
        let changes = Changes { runs: vec![run(2, RunStatus::Waiting, Some(60))], ..Changes::default() };
        let mut read = vec![timer(4, 40)];
        Ahead::of(&changes, &Needs::default()).timers(&mut read, Timestamp::from_micros(80), Some(timer(4, 40)));
        assert_eq!(read, [timer(4, 40)]);
    }

    fn claim(part: u8, authority: Authority, status: ClaimStatus) -> ClaimRow {
        ClaimRow {
            part: Id::named(&[&[part]]),
            identity: Identity::new("email", "a@example.com"),
            authority,
            policy: 0,
            position: 1,
            source: "1".to_owned(),
            status,
        }
    }

    #[test]
    fn claims_are_those_after_the_commit() {
        let (stored, server) = (ClaimStatus::Undone, Authority::Server);
        let changes = Changes {
            claims: vec![claim(1, server, ClaimStatus::Joined), claim(3, server, ClaimStatus::Joined)],
            ..Changes::default()
        };
        let ahead = Ahead::of(&changes, &Needs::default());
        let pairs = [1, 2].map(|part| (Id::named(&[&[part]]), Identity::new("email", "a@example.com")));
        let judged = |part, authority, status| Judged::from(&claim(part, authority, status));
        let mut before =
            vec![judged(1, Authority::Browser, stored), judged(1, server, stored), judged(2, server, stored)];
        let mut after = vec![
            judged(1, Authority::Browser, stored),
            judged(2, server, stored),
            judged(1, server, ClaimStatus::Joined),
        ];
        ahead.claims(&mut before, &pairs);
        ahead.claims(&mut after, &pairs);
        assert_eq!(before, after);
        assert_eq!(before.iter().filter(|claim| claim.status == ClaimStatus::Joined).count(), 1);
    }
}
