//! When a job runs: by a cron expression in a time zone, or at equal spans of time; and what becomes of times that passed while
//! nobody could run it.
//!
//! The times of a schedule follow from it alone: no node has to remember when it ran a job last. A local time that does not exist
//! moves to the next that does; one that exists twice comes once.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::id::Id;
use crate::manifest::{CatchUp, JobShape};
use crate::time::{Span, Timestamp};

/// What runs more often keeps its tenant awake for nothing.
const SHORTEST: Span = Span::from_micros(1_000_000);
const LONGEST: Span = Span::from_micros(366 * 86_400_000_000);
/// Of a run.
const TIMEOUT: Span = Span::from_micros(60_000_000);
const LONGEST_TIMEOUT: Span = Span::from_micros(600_000_000);
/// Missed times that are made up for: unless the manifest says how many, and at most.
const AT_MOST: u32 = 100;
const MOST: u32 = 1_000;
/// A time that is over for longer is missed.
const LATE: Span = Span::from_micros(60_000_000);

/// The times of one job.
#[derive(Clone)]
pub struct Schedule {
    when: When,
    catch_up: CatchUp,
    at_most: usize,
    timeout: Span,
}

#[derive(Clone)]
enum When {
    Cron {
        cron: Box<Cron>,
        zone: TimeZone,
    },
    /// At all multiples of `every` past `offset`.
    Every {
        every: i64,
        offset: i64,
    },
    /// Only when somebody asks.
    ByHand,
}

/// What a job is to do at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It runs, for this time of its schedule.
    Run(Timestamp),
    /// What was missed is left out: it runs at this time next.
    Wait(Option<Timestamp>),
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").field("catch_up", &self.catch_up).finish_non_exhaustive()
    }
}

impl Schedule {
    /// `owner` names the job's tenant and plugin: equal spans begin at a moment that follows from it, so that not all tenants' jobs
    /// begin at once.
    pub fn of(shape: &JobShape, owner: &[&[u8]]) -> Result<Schedule, String> {
        let when = match (&shape.cron, &shape.every) {
            (Some(_), Some(_)) => return Err("it has `cron` and `every`: write one of them".to_owned()),
            (Some(text), None) => When::Cron { cron: Box::new(cron(text)?), zone: zone(shape.time_zone.as_deref())? },
            (None, every) => {
                if shape.time_zone.is_some() {
                    return Err("its `time_zone` belongs to `cron`, and there is none: remove it".to_owned());
                }
                every.as_ref().map_or(Ok(When::ByHand), |text| equal(text, &shape.name, owner))?
            }
        };
        let at_most = shape.at_most.unwrap_or(AT_MOST);
        if !(1..=MOST).contains(&at_most) {
            return Err(format!("its `at_most` is {at_most}: 1 to {MOST}"));
        }
        let timeout = match &shape.timeout {
            None => TIMEOUT,
            Some(text) => span("timeout", text, Span::from_micros(1_000_000), LONGEST_TIMEOUT)?,
        };
        Ok(Schedule { when, catch_up: shape.catch_up, at_most: at_most as usize, timeout })
    }

    /// As [`Schedule::of`], and whether its time ever comes: for a manifest that is new.
    pub fn check(shape: &JobShape) -> Result<(), String> {
        let schedule = Schedule::of(shape, &[])?;
        let is_by_hand = matches!(schedule.when, When::ByHand);
        match is_by_hand || schedule.next(Timestamp::default()).is_some() {
            true => Ok(()),
            false => Err(format!("the time of its `cron` never comes: {}", shape.cron.as_deref().unwrap_or_default())),
        }
    }

    /// How long a run may take.
    pub fn timeout(&self) -> Span {
        self.timeout
    }

    /// The first time behind `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Cron { cron, zone } => at(&cron.find_next_occurrence(&zoned(after, zone)?, false).ok()?),
            When::Every { every, offset } => {
                let passed = after.micros().checked_sub(*offset)?.div_euclid(*every);
                passed.checked_add(1)?.checked_mul(*every)?.checked_add(*offset).map(Timestamp::from_micros)
            }
            When::ByHand => None,
        }
    }

    /// The last time up to `now`.
    fn last(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Cron { cron, zone } => {
                // Of the second that has begun.
                let second = Timestamp::from_micros(now.micros().div_euclid(1_000_000) * 1_000_000);
                at(&cron.find_previous_occurrence(&zoned(second, zone)?, true).ok()?)
            }
            When::Every { every, .. } => self.next(now).map(|next| next - Span::from_micros(*every)),
            When::ByHand => None,
        }
    }

    /// What is to be done at `now`, where `slot` is the first time of the schedule that was not served: it has come.
    pub fn choose(&self, slot: Timestamp, now: Timestamp) -> Choice {
        let last = self.last(now).filter(|last| *last >= slot).unwrap_or(slot);
        match self.catch_up {
            CatchUp::Skip if now - LATE > last => Choice::Wait(self.next(now)),
            CatchUp::Skip | CatchUp::Once => Choice::Run(last),
            CatchUp::All => {
                let mut first = last;
                for _ in 1..self.at_most {
                    let before = self.last(first - Span::from_micros(1)).filter(|before| *before >= slot);
                    let Some(before) = before else { break };
                    first = before;
                }
                Choice::Run(first)
            }
        }
    }
}

fn cron(text: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map_err(|error| {
        format!("its `cron` is {text:?}: {error}. Write minute, hour, day of the month, month and day of the week, like \"0 3 * * *\"")
    })
}

fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name else { return Ok(TimeZone::UTC) };
    TimeZone::get(name)
        .map_err(|_| format!("its `time_zone` is {name:?}: write the name of a zone, like \"Europe/Berlin\""))
}

fn equal(text: &str, job: &str, owner: &[&[u8]]) -> Result<When, String> {
    let every = span("every", text, SHORTEST, LONGEST)?.micros();
    let mut parts = owner.to_vec();
    parts.push(job.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&Id::named(&parts).as_bytes()[..8]);
    let offset = i64::try_from(u64::from_le_bytes(bytes) % every.unsigned_abs()).unwrap_or_default();
    Ok(When::Every { every, offset })
}

fn span(name: &str, text: &str, least: Span, most: Span) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if (least..=most).contains(&span) => Ok(span),
        Ok(_) => Err(format!("its `{name}` is {text}: {least} to {most}")),
        Err(_) => Err(format!("its `{name}` is {text:?}: write a span of time, like \"15m\"")),
    }
}

fn zoned(time: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    jiff::Timestamp::from_microsecond(time.micros()).ok().map(|time| time.to_zoned(zone.clone()))
}

fn at(zoned: &Zoned) -> Option<Timestamp> {
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

/// A schedule as people are told it.
pub fn in_words(shape: &JobShape) -> String {
    match (&shape.cron, &shape.every) {
        (Some(cron), _) => format!("at `{cron}` ({})", shape.time_zone.as_deref().unwrap_or("UTC")),
        (None, Some(every)) => format!("every {every}"),
        (None, None) => "when somebody asks".to_owned(),
    }
}

/// The same in Chinese.
pub fn in_chinese(shape: &JobShape) -> String {
    match (&shape.cron, &shape.every) {
        (Some(cron), _) => format!("按 `{cron}`（{}）", shape.time_zone.as_deref().unwrap_or("UTC")),
        (None, Some(every)) => format!("每隔 {every}"),
        (None, None) => "仅在有人要求时".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(cron: Option<&str>, every: Option<&str>, catch_up: CatchUp) -> JobShape {
        let own = |text: Option<&str>| text.map(str::to_owned);
        JobShape { name: "job".to_owned(), cron: own(cron), every: own(every), catch_up, ..JobShape::default() }
    }

    fn berlin(cron: &str) -> Schedule {
        let shape = JobShape { time_zone: Some("Europe/Berlin".to_owned()), ..shape(Some(cron), None, CatchUp::Once) };
        Schedule::of(&shape, &[]).unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn times(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        let first = schedule.next(time(after));
        std::iter::successors(first, |at| schedule.next(*at)).take(count).map(|at| at.to_string()).collect()
    }

    #[test]
    fn a_local_time_that_is_not_there_moves_on_and_one_that_is_twice_comes_once() {
        let spring = times(&berlin("30 2 * * *"), "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = times(&berlin("30 2 * * *"), "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn equal_spans_begin_where_their_owner_says() {
        let of = |owner: &[&[u8]]| Schedule::of(&shape(None, Some("15m"), CatchUp::Once), owner).unwrap();
        let one = of(&[b"1", b"shop"]);
        let at = |schedule: &Schedule| schedule.next(time("2026-01-01T00:00:00Z")).unwrap();
        let next = one.next(at(&one)).unwrap();
        assert_eq!(next.micros() - at(&one).micros(), 15 * 60_000_000);
        assert_eq!(at(&one), at(&of(&[b"1", b"shop"])), "whoever asks, and whenever");
        assert_ne!(at(&one), at(&of(&[b"2", b"shop"])));
        assert_eq!(one.last(at(&one)), Some(at(&one)));
    }

    #[test]
    fn what_was_missed_is_caught_up_as_the_manifest_says() {
        let hourly = |catch_up, at_most| {
            let shape = JobShape { at_most, ..shape(Some("0 * * * *"), None, catch_up) };
            Schedule::of(&shape, &[]).unwrap()
        };
        let (slot, now) = (time("2026-01-01T01:00:00Z"), time("2026-01-01T05:30:00Z"));
        let run = |text: &str| Choice::Run(time(text));
        assert_eq!(hourly(CatchUp::Skip, None).choose(slot, now), Choice::Wait(Some(time("2026-01-01T06:00:00Z"))));
        assert_eq!(hourly(CatchUp::Skip, None).choose(slot, time("2026-01-01T05:00:30Z")), run("2026-01-01T05:00:00Z"));
        assert_eq!(hourly(CatchUp::Once, None).choose(slot, now), run("2026-01-01T05:00:00Z"));
        assert_eq!(hourly(CatchUp::All, None).choose(slot, now), run("2026-01-01T01:00:00Z"));
        assert_eq!(hourly(CatchUp::All, Some(2)).choose(slot, now), run("2026-01-01T04:00:00Z"));
        assert_eq!(hourly(CatchUp::All, None).choose(slot, slot), run("2026-01-01T01:00:00Z"), "nothing is missed");
        let every = Schedule::of(&shape(None, Some("1h"), CatchUp::All), &[]).unwrap();
        let first = every.next(slot).unwrap();
        assert_eq!(every.choose(first, first + Span::from_micros(3 * 3_600_000_000)), Choice::Run(first));
    }

    #[test]
    fn a_schedule_that_makes_no_sense_is_told() {
        let zoned =
            |zone: &str| JobShape { time_zone: Some(zone.to_owned()), ..shape(Some("0 3 * * *"), None, CatchUp::Skip) };
        assert_eq!(Schedule::check(&zoned("Asia/Shanghai")), Ok(()));
        for (wrong, told) in [
            (zoned("Europe/Nowhere"), "time_zone"),
            (shape(Some("0 3 * *"), None, CatchUp::Once), "cron"),
            (shape(Some("0 0 3 * * *"), None, CatchUp::Once), "cron"),
            (shape(Some("0 0 31 2 *"), None, CatchUp::Once), "never comes"),
            (shape(Some("0 3 * * *"), Some("1h"), CatchUp::Once), "one of them"),
            (shape(None, Some("10ms"), CatchUp::Once), "every"),
            (shape(None, Some("soon"), CatchUp::Once), "every"),
            (JobShape { at_most: Some(0), ..shape(None, Some("1h"), CatchUp::All) }, "at_most"),
            (JobShape { timeout: Some("1h".to_owned()), ..shape(None, Some("1h"), CatchUp::Once) }, "timeout"),
            (JobShape { time_zone: Some("UTC".to_owned()), ..shape(None, Some("1h"), CatchUp::Once) }, "time_zone"),
        ] {
            let why = Schedule::check(&wrong).unwrap_err();
            assert!(why.contains(told), "{wrong:?}: {why}");
        }
        let by_hand = shape(None, None, CatchUp::Once);
        assert_eq!(Schedule::check(&by_hand), Ok(()));
        assert_eq!(Schedule::of(&by_hand, &[]).unwrap().next(Timestamp::default()), None);
    }
}
