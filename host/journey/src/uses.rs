//! Which data a graph uses: so that a run keeps nothing else, and a render builds nothing else.
//!
//! Paths are those of templates: `customer.attributes.<name>`, `trigger.properties.<name>`,
//! `<object>.<field>`. A path that stops early wants everything below it.

use std::collections::{BTreeMap, BTreeSet};

/// What is wanted of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    #[default]
    Nothing,
    Only(BTreeSet<String>),
    All,
}

impl Wanted {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Wanted::Nothing
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        match self {
            Wanted::Nothing => false,
            Wanted::Only(names) => names.contains(name),
            Wanted::All => true,
        }
    }

    /// Wants also what lies at `path`: one name, or all if the path ends here.
    fn add(&mut self, path: &[&str]) {
        match (&mut *self, path.first()) {
            (Wanted::All, _) => {}
            (_, None) => *self = Wanted::All,
            (Wanted::Nothing, Some(name)) => *self = Wanted::Only(BTreeSet::from([(*name).to_owned()])),
            (Wanted::Only(names), Some(name)) => {
                names.insert((*name).to_owned());
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Wanted) {
        match other {
            Wanted::Nothing => {}
            Wanted::Only(names) => names.iter().for_each(|name| self.add(&[name])),
            Wanted::All => *self = Wanted::All,
        }
    }
}

/// What the templates and matches of a node, or of a whole graph, use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// `id`, `tags`, `identity` of the customer.
    pub(crate) customer: Wanted,
    pub(crate) attributes: Wanted,
    /// `name`, `at` of the trigger.
    pub(crate) trigger: Wanted,
    pub(crate) properties: Wanted,
    /// By `as` name.
    pub(crate) objects: BTreeMap<String, Wanted>,
}

impl Uses {
    /// Adds what a dotted path names.
    pub(crate) fn add(&mut self, path: &str) {
        let path: Vec<&str> = path.split('.').collect();
        match path.as_slice() {
            ["customer"] => {
                self.customer = Wanted::All;
                self.attributes = Wanted::All;
            }
            ["customer", "attributes", rest @ ..] => self.attributes.add(rest),
            ["customer", rest @ ..] => self.customer.add(rest),
            ["trigger"] => {
                self.trigger = Wanted::All;
                self.properties = Wanted::All;
            }
            ["trigger", "properties", rest @ ..] => self.properties.add(rest),
            ["trigger", rest @ ..] => self.trigger.add(rest),
            [name, rest @ ..] => self.objects.entry((*name).to_owned()).or_default().add(rest),
            [] => {}
        }
    }

    /// Adds a property of the trigger by its whole name, dots and all.
    pub(crate) fn property(&mut self, name: &str) {
        self.properties.add(&[name]);
    }

    pub(crate) fn merge(&mut self, other: &Uses) {
        self.customer.merge(&other.customer);
        self.attributes.merge(&other.attributes);
        self.trigger.merge(&other.trigger);
        self.properties.merge(&other.properties);
        for (name, wanted) in &other.objects {
            self.objects.entry(name.clone()).or_default().merge(wanted);
        }
    }

    pub(crate) fn of_object(&self, name: &str) -> Wanted {
        self.objects.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn keeps_trigger(&self) -> bool {
        !self.trigger.is_nothing() || !self.properties.is_nothing()
    }

    /// Whether the run's state is needed for it.
    pub(crate) fn keeps_state(&self) -> bool {
        self.keeps_trigger() || !self.objects.is_empty()
    }
}
