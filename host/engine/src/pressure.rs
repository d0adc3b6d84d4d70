//! How far the log may be ahead of the engine. Bursts are taken as they come; then those who append are slowed, and so
//! learn of it by waiting; and above a bound their tenant, and no other, is told to come back later.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openhub_model::TenantId;
use openhub_model::identity::Authority;

/// What the engine may be behind by at most: so many events, and so much work of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub events: u64,
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { events: 2_000_000, time: Duration::from_secs(300) }
    }
}

/// Of the bound: up to here nobody is slowed.
const BURST: f64 = 0.15;
/// Of the bound: here as much comes in as goes out.
const STEADY: f64 = 0.25;
/// Of the bound: what is worked off before those who were sent away are to come back.
const RELIEF: f64 = 0.1;
/// For so long an append waits at most before it is sent away instead.
const PATIENCE: Duration = Duration::from_secs(5);
/// As long as nobody has seen the engine of a tenant at work, it is taken to make so many events a second.
const UNSEEN: f64 = 5_000.0;
/// What it makes is an average over about so long.
const MEMORY: Duration = Duration::from_secs(10);

/// How many events wait for the engine, and how many it makes a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backlog {
    pub events: u64,
    pub per_second: f64,
}

/// What is left of the bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Room {
    Free,
    /// So many events a second may come in.
    Slowed(f64),
    /// There is some in so long, if the engine goes on as before.
    None(Duration),
}

impl Bounds {
    /// Anybody reads a page's key, and who floods by it leaves a part to the tenant's servers.
    pub fn of(&self, by: Authority) -> Bounds {
        match by {
            Authority::Browser => Bounds { events: self.events * 3 / 4, time: self.time.mul_f64(0.75) },
            Authority::Server | Authority::Operator => *self,
        }
    }

    pub fn room(&self, backlog: Backlog) -> Room {
        let events = backlog.events as f64;
        let per_second = backlog.per_second.max(1.0);
        let most = (self.events as f64).min(self.time.as_secs_f64() * per_second).max(1.0);
        match events / most {
            share if share >= 1.0 => {
                let seconds = (events - most * (1.0 - RELIEF)) / per_second;
                Room::None(Duration::from_secs_f64(seconds.clamp(1.0, 60.0)))
            }
            share if share > BURST => Room::Slowed(per_second * STEADY / share),
            _ => Room::Free,
        }
    }
}

/// What becomes of events that are about to be appended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Admission {
    /// After this while, most of the time none.
    After(Duration),
    /// Not now; perhaps after this while.
    Refused(Duration),
}

/// Of each tenant that this node has seen at work.
#[derive(Default)]
pub struct Pressure(Mutex<HashMap<TenantId, Seen>>);

#[derive(Clone, Copy, Default)]
struct Seen {
    /// Events a second of the engine, while it had enough to do.
    per_second: Option<f64>,
    /// When the next append may begin, while appends are slowed: of pages, and of servers.
    next: [Option<Instant>; 2],
}

impl Pressure {
    /// The engine took so long for a full batch.
    pub fn note(&self, tenant: TenantId, events: usize, took: Duration) {
        let seconds = took.as_secs_f64().max(1e-3);
        self.change(tenant, |seen| {
            let weight = 1.0 - (-seconds / MEMORY.as_secs_f64()).exp();
            let now = events as f64 / seconds;
            seen.per_second = Some(seen.per_second.map_or(now, |before| before + weight * (now - before)));
        });
    }

    pub fn per_second(&self, tenant: TenantId) -> f64 {
        self.change(tenant, |seen| seen.per_second).unwrap_or(UNSEEN)
    }

    /// `events` more of a tenant that has this room.
    pub fn admit(&self, tenant: TenantId, by: Authority, events: usize, room: Room, now: Instant) -> Admission {
        self.change(tenant, |seen| {
            let next = &mut seen.next[usize::from(by > Authority::Browser)];
            let per_second = match room {
                Room::Free => {
                    *next = None;
                    return Admission::After(Duration::ZERO);
                }
                Room::None(wait) => return Admission::Refused(wait),
                Room::Slowed(per_second) => per_second.max(1.0),
            };
            let begin = next.map_or(now, |next| next.max(now));
            let wait = begin.duration_since(now);
            if wait > PATIENCE {
                return Admission::Refused(wait);
            }
            *next = Some(begin + Duration::from_secs_f64(events as f64 / per_second));
            Admission::After(wait)
        })
    }

    fn change<T>(&self, tenant: TenantId, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: TenantId = TenantId(1);
    const OTHER: TenantId = TenantId(2);

    fn room(events: u64, per_second: f64) -> Room {
        Bounds::default().room(Backlog { events, per_second })
    }

    #[test]
    fn d3_a_burst_is_taken_as_it_comes_and_then_less_the_more_there_is() {
        assert_eq!(room(0, 10_000.0), Room::Free);
        assert_eq!(room(300_000, 10_000.0), Room::Free);
        let Room::Slowed(more) = room(300_001, 10_000.0) else { panic!("it is slowed") };
        assert!(more > 16_000.0 && more < 17_000.0, "the log still takes more than the engine: {more}");
        assert_eq!(room(500_000, 10_000.0), Room::Slowed(10_000.0), "as much comes in as goes out");
        assert_eq!(room(1_000_000, 10_000.0), Room::Slowed(5_000.0), "the engine catches up");
        let mut before = f64::INFINITY;
        for events in (300_001..2_000_000).step_by(10_007) {
            let Room::Slowed(now) = room(events, 10_000.0) else { panic!("{events} events are below the bound") };
            assert!(now < before);
            before = now;
        }
    }

    #[test]
    fn d3_what_the_engine_is_behind_has_a_bound_by_count_and_by_time() {
        assert_eq!(room(2_000_000, 10_000.0), Room::None(Duration::from_secs(20)));
        assert!(matches!(room(1_999_999, 10_000.0), Room::Slowed(_)));
        // Five minutes of work of an engine that makes 100 a second.
        assert_eq!(room(30_000, 100.0), Room::None(Duration::from_secs(30)));
        assert!(matches!(room(29_999, 100.0), Room::Slowed(_)));
        assert_eq!(room(4_500, 100.0), Room::Free);
        assert_eq!(room(u64::MAX, 0.0), Room::None(Duration::from_secs(60)), "an engine that stands");
        let small = Bounds { events: 10, time: Duration::from_secs(1) };
        assert!(matches!(small.room(Backlog { events: 10, per_second: 1e9 }), Room::None(_)));
        assert_eq!(small.room(Backlog { events: 1, per_second: 1e9 }), Room::Free);
    }

    #[test]
    fn d3_who_is_slowed_waits_in_line_and_is_sent_away_when_it_is_long() {
        let (pressure, now) = (Pressure::default(), Instant::now());
        let slowed = Room::Slowed(1_000.0);
        let millis = |millis| Admission::After(Duration::from_millis(millis));
        assert_eq!(pressure.admit(SHOP, Authority::Server, 1_000, slowed, now), millis(0));
        assert_eq!(pressure.admit(SHOP, Authority::Server, 500, slowed, now), millis(1_000));
        assert_eq!(pressure.admit(SHOP, Authority::Server, 5_000, slowed, now), millis(1_500));
        assert_eq!(
            pressure.admit(SHOP, Authority::Server, 1, slowed, now),
            Admission::Refused(Duration::from_millis(6_500))
        );
        assert_eq!(
            pressure.admit(OTHER, Authority::Server, 1, slowed, now),
            millis(0),
            "each tenant has a line of its own"
        );
        assert_eq!(pressure.admit(SHOP, Authority::Browser, 1, slowed, now), millis(0), "pages have one, too");
        let later = now + Duration::from_millis(6_400);
        assert_eq!(pressure.admit(SHOP, Authority::Server, 1, slowed, later), millis(100));
        assert_eq!(
            pressure.admit(SHOP, Authority::Server, 1, Room::Free, later),
            millis(0),
            "the line is gone with its cause"
        );
        assert_eq!(pressure.admit(SHOP, Authority::Server, 1, slowed, later), millis(0));
        assert_eq!(
            pressure.admit(SHOP, Authority::Server, 1, Room::None(PATIENCE), later),
            Admission::Refused(PATIENCE)
        );
    }

    #[test]
    fn c_pages_leave_a_part_to_servers() {
        let of = |by| Bounds::default().of(by).room(Backlog { events: 1_600_000, per_second: 10_000.0 });
        assert!(matches!(of(Authority::Browser), Room::None(_)));
        assert!(matches!(of(Authority::Server), Room::Slowed(_)));
    }

    #[test]
    fn what_the_engine_makes_is_an_average_of_late() {
        let pressure = Pressure::default();
        assert_eq!(pressure.per_second(SHOP), UNSEEN);
        pressure.note(SHOP, 8_000, Duration::from_secs(1));
        assert_eq!(pressure.per_second(SHOP), 8_000.0);
        pressure.note(SHOP, 4_000, Duration::from_secs(1));
        let slower = pressure.per_second(SHOP);
        assert!(slower < 8_000.0 && slower > 7_000.0, "{slower}");
        (0..100).for_each(|_| pressure.note(SHOP, 4_000, Duration::from_secs(1)));
        assert!((pressure.per_second(SHOP) - 4_000.0).abs() < 10.0);
        assert_eq!(pressure.per_second(OTHER), UNSEEN);
    }
}
