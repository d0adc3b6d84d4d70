//! What journeys leave behind besides the runs themselves: messages, and counts of their nodes.

use hashbrown::HashMap;
use openhub_journey::Journey;
use openhub_model::message::NewMessage;
use openhub_store::NodeCount;

use super::actor::Tracked;

/// What journeys leave behind besides the runs themselves.
#[derive(Default)]
pub struct Traces {
    pub messages: Vec<NewMessage>,
    counts: HashMap<(String, i64), HashMap<String, (i64, i64)>>,
}

impl Traces {
    pub fn entered(&mut self, journey: &Journey, nodes: Vec<String>) {
        if nodes.is_empty() {
            return;
        }
        let counts = self.counts.entry((journey.name().to_owned(), journey.version())).or_default();
        for node in nodes {
            counts.entry(node).or_default().0 += 1;
        }
    }

    /// A changed run at the end of the batch: it waits elsewhere than it did, or nowhere.
    pub fn moved(&mut self, tracked: &Tracked) {
        let waits = tracked.waits().then_some(&tracked.run.node);
        if waits == tracked.stored_node.as_ref() {
            return;
        }
        let run = &tracked.run;
        let counts = self.counts.entry((run.journey.clone(), run.version)).or_default();
        for (node, change) in [(tracked.stored_node.as_ref(), -1), (waits, 1)] {
            if let Some(node) = node {
                counts.entry(node.clone()).or_default().1 += change;
            }
        }
    }

    pub fn counts(self) -> (Vec<NewMessage>, Vec<NodeCount>) {
        let counts = self.counts.into_iter().flat_map(|((journey, version), nodes)| {
            nodes.into_iter().map(move |(node, (entered, waiting))| NodeCount {
                journey: journey.clone(),
                version,
                node,
                entered,
                waiting,
            })
        });
        let mut counts: Vec<NodeCount> = counts.collect();
        counts.sort_by(|a, b| (&a.journey, a.version, &a.node).cmp(&(&b.journey, b.version, &b.node)));
        (self.messages, counts)
    }
}
