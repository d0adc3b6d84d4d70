//! Customers are a function of the set of claims: 100,000 random histories, and what they must have in common.

use openhub_model::identity::{
    Authority, Claim, Kind, Policies, Policy, Refusal, Resolution, Resolver, Retraction, live, order, resolve, touched,
};
use openhub_model::{Identity, PartId, TenantId};
use std::collections::{BTreeMap, BTreeSet};

const TENANT: TenantId = TenantId(7);
const HISTORIES: u64 = 100_000;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

struct History {
    claims: BTreeSet<Claim>,
    retractions: BTreeSet<Retraction>,
    policies: Policies,
}

fn identity(random: &mut Random) -> Identity {
    match random.below(20) {
        0 => Identity::new(Identity::ANONYMOUS_ID, "null"),
        1 => Identity::new(Identity::EMAIL, "no address"),
        2..=7 => Identity::new(Identity::USER_ID, format!("u{}", random.below(4))),
        8..=12 => Identity::new(Identity::ANONYMOUS_ID, format!("a{}", random.below(5))),
        13..=16 => Identity::new(Identity::EMAIL, format!("e{}@example.com", random.below(3))),
        _ => Identity::new("card", format!("c{}", random.below(3))),
    }
}

fn history(random: &mut Random) -> History {
    let mut tight = Policy::default();
    tight
        .kinds
        .insert("card".into(), Kind { limit: Some(1 + random.below(2) as u32), priority: 70, ..Kind::default() });
    let policies = if random.below(3) == 0 { vec![(4, tight)] } else { Vec::new() };
    let mut history =
        History { claims: BTreeSet::new(), retractions: BTreeSet::new(), policies: Policies::new(policies) };
    let mut seen = BTreeSet::new();
    for position in 1..=2 + random.below(11) as i64 {
        if random.below(8) == 0
            && let Some((subject, identity)) = any_pair(&history.claims, random)
        {
            history.retractions.insert(Retraction { position, subject, identity });
            continue;
        }
        let subject = identity(random);
        let authority = match random.below(8) {
            0..=1 => Authority::Browser,
            2 => Authority::Operator,
            _ => Authority::Server,
        };
        let claim = |identity| Claim { position, subject: subject.clone(), identity, authority };
        if seen.insert(subject.clone()) {
            history.claims.insert(claim(subject.clone()));
        }
        let named: Vec<Identity> = (0..random.below(4)).map(|_| identity(random)).collect();
        history.claims.extend(named.into_iter().filter(|named| *named != subject).map(claim));
    }
    history
}

fn any_pair(claims: &BTreeSet<Claim>, random: &mut Random) -> Option<(Identity, Identity)> {
    let pairs: Vec<&Claim> = claims.iter().filter(|claim| !claim.is_sighting()).collect();
    (!pairs.is_empty()).then(|| pairs[random.below(pairs.len() as u64) as usize].pair())
}

impl History {
    fn resolve(&self) -> Resolution {
        resolve(TENANT, &self.policies, live(&self.claims, &self.retractions))
    }

    /// The same by sets of identities, with nothing clever: the reference.
    fn reference(&self) -> BTreeMap<PartId, PartId> {
        let mut sets: Vec<(BTreeSet<Identity>, (i64, bool, PartId))> = Vec::new();
        for claim in order(&self.policies, live(&self.claims, &self.retractions)) {
            let policy = self.policies.at(claim.position).1;
            let of = |sets: &Vec<(BTreeSet<Identity>, _)>, identity: &Identity| {
                sets.iter().position(|(set, _)| set.contains(identity))
            };
            let fresh = |identity: &Identity, claimed| {
                (BTreeSet::from([identity.clone()]), (claim.position, claimed, identity.part(TENANT)))
            };
            let left = of(&sets, &claim.subject);
            if claim.is_sighting() {
                if left.is_none() {
                    sets.push(fresh(&claim.subject, false));
                }
                continue;
            }
            let right = of(&sets, &claim.identity);
            if left.is_some() && left == right {
                continue;
            }
            let (a, b) = (left.map(|at| sets[at].clone()), right.map(|at| sets[at].clone()));
            let a = a.unwrap_or_else(|| fresh(&claim.subject, false));
            let b = b.unwrap_or_else(|| fresh(&claim.identity, true));
            let junk = |identity: &Identity| policy.check(identity).is_err();
            let known = |set: &BTreeSet<Identity>| set.iter().any(|one| one.kind != Identity::ANONYMOUS_ID);
            let is_anonymous = |one: &Identity| one.kind == Identity::ANONYMOUS_ID;
            let attaches =
                is_anonymous(&claim.identity) && (!known(&b.0) || is_anonymous(&claim.subject) && !known(&a.0));
            let union: BTreeSet<Identity> = a.0.union(&b.0).cloned().collect();
            let over = union.iter().any(|one| {
                let of_kind = |set: &BTreeSet<Identity>| set.iter().filter(|other| other.kind == one.kind).count();
                let is_over = policy.kind(&one.kind).limit.is_some_and(|limit| of_kind(&union) > limit as usize);
                is_over && of_kind(&a.0) > 0 && of_kind(&b.0) > 0
            });
            if junk(&claim.subject) || junk(&claim.identity) || over {
                continue;
            }
            if claim.authority == Authority::Browser && !attaches {
                continue;
            }
            let mut gone: Vec<usize> = [left, right].into_iter().flatten().collect();
            gone.sort_unstable();
            gone.into_iter().rev().for_each(|at| drop(sets.remove(at)));
            sets.push((union, a.1.min(b.1)));
        }
        let placed = sets.iter().flat_map(|(set, oldest)| set.iter().map(|one| (one.part(TENANT), oldest.2)));
        placed.collect()
    }
}

fn customers(resolution: &Resolution) -> BTreeMap<PartId, PartId> {
    resolution.parts.iter().map(|(part, placed)| (*part, placed.customer)).collect()
}

#[test]
fn a_hundred_thousand_histories() {
    let mut random = Random(1);
    let mut refusals: BTreeMap<Refusal, u64> = BTreeMap::new();
    let (mut joined, mut undone, mut changed) = (0u64, 0u64, 0u64);
    for number in 0..HISTORIES {
        let history = history(&mut random);
        let resolution = history.resolve();
        assert_eq!(customers(&resolution), history.reference(), "history {number}: the reference differs");
        resolution.refused.values().for_each(|refusal| *refusals.entry(*refusal).or_default() += 1);
        joined += resolution.parts.iter().filter(|(part, placed)| placed.customer != **part).count() as u64;
        laws(number, &history, &resolution, &mut random);
        if !history.retractions.is_empty() {
            undone += 1;
            let kept = resolve(TENANT, &history.policies, &history.claims);
            changed += u64::from(kept.parts != resolution.parts);
        }
    }
    println!("joined {joined}, refused {refusals:?}, with retractions {undone}, of which {changed} change something");
    let enough = HISTORIES / 100;
    assert!(joined > HISTORIES && undone > enough && changed > enough, "{joined} {undone} {changed}");
    for refusal in [Refusal::Blocked, Refusal::Format, Refusal::Limit, Refusal::Authority] {
        assert!(refusals.get(&refusal).is_some_and(|count| *count > enough), "{refusals:?}");
    }
}

fn laws(number: u64, history: &History, resolution: &Resolution, random: &mut Random) {
    let History { claims, retractions, policies } = history;
    // In any order of arrival, and doubled.
    let mut arrived: Vec<&Claim> = live(claims, retractions).chain(live(claims, retractions)).collect();
    random.shuffle(&mut arrived);
    assert_eq!(&resolve(TENANT, policies, arrived), resolution, "history {number}: the order of arrival counts");
    // As if what was undone had never been made.
    let never: BTreeSet<Claim> = live(claims, retractions).cloned().collect();
    assert_eq!(&resolve(TENANT, policies, &never), resolution, "history {number}: an undone claim left a trace");
    // One claim at a time, and an undo by what it touches alone.
    let all: Vec<Claim> = never.iter().cloned().collect();
    let mut resolver = Resolver::new(TENANT, policies);
    for claim in order(policies, &all) {
        assert_eq!(resolver.take(claim).err(), resolution.refused.get(claim).copied(), "history {number}");
    }
    assert_eq!(resolver.parts(), resolution.parts, "history {number}: one claim at a time differs");
    if let Some((subject, identity)) = any_pair(&never, random) {
        let gone = |claim: &&Claim| (&claim.subject, &claim.identity) == (&subject, &identity);
        let rest: Vec<Claim> = all.iter().filter(|claim| !gone(claim)).cloned().collect();
        let near = touched(TENANT, &all, subject.part(TENANT));
        let named: BTreeSet<PartId> = near.iter().map(|claim| claim.identity.part(TENANT)).collect();
        let near: Vec<&Claim> = near.into_iter().filter(|claim| !gone(claim)).collect();
        let mut parts = resolution.parts.clone();
        parts.retain(|part, _| !named.contains(part));
        parts.extend(resolve(TENANT, policies, near).parts);
        assert_eq!(parts, resolve(TENANT, policies, &rest).parts, "history {number}: an undo reaches too short");
    }
    // A pair is stored once for each authority and policy.
    let mut first: BTreeMap<_, Claim> = BTreeMap::new();
    for claim in order(policies, &all) {
        let key = (claim.pair(), claim.authority, policies.at(claim.position).0);
        first.entry(key).or_insert_with(|| claim.clone());
    }
    let once = resolve(TENANT, policies, first.values());
    assert_eq!(once.parts, resolution.parts, "history {number}: a repeated claim counts");
}

#[test]
fn a_browser_attaches_visitors_and_joins_nobody() {
    let (user, other) = (Identity::new(Identity::USER_ID, "ada"), Identity::new("card", "9"));
    let visitor = Identity::new(Identity::ANONYMOUS_ID, "v");
    let claim = |position, subject: &Identity, identity: &Identity, authority| Claim {
        position,
        subject: subject.clone(),
        identity: identity.clone(),
        authority,
    };
    let policies = Policies::default();
    let claims = [
        claim(1, &user, &visitor, Authority::Browser),
        claim(2, &other, &visitor, Authority::Browser),
        claim(3, &other, &user, Authority::Browser),
    ];
    let refused = resolve(TENANT, &policies, &claims).refused;
    assert_eq!(refused.values().copied().collect::<Vec<_>>(), [Refusal::Authority; 2]);
    let joined = claim(4, &other, &user, Authority::Server);
    let parts = resolve(TENANT, &policies, claims.iter().chain([&joined])).parts;
    let all: BTreeSet<PartId> = parts.values().map(|placed| placed.customer).collect();
    assert_eq!(all, BTreeSet::from([user.part(TENANT)]), "the oldest gives its name");
}

#[test]
fn the_lower_priority_loses() {
    let mut policy = Policy::default();
    policy.kinds.insert("card".into(), Kind { limit: Some(1), priority: 70, ..Kind::default() });
    let policies = Policies::new([(0, policy)]);
    let user = Identity::new(Identity::USER_ID, "ada");
    let claims = ["b", "a"].map(|card| Claim {
        position: 1,
        subject: user.clone(),
        identity: Identity::new("card", card),
        authority: Authority::Server,
    });
    let email = Claim { identity: Identity::new(Identity::EMAIL, "a@b.c"), ..claims[0].clone() };
    let rival = Claim { position: 0, subject: Identity::new("card", "z"), ..email.clone() };
    let resolution = resolve(TENANT, &policies, claims.iter().chain([&email, &rival]));
    // The card is worth more than the address, which belongs to somebody with another card.
    let refused: Vec<&str> = resolution.refused.keys().map(|claim| claim.identity.value.as_str()).collect();
    assert_eq!(refused, ["b", "a@b.c"]);
}

#[test]
fn values_are_brought_into_form_and_checked() {
    let policy = Policy::default();
    let normal = |kind: &str, value: &str| policy.normal(Identity::new(kind, value)).value;
    assert_eq!(normal("email", " Ada@Example.COM "), "ada@example.com");
    assert_eq!(normal("phone", "+44 (0)20-7946.0018"), "+442079460018");
    assert_eq!(normal("user_id", " x "), "x");
    let check = |kind: &str, value: &str| policy.check(&Identity::new(kind, value)).err();
    for (kind, value, refusal) in [
        ("user_id", "NULL", Some(Refusal::Blocked)),
        ("user_id", "0", Some(Refusal::Blocked)),
        ("user_id", "10", None),
        ("email", "ada@example.com", None),
        ("email", "ada@", Some(Refusal::Format)),
        ("phone", "12", Some(Refusal::Format)),
        ("wechat_openid", &"x".repeat(256), Some(Refusal::Format)),
    ] {
        assert_eq!(check(kind, value), refusal, "{kind} {value}");
    }
    assert_eq!(policy.faults(), []);
}
