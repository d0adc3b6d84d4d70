//! `openhub:customers/customers`: reads the tenant's customers, and of them the fields that were granted. I/O lane only.

use std::sync::Arc;

use openhub_model::Identity;
use openhub_model::access::Access;
use openhub_model::manifest::Manifest;
use serde_json::{Map, Value, json};
use wasmtime::component::Linker;

use crate::backing::{Customers, Declined, Known};
use crate::bindings::customers::customers::{self, Customer, MemberPage};
use crate::bindings::types::types::{self as bound, Failure};
use crate::capabilities::taped::{Tapes, taped};
use crate::error::Refusal;
use crate::fault::{FaultKind, Raised};
use crate::host::Host;

/// Customers that are asked for at once, and fields of each.
const AT_ONCE: usize = 100;
/// Of a page of a segment.
const PAGE: u32 = 1_000;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    customers::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Who reads customers must say which fields, or whose members.
pub fn check(manifest: &Manifest) -> Result<(), Refusal> {
    let reads = |access: &String| matches!(Access::parse(access), Some(Access::Field(_) | Access::Members(_)));
    if !manifest.access.iter().any(reads) {
        let message = "the component uses openhub:customers/customers, but the manifest's `access` names no field of \
                       customers and no segment";
        return Err(Refusal::new(Refusal::BAD_MANIFEST, message));
    }
    Ok(())
}

/// What was granted of the fields that are asked for.
fn told(known: Known, fields: &[String]) -> Customer {
    let mut told: Map<String, Value> = Map::new();
    for field in fields {
        let Some((group, name)) = field.split_once('.') else { continue };
        let value = match group {
            "attributes" => known.attributes.get(name).cloned(),
            "tags" => known.tags.get(name).cloned(),
            "consents" => known.consents.get(name).cloned(),
            "identities" => {
                let of_kind = known.identities.iter().filter(|identity| identity.kind == name);
                let values: Vec<&str> = of_kind.map(|identity| identity.value.as_str()).collect();
                (!values.is_empty()).then(|| json!(values))
            }
            _ => None,
        };
        if let Some(value) = value
            && let Some(group) = told.entry(group).or_insert_with(|| json!({})).as_object_mut()
        {
            group.insert(name.to_owned(), value);
        }
    }
    Customer { id: known.id, fields: Value::Object(told).to_string() }
}

type Answers = Result<Vec<Option<Customer>>, Failure>;

impl Host {
    fn customers(&mut self) -> wasmtime::Result<Arc<dyn Customers>> {
        let customers = self.io()?.customers.clone();
        customers.ok_or_else(|| Raised::error(FaultKind::Refused, "there are no customers here"))
    }

    /// The fields that were granted of those that are asked for.
    fn granted(&mut self, fields: Vec<String>) -> wasmtime::Result<Vec<String>> {
        let access = &self.io()?.access;
        let granted = |field: &str| access.iter().any(|access| Access::parse(access) == Some(Access::Field(field)));
        Ok(fields.into_iter().filter(|field| granted(field)).collect())
    }

    fn customers_told(
        &mut self,
        known: Result<Vec<Option<Known>>, Declined>,
        fields: &[String],
    ) -> wasmtime::Result<Answers> {
        match known {
            Ok(known) => {
                let told: Vec<Option<Customer>> =
                    known.into_iter().map(|known| known.map(|known| told(known, fields))).collect();
                self.meter.work(told.iter().flatten().map(|told| told.id.len() + told.fields.len()).sum())?;
                Ok(Ok(told))
            }
            Err(declined) => Ok(Err(declined.into())),
        }
    }
}

fn bounded(asked: usize, fields: usize) -> Result<(), Declined> {
    match asked > AT_ONCE || fields > AT_ONCE {
        true => Err(Declined::never(
            "too-many",
            format!("ask for at most {AT_ONCE} customers and {AT_ONCE} fields at once"),
        )),
        false => Ok(()),
    }
}

impl customers::Host for Host {
    async fn get(&mut self, ids: Vec<String>, fields: Vec<String>) -> wasmtime::Result<Answers> {
        self.meter.host_call(ids.iter().chain(&fields).map(String::len).sum())?;
        let customers = self.customers()?;
        if let Err(declined) = bounded(ids.len(), fields.len()) {
            return Ok(Err(declined.into()));
        }
        self.reads(ids.len())?;
        let fields = self.granted(fields)?;
        let known = customers.get(ids).await;
        self.customers_told(known, &fields)
    }

    async fn find(&mut self, identities: Vec<bound::Identity>, fields: Vec<String>) -> wasmtime::Result<Answers> {
        let size = |identity: &bound::Identity| identity.kind.len() + identity.value.len();
        self.meter
            .host_call(identities.iter().map(size).sum::<usize>() + fields.iter().map(String::len).sum::<usize>())?;
        let customers = self.customers()?;
        if let Err(declined) = bounded(identities.len(), fields.len()) {
            return Ok(Err(declined.into()));
        }
        self.reads(identities.len())?;
        let fields = self.granted(fields)?;
        let identities = identities.into_iter().map(|identity| Identity::new(identity.kind, identity.value));
        let known = customers.find(identities.collect()).await;
        self.customers_told(known, &fields)
    }

    async fn members(
        &mut self,
        segment: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<MemberPage, Failure>> {
        self.meter.host_call(segment.len() + after.as_ref().map_or(0, String::len))?;
        let customers = self.customers()?;
        let is_granted = {
            let access = &self.io()?.access;
            access.iter().any(|access| Access::parse(access) == Some(Access::Members(&segment)))
        };
        if !is_granted {
            let message = format!("the segment {segment:.100?} was not granted");
            return Ok(Err(Declined::never("not-granted", message).into()));
        }
        if !(1..=PAGE).contains(&limit) {
            return Ok(Err(Declined::never("out-of-range", format!("a page has 1 to {PAGE} members")).into()));
        }
        let limit = limit as usize;
        self.reads(limit)?;
        match customers.members(segment, after, limit + 1).await {
            Ok(mut ids) => {
                let more = ids.len() > limit;
                ids.truncate(limit);
                self.meter.work(ids.iter().map(String::len).sum())?;
                let next = ids.last().filter(|_| more).cloned();
                Ok(Ok(MemberPage { customers: ids, next }))
            }
            Err(declined) => Ok(Err(declined.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_told_what_it_asks_for_and_no_more() {
        let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
        let known = Known {
            id: "c".to_owned(),
            attributes: fields(json!({"points": 7, "a.b": 1, "secret": "x"})),
            tags: fields(json!({"vip": true})),
            consents: Map::new(),
            identities: vec![Identity::new("email", "a@example.com"), Identity::new("phone", "+49")],
        };
        let asked = ["attributes.points", "attributes.a.b", "tags.gone", "identities.email", "x"].map(str::to_owned);
        let told: Value = serde_json::from_str(&told(known, &asked).fields).unwrap();
        assert_eq!(told, json!({"attributes": {"points": 7, "a.b": 1}, "identities": {"email": ["a@example.com"]}}));
    }
}
