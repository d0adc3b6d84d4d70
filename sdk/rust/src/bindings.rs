//! The contract's bindings, one `generate!` a world in a module of its own, so that a plugin links only what it exports.
//!
//! The imports are bound once, in [`io`]; the worlds that export share them. Authors use the façade, not this.

/// Every import that either lane may have. What a plugin does not call is not in its component.
pub mod io {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "io",
        generate_all,
    });
}

/// The rule export.
pub mod rule {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "rule-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::rule",
        export_macro_name: "export_rule",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
        },
    });
}

/// The data-object export.
pub mod data_object {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "data-object-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::data_object",
        export_macro_name: "export_data_object",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
        },
    });
}

/// The migration export.
pub mod migration {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "migration-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::migration",
        export_macro_name: "export_migration",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
        },
    });
}

/// The step export.
pub mod step {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "step-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::step",
        export_macro_name: "export_step",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
        },
    });
}

/// The content export. Its columns are a rule's.
pub mod content {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "content-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::content",
        export_macro_name: "export_content",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:types/columns@1.0.0": crate::bindings::rule::openhub::types::columns,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
        },
    });
}

/// The channel export and its settlement import.
pub mod channel {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "channel-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::channel",
        export_macro_name: "export_channel",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
            "openhub:clock/clock@1.0.0": crate::bindings::io::openhub::clock::clock,
            "openhub:kv/kv@1.0.0": crate::bindings::io::openhub::kv::kv,
            "openhub:customers/customers@1.0.0": crate::bindings::io::openhub::customers::customers,
            "openhub:events/events@1.0.0": crate::bindings::io::openhub::events::events,
            "openhub:objects/objects@1.0.0": crate::bindings::io::openhub::objects::objects,
            "openhub:secrets/secrets@1.0.0": crate::bindings::io::openhub::secrets::secrets,
            "openhub:http/http@1.0.0": crate::bindings::io::openhub::http::http,
        },
    });
}

/// The source export.
pub mod source {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "source-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::source",
        export_macro_name: "export_source",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
            "openhub:clock/clock@1.0.0": crate::bindings::io::openhub::clock::clock,
            "openhub:kv/kv@1.0.0": crate::bindings::io::openhub::kv::kv,
            "openhub:customers/customers@1.0.0": crate::bindings::io::openhub::customers::customers,
            "openhub:events/events@1.0.0": crate::bindings::io::openhub::events::events,
            "openhub:objects/objects@1.0.0": crate::bindings::io::openhub::objects::objects,
            "openhub:secrets/secrets@1.0.0": crate::bindings::io::openhub::secrets::secrets,
            "openhub:http/http@1.0.0": crate::bindings::io::openhub::http::http,
        },
    });
}

/// The endpoint export.
pub mod endpoint {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "endpoint-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::endpoint",
        export_macro_name: "export_endpoint",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
            "openhub:clock/clock@1.0.0": crate::bindings::io::openhub::clock::clock,
            "openhub:kv/kv@1.0.0": crate::bindings::io::openhub::kv::kv,
            "openhub:customers/customers@1.0.0": crate::bindings::io::openhub::customers::customers,
            "openhub:events/events@1.0.0": crate::bindings::io::openhub::events::events,
            "openhub:objects/objects@1.0.0": crate::bindings::io::openhub::objects::objects,
            "openhub:secrets/secrets@1.0.0": crate::bindings::io::openhub::secrets::secrets,
            "openhub:http/http@1.0.0": crate::bindings::io::openhub::http::http,
        },
    });
}

/// The privacy export.
pub mod privacy {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "privacy-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::privacy",
        export_macro_name: "export_privacy",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
            "openhub:clock/clock@1.0.0": crate::bindings::io::openhub::clock::clock,
            "openhub:kv/kv@1.0.0": crate::bindings::io::openhub::kv::kv,
            "openhub:customers/customers@1.0.0": crate::bindings::io::openhub::customers::customers,
            "openhub:events/events@1.0.0": crate::bindings::io::openhub::events::events,
            "openhub:objects/objects@1.0.0": crate::bindings::io::openhub::objects::objects,
            "openhub:secrets/secrets@1.0.0": crate::bindings::io::openhub::secrets::secrets,
            "openhub:http/http@1.0.0": crate::bindings::io::openhub::http::http,
        },
    });
}

/// The job export.
pub mod job {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "job-plugin",
        pub_export_macro: true,
        default_bindings_module: "openhub_sdk::bindings::job",
        export_macro_name: "export_job",
        runtime_path: "::openhub_sdk::bindings::rt",
        generate_all,
        with: {
            "openhub:types/types@1.0.0": crate::bindings::io::openhub::types::types,
            "openhub:call/call@1.0.0": crate::bindings::io::openhub::call::call,
            "openhub:log/log@1.0.0": crate::bindings::io::openhub::log::log,
            "openhub:clock/clock@1.0.0": crate::bindings::io::openhub::clock::clock,
            "openhub:kv/kv@1.0.0": crate::bindings::io::openhub::kv::kv,
            "openhub:customers/customers@1.0.0": crate::bindings::io::openhub::customers::customers,
            "openhub:events/events@1.0.0": crate::bindings::io::openhub::events::events,
            "openhub:objects/objects@1.0.0": crate::bindings::io::openhub::objects::objects,
            "openhub:secrets/secrets@1.0.0": crate::bindings::io::openhub::secrets::secrets,
            "openhub:http/http@1.0.0": crate::bindings::io::openhub::http::http,
        },
    });
}

pub use wit_bindgen::rt;
