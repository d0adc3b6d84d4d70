//! Nothing but a place in the dependency graph: see Cargo.toml.
