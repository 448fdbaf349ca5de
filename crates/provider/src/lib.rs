//! The Cluster API control-plane provider.
