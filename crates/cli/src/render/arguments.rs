//! Command-line options of `kamaji render`.

use k8s_openapi::jiff::Timestamp;
use kamaji_core::pki::key::KeyAlgorithm;

/// Options of `kamaji render`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File with TenantControlPlanes, and with the DataStores, Secrets, Deployments, Services and other
    /// live objects of theirs that are at hand; repeatable, - for standard input; documents of other kinds
    /// are ignored
    #[arg(short, long = "file", required = true)]
    pub files: Vec<String>,
    /// Print the objects of the tenant cluster instead of those of the management cluster
    #[arg(long)]
    pub tenant_cluster: bool,
    /// Print the rest of the plan as a last document: datastore binding, finalizers, objects to delete,
    /// waits, next status and the time of the next reconcile
    #[arg(long, conflicts_with = "tenant_cluster")]
    pub plan: bool,
    /// Print certificates and keys as decoded summaries
    #[arg(long)]
    pub summarise_keys: bool,
    /// Derive new keys from this text, for repeatable output; anybody can derive them, so use none of them
    #[arg(long)]
    pub seed: Option<String>,
    /// Time to render for, such as 2026-01-01T00:00:00Z, for repeatable output; the current time by default
    #[arg(long)]
    pub now: Option<Timestamp>,
    /// DataStore of tenants that name none
    #[arg(long, default_value = "default")]
    pub datastore: String,
    /// Algorithm of new keys: ECDSA-P256 or RSA-2048
    #[arg(long, default_value = "ECDSA-P256")]
    pub key_algorithm: KeyAlgorithm,
}
