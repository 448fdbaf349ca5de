//! How is the world observed and changed? Whatever has to do with time, the network and other
//! processes is in here; the controllers beside it only order it.

pub mod answers;
pub mod apply;
pub mod bounded;
pub mod clock;
pub mod drain;
pub mod events;
pub mod heavy;
pub mod index;
pub mod lease;
pub mod listen;
pub mod metrics_access;
pub mod process;
pub mod queue;
pub mod remote;
pub mod serve;
pub mod storm;
pub mod telemetry;
pub mod watch;
pub mod watchdog;
