//! Makes cargo notice a new migration: they are embedded in the binary.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
