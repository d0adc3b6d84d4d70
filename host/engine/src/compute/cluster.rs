//! Which customers a batch may join: their items are taken one at a time, in the order of the log.
//!
//! Customers that no claim of the batch leads to each other stand alone, and all of them move in every wave.

use hashbrown::HashMap;

use super::Fire;
use super::customer::{Item, Lane};
use super::wave::Turn;

/// Lanes that take turns.
pub enum Cluster {
    One(usize),
    Many(Vec<usize>),
}

impl Cluster {
    /// The next item: what was caused first; then the timers due before the next event; then the event of the lowest
    /// position. As if each event were a batch of its own.
    pub fn next(&self, lanes: &mut [Lane], fire: &Fire) -> Option<Turn> {
        let many = match self {
            Cluster::One(lane) => return Some((*lane, lanes[*lane].next(fire)?)),
            Cluster::Many(many) => many,
        };
        for lane in many {
            if let Some(caused) = lanes[*lane].caused.pop_front() {
                return Some((*lane, Item::Event(caused)));
            }
        }
        let timers = many.iter().filter_map(|lane| Some((lanes[*lane].first_timer()?, *lane)));
        let timer = timers.min_by_key(|((timer, _), _)| *timer);
        let events = many.iter().filter_map(|lane| Some((lanes[*lane].arrived.front()?, *lane)));
        let event = events.min_by_key(|(event, _)| event.position).map(|(event, lane)| (event.bound, lane));
        match (event, timer) {
            (Some((bound, _)), Some(((timer, item), lane))) if timer.due < bound => Some((lane, item)),
            (Some((_, lane)), _) => lanes[lane].arrived.pop_front().map(|event| (lane, Item::Event(event))),
            (None, Some(((timer, item), lane))) => fire.reaches(&timer).then_some((lane, item)),
            (None, None) => None,
        }
    }
}

/// A union-find over lanes; only those that are linked are in it.
#[derive(Default)]
pub struct Links(HashMap<usize, usize>);

impl Links {
    pub fn join(&mut self, left: usize, right: usize) {
        if left == right {
            return;
        }
        let (left, right) = (self.root(left), self.root(right));
        self.0.insert(left.max(right), left.min(right));
    }

    fn root(&mut self, lane: usize) -> usize {
        let mut root = lane;
        while let Some(parent) = self.0.get(&root).copied().filter(|parent| *parent != root) {
            root = parent;
        }
        self.0.insert(lane, root);
        root
    }

    /// All lanes, each in its cluster.
    pub fn clusters(mut self, lanes: usize) -> Vec<Cluster> {
        let linked: Vec<usize> = self.0.keys().copied().collect();
        if linked.is_empty() {
            return (0..lanes).map(Cluster::One).collect();
        }
        let mut many: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut clusters = Vec::with_capacity(lanes);
        for lane in 0..lanes {
            if self.0.contains_key(&lane) {
                many.entry(self.root(lane)).or_default().push(lane);
            } else {
                clusters.push(Cluster::One(lane));
            }
        }
        let mut many: Vec<Vec<usize>> = many.into_values().collect();
        many.sort_unstable();
        clusters.extend(many.into_iter().map(Cluster::Many));
        clusters
    }
}
