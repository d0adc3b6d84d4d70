//! Customers whose items are taken one at a time, in the order of the log: those whom the batch may join, and those who
//! are known to touch the same object. All others stand alone, and all of them move in every wave.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use super::actor::{Actor, Turn};
use super::place::Place;
use super::plan::Fire;

/// Lanes that take turns.
pub enum Cluster {
    One(usize),
    Many(Many),
}

/// The actors of a cluster, by the place of what each meets next.
pub struct Many {
    queue: BinaryHeap<Reverse<(Place, usize)>>,
    /// The place of the last turn, and whose it was, until it is known what they meet next.
    after: Place,
    last: Option<usize>,
}

impl Cluster {
    fn many(actors: impl Iterator<Item = usize>) -> Cluster {
        let queue = actors.map(|actor| Reverse((Place::FIRST, actor))).collect();
        Cluster::Many(Many { queue, after: Place::FIRST, last: None })
    }

    /// All actors, in one.
    pub fn serial(actors: usize) -> Cluster {
        Cluster::many(0..actors)
    }

    /// Where its next item stands, if it has one.
    pub fn place(&mut self, actors: &[Actor], fire: &Fire) -> Option<Place> {
        match self {
            Cluster::One(actor) => actors[*actor].next_place(fire),
            Cluster::Many(many) => many.front(actors, fire).map(|(place, _)| place),
        }
    }

    /// The next item: what was caused first; then the timers due before the next event; then the event of the lowest
    /// position. As if each event were a batch of its own.
    pub fn next(&mut self, actors: &mut [Actor], fire: &Fire) -> Option<Turn> {
        match self {
            Cluster::One(actor) => {
                let after = actors[*actor].place;
                Some((*actor, actors[*actor].take(after, fire)?))
            }
            Cluster::Many(many) => {
                let (_, actor) = many.front(actors, fire)?;
                if many.last.is_none() {
                    many.queue.pop();
                }
                let item = actors[actor].take(many.after, fire)?;
                (many.after, many.last) = (actors[actor].place, Some(actor));
                Some((actor, item))
            }
        }
    }
}

impl Many {
    /// Who is next. The queue may know an actor by a place that it has left.
    fn front(&mut self, actors: &[Actor], fire: &Fire) -> Option<(Place, usize)> {
        if let Some(actor) = self.last {
            if actors[actor].has_caused() {
                return Some((self.after.follows(), actor));
            }
            self.last = None;
            self.queue.extend(actors[actor].own_place(fire).map(|place| Reverse((place, actor))));
        }
        loop {
            let Reverse((place, actor)) = *self.queue.peek()?;
            match actors[actor].own_place(fire) {
                Some(own) if own == place => return Some((self.after.then(place), actor)),
                own => {
                    self.queue.pop();
                    self.queue.extend(own.map(|own| Reverse((own, actor))));
                }
            }
        }
    }
}

/// A union-find over actors; only those that are linked are in it.
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

    fn root(&mut self, actor: usize) -> usize {
        let mut root = actor;
        while let Some(parent) = self.0.get(&root).copied().filter(|parent| *parent != root) {
            root = parent;
        }
        self.0.insert(actor, root);
        root
    }

    /// All actors, each in its cluster; each actor is told which that is.
    pub fn clusters(mut self, actors: &mut [Actor]) -> Vec<Cluster> {
        for (index, actor) in actors.iter_mut().enumerate() {
            actor.cluster = index;
        }
        let linked: Vec<usize> = self.0.keys().copied().collect();
        if linked.is_empty() {
            return (0..actors.len()).map(Cluster::One).collect();
        }
        let mut many: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut clusters = Vec::with_capacity(actors.len());
        for (index, actor) in actors.iter_mut().enumerate() {
            if self.0.contains_key(&index) {
                (actor.cluster, actor.linked) = (self.root(index), true);
                many.entry(actor.cluster).or_default().push(index);
            } else {
                clusters.push(Cluster::One(index));
            }
        }
        let mut many: Vec<Vec<usize>> = many.into_values().collect();
        many.sort_unstable();
        clusters.extend(many.into_iter().map(|actors| Cluster::many(actors.into_iter())));
        clusters
    }
}
