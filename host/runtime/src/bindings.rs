//! The host's side of the interfaces in `wit/`, one world at a time, sharing their types.
//!
//! Generated; adapting them to the host's own words is left to the modules that call them.

/// The I/O lane's imports and the `channel` extension point: calls are asynchronous.
pub mod channel {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/channel-plugin",
        additional_derives: [serde::Serialize, serde::Deserialize, Clone],
        imports: {
            "openhub:http/http": async | trappable,
            "openhub:kv/kv": async | trappable,
            "openhub:events/events": async | trappable,
            "openhub:customers/customers": async | trappable,
            "openhub:objects/objects": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

/// The `rule` extension point. Its input borrows the host's columns, so that numbers are copied once.
pub mod rule {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/rule-plugin",
        ownership: Borrowing { duplicate_if_necessary: true },
        with: {
            "openhub:types/types": super::owned,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
        },
    });
}

/// The `data-object` extension point.
pub mod object {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/data-object-plugin",
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
        },
    });
}

/// The `step` extension point.
pub mod step {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/step-plugin",
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
        },
    });
}

/// The `content` extension point.
pub mod content {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/content-plugin",
        with: {
            "openhub:types/types": super::owned,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
        },
    });
}

/// The `migration` of object types.
pub mod migration {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/migration-plugin",
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
        },
    });
}

/// The `source` extension point, with the imports of the I/O lane.
pub mod source {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/source-plugin",
        additional_derives: [serde::Serialize, serde::Deserialize, Clone],
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
            "openhub:clock": super::channel::openhub::clock,
            "openhub:kv": super::channel::openhub::kv,
            "openhub:customers": super::channel::openhub::customers,
            "openhub:events": super::channel::openhub::events,
            "openhub:objects": super::channel::openhub::objects,
            "openhub:secrets": super::channel::openhub::secrets,
            "openhub:http": super::channel::openhub::http,
        },
    });
}

/// The `endpoint` extension point, with the imports of the I/O lane.
pub mod endpoint {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/endpoint-plugin",
        additional_derives: [serde::Serialize, serde::Deserialize, Clone],
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
            "openhub:clock": super::channel::openhub::clock,
            "openhub:kv": super::channel::openhub::kv,
            "openhub:customers": super::channel::openhub::customers,
            "openhub:events": super::channel::openhub::events,
            "openhub:objects": super::channel::openhub::objects,
            "openhub:secrets": super::channel::openhub::secrets,
            "openhub:http": super::channel::openhub::http,
        },
    });
}

/// The `privacy` extension point, with the imports of the I/O lane.
pub mod privacy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/privacy-plugin",
        additional_derives: [serde::Serialize, serde::Deserialize, Clone],
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
            "openhub:clock": super::channel::openhub::clock,
            "openhub:kv": super::channel::openhub::kv,
            "openhub:customers": super::channel::openhub::customers,
            "openhub:events": super::channel::openhub::events,
            "openhub:objects": super::channel::openhub::objects,
            "openhub:secrets": super::channel::openhub::secrets,
            "openhub:http": super::channel::openhub::http,
        },
    });
}

/// The `job` extension point, with the imports of the I/O lane.
pub mod job {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "openhub:plugin/job-plugin",
        additional_derives: [serde::Serialize, serde::Deserialize, Clone],
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "openhub:types": super::channel::openhub::types,
            "openhub:call": super::channel::openhub::call,
            "openhub:log": super::channel::openhub::log,
            "openhub:clock": super::channel::openhub::clock,
            "openhub:kv": super::channel::openhub::kv,
            "openhub:customers": super::channel::openhub::customers,
            "openhub:events": super::channel::openhub::events,
            "openhub:objects": super::channel::openhub::objects,
            "openhub:secrets": super::channel::openhub::secrets,
            "openhub:http": super::channel::openhub::http,
        },
    });
}

/// The shared types under the names that borrowing bindings ask for.
pub mod owned {
    pub use super::channel::openhub::types::types::*;
}

pub use channel::openhub::{call, clock, customers, events, http, kv, log, objects, secrets, types};
