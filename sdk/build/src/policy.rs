//! `plugin.toml`: what a plugin asks for. In Rust its shapes come from the code; in JavaScript and Python they stand here, too.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use openhub_model::fault::form;
use openhub_model::manifest::{JobShape, Limits, SecretShape};
use serde::Deserialize;
use toml::Table;

/// The file's name, beside the plugin's `Cargo.toml`.
pub const POLICY_FILE: &str = "plugin.toml";

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    pub version: String,
    pub publisher: String,
    /// By language: `en`, `zh`.
    #[serde(default)]
    pub title: BTreeMap<String, String>,
    #[serde(default)]
    pub description: BTreeMap<String, String>,
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Customers' fields, segments and object types that it uses by itself.
    #[serde(default)]
    pub access: Vec<String>,
    #[serde(default)]
    pub secrets: Vec<SecretShape>,
    /// When each `#[job]` of the code runs.
    #[serde(default)]
    pub jobs: Vec<JobShape>,
    #[serde(default)]
    pub limits: Limits,
    /// Enums by their names: what a rule's or an event's `type` may name.
    #[serde(default)]
    pub types: BTreeMap<String, Vec<String>>,
    /// As the manifest has them; `script::shapes` reads them.
    #[serde(default)]
    pub rules: Vec<Table>,
    #[serde(default)]
    pub events: Vec<Table>,
}

/// What the parser cannot say by itself.
const PLACES: &str = "one of the values below is not valid; the place of a secret is \"hmac\", or names where, like \
    { header = \"authorization\" }, or names how, like { sign = \"rsa-sha256\" }";

impl Policy {
    /// Reads the `plugin.toml` of the plugin in `dir`.
    pub fn read(dir: &Path) -> Result<Policy> {
        let path = dir.join(POLICY_FILE);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Policy::parse(&text).with_context(|| format!("{} is not valid", path.display()))
    }

    fn parse(text: &str) -> Result<Policy> {
        toml::from_str(text).map_err(|error| {
            let is_of_a_place = error.message().contains("variant");
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let error = anyhow::anyhow!("line {line}: {}", form(error.message()));
            if is_of_a_place { error.context(PLACES) } else { error }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::{SecretEncoding, SecretPlace};

    #[test]
    fn e11_a_place_without_its_name_is_told() {
        let text = "name = \"a\"\nversion = \"1.0.0\"\npublisher = \"o\"\n[[secrets]]\nname = \"key\"\nplaces = [\"header\"]\n";
        let told = format!("{:#}", Policy::parse(text).unwrap_err());
        assert!(told.contains("{ header = \"name\" }"), "{told}");
    }

    #[test]
    fn a_key_that_is_none_is_told_with_its_line_and_the_nearest() {
        for (text, told) in [
            (
                "name = \"a\"\nversion = \"1.0.0\"\npublisher = \"o\"\nhost = []\n",
                "line 4: There is no field `host`. Did you mean `hosts`? There are: `name`,",
            ),
            ("name = \"a\"\n[limits]\nio_sm = 5\n", "line 3: There is no field `io_sm`. Did you mean `io_ms`?"),
            ("name = \"a\"\nversion = 1\n", "line 2: This must be a string, not the number 1."),
            ("name = \"a\"\nversion = \n", "line 2: "),
        ] {
            let said = format!("{:#}", Policy::parse(text).unwrap_err());
            assert!(said.starts_with(told), "{said}");
        }
    }

    #[test]
    fn all_that_can_be_asked() {
        let policy: Policy = toml::from_str(
            r#"
            name = "webhook"
            version = "1.0.0"
            publisher = "openhub"
            hosts = ["setting:url"]
            [title]
            en = "Webhook"
            zh = "网络钩子"
            [[secrets]]
            name = "signing"
            encoding = "whsec"
            places = ["hmac", { header = "authorization" }]
            required = true
            [limits]
            io_ms = 2000
            "#,
        )
        .unwrap();
        assert_eq!(policy.secrets[0].encoding, SecretEncoding::Whsec);
        assert_eq!(policy.secrets[0].places, [SecretPlace::Hmac, SecretPlace::Header("authorization".into())]);
        assert_eq!(policy.limits.io_ms, Some(2000));
        assert!(toml::from_str::<Policy>("name = 'a'\nversion = '1'\npublisher = 'o'\nchannels = []").is_err());
    }
}
