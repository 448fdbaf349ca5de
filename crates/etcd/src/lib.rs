//! The etcd that the chart `kamaji` bundles: certificates, start of a member, formation of the cluster and
//! defragmentation.
//!
//! Decisions are pure and have modules of their own; the rest asks etcd and the management cluster.
//!
//! * `layout`: names and addresses; `state`: what is recorded about the cluster's formation.
//! * `material`: the plan of the Secrets; `certificates` reads and writes them.
//! * `membership`, `configuration`: how a member starts; `member` asks the others and writes etcd's file.
//! * `formation`: the next step towards a complete cluster; `form` takes the steps.
//! * `space`: which member is defragmented next, and which alarms end; `defragment` does it.

pub mod certificates;
pub mod configuration;
pub mod defragment;
mod error;
pub mod form;
mod formation;
pub mod layout;
mod management;
mod material;
pub mod member;
mod members;
mod membership;
mod space;
mod state;

pub use error::Error;
