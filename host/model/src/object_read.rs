//! What a rule reads of an object of its plugin: `object.<type>[<key>].<field>`, a field of the object that the row names by its key,
//! or `object.<type>[<unique>=<key>].<field>`, by the value of a unique field.
//!
//! The key has one part or several, with a slash between them: `event.properties.<name>`, `customer.attributes.<name>` or `row.customer`.

use crate::manifest::{Field, Manifest, RuleShape, Type};

/// Parts of a key.
const PARTS: usize = 4;

/// The path of such a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRead<'p> {
    pub kind: &'p str,
    /// The unique field that is looked for; none is the key.
    pub by: Option<&'p str>,
    pub key: Vec<&'p str>,
    pub field: &'p str,
}

impl<'p> ObjectRead<'p> {
    /// None if it is another path, or not well-formed.
    pub fn parse(path: &'p str) -> Option<ObjectRead<'p>> {
        let (kind, rest) = path.strip_prefix("object.")?.split_once('[')?;
        let (key, field) = rest.split_once("].")?;
        let (by, key) = key.split_once('=').map_or((None, key), |(by, key)| (Some(by), key));
        let key: Vec<&str> = key.split('/').collect();
        let is_plain = |name: &str| !name.is_empty() && !name.contains(['[', ']', '.']);
        let good = is_plain(kind) && by.is_none_or(is_plain) && is_plain(field);
        let good = good && key.len() <= PARTS && key.iter().all(|part| is_part(part));
        good.then_some(ObjectRead { kind, by, key, field })
    }

    /// A field of its type, which is one of the plugin's own.
    fn declared<'m>(&self, manifest: &'m Manifest, name: &str) -> Option<&'m Field> {
        let shape = manifest.objects.iter().find(|shape| shape.name == self.kind)?;
        shape.fields.iter().find(|field| field.name == name)
    }
}

fn is_part(path: &str) -> bool {
    let names = |names: &str| names.split('.').all(|name| !name.is_empty() && !name.contains(['[', ']']));
    match path.strip_prefix("event.properties.").or_else(|| path.strip_prefix("customer.attributes.")) {
        Some(rest) => names(rest),
        None => path == "row.customer",
    }
}

/// What is wrong with a rule's reads of objects, and with whom its events happen to: the pointer from the rule, and why.
pub fn faults(rule: &RuleShape, manifest: &Manifest) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    for (at, read) in rule.reads.iter().enumerate() {
        let Some(path) = ObjectRead::parse(&read.path) else { continue };
        let is_unique = |by: &str| path.declared(manifest, by).is_some_and(|field| field.unique);
        let why = match path.declared(manifest, path.field) {
            _ if path.by.is_some_and(|by| !is_unique(by)) => {
                format!("`{}` looks for a field that is not unique", read.path)
            }
            None => format!("`{}` is no field of a type of the plugin's own", read.path),
            Some(field) if field.list => format!("`{}` has several values: a rule reads one", read.path),
            Some(field) if field.of != read.of => {
                format!("`{}` is {}, not {}", read.path, field.of.in_words(), read.of.in_words())
            }
            Some(_) => continue,
        };
        faults.push((format!("/reads/{at}/path"), why));
    }
    for (at, to) in rule.to.iter().enumerate() {
        let read = rule.reads.iter().find(|read| read.name == to.read);
        let is_relation = read.is_some_and(|read| read.of == Type::Customer && ObjectRead::parse(&read.path).is_some());
        if !is_relation {
            let why = format!("`{}` is no read of a relation to a customer: object.<type>[<key>].<field>", to.read);
            faults.push((format!("/to/{at}/read"), why));
        }
        if to.event >= rule.events.len() {
            faults.push((format!("/to/{at}/event"), format!("the rule has no event of the number {}", to.event)));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ObjectShape, Read, Recipient};

    #[test]
    fn a_path_has_a_type_a_key_and_a_field() {
        let read = ObjectRead::parse("object.allowance[event.properties.batch.key/row.customer].issued");
        let key = vec!["event.properties.batch.key", "row.customer"];
        assert_eq!(read, Some(ObjectRead { kind: "allowance", by: None, key, field: "issued" }));
        let read = ObjectRead::parse("object.code[code=event.properties.code].owner").and_then(|read| read.by);
        assert_eq!(read, Some("code"));
        for wrong in [
            "object.a.b",
            "object.a[].b",
            "object.a[row.seed].b",
            "object.a[event.properties.].b",
            "object.a[event.properties.x[]].b",
            "object.a[row.customer]",
            "object.a[row.customer].",
            "object.[row.customer].b",
            "object.a[=row.customer].b",
            "customer.attributes.a",
        ] {
            assert_eq!(ObjectRead::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_rule_reads_its_plugins_own_types_and_writes_to_customers_whom_they_name() {
        let name = Field { unique: true, ..Field::new("name", Type::Text) };
        let fields = vec![Field::new("owner", Type::Customer), Field::new("count", Type::Integer), name];
        let code = ObjectShape { name: "code".into(), version: 1, fields, owner: None };
        let manifest = Manifest { objects: vec![code], ..Manifest::default() };
        let read = |name: &str, path: &str, of: Type| Read {
            name: name.into(),
            path: path.into(),
            of,
            required: false,
            bind: false,
        };
        let told = |reads: Vec<Read>, to: &[(usize, &str)]| {
            let to = to.iter().map(|(event, read)| Recipient { event: *event, read: (*read).into() }).collect();
            let rule = RuleShape { events: vec!["Brought".into()], reads, to, ..RuleShape::default() };
            faults(&rule, &manifest).into_iter().map(|(pointer, _)| pointer).collect::<Vec<_>>()
        };
        let owner = || read("owner", "object.code[row.customer].owner", Type::Customer);
        let count = || read("count", "object.code[row.customer].count", Type::Integer);
        assert!(told(vec![owner(), count()], &[(0, "owner")]).is_empty());
        assert_eq!(told(vec![owner(), count()], &[(0, "count"), (1, "owner")]), ["/to/0/read", "/to/1/event"]);
        let by = |by: &str| read("by", &format!("object.code[{by}=event.properties.name].count"), Type::Integer);
        assert!(told(vec![by("name")], &[]).is_empty());
        assert_eq!(told(vec![by("count")], &[]), ["/reads/0/path"], "many may have it");
        let other = read("other", "object.other[row.customer].owner", Type::Customer);
        let typed = read("typed", "object.code[row.customer].count", Type::Text);
        assert_eq!(told(vec![other, typed], &[]), ["/reads/0/path", "/reads/1/path"]);
        let said = read("said", "event.properties.friend", Type::Customer);
        assert_eq!(told(vec![said], &[(0, "said")]), ["/to/0/read"], "whom an event names is nobody's relation");
    }
}
