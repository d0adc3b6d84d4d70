//! A step that waits and breaks off, and a function that does: each concerns its own run only.

use openhub_sdk::prelude::*;

const AGAIN: &str = "Again";

#[derive(Clone, Debug, Record)]
pub struct Load {
    pub weight: i64,
}

/// What happened so far.
#[derive(Clone, Debug, Default, Record)]
pub struct Kept {
    pub seen: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Way {
    Heads,
    Tails,
    /// Two events came while it waited.
    Twice,
}

/// The weight 13 panics, 14 never ends, 15 is refused, and other odd ones wait for two events or a day.
#[step(events = ["Other", "Again"])]
pub fn carry(entry: Entry<Load>) -> Result<Next<Way>, Reason> {
    let weight = entry.input.weight;
    assert_ne!(weight, 13, "this load is cursed");
    if weight == 14 {
        let mut turns = entry.seed;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    }
    if weight == 15 {
        return Err(Reason::new("heavy", "nobody carries this"));
    }
    let kept: Kept = if entry.state.is_empty() { Kept::default() } else { entry.kept()? };
    let seen = kept.seen + i64::from(matches!(entry.woke, Woke::Event { name: AGAIN, .. }));
    if seen == 2 {
        return Ok(Next::Go(Way::Twice));
    }
    if weight % 2 == 1 && entry.woke != Woke::Timer {
        let wait = Wait::event(AGAIN).or_event("Other").or_until(entry.at.plus_seconds(86_400));
        return Ok(Next::Wait(wait.keeping_record(&Kept { seen })));
    }
    Ok(Next::Go(if entry.seed.count_ones().is_multiple_of(2) { Way::Heads } else { Way::Tails }))
}

/// The weight 10 panics, and 12 has no words.
#[content]
pub fn in_words(receiver: Receiver<'_>, weight: i64, unit: Option<&str>) -> Result<String, Reason> {
    assert_ne!(weight, 10, "this weight is cursed");
    if weight == 12 {
        return Err(Reason::new("wordless", "there are no words for this"));
    }
    let Receiver { locale, time_zone } = receiver;
    Ok(format!("{weight}{} <{locale} {time_zone}>", unit.unwrap_or("kg")))
}

openhub_sdk::plugin! { steps: [carry], functions: [in_words] }
