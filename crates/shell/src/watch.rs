//! Watches of the management cluster: each lists its objects, follows their changes for ever, and passes the key of
//! every changed object to a callback that enqueues it.
//!
//! - [`all`] and [`selected`] keep a typed copy of every object of one of this project's kinds in [`Objects`];
//! - [`children`] folds the tenants' objects of one kind into the index;
//! - [`object`] reports changes of a single object;
//! - [`events`] is the stream below them, which retries failures and logs the first of them.

mod children;
mod events;
mod objects;
mod single;
mod typed;

pub use children::{Children, children};
pub use events::events;
pub use objects::{Named, Objects};
pub use single::object;
pub use typed::{all, selected};
