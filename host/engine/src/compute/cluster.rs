//! Customers whose items are taken one at a time, in the order of the log: those whom the batch may join, and those who
//! are known to touch the same object. All others stand alone, and all of them move in every wave.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use super::customer::{Lane, Turn};
use super::place::Place;
use super::plan::Fire;

/// Lanes that take turns.
pub enum Cluster {
    One(usize),
    Many(Many),
}

/// The lanes of a cluster, by the place of what each meets next.
pub struct Many {
    queue: BinaryHeap<Reverse<(Place, usize)>>,
    /// The place of the last turn, and whose it was, until it is known what they meet next.
    after: Place,
    last: Option<usize>,
}

impl Cluster {
    fn many(lanes: impl Iterator<Item = usize>) -> Cluster {
        let queue = lanes.map(|lane| Reverse((Place::FIRST, lane))).collect();
        Cluster::Many(Many { queue, after: Place::FIRST, last: None })
    }

    /// All lanes, in one.
    pub fn serial(lanes: usize) -> Cluster {
        Cluster::many(0..lanes)
    }

    /// Where its next item stands, if it has one.
    pub fn place(&mut self, lanes: &[Lane], fire: &Fire) -> Option<Place> {
        match self {
            Cluster::One(lane) => lanes[*lane].next_place(fire),
            Cluster::Many(many) => many.front(lanes, fire).map(|(place, _)| place),
        }
    }

    /// The next item: what was caused first; then the timers due before the next event; then the event of the lowest
    /// position. As if each event were a batch of its own.
    pub fn next(&mut self, lanes: &mut [Lane], fire: &Fire) -> Option<Turn> {
        match self {
            Cluster::One(lane) => {
                let after = lanes[*lane].place;
                Some((*lane, lanes[*lane].take(after, fire)?))
            }
            Cluster::Many(many) => {
                let (_, lane) = many.front(lanes, fire)?;
                if many.last.is_none() {
                    many.queue.pop();
                }
                let item = lanes[lane].take(many.after, fire)?;
                (many.after, many.last) = (lanes[lane].place, Some(lane));
                Some((lane, item))
            }
        }
    }
}

impl Many {
    /// Who is next. The queue may know a lane by a place that it has left.
    fn front(&mut self, lanes: &[Lane], fire: &Fire) -> Option<(Place, usize)> {
        if let Some(lane) = self.last {
            if lanes[lane].has_caused() {
                return Some((self.after.follows(), lane));
            }
            self.last = None;
            self.queue.extend(lanes[lane].own_place(fire).map(|place| Reverse((place, lane))));
        }
        loop {
            let Reverse((place, lane)) = *self.queue.peek()?;
            match lanes[lane].own_place(fire) {
                Some(own) if own == place => return Some((self.after.then(place), lane)),
                own => {
                    self.queue.pop();
                    self.queue.extend(own.map(|own| Reverse((own, lane))));
                }
            }
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

    /// All lanes, each in its cluster; each lane is told which that is.
    pub fn clusters(mut self, lanes: &mut [Lane]) -> Vec<Cluster> {
        for (index, lane) in lanes.iter_mut().enumerate() {
            lane.cluster = index;
        }
        let linked: Vec<usize> = self.0.keys().copied().collect();
        if linked.is_empty() {
            return (0..lanes.len()).map(Cluster::One).collect();
        }
        let mut many: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut clusters = Vec::with_capacity(lanes.len());
        for (index, lane) in lanes.iter_mut().enumerate() {
            if self.0.contains_key(&index) {
                (lane.cluster, lane.linked) = (self.root(index), true);
                many.entry(lane.cluster).or_default().push(index);
            } else {
                clusters.push(Cluster::One(index));
            }
        }
        let mut many: Vec<Vec<usize>> = many.into_values().collect();
        many.sort_unstable();
        clusters.extend(many.into_iter().map(|lanes| Cluster::many(lanes.into_iter())));
        clusters
    }
}
