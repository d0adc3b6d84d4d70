//! The first of some conditions that holds for the customer decides the way; none that holds: `else`.

use openhub_model::{Condition, Fault};
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::node::{Edge, NodeCheck, NodePlan, NodeType};
use crate::step::{Act, Flow, Walk};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    pub branches: Vec<Arm>,
    #[serde(rename = "else")]
    pub otherwise: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    #[serde(rename = "if")]
    pub condition: Condition,
    pub next: String,
}

impl NodeType for Branch {
    fn edges(&self) -> Vec<Edge<'_>> {
        let arms = self.branches.iter().enumerate();
        let mut edges: Vec<_> =
            arms.map(|(index, arm)| Edge::new(format!("branches/{index}/next"), &arm.next)).collect();
        edges.push(Edge::new("else", &self.otherwise));
        edges
    }

    fn check(&self, check: &mut NodeCheck<'_, '_>) {
        if self.branches.is_empty() {
            check.fault("branches", "empty", "The array is empty: a branch needs at least one condition.");
        }
        for (index, arm) in self.branches.iter().enumerate() {
            check.condition(&format!("branches/{index}/if"), &arm.condition);
        }
    }

    fn plan(&self, plan: &mut NodePlan<'_>) -> Result<Box<dyn Act>, Fault> {
        let mut arms = Vec::with_capacity(self.branches.len());
        for arm in &self.branches {
            arms.push((arm.condition.clone(), plan.node(&arm.next)?));
        }
        Ok(Box::new(Decide { arms, otherwise: plan.node(&self.otherwise)? }))
    }
}

struct Decide {
    arms: Vec<(Condition, usize)>,
    otherwise: usize,
}

impl Act for Decide {
    fn enter(&self, walk: &mut Walk<'_>) -> Result<Flow, Failure> {
        let known = &walk.facts.known;
        let chosen = self.arms.iter().find(|(condition, _)| condition.evaluate(known).truth.holds());
        Ok(Flow::Go(chosen.map_or(self.otherwise, |(_, next)| *next)))
    }
}
