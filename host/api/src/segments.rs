//! What a condition may mention, and who mentions a segment.

use openhub_model::attribute::Types;
use openhub_model::condition::{Declarations, Paths, cycle};
use openhub_model::identity::Policies;
use openhub_model::manifest::Field;
use openhub_model::{Condition, Fault};
use openhub_store::{PluginStatus, Scope, Segment, SegmentVersion};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::App;
use crate::auth::{Authorized, ObjectsRead, may_ask};
use crate::condition::{misspelt_kinds, parse};
use crate::parameters::name_in_path;
use crate::problem::{INVALID_CONDITION, Problem};
use crate::text::step;

/// A segment that there is.
pub(crate) async fn find(app: &App, scope: &Scope, name: &str) -> Result<Segment, Problem> {
    let found = app.store.segment(scope, name_in_path(name)?).await?;
    found.ok_or_else(|| Problem::not_found("segment"))
}

/// What a tenant has that conditions may name.
pub(crate) struct Known {
    /// The greatest version of each segment, by name.
    pub segments: BTreeMap<String, SegmentVersion>,
    names: BTreeSet<String>,
    journeys: BTreeSet<String>,
    /// The types that enabled plugins declare, and an admin.
    objects: BTreeMap<String, Vec<Field>>,
    /// Those that were declared with a type; others may be named too.
    attributes: Types,
    /// By which identities have their form.
    policies: Arc<Policies>,
}

impl Known {
    pub async fn read(app: &App, scope: &Scope) -> Result<Known, Problem> {
        let segments = app.store.latest_segment_versions(scope).await?;
        let segments: BTreeMap<_, _> = segments.into_iter().map(|each| (each.segment.clone(), each)).collect();
        let journeys = app.store.journeys(scope).await?.into_iter().map(|journey| journey.name).collect();
        let plugins = app.store.plugins(scope).await?;
        let enabled = plugins.into_iter().filter(|plugin| plugin.status == PluginStatus::Enabled);
        let objects = enabled.flat_map(|plugin| plugin.manifest.objects).map(|shape| (shape.name, shape.fields));
        let declared = app.store.object_types(scope).await?.into_iter();
        let declared = declared.map(|declared| (declared.name, declared.declaration.fields));
        let attributes = app.store.declared_attributes(scope).await?.into_iter();
        let attributes = attributes.filter_map(|(name, declared)| Some((name, declared.of?)));
        Ok(Known {
            names: segments.keys().cloned().collect(),
            segments,
            journeys,
            objects: objects.chain(declared).collect(),
            attributes: attributes.collect(),
            policies: app.engine.policies(scope).await?,
        })
    }

    /// The condition at `/condition` of a body, or every fault of it.
    pub fn condition<P>(&self, access: &Authorized<P>, value: Value) -> Result<Condition, Problem> {
        self.check(access, value, None)
    }

    /// A segment that mentions itself, `own`, is told so elsewhere; else it is not among those that there are. What a key may not
    /// ask about is not named to it either.
    fn check<P>(&self, access: &Authorized<P>, value: Value, own: Option<&str>) -> Result<Condition, Problem> {
        if let Ok(condition) = Condition::deserialize(&value) {
            may_ask(access, &condition)?;
        }
        let mut segments = self.names.clone();
        segments.extend(own.filter(|own| is_mentioned(&value, own)).map(str::to_owned));
        let declared = Declarations {
            segments: Some(&segments),
            journeys: Some(&self.journeys),
            objects: access.may::<ObjectsRead>().then_some(&self.objects),
            typed: Some(&self.attributes),
            paths: Paths::Refused,
            ..Declarations::default()
        };
        let condition = parse(&value, POINTER, &declared).map_err(refused)?;
        may_ask(access, &condition)?;
        let misspelt = misspelt_kinds(&value, POINTER, self.policies.latest());
        if !misspelt.is_empty() {
            return Err(refused(misspelt));
        }
        Ok(condition.normal(self.policies.latest()))
    }

    /// The same for the condition of the segment `name`, which must not lead back to it.
    pub fn condition_of<P>(&self, access: &Authorized<P>, name: &str, value: Value) -> Result<Condition, Problem> {
        let condition = self.check(access, value, Some(name))?;
        let of = |other: &str| match self.segments.get(other).and_then(|version| version.condition.as_ref()) {
            Some(condition) => condition.needs().segments,
            None => BTreeSet::new(),
        };
        match cycle(name, &condition.needs().segments, of) {
            None => Ok(condition),
            Some(circle) => {
                let message = format!("The segments use each other in a circle: {}.", circle.join(" → "));
                let pointers = mentions(&condition, &circle[1], POINTER);
                let faults = pointers.into_iter().map(|pointer| Fault::new(pointer, "cycle", message.clone()));
                Err(refused(faults.collect()))
            }
        }
    }
}

const POINTER: &str = "/condition";

fn refused(faults: Vec<Fault>) -> Problem {
    Problem::new(INVALID_CONDITION, "Nothing was changed. `faults` says what to correct.").with_faults(faults)
}

/// Whether a condition, well-formed or not, may mention a segment.
fn is_mentioned(condition: &Value, segment: &str) -> bool {
    match condition {
        Value::Array(parts) => parts.iter().any(|part| is_mentioned(part, segment)),
        Value::Object(fields) => fields
            .iter()
            .any(|(word, content)| (word == "segment" && content == segment) || is_mentioned(content, segment)),
        _ => false,
    }
}

/// Where a condition mentions a segment.
fn mentions(condition: &Condition, segment: &str, pointer: &str) -> Vec<String> {
    let below = |parts: &[Condition], word: &str| {
        let parts = parts.iter().enumerate();
        parts.flat_map(|(index, part)| mentions(part, segment, &format!("{pointer}/{word}/{index}"))).collect()
    };
    match condition {
        Condition::All(parts) => below(parts, "all"),
        Condition::Any(parts) => below(parts, "any"),
        Condition::Not(part) => mentions(part, segment, &format!("{pointer}/not")),
        Condition::Segment(name) if name == segment => vec![format!("{pointer}/segment")],
        _ => Vec::new(),
    }
}

/// Who would miss the segment: one fault a user, whose pointer names it as the API does.
pub(crate) async fn users(app: &App, scope: &Scope, name: &str) -> Result<Vec<Fault>, Problem> {
    let mut users = BTreeSet::new();
    let latest = app.store.latest_segment_versions(scope).await?;
    let latest = latest.into_iter().map(|version| (version.segment, version.condition));
    let in_force = app.store.segments(scope).await?.into_iter().map(|segment| (segment.name, segment.condition));
    for (other, condition) in latest.chain(in_force).filter(|(other, _)| other != name) {
        if condition.is_some_and(|condition| condition.needs().segments.contains(name)) {
            users.insert((step("/segments", &other), format!("The segment `{other}`")));
        }
    }
    for journey in app.store.journeys(scope).await? {
        if journey.draft.as_ref().is_some_and(|draft| names(draft, name)) {
            users.insert((step("/journeys", &journey.name), format!("The draft of the journey `{}`", journey.name)));
        }
    }
    for version in app.store.published_versions(scope).await? {
        if names(&version.definition, name) {
            let pointer = format!("{}/versions/{}", step("/journeys", &version.journey), version.version);
            users.insert((pointer, format!("Version {} of the journey `{}`", version.version, version.journey)));
        }
    }
    let fault = |(pointer, user)| Fault::new(pointer, "in-use", format!("{user} uses it."));
    Ok(users.into_iter().map(fault).collect())
}

/// Whether a journey's definition, finished or not, starts at the segment or mentions it in a condition.
fn names(definition: &Value, segment: &str) -> bool {
    definition["trigger"]["segment"] == segment || uses(definition, segment)
}

/// Whether a condition somewhere in it mentions the segment.
fn uses(definition: &Value, segment: &str) -> bool {
    match definition {
        Value::Array(items) => items.iter().any(|item| uses(item, segment)),
        Value::Object(fields) => fields.iter().any(|(name, field)| {
            let condition = matches!(name.as_str(), "if" | "condition").then(|| Condition::deserialize(field));
            match condition {
                Some(Ok(condition)) => condition.needs().segments.contains(segment),
                _ => uses(field, segment),
            }
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_journey_uses_a_segment_in_its_trigger_or_a_branch() {
        let unfinished = json!({"trigger": {"condition": {"not": {"segment": "vips"}}}, "nodes": 7});
        assert!(uses(&unfinished, "vips"));
        let branch = json!({"nodes": {"a": {"branches": [{"if": {"any": [{"segment": "vips"}, {"tag": "x"}]}}]}}});
        assert!(uses(&branch, "vips") && !uses(&branch, "x"));
        let attribute = json!({"nodes": {"a": {"type": "update", "attributes": {"segment": "vips"}}}});
        assert!(!uses(&attribute, "vips"));
    }

    #[test]
    fn every_mention_is_pointed_at() {
        let condition = json!({"all": [{"segment": "a"}, {"not": {"any": [{"segment": "b"}, {"segment": "a"}]}}]});
        let condition: Condition = serde_json::from_value(condition).unwrap();
        assert_eq!(mentions(&condition, "a", "/c"), ["/c/all/0/segment", "/c/all/1/not/any/1/segment"]);
    }
}
