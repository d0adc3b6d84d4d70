//! The object type `coupon`, and the check that makes and verifies codes and guards a coupon's life.
//!
//! Its code is its key. Code, owner, batch and time of issue never change. What happened to a coupon is written once: a redeemed one only
//! gets its settlement.

use openhub_sdk::code;
use openhub_sdk::prelude::*;

use crate::fixed;
use crate::money::{self, Money};

#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "coupon", version = 1)]
pub struct Coupon {
    /// Made from the seed where none is given.
    #[field(unique)]
    pub code: Option<String>,
    #[field(relation = "coupon-batch")]
    pub batch: Option<String>,
    /// What it takes off: 1 to 100 percent …
    pub percent: Option<i64>,
    /// … or an amount.
    pub amount: Option<Decimal<2>>,
    #[field(relation, owner)]
    pub owner: Option<CustomerRef>,
    #[field(default = Status::Issued)]
    pub status: Status,
    pub issued_at: Option<Timestamp>,
    /// The request that issued it, if one did.
    pub issued_by: Option<String>,
    pub valid_from: Option<Timestamp>,
    pub valid_until: Option<Timestamp>,
    /// The till that has it reserved: its key, and its name where several share one.
    pub reserved_by: Option<String>,
    pub reserved_until: Option<Timestamp>,
    /// Where it was redeemed, in which order, and what that came to.
    #[field(relation = "merchant")]
    pub merchant: Option<String>,
    pub order: Option<String>,
    pub order_amount: Option<Decimal<2>>,
    /// What it took off.
    pub discount: Option<Decimal<2>>,
    pub redeemed_at: Option<Timestamp>,
    pub redeemed_by: Option<String>,
    /// The settlement that counts it.
    #[field(relation = "coupon-settlement")]
    pub settlement: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum Status {
    Issued,
    Reserved,
    Redeemed,
    Expired,
    Cancelled,
}

/// A customer has a coupon of a batch.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct CouponIssued {
    pub code: String,
    pub batch: String,
}

#[derive(Clone, Debug, PartialEq, Event)]
pub struct CouponRedeemed {
    pub code: String,
    pub percent: Option<i64>,
    pub amount: Option<Decimal<2>>,
    pub merchant: Option<String>,
    pub order: Option<String>,
    pub discount: Option<Decimal<2>>,
}

impl Coupon {
    /// A new one; what is not given here follows from the check.
    pub fn new(owner: Option<CustomerRef>) -> Coupon {
        Coupon {
            code: None,
            batch: None,
            percent: None,
            amount: None,
            owner,
            status: Status::Issued,
            issued_at: None,
            issued_by: None,
            valid_from: None,
            valid_until: None,
            reserved_by: None,
            reserved_until: None,
            merchant: None,
            order: None,
            order_amount: None,
            discount: None,
            redeemed_at: None,
            redeemed_by: None,
            settlement: None,
        }
    }

    /// Whose reservation holds at this time.
    pub fn holder(&self, at: Timestamp) -> Option<&str> {
        let holds = self.status == Status::Reserved && self.reserved_until.is_some_and(|until| until > at);
        self.reserved_by.as_deref().filter(|_| holds)
    }

    /// What is to be told of it at this time: a reservation that is over is none.
    pub fn status_at(&self, at: Timestamp) -> Status {
        match self.status {
            Status::Reserved if self.holder(at).is_none() => Status::Issued,
            status => status,
        }
    }

    /// What it takes off an order.
    fn off(&self, order: Money) -> Money {
        match (self.percent, self.amount) {
            (Some(percent), _) => money::part(order, Decimal::from_units(percent.saturating_mul(100))),
            (None, Some(amount)) => Money::from_units(amount.units().min(order.units())),
            (None, None) => Money::from_units(0),
        }
    }

    /// It is free again.
    #[must_use]
    pub fn released(self) -> Coupon {
        Coupon { status: Status::Issued, reserved_by: None, reserved_until: None, ..self }
    }
}

impl Check for Coupon {
    fn check(change: Change<Coupon>) -> Result<Accepted<Coupon>, Vec<Fault>> {
        match change.operation {
            Operation::Create(new) => issue(new, change.customer, change.at, change.seed),
            Operation::Update { old, new } => update(&old, new, change.at),
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
    let owner = new.owner.clone().or(customer);
    if owner.is_none() {
        faults.push(Fault::new("/owner", "required", "a coupon belongs to a customer"));
    }
    if new.status != Status::Issued {
        faults.push(Fault::new("/status", "not-issued", "a new coupon is issued, nothing else"));
    }
    let later = [
        ("/reserved_by", new.reserved_by.is_some()),
        ("/redeemed_by", new.redeemed_by.is_some()),
        ("/merchant", new.merchant.is_some()),
        ("/settlement", new.settlement.is_some()),
    ];
    for (pointer, _) in later.into_iter().filter(|(_, is_there)| *is_there) {
        faults.push(Fault::new(pointer, "not-issued", "nothing has happened to a new coupon yet"));
    }
    faults.extend(worth(&new));
    match (code, faults.is_empty()) {
        (Some(code), true) => {
            let issued_at = Some(new.issued_at.unwrap_or(at));
            let issued = new.batch.clone().map(|batch| CouponIssued { code: code.clone(), batch });
            let accepted = Accepted::new(code.clone(), Coupon { code: Some(code), owner, issued_at, ..new });
            Ok(match issued {
                Some(issued) => accepted.causing(&issued),
                None => accepted,
            })
        }
        _ => Err(faults),
    }
}

fn update(old: &Coupon, new: Coupon, at: Timestamp) -> Result<Accepted<Coupon>, Vec<Fault>> {
    let mut faults = Vec::new();
    let code = new.code.as_deref().and_then(code::read);
    if code.is_none() || code != old.code {
        faults.push(fixed("/code"));
    }
    for (pointer, changes) in [
        ("/batch", new.batch != old.batch),
        ("/owner", new.owner != old.owner),
        ("/issued_at", new.issued_at != old.issued_at),
        ("/issued_by", new.issued_by != old.issued_by),
    ] {
        if changes {
            faults.push(fixed(pointer));
        }
    }
    let ended = |word: &'static str, message: &'static str| Fault::new("/status", word, message);
    let mut record = new;
    let mut causes = None;
    match (old.status, record.status) {
        (Status::Redeemed, _) => {
            let settled = Coupon { settlement: record.settlement.clone(), ..old.clone() };
            if old.settlement.is_some() || record.settlement.is_none() || settled != record {
                faults.push(ended("redeemed", "the coupon is redeemed already"));
            }
        }
        (Status::Expired, _) => faults.push(ended("expired", "the coupon has expired")),
        (Status::Cancelled, _) => faults.push(ended("cancelled", "the coupon is cancelled")),
        (Status::Issued | Status::Reserved, to) => {
            faults.extend(worth(&record));
            if record.settlement.is_some() {
                faults.push(Fault::new("/settlement", "not-redeemed", "only a redeemed coupon is settled"));
            }
            match to {
                Status::Issued => record = record.released(),
                Status::Reserved => faults.extend(reservation(old, &record, at)),
                Status::Redeemed => {
                    faults.extend(redemption(old, &record, at));
                    record = redeemed(record, at);
                    causes = Some(told(&record));
                }
                Status::Expired | Status::Cancelled => {}
            }
        }
    }
    match (code, faults.is_empty()) {
        (Some(code), true) => {
            let accepted = Accepted::new(code, record);
            Ok(match causes {
                Some(redeemed) => accepted.causing(&redeemed),
                None => accepted,
            })
        }
        _ => Err(faults),
    }
}

/// A reservation names who has it and until when, and takes none away that holds.
fn reservation(old: &Coupon, new: &Coupon, at: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(by) = new.reserved_by.as_deref() else {
        faults.push(Fault::new("/reserved_by", "required", "somebody has the reservation"));
        return faults;
    };
    if new.reserved_until.is_none_or(|until| until <= at) {
        faults.push(Fault::new("/reserved_until", "in-the-past", "a reservation ends later than now"));
    }
    if old.holder(at).is_some_and(|holder| holder != by) {
        faults.push(Fault::new("/reserved_by", "reserved", "another till has the coupon reserved"));
    }
    faults.extend(window(new, at));
    faults
}

fn redemption(old: &Coupon, new: &Coupon, at: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    if old.holder(at).is_some_and(|holder| new.reserved_by.as_deref() != Some(holder)) {
        faults.push(Fault::new("/reserved_by", "reserved", "another till has the coupon reserved"));
    }
    if new.order_amount.is_some_and(|amount| amount.units() < 0) {
        faults.push(Fault::new("/order_amount", "out-of-range", "an order comes to at least zero"));
    }
    faults.extend(window(new, at));
    faults
}

/// The coupon as it is kept once it is redeemed.
fn redeemed(coupon: Coupon, at: Timestamp) -> Coupon {
    let discount = coupon.order_amount.map(|order| coupon.off(order));
    Coupon { discount, redeemed_at: Some(at), reserved_by: None, reserved_until: None, ..coupon }
}

fn told(coupon: &Coupon) -> CouponRedeemed {
    CouponRedeemed {
        code: coupon.code.clone().unwrap_or_default(),
        percent: coupon.percent,
        amount: coupon.amount,
        merchant: coupon.merchant.clone(),
        order: coupon.order.clone(),
        discount: coupon.discount,
    }
}

/// When it may be used.
fn window(coupon: &Coupon, at: Timestamp) -> Option<Fault> {
    if coupon.valid_until.is_some_and(|until| until <= at) {
        return Some(Fault::new("/valid_until", "expired", "the coupon is no longer valid"));
    }
    let early = coupon.valid_from.is_some_and(|from| from > at);
    early.then(|| Fault::new("/valid_from", "not-yet-valid", "the coupon is not valid yet"))
}

/// A redeemed coupon stays, or its code could be issued and redeemed again.
fn delete(old: Coupon) -> Result<Accepted<Coupon>, Vec<Fault>> {
    match (&old.code, old.status) {
        (_, Status::Redeemed) => Err(vec![Fault::new("/status", "redeemed", "a redeemed coupon cannot be deleted")]),
        (Some(code), _) => Ok(Accepted::new(code.clone(), old)),
        (None, _) => Err(vec![Fault::new("/code", "no-code", "the stored coupon has no code")]),
    }
}

/// What it takes off, and when it may.
fn worth(coupon: &Coupon) -> Vec<Fault> {
    let mut faults: Vec<Fault> = discount(coupon.percent, coupon.amount).into_iter().collect();
    faults.extend(period(coupon.valid_from, coupon.valid_until));
    faults
}

/// A discount is a percentage or an amount.
pub fn discount(percent: Option<i64>, amount: Option<Money>) -> Option<Fault> {
    match (percent, amount) {
        (None, None) => Some(Fault::new("/percent", "required", "a coupon has a percentage or an amount")),
        (Some(_), Some(_)) => Some(Fault::new("/amount", "both", "a coupon has a percentage or an amount, not both")),
        (Some(percent), None) => {
            let wrong = || Fault::new("/percent", "out-of-range", "percent is a whole number from 1 to 100");
            (!(1..=100).contains(&percent)).then(wrong)
        }
        (None, Some(amount)) => {
            (amount.units() <= 0).then(|| Fault::new("/amount", "out-of-range", "an amount is more than zero"))
        }
    }
}

pub fn period(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<Fault> {
    let ends_first = matches!((from, until), (Some(from), Some(until)) if until <= from);
    ends_first.then(|| Fault::new("/valid_until", "out-of-range", "it ends before it begins"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_micros(0);

    fn wanted() -> Coupon {
        Coupon { percent: Some(15), ..Coupon::new(None) }
    }

    fn ask_at(at: Timestamp, operation: Operation<Coupon>) -> Result<Accepted<Coupon>, Vec<Fault>> {
        Coupon::check(Change { key: None, customer: Some("ann".to_owned()), at, seed: 7, operation })
    }

    fn ask(operation: Operation<Coupon>) -> Result<Accepted<Coupon>, Vec<Fault>> {
        ask_at(AT, operation)
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
        let wrong = Coupon { code: Some("000000000001".to_owned()), percent: Some(0), ..wanted() };
        assert_eq!(pointers(ask(Operation::Create(wrong))), ["/code", "/percent"]);
    }

    #[test]
    fn redeemed_once_and_then_only_settled() {
        let order = Money::parse("99.90");
        let redeemed = Coupon { status: Status::Redeemed, order_amount: order, ..issued() };
        let accepted = ask(Operation::Update { old: issued(), new: redeemed }).expect("redeemed");
        assert!(accepted.causes().eq(["Coupon Redeemed"]));
        let redeemed = accepted.record;
        assert_eq!((redeemed.discount, redeemed.redeemed_at), (Money::parse("14.99"), Some(AT)));
        let update = |new: Coupon| ask(Operation::Update { old: redeemed.clone(), new });
        assert_eq!(pointers(update(redeemed.clone())), ["/status"]);
        assert_eq!(pointers(update(issued())), ["/status"]);
        assert_eq!(pointers(update(Coupon { order_amount: None, ..redeemed.clone() })), ["/status"]);
        assert_eq!(pointers(ask(Operation::Delete(redeemed.clone()))), ["/status"]);
        let settled = update(Coupon { settlement: Some("m/2026-01".to_owned()), ..redeemed.clone() }).expect("settled");
        let again = Coupon { settlement: Some("m/2026-02".to_owned()), ..settled.record.clone() };
        assert_eq!(pointers(ask(Operation::Update { old: settled.record, new: again })), ["/status"]);
    }

    #[test]
    fn a_reservation_holds_until_it_is_over() {
        let until = AT.plus_seconds(300);
        let by = |till: &str| Coupon {
            status: Status::Reserved,
            reserved_by: Some(till.to_owned()),
            reserved_until: Some(until),
            ..issued()
        };
        let held = ask(Operation::Update { old: issued(), new: by("one") }).expect("reserved").record;
        let other = |status| Coupon { status, reserved_by: Some("two".to_owned()), ..held.clone() };
        let update = |at, new| ask_at(at, Operation::Update { old: held.clone(), new });
        assert_eq!(pointers(update(AT, other(Status::Reserved))), ["/reserved_by"]);
        assert_eq!(pointers(update(AT, other(Status::Redeemed))), ["/reserved_by"]);
        assert!(update(AT, Coupon { status: Status::Redeemed, ..held.clone() }).is_ok(), "its own");
        assert!(update(until, other(Status::Redeemed)).is_ok(), "it is over");
        let free = update(AT, Coupon { status: Status::Issued, ..held.clone() }).expect("released").record;
        assert_eq!(free, issued());
    }

    #[test]
    fn a_coupon_is_used_while_it_is_valid() {
        let old = Coupon { valid_from: Some(AT), valid_until: Some(AT.plus_seconds(60)), ..issued() };
        let at = |seconds| {
            let new = Coupon { status: Status::Redeemed, ..old.clone() };
            ask_at(AT.plus_seconds(seconds), Operation::Update { old: old.clone(), new })
        };
        assert_eq!(pointers(at(-1)), ["/valid_from"]);
        assert!(at(0).is_ok() && at(59).is_ok());
        assert_eq!(pointers(at(60)), ["/valid_until"]);
    }

    #[test]
    fn an_amount_takes_off_no_more_than_there_is() {
        let amount = Coupon { percent: None, amount: Money::parse("20.00"), ..wanted() };
        let old = ask(Operation::Create(amount)).expect("a coupon").record;
        let off = |order: &str| {
            let new = Coupon { status: Status::Redeemed, order_amount: Money::parse(order), ..old.clone() };
            ask(Operation::Update { old: old.clone(), new }).expect("redeemed").record.discount
        };
        assert_eq!((off("50.00"), off("12.50")), (Money::parse("20.00"), Money::parse("12.50")));
        assert_eq!(pointers(ask(Operation::Create(Coupon { percent: None, ..wanted() }))), ["/percent"]);
        assert_eq!(pointers(ask(Operation::Create(Coupon { percent: Some(5), ..old.clone() }))), ["/amount"]);
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
