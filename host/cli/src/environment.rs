//! The variables of the environment that begin with `OPENHUB_`: a misspelt one would be a setting that is not in force, and nobody
//! would know.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::config::KEYS;
use crate::data::SECRET_KEY_VARIABLE;
use crate::refusal::Refusal;

const PREFIX: &str = "OPENHUB_";
/// Those of single commands.
const OTHERS: [&str; 6] = [
    "OPENHUB_CONFIG",
    SECRET_KEY_VARIABLE,
    "OPENHUB_URL",
    "OPENHUB_KEY",
    openhub_sdk_build::BINARY,
    openhub_sdk_build::TOOLS,
];
/// Those of the tests and tools around the hub.
const TOOLS: [&str; 2] = ["OPENHUB_DOCS", "OPENHUB_SEED"];
/// What people write who have seen the flag.
const MEANT: [(&str, &str); 2] = [("OPENHUB_HUB", "OPENHUB_URL"), ("OPENHUB_API_KEY", "OPENHUB_KEY")];
const TESTS: &str = "OPENHUB_TEST_";

/// Refuses variables that mean nothing.
pub fn check() -> Result<(), Refusal> {
    let faults = faults();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Refusal::new(format!("bad configuration: {}", faults.join("; ")))),
    }
}

/// What is said of each variable that means nothing.
pub fn faults() -> Vec<String> {
    let told = |(name, nearest)| {
        format!("`{name}` in the environment is no setting; the nearest is `{nearest}`: correct it, or unset it")
    };
    unknown(std::env::vars_os()).into_iter().map(told).collect()
}

/// Those that mean nothing, by name, and the name that each is nearest to.
fn unknown(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    let known: Vec<String> = KEYS
        .iter()
        .map(|key| format!("{PREFIX}{}", key.to_ascii_uppercase()))
        .chain(OTHERS.map(str::to_owned))
        .collect();
    let means_nothing = |(name, value): &(String, OsString)| {
        // The configuration reads small letters, too.
        let name = name.to_ascii_uppercase();
        name.starts_with(PREFIX)
            && !known.contains(&name)
            && !TOOLS.contains(&name.as_str())
            && !name.starts_with(TESTS)
            && !is_of_a_service(&name, &value.to_string_lossy())
    };
    let variables = variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value));
    let nearest = |name: String| {
        let meant = MEANT.iter().find(|(other, _)| *other == name.to_ascii_uppercase());
        let distance = |known: &&String| strsim::damerau_levenshtein(known, &name.to_ascii_uppercase());
        let nearest =
            meant.map(|(_, meant)| (*meant).to_owned()).or_else(|| known.iter().min_by_key(distance).cloned());
        nearest.map(|nearest| (name, nearest))
    };
    variables.filter(means_nothing).filter_map(|(name, _)| nearest(name)).collect()
}

/// Whether Kubernetes made it, where a service is called `openhub` or `openhub-…`: `OPENHUB_SERVICE_HOST`,
/// `OPENHUB_PORT=tcp://10.0.0.1:7300`, `OPENHUB_PORT_7300_TCP_ADDR` and the like.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let port = || name.split("_PORT_").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || port()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<(String, String)> {
        let found = all(variables);
        assert!(found.len() < 2, "{found:?}");
        found.into_iter().next()
    }

    fn all(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        unknown(variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
    }

    #[test]
    fn issue_14_each_misspelt_setting_is_told() {
        let found = all(&[("OPENHUB_WORKER", "1"), ("HOME", "/"), ("OPENHUB_DATBASE", "x"), ("OPENHUB_LISTEN", "x")]);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["OPENHUB_DATBASE", "OPENHUB_WORKER"]);
    }

    #[test]
    fn a_misspelt_setting_is_named_with_the_nearest() {
        for (name, nearest) in [
            ("OPENHUB_DATBASE", "OPENHUB_DATABASE"),
            ("OPENHUB_WORKER", "OPENHUB_WORKERS"),
            ("openhub_lsiten", "OPENHUB_LISTEN"),
            ("OPENHUB_HUB", "OPENHUB_URL"),
            ("OPENHUB_SECRETKEY", "OPENHUB_SECRET_KEY"),
            ("OPENHUB_ALLOW-PRIVATE", "OPENHUB_ALLOW_PRIVATE"),
        ] {
            assert_eq!(found(&[("PATH", "/bin"), (name, "1")]), Some((name.to_owned(), nearest.to_owned())));
        }
        assert!(found(&[("OPENHUB_PORT", "7300")]).is_some(), "a port alone is nobody's but who misspelt it");
    }

    #[test]
    fn what_means_something_is_passed_over() {
        let keys: Vec<String> = KEYS.iter().map(|key| format!("OPENHUB_{}", key.to_ascii_uppercase())).collect();
        for name in
            keys.iter().map(String::as_str).chain(OTHERS).chain(TOOLS).chain(["OPENHUB_TEST_HUB", "OPENHUBX", "HOME"])
        {
            assert_eq!(found(&[(name, "1")]), None, "{name}");
        }
        for (name, value) in [
            ("OPENHUB_SERVICE_HOST", "10.0.0.1"),
            ("OPENHUB_SERVICE_PORT_HTTP", "7300"),
            ("OPENHUB_PORT", "tcp://10.0.0.1:7300"),
            ("OPENHUB_POSTGRES_PORT_5432_TCP_ADDR", "10.0.0.2"),
        ] {
            assert_eq!(found(&[(name, value)]), None, "{name}");
        }
    }
}
