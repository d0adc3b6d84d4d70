//! Customers as a page of them is shown: each with the identities that it is known by.

use openhub_model::identity::Part;
use openhub_model::{Customer, Fault, Identity, PartId};
use openhub_store::Scope;
use std::collections::HashMap;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// A customer and its identities, the oldest first.
pub(crate) struct Person {
    pub customer: Customer,
    pub parts: Vec<Part>,
}

/// Those of these customers that there are, by id.
pub(crate) async fn people(app: &App, scope: &Scope, ids: &[PartId]) -> Result<Vec<Person>, Problem> {
    with_identities(app, scope, app.store.customers_by_id(scope, ids).await?).await
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
    let ids: Vec<PartId> = customers.iter().map(|customer| customer.customer).collect();
    let mut parts: HashMap<PartId, Vec<Part>> = HashMap::new();
    for part in app.store.parts_around(scope, &ids).await? {
        parts.entry(part.customer).or_default().push(part);
    }
    let person = |customer: Customer| {
        let mut parts = parts.remove(&customer.customer).unwrap_or_default();
        parts.sort_by_key(|part| part.age);
        Person { customer, parts }
    };
    Ok(customers.into_iter().map(person).collect())
}

/// The customer whom a request names by an id, or by an identity like `user_id:42`.
pub(crate) async fn customer_called(app: &App, scope: &Scope, text: &str, kind: Kind) -> Result<Customer, Problem> {
    let part = match (text.parse::<PartId>(), text.split_once(':')) {
        (Ok(id), _) => id,
        (Err(_), Some((of, value))) if !of.is_empty() && !value.is_empty() => {
            let policies = app.engine.policies(scope).await?;
            policies.latest().normal(Identity::new(of, value)).part(scope.tenant())
        }
        (Err(_), _) => {
            let message =
                "This is not a customer's id. Write the id that the hub gave, or an identity, like `user_id:42`.";
            return Err(Problem::fault(kind, Fault::new("/customer", "invalid-id", message)));
        }
    };
    app.store.customer(scope, part).await?.ok_or_else(|| Problem::not_found("customer"))
}
