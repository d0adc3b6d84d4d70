//! Coupons: the object type `coupon`, and the check that makes and verifies codes and guards a coupon's life.
//!
//! A coupon is issued, then redeemed once or expired, and that is final. Its code is its key; code, owner and time of
//! issue never change. Tills redeem by an API of their own (`till`); a job expires what is too old (`expire`).

mod code;
mod expire;
mod till;

use openhub_sdk::prelude::*;

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "coupon", version = 1)]
pub struct Coupon {
    /// Made from the seed where none is given.
    #[field(unique)]
    pub code: Option<String>,
    /// 1 to 100.
    pub percent: i64,
    #[field(relation, owner)]
    pub owner: Option<CustomerRef>,
    #[field(default = Status::Issued)]
    pub status: Status,
    pub issued_at: Option<Timestamp>,
    /// The till's request that redeemed it, if one did that had a name: its key and its idempotency key.
    pub redeemed_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Status {
    Issued,
    Redeemed,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Event)]
pub struct CouponRedeemed {
    pub code: String,
    pub percent: i64,
}

impl Check for Coupon {
    fn check(change: Change<Coupon>) -> Result<Accepted<Coupon>, Vec<Fault>> {
        match change.operation {
            Operation::Create(new) => issue(new, change.customer, change.at, change.seed),
            Operation::Update { old, new } => update(&old, new),
            Operation::Delete(old) => delete(old),
        }
    }
}

fn issue(new: Coupon, customer: Option<String>, at: Timestamp, seed: u64) -> Result<Accepted<Coupon>, Vec<Fault>> {
    let mut faults = Vec::new();
    let code = match &new.code {
        None => Some(code::make(seed)),
        Some(given) => code::read(given),
    };
    if code.is_none() {
        faults.push(Fault::new("/code", "no-code", "this is no coupon code: a character is wrong or missing"));
    }
    let customer = customer.map(CustomerRef);
    if let (Some(owner), Some(customer)) = (&new.owner, &customer)
        && owner != customer
    {
        faults.push(Fault::new("/owner", "other-owner", "the coupon is issued to another customer"));
    }
    let owner = new.owner.or(customer);
    if owner.is_none() {
        faults.push(Fault::new("/owner", "required", "a coupon belongs to a customer"));
    }
    if new.status != Status::Issued {
        faults.push(Fault::new("/status", "not-issued", "a new coupon is issued, nothing else"));
    }
    if new.redeemed_by.is_some() {
        faults.push(Fault::new("/redeemed_by", "not-issued", "nobody has redeemed a new coupon"));
    }
    faults.extend(percent(new.percent));
    match (code, faults.is_empty()) {
        (Some(code), true) => {
            let issued_at = Some(new.issued_at.unwrap_or(at));
            Ok(Accepted::new(code.clone(), Coupon { code: Some(code), owner, issued_at, ..new }))
        }
        _ => Err(faults),
    }
}

fn update(old: &Coupon, new: Coupon) -> Result<Accepted<Coupon>, Vec<Fault>> {
    let mut faults = Vec::new();
    let fixed = |pointer: &str| Fault::new(pointer, "fixed", "this never changes once the coupon is issued");
    let code = new.code.as_deref().and_then(code::read);
    if code.is_none() || code != old.code {
        faults.push(fixed("/code"));
    }
    if new.owner != old.owner {
        faults.push(fixed("/owner"));
    }
    if new.issued_at != old.issued_at {
        faults.push(fixed("/issued_at"));
    }
    faults.extend(percent(new.percent));
    match old.status {
        Status::Issued => {}
        Status::Redeemed => faults.push(Fault::new("/status", "redeemed", "the coupon is redeemed already")),
        Status::Expired => faults.push(Fault::new("/status", "expired", "the coupon has expired")),
    }
    match (code, faults.is_empty()) {
        (Some(code), true) => {
            let redeemed =
                (new.status == Status::Redeemed).then(|| CouponRedeemed { code: code.clone(), percent: new.percent });
            let accepted = Accepted::new(code.clone(), Coupon { code: Some(code), ..new });
            Ok(match redeemed {
                Some(redeemed) => accepted.causing(&redeemed),
                None => accepted,
            })
        }
        _ => Err(faults),
    }
}

/// A redeemed coupon stays, or its code could be issued and redeemed again.
fn delete(old: Coupon) -> Result<Accepted<Coupon>, Vec<Fault>> {
    match (&old.code, old.status) {
        (_, Status::Redeemed) => Err(vec![Fault::new("/status", "redeemed", "a redeemed coupon cannot be deleted")]),
        (Some(code), _) => Ok(Accepted::new(code.clone(), old)),
        (None, _) => Err(vec![Fault::new("/code", "no-code", "the stored coupon has no code")]),
    }
}

fn percent(percent: i64) -> Option<Fault> {
    let wrong = || Fault::new("/percent", "out-of-range", "percent is a whole number from 1 to 100");
    (!(1..=100).contains(&percent)).then(wrong)
}

openhub_sdk::plugin! {
    objects: [Coupon],
    endpoints: [till::look, till::reserve, till::redeem],
    jobs: [expire::expire],
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_micros(0);

    fn wanted() -> Coupon {
        Coupon { code: None, percent: 15, owner: None, status: Status::Issued, issued_at: None, redeemed_by: None }
    }

    fn ask(operation: Operation<Coupon>) -> Result<Accepted<Coupon>, Vec<Fault>> {
        Coupon::check(Change { key: None, customer: Some("ann".to_owned()), at: AT, seed: 7, operation })
    }

    fn issued() -> Coupon {
        ask(Operation::Create(wanted())).expect("a coupon").record
    }

    fn pointers(answer: Result<Accepted<Coupon>, Vec<Fault>>) -> Vec<String> {
        answer.expect_err("faults").into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_new_coupon_gets_code_owner_and_time() {
        let coupon = issued();
        assert_eq!(coupon.code, Some(code::make(7)));
        assert_eq!((coupon.owner, coupon.issued_at), (Some(CustomerRef("ann".to_owned())), Some(AT)));
    }

    #[test]
    fn a_given_code_is_verified_and_is_the_key() {
        let code = code::make(99);
        let given = Coupon { code: Some(code.to_lowercase()), ..wanted() };
        assert_eq!(ask(Operation::Create(given)).expect("a coupon").key, code);
        let wrong = Coupon { code: Some("000000000001".to_owned()), percent: 0, ..wanted() };
        assert_eq!(pointers(ask(Operation::Create(wrong))), ["/code", "/percent"]);
    }

    #[test]
    fn redeemed_once() {
        let redeemed = Coupon { status: Status::Redeemed, ..issued() };
        let accepted = ask(Operation::Update { old: issued(), new: redeemed.clone() }).expect("redeemed");
        assert!(accepted.causes().eq(["Coupon Redeemed"]));
        let again = Operation::Update { old: redeemed.clone(), new: redeemed.clone() };
        assert_eq!(pointers(ask(again)), ["/status"]);
        let back = Operation::Update { old: redeemed.clone(), new: issued() };
        assert_eq!(pointers(ask(back)), ["/status"]);
        assert_eq!(pointers(ask(Operation::Delete(redeemed))), ["/status"]);
    }

    #[test]
    fn what_identifies_it_never_changes() {
        let code = Some(code::make(8));
        let new = Coupon { code, owner: None, issued_at: None, ..issued() };
        assert_eq!(pointers(ask(Operation::Update { old: issued(), new })), ["/code", "/owner", "/issued_at"]);
    }

    #[test]
    fn a_coupon_is_some_ones_and_starts_as_issued() {
        let new = Coupon { status: Status::Redeemed, ..wanted() };
        let operation = Operation::Create(new);
        let change = Change { key: None, customer: None, at: AT, seed: 7, operation };
        assert_eq!(pointers(Coupon::check(change)), ["/owner", "/status"]);
    }
}
