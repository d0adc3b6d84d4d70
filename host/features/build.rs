//! Makes the build dependencies count: cargo looks at them only where there is a build script.

fn main() {}
