//! One item at a partner's: made through the handlers that make it by hand, and removed through those that remove it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use openhub_model::offering::{Item, digest};
use openhub_model::{Id, Principal};
use openhub_store::{Agreement, Deeded, Made, Operation, PluginStatus, Scope, Subscription, acting};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::current::{content, has};
use super::operation::Step;
use crate::app::{App, Shared};
use crate::auth::{JourneysWrite, Permission, PluginsWrite, SegmentsWrite, SettingsWrite};
use crate::body::{ComponentBody, JsonBody, OptionalJsonBody};
use crate::change::Change;
use crate::parameters::{Path, Query};
use crate::problem::{ALREADY_EXISTS, CONFLICT, NOT_AGREED, NOT_FOUND, Problem};
use crate::routes::{journeys, object_types, plugins, segments};

/// Makes an item as the version and the partner's parameters say.
pub(super) async fn make(
    shared: &Shared,
    scope: &Scope,
    subscription: &Subscription,
    operation: &Operation,
    item: &Item,
) -> Result<Step, Problem> {
    let Some(name) = item.name() else { return Ok(Step::Done) };
    let content = content(item, subscription);
    let made = Made {
        kind: item.kind().to_owned(),
        name: name.to_owned(),
        subscription: subscription.id,
        item: item.id().0,
        version: operation.version,
        digest: digest(&content),
        made_at: shared.app.now(),
    };
    claim(&shared.app, scope, made).await?;
    let maker = Maker { shared, scope, id: subscription.id, act: format!("make {}", item.id()) };
    match item {
        Item::ObjectType(_) => Box::pin(maker.object_type(name, content)).await,
        Item::Segment(_) => Box::pin(maker.segment(name, content)).await,
        Item::Journey(_) => Box::pin(maker.journey(name, content)).await,
        Item::Plugin(item) => {
            let agreed = subscription.agreed.get(name);
            let Some(component) = item.digest.as_ref().filter(|digest| agreed == Some(digest)) else {
                return Err(Problem::new(NOT_AGREED, format!("Nobody here agreed to what `{name}` asks for.")));
            };
            Box::pin(maker.plugin(name, component, content)).await
        }
        Item::Quota(_) | Item::Price(_) => Ok(Step::Done),
    }
}

/// Says whose the thing is before it is there: so what is half made is known again. What the partner has already is not taken.
async fn claim(app: &App, scope: &Scope, made: Made) -> Result<(), Problem> {
    let all = app.store.made(scope).await?;
    let known = all.iter().find(|known| known.kind == made.kind && known.name == made.name);
    let is_others = match known {
        Some(known) => known.subscription != made.subscription,
        None => exists(app, scope, &made.kind, &made.name).await?,
    };
    if is_others {
        let detail = format!(
            "There is a {} `{}` already that this subscription did not make. Rename or remove it, and resume the operation.",
            made.kind, made.name
        );
        return Err(Problem::new(ALREADY_EXISTS, detail));
    }
    if known.is_none_or(|known| (known.version, &known.digest) != (made.version, &made.digest)) {
        let claim = Agreement::Made { partner: scope.tenant(), made: Box::new(made) };
        app.store.agree(scope, vec![claim], Vec::new()).await?;
    }
    Ok(())
}

async fn exists(app: &App, scope: &Scope, kind: &str, name: &str) -> Result<bool, Problem> {
    Ok(match kind {
        "object-type" => app.store.object_types(scope).await?.iter().any(|known| known.name == name),
        "segment" => app.store.latest_segment_versions(scope).await?.iter().any(|known| known.segment == name),
        "journey" => app.store.journey(scope, name).await?.is_some(),
        _ => app.store.plugin(scope, name).await?.is_some(),
    })
}

/// Removes what an item made; what is not there is removed.
pub(super) async fn remove(shared: &Shared, scope: &Scope, id: Id, item: &str) -> Result<Step, Problem> {
    let Some((kind, name)) = item.split_once('/') else { return Ok(Step::Done) };
    let maker = Maker { shared, scope, id, act: format!("remove {item}") };
    if exists(&shared.app, scope, kind, name).await? && Box::pin(maker.remove(kind, name)).await? == Step::Pending {
        return Ok(Step::Pending);
    }
    let unmade = Agreement::Unmade { partner: scope.tenant(), kind: kind.to_owned(), name: name.to_owned() };
    shared.app.store.agree(scope, vec![unmade], Vec::new()).await?;
    Ok(Step::Done)
}

/// Who makes and removes things for a subscription.
struct Maker<'a> {
    shared: &'a Shared,
    scope: &'a Scope,
    id: Id,
    act: String,
}

impl Maker<'_> {
    /// One act, with its entry in the audit log. A handler's future is large: it lies on the heap.
    async fn acting<T>(&self, work: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
        let app = &self.shared.app;
        let deed = Deeded {
            tenant: Some(self.scope.tenant()),
            principal: Principal::Subscription { id: self.id.to_string() },
            act: self.act.clone(),
            subject: self.id.to_string(),
            origin: String::new(),
            request: app.fresh_id(),
            at: app.now(),
        };
        acting(deed, work).await
    }

    async fn change<P: Permission>(&self) -> Result<Change<P>, Problem> {
        Change::of_subscription(self.shared, self.scope.tenant(), self.id).await
    }

    fn app(&self) -> State<Arc<App>> {
        State(self.shared.app.clone())
    }

    async fn object_type(&self, name: &str, declaration: Value) -> Result<Step, Problem> {
        let change = self.change::<SettingsWrite>().await?;
        let (path, query, body) = (Path(name.to_owned()), Query(read(json!({}))?), JsonBody(declaration));
        self.acting(Box::pin(object_types::put_object_type(self.app(), change, path, query, HeaderMap::new(), body)))
            .await
            .map(step)
    }

    async fn segment(&self, name: &str, condition: Value) -> Result<Step, Problem> {
        let change = self.change::<SegmentsWrite>().await?;
        let body = JsonBody(read(json!({"condition": condition}))?);
        self.acting(Box::pin(segments::save::save_segment(self.app(), change, Path(name.to_owned()), body)))
            .await
            .map(step)
    }

    async fn journey(&self, name: &str, definition: Value) -> Result<Step, Problem> {
        let checks = || State(self.shared.checks.clone());
        let access = self.change::<JourneysWrite>().await?.access;
        let path = || Path(name.to_owned());
        let _draft = self
            .acting(Box::pin(journeys::save_journey(self.app(), checks(), access, path(), JsonBody(definition))))
            .await?;
        let change = self.change::<JourneysWrite>().await?;
        self.acting(Box::pin(journeys::publish_journey(self.app(), checks(), change, path()))).await.map(step)
    }

    async fn plugin(&self, name: &str, component: &str, settings: Value) -> Result<Step, Problem> {
        let app = &self.shared.app;
        let known = app.store.plugin(self.scope, name).await?;
        if let Some(known) = &known
            && known.status == PluginStatus::Enabled
            && known.digest == component
            && has(&known.settings, &settings)
        {
            return Ok(Step::Done);
        }
        if known.is_none_or(|known| known.offered().0 != component) {
            let gone = || Problem::not_found("component of the offering");
            let bytes = app.store.component(component).await?.ok_or_else(gone)?;
            let change = self.change::<PluginsWrite>().await?;
            self.acting(Box::pin(plugins::install_plugin(self.app(), change, ComponentBody(bytes.into())))).await?;
        }
        let mut enable = json!({"accept": component});
        if settings.is_object() {
            enable["settings"] = settings;
        }
        let change = self.change::<PluginsWrite>().await?;
        let body = OptionalJsonBody(read(enable)?);
        let enabling = plugins::enable_plugin(self.app(), change, Path(name.to_owned()), HeaderMap::new(), body);
        self.acting(Box::pin(enabling)).await.map(step)
    }

    async fn remove(&self, kind: &str, name: &str) -> Result<Step, Problem> {
        let path = || Path(name.to_owned());
        match kind {
            "object-type" => {
                let change = self.change::<SettingsWrite>().await?;
                self.acting(Box::pin(object_types::remove_object_type(self.app(), change, path(), HeaderMap::new())))
                    .await
                    .map(step)
            }
            "segment" => {
                let change = self.change::<SegmentsWrite>().await?;
                self.acting(Box::pin(segments::remove::remove_segment(self.app(), change, path()))).await.map(step)
            }
            "journey" => {
                let change = self.change::<JourneysWrite>().await?;
                match self.acting(Box::pin(journeys::stop_journey(self.app(), change, path()))).await.map(step) {
                    Ok(Step::Pending) => return Ok(Step::Pending),
                    // One that never ran, or was stopped before, needs no stop.
                    Err(problem) if !problem.is(CONFLICT) && !problem.is(NOT_FOUND) => return Err(problem),
                    _ => {}
                }
                let change = self.change::<JourneysWrite>().await?;
                self.acting(Box::pin(journeys::remove_journey(self.app(), change, path()))).await.map(step)
            }
            _ => {
                let change = self.change::<PluginsWrite>().await?;
                let query = Query(read(json!({"data": "erase"}))?);
                self.acting(Box::pin(plugins::remove_plugin(self.app(), change, path(), query))).await.map(step)
            }
        }
    }
}

/// A body, or the parameters, of a request that the hub makes itself.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| Problem::internal(&error))
}

fn step(answer: Response) -> Step {
    if answer.status() == StatusCode::ACCEPTED { Step::Pending } else { Step::Done }
}
