//! Checks of the conformance suite, one function each, and the tenancies that they use.

pub mod crashes;
pub mod ensure;
pub mod isolation;
pub mod owners;
pub mod remove;
mod tenancies;
pub mod transfer;
