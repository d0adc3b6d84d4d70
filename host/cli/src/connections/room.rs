//! Who may come in: at most so many connections, and of one address most of them. If there is no room, the one that has
//! waited longest of the address that has most is closed for the new one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::Notify;

use super::peer::Peer;
use crate::config::Config;

/// File handles that are left for the hub itself: its files, plugins that are compiled, and their calls.
const OWN: u64 = 256;
/// A read connection to a SQLite database has so many.
const OF_A_READER: u64 = 4;

/// With fewer a hub opens its files and then nobody else comes in.
pub const FEWEST_FILES: u64 = 64;

/// How many files the process may have open.
pub fn file_limit() -> nix::Result<u64> {
    getrlimit(Resource::RLIMIT_NOFILE).map(|(limit, _)| limit)
}

/// How many connections a hub takes: as configured, but fewer than it may open files.
pub fn bound(config: &Config, file_limit: u64) -> usize {
    let own = OWN + OF_A_READER * u64::from(config.read_connections);
    let rest = file_limit.saturating_sub(own).max(file_limit / 2);
    (config.connections as usize).min(usize::try_from(rest).unwrap_or(usize::MAX))
}

pub struct Room {
    most: usize,
    /// Those of one address.
    share: usize,
    held: Mutex<Held>,
    left: Notify,
}

#[derive(Default)]
struct Held {
    next: u64,
    all: HashMap<u64, (IpAddr, Arc<Peer>)>,
    by: HashMap<IpAddr, usize>,
}

/// A connection that is in; dropping it makes room.
pub struct Place {
    room: Arc<Room>,
    number: u64,
    pub peer: Arc<Peer>,
}

enum Entry {
    In(Place),
    /// Another one leaves for it.
    Soon,
    /// All who could leave are answered right now.
    Full,
}

impl Room {
    pub fn new(most: usize) -> Arc<Room> {
        let share = (most * 3 / 4).max(1);
        Arc::new(Room { most, share, held: Mutex::default(), left: Notify::new() })
    }

    /// None if there is no room, and nobody is there who only waits.
    pub async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        loop {
            let left = self.left.notified();
            match self.try_enter(address) {
                Entry::In(place) => return Some(place),
                Entry::Soon => left.await,
                Entry::Full => return None,
            }
        }
    }

    fn try_enter(self: &Arc<Self>, address: IpAddr) -> Entry {
        let mut held = self.lock();
        let own = held.by.get(&address).copied().unwrap_or_default();
        let leaves = match () {
            () if own >= self.share => held.longest(Some(address)),
            () if held.all.len() >= self.most => held.longest(None),
            () => {
                let (number, peer) = (held.next, Arc::new(Peer::new(Instant::now())));
                held.next += 1;
                held.all.insert(number, (address, Arc::clone(&peer)));
                held.by.insert(address, own + 1);
                return Entry::In(Place { room: Arc::clone(self), number, peer });
            }
        };
        match leaves {
            Some(peer) => {
                peer.leave.cancel();
                Entry::Soon
            }
            None => Entry::Full,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Who has waited longest, of this address or of the one that has most of those who wait.
    fn longest(&self, of: Option<IpAddr>) -> Option<&Arc<Peer>> {
        let all = self.all.values().filter(|(address, _)| of.is_none_or(|of| of == *address));
        let waiting = all.filter_map(|(address, peer)| Some((address, peer, peer.waits_since()?)));
        let first = waiting.min_by_key(|(address, _, since)| (std::cmp::Reverse(self.by.get(*address)), *since));
        first.map(|(_, peer, _)| peer)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.room.lock();
        if let Some((address, _)) = held.all.remove(&self.number)
            && let Some(own) = held.by.get_mut(&address)
        {
            *own -= 1;
            if *own == 0 {
                held.by.remove(&address);
            }
        }
        drop(held);
        self.room.left.notify_waiters();
    }
}

/// Of IPv6 the network of 64 bits: whoever has one address of it has all.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        network(text.parse().unwrap())
    }

    fn enter(room: &Arc<Room>, from: &str) -> Option<Place> {
        match room.try_enter(address(from)) {
            Entry::In(place) => Some(place),
            Entry::Soon | Entry::Full => None,
        }
    }

    #[test]
    fn who_has_most_makes_room_for_others() {
        let room = Room::new(8);
        let flood: Vec<_> = (0..6).filter_map(|_| enter(&room, "10.0.0.1")).collect();
        assert_eq!(flood.len(), 6);
        assert!(enter(&room, "10.0.0.1").is_none(), "three quarters of all");
        assert!(flood[0].peer.leave.is_cancelled(), "its own oldest one leaves for it");
        let [one, two] = ["10.0.0.2", "10.0.0.3"].map(|from| enter(&room, from).expect("room for others"));
        assert!(enter(&room, "10.0.0.4").is_none());
        assert!(!one.peer.leave.is_cancelled() && !two.peer.leave.is_cancelled());
        drop(flood);
        assert!(enter(&room, "10.0.0.4").is_some());
        assert_eq!(room.lock().by.len(), 2, "nothing is kept of who has left");
    }

    #[test]
    fn who_is_answered_is_not_closed() {
        let room = Room::new(2);
        let [one, two] = ["10.0.0.1", "10.0.0.2"].map(|from| enter(&room, from).expect("room"));
        let works = one.peer.work();
        assert!(matches!(room.try_enter(address("10.0.0.3")), Entry::Soon));
        assert!(two.peer.leave.is_cancelled() && !one.peer.leave.is_cancelled());
        let both = two.peer.work();
        assert!(matches!(room.try_enter(address("10.0.0.3")), Entry::Full));
        drop((works, both));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:1"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:10.0.0.1"), address("10.0.0.1"));
    }

    #[test]
    fn the_bound_leaves_files_for_the_hub() {
        let config = Config::default();
        assert_eq!(bound(&config, 1_000_000), config.connections as usize);
        assert_eq!(bound(&config, 1_024), 1_024 - 256 - 16);
        assert_eq!(bound(&config, 100), 50);
    }
}
