//! A version that is tried beside the active one: which versions can be tried at all, and what a shadow may burn.

use std::sync::atomic::{AtomicI64, Ordering};

use openhub_model::Fault;
use openhub_model::manifest::Manifest;
use openhub_store::{Installation, PluginVersion};
use serde::Serialize;
use serde_json::Value;

/// What a shadow may burn: a few times what the active version burns, whatever it does itself. A single call may overdraw it; then the
/// shadow rests until the active version has worked for it.
pub struct Allowance(AtomicI64);

impl Allowance {
    /// Two calls of fifty milliseconds.
    const MOST: i64 = 200_000_000;
    const TIMES: i64 = 4;

    /// The active version has worked.
    pub fn earn(&self, fuel: u64) {
        let earned = i64::try_from(fuel).unwrap_or(i64::MAX).saturating_mul(Self::TIMES);
        let add = |left: i64| Some(left.saturating_add(earned).min(Self::MOST));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The shadow has.
    pub fn spend(&self, fuel: u64) {
        self.0.fetch_sub(i64::try_from(fuel).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= 0
    }
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance(AtomicI64::new(Allowance::MOST))
    }
}

/// A plugin as it would be with another version active.
pub fn beside(plugin: &Installation, version: &PluginVersion, grant: &Value) -> Installation {
    Installation {
        digest: version.digest.clone(),
        version: version.manifest.version.clone(),
        manifest: version.manifest.clone(),
        signer: version.signer.clone(),
        grant: grant.clone(),
        installed_at: version.uploaded_at,
        candidate: None,
        canary: None,
        shadow: None,
        ..plugin.clone()
    }
}

/// Why a version cannot serve a part of the customers, or be called beside the active one: both have to be asked the same, and to
/// answer what the same rest of the hub understands. The pointers are into its manifest.
pub fn hindrances(active: &Manifest, tried: &Manifest) -> Vec<Fault> {
    let mut faults = Vec::new();
    same("rules", "rules", (&active.rules, &tried.rules), without_params, &mut faults);
    same("objects", "object types", (&active.objects, &tried.objects), whole, &mut faults);
    same("steps", "steps", (&active.steps, &tried.steps), whole, &mut faults);
    same("functions", "functions", (&active.functions, &tried.functions), whole, &mut faults);
    same("channels", "channels", (&active.channels, &tried.channels), whole, &mut faults);
    same("sources", "sources", (&active.sources, &tried.sources), whole, &mut faults);
    same("endpoints", "endpoints", (&active.endpoints, &tried.endpoints), whole, &mut faults);
    same("jobs", "jobs", (&active.jobs, &tried.jobs), whole, &mut faults);
    same("privacy", "privacy", (&active.privacy.as_slice(), &tried.privacy.as_slice()), whole, &mut faults);
    faults
}

/// Things with a name are compared one by one, in any order.
fn same<T: Serialize>(
    of: &str,
    what: &str,
    (active, tried): (impl AsRef<[T]>, impl AsRef<[T]>),
    compared: fn(Value) -> Value,
    faults: &mut Vec<Fault>,
) {
    let shapes = |all: &[T]| -> Vec<Value> {
        all.iter().map(|one| compared(serde_json::to_value(one).unwrap_or_default())).collect()
    };
    let (active, tried) = (shapes(active.as_ref()), shapes(tried.as_ref()));
    for (at, shape) in tried.iter().enumerate().filter(|(_, shape)| !active.contains(shape)) {
        let known = active.iter().any(|other| other["name"] == shape["name"]);
        let named = shape["name"].as_str().map(|name| format!(" `{name}`")).unwrap_or_default();
        let message = match known {
            true => format!("It declares other {what}:{named} is not declared as in the active version."),
            false => format!("It declares other {what}:{named} is not in the active version."),
        };
        faults.push(Fault::new(format!("/{of}/{at}"), "other-shape", message));
    }
    for gone in active.iter().filter(|shape| tried.iter().all(|other| other["name"] != shape["name"])) {
        let named = gone["name"].as_str().map(|name| format!(" `{name}`")).unwrap_or_default();
        let message = format!("It declares other {what}:{named} of the active version is not in it.");
        faults.push(Fault::new(format!("/{of}"), "other-shape", message));
    }
}

fn whole(shape: Value) -> Value {
    shape
}

/// Parameters are settings: each version takes those that it has.
fn without_params(mut shape: Value) -> Value {
    if let Some(shape) = shape.as_object_mut() {
        shape.remove("params");
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::{ObjectShape, PrivacyShape, RuleShape};

    fn rule(name: &str, on: &str) -> RuleShape {
        RuleShape { name: name.into(), on: vec![on.into()], ..RuleShape::default() }
    }

    fn told(active: &Manifest, tried: &Manifest) -> Vec<String> {
        hindrances(active, tried).into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn versions_that_are_asked_the_same_can_be_tried() {
        let active = Manifest { rules: vec![rule("a", "Bought"), rule("b", "Bought")], ..Manifest::default() };
        let turned = Manifest { rules: vec![rule("b", "Bought"), rule("a", "Bought")], ..active.clone() };
        let free = Manifest { hosts: vec!["example.com".into()], version: "2.0.0".into(), ..active.clone() };
        assert_eq!((told(&active, &turned), told(&active, &free)), (vec![], vec![]));
        let other = Manifest { rules: vec![rule("a", "Bought"), rule("b", "Sold")], ..active.clone() };
        assert_eq!(told(&active, &other), ["/rules/1"]);
        let less = Manifest { rules: vec![rule("a", "Bought")], ..active.clone() };
        assert_eq!(
            (told(&active, &less), told(&less, &active)),
            (vec!["/rules".to_owned()], vec!["/rules/1".to_owned()])
        );
        let object = |version| ObjectShape { name: "coupon".into(), version, fields: vec![], owner: None };
        let of = |version| Manifest { objects: vec![object(version)], ..active.clone() };
        assert_eq!(told(&of(1), &of(2)), ["/objects/0"]);
        let asked = Manifest { privacy: Some(PrivacyShape { identities: vec![] }), ..active.clone() };
        assert_eq!(
            (told(&active, &asked), told(&asked, &active)),
            (vec!["/privacy/0".to_owned()], vec!["/privacy".to_owned()])
        );
    }

    #[test]
    fn who_has_spent_all_rests_until_the_other_has_worked() {
        let allowance = Allowance::default();
        allowance.spend(2 * Allowance::MOST.unsigned_abs());
        assert!(allowance.is_spent());
        allowance.earn(1_000);
        assert!(allowance.is_spent());
        allowance.earn(u64::MAX);
        assert!(!allowance.is_spent());
    }
}
