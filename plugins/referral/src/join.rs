//! A customer gets a code, and says whose code they came with.

use openhub_sdk::code;
use openhub_sdk::prelude::*;

use crate::place::Referral;

#[derive(Clone, Debug, Reads)]
pub struct Joining {
    /// The code that the customer came with, as somebody wrote it.
    #[read("event.properties.referral_code", bind)]
    pub with: Option<String>,
    #[read("object.referral[row.customer].code")]
    pub code: Option<String>,
}

/// The customer came with a code, in its one true form.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct ReferralClaimed {
    pub code: String,
}

/// Nobody was brought, and why.
#[derive(Clone, Debug, PartialEq, Event)]
pub struct ReferralRefused {
    pub code: String,
    pub why: String,
}

#[derive(Debug, Default, Writes)]
pub struct Joined {
    #[object]
    pub places: Vec<ObjectEffect<Referral>>,
    pub claims: Option<ReferralClaimed>,
    pub refusals: Option<ReferralRefused>,
}

/// Makes a code for who has none, and passes on the code that they came with.
#[rule(on = "Signed Up")]
pub fn join(row: Joining) -> Joined {
    let with = row.with.filter(|with| !with.is_empty());
    let read = with.as_deref().and_then(code::read);
    Joined {
        places: row.code.is_none().then(|| ObjectEffect::Create(Referral::alone())).into_iter().collect(),
        refusals: with.filter(|_| read.is_none()).map(|code| ReferralRefused { code, why: "no-code".to_owned() }),
        claims: read.map(|code| ReferralClaimed { code }),
    }
}

#[derive(Clone, Debug, Reads)]
pub struct Issued {
    #[read("event.properties.code")]
    pub code: String,
}

#[derive(Debug, Default, PartialEq, Writes)]
pub struct Kept {
    #[write("customer.attributes.referral_code")]
    pub code: Set<String>,
}

/// The code as an attribute, for templates.
#[rule(on = "Referral Code Issued")]
pub fn keep(row: Issued) -> Kept {
    Kept { code: To(row.code) }
}
