//! What goes into a step and what comes out of it, and the walk from node to node in between.

use minijinja::Environment;
use openhub_model::Fault;
use openhub_model::message::NewMessage;
use openhub_model::run::Run;
use serde_json::Value;

use crate::ask::{Answer, Ask};
use crate::calls::Known;
use crate::context::{Moment, StepContext};
use crate::document::node_pointer;
use crate::error::{Failure, StepError};
use crate::state::Kept;

/// What moves a run.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The run was just started by this event.
    Enter(&'a Moment<'a>),
    /// An event of the customer, with a name that the run awaits.
    Event(&'a Moment<'a>),
    /// The same while the run must not move: it goes on from it when its `due` comes.
    Remember(&'a Moment<'a>),
    /// The run's `due` has come.
    Timer,
    /// What [`Next::Update`] asked for is applied.
    Continue,
    /// What became of [`Next::Ask`].
    Answer(Answer<'a>),
}

/// What came of an input.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Ids of the nodes that the run entered, in order, for the counts.
    pub entered: Vec<String>,
    pub messages: Vec<NewMessage>,
    pub next: Next,
    /// Why the run failed, if it did by this input: at which field of which node.
    pub fault: Option<Fault>,
}

/// What the run does now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// It waits or has ended: see its `status`, `awaits` and `due`.
    Rest,
    /// The input does not concern it; it is unchanged.
    Ignored,
    /// Apply this to the customer, then advance with [`Input::Continue`].
    Update { attributes: Vec<(String, Value)>, tags: Vec<(String, bool)> },
    /// Put this to whoever answers it, then advance with [`Input::Answer`].
    Ask(Ask),
}

/// What a node says to an input.
#[derive(Debug)]
pub(crate) enum Flow {
    /// On to the node with this index.
    Go(usize),
    /// The run waits here.
    Rest,
    /// The run needs something before it goes on from here: one of [`Next`]'s requests.
    Need(Next),
    /// The run is done.
    End,
    /// The input is not for this node.
    Ignore,
}

/// A compiled node.
pub(crate) trait Act: Send + Sync {
    /// The run arrives here. Called anew once functions have answered that its texts call: nothing is done before they are made.
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure>;

    /// The run was here already, and something came.
    fn resume(&self, _walk: &mut Walk<'_>, _input: &Input<'_>) -> Result<Flow, Failure> {
        Ok(Flow::Ignore)
    }
}

/// A run on its way through the nodes of one step.
pub(crate) struct Walk<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) facts: &'a StepContext<'a>,
    pub(crate) templates: &'a Environment<'static>,
    /// What functions of plugins have answered to the node where the run is.
    pub(crate) known: Known,
    pub(crate) messages: Vec<NewMessage>,
}

impl Walk<'_> {
    /// A field of the node where the run is, for a failure.
    pub(crate) fn field(&self, field: &str) -> String {
        format!("{}/{field}", node_pointer(&self.run.node))
    }

    pub(crate) fn kept(&self) -> Result<Kept, StepError> {
        Ok(Kept::read(&self.run.state)?)
    }
}
