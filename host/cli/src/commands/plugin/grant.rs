//! What of all that a plugin asks for it is granted, on the command line.

use anyhow::{Result, bail};
use clap::Args;
use openhub_model::fault::instead_of;
use serde_json::{Map, Value, json};

/// The lists of a grant, and of a manifest.
const LISTS: [&str; 3] = ["hosts", "imports", "access"];
/// Grants all that was refused before.
const ALL: &str = "all";

#[derive(Args, Default)]
pub struct Changes {
    /// Do not grant a host, an import or an access, as `openhub plugin show` names it: calls that use it break off. Can be repeated.
    #[arg(long, value_name = "ITEM")]
    deny: Vec<String>,
    /// Grant what was denied before; `all` for all of it. Can be repeated.
    #[arg(long, value_name = "ITEM")]
    allow: Vec<String>,
}

impl Changes {
    pub const fn is_none(&self) -> bool {
        self.deny.is_empty() && self.allow.is_empty()
    }

    /// The grant of a version of `plugin`, as the API takes it; none if nothing is said about it. What was refused before stays refused.
    pub fn of(&self, manifest: &Value, plugin: &Value) -> Result<Option<Value>> {
        if self.is_none() {
            return Ok(None);
        }
        let asked = |list: &str| strings(&manifest[list]);
        let all: Vec<&str> = LISTS.iter().flat_map(|list| asked(list)).collect();
        if let Some(unknown) =
            self.deny.iter().chain(&self.allow).find(|item| *item != ALL && !all.contains(&item.as_str()))
        {
            bail!("it does not ask for `{unknown}`. {}", instead_of(unknown, all));
        }
        let says = |list: &[String], item: &str| list.iter().any(|named| named == item);
        let mut grant = Map::new();
        for list in LISTS {
            let (before, granted) = (strings(&plugin["manifest"][list]), plugin["grant"][list].as_array());
            let was_refused = |item: &&str| {
                before.contains(item)
                    && granted.is_some_and(|granted| !granted.iter().any(|one| one.as_str() == Some(item)))
            };
            let is_granted = |item: &&str| {
                let allows = says(&self.allow, item) || says(&self.allow, ALL) || !was_refused(item);
                allows && !says(&self.deny, item) && !says(&self.deny, ALL)
            };
            let items: Vec<&str> = asked(list).into_iter().filter(is_granted).collect();
            grant.insert(list.to_owned(), json!(items));
        }
        Ok(Some(Value::Object(grant)))
    }
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn developer15_a2_what_was_refused_stays_refused_until_it_is_allowed() {
        let manifest = json!({"hosts": ["a.example", "b.example"], "imports": ["openhub:http/http"], "access": []});
        let wider =
            json!({"hosts": ["a.example", "b.example", "c.example"], "imports": ["openhub:http/http"], "access": []});
        let plugin = json!({"manifest": manifest, "grant": {"hosts": ["b.example"], "imports": ["openhub:http/http"], "access": []}});
        let fresh = json!({"manifest": manifest, "grant": {}});
        let hosts = |deny: &[&str], allow: &[&str], of: &Value, plugin: &Value| {
            let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
            let changes = Changes { deny: owned(deny), allow: owned(allow) };
            changes.of(of, plugin).map(|grant| grant.map(|grant| grant["hosts"].clone()))
        };
        assert_eq!(hosts(&[], &[], &manifest, &plugin).unwrap(), None);
        assert_eq!(hosts(&["b.example"], &[], &manifest, &plugin).unwrap(), Some(json!([])));
        assert_eq!(hosts(&[], &["a.example"], &manifest, &plugin).unwrap(), Some(json!(["a.example", "b.example"])));
        assert_eq!(hosts(&["b.example"], &[], &wider, &plugin).unwrap(), Some(json!(["c.example"])));
        assert_eq!(hosts(&[], &["all"], &wider, &plugin).unwrap(), Some(wider["hosts"].clone()));
        assert_eq!(hosts(&["a.example"], &[], &manifest, &fresh).unwrap(), Some(json!(["b.example"])));
        let unknown = hosts(&["x.example"], &[], &manifest, &plugin).unwrap_err().to_string();
        assert!(unknown.contains("There are: a.example, b.example, openhub:http/http."), "{unknown}");
    }
}
