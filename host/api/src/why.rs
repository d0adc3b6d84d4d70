//! Why a condition holds for one customer, or why not: what is stored is loaded, and the model explains.

use openhub_model::condition::{Explanation, NESTED, NESTED_DEPTH, Needs};
use openhub_model::identity::Part;
use openhub_model::{Condition, Customer};
use openhub_store::{AsOf, Scope};
use std::collections::{BTreeMap, BTreeSet};

use crate::app::App;
use crate::auth::{Authorized, may_ask};
use crate::problem::Problem;
use crate::writes::tenant_now;

/// The tenant's present, with all that the engine has done.
pub(crate) async fn as_of(app: &App, scope: &Scope) -> Result<AsOf, Problem> {
    let now = tenant_now(app, scope).await?;
    let done = app.store.last_commit(scope).await?;
    Ok(AsOf { now: now.max(done.now), ..done })
}

/// One explanation a condition, in their order.
pub(crate) async fn explain<P>(
    app: &App,
    access: &Authorized<P>,
    customer: &Customer,
    conditions: &[&Condition],
    as_of: AsOf,
) -> Result<Vec<Explanation>, Problem> {
    conditions.iter().try_for_each(|condition| may_ask(access, condition))?;
    let (scope, mut needs) = (&access.scope, Needs::default());
    conditions.iter().for_each(|condition| needs.add(condition));
    let segments = nested(app, access, &mut needs).await?;
    let parts = app.store.parts_around(scope, &[customer.customer]).await?.iter().map(Part::id).collect();
    let facts = app.store.facts(scope, &[(customer.customer, parts)], &needs, as_of).await?;
    let facts = facts.into_iter().next().unwrap_or_default();
    let facts = facts.facts(customer, as_of.now);
    Ok(conditions.iter().map(|condition| condition.explain(&facts, &segments)).collect())
}

/// The conditions in force of the segments that are asked about, and of those that they ask about, with what they need. What a
/// key may not ask stays a bare membership.
async fn nested<P>(
    app: &App,
    access: &Authorized<P>,
    needs: &mut Needs,
) -> Result<BTreeMap<String, Condition>, Problem> {
    let (mut looked, mut found) = (BTreeSet::new(), BTreeMap::new());
    for _ in 0..NESTED_DEPTH {
        let names: Vec<String> = needs.segments.difference(&looked).take(NESTED - found.len()).cloned().collect();
        for name in names {
            let segment = app.store.segment(&access.scope, &name).await?;
            let condition = segment.and_then(|segment| segment.condition);
            if let Some(condition) = condition.filter(|condition| may_ask(access, condition).is_ok()) {
                needs.add(&condition);
                found.insert(name.clone(), condition);
            }
            looked.insert(name);
        }
    }
    Ok(found)
}
