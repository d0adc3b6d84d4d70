//! Quotas and caps: how much of each a tenant has used in its period, and what is refused at the door. See decision 97.
//!
//! Nobody asks the database for each request. What is used is read every few seconds, and what this node lets in meanwhile is added to it: so a
//! tenant goes beyond a limit by what other nodes let in in that time, and by no more.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use openhub_model::block::unbilled;
use openhub_model::identity::Authority;
use openhub_model::price::{Currency, Meter, PricePlan, Quota, Then, Used, WARNINGS, rate};
use openhub_model::statement::{period_end, zone};
use openhub_model::{EventKind, Id, NewEvent, Principal, Quarter, Span, TenantId, Timestamp};
use openhub_store::{Contracted, MeteredSum, Scope, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

/// The control event of a limit that is nearly, or wholly, used up, in the logs of partner and provider.
pub const WARNED: &str = "quota.warned";
/// How old what was read may be.
const FRESH: Span = Span::from_micros(5_000_000);

/// A limit on what a subscription uses in its present period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub subscription: String,
    pub provider: TenantId,
    pub of: BoundOf,
    /// Of its meter, or of its currency's smallest unit.
    pub used: i64,
    pub limit: i64,
    pub begins_at: Timestamp,
    pub resets_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundOf {
    /// What the offering says.
    Quota(Quota),
    /// What is paid at most: as the partner says, and no more than the provider allows; and what costs anything.
    Cap { currency: Currency, costs: Vec<(Meter, Option<String>)>, plan: PricePlan, used: Vec<MeteredSum> },
}

/// So much more of a meter, that is about to be used.
#[derive(Clone, Copy, Debug)]
pub struct More<'a> {
    pub meter: &'a Meter,
    /// The channel or plugin; none: the meter is not divided.
    pub of: Option<&'a str>,
    pub quantity: i64,
}

impl More<'_> {
    fn is_of(&self, meter: &Meter, of: Option<&str>) -> bool {
        meter == self.meter && of.is_none_or(|of| Some(of) == self.of)
    }
}

impl Bound {
    /// Whether so much more is refused.
    fn refuses(&self, more: &More<'_>) -> bool {
        match &self.of {
            BoundOf::Quota(quota) => {
                let is_its = more.is_of(&quota.meter, quota.of.as_deref()) && quota.then == Then::Refuse;
                is_its && self.used.saturating_add(more.quantity) > self.limit
            }
            BoundOf::Cap { costs, .. } => {
                self.used >= self.limit && costs.iter().any(|(meter, of)| more.is_of(meter, of.as_deref()))
            }
        }
    }

    /// So much more was let in.
    fn count(&mut self, more: &More<'_>) {
        match &mut self.of {
            BoundOf::Quota(quota) => {
                if more.is_of(&quota.meter, quota.of.as_deref()) {
                    self.used = self.used.saturating_add(more.quantity);
                }
            }
            BoundOf::Cap { costs, plan, used, .. } => {
                if costs.iter().any(|(meter, of)| more.is_of(meter, of.as_deref())) {
                    let division = more.of.unwrap_or_default();
                    match used.iter_mut().find(|sum| sum.meter == *more.meter && sum.of == division) {
                        Some(sum) => sum.quantity = sum.quantity.saturating_add(more.quantity),
                        None => {
                            let (meter, of) = (more.meter.clone(), division.to_owned());
                            used.push(MeteredSum { meter, of, quantity: more.quantity });
                        }
                    }
                    self.used = cost(plan, used);
                }
            }
        }
    }

    fn warnings(&self) -> impl Iterator<Item = u8> + use<> {
        let (limit, used) = (i128::from(self.limit), i128::from(self.used));
        WARNINGS.into_iter().filter(move |percent| used * 100 >= limit * i128::from(*percent))
    }

    fn name(&self) -> String {
        match &self.of {
            BoundOf::Quota(Quota { meter, of: None, .. }) => meter.to_string(),
            BoundOf::Quota(Quota { meter, of: Some(of), .. }) => format!("{meter}/{of}"),
            BoundOf::Cap { .. } => "cap".to_owned(),
        }
    }
}

/// What this node knows of the bounds of each tenant.
#[derive(Default)]
pub struct Quotas {
    known: Mutex<HashMap<TenantId, Known>>,
    /// Warnings that were written, by their ids.
    warned: Mutex<HashSet<Id>>,
}

struct Known {
    read_at: Timestamp,
    bounds: Vec<Bound>,
}

impl Quotas {
    /// The bound that refuses so much more; none: it is let in, and counted.
    pub async fn refuse(
        &self,
        store: &Store,
        scope: &Scope,
        more: &More<'_>,
        now: Timestamp,
    ) -> Result<Option<Bound>, StoreError> {
        if let Some(known) = self.ask(scope.tenant(), more, now) {
            return Ok(known);
        }
        let bounds = bounds(store, scope, now).await?;
        self.warn(store, scope.tenant(), &bounds, now).await?;
        // Others may have read them meanwhile, and let something in since: that counts on.
        self.of(|known| match known.get(&scope.tenant()) {
            Some(fresh) if fresh.read_at + FRESH > now => {}
            _ => drop(known.insert(scope.tenant(), Known { read_at: now, bounds })),
        });
        Ok(self.ask(scope.tenant(), more, now).flatten())
    }

    /// What was read of a tenant is old: somebody has changed what it may use.
    pub fn forget(&self, tenant: TenantId) {
        self.of(|known| known.remove(&tenant));
    }

    /// None: what is known is too old.
    fn ask(&self, tenant: TenantId, more: &More<'_>, now: Timestamp) -> Option<Option<Bound>> {
        self.of(|known| {
            let known = known.get_mut(&tenant).filter(|known| known.read_at + FRESH > now)?;
            let refused = known.bounds.iter().find(|bound| bound.refuses(more)).cloned();
            if refused.is_none() {
                known.bounds.iter_mut().for_each(|bound| bound.count(more));
            }
            Some(refused)
        })
    }

    fn of<T>(&self, with: impl FnOnce(&mut HashMap<TenantId, Known>) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells partner and provider, once for each bound, part and period.
    async fn warn(&self, store: &Store, partner: TenantId, bounds: &[Bound], now: Timestamp) -> Result<(), StoreError> {
        for (of, id, warning) in warnings(partner, bounds, now) {
            let is_new = self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            if is_new && store.tenant(of).await?.is_some() {
                store.append(&Scope::of(of), vec![warning]).await?;
            }
        }
        Ok(())
    }
}

/// Warns of what is used up, though nobody uses anything now.
pub async fn look(store: &Store, scope: &Scope, now: Timestamp) -> Result<(), StoreError> {
    for (of, _, warning) in warnings(scope.tenant(), &bounds(store, scope, now).await?, now) {
        if store.tenant(of).await?.is_some() {
            store.append(&Scope::of(of), vec![warning]).await?;
        }
    }
    Ok(())
}

/// For whom each is, and its id, which is the same whenever it is written.
fn warnings(partner: TenantId, bounds: &[Bound], now: Timestamp) -> Vec<(TenantId, Id, NewEvent)> {
    let mut warnings = Vec::new();
    for bound in bounds {
        for percent in bound.warnings() {
            for of in [partner, bound.provider] {
                let (tenant, begins) = (of.0.to_le_bytes(), bound.begins_at.micros().to_le_bytes());
                let (name, subscription) = (bound.name(), bound.subscription.as_bytes());
                let id = Id::named(&[b"quota", &tenant, subscription, name.as_bytes(), &[percent], &begins]);
                warnings.push((of, id, warning(bound, percent, id, now)));
            }
        }
    }
    warnings
}

fn warning(bound: &Bound, percent: u8, id: Id, now: Timestamp) -> NewEvent {
    let body = json!({"subscription": bound.subscription, "quota": bound.name(), "percent": percent,
        "resets_at": bound.resets_at, "principal": Principal::Hub});
    NewEvent {
        message_id: format!("openhub:quota:{id}"),
        kind: EventKind::Control,
        name: WARNED.to_owned(),
        part: None,
        occurred_at: now,
        received_at: now,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}

/// The bounds of a tenant's subscriptions, as they are now.
pub async fn bounds(store: &Store, scope: &Scope, now: Timestamp) -> Result<Vec<Bound>, StoreError> {
    let mut bounds = Vec::new();
    for contracted in store.contracted(scope).await? {
        let is_over = contracted.ended_at.is_some_and(|ended| ended <= now);
        let Some((from, to)) = period(&contracted, now).filter(|_| !is_over) else { continue };
        let provider = Scope::of(contracted.provider);
        let document = store.offered(&provider, &contracted.offering, contracted.version).await?;
        let items = document.as_ref().and_then(|document| document["items"].as_array());
        let items: Vec<&Value> = items.into_iter().flatten().collect();
        let quotas = items.iter().filter_map(|item| Quota::deserialize(item.get("quota")?).ok());
        let plan = items.iter().find_map(|item| PricePlan::deserialize(item.get("price")?).ok());
        let mut sums =
            store.metered_sums(scope, (Quarter::of(from), Quarter::of(to)), Some(&contracted.subscription)).await?;
        // What arrived and waits for the engine was let in, too. The hub's own events are among it until the engine has come to them.
        let waiting = store.read_behind(scope).await?.max(0);
        sums.push(MeteredSum { meter: Meter::Events, of: String::new(), quantity: waiting });
        let bound = |of, used, limit| Bound {
            subscription: contracted.subscription.clone(),
            provider: contracted.provider,
            of,
            used,
            limit,
            begins_at: from,
            resets_at: to,
        };
        bounds.extend(quotas.map(|quota| {
            let (used, limit) = (used(&quota, &sums), quota.limit);
            bound(BoundOf::Quota(quota), used, limit)
        }));
        let caps = [contracted.cap.as_deref(), contracted.credit.as_deref()].into_iter().flatten();
        if let Some(plan) = plan
            && let Some(limit) = caps.filter_map(|cap| plan.currency.covered(cap)).min()
        {
            let costs = plan.prices.iter().map(|price| (price.meter.clone(), price.of.clone())).collect();
            let charged = charged(store, scope, &contracted.subscription, (from, to), sums).await?;
            let cost = cost(&plan, &charged);
            let of = BoundOf::Cap { currency: plan.currency, costs, plan, used: charged };
            bounds.push(bound(of, cost, limit));
        }
    }
    Ok(bounds)
}

/// What of the sums of a period is charged: all but what was used while a block on billing was in force.
async fn charged(
    store: &Store,
    scope: &Scope,
    subscription: &str,
    period: (Timestamp, Timestamp),
    mut sums: Vec<MeteredSum>,
) -> Result<Vec<MeteredSum>, StoreError> {
    for part in unbilled(store.billing_blocks(scope, subscription).await?, period) {
        for free in
            store.metered_sums(scope, (Quarter::of(part.from), Quarter::of(part.to)), Some(subscription)).await?
        {
            let its = sums.iter_mut().find(|sum| (&sum.meter, &sum.of) == (&free.meter, &free.of));
            if let Some(sum) = its {
                sum.quantity = sum.quantity.saturating_sub(free.quantity).max(0);
            }
        }
    }
    Ok(sums)
}

/// The period of a subscription in which a time lies.
fn period(of: &Contracted, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let zone = zone(&of.time_zone)?;
    let mut from = Quarter::of(of.active_at).begins();
    loop {
        let to = period_end(from, &zone)?;
        if now < to {
            return Some((from, to));
        }
        from = to;
    }
}

fn used(quota: &Quota, sums: &[MeteredSum]) -> i64 {
    let is_its = |sum: &&MeteredSum| sum.meter == quota.meter && quota.of.as_ref().is_none_or(|of| *of == sum.of);
    sums.iter().filter(is_its).fold(0, |used: i64, sum| used.saturating_add(sum.quantity))
}

/// What the period has come to so far; what is too great to be said is beyond every cap.
fn cost(plan: &PricePlan, sums: &[MeteredSum]) -> i64 {
    let used: Vec<Used> = sums
        .iter()
        .map(|sum| Used {
            meter: sum.meter.clone(),
            of: (!sum.of.is_empty()).then(|| sum.of.clone()),
            quantity: sum.quantity,
        })
        .collect();
    let charges = rate(plan, &used).unwrap_or_default();
    charges.iter().fold(0, |sum: i64, charge| sum.saturating_add(charge.amount))
}
