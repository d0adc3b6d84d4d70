//! What a manifest must hold before it leaves the developer's machine; the hub checks again at install.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, bail, ensure};
use cargo_metadata::semver::Version;
use openhub_model::access::{ACCESS, Access};
use openhub_model::endpoint;
use openhub_model::manifest::{Field, LIST_PATHS, ListShape, Manifest, READ_PATHS, RuleShape, Type, WRITE_PATHS};
use openhub_model::object_read::{self, ObjectRead};
use openhub_model::schedule::Schedule;

/// Checks names, paths and types; the error names the rule, object or channel and the field.
pub fn check(manifest: &Manifest) -> Result<()> {
    kebab(&manifest.name).context("plugin.toml, name")?;
    Version::parse(&manifest.version).with_context(|| {
        format!("plugin.toml, version: `{}` is not a semantic version: write one like 1.0.0", manifest.version)
    })?;
    ensure!(!manifest.publisher.is_empty(), "plugin.toml, publisher: it is empty: set it");
    distinct(manifest.rules.iter().map(|rule| rule.name.as_str()), "rule")?;
    distinct(manifest.objects.iter().map(|object| object.name.as_str()), "object")?;
    distinct(manifest.channels.iter().map(|channel| channel.name.as_str()), "channel")?;
    distinct(manifest.sources.iter().map(|source| source.name.as_str()), "source")?;
    distinct(manifest.events.iter().map(|event| event.name.as_str()), "event")?;
    for rule in &manifest.rules {
        check_rule(rule).with_context(|| format!("rule `{}`", rule.name))?;
        if let Some((_, why)) = object_read::faults(rule, manifest).into_iter().next() {
            bail!("rule `{}`: {why}", rule.name);
        }
    }
    for object in &manifest.objects {
        let place = || format!("object `{}`", object.name);
        kebab(&object.name).with_context(place)?;
        check_fields(&object.fields).with_context(place)?;
        if let Some(owner) = &object.owner {
            let found = object.fields.iter().find(|field| field.name == *owner);
            let found = found.with_context(|| format!("{}: its owner `{owner}` is not one of its fields", place()))?;
            ensure!(
                found.of == Type::Customer,
                "{}, field `{owner}`: an owner must have the type CustomerRef",
                place()
            );
        }
    }
    for channel in &manifest.channels {
        let place = || format!("channel `{}`", channel.name);
        kebab(&channel.name).with_context(place)?;
        ensure!(!channel.address.is_empty(), "{}: it has no address kind: set `address`", place());
        check_fields(&channel.content).with_context(place)?;
    }
    for source in &manifest.sources {
        kebab(&source.name).with_context(|| format!("source `{}`", source.name))?;
    }
    distinct(manifest.endpoints.iter().map(|endpoint| endpoint.name.as_str()), "endpoint")?;
    for endpoint in &manifest.endpoints {
        kebab(&endpoint.name).with_context(|| format!("endpoint `{}`", endpoint.name))?;
    }
    endpoint::check(&manifest.endpoints).map_err(|why| anyhow!(why))?;
    distinct(manifest.jobs.iter().map(|job| job.name.as_str()), "job")?;
    for job in &manifest.jobs {
        let place = || format!("job `{}`", job.name);
        kebab(&job.name).with_context(place)?;
        Schedule::check(job).map_err(|why| anyhow!("plugin.toml, {}: {why}", place()))?;
    }
    distinct(manifest.steps.iter().map(|step| step.name.as_str()), "step")?;
    for step in &manifest.steps {
        let place = || format!("step `{}`", step.name);
        kebab(&step.name).with_context(place)?;
        ensure!(!step.outlets.is_empty(), "{}: it has no outlet: its enum needs a variant", place());
        distinct(step.events.iter().map(String::as_str), "event").with_context(place)?;
        check_fields(&step.input).with_context(place)?;
    }
    distinct(manifest.functions.iter().map(|function| function.name.as_str()), "function")?;
    for function in &manifest.functions {
        let place = || format!("function `{}`", function.name);
        kebab(&function.name).with_context(place)?;
        check_fields(&function.arguments).with_context(place)?;
        let sorted = function.arguments.is_sorted_by_key(|argument| !argument.required);
        ensure!(sorted, "{}: an argument that may be left out stands before one that may not: put it last", place());
    }
    for event in &manifest.events {
        check_fields(&event.fields).with_context(|| format!("event `{}`", event.name))?;
    }
    check_fields(&manifest.settings).context("the settings")?;
    check_policy(manifest)
}

/// A component exports the interface of each kind of shape that it declares, and no other.
pub fn exports(manifest: &Manifest, exports: &[String]) -> Result<()> {
    let kinds = [
        ("openhub:rule/rule", manifest.rules.is_empty(), "rules"),
        ("openhub:data-object/data-object", manifest.objects.is_empty(), "objects"),
        ("openhub:channel/channel", manifest.channels.is_empty(), "channels"),
        ("openhub:source/source", manifest.sources.is_empty(), "sources"),
        ("openhub:endpoint/endpoint", manifest.endpoints.is_empty(), "endpoints"),
        ("openhub:privacy/privacy", manifest.privacy.is_none(), "privacy"),
        ("openhub:job/job", manifest.jobs.is_empty(), "jobs"),
        ("openhub:step/step", manifest.steps.is_empty(), "steps"),
        ("openhub:content/content", manifest.functions.is_empty(), "functions"),
    ];
    for (interface, empty, what) in kinds {
        let exported = exports.iter().any(|export| export == interface);
        ensure!(exported || empty, "the plugin declares {what}, but the component does not export {interface}");
        ensure!(!exported || !empty, "the component exports {interface}, but the plugin declares no {what}");
    }
    Ok(())
}

fn check_rule(rule: &RuleShape) -> Result<()> {
    kebab(&rule.name)?;
    ensure!(!rule.on.is_empty(), "no event triggers it: write #[rule(on = \"…\")]");
    distinct(rule.reads.iter().map(|read| read.name.as_str()), "read")?;
    distinct(rule.writes.iter().map(|write| write.name.as_str()), "write")?;
    distinct(rule.writes.iter().map(|write| write.path.as_str()), "written path")?;
    for read in &rule.reads {
        let typed = match read.path.as_str() {
            "row.at" => read.of == Type::Timestamp,
            "row.seed" => read.of == Type::Integer,
            "row.customer" => matches!(read.of, Type::Customer | Type::Text),
            "event.name" => read.of == Type::Text,
            path if is_tag(path) => read.of == Type::Boolean,
            path if is_property(path) || is_listed_attribute(path) || is_below(path, "customer.attributes.") => true,
            path if ObjectRead::parse(path).is_some() => true,
            path => bail!("field `{}`: a rule cannot read `{path}`; there are: {READ_PATHS}", read.name),
        };
        ensure!(typed, "field `{}`: `{}` is not of type {:?}", read.name, read.path, read.of);
    }
    for list in &rule.lists {
        let path = &list.path;
        let known = is_property(path) && !path.contains("[]") || is_below(path, "customer.attributes.");
        ensure!(known, "list `{}`: a rule cannot read `{path}` as a list; there are: {LIST_PATHS}", list.name);
        check_elements(list)?;
    }
    for write in &rule.writes {
        ensure!(
            !write.list || is_below(&write.path, "customer.attributes."),
            "field `{}`: only an attribute can be a list, so `{}` cannot",
            write.name,
            write.path
        );
        let typed = match write.path.as_str() {
            "decision" => matches!(write.of, Type::Text | Type::Boolean | Type::Enum(_)),
            path if is_tag(path) => write.of == Type::Boolean,
            path if is_below(path, "customer.counters.") => write.of == Type::Integer,
            path if is_below(path, "customer.attributes.") => true,
            path => bail!("field `{}`: a rule cannot write `{path}`; there are: {WRITE_PATHS}", write.name),
        };
        ensure!(typed, "field `{}`: `{}` cannot be of type {:?}", write.name, write.path, write.of);
    }
    check_fields(&rule.params).context("its parameters")
}

fn is_tag(path: &str) -> bool {
    is_below(path, "customer.tags.")
}

fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.contains("[]"))
}

/// `event.properties.a.b` or, with one list on the way, `event.properties.a[].b`; `event.properties.a[]` are the elements.
fn is_property(path: &str) -> bool {
    path.strip_prefix("event.properties.").is_some_and(is_inner)
}

/// The elements of an attribute that is a list, or a field of each.
fn is_listed_attribute(path: &str) -> bool {
    let list = path.strip_prefix("customer.attributes.").filter(|rest| rest.contains("[]"));
    list.is_some_and(is_inner)
}

/// Names with dots between them, and at most one `[]` behind one of them.
fn is_inner(path: &str) -> bool {
    let is_plain = |name: &str| !name.is_empty() && !name.contains(['[', ']']);
    match path.split_once("[]") {
        None => path.split('.').all(is_plain),
        Some((list, "")) => list.split('.').all(is_plain),
        Some((list, field)) => {
            let field = field.strip_prefix('.').is_some_and(|field| field.split('.').all(is_plain));
            field && list.split('.').all(is_plain)
        }
    }
}

/// Paths below a list start at its elements.
fn check_elements(list: &ListShape) -> Result<()> {
    let place = || format!("list `{}`", list.name);
    ensure!(!list.reads.is_empty() || !list.lists.is_empty(), "{}: its elements have no fields", place());
    distinct(list.reads.iter().map(|read| read.name.as_str()), "read").with_context(place)?;
    for read in &list.reads {
        let message = "starts at the element: write a field of it, like `sku` or `codes[]`";
        ensure!(is_inner(&read.path), "{}, field `{}`: the path `{}` {message}", place(), read.name, read.path);
    }
    for inner in &list.lists {
        let is_plain = is_inner(&inner.path) && !inner.path.contains("[]");
        ensure!(is_plain, "{}, list `{}`: `{}` is not a field of its elements", place(), inner.name, inner.path);
        check_elements(inner).with_context(place)?;
    }
    Ok(())
}

fn check_fields(fields: &[Field]) -> Result<()> {
    distinct(fields.iter().map(|field| field.name.as_str()), "field")?;
    for field in fields {
        let unique = matches!(field.of, Type::Text | Type::Integer | Type::Enum(_) | Type::Customer | Type::Object(_));
        ensure!(!field.unique || unique, "field `{}`: only a text or an integer can be unique", field.name);
        ensure!(!field.html || field.of == Type::Text, "field `{}`: only a text can be HTML", field.name);
        if let Type::Enum(values) = &field.of {
            ensure!(!values.is_empty(), "field `{}`: its enum has no values: add one", field.name);
        }
    }
    Ok(())
}

fn check_policy(manifest: &Manifest) -> Result<()> {
    for host in &manifest.hosts {
        let place = || format!("plugin.toml, hosts: `{host}`");
        if let Some(setting) = host.strip_prefix("setting:") {
            let found = manifest.settings.iter().find(|field| field.name == setting);
            let found = found.with_context(|| format!("{} does not name a field of #[derive(Settings)]", place()))?;
            ensure!(found.of == Type::Text, "{}: the setting must be a text", place());
            continue;
        }
        let name = host.strip_prefix("*.").unwrap_or(host);
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
        ensure!(
            plain && !name.is_empty(),
            "{} is not valid: write a host name, `*.` and a name, or `setting:` and a setting",
            place()
        );
    }
    for access in &manifest.access {
        ensure!(Access::parse(access).is_some(), "plugin.toml, access: `{access}` is not valid: there are {ACCESS}");
    }
    distinct(manifest.secrets.iter().map(|secret| secret.name.as_str()), "secret")?;
    for secret in &manifest.secrets {
        ensure!(
            !secret.places.is_empty(),
            "plugin.toml, secret `{}`: it has no place: name one in `places`",
            secret.name
        );
    }
    Ok(())
}

/// `a-name-2`.
fn kebab(name: &str) -> Result<()> {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let first = name.starts_with(|first: char| first.is_ascii_lowercase());
    ensure!(
        first && name.split('-').all(word) && name.len() <= 64,
        "`{name}` is not a valid name: use lower-case letters, digits and single hyphens, a letter first, at most 64 characters"
    );
    Ok(())
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>, what: &str) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        ensure!(!name.is_empty(), "a {what} has no name");
        ensure!(seen.insert(name), "the {what} `{name}` is declared twice: rename one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::{ObjectShape, Read, Write};

    fn manifest(read: (&str, Type), write: (&str, Type)) -> Manifest {
        let rule = RuleShape {
            name: "points".into(),
            on: vec!["Order Completed".into()],
            reads: vec![Read { name: "a".into(), path: read.0.into(), of: read.1, required: true, bind: false }],
            lists: vec![],
            writes: vec![Write { name: "b".into(), path: write.0.into(), of: write.1, list: false }],
            events: vec![],
            to: vec![],
            objects: vec![],
            params: vec![],
        };
        let named = Manifest { name: "points".into(), version: "1.0.0".into(), ..Manifest::default() };
        Manifest { publisher: "openhub".into(), rules: vec![rule], ..named }
    }

    #[test]
    fn paths_and_their_types() {
        let fine = ("customer.attributes.tier", Type::Text);
        for path in [
            "event.properties.total",
            "event.properties.a.b",
            "event.properties.items[].sku",
            "event.properties.items[]",
            "customer.attributes.seen[]",
            "customer.tags.vip",
        ] {
            let of = if is_tag(path) { Type::Boolean } else { Type::Text };
            check(&manifest((path, of), fine.clone())).unwrap();
        }
        for path in
            ["event.total", "event.properties.", "event.properties.a[]b", "event.properties.a[].b[].c", "row.when"]
        {
            let error = format!("{:#}", check(&manifest((path, Type::Text), fine.clone())).unwrap_err());
            assert!(error.contains("rule `points`: field `a`") && error.contains(path), "{error}");
        }
        let counter = manifest(("row.at", Type::Timestamp), ("customer.counters.spent", Type::Text));
        assert!(format!("{:#}", check(&counter).unwrap_err()).contains("field `b`"));
        assert!(check(&manifest(("row.seed", Type::Text), fine)).is_err());
    }

    #[test]
    fn objects_are_read_by_key_and_only_the_plugins_own() {
        let mut told = manifest(("object.code[row.customer].count", Type::Integer), ("decision", Type::Text));
        let error = format!("{:#}", check(&told).unwrap_err());
        assert!(error.contains("rule `points`: `object.code[row.customer].count` is no field of a type"), "{error}");
        let fields = vec![Field::new("count", Type::Integer)];
        told.objects = vec![ObjectShape { name: "code".into(), version: 1, fields, owner: None }];
        check(&told).unwrap();
    }

    #[test]
    fn hosts_owners_and_exports() {
        let base = manifest(("row.at", Type::Timestamp), ("customer.attributes.a", Type::Text));
        for host in ["setting:url", "https://example.com", "*.", "a b"] {
            assert!(check(&Manifest { hosts: vec![host.into()], ..base.clone() }).is_err(), "{host}");
        }
        check(&Manifest { hosts: vec!["*.example.com".into()], ..base.clone() }).unwrap();
        let coupon = ObjectShape { name: "coupon".into(), version: 1, fields: vec![], owner: Some("owner".into()) };
        let error = check(&Manifest { objects: vec![coupon], ..base.clone() }).unwrap_err();
        assert!(error.to_string().contains("owner"), "{error}");
        exports(&base, &["openhub:rule/rule".into()]).unwrap();
        assert!(exports(&base, &[]).is_err());
        assert!(exports(&base, &["openhub:rule/rule".into(), "openhub:channel/channel".into()]).is_err());
    }
}
