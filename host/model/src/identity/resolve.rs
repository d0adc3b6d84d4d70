//! From claims to customers: a pure function of the set of claims, and the same one claim at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::claim::{Claim, Refusal};
use super::part::Age;
use super::policy::{Policies, Policy};
use crate::id::PartId;
use crate::tenant::TenantId;

/// A customer as far as a claim is judged by it: how many identities it has of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub kinds: &'a [(String, u32)],
}

impl Side<'_> {
    pub fn count(&self, kind: &str) -> u32 {
        self.kinds.iter().find(|(name, _)| name == kind).map_or(0, |(_, count)| *count)
    }
}

/// Where a part belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub customer: PartId,
    pub age: Age,
    /// Whether it was the subject of an event.
    pub seen: bool,
}

/// What a set of claims amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    pub parts: BTreeMap<PartId, Placed>,
    /// What was refused, and why.
    pub refused: BTreeMap<Claim, Refusal>,
}

struct Component {
    parts: Vec<PartId>,
    kinds: Vec<(String, u32)>,
    oldest: Age,
}

struct Node {
    component: usize,
    age: Age,
    seen: bool,
}

/// The state that claims lead to, one claim after another. A claim is taken in constant time and the size of the
/// smaller customer, whatever the history.
pub struct Resolver<'a> {
    tenant: TenantId,
    policies: &'a Policies,
    nodes: HashMap<PartId, Node>,
    components: Vec<Component>,
}

impl<'a> Resolver<'a> {
    pub fn new(tenant: TenantId, policies: &'a Policies) -> Resolver<'a> {
        Resolver { tenant, policies, nodes: HashMap::new(), components: Vec::new() }
    }

    /// Takes a claim that stands. Claims come in the order of [`order`].
    pub fn take(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let subject = claim.subject.part(self.tenant);
        if claim.is_sighting() {
            self.sight(subject, &claim.subject.kind, claim.position);
            return Ok(());
        }
        let claimed = claim.identity.part(self.tenant);
        let (_, policy) = self.policies.at(claim.position);
        let (left, right) = (self.component(subject), self.component(claimed));
        if left.is_some() && left == right {
            return Ok(());
        }
        let alone = |kind: &String| [(kind.clone(), 1)];
        let (lone_subject, lone_claimed) = (alone(&claim.subject.kind), alone(&claim.identity.kind));
        let kinds = |component: Option<usize>| component.map(|at| self.components[at].kinds.as_slice());
        let left = Side { kinds: kinds(left).unwrap_or(&lone_subject) };
        let right = Side { kinds: kinds(right).unwrap_or(&lone_claimed) };
        policy.judge(claim, &left, &right)?;
        let left = self.ensure(subject, &claim.subject.kind, claim.position, false);
        let right = self.ensure(claimed, &claim.identity.kind, claim.position, true);
        self.join(left, right);
        Ok(())
    }

    fn component(&self, part: PartId) -> Option<usize> {
        self.nodes.get(&part).map(|node| node.component)
    }

    fn sight(&mut self, part: PartId, kind: &str, position: i64) {
        self.ensure(part, kind, position, false);
        if let Some(node) = self.nodes.get_mut(&part) {
            node.seen = true;
        }
    }

    fn ensure(&mut self, part: PartId, kind: &str, position: i64, claimed: bool) -> usize {
        if let Some(component) = self.component(part) {
            return component;
        }
        let (component, age) = (self.components.len(), Age { position, claimed, id: part });
        self.components.push(Component { parts: vec![part], kinds: vec![(kind.to_owned(), 1)], oldest: age });
        self.nodes.insert(part, Node { component, age, seen: false });
        component
    }

    fn join(&mut self, left: usize, right: usize) {
        let smaller_first = self.components[left].parts.len() < self.components[right].parts.len();
        let (from, into) = if smaller_first { (left, right) } else { (right, left) };
        let moved = &mut self.components[from];
        let (parts, kinds, oldest) = (std::mem::take(&mut moved.parts), std::mem::take(&mut moved.kinds), moved.oldest);
        for part in &parts {
            if let Some(node) = self.nodes.get_mut(part) {
                node.component = into;
            }
        }
        let component = &mut self.components[into];
        component.parts.extend(parts);
        component.oldest = component.oldest.min(oldest);
        for (kind, count) in kinds {
            match component.kinds.iter_mut().find(|(name, _)| *name == kind) {
                Some((_, sum)) => *sum += count,
                None => component.kinds.push((kind, count)),
            }
        }
    }

    /// Where each part belongs by now.
    pub fn parts(&self) -> BTreeMap<PartId, Placed> {
        let placed = self.nodes.iter().map(|(part, node)| {
            let customer = self.components[node.component].oldest.id;
            (*part, Placed { customer, age: node.age, seen: node.seen })
        });
        placed.collect()
    }
}

/// Sorts claims as they are taken: by position; of one event its sighting first, then by the priority of the claimed
/// kind, highest first.
pub fn order<'a>(policies: &Policies, claims: impl IntoIterator<Item = &'a Claim>) -> Vec<&'a Claim> {
    let mut claims: Vec<&Claim> = claims.into_iter().collect();
    claims.sort_by(|a, b| {
        a.position.cmp(&b.position).then_with(|| {
            let policy = policies.at(a.position).1;
            within(policy, a).cmp(&within(policy, b)).then_with(|| a.cmp(b))
        })
    });
    claims.dedup();
    claims
}

fn within(policy: &Policy, claim: &Claim) -> (bool, i64) {
    (!claim.is_sighting(), -i64::from(policy.kind(&claim.identity.kind).priority))
}

/// The customers that a set of standing claims makes (see [`live`](super::live)).
pub fn resolve<'a>(tenant: TenantId, policies: &Policies, claims: impl IntoIterator<Item = &'a Claim>) -> Resolution {
    let mut resolver = Resolver::new(tenant, policies);
    let mut refused = BTreeMap::new();
    for claim in order(policies, claims) {
        if let Err(refusal) = resolver.take(claim) {
            refused.insert(claim.clone(), refusal);
        }
    }
    Resolution { parts: resolver.parts(), refused }
}

/// The claims whose outcome may depend on `start`: those that lead to it over claims, refused ones too. Resolving them
/// alone places their parts as resolving everything would.
pub fn touched(tenant: TenantId, claims: &[Claim], start: PartId) -> Vec<&Claim> {
    let mut by_part: HashMap<PartId, Vec<&Claim>> = HashMap::new();
    for claim in claims {
        by_part.entry(claim.subject.part(tenant)).or_default().push(claim);
        by_part.entry(claim.identity.part(tenant)).or_default().push(claim);
    }
    let (mut reached, mut waiting) = (BTreeSet::from([start]), vec![start]);
    let mut found = BTreeSet::new();
    while let Some(part) = waiting.pop() {
        for claim in by_part.get(&part).into_iter().flatten() {
            found.insert(*claim);
            for next in [claim.subject.part(tenant), claim.identity.part(tenant)] {
                if reached.insert(next) {
                    waiting.push(next);
                }
            }
        }
    }
    found.into_iter().collect()
}
