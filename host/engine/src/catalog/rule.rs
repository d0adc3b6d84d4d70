//! A rule of an enabled plugin, with its reads and writes resolved and its tenant's bindings applied.

use std::sync::Arc;

use openhub_model::columns::{Column, ColumnBuilder};
use openhub_model::identity::Marker;
use openhub_model::manifest::{Read, RuleShape, TableShape, Type};
use openhub_model::{PartId, TenantId};
use serde_json::Value;

use super::enabled::Enabled;
use super::path::{ListPath, ReadPath, WritePath, below, bound, bound_paths};
use crate::enable;

/// Rows of one call at most; a plugin may ask for fewer.
pub const ROWS: usize = 1_000;

/// A rule by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    pub plugin: String,
    pub rule: String,
}

pub struct Reading {
    pub path: ReadPath,
    pub of: Type,
    pub required: bool,
}

/// A list that a rule reads, as a table.
pub struct Listing {
    pub from: ListFrom,
    pub columns: Vec<ElementReading>,
}

/// Where a table's lists lie.
pub enum ListFrom {
    Row(ListPath),
    /// In the elements of an earlier table.
    Element {
        table: usize,
        steps: Vec<String>,
    },
}

/// A field of each element.
pub struct ElementReading {
    pub steps: Vec<String>,
    pub of: Type,
    pub required: bool,
}

pub struct Writing {
    pub path: WritePath,
    pub of: Type,
    pub list: bool,
}

pub struct Rule {
    pub name: Arc<str>,
    pub on: Vec<String>,
    /// Outside of lists.
    pub reads: Vec<Reading>,
    pub tables: Vec<Listing>,
    pub writes: Vec<Writing>,
    /// Of each event that it may cause: the read that names to whom it happens, if that is another customer.
    pub recipients: Vec<Option<usize>>,
    /// Its parameters, from the settings under the rule's name.
    pub params: Vec<Column>,
    /// Where its reads and lists lie.
    touched: Vec<ReadPath>,
    pub owner: Arc<Enabled>,
    /// Of the owner's component, for what the rule is the cause of.
    pub digest: Arc<str>,
    /// Whether a read touches state, so that each event must see the effects of the customer's earlier ones.
    pub reads_state: bool,
    /// The same rule of the version that is tried beside the owner: a canary, or a shadow.
    pub tried: Option<Box<Rule>>,
}

impl Rule {
    /// A manifest's paths were checked when the plugin was installed; a path that does not parse reads as absent.
    pub fn of(shape: &RuleShape, owner: &Arc<Enabled>) -> Rule {
        let settings = &owner.installation.settings;
        let binding = &settings["bindings"][&shape.name];
        let bound = |read: &str| bound(settings, &shape.name, read);
        let reads = shape.scalars().map(|read| {
            let path = bound(&read.name).filter(|_| read.bind).and_then(ReadPath::parse);
            // What does not parse was refused when the plugin was installed.
            let path = path.or_else(|| ReadPath::parse(&read.path)).unwrap_or(ReadPath::Property(Vec::new()));
            Reading { path, of: read.of.clone(), required: read.required }
        });
        let reads: Vec<Reading> = reads.collect();
        let tables = shape.tables(&bound).iter().map(Listing::of).collect();
        let writes = shape.writes.iter().filter_map(|write| {
            Some(Writing { path: WritePath::parse(&write.path)?, of: write.of.clone(), list: write.list })
        });
        let writes = writes.collect();
        let place = |of: &Read| shape.scalars().position(|read| read.name == of.name);
        let recipients = (0..shape.events.len()).map(|event| shape.recipient(event).and_then(place)).collect();
        let params = &settings[&shape.name];
        let params = shape.params.iter().map(|field| ColumnBuilder::one(&field.of, params.get(&field.name))).collect();
        let touched = bound_paths(settings, shape);
        let is_state = |path: &ReadPath| matches!(path, ReadPath::Object(_)) || !enable::state_read(path).is_empty();
        let reads_state = touched.iter().any(is_state);
        let on = names(&binding["on"]).unwrap_or_else(|| shape.on.clone());
        let (name, digest) = (shape.name.as_str().into(), owner.installation.digest.as_str().into());
        let beside = owner.canary.as_ref().map(|canary| &canary.version).or(owner.shadow.as_ref());
        let tried = beside.and_then(|version| {
            let same = version.installation.manifest.rules.iter().find(|other| other.name == shape.name)?;
            Some(Box::new(Rule::of(same, version)))
        });
        Rule {
            name,
            on,
            reads,
            tables,
            writes,
            recipients,
            params,
            touched,
            owner: owner.clone(),
            digest,
            reads_state,
            tried,
        }
    }

    /// Rows of one call at most: as many as its plugin asks for, if those are fewer.
    pub fn rows(&self) -> usize {
        let asked = self.owner.plugin.manifest().limits.rows;
        asked.map_or(ROWS, |rows| (rows as usize).clamp(1, ROWS))
    }

    /// Whether it reads objects.
    pub fn looks(&self) -> bool {
        self.reads.iter().any(|read| matches!(read.path, ReadPath::Object(_)))
    }

    pub fn is(&self, only: &RuleName) -> bool {
        self.owner.installation.name == only.plugin && *self.name == *only.rule
    }

    /// The rule as a canary has it, if that serves this customer.
    pub fn canary(&self, tenant: TenantId, marker: &Marker, customer: PartId) -> Option<&Rule> {
        let canary = self.owner.canary.as_ref().filter(|canary| canary.serves(tenant, marker, customer));
        canary.and(self.tried.as_deref())
    }

    /// The rule as a canary has it, if there is one.
    pub fn tried_by_customers(&self) -> Option<&Rule> {
        self.owner.canary.as_ref().and(self.tried.as_deref())
    }

    /// The rule as a shadow has it.
    pub fn shadow(&self) -> Option<&Rule> {
        self.owner.shadow.as_ref().and(self.tried.as_deref())
    }

    pub fn node(&self) -> enable::Node {
        enable::Node {
            id: (self.owner.installation.name.clone(), self.name.as_ref().to_owned()),
            reads: self.touched.iter().flat_map(enable::state_read).collect(),
            writes: self.writes.iter().filter_map(|write| enable::state_written(&write.path)).collect(),
        }
    }
}

impl Listing {
    fn of(shape: &TableShape<'_>) -> Listing {
        let steps = |path: &str| below(path).unwrap_or_default();
        let from = match shape.parent {
            Some(table) => ListFrom::Element { table: table as usize, steps: steps(shape.path) },
            None => ListFrom::Row(ListPath::parse(shape.path).unwrap_or(ListPath::Property(Vec::new()))),
        };
        let columns = shape.columns.iter().map(|column| ElementReading {
            steps: steps(column.path),
            of: column.of.clone(),
            required: column.required,
        });
        Listing { from, columns: columns.collect() }
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    let names = value.as_array()?.iter().filter_map(|name| name.as_str().map(str::to_owned));
    Some(names.collect())
}
