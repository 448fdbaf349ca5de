//! The etcd that the chart `kamaji` bundles: certificates, start of a member, formation of the cluster,
//! defragmentation, and save and restore of the whole store.
//!
//! Decisions are pure and have modules of their own; the rest asks etcd and the management cluster.
//!
//! * `layout`: names and addresses; `state`: what is recorded about the cluster's formation.
//! * `material`: the plan of the Secrets; `certificates` reads and writes them.
//! * `membership`, `configuration`: how a member starts; `member` asks the others and writes etcd's file.
//! * `formation`: the next step towards a complete cluster; `form` takes the steps.
//! * `image`: the form of etcd's snapshots; `save` takes one, `restore` are the steps around `etcdutl snapshot restore`.
//! * `space`: which member is defragmented next, and which alarms end; `defragment` does it.

pub mod certificates;
pub mod configuration;
pub mod defragment;
mod error;
pub mod form;
mod formation;
pub mod image;
pub mod layout;
mod management;
mod material;
pub mod member;
mod members;
mod membership;
pub mod restore;
pub mod save;
mod space;
mod state;

pub use error::Error;
