//! What plugins keep of customers outside of the hub: asked for when a customer is given their data (`export`), and when one was
//! erased (`requests`).
//!
//! What a plugin is asked to erase is written with the last step of the erasure, with who it is about: the hub itself knows that no
//! more by then. It is sealed under the hub's key, and gone once the plugin has answered.

pub mod export;
pub mod requests;

use openhub_model::identity::Part;
use openhub_model::manifest::PrivacyShape;
use openhub_model::{Id, TenantId};
use openhub_runtime::{Person, Unanswered};
use openhub_store::{Installation, NewErasureRequest, PluginStatus};

use crate::secrets::{Owner, Sealer};

/// The plugins that may keep something: those that were ever enabled, too.
pub fn keepers(installed: &[Installation]) -> impl Iterator<Item = (&Installation, &PrivacyShape)> {
    let ever = |plugin: &&Installation| matches!(plugin.status, PluginStatus::Enabled | PluginStatus::Disabled);
    installed.iter().filter(ever).filter_map(|plugin| Some((plugin, plugin.manifest.privacy.as_ref()?)))
}

/// A customer, as far as a plugin may be told who it is.
pub fn person(parts: &[Part], shape: &PrivacyShape) -> Person {
    let is_told = |part: &&Part| shape.identities.contains(&part.identity.kind);
    Person {
        customers: parts.iter().map(|part| part.id().to_string()).collect(),
        identities: parts.iter().filter(is_told).map(|part| part.identity.clone()).collect(),
    }
}

/// What plugins are to be asked about a customer who is erased.
pub fn requests_of(
    sealer: &Sealer,
    tenant: TenantId,
    erasure: Id,
    installed: &[Installation],
    parts: &[Part],
) -> Vec<NewErasureRequest> {
    let request = |(plugin, shape): (&Installation, &PrivacyShape)| {
        let who = serde_json::to_vec(&person(parts, shape)).expect("texts in lists are always JSON");
        let name = sealed_as(erasure);
        let who = sealer.seal(Owner { tenant, plugin: &plugin.name, name: &name }, &who);
        NewErasureRequest { plugin: plugin.name.clone(), who }
    };
    keepers(installed).map(request).collect()
}

/// No secret of a plugin is called like this.
pub(crate) fn sealed_as(erasure: Id) -> String {
    format!("erasure:{erasure}")
}

/// The code of a call that was not answered, what it says for a log, and when the plugin wants to be asked again.
pub fn why(unanswered: &Unanswered) -> (&str, &str, Option<u32>) {
    match unanswered {
        Unanswered::Retry { after_ms, reason } => (&reason.code, &reason.message, Some(*after_ms)),
        Unanswered::Rejected(reason) | Unanswered::Misconfigured(reason) => (&reason.code, &reason.message, None),
        Unanswered::Unfit(fault) => (&fault.code, &fault.message, None),
        Unanswered::Failed(fault) => (fault.kind.as_str(), &fault.message, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::identity::Age;
    use openhub_model::manifest::Manifest;
    use openhub_model::{Identity, Timestamp};

    fn part(kind: &str, value: &str) -> Part {
        let identity = Identity::new(kind, value);
        let id = identity.part(TenantId(1));
        let age = Age { position: 1, claimed: false, id };
        Part { age, customer: id, identity, source: String::new(), seen: true, state: None }
    }

    fn installed(name: &str, status: PluginStatus, privacy: Option<PrivacyShape>) -> Installation {
        let manifest = Manifest { name: name.to_owned(), privacy, ..Manifest::default() };
        Installation { status, ..Installation::uploaded("0".to_owned(), manifest, Timestamp::default()) }
    }

    #[test]
    fn plugins_are_told_who_it_is_by_what_they_declare_and_nobody_else_is() {
        let mail = || Some(PrivacyShape { identities: vec!["email".to_owned()] });
        let plugins = [
            installed("mail", PluginStatus::Enabled, mail()),
            installed("new", PluginStatus::Installed, mail()),
            installed("old", PluginStatus::Disabled, Some(PrivacyShape::default())),
            installed("points", PluginStatus::Enabled, None),
        ];
        let parts = [part("user_id", "ada"), part("email", "ada@example.com")];
        let (sealer, erasure) = (Sealer::from_key([7; 32]), Id::named(&[b"an erasure"]));
        let requests = requests_of(&sealer, TenantId(1), erasure, &plugins, &parts);
        let told = |request: &NewErasureRequest| {
            let (plugin, name) = (request.plugin.as_str(), sealed_as(erasure));
            let who = sealer.open(Owner { tenant: TenantId(1), plugin, name: &name }, &request.who).unwrap();
            let who: Person = serde_json::from_slice(&who).unwrap();
            assert_eq!(who.customers.len(), 2);
            (request.plugin.clone(), who.identities)
        };
        let told: Vec<_> = requests.iter().map(told).collect();
        assert_eq!(
            told,
            [("mail".to_owned(), vec![Identity::new("email", "ada@example.com")]), ("old".to_owned(), Vec::new())]
        );
        assert!(!format!("{requests:?}").contains("ada"), "it is sealed");
    }
}
