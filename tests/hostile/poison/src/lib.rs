//! Rules that panic on one row: the amount 13, whoever leaves the segment `poison`, and who is not cured. And an object whose
//! check panics on one weight.

use openhub_sdk::prelude::*;

#[derive(Reads)]
pub struct Row {
    #[read("event.properties.amount")]
    pub amount: i64,
}

#[derive(Default, Writes)]
pub struct Effects {
    #[write("customer.attributes.amount")]
    pub amount: Set<i64>,
}

#[rule(on = "Order Completed")]
pub fn poison(row: Row) -> Effects {
    assert_ne!(row.amount, 13, "this row is poison");
    Effects { amount: To(row.amount) }
}

#[derive(Reads)]
pub struct Left {
    #[read("event.properties.segment")]
    pub segment: String,
}

#[derive(Default, Writes)]
pub struct Parting {
    #[write("customer.attributes.left")]
    pub left: Set<bool>,
}

#[rule(on = "Segment Left")]
pub fn left(row: Left) -> Parting {
    assert_ne!(row.segment, "poison", "this segment is poison");
    Parting { left: To(true) }
}

#[derive(Reads)]
pub struct Patient {
    #[read("event.properties.dose")]
    pub dose: i64,
    #[read("customer.attributes.cured")]
    pub cured: Option<bool>,
}

#[derive(Default, Writes)]
pub struct Treatment {
    #[write("customer.attributes.dose")]
    pub dose: Set<i64>,
}

#[rule(on = "Treated")]
pub fn fragile(row: Patient) -> Treatment {
    assert!(row.cured == Some(true), "this one is not cured");
    Treatment { dose: To(row.dose) }
}

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "relic", version = 1)]
pub struct Relic {
    pub weight: i64,
}

impl Check for Relic {
    fn check(change: Change<Relic>) -> Result<Accepted<Relic>, Vec<Fault>> {
        match change.operation {
            Operation::Create(relic) | Operation::Update { new: relic, .. } | Operation::Delete(relic) => {
                assert_ne!(relic.weight, 13, "this relic is cursed");
                Ok(Accepted::new(format!("relic-{}", change.seed), relic))
            }
        }
    }
}

openhub_sdk::plugin! { rules: [poison, left, fragile], objects: [Relic] }
