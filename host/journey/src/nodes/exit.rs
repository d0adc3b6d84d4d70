//! The end of a run.

use openhub_model::Fault;
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::node::{Edge, NodePlan, NodeType};
use crate::step::{Act, Flow, Walk};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// For readers: a run that ends here shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl NodeType for Exit {
    fn edges(&self) -> Vec<Edge<'_>> {
        Vec::new()
    }

    fn plan(&self, _plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        Ok(Box::new(End { reason: self.reason.clone() }))
    }
}

struct End {
    reason: Option<String>,
}

impl Act for End {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        walk.run.told.reason.clone_from(&self.reason);
        Ok(Flow::End)
    }
}
