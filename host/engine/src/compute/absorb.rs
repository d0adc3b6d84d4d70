//! What an event itself says of its customer: that they exist, their attributes, tags and consents, and their claims.

use openhub_model::customer::{Consent, is_consent};
use openhub_model::identity::Authority;
use openhub_model::{Cause, EventKind, Timestamp};
use openhub_store::{Decision, MatchStatus};
use serde_json::{Map, Value};

use super::claims::PROPOSED;
use super::event::Happening;
use super::wave::Batch;
use crate::body::Body;
use crate::catalog::{Catalog, Pages};

/// The attribute that keeps the group of the last `group` call.
const GROUP: &str = "group_id";

impl Batch<'_> {
    pub(super) fn absorb(&mut self, lane: usize, event: &mut Happening) {
        let mut said = event.body.take();
        let mut nothing = Body::default();
        let body = said.as_deref_mut().unwrap_or(&mut nothing);
        let Some(part) = event.part else { return };
        if body.verdict {
            return self.lanes[lane].standing.touch(self.catalog.segments.on_message());
        }
        if event.arrived() {
            self.sight(lane, part, event);
            self.claim(lane, event, body);
            self.decide(event, body);
            // A program on a server may propose as a rule does.
            if event.kind == EventKind::Track && event.name == PROPOSED && event.authority >= Authority::Server {
                self.propose(lane, event, &event.properties);
            }
        }
        let Catalog { merges, segments, types, pages, .. } = self.catalog;
        let lane = &mut self.lanes[lane];
        if lane.customer.is_none() {
            return;
        }
        if body.review {
            return lane.standing.touch(segments.all());
        }
        if !event.arrived() {
            // It says nothing of the customer, and nobody was seen.
            return;
        }
        let (kind, at) = (event.kind, event.at);
        if !matches!(kind, EventKind::Identify | EventKind::Update | EventKind::Group) {
            return lane.write(part, merges, |state, _| state.saw(at));
        }
        let cause = Cause { at, event: event.message_id.clone(), plugin: None, rule: None };
        // A page's key can be read by anybody.
        let page = event.authority == Authority::Browser && kind != EventKind::Update;
        let mut admit = |name: &str, value: &Value| {
            let admitted = lane.admits(types, name, value, &cause);
            match page {
                true => lane.admits_page(pages, name, value, &cause).filter(|_| admitted),
                false => admitted.then(|| cause.clone()),
            }
        };
        let group = body.group(kind).map(Value::from).and_then(|group| Some((admit(GROUP, &group)?, group)));
        let (mut tags, mut consents) = (std::mem::take(&mut body.tags), std::mem::take(&mut body.consents));
        if page {
            tags.clear();
            Pages::only_withdrawals(&mut consents);
        }
        // What is malformed was refused at the door; were it there all the same, it would hide no other.
        consents.retain(|key, consent| is_consent(key, consent));
        // The traits of a group are the group's.
        // History without a time of its own is older than all that anybody denied.
        let timeless = event.historical && !body.timed;
        let attributes = if kind == EventKind::Group { Map::new() } else { std::mem::take(body).attributes() };
        let attributes: Vec<(Cause, String, Value)> =
            attributes.into_iter().filter_map(|(name, value)| Some((admit(&name, &value)?, name, value))).collect();
        let mut touched = Vec::new();
        lane.write(part, merges, |state, joined| {
            state.saw(at);
            if let Some((cause, group)) = group {
                state.set(GROUP, group, cause);
                touched.extend_from_slice(segments.on_attribute(GROUP));
            }
            if kind == EventKind::Group {
                return;
            }
            for (tag, present) in &tags {
                if let Value::Bool(_) | Value::Null = present {
                    state.set_tag(tag, present.clone(), cause.clone());
                    touched.extend_from_slice(segments.on_tag(tag));
                }
            }
            for (key, consent) in &consents {
                let joined = joined.and_then(|joined| joined.consents.get(key));
                let mut cause = cause.clone();
                if timeless && Consent::of(consent) == Consent::Granted {
                    cause.at = Timestamp::FIRST;
                }
                state.set_consent(key, consent.clone(), cause, joined);
                touched.extend_from_slice(segments.on_consent());
            }
            for (cause, name, value) in attributes {
                touched.extend_from_slice(segments.on_attribute(&name));
                state.set(&name, value, cause);
            }
        });
        lane.standing.touch(&touched);
    }

    /// What a human or a policy said of a proposed match.
    fn decide(&mut self, event: &Happening, body: &Body) {
        if let Some(decided) = &body.decided {
            let status = if decided.accepted { MatchStatus::Accepted } else { MatchStatus::Rejected };
            self.decisions.retain(|decision| decision.id != decided.id);
            self.decisions.push(Decision { id: decided.id, status, at: event.now });
        }
    }
}
