//! Tests of the commands for tenants: the binary against a real API server, in which no operator runs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and helpers of tests may panic"
)]

mod access;
mod bad_input;
mod bundle;
mod doctor;
mod environment;
mod listing;
mod support;
mod terminal;
mod texts;
mod waits;
mod writes;
