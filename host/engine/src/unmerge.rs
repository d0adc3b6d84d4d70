//! Taking customers apart: a pair's claims are retracted, and the parts around them are placed as if those had never
//! been made.
//!
//! Rare, and by hand: it reads every claim that could be affected, and resolves them anew by the same pure function
//! that the laws are tested on. States, runs, messages and objects stay with their parts, so nothing else is touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use openhub_model::customer::{Merges, fold};
use openhub_model::identity::{self, Part, Placed, Policies, resolve};
use openhub_model::{Customer, Identity, PartId};
use openhub_store::{Changes, ClaimRow, ClaimStatus, Scope, Store, StoreError};

/// The claims that lead to a part, with the parts that they name.
pub struct Neighbourhood {
    claims: Vec<ClaimRow>,
    /// Of every part and of every identity that was claimed, joined or not.
    names: HashMap<PartId, Identity>,
    parts: HashMap<PartId, Part>,
    customers: HashMap<PartId, Customer>,
}

impl Neighbourhood {
    /// Reads outwards from a part, over claims that were refused or undone too, until nothing new is found.
    pub async fn load(store: &Store, scope: &Scope, start: PartId) -> Result<Neighbourhood, StoreError> {
        let (mut claims, mut found) = (Vec::new(), HashMap::new());
        let mut names: HashMap<PartId, Identity> = HashMap::new();
        let mut reached = BTreeSet::from([start]);
        let mut waiting = vec![start];
        let mut known = BTreeSet::new();
        while !waiting.is_empty() {
            let parts = store.parts_around(scope, &waiting).await?;
            waiting.extend(parts.iter().map(Part::id));
            reached.extend(waiting.iter().copied());
            names.extend(parts.iter().map(|part| (part.id(), part.identity.clone())));
            let identities: Vec<Identity> = waiting.iter().filter_map(|part| names.get(part).cloned()).collect();
            let mut read = store.claims_by_part(scope, &waiting).await?;
            read.extend(store.claims_of_identities(scope, &identities).await?);
            found.extend(parts.into_iter().map(|part| (part.id(), part)));
            waiting.clear();
            for claim in read {
                let claimed = claim.identity.part(scope.tenant());
                names.entry(claimed).or_insert_with(|| claim.identity.clone());
                waiting.extend([claim.part, claimed].into_iter().filter(|next| reached.insert(*next)));
                if known.insert((claim.part, claim.identity.clone(), claim.authority, claim.policy)) {
                    claims.push(claim);
                }
            }
        }
        let mut found = Neighbourhood { claims, names, parts: found, customers: HashMap::new() };
        let ids: BTreeSet<PartId> = found.parts.values().map(|part| part.customer).collect();
        let customers = store.customers_by_id(scope, &Vec::from_iter(ids)).await?;
        found.customers = customers.into_iter().map(|customer| (customer.customer, customer)).collect();
        Ok(found)
    }

    /// What changes once the pairs are taken apart that `undone` names.
    pub fn without(
        mut self,
        undone: impl Fn(&ClaimRow) -> bool,
        scope: &Scope,
        policies: &Policies,
        merges: &Merges,
    ) -> Changes {
        let mut changes = Changes::default();
        for claim in &mut self.claims {
            let is_sighting = claim.identity.part(scope.tenant()) == claim.part;
            if !is_sighting && claim.status != ClaimStatus::Undone && undone(claim) {
                claim.status = ClaimStatus::Undone;
                changes.claims.push(claim.clone());
            }
        }
        if changes.claims.is_empty() {
            return changes;
        }
        let mut rows: BTreeMap<identity::Claim, &ClaimRow> = BTreeMap::new();
        for claim in self.claims.iter().filter(|claim| claim.status != ClaimStatus::Undone) {
            let Some(subject) = self.names.get(&claim.part).cloned() else { continue };
            let (position, authority) = (claim.position, claim.authority);
            rows.insert(identity::Claim { position, subject, identity: claim.identity.clone(), authority }, claim);
        }
        let resolution = resolve(scope.tenant(), policies, rows.keys());
        for (asked, row) in &rows {
            let status = resolution.refused.get(asked).map_or(ClaimStatus::Joined, |why| ClaimStatus::Refused(*why));
            if row.status != status {
                changes.claims.push(ClaimRow { status, ..(*row).clone() });
            }
        }
        let sources = sources(&rows, scope);
        self.place(&resolution.parts, &sources, merges, &mut changes);
        changes
    }

    fn place(
        &self,
        placed: &BTreeMap<PartId, Placed>,
        sources: &HashMap<(PartId, i64), String>,
        merges: &Merges,
        changes: &mut Changes,
    ) {
        let mut states: HashMap<PartId, Customer> =
            self.parts.values().filter_map(|part| Some((part.id(), self.state(part)?))).collect();
        let mut groups: BTreeMap<PartId, Vec<(PartId, Placed)>> = BTreeMap::new();
        for (part, placed) in placed {
            groups.entry(placed.customer).or_default().push((*part, *placed));
        }
        for (customer, mut members) in groups {
            members.sort_by_key(|(_, placed)| placed.age);
            let several = members.iter().filter(|(_, placed)| placed.seen).count() > 1;
            let own: Vec<Customer> = members.iter().filter_map(|(part, _)| states.remove(part)).collect();
            let named = |mut state: Customer| {
                state.customer = customer;
                state
            };
            if let Some(mut folded) = fold(&own, merges) {
                let identity = self.names.get(&customer).cloned().unwrap_or_else(|| folded.identity.clone());
                (folded.part, folded.customer, folded.identity) = (customer, customer, identity);
                if self.customers.get(&customer) != Some(&folded) {
                    changes.customers.push(Arc::new(folded));
                }
            }
            let own: HashMap<PartId, Customer> = own.into_iter().map(|state| (state.part, state)).collect();
            for (id, placed) in members {
                let old = self.parts.get(&id);
                let Some(identity) = self.names.get(&id).cloned() else { continue };
                let source = sources.get(&(id, placed.age.position)).cloned();
                let state = own.get(&id).filter(|_| several).cloned().map(named).map(Box::new);
                let source = source.or_else(|| old.map(|old| old.source.clone())).unwrap_or_default();
                let part = Part { age: placed.age, customer, identity, source, seen: placed.seen, state };
                if old != Some(&part) {
                    changes.parts.push(part);
                }
            }
        }
        changes.gone_parts.extend(self.parts.keys().filter(|part| !placed.contains_key(part)));
        let kept: BTreeSet<PartId> = placed.values().map(|placed| placed.customer).collect();
        changes.gone_customers.extend(self.customers.keys().filter(|customer| !kept.contains(customer)));
        changes.gone_parts.sort_unstable();
        changes.gone_customers.sort_unstable();
    }

    /// What is a part's own, wherever it is kept now.
    fn state(&self, part: &Part) -> Option<Customer> {
        if !part.seen {
            return None;
        }
        if let Some(state) = &part.state {
            return Some((**state).clone());
        }
        let mut state = self.customers.get(&part.customer)?.clone();
        (state.part, state.identity) = (part.id(), part.identity.clone());
        Some(state)
    }
}

/// The event that first named each part, by part and position.
fn sources(rows: &BTreeMap<identity::Claim, &ClaimRow>, scope: &Scope) -> HashMap<(PartId, i64), String> {
    let named = rows.iter().flat_map(|(asked, row)| {
        [row.part, asked.identity.part(scope.tenant())].map(|part| ((part, row.position), row.source.clone()))
    });
    named.collect()
}
