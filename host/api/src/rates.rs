//! How many requests a key, a tenant and an address send in a minute, counted before a body is read. Each node counts its own. What is
//! over is answered 429 and says when to come again; each answer says how much is left, in the fields that the IETF's draft
//! `draft-ietf-httpapi-ratelimit-headers` names.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use openhub_model::TenantId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::problem::{Problem, RATE_LIMITED};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const MINUTE: Duration = Duration::from_secs(60);
/// Counters that are kept. More are of a flood of addresses, of which the oldest are forgotten.
const MOST: usize = 100_000;

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    Key(String),
    Tenant(TenantId),
    /// A tenant's requests with events.
    Events(TenantId),
    Address(IpAddr),
}

impl Counted {
    const fn name(&self) -> &'static str {
        match self {
            Counted::Key(_) => "key",
            Counted::Tenant(_) | Counted::Events(_) => "tenant",
            Counted::Address(_) => "address",
        }
    }
}

/// Requests of a minute.
#[derive(Clone, Copy)]
struct Window {
    since: Instant,
    count: u32,
}

/// How one limit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    of: &'static str,
    most: u32,
    left: u32,
    /// Seconds until all is left again.
    again_s: u64,
}

#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<Counted, Window>>);

impl Rates {
    /// Counts one request under each limit that there is, and answers how they stand; over one of them, it is counted under none that
    /// comes behind, and refused.
    pub fn count(
        &self,
        limits: impl IntoIterator<Item = (Counted, Option<u32>)>,
        now: Instant,
    ) -> (Vec<Left>, Option<Problem>) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for (counted, most) in limits {
            let Some(most) = most else { continue };
            let of = counted.name();
            if windows.len() >= MOST && !windows.contains_key(&counted) {
                windows.retain(|_, window| now.saturating_duration_since(window.since) < MINUTE);
                if windows.len() >= MOST {
                    windows.clear();
                }
            }
            let window = windows.entry(counted).or_insert(Window { since: now, count: 0 });
            if now.saturating_duration_since(window.since) >= MINUTE {
                *window = Window { since: now, count: 0 };
            }
            let rest = MINUTE.saturating_sub(now.saturating_duration_since(window.since));
            let again_s = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
            if window.count >= most {
                all.push(Left { of, most, left: 0, again_s });
                return (all, Some(over(of, most, again_s)));
            }
            window.count += 1;
            all.push(Left { of, most, left: most - window.count, again_s });
        }
        (all, None)
    }
}

fn over(of: &str, most: u32, again_s: u64) -> Problem {
    let detail =
        format!("This {of} sends more than {most} requests a minute. Wait, and send it again. Nothing was done.");
    Problem::new(RATE_LIMITED, detail).retry_after(u32::try_from(again_s).unwrap_or(60).max(1))
}

/// Says how the limits stand.
pub(crate) fn tell(headers: &mut HeaderMap, all: &[Left]) {
    let join = |each: &dyn Fn(&Left) -> String| all.iter().map(each).collect::<Vec<_>>().join(", ");
    let policy = join(&|left: &Left| format!("\"{}\";q={};w={}", left.of, left.most, MINUTE.as_secs()));
    let stand = join(&|left: &Left| format!("\"{}\";r={};t={}", left.of, left.left, left.again_s));
    for (name, value) in [(POLICY, policy), (LEFT, stand)] {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_waits_for_the_next_minute() {
        let (rates, now) = (Rates::default(), Instant::now());
        let (key, tenant) = (Counted::Key("a".into()), Counted::Tenant(TenantId(1)));
        let ask = |at| rates.count([(key.clone(), Some(2)), (tenant.clone(), Some(100))], at);
        let counted = |at| {
            let (all, over) = ask(at);
            assert!(over.is_none());
            all
        };
        let first = counted(now);
        assert_eq!(first[0], Left { of: "key", most: 2, left: 1, again_s: 60 });
        let second = counted(now + Duration::from_millis(59_500));
        assert_eq!((second[0].left, second[0].again_s, second[1].left), (0, 1, 98));
        let (all, over) = ask(now + Duration::from_secs(59));
        assert!(over.is_some_and(|problem| problem.is(RATE_LIMITED)) && all.len() == 1);
        let third = counted(now + Duration::from_secs(60));
        assert_eq!((third[0].left, third[1].left), (1, 99), "what was refused did not count for the tenant");
        // Without a limit nobody is counted.
        assert!(rates.count([(Counted::Address([10, 0, 0, 1].into()), None)], now).0.is_empty());
    }

    #[test]
    fn how_they_stand_is_told() {
        let mut headers = HeaderMap::new();
        tell(&mut headers, &[]);
        assert!(headers.is_empty());
        let left = |of| Left { of, most: 60, left: 59, again_s: 60 };
        tell(&mut headers, &[left("key"), left("tenant")]);
        assert_eq!(headers[POLICY], "\"key\";q=60;w=60, \"tenant\";q=60;w=60");
        assert_eq!(headers[LEFT], "\"key\";r=59;t=60, \"tenant\";r=59;t=60");
    }

    #[test]
    fn a_flood_of_addresses_takes_so_much_memory_and_no_more() {
        let (rates, now) = (Rates::default(), Instant::now());
        for number in 0..2 * MOST as u32 {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(number));
            assert!(rates.count([(Counted::Address(address), Some(5))], now).1.is_none());
        }
        assert!(rates.0.lock().unwrap().len() <= MOST);
    }
}
