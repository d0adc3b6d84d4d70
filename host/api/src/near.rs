//! What a caller most likely meant whose path leads nowhere.

use openhub_model::fault::{nearest, there_are};
use std::collections::BTreeSet;

/// What is compared with the names of routes, in bytes: none of them is as long.
const LONGEST: usize = 64;

/// The routes of the hub, as its OpenAPI document names them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes(Vec<Route>);

#[derive(Clone, Debug)]
struct Route {
    steps: Vec<String>,
    /// In capitals.
    methods: Vec<String>,
}

impl Routes {
    pub fn of(document: &str) -> Routes {
        let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        let route = |(path, item): (&String, &serde_json::Value)| Route {
            steps: steps(path).map(str::to_owned).collect(),
            methods: item
                .as_object()
                .into_iter()
                .flat_map(|item| item.keys().filter_map(|name| method(name)))
                .collect(),
        };
        Routes(document["paths"].as_object().into_iter().flatten().map(route).collect())
    }

    /// The names behind the longest beginning of a path that is one of a route, in a sentence; none if it begins like no route.
    pub fn near(&self, path: &str) -> Option<String> {
        let asked: Vec<&str> = steps(path).collect();
        self.begun(&asked).or_else(|| self.ending(&asked))
    }

    /// What the route at this path accepts, in a sentence.
    pub fn accepted(&self, path: &str) -> Option<String> {
        let asked: Vec<&str> = steps(path).collect();
        let leads = |route: &&Route| {
            route.steps.len() == asked.len()
                && route.steps.iter().zip(&asked).all(|(step, asked)| step == asked || is_parameter(step))
        };
        let names = |route: &&Route| route.steps.iter().filter(|step| !is_parameter(step)).count();
        let route = self.0.iter().filter(leads).max_by_key(names)?;
        Some(format!("It accepts {}.", route.methods.join(", ")))
    }

    fn begun(&self, asked: &[&str]) -> Option<String> {
        (1..asked.len()).rev().find_map(|length| {
            let (begun, rest) = asked.split_at(length);
            let names: BTreeSet<&str> = self.behind(begun).collect();
            let wrong = rest.first()?;
            let begun = begun.join("/");
            let like = Some(wrong).filter(|wrong| wrong.len() <= LONGEST);
            match like.and_then(|wrong| nearest(wrong, names.iter().copied())) {
                _ if names.is_empty() => None,
                Some(name) => Some(format!("Did you mean `/{begun}/{name}`?")),
                None => Some(format!("Some routes begin with `/{begun}/`. {}", there_are(names))),
            }
        })
    }

    /// The route that ends like this, if there is one.
    fn ending(&self, asked: &[&str]) -> Option<String> {
        let mut ending = self.0.iter().filter(|route| !asked.is_empty() && ends_with(&route.steps, asked));
        let only = ending.next().filter(|_| ending.next().is_none())?;
        Some(format!("Did you mean `/{}`?", only.steps.join("/")))
    }

    /// The next steps of the routes that begin like this. A parameter is any name, and none to propose.
    fn behind<'r>(&'r self, begun: &'r [&str]) -> impl Iterator<Item = &'r str> {
        let begins = move |steps: &&Vec<String>| {
            steps.iter().zip(begun).all(|(step, asked)| step == asked || is_parameter(step))
                && steps.len() > begun.len()
        };
        let steps = self.0.iter().map(|route| &route.steps);
        steps.filter(begins).map(|steps| steps[begun.len()].as_str()).filter(|step| !is_parameter(step))
    }
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|step| !step.is_empty())
}

fn ends_with(steps: &[String], asked: &[&str]) -> bool {
    let before = steps.len().checked_sub(asked.len());
    before.is_some_and(|before| before > 0 && steps[before..].iter().zip(asked).all(|(step, asked)| step == asked))
}

/// Of an item of the document: its other members are none.
fn method(name: &str) -> Option<String> {
    ["get", "put", "post", "patch", "delete", "head"].contains(&name).then(|| name.to_uppercase())
}

fn is_parameter(step: &str) -> bool {
    step.starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f14_a_path_that_leads_nowhere_is_told_where_it_may_lead() {
        let paths = [
            "/v1/track",
            "/api/v1/customers",
            "/api/v1/customers/{id}",
            "/api/v1/customers/{id}/timeline",
            "/api/v1/customers/{id}/data",
        ];
        let paths: serde_json::Map<_, _> =
            paths.map(|path| (path.to_owned(), serde_json::json!({"get": {}, "parameters": []}))).into_iter().collect();
        let routes = Routes::of(&serde_json::json!({"paths": paths}).to_string());
        let near = |path: &str| routes.near(path).unwrap_or_default();
        let listed = near("/api/v1/customers/7/events");
        assert!(listed == "Some routes begin with `/api/v1/customers/7/`. There are: data, timeline.", "{listed}");
        assert_eq!(near("/api/v1/customers/7/timelin"), "Did you mean `/api/v1/customers/7/timeline`?");
        assert_eq!(near("/api/v1/custmers"), "Did you mean `/api/v1/customers`?");
        assert_eq!(near("/v1/trak/"), "Did you mean `/v1/track`?");
        assert_eq!(near("/track"), "Did you mean `/v1/track`?");
        assert_eq!((near("/nowhere"), near("/")), (String::new(), String::new()));
        assert_eq!(routes.accepted("/api/v1/customers/7").as_deref(), Some("It accepts GET."));
        assert_eq!(routes.accepted("/api/v1/customers/7/8"), None);
    }
}
