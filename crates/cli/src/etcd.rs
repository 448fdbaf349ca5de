//! `kamaji etcd`: what the Jobs and the init containers of the chart's bundled etcd run.

mod flags;
mod restore;
mod retention;
mod save;

use std::{net::IpAddr, path::PathBuf};

use anyhow::Context;
use kamaji_core::rng::Seed;
use kamaji_etcd::{
    certificates,
    configuration::{Member, Tuning},
    defragment, form,
    layout::Store,
    member,
};
use rand_core::{OsRng, RngCore};

use flags::{Credentials, DATA_DIR};

use crate::{log::LogFlags, process::block_on};

/// Subcommands of `kamaji etcd`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    log: LogFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make the Secrets with the certificates, or renew what is due in them.
    Certificates {
        /// Replicas of the StatefulSet: the formation of the cluster is recorded, too
        #[arg(long)]
        replicas: Option<u32>,
    },
    /// Bring the pod that this is called in into the cluster, and write etcd's configuration file.
    Member(MemberFlags),
    /// Complete the cluster: members vote, access control is on, the DataStore is there.
    Form {
        /// Replicas of the StatefulSet
        #[arg(long)]
        replicas: u32,
        /// DataStore to apply, as JSON
        #[arg(long)]
        data_store: Option<String>,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Give free space back, one member after the other, and end alarms about space that are over.
    Defragment {
        /// Size of a database, in bytes, at which etcd refuses writes
        #[arg(long, default_value_t = 8 << 30)]
        quota_backend_bytes: u64,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Save the whole store, with the data of all tenants, to a file or an object store.
    Save(save::Arguments),
    /// Check a snapshot of the whole store.
    Verify(restore::VerifyArguments),
    /// Open a snapshot of the whole store for `etcdutl snapshot restore`.
    Restore(restore::RestoreArguments),
    /// Take over the data that `etcdutl snapshot restore` has made.
    Adopt(restore::AdoptArguments),
}

/// Flags that name the store; all subcommands have them.
#[derive(clap::Args)]
struct StoreFlags {
    /// Name of the StatefulSet
    #[arg(long, global = true, default_value = "kamaji-etcd")]
    name: String,
    /// Namespace of the StatefulSet
    #[arg(
        long,
        global = true,
        env = "POD_NAMESPACE",
        default_value = "kamaji-system"
    )]
    namespace: String,
    /// DNS domain of the management cluster
    #[arg(long, global = true, default_value = "cluster.local")]
    cluster_domain: String,
    /// Port on which members serve clients
    #[arg(long, global = true, default_value_t = 2379)]
    client_port: u16,
    /// Port of the other members
    #[arg(long, global = true, default_value_t = 2380)]
    peer_port: u16,
}

/// Flags of the init container.
#[derive(clap::Args)]
struct MemberFlags {
    /// Name of this pod
    #[arg(long, env = "POD_NAME")]
    pod_name: String,
    /// Address of this pod
    #[arg(long, env = "POD_IP")]
    pod_ip: IpAddr,
    /// Members with which a new cluster is made
    #[arg(long, env = "INITIAL_MEMBERS")]
    initial_members: u32,
    /// True once the cluster was complete
    #[arg(long, env = "FORMED", default_value_t = false, action = clap::ArgAction::Set)]
    formed: bool,
    /// Name of the last restore of the whole store
    #[arg(long, env = "RESTORED")]
    restored: Option<String>,
    /// Folder of etcd's data
    #[arg(long, default_value = DATA_DIR)]
    data_dir: String,
    /// Port of metrics and probes
    #[arg(long, default_value_t = 2381)]
    metrics_port: u16,
    /// File that is written
    #[arg(long, default_value = "/etc/etcd/config/etcd.json")]
    config: PathBuf,
    /// Flag of etcd, without the leading hyphens, for example snapshot-count=10000
    #[arg(long)]
    set: Vec<String>,
    #[command(flatten)]
    credentials: Credentials,
}

/// Runs one subcommand of `kamaji etcd` to its end.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    arguments.log.start()?;
    let flags = arguments.store;
    let store = Store {
        name: flags.name,
        namespace: flags.namespace,
        cluster_domain: flags.cluster_domain,
        client_port: flags.client_port,
        peer_port: flags.peer_port,
    };
    block_on(async {
        match arguments.command {
            Command::Certificates { replicas } => {
                let mut bytes = [0; 32];
                OsRng.fill_bytes(&mut bytes);
                let seed = Seed::new(bytes);
                Box::pin(certificates::ensure(&store, replicas, &seed)).await?;
            }
            Command::Member(flags) => Box::pin(prepare(&store, flags)).await?,
            Command::Form {
                replicas,
                data_store,
                credentials,
            } => {
                let object = data_store.map(|text| serde_json::from_str(&text));
                let object = object.transpose().context("--data-store is no JSON")?;
                let folder = &credentials.credentials;
                Box::pin(form::complete((&store, replicas), folder, object.as_ref())).await?;
            }
            Command::Defragment {
                quota_backend_bytes,
                credentials,
            } => {
                let folder = &credentials.credentials;
                Box::pin(defragment::run(&store, folder, quota_backend_bytes)).await?;
            }
            Command::Save(arguments) => Box::pin(save::run(&store, &arguments)).await?,
            Command::Verify(arguments) => restore::verify(&arguments).await?,
            Command::Restore(arguments) => restore::restore(&arguments).await?,
            Command::Adopt(arguments) => Box::pin(restore::adopt(&store, &arguments)).await?,
        }
        Ok(())
    })
}

async fn prepare(store: &Store, flags: MemberFlags) -> anyhow::Result<()> {
    let settings = member::Settings {
        member: Member {
            store,
            ordinal: store.ordinal(&flags.pod_name)?,
            pod_ip: flags.pod_ip,
            data_dir: &flags.data_dir,
            metrics_port: flags.metrics_port,
        },
        tuning: Tuning::parse(&flags.set)?,
        initial_members: flags.initial_members,
        formed: flags.formed,
        restored: flags.restored.filter(|name| !name.is_empty()),
        credentials: flags.credentials.credentials,
        file: flags.config,
    };
    Ok(member::prepare(&settings).await?)
}
