//! What an item says at a partner's, and whether what was made still is so, or the partner has changed it.

use openhub_model::Condition;
use openhub_model::offering::{Item, substituted};
use openhub_store::{Scope, Subscription};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::problem::Problem;

/// What an item says at this partner's.
pub(super) fn content(item: &Item, subscription: &Subscription) -> Value {
    let values = &subscription.parameters;
    match item {
        Item::ObjectType(item) => json!(item.declaration),
        Item::Segment(item) => substituted(&item.condition, values),
        Item::Journey(item) => substituted(&item.definition, values),
        Item::Plugin(item) => substituted(&item.settings, values),
        Item::Quota(_) | Item::Price(_) => Value::Null,
    }
}

/// Whether the thing is there as the item says.
pub(crate) async fn is_as_made(
    app: &App,
    scope: &Scope,
    subscription: &Subscription,
    item: &Item,
) -> Result<bool, Problem> {
    let content = content(item, subscription);
    Ok(match item {
        Item::ObjectType(item) => {
            let types = app.store.object_types(scope).await?;
            types.iter().any(|known| known.name == item.name && json!(known.declaration) == content)
        }
        Item::Segment(item) => {
            let policies = app.engine.policies(scope).await?;
            let wanted = Condition::deserialize(&content).ok().map(|condition| condition.normal(policies.latest()));
            let latest = app.store.latest_segment_versions(scope).await?;
            latest.iter().any(|known| known.segment == item.name && known.condition == wanted)
        }
        Item::Journey(item) => {
            let journey = app.store.journey(scope, &item.name).await?;
            journey.is_some_and(|journey| journey.draft == Some(content))
        }
        Item::Plugin(item) => {
            let plugin = app.store.plugin(scope, &item.name).await?;
            plugin.is_some_and(|plugin| Some(&plugin.digest) == item.digest.as_ref() && has(&plugin.settings, &content))
        }
        Item::Quota(_) | Item::Price(_) => true,
    })
}

/// Whether all of `wanted` is set.
pub(super) fn has(settings: &Value, wanted: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(name, value)| settings[name] == *value)
}
