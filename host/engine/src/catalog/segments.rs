//! The segments in force, and the index from what their conditions mention to them: what nobody mentions costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use openhub_model::condition::{EventNeed, Needs, Picks, SeriesId};
use openhub_model::{Condition, PartId};
use openhub_store::Segment;

/// A segment by its place in the order of evaluation.
pub type Place = u32;

pub struct Watched {
    pub name: String,
    pub version: i64,
    /// None for a static segment.
    pub condition: Option<Condition>,
    /// What its condition picks of a history.
    pub series: Vec<SeriesId>,
}

/// A first fill that is not done: customers behind `from`, by id, have not been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfilled {
    pub place: Place,
    pub from: Option<PartId>,
}

type Index = HashMap<String, Vec<Place>>;

#[derive(Default)]
pub struct Segments {
    /// Each behind those that its condition mentions.
    list: Vec<Watched>,
    events: Index,
    attributes: Index,
    tags: Index,
    mentioned: Index,
    journeys: Index,
    objects: Index,
    consents: Vec<Place>,
    identities: Vec<Place>,
    messages: Vec<Place>,
    /// Those whose answer may change by time alone.
    clock: Vec<Place>,
    all: Vec<Place>,
    /// All that an event of any customer may have to be loaded for.
    needs: Needs,
    /// Names of events that conditions mention, shared by the facts of all customers.
    names: HashMap<String, Arc<str>>,
    /// What conditions of segments pick of a history, each once.
    picks: Picks,
    unfilled: Vec<Unfilled>,
}

impl Segments {
    pub fn of(stored: Vec<Segment>) -> Segments {
        let mut segments = Segments::default();
        for Segment { name, version, mut condition, fill, .. } in ordered(stored) {
            let Some(version) = version else { continue };
            let place = segments.list.len() as Place;
            segments.all.push(place);
            segments.needs.segments.insert(name.clone());
            if let Some(condition) = &condition {
                segments.index(place, condition);
                segments.unfilled.extend(fill.map(|fill| Unfilled { place, from: fill.filled_to }));
            }
            let series = condition.as_mut().map(|condition| segments.picks.number(condition)).unwrap_or_default();
            segments.list.push(Watched { name, version, condition, series });
        }
        segments
    }

    fn index(&mut self, place: Place, condition: &Condition) {
        let needs = condition.needs();
        let mentions = [
            (&mut self.attributes, &needs.attributes),
            (&mut self.tags, &needs.tags),
            (&mut self.mentioned, &needs.segments),
            (&mut self.journeys, &needs.journeys),
            (&mut self.objects, &needs.objects),
        ];
        for (index, names) in mentions {
            for name in names {
                index.entry(name.clone()).or_default().push(place);
            }
        }
        for name in needs.events.keys() {
            self.names.entry(name.clone()).or_insert_with(|| Arc::from(name.as_str()));
            self.events.entry(name.clone()).or_default().push(place);
        }
        // An event may lie in the future of a live clock, so a mention of events is one of the time, too.
        let timed = needs.clock || !needs.events.is_empty() || needs.messages.is_some();
        for (places, mentioned) in [
            (&mut self.consents, needs.consents),
            (&mut self.identities, needs.identities),
            (&mut self.messages, needs.messages.is_some()),
            (&mut self.clock, timed),
        ] {
            if mentioned {
                places.push(place);
            }
        }
        self.needs.merge(&needs);
    }

    /// What journeys ask about customers besides.
    pub fn also_needs(&mut self, needs: &Needs) {
        for name in needs.events.keys() {
            self.names.entry(name.clone()).or_insert_with(|| Arc::from(name.as_str()));
            self.picks.walk(name);
        }
        self.needs.merge(needs);
    }

    pub fn get(&self, place: Place) -> &Watched {
        &self.list[place as usize]
    }

    pub fn find(&self, name: &str) -> Option<Place> {
        self.list.iter().position(|watched| watched.name == name).map(|place| place as Place)
    }

    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Whether there is anything to load or to evaluate.
    pub fn is_empty(&self) -> bool {
        self.needs == Needs::default()
    }

    pub fn unfilled(&self) -> &[Unfilled] {
        &self.unfilled
    }

    pub fn picks(&self) -> &Picks {
        &self.picks
    }

    /// The shared form of an event's name that some condition mentions, and what is asked about the event.
    pub fn event(&self, name: &str) -> Option<(&Arc<str>, &EventNeed)> {
        Some((self.names.get(name)?, self.needs.events.get(name)?))
    }

    pub fn on_event(&self, name: &str) -> &[Place] {
        places(&self.events, name)
    }

    pub fn on_attribute(&self, name: &str) -> &[Place] {
        places(&self.attributes, name)
    }

    pub fn on_tag(&self, name: &str) -> &[Place] {
        places(&self.tags, name)
    }

    pub fn on_segment(&self, name: &str) -> &[Place] {
        places(&self.mentioned, name)
    }

    pub fn on_journey(&self, name: &str) -> &[Place] {
        places(&self.journeys, name)
    }

    pub fn on_object(&self, kind: &str) -> &[Place] {
        places(&self.objects, kind)
    }

    pub fn on_consent(&self) -> &[Place] {
        &self.consents
    }

    pub fn on_identity(&self) -> &[Place] {
        &self.identities
    }

    /// Journeys that ask about messages ask when they are there: only segments have to be told.
    pub fn on_message(&self) -> &[Place] {
        &self.messages
    }

    pub fn on_clock(&self) -> &[Place] {
        &self.clock
    }

    pub fn all(&self) -> &[Place] {
        &self.all
    }
}

fn places<'a>(index: &'a Index, name: &str) -> &'a [Place] {
    index.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// Mentioned before mentioning, ties by name. A circle was refused when it was written; were one stored all the same,
/// its segments would come last, by name.
fn ordered(stored: Vec<Segment>) -> Vec<Segment> {
    let mut waiting: Vec<(Segment, BTreeSet<String>)> = stored
        .into_iter()
        .map(|segment| {
            let mentions = segment.condition.as_ref().map(|condition| condition.needs().segments).unwrap_or_default();
            (segment, mentions)
        })
        .collect();
    let mut done = Vec::with_capacity(waiting.len());
    let mut open: BTreeSet<String> = waiting.iter().map(|(segment, _)| segment.name.clone()).collect();
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, mentions)| mentions.is_disjoint(&open));
        if ready.is_empty() {
            done.extend(rest.into_iter().map(|(segment, _)| segment));
            break;
        }
        for (segment, _) in ready {
            open.remove(&segment.name);
            done.push(segment);
        }
        waiting = rest;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Timestamp;
    use serde_json::{Value, json};

    fn segment(name: &str, condition: Value) -> Segment {
        Segment {
            name: name.into(),
            version: Some(1),
            latest: 1,
            condition: serde_json::from_value(condition).ok(),
            members: 0,
            fill: None,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn a_segment_comes_behind_those_that_it_mentions() {
        let mentions = |name: &str| json!({"segment": name});
        let stored = vec![
            segment("a", mentions("c")),
            segment("b", json!({"attribute": {"name": "tier", "is": "exists"}})),
            segment("c", json!({"not": mentions("b")})),
        ];
        let segments = Segments::of(stored);
        assert_eq!(segments.list.iter().map(|watched| watched.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
        assert_eq!(
            (segments.on_attribute("tier"), segments.on_segment("b"), segments.on_segment("c")),
            (&[0][..], &[1][..], &[2][..])
        );
        assert_eq!(segments.on_event("Order Completed"), [0u32; 0]);
    }
}
