//! Flags and paths that several subcommands of `kamaji etcd` have.

use std::path::PathBuf;

/// Folder of etcd's data in its pods.
pub const DATA_DIR: &str = "/var/run/etcd";

/// Place of the client certificate of the user root.
#[derive(clap::Args)]
pub struct Credentials {
    /// Folder with ca.crt, tls.crt and tls.key of the user root
    #[arg(long, default_value = "/etc/etcd/root")]
    pub credentials: PathBuf,
}
