//! Who brought whom.

use openhub_sdk::prelude::*;

use crate::join::ReferralRefused;
use crate::place::{DEEPEST, Referral, ReferralPatch};

/// A claim, what is written of who makes it, and of whose code it is.
#[derive(Clone, Debug, Reads)]
pub struct Claim {
    #[read("row.customer")]
    pub customer: CustomerRef,
    #[read("row.at")]
    pub at: Timestamp,
    #[read("event.properties.code")]
    pub code: String,
    /// What stays with a customer when others become one with them.
    #[read("customer.attributes.referred_by")]
    pub referred_by: Option<String>,
    #[read("object.referral[row.customer].code")]
    pub own_code: Option<String>,
    #[read("object.referral[row.customer].first")]
    pub own_first: Option<CustomerRef>,
    #[read("object.referral[row.customer].brought")]
    pub own_brought: Option<i64>,
    #[read("object.referral[code=event.properties.code].owner")]
    pub giver: Option<CustomerRef>,
    #[read("object.referral[code=event.properties.code].first")]
    pub giver_first: Option<CustomerRef>,
    #[read("object.referral[code=event.properties.code].second")]
    pub giver_second: Option<CustomerRef>,
    #[read("object.referral[code=event.properties.code].depth")]
    pub giver_depth: Option<i64>,
    #[read("object.referral[code=event.properties.code].brought")]
    pub giver_brought: Option<i64>,
}

#[derive(Clone, Debug, Params)]
pub struct Depth {
    /// How many may stand above a customer: 1 to 50.
    #[field(default = 10i64)]
    pub deepest: i64,
}

/// The customer has brought another one.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct ReferralBrought {
    pub referred: CustomerRef,
    /// How many stand above who was brought.
    pub depth: i64,
}

/// The customer was brought.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct ReferralMade {
    pub code: String,
    pub depth: i64,
}

#[derive(Debug, Default, Writes)]
pub struct Brought {
    #[write("customer.attributes.referred_by")]
    pub referred_by: Set<String>,
    #[write("customer.attributes.referral_depth")]
    pub depth: Set<i64>,
    #[object]
    pub places: Vec<ObjectEffect<Referral>>,
    pub made: Option<ReferralMade>,
    #[to("giver")]
    pub brought: Option<ReferralBrought>,
    pub refusals: Option<ReferralRefused>,
}

/// Writes who brought a customer, if nobody did before.
#[rule(on = "Referral Claimed")]
pub fn bring(row: Claim, params: &Depth) -> Brought {
    match refused(&row, params) {
        Some(why) => {
            let refusal = ReferralRefused { code: row.code, why: why.to_owned() };
            Brought { refusals: Some(refusal), ..Brought::default() }
        }
        None => brought(row),
    }
}

fn refused(row: &Claim, params: &Depth) -> Option<&'static str> {
    let Some(giver) = &row.giver else { return Some("unknown-code") };
    if *giver == row.customer || Some(&row.code) == row.own_code.as_ref() {
        return Some("own-code");
    }
    if row.own_first.is_some() || row.referred_by.is_some() {
        return Some("brought-before");
    }
    if row.own_brought.is_some_and(|brought| brought > 0) {
        return Some("has-brought");
    }
    let deepest = params.deepest.clamp(1, DEEPEST);
    (row.giver_depth.unwrap_or(0) >= deepest).then_some("too-deep")
}

fn brought(row: Claim) -> Brought {
    let depth = row.giver_depth.unwrap_or(0) + 1;
    let own = match row.own_code {
        // Since `Signed Up`.
        Some(_) => ObjectEffect::Patch(
            row.customer.0.clone(),
            ReferralPatch {
                first: row.giver.clone(),
                second: row.giver_first,
                third: row.giver_second,
                depth: Some(depth),
                brought_at: Some(row.at),
                ..ReferralPatch::default()
            },
        ),
        None => ObjectEffect::Create(Referral {
            first: row.giver.clone(),
            second: row.giver_first,
            third: row.giver_second,
            depth,
            brought_at: Some(row.at),
            ..Referral::alone()
        }),
    };
    let CustomerRef(giver) = row.giver.unwrap_or_default();
    let count = ReferralPatch { brought: Some(row.giver_brought.unwrap_or(0) + 1), ..ReferralPatch::default() };
    Brought {
        referred_by: To(row.code.clone()),
        depth: To(depth),
        places: vec![own, ObjectEffect::Patch(giver, count)],
        made: Some(ReferralMade { code: row.code, depth }),
        brought: Some(ReferralBrought { referred: row.customer, depth }),
        refusals: None,
    }
}
