//! The node types: a new one is a file beside this and a line here.

use openhub_model::Fault;
use openhub_model::fault::{instead_of, there_are};
use serde::Serialize;
use serde_json::Value;

use crate::node::NodeType;
use crate::nodes::{branch, exit, object, send, step, update, wait};

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
            fn of_type(name: &str, pointer: &str, value: &Value) -> Option<Result<Node, Vec<Fault>>> {
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
    "step" => Step(step::RunStep),
    "exit" => Exit(exit::Exit),
}

impl Node {
    /// Reads a node of the document at `pointer`.
    pub(crate) fn read(pointer: &str, value: Value) -> Result<Node, Vec<Fault>> {
        let fault =
            |at: &str, code: &str, message: String| Err(vec![Fault::new(format!("{pointer}{at}"), code, message)]);
        let Value::Object(mut fields) = value else {
            return fault("", "malformed", "A node must be an object.".to_owned());
        };
        match fields.remove("type") {
            Some(Value::String(name)) => Node::of_type(&name, pointer, &Value::Object(fields)).unwrap_or_else(|| {
                let message = format!("There is no node type `{name}`. {}", instead_of(&name, NAMES));
                fault("/type", "unknown-type", message)
            }),
            Some(_) => fault("/type", "malformed", "A node's type must be a string.".to_owned()),
            None => fault("/type", "missing-field", format!("The node has no type: set `type`. {}", there_are(NAMES))),
        }
    }
}
