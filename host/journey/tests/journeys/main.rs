//! Journeys from the outside: parsed, checked, compiled and stepped with plain data.

mod check;
mod functions;
mod laws;
mod nodes;
mod parse;
mod triggers;
mod win_back;

use openhub_journey::{Definition, Input, Journey, Moment, Next, Step, StepContext, Surroundings, parse as read};
use openhub_model::run::Run;
use openhub_model::{Cause, Customer, Fault, Identity, TenantId, Timestamp};
use serde_json::{Value, json};

const TENANT: TenantId = TenantId(7);

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn surroundings() -> Surroundings {
    let channels = json!({
        "webhook": {
            "name": "webhook", "address": "user_id",
            "content": [
                { "name": "template", "type": "text", "required": true },
                { "name": "code", "type": "text" },
                { "name": "percent", "type": "integer" },
                { "name": "total", "type": { "decimal": 2 } },
                { "name": "tier", "type": { "enum": ["gold", "silver"] } },
                { "name": "urgent", "type": "boolean" },
                { "name": "until", "type": "timestamp" },
                { "name": "weight", "type": "number" }
            ]
        },
        "open": { "name": "open", "address": "user_id" },
        "sms": { "name": "sms", "address": "phone", "purpose": "marketing" },
        "mail": { "name": "mail", "address": "user_id", "content": [
            { "name": "text", "type": "text" }, { "name": "html", "type": "text", "html": true }
        ] }
    });
    let objects = json!({
        "coupon": {
            "name": "coupon", "version": 1, "owner": "owner",
            "fields": [
                { "name": "owner", "type": "customer", "required": true },
                { "name": "percent", "type": "integer", "required": true },
                { "name": "code", "type": "text", "unique": true }
            ]
        }
    });
    let steps = json!({
        "router": { "route": {
            "name": "route", "outlets": ["sales", "nurture"], "events": ["Lead Scored", "Lead Lost"], "state_version": 3,
            "input": [{ "name": "score", "type": "integer" }, { "name": "team", "type": "text", "required": true }]
        } }
    });
    let functions = json!({
        "local-format": {
            "money": { "name": "money", "returns": "text", "arguments": [
                { "name": "amount", "type": { "decimal": 2 }, "required": true }, { "name": "currency", "type": "text" }
            ] },
            "greeting": { "name": "greeting", "returns": "text", "arguments": [{ "name": "name", "type": "text" }] }
        }
    });
    Surroundings {
        steps: serde_json::from_value(steps).expect("steps"),
        functions: serde_json::from_value(functions).expect("functions"),
        channels: serde_json::from_value(channels).expect("channels"),
        objects: serde_json::from_value(objects).expect("object types"),
        ..Surroundings::default()
    }
}

fn definition(nodes: Value) -> Definition {
    read(&json!({ "trigger": { "event": "Order Completed" }, "start": "start", "nodes": nodes })).expect("a definition")
}

fn customer() -> Customer {
    let identity = Identity::new(Identity::USER_ID, "42");
    let mut customer = Customer::new(identity.part(TENANT), identity, at("2026-01-01T00:00:00Z"));
    let cause = || Cause { at: at("2026-01-01T00:00:00Z"), event: "m-0".into(), plugin: None, rule: None };
    customer.set("tier", "gold".into(), cause());
    customer.set("points", 700.into(), cause());
    customer.set("phone", "+4930123".into(), cause());
    customer.set_tag("vip", true.into(), cause());
    customer
}

/// A run and all that it needs to move.
struct Trip {
    journey: Journey,
    customer: Customer,
    now: Timestamp,
    run: Run,
    /// What the customer is known by besides.
    identities: Vec<Identity>,
}

impl Trip {
    fn of(nodes: Value) -> Trip {
        Trip::with(nodes, json!({ "order_id": "o-1", "total": "29.33", "nothing": null }), customer())
    }

    fn with(nodes: Value, properties: Value, customer: Customer) -> Trip {
        let journey = Journey::compile("test", 3, &definition(nodes), &surroundings()).expect("no faults");
        let now = at("2026-02-01T12:00:00Z");
        let run = journey.start(TENANT, &customer, &moment("Order Completed", "m-1", now, &properties));
        Trip { journey, customer, now, run, identities: Vec::new() }
    }

    fn advance(&mut self, input: Input<'_>) -> Step {
        let identities: Vec<&Identity> = self.identities.iter().collect();
        let facts = StepContext::of(TENANT, &identities, openhub_model::condition::Facts::of(&self.customer, self.now));
        self.journey.advance(&mut self.run, input, &facts)
    }

    fn enter(&mut self) -> Step {
        let properties = Value::Null;
        self.advance(Input::Enter(&moment("Order Completed", "m-1", self.now, &properties)))
    }

    fn enter_with(&mut self, properties: &Value) -> Step {
        self.advance(Input::Enter(&moment("Order Completed", "m-1", self.now, properties)))
    }

    fn event(&mut self, name: &str, properties: Value) -> Step {
        self.advance(Input::Event(&moment(name, "m-2", self.now, &properties)))
    }

    fn fault(&self) -> &str {
        self.run.fault.as_deref().unwrap_or("")
    }
}

fn moment<'a>(name: &'a str, message_id: &'a str, at: Timestamp, properties: &'a Value) -> Moment<'a> {
    Moment { message_id, name, at, properties }
}

fn pointers(faults: &[Fault]) -> Vec<(&str, &str)> {
    faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect()
}

fn ignored(step: &Step) -> bool {
    step.next == Next::Ignored && step.entered.is_empty() && step.messages.is_empty()
}
