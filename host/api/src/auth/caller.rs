//! Whoever asks: a key, a person who is logged in, a partner with a token, or a subscription that is made so. What each may do is decided in one way.

use openhub_model::{Id, Network, Principal, TenantId, Timestamp};
use openhub_store::{Key, Lineage, PageSettings, Scope, Session};
use std::sync::Arc;

use super::partner::Partner;
use super::permission::{EVERYTHING, EventsWrite, Permission, TenantsClaim};
use super::role::{scopes_of, sees_people};
use crate::problem::{MISSING_SCOPE, Problem};

/// A credential that works now.
#[derive(Clone)]
pub(crate) enum Caller {
    Key(Arc<Key>),
    Person(Arc<LoggedIn>),
    Partner(Arc<Partner>),
    Subscription(Arc<Provisioning>),
}

/// A subscription that makes things at its partner's, as far as the partner's ceiling goes: no request asks for it.
pub(crate) struct Provisioning {
    id: String,
    tenant: TenantId,
    scopes: Vec<String>,
    line: Lineage,
}

/// A session, and what its person's role may do.
pub(crate) struct LoggedIn {
    pub session: Arc<Session>,
    scopes: Vec<String>,
}

impl Caller {
    pub fn person(session: Arc<Session>) -> Caller {
        let scopes = scopes_of(session.role).iter().map(|scope| (*scope).to_owned()).collect();
        Caller::Person(Arc::new(LoggedIn { session, scopes }))
    }

    pub fn subscription(tenant: TenantId, id: Id, line: Lineage) -> Caller {
        let scopes = vec![EVERYTHING.to_owned()];
        Caller::Subscription(Arc::new(Provisioning { id: id.to_string(), tenant, scopes, line }))
    }

    pub fn tenant(&self) -> TenantId {
        match self {
            Caller::Subscription(subscription) => subscription.tenant,
            Caller::Key(key) => key.tenant,
            Caller::Person(person) => person.session.tenant,
            Caller::Partner(partner) => partner.maker.tenant,
        }
    }

    /// What it reads: all of its tenant's, or what is left of it without personal data.
    pub fn scope(&self) -> Scope {
        match self {
            Caller::Person(person) if !sees_people(person.session.role) => Scope::of(self.tenant()).without_people(),
            _ => Scope::of(self.tenant()),
        }
    }

    /// Of the key, of the person, of the partner, or of the subscription.
    pub fn id(&self) -> &str {
        match self {
            Caller::Subscription(subscription) => &subscription.id,
            Caller::Key(key) => &key.id,
            Caller::Person(person) => &person.session.person,
            Caller::Partner(partner) => &partner.id,
        }
    }

    pub fn principal(&self) -> Principal {
        match self {
            Caller::Subscription(subscription) => Principal::Subscription { id: subscription.id.clone() },
            Caller::Key(key) => Principal::key(key.id.clone()),
            Caller::Person(person) => Principal::Person { id: person.session.person.clone() },
            Caller::Partner(partner) => Principal::Partner { id: partner.id.clone() },
        }
    }

    pub fn line(&self) -> &Lineage {
        match self {
            Caller::Subscription(subscription) => &subscription.line,
            Caller::Key(key) => &key.line,
            Caller::Person(person) => &person.session.line,
            Caller::Partner(partner) => &partner.maker.line,
        }
    }

    /// All that it was given, whatever the tenant's ceiling leaves of it.
    pub fn scopes(&self) -> &[String] {
        match self {
            Caller::Subscription(subscription) => &subscription.scopes,
            Caller::Key(key) => &key.scopes,
            Caller::Person(person) => &person.scopes,
            Caller::Partner(partner) => &partner.scopes,
        }
    }

    /// What of it the tenant's ceiling leaves.
    pub fn usable_scopes(&self) -> Vec<String> {
        let (scopes, ceiling) = (self.scopes(), &self.line().ceiling);
        match &ceiling.scopes {
            Some(most) if scopes.iter().any(|scope| scope == EVERYTHING) => most.clone(),
            _ => scopes.iter().filter(|scope| ceiling.allows(scope)).cloned().collect(),
        }
    }

    /// From where alone it works; none: from everywhere.
    pub fn addresses(&self) -> &[Network] {
        match self {
            Caller::Key(key) => &key.addresses,
            Caller::Person(_) | Caller::Subscription(_) => &[],
            Caller::Partner(partner) => &partner.maker.addresses,
        }
    }

    /// When what it gives has to end, too. A person stays when a session ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match self {
            Caller::Key(key) => key.expires_at,
            Caller::Person(_) | Caller::Subscription(_) => None,
            Caller::Partner(partner) => Some(partner.ends_at),
        }
    }

    /// What its tenant says of pages; none for a person or a partner, who send no events.
    pub fn pages(&self) -> Option<&PageSettings> {
        match self {
            Caller::Key(key) => Some(&key.pages),
            Caller::Person(_) | Caller::Partner(_) | Caller::Subscription(_) => None,
        }
    }

    fn is_page(&self) -> bool {
        matches!(self, Caller::Key(key) if key.page)
    }

    /// The one place where it is decided what somebody may do: what the key or the role was given, below the tenant's ceiling. A page's
    /// key sends events, and does nothing else.
    pub fn carries<P: Permission>(&self) -> bool {
        let has = self.scopes().iter().any(|scope| scope == P::SCOPE || scope == EVERYTHING);
        let is_below = self.line().ceiling.allows(P::SCOPE) || P::SCOPE == TenantsClaim::SCOPE;
        has && is_below && (!self.is_page() || P::SCOPE == EventsWrite::SCOPE)
    }

    /// The same of a permission that is about one plugin, `of_it`, or about all.
    pub fn carries_one_of(&self, all: &str, of_it: &str) -> bool {
        let is_it = |scope: &String| scope == EVERYTHING || scope == all || scope == of_it;
        !self.is_page() && self.scopes().iter().any(is_it) && self.line().ceiling.allows(of_it)
    }

    /// What is told to whoever lacks `P`.
    pub fn lacks<P: Permission>(&self) -> Problem {
        let scope = P::SCOPE;
        if !self.line().ceiling.allows(scope) {
            let detail = format!(
                "The scope `{scope}` is above the ceiling of this tenant, so nobody in it can use it. Ask who owns the tenant."
            );
            return Problem::new(MISSING_SCOPE, detail);
        }
        let detail = match self {
            Caller::Key(key) => {
                let has: Vec<String> = key.scopes.iter().map(|scope| format!("`{scope}`")).collect();
                let only = if has.is_empty() { String::new() } else { format!(", but only {}", has.join(", ")) };
                format!("The key does not have the scope `{scope}`{only}. Use another key.")
            }
            Caller::Person(person) => format!(
                "This needs the scope `{scope}`, which the role `{}` does not have. Ask an owner or an admin of the tenant.",
                person.session.role
            ),
            Caller::Subscription(_) => format!("The subscription does not have the scope `{scope}`."),
            Caller::Partner(_) => {
                format!(
                    "This needs the scope `{scope}`, which the token does not have. Ask who gave it to you for another one."
                )
            }
        };
        Problem::new(MISSING_SCOPE, detail)
    }
}
