//! Whether the items of a version can be made, told when the version is made and when somebody asks for it: not to a partner who has it
//! half made.

use openhub_journey::Named;
use openhub_model::Fault;
use openhub_model::condition::Declarations;
use openhub_model::offering::{Document, Item, parameters_in, substituted};
use openhub_store::Scope;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::app::{App, Checks};
use crate::condition;
use crate::journeys;
use crate::problem::Problem;

/// All that is wrong with the segments and journeys of a version once the values are in their places. What they may name is in the version
/// itself, or at `reader`'s: who is told, and reads the names of nobody else. An item of which a value is not known yet is left out.
pub(crate) async fn faults(
    app: &App,
    checks: &Checks,
    (reader, provider): (&Scope, &Scope),
    document: &Document,
    values: &Map<String, Value>,
) -> Result<Vec<Fault>, Problem> {
    let mut surroundings = journeys::surroundings(app, reader).await?;
    for plugin in app.store.plugins(provider).await? {
        if document.items.iter().any(|item| matches!(item, Item::Plugin(item) if item.name == plugin.name)) {
            surroundings.add(&plugin.manifest);
        }
    }
    let segments = app.store.latest_segment_versions(reader).await?.into_iter().map(|version| version.segment);
    let known_journeys = app.store.journeys(reader).await?.into_iter().map(|journey| journey.name);
    let (mut segments, mut names): (BTreeSet<String>, BTreeSet<String>) =
        (segments.collect(), known_journeys.collect());
    for item in &document.items {
        match item {
            Item::Segment(item) => drop(segments.insert(item.name.clone())),
            Item::Journey(item) => drop(names.insert(item.name.clone())),
            Item::ObjectType(item) => {
                let shape = item.declaration.shape(&item.name, 1);
                surroundings.objects.insert(item.name.clone(), shape);
            }
            Item::Plugin(_) | Item::Quota(_) | Item::Price(_) => {}
        }
    }
    let declared = Declarations { segments: Some(&segments), journeys: Some(&names), ..Declarations::default() };
    let is_known = |value: &Value| {
        parameters_in(value, "").iter().all(|(_, name)| name.is_some_and(|name| values.contains_key(name)))
    };
    let mut faults = Vec::new();
    let mut definitions = Vec::new();
    for (index, item) in document.items.iter().enumerate() {
        match item {
            Item::Segment(item) if is_known(&item.condition) => {
                let pointer = format!("/items/{index}/segment/condition");
                let content = substituted(&item.condition, values);
                faults.extend(condition::parse(&content, &pointer, &declared).err().into_iter().flatten());
            }
            Item::Journey(item) if is_known(&item.definition) => {
                definitions.push((index, item.name.clone(), substituted(&item.definition, values)));
            }
            _ => {}
        }
    }
    surroundings.named = Some(Named { segments, journeys: names, ..Named::default() });
    let of_journeys = move || {
        let of = |(index, name, definition): (usize, String, Value)| {
            let below = move |fault: Fault| Fault {
                pointer: format!("/items/{index}/journey/definition{}", fault.pointer),
                ..fault
            };
            journeys::check(&name, &definition, &surroundings).into_iter().map(below).collect::<Vec<_>>()
        };
        definitions.into_iter().flat_map(of).collect::<Vec<_>>()
    };
    faults.extend(checks.run(reader.tenant(), app.limits.write_wait, of_journeys).await?);
    Ok(faults)
}
