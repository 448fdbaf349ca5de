//! Brings a testbed up and down.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};
use kamaji_e2e::bed::Bed;
use kamaji_e2e::catalogue;
use kamaji_e2e::command::output;
use kamaji_e2e::conformance;
use kamaji_e2e::demo;
use kamaji_e2e::demo_cluster;
use kamaji_e2e::infrastructure;
use kamaji_e2e::interrupt::unless_interrupted;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::layout::{Layout, checkout};
use kamaji_e2e::newer;
use kamaji_e2e::step::step;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;
use kamaji_e2e::worker::Worker;

/// A real management cluster, tenants and workers on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find or build the binaries and print where they are.
    Tools {
        /// Include the binaries of Cluster API and of the previous Kubernetes version.
        #[arg(long)]
        cluster_api: bool,
        /// Include the client of etcd, with which benches compare.
        #[arg(long)]
        etcdctl: bool,
    },
    /// Fetch a PostgreSQL and a MariaDB newer than this machine's, and print the variables by which tests choose them.
    Databases,
    /// Bring everything up: the management cluster, the operator, the tenant `demo` with workers.
    Up {
        /// Number of workers that join the tenant `demo`.
        #[arg(long, default_value_t = 1)]
        workers: u8,
        /// Bring up only the management cluster and the datastore.
        #[arg(long, conflicts_with = "cluster_api")]
        bare: bool,
        /// Bring up Cluster API and a Cluster with workers instead of the tenant `demo`.
        #[arg(long)]
        cluster_api: bool,
    },
    /// Join a worker to the cluster of a kubeconfig.
    Join {
        /// Number of the worker, from 0 to 15.
        index: u8,
        /// Kubeconfig of an administrator of that cluster.
        kubeconfig: PathBuf,
    },
    /// End a worker as if its plug were pulled, and remove all of it but its Node object.
    Leave {
        /// Number of the worker, from 0 to 15.
        index: u8,
    },
    /// Print the objects that a folder of `config/` renders to.
    Kustomize {
        /// Folder below `config/` with a kustomization.
        folder: PathBuf,
    },
    /// Write the operator's image as an OCI archive.
    Image {
        /// Static binary of the operator.
        binary: PathBuf,
        /// Full name of the image, with its tag.
        name: String,
        /// Path of the archive; a file that is there is replaced.
        archive: PathBuf,
    },
    /// Package the charts of `config/charts` for a release.
    Charts {
        /// Version of the release, with its leading v.
        version: String,
        /// Folder to write them into.
        folder: PathBuf,
    },
    /// Run the infrastructure providers of a running testbed, until interrupted.
    Infrastructure,
    /// Run Kubernetes' conformance specs against a tenant with two workers.
    Conformance {
        /// Words of a regular expression; only conformance specs whose name matches it run, and no page is written.
        #[arg(long)]
        focus: Option<String>,
    },
    /// Remove the testbed and everything it made.
    Down,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Arguments::parse().command)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Tools {
            cluster_api,
            etcdctl,
        } => print_tools(cluster_api, etcdctl).await?,
        Command::Databases => println!("{}", newer::fetch().await?.join("\n")),
        Command::Up {
            workers,
            bare,
            cluster_api,
        } => {
            let what = match (bare, cluster_api) {
                (true, _) => What::Nothing,
                (_, true) => What::Cluster,
                _ => What::Tenant { workers },
            };
            up_or_removed(what).await?;
        }
        Command::Join { index, kubeconfig } => {
            let testbed = Testbed::running_or_up(Layout::from_env()?).await?;
            let cluster = Kubectl::new(&testbed.bed.tools, &kubeconfig)?;
            Worker::join(&testbed.bed, index, &cluster).await?;
        }
        Command::Leave { index } => {
            let testbed = Testbed::running_or_up(Layout::from_env()?).await?;
            Worker::numbered(&testbed.bed, index)?.remove().await?;
        }
        Command::Kustomize { folder } => {
            let mut kubectl = Tools::all().await?.command("kubectl")?;
            print!(
                "{}",
                output({
                    kubectl.arg("kustomize").arg(folder);
                    kubectl
                })
                .await?
            );
        }
        Command::Image {
            binary,
            name,
            archive,
        } => catalogue::release(&binary, &name)?.write_oci(&archive)?,
        Command::Charts { version, folder } => charts(&version, &folder).await?,
        Command::Infrastructure => {
            tracing_subscriber::fmt().init();
            let layout = Layout::from_env()?;
            let bed = Bed::new(layout, Tools::all().await?);
            infrastructure::run(&bed).await?;
        }
        Command::Conformance { focus } => conformance::run(focus.as_deref()).await?,
        Command::Down => step("down", Testbed::down(&Layout::from_env()?)).await?,
    }
    Ok(())
}

/// Packages every chart: its own version has no v, the tag of the operator's image has one.
async fn charts(version: &str, folder: &Path) -> Result<()> {
    let number = version.strip_prefix('v').unwrap_or(version);
    for chart in ["kamaji", "kamaji-crds", "kamaji-capi"] {
        let mut helm = Tools::helm().await?.command("helm")?;
        helm.arg("package")
            .arg(checkout().join("config/charts").join(chart))
            .args(["--version", number, "--app-version", version])
            .arg("--destination")
            .arg(folder);
        output(helm).await?;
    }
    Ok(())
}

async fn print_tools(cluster_api: bool, etcdctl: bool) -> Result<()> {
    let mut sets = vec![Tools::all().await?];
    if cluster_api {
        sets[0] = sets[0].clone().with_cluster_api().await?;
        sets.push(Tools::previous().await?);
        sets.push(Tools::helm().await?);
    }
    if etcdctl {
        sets.push(Tools::etcdctl().await?);
    }
    for (name, path) in sets.iter().flat_map(Tools::iter) {
        println!("{name:24} {}", path.display());
    }
    Ok(())
}

/// Brings the testbed up; one that fails is removed, unless it was up before or is to be kept.
async fn up_or_removed(what: What) -> Result<()> {
    let begin = Instant::now();
    let layout = Layout::from_env()?;
    let stays = Testbed::is_up(&layout) || Testbed::is_kept();
    if let Err(error) = unless_interrupted(Box::pin(up(&layout, what))).await {
        Testbed::save_logs(&layout)?;
        if !stays {
            Testbed::down(&layout).await?;
        }
        return Err(error);
    }
    println!("up after {:.0} s", begin.elapsed().as_secs_f32());
    Ok(())
}

/// Content that `up` brings into the management cluster.
enum What {
    Nothing,
    Tenant { workers: u8 },
    Cluster,
}

async fn up(layout: &Layout, what: What) -> Result<()> {
    let testbed = Testbed::running_or_up(layout.clone()).await?;
    let done = match what {
        What::Nothing => return Ok(()),
        What::Tenant { workers } => demo::up(&testbed, workers).await,
        What::Cluster => demo_cluster::up(&testbed, &env::current_exe()?).await,
    };
    if done.is_err() {
        println!("{}", testbed.diagnostics().await);
    }
    done
}
