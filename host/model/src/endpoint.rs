//! The parts of a plugin's own HTTP API: which of them a request is for, told by its method and its path.

use serde::{Deserialize, Serialize};

/// One part of it, behind the plugin's address `/x/<plugin>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointShape {
    pub name: String,
    pub method: EndpointMethod,
    /// `/coupons/{code}/redeem`: what is in braces is one step of any text.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl EndpointMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointMethod::Get => "GET",
            EndpointMethod::Post => "POST",
            EndpointMethod::Put => "PUT",
            EndpointMethod::Patch => "PATCH",
            EndpointMethod::Delete => "DELETE",
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'m> {
    Endpoint(&'m EndpointShape),
    /// The path is there, by these methods.
    OtherMethod(Vec<&'static str>),
    Nothing,
}

/// Steps of a path, and bytes of it.
const STEPS: usize = 16;
const BYTES: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'t> {
    /// Before what is any text, so that `/coupons/all` goes before `/coupons/{code}`.
    Word(&'t str),
    Any(&'t str),
}

/// The endpoint of a request, by its path as it was sent: the one with more of it written out, from the left.
pub fn find<'m>(shapes: &'m [EndpointShape], method: &str, path: &str) -> Asked<'m> {
    let there = shapes.iter().filter(|shape| fits(&shape.path, path));
    let ways = |shape: &EndpointShape| -> Vec<bool> {
        steps(&shape.path).into_iter().flatten().map(|step| matches!(step, Step::Any(_))).collect()
    };
    let best = there.clone().filter(|shape| shape.method.as_str() == method).min_by_key(|shape| ways(shape));
    if let Some(best) = best {
        return Asked::Endpoint(best);
    }
    let mut methods: Vec<EndpointMethod> = there.map(|shape| shape.method).collect();
    methods.sort_unstable();
    methods.dedup();
    match methods.is_empty() {
        true => Asked::Nothing,
        false => Asked::OtherMethod(methods.into_iter().map(EndpointMethod::as_str).collect()),
    }
}

/// Why these cannot be told from one another, or have a path that no request has.
pub fn check(shapes: &[EndpointShape]) -> Result<(), String> {
    let mut seen = Vec::with_capacity(shapes.len());
    for EndpointShape { name, method, path } in shapes {
        let steps = steps(path).ok_or_else(|| {
            format!(
                "the endpoint `{name}` has the path {path:?}: write one like /coupons/{{code}}/redeem, of letters, digits, `-`, `_`, \
                 `.` and `~`, with at most {STEPS} steps and {BYTES} bytes, and each name once"
            )
        })?;
        // What a step is called does not tell it from another.
        let told: Vec<Step<'_>> =
            steps.into_iter().map(|step| if let Step::Any(_) = step { Step::Any("") } else { step }).collect();
        if seen.contains(&(*method, told.clone())) {
            return Err(format!(
                "the endpoint `{name}` answers {} {path}, as another one does: remove or change one",
                method.as_str()
            ));
        }
        seen.push((*method, told));
    }
    Ok(())
}

fn steps(template: &str) -> Option<Vec<Step<'_>>> {
    let steps: Vec<Step<'_>> = template.strip_prefix('/')?.split('/').map(step).collect::<Option<_>>()?;
    let mut names: Vec<&Step<'_>> = steps.iter().filter(|step| matches!(step, Step::Any(_))).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    (steps.len() <= STEPS && template.len() <= BYTES && names.len() == count).then_some(steps)
}

fn step(text: &str) -> Option<Step<'_>> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        return (!name.is_empty() && name.bytes().all(is_name)).then_some(Step::Any(name));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    // No client sends what a dot alone stands for.
    let is_word = !text.is_empty() && text.bytes().all(is_plain) && !text.bytes().all(|byte| byte == b'.');
    is_word.then_some(Step::Word(text))
}

fn fits(template: &str, path: &str) -> bool {
    let (Some(steps), Some(path)) = (steps(template), path.strip_prefix('/')) else { return false };
    let given: Vec<&str> = path.split('/').collect();
    steps.len() == given.len()
        && steps.iter().zip(given).all(|(step, given)| match step {
            Step::Word(word) => *word == given,
            Step::Any(_) => !given.is_empty(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(name: &str, method: EndpointMethod, path: &str) -> EndpointShape {
        EndpointShape { name: name.to_owned(), method, path: path.to_owned() }
    }

    #[test]
    fn a_request_finds_the_endpoint_that_says_most_of_its_path() {
        use EndpointMethod::{Delete, Get, Post};
        let shapes = [
            shape("one", Get, "/coupons/{code}"),
            shape("all", Get, "/coupons/all"),
            shape("drop", Delete, "/coupons/{code}"),
            shape("redeem", Post, "/coupons/{code}/redeem"),
        ];
        check(&shapes).unwrap();
        let name = |method: &str, path: &str| match find(&shapes, method, path) {
            Asked::Endpoint(shape) => shape.name.clone(),
            Asked::OtherMethod(methods) => methods.join(" "),
            Asked::Nothing => "nothing".to_owned(),
        };
        assert_eq!(name("GET", "/coupons/all"), "all");
        assert_eq!(name("GET", "/coupons/A%2FB"), "one");
        assert_eq!(name("POST", "/coupons/A/redeem"), "redeem");
        assert_eq!(name("POST", "/coupons/A"), "GET DELETE");
        for path in ["/coupons", "/coupons/", "/coupons/A/", "/coupons//redeem", "coupons/A", "/", ""] {
            assert_eq!(name("GET", path), "nothing", "{path}");
        }
    }

    #[test]
    fn endpoints_are_told_from_one_another() {
        use EndpointMethod::{Get, Post};
        let both = |one: EndpointShape, other: EndpointShape| check(&[one, other]);
        assert!(both(shape("a", Get, "/x/{a}"), shape("b", Get, "/x/{b}")).is_err());
        assert!(both(shape("a", Get, "/x/{a}"), shape("b", Post, "/x/{b}")).is_ok());
        for path in ["", "x", "/", "/a/", "//", "/a b", "/{}", "/{A}", "/a{b}", "/..", "/%41", "/{a}/{a}", "/a?b"] {
            assert!(check(&[shape("a", Get, path)]).is_err(), "{path}");
        }
        assert!(check(&[shape("a", Get, &"/x".repeat(17))]).is_err());
    }
}
