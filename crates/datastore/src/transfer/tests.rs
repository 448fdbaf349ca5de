//! The copy engine over stores in memory whose tenants write between any two requests.

mod copies;
mod faults;
mod memory;
