//! The standard event: 600 B ± 200, Zipf(1.0) over customers, 2 % identify, 1 % duplicates, 5 % late.
//!
//! Made from a seed, so that both sides of a comparison and every run see the same.

use jiff::{SignedDuration, Timestamp};
use openhub_model::identity::Authority;
use openhub_model::{EventKind, Identity, NewEvent, TenantId};
use std::collections::VecDeque;

const CUSTOMERS: usize = 100_000;
pub const BATCH: usize = 100;
/// How far back the original of a duplicate may lie, in events.
const REMEMBERED: usize = 10_000;

/// An event with the columns that the log keeps of it.
#[derive(Clone)]
pub struct StandardEvent {
    pub message_id: String,
    pub user_id: String,
    pub name: &'static str,
    pub is_identify: bool,
    pub at: Timestamp,
    pub body: String,
}

impl StandardEvent {
    /// As the door of the hub would append it.
    pub fn arrived(self, tenant: TenantId) -> NewEvent {
        let at = openhub_model::Timestamp::from_micros(self.at.as_microsecond());
        NewEvent {
            part: Some(Identity::new(Identity::USER_ID, self.user_id).part(tenant)),
            message_id: self.message_id,
            kind: if self.is_identify { EventKind::Identify } else { EventKind::Track },
            name: self.name.to_owned(),
            occurred_at: at,
            received_at: at,
            historical: false,
            authority: Authority::Server,
            cause: None,
            body: self.body,
        }
    }
}

/// splitmix64: small, and good enough to spread events.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Draws one of so many: the n-th comes up in proportion to 1/n.
pub struct Zipf(Vec<f64>);

impl Zipf {
    pub fn new(count: usize) -> Zipf {
        let mut sum = 0.0;
        let cumulated = (1..=count).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Zipf(cumulated.collect())
    }

    pub fn draw(&self, random: &mut Random) -> usize {
        let total = self.0.last().copied().unwrap_or(1.0);
        let point = random.unit() * total;
        self.0.partition_point(|&sum| sum < point)
    }
}

/// `count` events; `round` keeps the message ids of different rounds apart.
pub fn standard(count: usize, round: u64, now: Timestamp) -> Vec<StandardEvent> {
    Stream::new(round, now).take(count).collect()
}

/// The events one by one, without end: what makes them holds few of them.
pub struct Stream {
    zipf: Zipf,
    random: Random,
    round: u64,
    now: Timestamp,
    made: usize,
    recent: VecDeque<StandardEvent>,
}

impl Stream {
    pub fn new(round: u64, now: Timestamp) -> Stream {
        let (zipf, recent) = (Zipf::new(CUSTOMERS), VecDeque::with_capacity(REMEMBERED));
        Stream { zipf, random: Random(round + 1), round, now, made: 0, recent }
    }
}

impl Iterator for Stream {
    type Item = StandardEvent;

    fn next(&mut self) -> Option<StandardEvent> {
        let number = self.made;
        self.made += 1;
        if !self.recent.is_empty() && self.random.below(100) == 0 {
            let earlier = self.random.below(self.recent.len() as u64) as usize;
            return self.recent.get(earlier).cloned();
        }
        let event = event(self.round, number, self.zipf.draw(&mut self.random), self.now, &mut self.random);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        Some(event)
    }
}

fn event(round: u64, number: usize, customer: usize, now: Timestamp, random: &mut Random) -> StandardEvent {
    let late = if random.below(100) < 5 {
        SignedDuration::from_mins(1 + random.below(1440) as i64)
    } else {
        SignedDuration::ZERO
    };
    let (message_id, user_id, at) = (format!("bench-{round}-{number}"), format!("user-{customer}"), now - late);
    let is_identify = random.below(100) < 2;
    let filling = "lorem ipsum dolor sit amet ".repeat(1 + random.below(15) as usize);
    let body = if is_identify {
        format!(
            r#"{{"type":"identify","messageId":"{message_id}","userId":"{user_id}","timestamp":"{at}","traits":{{"plan":"gold","visits":{number},"about":"{filling}"}}}}"#
        )
    } else {
        let (cents, quantity) = (random.below(50_000), 1 + random.below(5));
        format!(
            r#"{{"type":"track","event":"Order Completed","messageId":"{message_id}","userId":"{user_id}","timestamp":"{at}","context":{{"library":{{"name":"bench","version":"1"}},"locale":"en-GB","page":{{"path":"/checkout","referrer":"https://shop.example.com/cart"}}}},"properties":{{"order_id":"o-{round}-{number}","quantity":{quantity},"total":{}.{:02},"note":"{filling}"}}}}"#,
            cents / 100,
            cents % 100
        )
    };
    let name = if is_identify { "" } else { "Order Completed" };
    StandardEvent { message_id, user_id, name, is_identify, at, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_the_standard_one() {
        let events = standard(20_000, 1, "2026-01-01T00:00:00Z".parse().unwrap());
        let share = |count: usize| count as f64 / events.len() as f64;
        let identify = share(events.iter().filter(|event| event.is_identify).count());
        let ids: std::collections::HashSet<_> = events.iter().map(|event| &event.message_id).collect();
        let bytes: usize = events.iter().map(|event| event.body.len()).sum();
        assert!((0.015..0.025).contains(&identify), "{identify}");
        assert!((0.005..0.015).contains(&share(events.len() - ids.len())));
        assert!((500..700).contains(&(bytes / events.len())), "{}", bytes / events.len());
        assert!(events.iter().all(|event| serde_json::from_str::<serde_json::Value>(&event.body).is_ok()));
    }
}
