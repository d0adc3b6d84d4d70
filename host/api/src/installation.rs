//! Whether an installation's settings and grant fit its manifest, with pointers into the request.

use openhub_engine::catalog::{ReadPath, WritePath, bindable, unknown_paths};
use openhub_engine::uses::{self, Fate};
use openhub_model::fault::instead_of;
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
    faults.extend(check_declared(manifest));
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

/// What a part of a manifest names is there, and of a type that it can have.
fn check_declared(manifest: &Manifest) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut wrong = |pointer: String, code: &str, message: String| faults.push(Fault::new(pointer, code, message));
    let (events, objects) =
        (|| manifest.events.iter().map(|it| &it.name), || manifest.objects.iter().map(|it| &it.name));
    for (at, rule) in manifest.rules.iter().enumerate() {
        if rule.on.is_empty() {
            let message = "No event triggers the rule: name at least one in `on`.".to_owned();
            wrong(format!("/rules/{at}/on"), "missing", message);
        }
        for (index, event) in rule.events.iter().enumerate().filter(|(_, event)| events().all(|name| name != *event)) {
            let message =
                format!("The plugin does not declare the event `{event:.60}`. {}", instead_of(event, events()));
            wrong(format!("/rules/{at}/events/{index}"), "undeclared-event", message);
        }
        for (index, kind) in rule.objects.iter().enumerate().filter(|(_, kind)| objects().all(|name| name != *kind)) {
            let message =
                format!("The plugin does not declare the object type `{kind:.60}`. {}", instead_of(kind, objects()));
            wrong(format!("/rules/{at}/objects/{index}"), "undeclared-object", message);
        }
        for (index, read) in rule.reads.iter().enumerate() {
            if rule.reads[..index].iter().any(|other| other.name == read.name) {
                let message = format!("Two reads have the name `{:.60}`: rename one.", read.name);
                wrong(format!("/rules/{at}/reads/{index}/name"), "named-twice", message);
            }
        }
        for (index, write) in rule.writes.iter().enumerate() {
            if rule.writes[..index].iter().any(|other| other.path == write.path) {
                let message = format!("Two writes have the path `{:.60}`: remove one.", write.path);
                wrong(format!("/rules/{at}/writes/{index}/path"), "named-twice", message);
            }
            let needed = match WritePath::parse(&write.path) {
                Some(WritePath::Tag(_)) if write.of != Type::Boolean => "A tag is of the type `boolean`.",
                Some(WritePath::Counter(_)) if write.of != Type::Integer => "A counter is of the type `integer`.",
                _ => continue,
            };
            wrong(format!("/rules/{at}/writes/{index}/type"), "wrong-type", needed.to_owned());
        }
    }
    for (at, object) in manifest.objects.iter().enumerate() {
        let Some(owner) = &object.owner else { continue };
        let owns = |field: &&Field| field.name == *owner;
        let message = match object.fields.iter().find(owns) {
            None => format!(
                "The owner `{owner:.60}` is not a field of the type. {}",
                instead_of(owner, names(&object.fields))
            ),
            Some(field) if field.of != Type::Customer => "An owner is of the type `customer`.".to_owned(),
            Some(_) => continue,
        };
        wrong(format!("/objects/{at}/owner"), "no-owner", message);
    }
    for (at, channel) in manifest.channels.iter().enumerate().filter(|(_, channel)| channel.address.is_empty()) {
        let message = format!("The channel `{:.60}` has no kind of address: set `address`.", channel.name);
        wrong(format!("/channels/{at}/address"), "missing", message);
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
        let message = format!("The plugin has no setting `{name}`. {}", instead_of(name, known));
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
            let rules = instead_of(name, manifest.rules.iter().map(|rule| &rule.name));
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
                let bound = instead_of(read, bindable.iter().map(|declared| &declared.name));
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
            let message = format!("The manifest does not ask for `{item}`. {}", instead_of(item, asked));
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

    /// A change of one member, and what it is refused with: where, by which code, and what the sentence tells to do.
    type Wrong = (fn(&mut Manifest), &'static str, &'static str, &'static str);

    const WRONG: [Wrong; 17] = [
        (|it| it.rules[0].on.clear(), "/rules/0/on", "missing", "name at least one"),
        (|it| it.rules[0].on[0].clear(), "/rules/0/on/0", "invalid-name", "1 to 255 bytes"),
        (|it| it.rules[0].name = "r".repeat(256), "/rules/0/name", "invalid-name", "1 to 255 bytes"),
        (
            |it| it.rules[0].reads[0].path = "event.total".into(),
            "/rules/0/reads/0/path",
            "unknown-path",
            "There are: event.name",
        ),
        (|it| it.rules[0].reads[1].name = "total".into(), "/rules/0/reads/1/name", "named-twice", "rename one"),
        (
            |it| it.rules[0].lists[0].path = "row.at".into(),
            "/rules/0/lists/0/path",
            "unknown-path",
            "There are: event.properties",
        ),
        (
            |it| it.rules[0].writes[0].path = "event.x".into(),
            "/rules/0/writes/0/path",
            "unknown-path",
            "There are: customer.attributes",
        ),
        (
            |it| it.rules[0].writes[1].path = "customer.tags.vip".into(),
            "/rules/0/writes/1/path",
            "named-twice",
            "remove one",
        ),
        (|it| it.rules[0].writes[0].of = Type::Text, "/rules/0/writes/0/type", "wrong-type", "`boolean`"),
        (|it| it.rules[0].writes[1].of = Type::Text, "/rules/0/writes/1/type", "wrong-type", "`integer`"),
        (|it| it.rules[0].writes[1].list = true, "/rules/0/writes/1/path", "no-list", "Only an attribute"),
        (|it| it.rules[0].events[0] = "Lost".into(), "/rules/0/events/0", "undeclared-event", "Tier Changed"),
        (|it| it.rules[0].objects[0] = "lost".into(), "/rules/0/objects/0", "undeclared-object", "coupon"),
        (|it| it.objects[0].owner = Some("lost".into()), "/objects/0/owner", "no-owner", "owner"),
        (|it| it.objects[0].owner = Some("code".into()), "/objects/0/owner", "no-owner", "`customer`"),
        (|it| it.channels[0].address.clear(), "/channels/0/address", "missing", "set `address`"),
        (|it| it.secrets[0].name.clear(), "/secrets/0/name", "invalid-name", "1 to 255 bytes"),
    ];

    #[test]
    fn each_wrong_member_of_a_manifest_is_refused_where_it_is_by_its_own_code() {
        let good: Manifest = serde_json::from_value(json!({
            "format": 1, "name": "shop", "version": "1.0.0", "publisher": "openhub",
            "rules": [{
                "name": "r", "on": ["Order Completed"], "events": ["Tier Changed"], "objects": ["coupon"],
                "reads": [
                    {"name": "total", "path": "event.properties.total", "type": "integer", "required": true},
                    {"name": "at", "path": "row.at", "type": "timestamp", "required": true}],
                "lists": [{"name": "items", "path": "event.properties.items",
                    "reads": [{"name": "sku", "path": "sku", "type": "text", "required": true}]}],
                "writes": [
                    {"name": "vip", "path": "customer.tags.vip", "type": "boolean"},
                    {"name": "sum", "path": "customer.counters.sum", "type": "integer"}]}],
            "objects": [{"name": "coupon", "version": 1, "owner": "of",
                "fields": [{"name": "code", "type": "text"}, {"name": "of", "type": "customer"}]}],
            "channels": [{"name": "mail", "address": "email"}],
            "events": [{"name": "Tier Changed", "fields": []}],
            "secrets": [{"name": "token", "places": ["hmac"]}],
        }))
        .expect("a manifest");
        assert_eq!(check_manifest(&good), []);
        for (number, (change, pointer, code, tells)) in WRONG.into_iter().enumerate() {
            let mut manifest = good.clone();
            change(&mut manifest);
            let faults = check_manifest(&manifest);
            let found = faults.iter().find(|fault| (fault.pointer.as_str(), fault.code.as_str()) == (pointer, code));
            assert!(found.is_some_and(|fault| fault.message.contains(tells)), "{number}, {pointer}: {faults:?}");
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
