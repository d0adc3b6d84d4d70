//! What a tenant may have at most, and all tenants below it: set by those above, and never wider than theirs.

use serde::{Deserialize, Serialize};

/// The weight of a tenant that none was set for, nor for those above it.
pub const FULL_WEIGHT: u8 = 100;

/// A bound on the keys of a tenant and on what they send. Each tenant on the way up sets one; the tightest counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Scopes that its keys can use; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Calls of the API in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Requests with events in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_requests_per_minute: Option<u32>,
    /// How much it gets of what others want too, of [`FULL_WEIGHT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
}

impl Ceiling {
    /// Whether a key below it can use the scope. `plugins:call` allows `plugins:call:coupon`, too.
    pub fn allows(&self, scope: &str) -> bool {
        let Some(scopes) = &self.scopes else { return true };
        let is_within = |wide: &String| {
            scope.strip_prefix(wide.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        scopes.iter().any(is_within)
    }

    /// The bound of who is below both.
    pub fn and(&self, other: &Ceiling) -> Ceiling {
        fn least<N: Ord>(a: Option<N>, b: Option<N>) -> Option<N> {
            a.into_iter().chain(b).min()
        }
        let scopes = match (&self.scopes, &other.scopes) {
            (Some(own), Some(_)) => {
                let theirs = other.scopes.iter().flatten().filter(|scope| self.allows(scope) && !own.contains(scope));
                Some(own.iter().filter(|scope| other.allows(scope)).chain(theirs).cloned().collect())
            }
            (one, None) | (None, one) => one.clone(),
        };
        Ceiling {
            scopes,
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            event_requests_per_minute: least(self.event_requests_per_minute, other.event_requests_per_minute),
            weight: least(self.weight, other.weight),
        }
    }

    /// What it says beyond a bound; none: nothing. What it does not say is as the bound says.
    pub fn beyond(&self, bound: &Ceiling) -> Option<String> {
        let or = |own: Option<u32>, bound: Option<u32>| own.or(bound);
        let meant = Ceiling {
            scopes: self.scopes.clone().or_else(|| bound.scopes.clone()),
            requests_per_minute: or(self.requests_per_minute, bound.requests_per_minute),
            event_requests_per_minute: or(self.event_requests_per_minute, bound.event_requests_per_minute),
            weight: self.weight.or(bound.weight),
        };
        meant.wider_than(bound)
    }

    /// What of it is wider than another one; none: it is within.
    pub fn wider_than(&self, other: &Ceiling) -> Option<String> {
        match (&self.scopes, &other.scopes) {
            (None, Some(_)) => return Some("it allows every scope".to_owned()),
            (Some(own), Some(_)) => {
                if let Some(scope) = own.iter().find(|scope| !other.allows(scope)) {
                    return Some(format!("it allows the scope `{scope}`"));
                }
            }
            (_, None) => {}
        }
        let is_wider =
            |own: Option<u32>, bound: Option<u32>| bound.is_some_and(|bound| own.is_none_or(|own| own > bound));
        if is_wider(self.requests_per_minute, other.requests_per_minute) {
            return Some("it allows more calls of the API a minute".to_owned());
        }
        if is_wider(self.event_requests_per_minute, other.event_requests_per_minute) {
            return Some("it allows more requests with events a minute".to_owned());
        }
        is_wider(self.weight.map(u32::from), other.weight.map(u32::from)).then(|| "it has a greater weight".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scopes: Option<&[&str]>, requests: Option<u32>) -> Ceiling {
        let scopes = scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect());
        Ceiling { scopes, requests_per_minute: requests, ..Ceiling::default() }
    }

    #[test]
    fn the_tightest_of_two_counts() {
        let wide = of(Some(&["plugins:call", "events:write", "status:read"]), Some(100));
        let tight = of(Some(&["plugins:call:coupon", "events:write", "keys:write"]), None);
        let both = wide.and(&tight);
        assert_eq!(both, of(Some(&["events:write", "plugins:call:coupon"]), Some(100)));
        let mut turned = tight.and(&wide).scopes.unwrap();
        turned.sort();
        assert_eq!(turned, ["events:write", "plugins:call:coupon"]);
        assert!(both.allows("plugins:call:coupon") && !both.allows("plugins:call") && !both.allows("keys:write"));
        assert_eq!(wide.and(&Ceiling::default()), wide);
        assert!(!of(Some(&["events:write"]), None).allows("events:writer"));
    }

    #[test]
    fn what_is_wider_is_told() {
        let bound = of(Some(&["plugins:call", "events:write"]), Some(100));
        assert_eq!(of(Some(&["plugins:call:coupon"]), Some(100)).wider_than(&bound), None);
        assert_eq!(Ceiling::default().wider_than(&Ceiling::default()), None);
        for wider in
            [of(None, Some(1)), of(Some(&["keys:write"]), Some(1)), of(Some(&[]), None), of(Some(&[]), Some(101))]
        {
            assert!(wider.wider_than(&bound).is_some(), "{wider:?}");
        }
        assert_eq!(of(None, Some(99)).beyond(&bound), None);
        assert_eq!(Ceiling::default().beyond(&bound), None);
        assert!(
            of(None, Some(101)).beyond(&bound).is_some() && of(Some(&["keys:write"]), None).beyond(&bound).is_some()
        );
        let light = Ceiling { weight: Some(20), ..Ceiling::default() };
        assert!(Ceiling { weight: Some(21), ..Ceiling::default() }.beyond(&light).is_some());
        assert!(Ceiling::default().wider_than(&light).is_some() && Ceiling::default().beyond(&light).is_none());
        assert_eq!(light.and(&Ceiling { weight: Some(5), ..Ceiling::default() }).weight, Some(5));
        // Who is below both is never wider than one of them.
        for one in [of(None, None), of(Some(&["a"]), Some(5)), bound.clone()] {
            assert_eq!(one.and(&bound).wider_than(&bound), None);
            assert_eq!(one.and(&bound).wider_than(&one), None);
        }
    }
}
