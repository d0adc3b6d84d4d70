//! The node types, one file each: what an author writes, what is checked, and what a run does there.
//!
//! A new node is a file here and a line in the registry below.

mod branch;
mod exit;
mod object;
mod send;
mod update;
pub(crate) mod wait;

use openhub_model::{Fault, Span};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

use crate::check::NodeCheck;
use crate::parse::read;
use crate::plan::NodePlan;
use crate::step::Act;
use crate::uses::Uses;

macro_rules! registry {
    ($($name:literal => $variant:ident($definition:ty),)*) => {
        /// A node of a definition, told apart by its `type`.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "type")]
        pub enum Node {
            $(#[serde(rename = $name)] $variant($definition),)*
        }

        /// The names of the node types.
        const NAMES: &[&str] = &[$($name),*];

        impl Node {
            fn of_type(name: &str, pointer: &str, value: Value) -> Option<Result<Node, Fault>> {
                match name {
                    $($name => Some(<$definition as NodeType>::read(pointer, value).map(Node::$variant)),)*
                    _ => None,
                }
            }

            pub(crate) fn as_type(&self) -> &dyn NodeType {
                match self {
                    $(Node::$variant(node) => node,)*
                }
            }
        }
    };
}

registry! {
    "wait" => Wait(wait::Wait),
    "branch" => Branch(branch::Branch),
    "update" => Update(update::Update),
    "object" => Object(object::MakeObject),
    "send" => Send(send::SendMessage),
    "exit" => Exit(exit::Exit),
}

/// An edge out of a node: the field that names it, as a pointer below the node, and the node that it leads to.
pub(crate) struct Edge<'a> {
    pub(crate) field: String,
    pub(crate) to: &'a str,
}

impl<'a> Edge<'a> {
    fn new(field: impl Into<String>, to: &'a str) -> Edge<'a> {
        Edge { field: field.into(), to }
    }
}

/// What every node type answers.
pub(crate) trait NodeType {
    /// Reads the node's fields (without its `type`).
    fn read(pointer: &str, value: Value) -> Result<Self, Fault>
    where
        Self: Sized + DeserializeOwned,
    {
        read(pointer, value)
    }

    fn edges(&self) -> Vec<Edge<'_>>;

    /// How long every run rests here at least, none if it goes on at once: a cycle needs a rest.
    fn rests(&self) -> Option<Span> {
        None
    }

    /// What it uses of the customer, the trigger and the run's objects.
    fn uses(&self, _objects: &BTreeSet<String>) -> Uses {
        Uses::default()
    }

    /// Its faults beyond those of its edges.
    fn check(&self, _check: &mut NodeCheck<'_, '_>) {}

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault>;
}

impl Node {
    /// Reads a node of the document at `pointer`.
    pub(crate) fn read(pointer: &str, value: Value) -> Result<Node, Fault> {
        let Value::Object(mut fields) = value else {
            return Err(Fault::new(pointer, "malformed", "a node is an object"));
        };
        let at = format!("{pointer}/type");
        match fields.remove("type") {
            Some(Value::String(name)) => Node::of_type(&name, pointer, Value::Object(fields)).unwrap_or_else(|| {
                let message = format!("`{name}` is no node type: there are {}", NAMES.join(", "));
                Err(Fault::new(at, "unknown-type", message))
            }),
            Some(_) => Err(Fault::new(at, "malformed", "a node's type is a text")),
            None => Err(Fault::new(at, "missing-field", "a node has a type")),
        }
    }
}
