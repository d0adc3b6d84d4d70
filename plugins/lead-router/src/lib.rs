//! A node of journeys that routes leads: hot ones to salespeople in turns, the others to nurturing.
//!
//! The score comes from the author of the journey, as a rule: an attribute that a rule or a CRM writes. Who has none yet waits for
//! the event `Lead Scored`, and counts as cold when the time is over. Nothing is counted here: whose turn it is follows from a number
//! that the author gives (the lead's own), or is drawn from the seed, so a replay routes each lead as before.

use openhub_sdk::prelude::*;

openhub_sdk::plugin! { steps: [route] }

const SCORED: &str = "Lead Scored";
/// As many outlets as there are for salespeople.
const MOST: i64 = 6;

#[derive(Clone, Debug, Record)]
pub struct Lead {
    /// Of the lead: such as `{{ customer.attributes.lead_score | default('') }}`.
    pub score: Option<i64>,
    /// From this score on, a lead is hot.
    #[field(default = 50)]
    pub hot: i64,
    /// How many salespeople take turns: 1 to 6. Default: 1.
    #[field(default = 1)]
    pub people: i64,
    /// Whose turn it is: a number that goes up by one from lead to lead. Without it, chance decides.
    pub turn: Option<i64>,
    /// How long a lead without a score waits for one, in minutes.
    #[field(default = 60)]
    pub patience: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Way {
    First,
    Second,
    Third,
    Fourth,
    Fifth,
    Sixth,
    Nurture,
}

const PEOPLE: [Way; MOST as usize] = [Way::First, Way::Second, Way::Third, Way::Fourth, Way::Fifth, Way::Sixth];

#[step(events = ["Lead Scored"])]
pub fn route(entry: Entry<Lead>) -> Result<Next<Way>, Reason> {
    let Lead { score, hot, people, turn, patience } = entry.input;
    if !(1..=MOST).contains(&people) {
        return Err(Reason::new("people", format!("`people` must be 1 to {MOST}, not {people}")));
    }
    let said = match &entry.woke {
        Woke::Event { properties, .. } => properties["score"].as_i64(),
        Woke::Entered | Woke::Timer => None,
    };
    let Some(score) = said.or(score) else {
        return Ok(match entry.woke {
            Woke::Timer => Next::Go(Way::Nurture),
            _ => Next::Wait(Wait::event(SCORED).or_until(entry.at.plus_seconds(patience.max(0) * 60))),
        });
    };
    if score < hot {
        return Ok(Next::Go(Way::Nurture));
    }
    // Drawn, if nobody says whose turn it is.
    let turn = turn.unwrap_or((entry.seed >> 1) as i64);
    Ok(Next::Go(PEOPLE[turn.rem_euclid(people) as usize]))
}
