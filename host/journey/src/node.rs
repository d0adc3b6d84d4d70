//! What a node type is: what it answers, and what it may see while it is checked and compiled. It sees no other node.

use minijinja::Environment;
use openhub_model::attribute::AttributeType;
use openhub_model::columns::fits;
use openhub_model::fault::instead_of;
use openhub_model::manifest::{ChannelShape, Field, ObjectShape, StepShape, Type};
use openhub_model::{Condition, Fault, Span};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::document::{node_pointer, read};
use crate::fields;
use crate::step::Act;
use crate::surroundings::Surroundings;
use crate::template::{self, Argument, Called, Fields};
use crate::uses::{Uses, Wanted};

/// An edge out of a node: the field that names it, as a pointer below the node, and the node that it leads to.
pub(crate) struct Edge<'a> {
    pub(crate) field: String,
    pub(crate) to: &'a str,
}

impl<'a> Edge<'a> {
    pub(crate) fn new(field: impl Into<String>, to: &'a str) -> Edge<'a> {
        Edge { field: field.into(), to }
    }
}

/// Fields of objects that a fault lists: each fault of a node does.
const LISTED: usize = 100;

/// The code of a template's variable that does not exist at its node.
pub(crate) const UNKNOWN_VARIABLE: &str = "unknown-variable";

/// What every node type answers.
pub(crate) trait NodeType {
    /// Reads the node's fields (without its `type`).
    fn read(pointer: &str, value: &Value) -> Result<Self, Vec<Fault>>
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

    /// Names of events that a run may wait for here.
    fn awaits<'s>(&'s self, _surroundings: &'s Surroundings) -> Vec<&'s str> {
        Vec::new()
    }

    /// What it uses of the customer, the trigger and the run's objects.
    fn uses(&self, _objects: &BTreeSet<String>) -> Uses {
        Uses::default()
    }

    /// Its faults beyond those of its edges.
    fn check(&self, _check: &mut NodeCheck<'_, '_>) {}

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault>;
}

/// An object that a node makes under a name.
pub(crate) struct Made<'a> {
    pub(crate) name: &'a str,
    /// Its fields, and its key; none for a type that does not exist.
    pub(crate) fields: Option<BTreeSet<&'a str>>,
    /// The nodes that it is made before.
    pub(crate) before: BTreeSet<&'a str>,
}

/// One node under check.
pub(crate) struct NodeCheck<'a, 'f> {
    pub(crate) pointer: String,
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) environment: &'a Environment<'static>,
    /// The objects that are made before this node.
    pub(crate) objects: Vec<&'a Made<'a>>,
    pub(crate) faults: &'f mut Vec<Fault>,
}

impl<'a> NodeCheck<'a, '_> {
    pub(crate) fn surroundings(&self) -> &'a Surroundings {
        self.surroundings
    }

    /// A fault in `field`, a pointer below the node.
    pub(crate) fn fault(&mut self, field: &str, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}/{field}", self.pointer), code, message));
    }

    pub(crate) fn condition(&mut self, field: &str, condition: &Condition) {
        self.faults.extend(self.surroundings.faults(condition, &format!("{}/{field}", self.pointer)));
    }

    pub(crate) fn span(&mut self, field: &str, span: Span) {
        if span.micros() == 0 {
            self.fault(field, "bad-span", "The time must be longer than zero, like 1h or 60d.");
        }
    }

    /// Fields against the shape that declares them. The hub itself fills in `owner`.
    pub(crate) fn fields(&mut self, field: &str, fields: &Map<String, Value>, shape: &[Field], owner: Option<&str>) {
        fields::check(&format!("{}/{field}", self.pointer), fields, shape, owner, self.faults);
    }

    /// The templates among these fields: that they compile, that what they read exists at this node, and that the functions which
    /// they call take what they are given.
    pub(crate) fn templates(&mut self, field: &str, fields: &Map<String, Value>) {
        let surroundings = self.surroundings;
        self.each_template(field, fields, &mut |call| function_fault(surroundings, call));
    }

    /// The same where no function can be called.
    pub(crate) fn plain_templates(&mut self, field: &str, fields: &Map<String, Value>) {
        self.each_template(field, fields, &mut |_| {
            let message = "Functions of plugins cannot be called here: call them in the texts of other nodes.";
            Some(("function-not-allowed", message.to_owned()))
        });
    }

    /// `judge` says what is wrong with a call: a code, and a message.
    fn each_template(
        &mut self,
        field: &str,
        fields: &Map<String, Value>,
        judge: &mut dyn FnMut(&Called) -> Option<(&'static str, String)>,
    ) {
        let pointer = format!("{}/{field}", self.pointer);
        // What was published before goes on.
        let mut found = match self.surroundings.named {
            Some(_) => template::too_long(&pointer, fields),
            None => Vec::new(),
        };
        let known = self.known();
        template::each_field_template(&pointer, fields, &mut |pointer, source| match template::reads(
            self.environment,
            source,
        ) {
            Err(error) => found.push(Fault::new(pointer, "bad-template", error.to_string())),
            Ok(reads) => {
                let wrong = reads.calls.iter().filter_map(&mut *judge);
                found.extend(wrong.map(|(code, message)| Fault::new(pointer, code, message)));
                let unknown = reads.variables.iter().filter(|path| !self.knows(path));
                found.extend(unknown.map(|path| {
                    Fault::new(
                        pointer,
                        UNKNOWN_VARIABLE,
                        format!("There is no `{path}` at this node. There are: {known}."),
                    )
                }));
            }
        });
        self.faults.append(&mut found);
    }

    /// What templates can read at this node, as people are told it.
    fn known(&self) -> String {
        let mut known = "customer.id, customer.attributes.<name>, customer.tags.<name>, customer.identity.<kind>, \
             trigger.name, trigger.at, trigger.properties.<name>"
            .to_owned();
        let paths = self.objects.iter().flat_map(|made| made.fields.iter().flatten().map(|field| (made.name, *field)));
        for (name, field) in paths.clone().take(LISTED) {
            known.push_str(&format!(", {name}.{field}"));
        }
        let more = paths.count().saturating_sub(LISTED);
        if more > 0 { format!("{known}, and {more} more") } else { known }
    }

    /// Whether a dotted path can lead to something here. What is below an attribute or a property is data.
    fn knows(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('.').collect();
        match path.as_slice() {
            ["customer"] | ["trigger"] => true,
            ["customer", field, ..] => ["id", "attributes", "tags", "identity"].contains(field),
            ["trigger", field, ..] => ["name", "at", "properties"].contains(field),
            [name, rest @ ..] => self.objects.iter().filter(|made| made.name == *name).any(|made| {
                rest.first().is_none_or(|field| made.fields.as_ref().is_none_or(|fields| fields.contains(field)))
            }),
            [] => false,
        }
    }
}

/// What is wrong with a call of a plugin's function, as far as it stands there.
fn function_fault(surroundings: &Surroundings, call: &Called) -> Option<(&'static str, String)> {
    let written = |plugin: &str, function: &str| format!("{}.{}", plugin.replace('-', "_"), function.replace('-', "_"));
    let name = written(&call.plugin, &call.function);
    let Some(shape) = surroundings.functions.get(&call.plugin).and_then(|of| of.get(&call.function)) else {
        let known = surroundings.functions.iter();
        let known = known.flat_map(|(plugin, of)| of.keys().map(move |function| written(plugin, function)));
        let known: Vec<String> = known.collect();
        let message = format!("No enabled plugin has the function `{name}`. {}", instead_of(&name, &known));
        return Some(("unknown-function", message));
    };
    let signature = || format!("{}.{}", call.plugin.replace('-', "_"), shape.signature());
    if !(shape.required()..=shape.arguments.len()).contains(&call.arguments.len()) {
        let message = format!("The function is `{}`: this call has {} arguments.", signature(), call.arguments.len());
        return Some(("wrong-arguments", message));
    }
    let wrong = |(declared, given): &(&Field, &Argument)| match given {
        Argument::Constant(value) if value.is_null() => declared.required,
        Argument::Constant(value) => !fits(&declared.of, Some(value)),
        Argument::Attribute(name) => {
            let typed = surroundings.named.as_ref().and_then(|named| named.attributes.get(name));
            typed.is_some_and(|typed| !may_become(*typed, &declared.of))
        }
        Argument::Other => false,
    };
    let (declared, _) = shape.arguments.iter().zip(&call.arguments).find(wrong)?;
    let message = format!("`{}` of `{}` must be {}.", declared.name, signature(), declared.of.in_words());
    Some(("wrong-type", message))
}

/// Whether values of a declared attribute can be an argument of this type.
fn may_become(attribute: AttributeType, argument: &Type) -> bool {
    use AttributeType::{Boolean, Date, Integer, Number, Text, Timestamp};
    match argument {
        Type::Boolean => attribute == Boolean,
        Type::Integer => attribute == Integer,
        Type::Number => matches!(attribute, Integer | Number),
        // Decimals and times are written as texts, too.
        Type::Decimal(_) => matches!(attribute, Integer | Number | Text),
        Type::Timestamp => matches!(attribute, Timestamp | Text),
        Type::Text | Type::Enum(_) | Type::Customer | Type::Object(_) => matches!(attribute, Text | Timestamp | Date),
    }
}

/// That there is no such thing, and which there are.
pub(crate) fn unknown<T>(what: &str, name: &str, known: &BTreeMap<String, T>) -> String {
    format!("There is no {what} `{name}`. {}", instead_of(name, known.keys()))
}

/// The same of a channel, with where channels come from: a hub has none of its own.
pub(crate) fn unknown_channel<T>(name: &str, known: &BTreeMap<String, T>) -> String {
    let unknown = unknown("channel", name, known);
    format!(
        "{unknown} A channel comes with an enabled plugin: `openhub plugin install webhook --enable` (or `email`) for ours, \
         `openhub plugin new NAME --from webhook` for your own."
    )
}

/// One node being compiled.
pub(crate) struct NodePlan<'a> {
    pub(crate) id: &'a str,
    pub(crate) surroundings: &'a Surroundings,
    /// Where each node stands.
    pub(crate) index: &'a HashMap<String, usize>,
    /// What the node uses.
    pub(crate) uses: Uses,
    /// What the nodes after it use of an object.
    pub(crate) later: &'a dyn Fn(&str) -> Wanted,
    pub(crate) templates: &'a mut Environment<'static>,
}

impl<'a> NodePlan<'a> {
    pub(crate) fn node(&self, id: &str) -> Result<usize, Fault> {
        self.index.get(id).copied().ok_or_else(|| {
            self.lacks("dangling-edge", format!("This node leads to `{id}`, and there is no such node."))
        })
    }

    pub(crate) fn channel(&self, name: &str) -> Result<&'a ChannelShape, Fault> {
        let channels = &self.surroundings.channels;
        channels.get(name).ok_or_else(|| self.lacks("unknown-channel", unknown_channel(name, channels)))
    }

    pub(crate) fn object(&self, kind: &str) -> Result<&'a ObjectShape, Fault> {
        let objects = &self.surroundings.objects;
        objects.get(kind).ok_or_else(|| self.lacks("unknown-object", unknown("object type", kind, objects)))
    }

    pub(crate) fn step(&self, plugin: &str, step: &str) -> Result<&'a StepShape, Fault> {
        let found = self.surroundings.steps.get(plugin).and_then(|of| of.get(step));
        found.ok_or_else(|| self.lacks("unknown-step", format!("There is no step `{step}` of a plugin `{plugin}`.")))
    }

    fn lacks(&self, code: &str, message: String) -> Fault {
        Fault::new(node_pointer(self.id), code, message)
    }

    /// What the nodes after this one use of the object `name`.
    pub(crate) fn later(&self, name: &str) -> Wanted {
        (self.later)(name)
    }

    /// Compiles this node's templates among `fields`, which stand in its field `field`.
    pub(crate) fn fields(
        &mut self,
        field: &str,
        fields: &Map<String, Value>,
        shape: &[Field],
    ) -> Result<Fields, Fault> {
        let pointer = format!("{}/{field}", node_pointer(self.id));
        Fields::compile(self.templates, pointer, fields, shape, self.uses.clone())
    }
}
