//! The first order of who was brought rewards those above, once each.
//!
//! Who was brought is marked when the rewards go out. Each reward is an object, too, whose key is who was brought and the level: whatever
//! comes again finds it there.

use openhub_sdk::prelude::*;

#[derive(Clone, Debug, Reads)]
pub struct Order {
    #[read("row.customer")]
    pub customer: CustomerRef,
    #[read("customer.tags.referral-rewarded")]
    pub rewarded: bool,
    #[read("object.referral[row.customer].first")]
    pub first: Option<CustomerRef>,
    #[read("object.referral[row.customer].second")]
    pub second: Option<CustomerRef>,
    #[read("object.referral[row.customer].third")]
    pub third: Option<CustomerRef>,
}

/// Points of each level; 0 gives none.
#[derive(Clone, Debug, Params)]
pub struct Points {
    #[field(default = 100i64)]
    pub first: i64,
    #[field(default = 0i64)]
    pub second: i64,
    #[field(default = 0i64)]
    pub third: i64,
}

/// The customer is due a reward, since somebody below them has ordered.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct ReferralRewarded {
    pub referred: CustomerRef,
    /// 1 for who brought them.
    pub level: i64,
    pub points: i64,
}

#[derive(Debug, Default, PartialEq, Writes)]
pub struct Rewards {
    #[write("customer.tags.referral-rewarded")]
    pub rewarded: Set<bool>,
    #[to("first")]
    pub first: Option<ReferralRewarded>,
    #[to("second")]
    pub second: Option<ReferralRewarded>,
    #[to("third")]
    pub third: Option<ReferralRewarded>,
}

/// Bind `on` to another event to reward something else than the first order.
#[rule(on = "Order Completed")]
pub fn reward(row: Order, params: &Points) -> Rewards {
    if row.rewarded || row.first.is_none() {
        return Rewards::default();
    }
    let due = |above: &Option<CustomerRef>, level, points| {
        let is_due = above.is_some() && points > 0;
        is_due.then(|| ReferralRewarded { referred: row.customer.clone(), level, points })
    };
    Rewards {
        rewarded: To(true),
        first: due(&row.first, 1, params.first),
        second: due(&row.second, 2, params.second),
        third: due(&row.third, 3, params.third),
    }
}

/// A reward that a customer got: the key is who was brought, and the level.
#[derive(Clone, Debug, PartialEq, DataObject)]
#[object(name = "referral-reward", version = 1)]
pub struct ReferralReward {
    #[field(relation, owner)]
    pub owner: Option<CustomerRef>,
    /// Who was brought. A text: they may be erased while the reward stays.
    pub referred: String,
    pub level: i64,
    pub points: i64,
}

impl Check for ReferralReward {
    fn check(change: Change<ReferralReward>) -> Result<Accepted<ReferralReward>, Vec<Fault>> {
        let accepted = |new: ReferralReward| Accepted::new(format!("{}/{}", new.referred, new.level), new);
        match change.operation {
            Operation::Create(new) => {
                let owner = new.owner.or(change.customer.map(CustomerRef));
                Ok(accepted(ReferralReward { owner, ..new }))
            }
            Operation::Update { .. } | Operation::Delete(_) => {
                Err(vec![Fault::new("", "fixed", "a reward stays as it was given")])
            }
        }
    }
}

#[derive(Clone, Debug, Reads)]
pub struct Due {
    #[read("event.name")]
    pub event: String,
    #[read("event.properties.referred")]
    pub referred: CustomerRef,
    #[read("event.properties.level")]
    pub level: Option<i64>,
    #[read("event.properties.points")]
    pub points: Option<i64>,
    #[read("object.referral-reward[event.properties.referred/event.properties.level].points")]
    pub had: Option<i64>,
}

#[derive(Debug, Default, Writes)]
pub struct Collected {
    /// Customers whom this one has brought.
    #[write("customer.counters.referrals")]
    pub referrals: Add,
    #[write("customer.counters.referral_points")]
    pub points: Add,
    #[object]
    pub rewards: Vec<ObjectEffect<ReferralReward>>,
}

/// Counts for who is above: whom they brought, and what they are due.
#[rule(on = ["Referral Brought", "Referral Rewarded"])]
pub fn collect(row: Due) -> Collected {
    if row.event == "Referral Brought" {
        return Collected { referrals: Add(1), ..Collected::default() };
    }
    let (Some(level), Some(points), None) = (row.level, row.points, row.had) else { return Collected::default() };
    let CustomerRef(referred) = row.referred;
    let reward = ReferralReward { owner: None, referred, level, points };
    Collected { points: Add(points), rewards: vec![ObjectEffect::Create(reward)], ..Collected::default() }
}
