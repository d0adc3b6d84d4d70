//! The paths of declared reads and writes, parsed once.

use std::fmt;

use openhub_model::manifest::Read;
use serde_json::Value;

/// Where a declared read takes its value from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadPath {
    EventName,
    /// Below `event.properties`.
    Property(Vec<String>),
    /// A field of each element of a list below `event.properties`; an empty field is the element itself.
    Element {
        list: Vec<String>,
        field: Vec<String>,
    },
    Attribute(String),
    Tag(String),
    /// The event's time, in microseconds.
    At,
    Seed,
    /// The customer's id.
    Customer,
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

/// As it is declared.
impl fmt::Display for ReadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadPath::EventName => f.write_str("event.name"),
            ReadPath::Property(steps) => write!(f, "event.properties.{}", steps.join(".")),
            ReadPath::Element { list, field } if field.is_empty() => write!(f, "event.properties.{}[]", list.join(".")),
            ReadPath::Element { list, field } => {
                write!(f, "event.properties.{}[].{}", list.join("."), field.join("."))
            }
            ReadPath::Attribute(name) => write!(f, "customer.attributes.{name}"),
            ReadPath::Tag(name) => write!(f, "customer.tags.{name}"),
            ReadPath::At => f.write_str("row.at"),
            ReadPath::Seed => f.write_str("row.seed"),
            ReadPath::Customer => f.write_str("row.customer"),
        }
    }
}

impl ReadPath {
    pub fn parse(path: &str) -> Option<ReadPath> {
        if let Some(rest) = path.strip_prefix("event.properties.") {
            return match rest.split_once("[]") {
                Some((list, field)) => Some(ReadPath::Element { list: steps(list)?, field: element(field)? }),
                None => Some(ReadPath::Property(steps(rest)?)),
            };
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
    path.strip_prefix(prefix).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn steps(path: &str) -> Option<Vec<String>> {
    let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
    steps.iter().all(|step| !step.is_empty()).then_some(steps)
}

fn element(field: &str) -> Option<Vec<String>> {
    if field.is_empty() { Some(Vec::new()) } else { steps(field.strip_prefix('.')?) }
}

/// Where a read takes its value from: where an admin pointed it, if it may be pointed elsewhere.
pub fn bound_path(settings: &Value, rule: &str, read: &Read) -> Option<ReadPath> {
    let bound = settings["bindings"][rule]["reads"][&read.name].as_str().filter(|_| read.bind);
    bound.and_then(ReadPath::parse).or_else(|| ReadPath::parse(&read.path))
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
            Some(ReadPath::Element { list: words(&["items"]), field: words(&["sku"]) })
        );
        assert_eq!(ReadPath::parse("customer.counters.spent"), Some(ReadPath::Attribute("spent".into())));
        assert_eq!(WritePath::parse("customer.counters.spent"), Some(WritePath::Counter("spent".into())));
        for path in ["event.properties.", "event.properties.a..b", "customer.attributes.", "row.now", ""] {
            assert_eq!(ReadPath::parse(path), None, "{path}");
        }
    }
}
