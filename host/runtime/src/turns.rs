//! Whose component is compiled next: one at a time, because a compilation takes every core.
//!
//! What a catalog needs goes before what was uploaded. Among uploads, the owner who has not had a turn for the longest time goes
//! first, and each has few that wait: more are told to come later.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Uploads of one owner that wait for a turn.
const WAITING: usize = 2;

/// What is to be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Something that is enabled: rules and messages wait for it.
    Load,
    /// Something new of this owner.
    Upload(i64),
}

#[derive(Default)]
pub struct Turns(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    taken: bool,
    waiting: Vec<Waiting>,
    /// How many turns had been taken when an owner got its last one.
    last: HashMap<i64, u64>,
    count: u64,
}

struct Waiting {
    wish: Wish,
    called: oneshot::Sender<Turn>,
}

/// Ends when it is dropped, and the next one begins.
pub struct Turn(Arc<Mutex<State>>);

/// The owner has too many uploads that wait.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Turns {
    pub async fn take(&self, wish: Wish) -> Result<Turn, TooMany> {
        let turn = {
            let mut state = lock(&self.0);
            state.waiting.retain(|waiting| !waiting.called.is_closed());
            let own = state.waiting.iter().filter(|waiting| waiting.wish == wish).count();
            if matches!(wish, Wish::Upload(_)) && own >= WAITING {
                return Err(TooMany);
            }
            let (called, turn) = oneshot::channel();
            state.waiting.push(Waiting { wish, called });
            turn
        };
        next(&self.0);
        // Who waits is called before the sender is dropped.
        turn.await.map_err(|_| TooMany)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls the first of those who wait, if nobody has the turn.
fn next(turns: &Arc<Mutex<State>>) {
    let (called, turn) = {
        let mut state = lock(turns);
        if state.taken {
            return;
        }
        let rank = |waiting: &Waiting| match waiting.wish {
            Wish::Load => (0, 0),
            Wish::Upload(owner) => (1, state.last.get(&owner).copied().unwrap_or_default()),
        };
        // Of equals the one that came first.
        let first = state.waiting.iter().enumerate().max_by_key(|(at, waiting)| Reverse((rank(waiting), *at)));
        let Some(first) = first.map(|(at, _)| at) else { return };
        let Waiting { wish, called } = state.waiting.remove(first);
        state.taken = true;
        state.count += 1;
        if let Wish::Upload(owner) = wish {
            let count = state.count;
            state.last.insert(owner, count);
        }
        (called, Turn(Arc::clone(turns)))
    };
    // If it no longer waits, the turn comes back and ends at once.
    drop(called.send(turn));
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.0).taken = false;
        next(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_hub_loads_first_and_no_owner_waits_for_all_uploads_of_another() {
        let turns = Turns::default();
        let mut turn = turns.take(Wish::Upload(1)).await.unwrap();
        let wishes = [Wish::Upload(1), Wish::Upload(1), Wish::Upload(2), Wish::Upload(2), Wish::Load, Wish::Upload(3)];
        let mut waiting: Vec<_> = wishes.iter().map(|wish| (*wish, Box::pin(turns.take(*wish)))).collect();
        for (_, wait) in &mut waiting {
            assert!(wait.now_or_never().is_none());
        }
        assert_eq!(turns.take(Wish::Upload(1)).await.err(), Some(TooMany), "two wait already");
        let mut served = Vec::new();
        while !waiting.is_empty() {
            drop(turn);
            let mut called = None;
            waiting.retain_mut(|(wish, wait)| match wait.now_or_never() {
                Some(turn) => {
                    assert!(called.replace((*wish, turn.unwrap())).is_none(), "one at a time");
                    false
                }
                None => true,
            });
            let (wish, next) = called.expect("somebody is always called");
            served.push(wish);
            turn = next;
        }
        let [one, two, three] = [1, 2, 3].map(Wish::Upload);
        assert_eq!(served, [Wish::Load, two, three, one, two, one]);
    }

    #[tokio::test]
    async fn who_has_gone_holds_no_turn_and_no_place() {
        let turns = Turns::default();
        let turn = turns.take(Wish::Upload(1)).await.unwrap();
        for _ in 0..10 {
            assert!(turns.take(Wish::Upload(2)).now_or_never().is_none(), "given up at once");
        }
        let mut called = Box::pin(turns.take(Wish::Upload(2)));
        assert!((&mut called).now_or_never().is_none());
        drop(turn);
        drop(called);
        assert!(turns.take(Wish::Upload(3)).now_or_never().is_some(), "called, and gone before it began");
    }
}
