//! A rule that does what its event says, mostly to objects that other customers have, too.

use openhub_sdk::prelude::*;

/// Something that many change.
#[derive(Clone, Debug, Default, PartialEq, DataObject)]
#[object(name = "tally", version = 1)]
pub struct Tally {
    /// Its key; made from the seed where none is given.
    pub name: Option<String>,
    pub count: Option<i64>,
    /// Added to the count by this change.
    pub add: Option<i64>,
    #[field(unique)]
    pub code: Option<String>,
    /// The code is drawn out of so many by this change.
    pub draw: Option<i64>,
    pub redeemed: Option<bool>,
    /// What this change causes, as the JSON of the next event's `then`.
    pub then: Option<String>,
}

/// Something that is given away.
#[derive(Clone, Debug, Default, PartialEq, DataObject)]
#[object(name = "trinket", version = 1)]
pub struct Trinket {
    /// Its key, if it is given one.
    pub name: Option<String>,
    #[field(relation, owner)]
    pub owner: Option<CustomerRef>,
}

impl Check for Trinket {
    fn check(change: Change<Trinket>) -> Result<Accepted<Trinket>, Vec<Fault>> {
        let trinket = match change.operation {
            Operation::Create(trinket) | Operation::Update { new: trinket, .. } | Operation::Delete(trinket) => trinket,
        };
        let key = change.key.or_else(|| trinket.name.clone());
        Ok(Accepted::new(key.unwrap_or_else(|| format!("t{}", change.seed)), trinket))
    }
}

/// What happened to a tally; and what the rule is called with.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(name = "Work")]
pub struct Work {
    pub op: String,
    pub key: Option<String>,
    pub add: Option<i64>,
    pub code: Option<String>,
    pub draw: Option<i64>,
    pub to: Option<String>,
    pub fan: Option<i64>,
}

/// The same, told by another customer.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(name = "Work Told")]
pub struct Told {
    pub op: String,
    pub key: Option<String>,
    pub add: Option<i64>,
    pub code: Option<String>,
    pub draw: Option<i64>,
    pub to: Option<String>,
    pub fan: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Event)]
#[event(name = "Tally Redeemed")]
pub struct Redeemed {
    pub count: i64,
}

impl Check for Tally {
    fn check(change: Change<Tally>) -> Result<Accepted<Tally>, Vec<Fault>> {
        let (old, new, seed) = match change.operation {
            Operation::Create(new) => (Tally::default(), new, change.seed),
            Operation::Update { old, new } => (old, new, change.seed),
            Operation::Delete(old) => return Ok(Accepted::new(change.key.unwrap_or_default(), old)),
        };
        if old.redeemed == Some(true) {
            return Err(vec![Fault::new("/redeemed", "redeemed", "it is redeemed already")]);
        }
        let name = old.name.or(new.name).unwrap_or_else(|| format!("t{}", seed % 1_000_000));
        let count = old.count.unwrap_or(0) + new.add.unwrap_or(0);
        let code = match new.draw {
            Some(many) => Some(format!("code-{}", seed % many.unsigned_abs().max(1))),
            None => new.code,
        };
        let then = new.then;
        let record = Tally {
            name: Some(name.clone()),
            count: Some(count),
            add: None,
            code,
            draw: None,
            redeemed: new.redeemed,
            then: None,
        };
        let mut accepted = Accepted::new(name.clone(), record);
        if new.redeemed == Some(true) {
            accepted = accepted.causing(&Redeemed { count });
        }
        if let Some(op) = then {
            let work = Work { op, key: Some(name), add: Some(1), code: None, draw: None, to: None, fan: None };
            accepted = accepted.causing(&work);
        }
        Ok(accepted)
    }
}

#[derive(Reads)]
pub struct Row {
    #[read("event.properties.op")]
    pub op: String,
    #[read("event.properties.key")]
    pub key: Option<String>,
    #[read("event.properties.add")]
    pub add: Option<i64>,
    #[read("event.properties.code")]
    pub code: Option<String>,
    #[read("event.properties.draw")]
    pub draw: Option<i64>,
    #[read("event.properties.to")]
    pub to: Option<String>,
    #[read("event.properties.fan")]
    pub fan: Option<i64>,
    #[read("row.customer")]
    pub customer: CustomerRef,
    /// Whose trinket `to` is.
    #[read("object.trinket[event.properties.to].owner")]
    pub receiver: Option<CustomerRef>,
    #[read("customer.attributes.worked")]
    pub worked: Option<i64>,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.counters.worked")]
    pub worked: Add,
    #[object]
    pub tallies: Vec<ObjectEffect<Tally>>,
    #[object]
    pub trinkets: Vec<ObjectEffect<Trinket>>,
    pub events: Vec<Work>,
    #[to("receiver")]
    pub told: Vec<Told>,
}

#[rule(on = ["Work", "Work Told"])]
pub fn crowd(row: Row) -> Effects {
    let key = row.key.clone().unwrap_or_default();
    let change = Tally { add: row.add, code: row.code.clone(), draw: row.draw, ..Tally::default() };
    let named = |change: Tally| Tally { name: row.key.clone(), ..change };
    let again = |op: &str| Work {
        op: op.to_owned(),
        key: row.key.clone(),
        add: row.add,
        code: row.code.clone(),
        draw: row.draw,
        to: row.to.clone(),
        fan: row.fan,
    };
    let told = |op: &str| {
        let Work { op, key, add, code, draw, to, fan } = again(op);
        Told { op, key, add, code, draw, to, fan }
    };
    let mut effects = Effects { worked: Add(1), ..Effects::default() };
    match row.op.as_str() {
        "create" => effects.tallies.push(ObjectEffect::Create(named(change))),
        "merge" => effects.tallies.push(ObjectEffect::Merge(key, change)),
        "both" => {
            effects.tallies.push(ObjectEffect::Create(named(change.clone())));
            effects.tallies.push(ObjectEffect::Merge(key, change));
        }
        "delete" => effects.tallies.push(ObjectEffect::Delete(key)),
        "redeem" => effects.tallies.push(ObjectEffect::Merge(key, Tally { redeemed: Some(true), ..change })),
        // An object whose check causes the event that makes the next one.
        "spawn" => {
            let change = Tally { then: Some("spawn".to_owned()), ..Tally::default() };
            effects.tallies.push(ObjectEffect::Create(change));
        }
        // Events that cause as many each.
        "fan" => effects.events.extend((0..row.fan.unwrap_or(1)).map(|_| again("fan"))),
        // The customer has the trinket of this name from now on.
        "own" => {
            let trinket = Trinket { name: row.key.clone(), owner: Some(row.customer.clone()) };
            effects.trinkets.push(ObjectEffect::Create(trinket));
        }
        // An event of another customer, who does the same to the next.
        "tell" => effects.told.extend((0..row.fan.unwrap_or(1)).map(|_| told("tell"))),
        // An event of another customer, who adds to the tally.
        "send" => effects.told.push(told("merge")),
        _ => {}
    }
    effects
}

openhub_sdk::plugin! { rules: [crowd], objects: [Tally, Trinket] }
