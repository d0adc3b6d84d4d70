//! The paths of declared reads and writes, parsed once.

use std::fmt;

use openhub_model::manifest::{LIST_PATHS, ListShape, READ_PATHS, Read, RuleShape, split};
use openhub_model::object_read::ObjectRead;
use serde_json::Value;

/// Where a declared read takes its value from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadPath {
    EventName,
    /// Below `event.properties`.
    Property(Vec<String>),
    /// A field of each element of a list; an empty field is the element itself.
    Element {
        list: ListPath,
        field: Vec<String>,
    },
    Attribute(String),
    Tag(String),
    /// The event's time, in microseconds.
    At,
    Seed,
    /// The customer's id.
    Customer,
    /// Of an object whose key the row names.
    Object(ObjectPath),
}

/// A field of an object, and what its key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPath {
    pub kind: String,
    /// The unique field whose value names it; none is the key.
    pub by: Option<String>,
    /// Properties, attributes and the customer's id, with a slash between them.
    pub key: Vec<ReadPath>,
    pub field: String,
}

/// Where a list that a rule reads lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListPath {
    /// Below `event.properties`.
    Property(Vec<String>),
    Attribute(String),
}

/// Where a declared write goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WritePath {
    Attribute(String),
    /// Added to, never replaced.
    Counter(String),
    Tag(String),
    /// What a journey's rule node branches on.
    Decision,
}

impl fmt::Display for WritePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WritePath::Attribute(name) => write!(f, "customer.attributes.{name}"),
            WritePath::Counter(name) => write!(f, "customer.counters.{name}"),
            WritePath::Tag(name) => write!(f, "customer.tags.{name}"),
            WritePath::Decision => f.write_str("decision"),
        }
    }
}

/// As it is declared.
impl fmt::Display for ReadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadPath::EventName => f.write_str("event.name"),
            ReadPath::Property(steps) => write!(f, "event.properties.{}", steps.join(".")),
            ReadPath::Element { list, field } if field.is_empty() => write!(f, "{list}[]"),
            ReadPath::Element { list, field } => write!(f, "{list}[].{}", field.join(".")),
            ReadPath::Attribute(name) => write!(f, "customer.attributes.{name}"),
            ReadPath::Tag(name) => write!(f, "customer.tags.{name}"),
            ReadPath::At => f.write_str("row.at"),
            ReadPath::Seed => f.write_str("row.seed"),
            ReadPath::Customer => f.write_str("row.customer"),
            ReadPath::Object(path) => path.fmt(f),
        }
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<String> = self.key.iter().map(ReadPath::to_string).collect();
        let by = self.by.as_ref().map(|by| format!("{by}=")).unwrap_or_default();
        write!(f, "object.{}[{by}{}].{}", self.kind, key.join("/"), self.field)
    }
}

impl ObjectPath {
    fn parse(path: &str) -> Option<ObjectPath> {
        let ObjectRead { kind, by, key, field } = ObjectRead::parse(path)?;
        let key = key.into_iter().map(ReadPath::parse).collect::<Option<_>>()?;
        Some(ObjectPath { kind: kind.to_owned(), by: by.map(str::to_owned), key, field: field.to_owned() })
    }
}

impl fmt::Display for ListPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListPath::Property(steps) => write!(f, "event.properties.{}", steps.join(".")),
            ListPath::Attribute(name) => write!(f, "customer.attributes.{name}"),
        }
    }
}

impl ListPath {
    pub fn parse(path: &str) -> Option<ListPath> {
        match path.strip_prefix("event.properties.") {
            Some(rest) => steps(rest).map(ListPath::Property),
            None => named(path, "customer.attributes.").map(ListPath::Attribute),
        }
    }
}

impl ReadPath {
    pub fn parse(path: &str) -> Option<ReadPath> {
        if path.starts_with("object.") {
            return ObjectPath::parse(path).map(ReadPath::Object);
        }
        if let Some((list, field)) = split(path) {
            return Some(ReadPath::Element { list: ListPath::parse(list)?, field: below(field)? });
        }
        if let Some(rest) = path.strip_prefix("event.properties.") {
            return steps(rest).map(ReadPath::Property);
        }
        match path {
            "event.name" => Some(ReadPath::EventName),
            "row.at" => Some(ReadPath::At),
            "row.seed" => Some(ReadPath::Seed),
            "row.customer" => Some(ReadPath::Customer),
            _ => named(path, "customer.attributes.")
                .or_else(|| named(path, "customer.counters."))
                .map(ReadPath::Attribute)
                .or_else(|| named(path, "customer.tags.").map(ReadPath::Tag)),
        }
    }
}

impl WritePath {
    pub fn parse(path: &str) -> Option<WritePath> {
        if path == "decision" {
            return Some(WritePath::Decision);
        }
        named(path, "customer.attributes.")
            .map(WritePath::Attribute)
            .or_else(|| named(path, "customer.counters.").map(WritePath::Counter))
            .or_else(|| named(path, "customer.tags.").map(WritePath::Tag))
    }
}

fn named(path: &str, prefix: &str) -> Option<String> {
    path.strip_prefix(prefix).filter(|name| !name.is_empty() && !name.contains("[]")).map(str::to_owned)
}

/// The names on the way into an object.
fn steps(path: &str) -> Option<Vec<String>> {
    let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
    steps.iter().all(|step| !step.is_empty() && !step.contains("[]")).then_some(steps)
}

/// A path within an element; empty for the element itself.
pub fn below(path: &str) -> Option<Vec<String>> {
    if path.is_empty() { Some(Vec::new()) } else { steps(path) }
}

/// Where a read takes its value from: where an admin pointed it, if it may be pointed elsewhere.
pub fn bound_path(settings: &Value, rule: &str, read: &Read) -> Option<ReadPath> {
    let bound = bound(settings, rule, &read.name).filter(|_| read.bind);
    bound.and_then(ReadPath::parse).or_else(|| ReadPath::parse(&read.path))
}

/// The path that an admin has set in place of a read's.
pub fn bound<'s>(settings: &'s Value, rule: &str, read: &str) -> Option<&'s str> {
    settings["bindings"][rule]["reads"][read].as_str()
}

/// Where a rule's reads outside of elements take their values from, with an admin's bindings.
pub fn bound_paths(settings: &Value, rule: &RuleShape) -> Vec<ReadPath> {
    let reads = rule.reads.iter().filter_map(|read| bound_path(settings, &rule.name, read));
    let lists = rule.lists.iter().filter_map(|list| {
        let path = bound(settings, &rule.name, &list.name).filter(|_| list.bind);
        let list = path.and_then(ListPath::parse).or_else(|| ListPath::parse(&list.path))?;
        Some(ReadPath::Element { list, field: Vec::new() })
    });
    reads.chain(lists).collect()
}

/// A read or a list that an admin may point at another path.
pub struct Bindable<'m> {
    /// As a binding calls it; a field of a list is `items.sku`.
    pub name: String,
    /// As it is declared.
    pub path: &'m str,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Row,
    List,
    Element,
    ListInElement,
}

impl Bindable<'_> {
    /// Whether it can be pointed at this path.
    pub fn takes(&self, path: &str) -> bool {
        match self.place {
            Place::Row => ReadPath::parse(path).is_some(),
            Place::List => ListPath::parse(path).is_some(),
            Place::Element => is_within(path),
            Place::ListInElement => steps(path).is_some(),
        }
    }

    /// What it can be pointed at, in words.
    pub fn paths(&self) -> &'static str {
        match self.place {
            Place::Row => READ_PATHS,
            Place::List => LIST_PATHS,
            Place::Element | Place::ListInElement => "<name> of the list's elements, with dots into objects",
        }
    }
}

/// Everything of a rule that an admin may point at another path.
pub fn bindable(rule: &RuleShape) -> Vec<Bindable<'_>> {
    let reads = rule.reads.iter().filter(|read| read.bind);
    let reads = reads.map(|read| Bindable { name: read.name.clone(), path: &read.path, place: Place::Row });
    let mut all: Vec<Bindable<'_>> = reads.collect();
    rule.lists.iter().for_each(|list| add_bindable(list, "", &mut all));
    all
}

fn add_bindable<'m>(list: &'m ListShape, prefix: &str, all: &mut Vec<Bindable<'m>>) {
    let name = format!("{prefix}{}", list.name);
    let fields = format!("{name}.");
    if list.bind {
        let place = if prefix.is_empty() { Place::List } else { Place::ListInElement };
        all.push(Bindable { name, path: &list.path, place });
    }
    all.extend(list.reads.iter().filter(|read| read.bind).map(|read| {
        let name = format!("{fields}{}", read.name);
        Bindable { name, path: &read.path, place: Place::Element }
    }));
    list.lists.iter().for_each(|list| add_bindable(list, &fields, all));
}

/// A path from an element on: a field of it, or of the elements of a list in it.
fn is_within(path: &str) -> bool {
    match split(path) {
        Some((list, field)) => steps(list).is_some() && below(field).is_some(),
        None => below(path).is_some(),
    }
}

/// The paths of a list and of what is in it that no rule can read, by their pointers.
pub fn unknown_paths(list: &ListShape, pointer: &str, is_inner: bool) -> Vec<(String, String)> {
    let mut unknown = Vec::new();
    let is_known = if is_inner { steps(&list.path).is_some() } else { ListPath::parse(&list.path).is_some() };
    if !is_known {
        unknown.push((format!("{pointer}/path"), list.path.clone()));
    }
    for (at, read) in list.reads.iter().enumerate() {
        if !is_within(&read.path) {
            unknown.push((format!("{pointer}/reads/{at}/path"), read.path.clone()));
        }
    }
    for (at, list) in list.lists.iter().enumerate() {
        unknown.extend(unknown_paths(list, &format!("{pointer}/lists/{at}"), true));
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        assert_eq!(ReadPath::parse("event.properties.total"), Some(ReadPath::Property(words(&["total"]))));
        assert_eq!(
            ReadPath::parse("event.properties.items[].sku"),
            Some(ReadPath::Element { list: ListPath::Property(words(&["items"])), field: words(&["sku"]) })
        );
        assert_eq!(ReadPath::parse("customer.counters.spent"), Some(ReadPath::Attribute("spent".into())));
        assert_eq!(WritePath::parse("customer.counters.spent"), Some(WritePath::Counter("spent".into())));
        let object = ReadPath::parse("object.code[name=event.properties.code/row.customer].owner");
        let key = vec![ReadPath::Property(words(&["code"])), ReadPath::Customer];
        let path = ObjectPath { kind: "code".into(), by: Some("name".into()), key, field: "owner".into() };
        assert_eq!(path.to_string(), "object.code[name=event.properties.code/row.customer].owner");
        assert_eq!(object, Some(ReadPath::Object(path)));
        let seen = ReadPath::Element { list: ListPath::Attribute("seen".into()), field: Vec::new() };
        assert_eq!(ReadPath::parse("customer.attributes.seen[]"), Some(seen));
        let bad = ["event.properties.", "event.properties.a..b", "customer.attributes.", "row.now", "", "row.at[]"];
        for path in bad.into_iter().chain(["event.properties.a[].b[].c", "customer.tags.a[]"]) {
            assert_eq!(ReadPath::parse(path), None, "{path}");
        }
    }
}
