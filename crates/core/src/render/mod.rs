//! Renders the objects of a tenant in the management cluster, one file per object.

pub mod collisions;
pub mod deployment;
pub mod egress;
pub mod facts;
#[cfg(test)]
pub(crate) mod fixture;
pub mod gateway;
pub mod ingress;
pub mod kubeadm_config;
pub mod metadata;
pub mod renderer;
pub mod reserved;
pub mod service;
pub mod user;

pub use facts::{Checksums, Facts};
pub use metadata::{labels, metadata};
pub use renderer::{Change, Renderer, upgrades_pods};
