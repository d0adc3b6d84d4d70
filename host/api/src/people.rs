//! Customers as a page of them is shown: each with the identities that it is known by.

use openhub_model::{Customer, Identity, PartId};
use openhub_store::Scope;
use std::collections::HashMap;

use crate::app::App;
use crate::problem::Problem;

/// A customer and its identities, the one that it was first seen under first.
pub(crate) struct Person {
    pub customer: Customer,
    pub identities: Vec<Known>,
}

/// An identity and where it came from.
pub(crate) struct Known {
    pub identity: Identity,
    /// `message_id` of the event that first claimed it.
    pub source: Option<String>,
}

/// Those of these customers that there are, in the order of their ids.
pub(crate) async fn people(app: &App, scope: &Scope, ids: &[PartId]) -> Result<Vec<Person>, Problem> {
    let customers = app.store.customers_by_part(scope, ids).await?;
    with_identities(app, scope, customers).await
}

/// The customer that a part belongs to.
pub(crate) async fn person(app: &App, scope: &Scope, id: PartId) -> Result<Person, Problem> {
    let customer = app.store.customer(scope, id).await?.ok_or_else(|| Problem::not_found("customer"))?;
    with_identities(app, scope, vec![customer]).await?.pop().ok_or_else(|| Problem::not_found("customer"))
}

pub(crate) async fn with_identities(
    app: &App,
    scope: &Scope,
    mut customers: Vec<Customer>,
) -> Result<Vec<Person>, Problem> {
    customers.sort_by_key(|customer| customer.customer);
    let parts: Vec<PartId> = customers.iter().map(|customer| customer.part).collect();
    let mut claims: HashMap<PartId, Vec<Known>> = HashMap::new();
    for claim in app.store.claims_by_part(scope, &parts).await? {
        let identity = Identity::new(claim.kind, claim.value);
        claims.entry(claim.part).or_default().push(Known { identity, source: Some(claim.source) });
    }
    let person = |customer: Customer| {
        let mut identities = claims.remove(&customer.part).unwrap_or_default();
        match identities.iter().position(|known| known.identity == customer.identity) {
            Some(at) => identities[..=at].rotate_right(1),
            None => identities.insert(0, Known { identity: customer.identity.clone(), source: None }),
        }
        Person { customer, identities }
    };
    Ok(customers.into_iter().map(person).collect())
}
