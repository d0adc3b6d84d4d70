//! The people of a tenant, without anything that lets somebody in.

use openhub_model::{Principal, Role, Timestamp};
use openhub_store::Person;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(crate) struct PersonList {
    /// The newest first.
    pub persons: Vec<PersonView>,
    /// Cursor of the next page.
    pub next: Option<String>,
}

/// Somebody who may log in, or is invited to.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(crate) struct PersonView {
    id: String,
    email: String,
    name: String,
    #[schema(value_type = String)]
    role: Role,
    /// `active`, or `invited`: there is no password yet, and the tenant's identity provider has not let the person in.
    status: &'static str,
    /// Whether the person shows a code of an authenticator besides the password.
    second_factor: bool,
    /// Whether the tenant's identity provider has let the person in.
    by_provider: bool,
    /// Until when an invitation that was not accepted works.
    #[schema(value_type = Option<String>, format = DateTime)]
    invited_until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Who made it: `kind`, and `id` of a key or a person.
    #[schema(value_type = Option<Object>)]
    made_by: Option<Principal>,
    #[schema(value_type = Option<String>, format = DateTime)]
    logged_in_at: Option<Timestamp>,
}

impl PersonView {
    pub fn of(person: Person, now: Timestamp) -> PersonView {
        PersonView {
            status: if person.password.is_some() || person.subject.is_some() { "active" } else { "invited" },
            by_provider: person.subject.is_some(),
            second_factor: person.second.is_some_and(|second| second.confirmed),
            id: person.id,
            email: person.email,
            name: person.name,
            role: person.role,
            invited_until: person.invitation.map(|invitation| invitation.until).filter(|until| now < *until),
            created_at: person.created_at,
            made_by: person.made_by,
            logged_in_at: person.logged_in_at,
        }
    }
}

/// A person with the invitation, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitedPerson)]
pub(crate) struct InvitedView {
    /// For the person alone: whoever has it sets the password, once, within a week.
    pub invitation: String,
    #[serde(flatten)]
    pub view: PersonView,
}

/// What an authenticator app is to know, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactor)]
pub(crate) struct SecondFactorView {
    /// In Base32, to be typed.
    pub secret: String,
    /// `otpauth://…`, to be shown as a QR code.
    pub url: String,
}

/// Codes for who has lost the authenticator, which are shown this once. Each works once in place of a code.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
pub(crate) struct RecoveryView {
    pub recovery_codes: Vec<String>,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// The person's id.
    pub person: String,
    pub email: String,
    pub name: String,
    #[schema(value_type = String)]
    pub role: Role,
    /// What the role may do here: with a tighter ceiling of the tenant, less.
    pub scopes: Vec<String>,
    /// The tenant's id.
    pub tenant: i64,
    /// When the session ends, however it is used. It ends sooner if it is not used for two hours.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
}
