//! Referrals: each customer gets a code, whoever comes with it was brought by its owner, and the first order rewards those above.
//!
//! All of it is rules and checks, so it replays: who brought whom follows from the order of the log. A customer's place in the tree is the
//! object `referral`, whose key is the customer. It names up to three customers above, which are the relations along which rewards go.
//!
//! There is no circle: a circle would be closed by somebody who has brought others already, and such a customer is not brought any more. So
//! those above somebody never change, and what is written of them at that moment stays true.

mod bring;
mod join;
mod place;
mod reward;

pub use place::Referral;
pub use reward::ReferralReward;

openhub_sdk::plugin! {
    rules: [join::join, join::keep, bring::bring, reward::reward, reward::collect],
    objects: [Referral, ReferralReward],
}
