//! What a caller most likely meant whose path leads nowhere.

use openhub_model::fault::{nearest, there_are};
use std::collections::BTreeSet;

/// What is compared with the names of routes, in bytes: none of them is as long.
const LONGEST: usize = 64;

/// The routes of the hub, as its OpenAPI document names them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes(Vec<Vec<String>>);

impl Routes {
    pub fn of(document: &str) -> Routes {
        let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flat_map(serde_json::Map::keys);
        Routes(paths.map(|path| steps(path).map(str::to_owned).collect()).collect())
    }

    /// The names behind the longest beginning of a path that is one of a route, in a sentence; none if it begins like no route.
    pub fn near(&self, path: &str) -> Option<String> {
        let asked: Vec<&str> = steps(path).collect();
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

    /// The next steps of the routes that begin like this. A parameter is any name, and none to propose.
    fn behind<'r>(&'r self, begun: &'r [&str]) -> impl Iterator<Item = &'r str> {
        let begins = move |route: &&Vec<String>| {
            route.iter().zip(begun).all(|(step, asked)| step == asked || is_parameter(step))
                && route.len() > begun.len()
        };
        self.0.iter().filter(begins).map(|route| route[begun.len()].as_str()).filter(|step| !is_parameter(step))
    }
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|step| !step.is_empty())
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
            paths.map(|path| (path.to_owned(), serde_json::json!({}))).into_iter().collect();
        let routes = Routes::of(&serde_json::json!({"paths": paths}).to_string());
        let near = |path: &str| routes.near(path).unwrap_or_default();
        let listed = near("/api/v1/customers/7/events");
        assert!(listed == "Some routes begin with `/api/v1/customers/7/`. There are: data, timeline.", "{listed}");
        assert_eq!(near("/api/v1/customers/7/timelin"), "Did you mean `/api/v1/customers/7/timeline`?");
        assert_eq!(near("/api/v1/custmers"), "Did you mean `/api/v1/customers`?");
        assert_eq!(near("/v1/trak/"), "Did you mean `/v1/track`?");
        assert_eq!((near("/nowhere"), near("/")), (String::new(), String::new()));
    }
}
