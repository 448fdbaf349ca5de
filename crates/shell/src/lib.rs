//! Runtime parts that the operator and the Cluster API provider share.
//!
//! - [`watch`] follows the management cluster, [`index`] keeps the tenants' objects, [`queue`] runs reconciles;
//! - [`apply`] is the only way to write, [`lease`] decides who may, [`storm`] ends fights for a field;
//! - [`events`] and [`telemetry`] report;
//! - [`serve`], [`listen`], [`drain`], [`metrics_access`] and [`webhook_certificate`] serve HTTP;
//! - [`received`] is how objects are read;
//! - [`remote`] connects to tenant clusters, [`answers`], [`bounded`] and [`json_weight`] limit what they send;
//! - [`process`] and [`watchdog`] start, supervise and stop it all.
//!
//! Only this crate and its users read clocks and use the network; `kamaji-core` decides.

pub mod answers;
pub mod apply;
pub mod bounded;
pub mod clock;
pub mod drain;
pub mod events;
pub mod heavy;
pub mod index;
pub mod json_weight;
pub mod key;
pub mod lease;
pub mod listen;
pub mod live;
pub mod lock;
pub mod metrics_access;
pub mod process;
pub mod queue;
pub mod received;
pub mod remote;
pub mod resource;
pub mod serve;
pub mod storm;
pub mod telemetry;
pub mod watch;
pub mod watchdog;
pub mod webhook_certificate;

pub use key::ObjectKey;
