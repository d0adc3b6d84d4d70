//! The object type `referral`: a customer's code, and their place in the tree.

use openhub_sdk::code;
use openhub_sdk::prelude::*;

/// As deep as a tree can be, whatever the parameters say.
pub const DEEPEST: i64 = 50;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "referral", version = 1)]
pub struct Referral {
    /// Made from the seed where none is given.
    #[field(unique)]
    pub code: Option<String>,
    #[field(relation, owner)]
    pub owner: Option<CustomerRef>,
    /// Who brought them, who brought those, and so on.
    #[field(relation)]
    pub first: Option<CustomerRef>,
    #[field(relation)]
    pub second: Option<CustomerRef>,
    #[field(relation)]
    pub third: Option<CustomerRef>,
    /// How many are above: 0 for who came by themselves.
    #[field(default = 0i64)]
    pub depth: i64,
    pub brought_at: Option<Timestamp>,
    /// How many they have brought themselves.
    #[field(default = 0i64)]
    pub brought: i64,
}

/// A customer has a code from now on.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct ReferralCodeIssued {
    pub code: String,
}

impl Referral {
    /// Of a customer who came by themselves.
    pub fn alone() -> Referral {
        Referral {
            code: None,
            owner: None,
            first: None,
            second: None,
            third: None,
            depth: 0,
            brought_at: None,
            brought: 0,
        }
    }
}

impl Check for Referral {
    fn check(change: Change<Referral>) -> Result<Accepted<Referral>, Vec<Fault>> {
        match change.operation {
            Operation::Create(new) => create(new, change.customer, change.seed),
            Operation::Update { old, new } => update(&old, new),
            Operation::Delete(old) if old.brought > 0 || old.first.is_some() => {
                Err(vec![Fault::new("", "in-use", "others stand above or below in the tree")])
            }
            Operation::Delete(old) => Ok(accepted(old)),
        }
    }
}

fn create(new: Referral, customer: Option<String>, seed: u64) -> Result<Accepted<Referral>, Vec<Fault>> {
    let mut faults = Vec::new();
    let code = match &new.code {
        None => Some(code::make(seed)),
        Some(given) => code::read(given),
    };
    if code.is_none() {
        faults.push(Fault::new("/code", "no-code", "this is no code: a character is wrong or missing"));
    }
    let owner = new.owner.clone().or(customer.map(CustomerRef));
    if owner.is_none() {
        faults.push(Fault::new("/owner", "required", "a place in the tree is a customer's"));
    }
    if new.brought != 0 {
        faults.push(Fault::new("/brought", "not-new", "a new customer has brought nobody"));
    }
    faults.extend(sound(&new, owner.as_ref()));
    match (code, faults.is_empty()) {
        (Some(code), true) => {
            let issued = ReferralCodeIssued { code: code.clone() };
            Ok(accepted(Referral { code: Some(code), owner, ..new }).causing(&issued))
        }
        _ => Err(faults),
    }
}

fn update(old: &Referral, new: Referral) -> Result<Accepted<Referral>, Vec<Fault>> {
    let mut faults = Vec::new();
    let fixed = |pointer: &str| Fault::new(pointer, "fixed", "this never changes once it is written");
    let code = new.code.as_deref().and_then(code::read);
    if code.is_none() || code != old.code {
        faults.push(fixed("/code"));
    }
    if new.owner != old.owner {
        faults.push(fixed("/owner"));
    }
    let above = |place: &Referral| (place.first.clone(), place.second.clone(), place.third.clone(), place.depth);
    if above(&new) != above(old) {
        if old.first.is_some() {
            faults.push(Fault::new("/first", "brought", "somebody else was first"));
        }
        // Those below would have others above them than is written.
        if old.brought > 0 {
            faults.push(Fault::new("/first", "has-brought", "who has brought others is not brought any more"));
        }
    }
    if new.brought != old.brought && new.brought != old.brought + 1 {
        faults.push(Fault::new("/brought", "out-of-range", "it counts up by one"));
    }
    faults.extend(sound(&new, new.owner.as_ref()));
    if faults.is_empty() { Ok(accepted(Referral { code, ..new })) } else { Err(faults) }
}

/// What is written of those above fits together.
fn sound(place: &Referral, owner: Option<&CustomerRef>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let above = [&place.first, &place.second, &place.third];
    let known = above.iter().take_while(|above| above.is_some()).count();
    if above.iter().flat_map(|above| above.as_ref()).count() != known {
        faults.push(Fault::new("/first", "gap", "who is further above stands behind who is nearer"));
    }
    if above.iter().flat_map(|above| above.as_ref()).any(|above| Some(above) == owner) {
        faults.push(Fault::new("/first", "circle", "nobody brings themselves"));
    }
    let fits = (0..=DEEPEST).contains(&place.depth) && place.depth.min(above.len() as i64) == known as i64;
    if !fits {
        faults.push(Fault::new("/depth", "out-of-range", "the depth is how many are above"));
    }
    faults
}

fn accepted(place: Referral) -> Accepted<Referral> {
    let CustomerRef(owner) = place.owner.clone().unwrap_or_default();
    Accepted::new(owner, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(operation: Operation<Referral>) -> Result<Accepted<Referral>, Vec<Fault>> {
        let at = Timestamp::from_micros(0);
        Referral::check(Change { key: None, customer: Some("ann".to_owned()), at, seed: 7, operation })
    }

    fn codes(answer: Result<Accepted<Referral>, Vec<Fault>>) -> Vec<String> {
        answer.expect_err("faults").into_iter().map(|fault| fault.reason.code).collect()
    }

    fn customer(id: &str) -> Option<CustomerRef> {
        Some(CustomerRef(id.to_owned()))
    }

    #[test]
    fn a_customer_is_brought_once_and_not_after_bringing_others() {
        let made = ask(Operation::Create(Referral::alone())).expect("a place");
        assert_eq!((made.key.as_str(), made.record.code.as_deref()), ("ann", Some(code::make(7).as_str())));
        assert!(made.causes().eq(["Referral Code Issued"]));
        let ann = made.record;
        let by = |place: &Referral, who: &str| Referral { first: customer(who), depth: 1, ..place.clone() };
        let update = |old: &Referral, new: Referral| ask(Operation::Update { old: old.clone(), new });
        let brought = update(&ann, by(&ann, "bob")).expect("brought").record;
        assert_eq!(codes(update(&brought, by(&brought, "cy"))), ["brought"]);
        assert_eq!(codes(update(&ann, by(&ann, "ann"))), ["circle"]);
        let above = Referral { brought: 1, ..ann.clone() };
        assert_eq!(codes(update(&above, by(&above, "bob"))), ["has-brought"]);
        assert!(update(&brought, Referral { brought: 1, ..brought.clone() }).is_ok());
        assert_eq!(codes(update(&brought, Referral { brought: 2, ..brought.clone() })), ["out-of-range"]);
        assert_eq!(codes(ask(Operation::Delete(brought))), ["in-use"]);
    }

    #[test]
    fn those_above_fit_the_depth() {
        let place = |first, second, depth| {
            ask(Operation::Create(Referral { first, second, depth, ..Referral::alone() })).map(|made| made.record.depth)
        };
        assert!(place(customer("bob"), customer("cy"), 2).is_ok());
        for (first, second, depth) in
            [(customer("bob"), None, 0), (customer("bob"), None, 2), (None, customer("cy"), 1), (None, None, 1)]
        {
            assert!(place(first, second, depth).is_err());
        }
    }
}
