//! Whether an installation's settings and grant fit its manifest, with pointers into the request.

use openhub_engine::catalog::{ReadPath, WritePath, bindable, unknown_paths};
use openhub_engine::uses::{self, Fate};
use openhub_model::fault::there_are;
use openhub_model::manifest::{Field, LIST_PATHS, Manifest, READ_PATHS, SecretShape, Type, WRITE_PATHS};
use openhub_model::{Fault, Timestamp, decimal, limits, object_read};
use openhub_runtime::hosts;
use openhub_store::Scope;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::app::App;
use crate::problem::{IN_USE, Problem};
use crate::text::step;

/// The settings' name under which an admin points rules at other events and properties.
const BINDINGS: &str = "bindings";

/// What a manifest's paths and names must be before it is installed.
pub(crate) fn check_manifest(manifest: &Manifest) -> Vec<Fault> {
    let mut faults = check_names(manifest);
    for (at, rule) in manifest.rules.iter().enumerate() {
        for (index, read) in rule.reads.iter().enumerate() {
            if ReadPath::parse(&read.path).is_none() {
                let message = format!("A rule cannot read `{}`. There are: {READ_PATHS}.", read.path);
                faults.push(Fault::new(format!("/rules/{at}/reads/{index}/path"), "unknown-path", message));
            }
        }
        let of_objects = object_read::faults(rule, manifest).into_iter();
        faults.extend(of_objects.map(|(pointer, why)| {
            Fault::new(format!("/rules/{at}{pointer}"), "unknown-path", format!("The rule cannot do this: {why}."))
        }));
        for (index, list) in rule.lists.iter().enumerate() {
            let unknown = unknown_paths(list, &format!("/rules/{at}/lists/{index}"), false);
            faults.extend(unknown.into_iter().map(|(pointer, path)| {
                let message = format!("A rule cannot read `{path}` as a list or in one. There are: {LIST_PATHS}.");
                Fault::new(pointer, "unknown-path", message)
            }));
        }
        for (index, write) in rule.writes.iter().enumerate() {
            let pointer = format!("/rules/{at}/writes/{index}/path");
            match WritePath::parse(&write.path) {
                None => {
                    let message = format!("A rule cannot write `{}`. There are: {WRITE_PATHS}.", write.path);
                    faults.push(Fault::new(pointer, "unknown-path", message));
                }
                Some(path) if write.list && !matches!(path, WritePath::Attribute(_)) => {
                    let message = format!("Only an attribute can be a list: `{}` cannot.", write.path);
                    faults.push(Fault::new(pointer, "no-list", message));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// What a manifest declares is a key of what is stored, and bound in length like every key.
fn check_names(manifest: &Manifest) -> Vec<Fault> {
    let fields = |pointer: String, fields: &[Field]| -> Vec<(String, String)> {
        let named = fields.iter().enumerate();
        named.map(|(index, field)| (format!("{pointer}/{index}/name"), field.name.clone())).collect()
    };
    let mut names = fields("/settings".to_owned(), &manifest.settings);
    for (at, rule) in manifest.rules.iter().enumerate() {
        names.push((format!("/rules/{at}/name"), rule.name.clone()));
        for (index, event) in rule.on.iter().enumerate() {
            names.push((format!("/rules/{at}/on/{index}"), event.clone()));
        }
        for (index, event) in rule.events.iter().enumerate() {
            names.push((format!("/rules/{at}/events/{index}"), event.clone()));
        }
        for (index, write) in rule.writes.iter().enumerate() {
            names.push((format!("/rules/{at}/writes/{index}/path"), write.path.clone()));
        }
    }
    for (at, object) in manifest.objects.iter().enumerate() {
        names.push((format!("/objects/{at}/name"), object.name.clone()));
        names.extend(fields(format!("/objects/{at}/fields"), &object.fields));
    }
    for (at, channel) in manifest.channels.iter().enumerate() {
        names.push((format!("/channels/{at}/name"), channel.name.clone()));
    }
    for (at, secret) in manifest.secrets.iter().enumerate() {
        names.push((format!("/secrets/{at}/name"), secret.name.clone()));
    }
    names.into_iter().filter_map(|(pointer, name)| limits::name(&name, || pointer).err()).collect()
}

/// Checks settings, as they would be in force, and the secrets that are already set against the manifest. What an older
/// version left behind is nobody's fault.
pub(crate) fn check_settings(manifest: &Manifest, settings: &Value, secrets: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(settings) = settings.as_object() else {
        return vec![Fault::new("/settings", "wrong-type", "The settings must be a JSON object.")];
    };
    check_fields(&manifest.settings, settings, "/settings", &mut faults);
    for rule in &manifest.rules {
        let pointer = step("/settings", &rule.name);
        match settings.get(&rule.name) {
            Some(Value::Object(params)) => {
                check_fields(&rule.params, params, &pointer, &mut faults);
            }
            Some(_) => faults.push(Fault::new(pointer, "wrong-type", "A rule's parameters must be a JSON object.")),
            None => check_fields(&rule.params, &Map::new(), &pointer, &mut faults),
        }
    }
    check_addresses(manifest, &Value::Object(settings.clone()), &mut faults);
    let is_unset = |secret: &&SecretShape| secret.required && !secrets.contains_key(&secret.name);
    for secret in manifest.secrets.iter().filter(is_unset) {
        let message = format!("The secret `{}` has no value: set it first.", secret.name);
        faults.push(Fault::new(step("/secrets", &secret.name), "missing-secret", message));
    }
    faults
}

/// Settings that say where requests go are URLs that a request can have.
fn check_addresses(manifest: &Manifest, settings: &Value, faults: &mut Vec<Fault>) {
    for fault in hosts::resolve(&manifest.hosts, settings).err().into_iter().flatten() {
        let pointer = format!("/settings{}", fault.pointer);
        if !faults.iter().any(|known| known.pointer == pointer) {
            faults.push(Fault { pointer, ..fault });
        }
    }
}

/// Checks that everything that is set, or taken away, is something that the plugin has.
pub(crate) fn check_known_settings(manifest: &Manifest, set: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(set) = set.as_object() else { return faults };
    for rule in &manifest.rules {
        if let Some(Value::Object(params)) = set.get(&rule.name) {
            check_known(params, &names(&rule.params), &step("/settings", &rule.name), &mut faults);
        }
    }
    check_bindings(manifest, set.get(BINDINGS).filter(|bindings| !bindings.is_null()), &mut faults);
    let mut known = names(&manifest.settings);
    known.extend(manifest.rules.iter().map(|rule| rule.name.as_str()).chain([BINDINGS]));
    check_known(set, &known, "/settings", &mut faults);
    faults
}

fn names(fields: &[Field]) -> Vec<&str> {
    fields.iter().map(|field| field.name.as_str()).collect()
}

fn check_fields(fields: &[Field], values: &Map<String, Value>, pointer: &str, faults: &mut Vec<Fault>) {
    for field in fields {
        let pointer = step(pointer, &field.name);
        match values.get(&field.name).filter(|value| !value.is_null()) {
            None if field.required => faults.push(Fault::new(pointer, "missing", "This setting is required: set it.")),
            Some(value) if !fits(&field.of, value) => {
                faults.push(Fault::new(pointer, "wrong-type", format!("This must be {}.", field.of.in_words())));
            }
            _ => {}
        }
    }
}

fn check_known(values: &Map<String, Value>, known: &[&str], pointer: &str, faults: &mut Vec<Fault>) {
    for name in values.keys().filter(|name| !known.contains(&name.as_str())) {
        let message = format!("The plugin has no setting `{name}`. {}", there_are(known));
        faults.push(Fault::new(step(pointer, name), "unknown-field", message));
    }
}

/// `{"<rule>": {"on": ["Order Paid"], "reads": {"total": "event.properties.amount"}}}`
fn check_bindings(manifest: &Manifest, bindings: Option<&Value>, faults: &mut Vec<Fault>) {
    let Some(bindings) = bindings else { return };
    let pointer = step("/settings", BINDINGS);
    let Some(bindings) = bindings.as_object() else {
        return faults.push(Fault::new(pointer, "wrong-type", "The bindings must be a JSON object."));
    };
    for (name, binding) in bindings {
        let pointer = step(&pointer, name);
        let Some(rule) = manifest.rules.iter().find(|rule| rule.name == *name) else {
            let rules = there_are(manifest.rules.iter().map(|rule| &rule.name));
            faults.push(Fault::new(pointer, "unknown-rule", format!("The plugin has no rule `{name}`. {rules}")));
            continue;
        };
        let on = &binding["on"];
        let is_list = on.as_array().is_some_and(|names| names.iter().all(Value::is_string));
        if !on.is_null() && !is_list {
            faults.push(Fault::new(step(&pointer, "on"), "wrong-type", "This must be an array of event names."));
        }
        for (read, path) in binding["reads"].as_object().into_iter().flatten() {
            let pointer = step(&step(&pointer, "reads"), read);
            let bindable = bindable(rule);
            let Some(declared) = bindable.iter().find(|declared| declared.name == *read) else {
                let bound = there_are(bindable.iter().map(|declared| &declared.name));
                let message = format!("The rule has no read `{read}` that can be bound. {bound}");
                faults.push(Fault::new(pointer, "unknown-read", message));
                continue;
            };
            let is_element = |path: &str| path.contains("[]");
            match path.as_str().filter(|path| declared.takes(path)) {
                None => {
                    let paths = declared.paths();
                    let message = format!("A rule cannot read this path here. There are: {paths}.");
                    faults.push(Fault::new(pointer, "unknown-path", message));
                }
                Some(path) if is_element(declared.path) != is_element(path) => {
                    let message = "A path with `[]` can be bound only to another path with `[]`.";
                    faults.push(Fault::new(pointer, "unknown-path", message));
                }
                Some(_) => {}
            }
        }
    }
}

fn fits(of: &Type, value: &Value) -> bool {
    match of {
        Type::Boolean => value.is_boolean(),
        Type::Integer => value.is_i64(),
        Type::Number => value.is_number(),
        Type::Text | Type::Customer | Type::Object(_) => value.is_string(),
        Type::Timestamp => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        Type::Decimal(scale) => decimal::from_json(value, *scale).is_some(),
        Type::Enum(values) => value.as_str().is_some_and(|text| values.iter().any(|value| value == text)),
    }
}

/// Refuses what would take something away from who uses it, and names them.
pub(crate) async fn unused(app: &App, scope: &Scope, name: &str, fate: Fate<'_>, what: &str) -> Result<(), Problem> {
    let users = uses::users(&app.store, scope, name, fate).await?;
    if users.is_empty() {
        return Ok(());
    }
    let named: Vec<&str> = users.iter().map(|user| user.pointer.as_str()).collect();
    let detail = format!("`{name}` is in use, so it cannot be {what}. Change these first: {}.", named.join(", "));
    Err(Problem::new(IN_USE, detail).with_faults(users))
}

/// All that the manifest asks for.
pub(crate) fn whole_grant(manifest: &Manifest) -> Value {
    json!({"hosts": manifest.hosts, "imports": manifest.imports, "access": manifest.access})
}

/// A grant gives at most what the manifest asks. What it leaves out breaks off the calls that use it.
pub(crate) fn check_grant(manifest: &Manifest, hosts: &[String], imports: &[String], access: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let all = [
        ("hosts", hosts, &manifest.hosts),
        ("imports", imports, &manifest.imports),
        ("access", access, &manifest.access),
    ];
    for (name, granted, asked) in all {
        for (index, item) in granted.iter().enumerate().filter(|(_, item)| !asked.contains(item)) {
            let message = format!("The manifest does not ask for `{item}`. {}", there_are(asked));
            faults.push(Fault::new(format!("/grant/{name}/{index}"), "not-asked-for", message));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::{SecretEncoding, SecretPlace};
    use openhub_store::Installation;
    use std::collections::BTreeMap;

    fn installation(settings: Value) -> Installation {
        let field = |name: &str, of: Type, required: bool| Field { required, ..Field::new(name, of) };
        let manifest = Manifest {
            name: "webhook".into(),
            settings: vec![field("url", Type::Text, true), field("rate", Type::Decimal(2), false)],
            secrets: vec![SecretShape {
                name: "signing".into(),
                encoding: SecretEncoding::Whsec,
                places: vec![SecretPlace::Hmac],
                hosts: Vec::new(),
                required: true,
                capture: None,
            }],
            hosts: vec!["setting:url".into()],
            imports: vec!["openhub:http/http".into()],
            ..Manifest::default()
        };
        Installation {
            settings,
            secrets: BTreeMap::from([("signing".to_owned(), "sealed".to_owned())]),
            ..Installation::uploaded("0".into(), manifest, Timestamp::default())
        }
    }

    fn checked(plugin: &Installation) -> Vec<Fault> {
        let mut faults = check_settings(&plugin.manifest, &plugin.settings, &plugin.secrets);
        faults.extend(check_known_settings(&plugin.manifest, &plugin.settings));
        faults
    }

    fn faults(settings: Value) -> Vec<(String, String)> {
        let faults = checked(&installation(settings));
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn settings_are_typed_by_the_manifest() {
        assert_eq!(faults(json!({"url": "https://example.com", "rate": "1.25"})), []);
        let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
        assert_eq!(faults(json!({})), fault("/settings/url", "missing"));
        assert_eq!(faults(json!({"url": 7})), fault("/settings/url", "wrong-type"));
        assert_eq!(
            faults(json!({"url": "https://example.com", "rate": "1.255"})),
            fault("/settings/rate", "wrong-type")
        );
        assert_eq!(faults(json!({"url": "https://example.com", "uri": "y"})), fault("/settings/uri", "unknown-field"));
        assert_eq!(faults(json!([])), fault("/settings", "wrong-type"));
        let mut unset = installation(json!({"url": "https://example.com"}));
        unset.secrets.clear();
        assert_eq!(checked(&unset)[0].pointer, "/secrets/signing");
    }

    #[test]
    fn report_21_where_requests_go_is_an_address_that_they_can_have() {
        for url in
            ["ftp://example.com/in", "example.com", "", "file:///etc/passwd", "https://", "https://a:b@example.com/"]
        {
            assert_eq!(faults(json!({"url": url})), [("/settings/url".to_owned(), "not-a-url".to_owned())], "{url}");
        }
        assert_eq!(faults(json!({"url": "HTTPS://example.com:8443/in?a=b"})), []);
    }

    #[test]
    fn a_grant_is_never_wider_than_the_manifest() {
        let manifest = installation(json!({})).manifest;
        let imports = manifest.imports.clone();
        assert_eq!(check_grant(&manifest, &manifest.hosts, &imports, &[]), []);
        assert_eq!(check_grant(&manifest, &[], &imports, &[]), []);
        assert_eq!(check_grant(&manifest, &["example.com".to_owned()], &imports, &[])[0].pointer, "/grant/hosts/0");
        assert_eq!(check_grant(&manifest, &[], &[], &[]), []);
        assert_eq!(check_grant(&manifest, &[], &["openhub:kv/kv".to_owned()], &[])[0].pointer, "/grant/imports/0");
    }
}
