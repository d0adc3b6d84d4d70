//! The sequence leaf: each step is looked for after the one before it.

use openhub_model::condition::{MAX_STEPS, SequenceTest, Step};

use super::AsOf;
use super::events::{Alias, Bodies};
use crate::database::filters::Sql;

const STEPS: [Alias; MAX_STEPS] = [
    Alias { part: "p0", event: "e0", body: "b0" },
    Alias { part: "p1", event: "e1", body: "b1" },
    Alias { part: "p2", event: "e2", body: "b2" },
    Alias { part: "p3", event: "e3", body: "b3" },
    Alias { part: "p4", event: "e4", body: "b4" },
    Alias { part: "p5", event: "e5", body: "b5" },
    Alias { part: "p6", event: "e6", body: "b6" },
    Alias { part: "p7", event: "e7", body: "b7" },
];
const WITHOUT: Alias = Alias { part: "p8", event: "e8", body: "b8" };

/// Longer than the time that can be written, and short enough to be added to a time.
const LONGEST: i64 = 400_000_000_000_000_000;

/// PostgreSQL would make one join of all steps, and try every event of everyone for each; with an OFFSET it looks for one
/// step after the other.
const STEP_BY_STEP: &str = " OFFSET 0)";

impl Sql {
    pub(super) fn sequence(&mut self, test: &SequenceTest, as_of: AsOf) -> &mut Self {
        if test.steps.is_empty() || test.steps.len() > MAX_STEPS {
            return self.unknown();
        }
        self.steps_from(test, 0, as_of)
    }

    fn steps_from(&mut self, test: &SequenceTest, index: usize, as_of: AsOf) -> &mut Self {
        let (first, here) = (STEPS[0], STEPS[index]);
        self.step("EXISTS (SELECT 1 FROM ", &test.steps[index], here, test, as_of);
        if index > 0 {
            self.push(" AND ").not_before(here, STEPS[index - 1]);
            for earlier in &STEPS[..index] {
                self.push(" AND ").another(here, *earlier);
            }
            if let Some(within) = test.within {
                self.push(" AND ").push(here.event).push(".occurred_at <= ").push(first.event);
                self.push(".occurred_at + ").int(within.micros().min(LONGEST));
            }
        }
        if index + 1 < test.steps.len() {
            self.push(" AND ").steps_from(test, index + 1, as_of);
        } else if let Some(without) = &test.without {
            self.step(" AND NOT EXISTS (SELECT 1 FROM ", without, WITHOUT, test, as_of);
            self.push(" AND ").later(WITHOUT, first).push(" AND ").later(here, WITHOUT).either(")", STEP_BY_STEP);
        }
        self.either(")", STEP_BY_STEP)
    }

    fn step(&mut self, head: &'static str, step: &Step, alias: Alias, test: &SequenceTest, as_of: AsOf) -> &mut Self {
        let bodies = if step.tests.is_empty() { Bodies::Unread } else { Bodies::Joined };
        self.push(head).customers_events(alias, &step.name, bodies, as_of).since(alias, test.during, as_of);
        self.properties(alias, &step.tests)
    }

    /// What happened at one instant happened at the same time.
    fn not_before(&mut self, later: Alias, earlier: Alias) -> &mut Self {
        self.push(later.event).push(".occurred_at >= ").push(earlier.event).push(".occurred_at")
    }

    fn later(&mut self, later: Alias, earlier: Alias) -> &mut Self {
        self.push(later.event).push(".occurred_at > ").push(earlier.event).push(".occurred_at")
    }

    fn another(&mut self, one: Alias, other: Alias) -> &mut Self {
        self.push(one.event).push(".position <> ").push(other.event).push(".position")
    }
}
