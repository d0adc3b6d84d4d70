//! How much may be used. A quota is not a price: it says nothing of money. A cap is not a quota: the partner sets it, for itself.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::meter::{self, Meter};
use crate::fault::Fault;

/// Parts of a limit, in percent, at which the hub warns.
pub const WARNINGS: [u8; 2] = [80, 100];
/// Quotas of one document at most.
const QUOTAS: usize = 50;

/// A limit on a quantity in each period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub meter: Meter,
    /// Only of this channel, plugin or object type. None: of all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What may be used in a period.
    pub limit: i64,
    /// What happens at the limit.
    pub then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// What would go beyond is refused at the door.
    Refuse,
    /// It goes on, and is counted.
    Overrun,
}

impl Quota {
    /// The warnings that are due at a quantity, those of before included.
    pub fn warnings(&self, used: i64) -> impl Iterator<Item = u8> + use<> {
        let (limit, used) = (i128::from(self.limit), i128::from(used));
        WARNINGS.into_iter().filter(move |percent| used * 100 >= limit * i128::from(*percent))
    }
}

/// All that is wrong with some quotas, at places below `pointer`.
pub fn faults(quotas: &[Quota], pointer: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if quotas.len() > QUOTAS {
        faults.push(Fault::new(pointer, "too-many", format!("There are at most {QUOTAS} quotas.")));
    }
    let mut known = BTreeSet::new();
    for (at, quota) in quotas.iter().take(QUOTAS).enumerate() {
        let pointer = format!("{pointer}/{at}");
        if !known.insert((&quota.meter, &quota.of)) {
            let message = format!("There is a quota for `{}` like this already: remove one.", quota.meter);
            faults.push(Fault::new(&*pointer, "duplicate", message));
        }
        meter::check_of(&quota.meter, quota.of.as_deref(), &pointer, &mut faults);
        if quota.limit < 0 {
            let message = "`limit` is 0 or more.".to_owned();
            faults.push(Fault::new(format!("{pointer}/limit"), "out-of-range", message));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faults_stand_at_their_places() {
        let quota = json!({"meter": "events", "of": "x", "limit": -1, "then": "refuse"});
        let quotas: Vec<Quota> = serde_json::from_value(json!([quota, quota])).unwrap();
        let told: Vec<_> = faults(&quotas, "/quotas").into_iter().map(|fault| fault.pointer).collect();
        let twice = ["/quotas/0/of", "/quotas/0/limit", "/quotas/1", "/quotas/1/of", "/quotas/1/limit"];
        assert_eq!(told, twice);
    }

    #[test]
    fn the_hub_warns_at_eighty_and_at_hundred_percent() {
        let quota = Quota { meter: Meter::Events, of: None, limit: 10, then: Then::Overrun };
        let at = |used| quota.warnings(used).collect::<Vec<_>>();
        assert_eq!(
            (at(7), at(8), at(9), at(10), at(i64::MAX)),
            (vec![], vec![80], vec![80], vec![80, 100], vec![80, 100])
        );
    }
}
