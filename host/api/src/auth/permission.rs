//! The scopes that a key can carry, each with the type that a handler asks for.

/// What a handler needs, as a type.
pub(crate) trait Permission: Send + Sync + 'static {
    const SCOPE: &'static str;
}

macro_rules! permissions {
    ($($name:ident = $scope:literal),* $(,)?) => {
        $(pub(crate) struct $name;
        impl Permission for $name {
            const SCOPE: &'static str = $scope;
        })*
        const ALL: &[&str] = &[$($scope),*];
    };
}

permissions! {
    EventsWrite = "events:write",
    EventsRead = "events:read",
    CustomersRead = "customers:read",
    CustomersWrite = "customers:write",
    IdentitiesWrite = "identities:write",
    PluginsRead = "plugins:read",
    PluginsWrite = "plugins:write",
    PluginsCall = "plugins:call",
    JourneysRead = "journeys:read",
    JourneysWrite = "journeys:write",
    MessagesRead = "messages:read",
    MessagesWrite = "messages:write",
    MessagesTransactional = "messages:transactional",
    SegmentsRead = "segments:read",
    SegmentsWrite = "segments:write",
    ObjectsRead = "objects:read",
    ObjectsWrite = "objects:write",
    ClockWrite = "clock:write",
    StatusRead = "status:read",
    SettingsWrite = "settings:write",
    FaultsRead = "faults:read",
    FaultsWrite = "faults:write",
    PrivacyRead = "privacy:read",
    PrivacyWrite = "privacy:write",
    UsageRead = "usage:read",
    UsageWrite = "usage:write",
    KeysRead = "keys:read",
    KeysWrite = "keys:write",
    PersonsRead = "persons:read",
    PersonsWrite = "persons:write",
    PartnerTokensWrite = "partner-tokens:write",
    AuditRead = "audit:read",
    WebhooksRead = "webhooks:read",
    WebhooksWrite = "webhooks:write",
    TenantsRead = "tenants:read",
    TenantsWrite = "tenants:write",
    OfferingsRead = "offerings:read",
    OfferingsWrite = "offerings:write",
    SubscriptionsRead = "subscriptions:read",
    SubscriptionsWrite = "subscriptions:write",
    SharesRead = "shares:read",
    SharesWrite = "shares:write",
}

/// To make a new tenant's first key. A setup key alone has it, and nobody can give it.
pub(crate) struct TenantsClaim;

impl Permission for TenantsClaim {
    const SCOPE: &'static str = "tenants:claim";
}

/// The plugin whose endpoints a scope allows to call, and no other's: `plugins:call:coupon`.
pub(crate) fn called_plugin(scope: &str) -> Option<&str> {
    let plugin = scope.strip_prefix(PluginsCall::SCOPE)?.strip_prefix(':')?;
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ((1..=64).contains(&plugin.len()) && plugin.bytes().all(letters)).then_some(plugin)
}

/// The scope that stands for all.
pub(crate) const EVERYTHING: &str = "*";

/// Sets of scopes for the keys that are usually made.
pub struct KeyScopes;

impl KeyScopes {
    /// A write key for pages and apps, where anybody can read it: sends events, reads nothing, joins nobody.
    pub const WRITE: &'static [&'static str] = &["events:write"];
    /// A write key that stays on a server: its events may also join known customers.
    pub const SERVER: &'static [&'static str] = &["events:write", "identities:write"];
    /// An API key that may do everything, also what later versions of the hub can do.
    pub const EVERYTHING: &'static [&'static str] = &[EVERYTHING];
    /// Each scope by its name.
    pub const ALL: &'static [&'static str] = ALL;

    /// Whether a key may be given this scope; `*` stands for all of them.
    pub fn exists(scope: &str) -> bool {
        scope == EVERYTHING || ALL.contains(&scope) || called_plugin(scope).is_some()
    }
}

/// Whether who has these scopes may give another one to somebody.
pub(crate) fn covers(has: &[String], scope: &str) -> bool {
    let is_it = |own: &String| own == scope || own == EVERYTHING;
    let any_plugin = || called_plugin(scope).is_some() && has.iter().any(|own| own == PluginsCall::SCOPE);
    has.iter().any(is_it) || any_plugin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gives_what_he_does_not_have() {
        let has = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
        assert!(covers(&has(&["*"]), "*") && covers(&has(&["*"]), "keys:write"));
        assert!(!covers(&has(KeyScopes::ALL), "*"), "what there is today is not what there will be");
        assert!(covers(&has(&["plugins:call"]), "plugins:call:coupon"));
        assert!(!covers(&has(&["plugins:call:coupon"]), "plugins:call"));
        assert!(!covers(&has(&["plugins:call:coupon"]), "plugins:call:points"));
        assert!(!covers(&[], "events:write"));
    }
}
