//! The lines of a statement, from what was counted.

use std::collections::BTreeMap;

use super::{Line, LineKind, UsageRow};
use crate::Timestamp;
use crate::block::Unbilled;
use crate::price::{Charge, ChargeKind, Meter, PricePlan, RateError, Used, rate};

/// Lines for each day of a period at most: more are no bill, but a fault.
pub const LINES_A_DAY: usize = 100;
const DAY: i64 = 86_400_000_000;

/// A period and its price.
#[derive(Clone, Copy, Debug)]
pub struct Billed<'a> {
    pub statement: &'a str,
    pub from: Timestamp,
    pub to: Timestamp,
    pub plan: &'a PricePlan,
    /// The parts of it in which nothing is charged.
    pub unbilled: &'a [Unbilled],
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error(transparent)]
    Rate(#[from] RateError),
    #[error("a sum is too great")]
    Sum,
    #[error("there would be {0} lines for {1} days, and {LINES_A_DAY} a day is the most")]
    TooManyLines(usize, usize),
    #[error("another period has another currency")]
    Currency,
}

/// The lines for a period: its charges, what was used and is not charged, then what rows behind the cut of the statement before (`cuts.0`) change in `earlier` ones. `cuts.1` is the
/// last cut that counts, and `position` where the log stood then. Rows that were reported for another subscription than this do not count.
///
/// # Errors
///
/// Where a number is too great, or there are more lines than a bill has.
pub fn lines(
    billed: &Billed<'_>,
    earlier: &[Billed<'_>],
    (before, cut, position): (Option<i64>, i64, i64),
    subscription: &str,
    usage: &[UsageRow],
) -> Result<Vec<Line>, StatementError> {
    let used = |of: &Billed<'_>, cut| used(usage, of, cut, subscription, Charged::Yes);
    let mut lines = Vec::new();
    let line = |of: &Billed<'_>, kind, charge: &Charge, price, quantity, amount| Line {
        line: 0,
        kind,
        corrects: (kind == LineKind::Correction).then(|| of.statement.to_owned()),
        meter: charge.meter.clone(),
        of: charge.of.clone(),
        from: of.from,
        to: of.to,
        cut,
        position,
        price_plan: of.plan.digest(),
        quantity,
        per: charge.per,
        price,
        amount: of.plan.currency.format(amount),
    };
    for charge in rate(billed.plan, &used(billed, cut)?)? {
        let kind = match charge.kind {
            ChargeKind::Fee => LineKind::Fee,
            ChargeKind::Included => LineKind::Included,
            ChargeKind::Usage => LineKind::Usage,
        };
        lines.push(line(billed, kind, &charge, Some(charge.price.clone()), charge.quantity, charge.amount));
    }
    let free = self::used(usage, billed, cut, subscription, Charged::No)?;
    for ((meter, _), (charge, quantity, _)) in by_price(rate(billed.plan, &free)?)? {
        if meter.is_some() && quantity != 0 {
            lines.push(line(billed, LineKind::Unbilled, &charge, None, quantity, 0));
        }
    }
    for of in earlier.iter().filter(|_| before.is_some()) {
        if of.plan.currency != billed.plan.currency {
            return Err(StatementError::Currency);
        }
        let was = by_price(rate(of.plan, &used(of, before.unwrap_or(cut))?)?)?;
        for (key, (charge, quantity, amount)) in by_price(rate(of.plan, &used(of, cut)?)?)? {
            let (_, quantity_then, amount_then) = was.get(&key).cloned().unwrap_or((charge.clone(), 0, 0));
            if quantity != quantity_then {
                let more = (quantity - quantity_then, amount - amount_then);
                lines.push(line(of, LineKind::Correction, &charge, None, more.0, more.1));
            }
        }
    }
    let days = usize::try_from((billed.to.micros() - billed.from.micros()).max(0) / DAY).unwrap_or_default() + 1;
    if lines.len() > LINES_A_DAY * days {
        return Err(StatementError::TooManyLines(lines.len(), days));
    }
    for (line, number) in lines.iter_mut().zip(1..) {
        line.line = number;
    }
    Ok(lines)
}

/// Whether usage is charged, or lies where nothing is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charged {
    Yes,
    No,
}

/// What was counted in a period, up to a cut.
fn used(
    usage: &[UsageRow],
    of: &Billed<'_>,
    cut: i64,
    subscription: &str,
    charged: Charged,
) -> Result<Vec<Used>, StatementError> {
    let counts = |row: &&UsageRow| {
        let at = row.quarter.begins();
        let is_its = row.subscription.as_deref().is_none_or(|of| of == subscription);
        let is_free = of.unbilled.iter().any(|part| part.has(row.quarter));
        is_its && of.from <= at && at < of.to && row.cut <= cut && is_free == (charged == Charged::No)
    };
    let mut sums: BTreeMap<(&Meter, Option<&str>), i64> = BTreeMap::new();
    for row in usage.iter().filter(counts) {
        let sum = sums.entry((&row.meter, row.of.as_deref())).or_default();
        *sum = sum.checked_add(row.quantity).ok_or(StatementError::Sum)?;
    }
    let of = |((meter, of), quantity): ((&Meter, Option<&str>), i64)| Used {
        meter: meter.clone(),
        of: of.map(str::to_owned),
        quantity,
    };
    Ok(sums.into_iter().map(of).collect())
}

type ByPrice = BTreeMap<(Option<Meter>, Option<String>), (Charge, i64, i64)>;

/// Each price's charges together: quantity and amount.
fn by_price(charges: Vec<Charge>) -> Result<ByPrice, StatementError> {
    let mut sums = ByPrice::new();
    for charge in charges {
        let key = (charge.meter.clone(), charge.of.clone());
        let (more, units) = (charge.quantity, charge.amount);
        let (_, quantity, amount) = sums.entry(key).or_insert((charge, 0, 0));
        *quantity = quantity.checked_add(more).ok_or(StatementError::Sum)?;
        *amount = amount.checked_add(units).ok_or(StatementError::Sum)?;
    }
    Ok(sums)
}
