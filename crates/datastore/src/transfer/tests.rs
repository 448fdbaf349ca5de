//! The copy engine over stores in memory whose tenants write between any two requests.

mod busy;
mod copies;
mod faults;
mod memory;
