//! Brings a testbed up and down.
fn main() {}
