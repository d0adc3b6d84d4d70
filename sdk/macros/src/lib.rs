//! The macros of `openhub-sdk`: they make codecs and dispatch from types, and write the types' shapes into the
//! custom section `openhub:shapes`, from which the build makes the manifest. So code and manifest cannot differ.
//!
//! Use them through `openhub_sdk::prelude`.

mod attributes;
mod channel;
mod content;
mod endpoint;
mod enumeration;
mod job;
mod privacy;
mod reads;
mod records;
mod rule;
mod shapes;
mod source;
mod step;
mod writes;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, ItemImpl, parse_macro_input};

/// One row of what a rule reads: `#[read("event.properties.total", bind)] total: Decimal<2>`.
///
/// An `Option` may be absent, anything else is required; `bind` lets an admin point the read at another path,
/// in the settings: `{"bindings": {"<rule>": {"reads": {"total": "event.properties.amount"}}}}` (docs/plugins.md).
///
/// Lists are a `Vec`: `#[read("event.properties.items[].sku")] skus: Vec<String>` reads one value of each element,
/// `#[list("event.properties.items")] items: Vec<Item>` several, if `Item` derives `Reads`, too. The paths of its fields
/// start at the element: `#[read("sku")] sku: String`. An element may have lists of its own.
///
/// `#[read("object.coupon-batch[event.properties.batch].issued")]` reads a field of an object of the plugin's own, by its key.
#[proc_macro_derive(Reads, attributes(read, list))]
pub fn derive_reads(input: TokenStream) -> TokenStream {
    finish(reads::derive(&parse_macro_input!(input as DeriveInput)))
}

/// What a rule does to one row: `#[write("customer.attributes.points")] points: Set<i64>`, `Set<Vec<String>>` for an attribute
/// that is a list, `Add` for counters; fields
/// without `write` are events (`Vec` or `Option` of an `Event`), those with `#[object]` objects.
///
/// `#[to("referrer")]` on events has them happen to another customer: the one in the read `referrer`, which is a relation of an object.
#[proc_macro_derive(Writes, attributes(write, object, to))]
pub fn derive_writes(input: TokenStream) -> TokenStream {
    finish(writes::derive(&parse_macro_input!(input as DeriveInput)))
}

/// A closed set of names: an enum without data.
#[proc_macro_derive(Enum)]
pub fn derive_enum(input: TokenStream) -> TokenStream {
    finish(enumeration::derive(&parse_macro_input!(input as DeriveInput)))
}

/// An event that the plugin causes. `#[event(name = "Tier Changed")]` names it otherwise than its type.
#[proc_macro_derive(Event, attributes(event, field))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    finish(records::event(&parse_macro_input!(input as DeriveInput)))
}

/// Parameters of a rule. `#[field(default = 500)]` gives one that may be absent.
#[proc_macro_derive(Params, attributes(field))]
pub fn derive_params(input: TokenStream) -> TokenStream {
    finish(records::params(&parse_macro_input!(input as DeriveInput)))
}

/// Settings of the plugin's installation.
#[proc_macro_derive(Settings, attributes(field))]
pub fn derive_settings(input: TokenStream) -> TokenStream {
    finish(records::settings(&parse_macro_input!(input as DeriveInput)))
}

/// What a message of a channel says; a `Vec` is a list. `#[field(html)]` marks a text that is HTML: what templates put into it is escaped.
#[proc_macro_derive(Content, attributes(field))]
pub fn derive_content(input: TokenStream) -> TokenStream {
    finish(records::content(&parse_macro_input!(input as DeriveInput)))
}

/// A record that is nothing else: what a step is given by a journey's author, or keeps while a run waits.
#[proc_macro_derive(Record, attributes(field))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    finish(records::record(&parse_macro_input!(input as DeriveInput)))
}

/// An object type: `#[object(name = "coupon", version = 1)]`; fields are `#[field(unique)]`, `#[field(relation)]`,
/// `#[field(owner)]` (the relation that tells whose it is), `#[field(default = …)]`, and `#[field(relation = "merchant")]`, a `String`
/// that holds the key of an object of that type. A `Vec` has several values. A rule that changes some fields only does it with the
/// type's patch: `ObjectEffect::Patch(key, CouponPatch { percent: Some(20), ..Default::default() })`.
#[proc_macro_derive(DataObject, attributes(object, field))]
pub fn derive_data_object(input: TokenStream) -> TokenStream {
    finish(records::data_object(&parse_macro_input!(input as DeriveInput)))
}

/// A rule: `#[rule(on = "Order Completed")] pub fn points(row: Purchase, params: &Params) -> Result<Effects, Reason>`.
/// Parameters and the `Result` may be left out; `on` takes several as `["A", "B"]`.
#[proc_macro_attribute]
pub fn rule(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(rule::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// A channel: `#[channel(name = "sms", address = "phone")] pub fn sms(batch: Messages<Sms>) -> Result<(), Failure>`;
/// also `purpose = "marketing"` and `unknown = "park"`.
#[proc_macro_attribute]
pub fn channel(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(channel::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// A source: `#[source(name = "orders", events = [OrderPaid])] pub fn orders(request: Request) -> Result<Received, Failure>`.
/// `events` lists the types of events that it may yield, each with `#[derive(Event)]`.
#[proc_macro_attribute]
pub fn source(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(source::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// An endpoint: `#[endpoint(method = "POST", path = "/coupons/{code}/redeem")] pub fn redeem(call: Call) -> Result<Answer, Failure>`.
/// `method` is `GET`, `POST`, `PUT`, `PATCH` or `DELETE`. A step of the path in braces is any text: `call.step("code")`.
#[proc_macro_attribute]
pub fn endpoint(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(endpoint::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// A job: `#[job(name = "poll")] pub fn poll(run: Run) -> Result<Progress, Failure>`. When it runs stands in `plugin.toml`, under
/// `[[jobs]]`.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(job::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// A step, which is a node of journeys: `#[step(events = ["Lead Scored"])] pub fn route(entry: Entry<With>) -> Result<Next<Way>, Reason>`.
/// `With` derives `Record`, and `Way` derives `Enum`: its variants are the outlets. `events` lists what a run may wait for;
/// `state_version = "2"` numbers the form of what a wait keeps.
#[proc_macro_attribute]
pub fn step(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(step::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// A function for templates: `#[content] pub fn money(receiver: Receiver<'_>, amount: Decimal<2>, currency: &str) -> Result<String, Reason>`.
/// `receiver` and the `Result` may be left out; an `Option` may be left out by the template.
#[proc_macro_attribute]
pub fn content(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(content::expand(arguments.into(), parse_macro_input!(item as ItemFn)))
}

/// What the plugin keeps of customers elsewhere: `#[privacy(identities = ["email"])]` above `impl Privacy for Provider`. `identities` are
/// the kinds by which the plugin is told who it is; it is told the customer's ids, too.
#[proc_macro_attribute]
pub fn privacy(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finish(privacy::expand(arguments.into(), parse_macro_input!(item as ItemImpl)))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}
