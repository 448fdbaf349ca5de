//! Bench of the Cluster API provider with many Clusters.
//!
//! On testbeds of their own, with Cluster API's real core and kubeadm bootstrap provider; each
//! Cluster has one worker, a hollow Node. Two rounds: Clusters with real control planes of their
//! own, as many as a small machine has room for, then more of them that share one, so that only
//! Cluster API and our provider work for each.

mod shared;
mod turns;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kamaji_e2e::audit::{Entry, OPERATOR_NAMESPACE};
use kamaji_e2e::bed::Bed;
use kamaji_e2e::cluster_api;
use kamaji_e2e::infrastructure;
use kamaji_e2e::kubectl::{Kubectl, has_condition};
use kamaji_e2e::layout::{Layout, manifest};
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::kubernetes_version;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::figures::Figures;
use crate::requests;
use crate::usage::Usage;
use shared::Shared;
use turns::Turns;

/// Namespace of all Clusters of the bench.
const NAMESPACE: &str = "bench";
/// Longest wait until all Clusters are available.
const LIMIT: Duration = Duration::from_mins(40);
/// Time between two polls of the Clusters.
const POLL: Duration = Duration::from_secs(3);
/// Time in which requests at rest are counted.
const REST: Duration = Duration::from_secs(10);

/// Source of the Clusters' API servers.
#[derive(Clone, Copy)]
enum ApiServers {
    /// The operator makes one for each Cluster: most of the time is their start.
    Own,
    /// One API server serves all Clusters, and the bench replaces the operator: see [`shared`].
    Shared,
}

impl ApiServers {
    /// Number of Clusters: the variable of the round, or its default.
    fn number(self) -> Result<u16> {
        let (variable, default, limit) = match self {
            // Fifty take 13 GiB; two cores are busy for ten minutes, and have little room for more.
            Self::Own => ("KAMAJI_BENCH_CLUSTERS", 50, turns::ADDRESSES),
            Self::Shared => ("KAMAJI_BENCH_CLUSTERS_SHARED", 200, 500),
        };
        let Ok(given) = env::var(variable) else {
            return Ok(default);
        };
        let number = given.parse();
        let number: u16 = number.with_context(|| format!("{variable} is a number"))?;
        ensure!(number <= limit, "{variable} is at most {limit}");
        Ok(number)
    }

    /// Name of a figure of this round.
    fn figure(self, number: u16, what: &str) -> String {
        match self {
            Self::Own => format!("clusters_n{number}_{what}"),
            Self::Shared => format!("clusters_shared_n{number}_{what}"),
        }
    }
}

/// Measures both rounds; a round without Clusters is left out.
pub async fn measure(figures: &mut Figures) -> Result<()> {
    for servers in [ApiServers::Own, ApiServers::Shared] {
        let number = servers.number()?;
        if number == 0 {
            continue;
        }
        let layout = Layout::from_env()?;
        let testbed = Testbed::up(layout.clone()).await?;
        let measured = run(&testbed, servers, number, figures).await;
        if measured.is_err() {
            println!("{}", testbed.diagnostics().await);
        }
        Testbed::down(&layout).await?;
        measured?;
    }
    Ok(())
}

async fn run(
    testbed: &Testbed,
    servers: ApiServers,
    number: u16,
    figures: &mut Figures,
) -> Result<()> {
    cluster_api::install(testbed).await?;
    infrastructure::define(testbed).await?;
    let bed: Bed = testbed.bed.clone();
    // Tasks that run beside the measurement end with this function.
    let mut beside = JoinSet::new();
    beside.spawn(async move { infrastructure::run(&bed).await });
    let kubectl = testbed.kubectl()?;
    let mut clusters = clusters(testbed, number)?;
    let turns = match servers {
        ApiServers::Own => Some(Turns::of(&kubectl, &mut clusters)?),
        ApiServers::Shared => {
            let shared = Shared::up(testbed).await?;
            beside.spawn(async move { shared.serve().await });
            None
        }
    };
    let round = Round {
        testbed,
        kubectl: &kubectl,
        servers,
        number,
    };
    let clusters = clusters.concat();
    let until_available = round.start(&clusters, turns.as_ref(), figures);
    tokio::select! {
        available = until_available => available?,
        ended = beside.join_next() => bail!("what the bench plays has ended: {ended:?}"),
    }
    round.rest(figures).await?;
    round.restart(figures).await
}

/// One round of the bench: its testbed, and its Clusters.
struct Round<'a> {
    testbed: &'a Testbed,
    kubectl: &'a Kubectl,
    servers: ApiServers,
    number: u16,
}

impl Round<'_> {
    /// Applies the Clusters and measures until all are available.
    async fn start(
        &self,
        clusters: &[Value],
        turns: Option<&Turns<'_>>,
        figures: &mut Figures,
    ) -> Result<()> {
        let (kubectl, number) = (self.kubectl, self.number);
        let manifests = json!({"apiVersion": "v1", "kind": "List", "items": clusters});
        let manifests = manifests.to_string();
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
        });
        kubectl.apply(&namespace.to_string()).await?;
        let provider = Usage::of_command(&["kamaji", "provider"])?;
        let cpu = provider.cpu()?;
        let empty = provider.memory("VmRSS")?;
        let (mark, begin) = (self.testbed.audit().mark()?, Instant::now());
        // Under this load webhooks of Cluster API may refuse an object once; the apply is repeated.
        until("all is applied", LIMIT, || kubectl.apply(&manifests)).await?;
        let name = |what: &str| self.servers.figure(number, what);
        figures.set(name("applied_s"), begin.elapsed().as_secs_f64());
        until("all Clusters are available", LIMIT, || async {
            // Polling more often would load what is measured.
            tokio::time::sleep(POLL).await;
            if let Some(turns) = turns {
                turns.next(begin).await?;
            }
            let available = available(kubectl, "clusters").await?;
            ensure!(available == number, "{available} of {number}");
            Ok(())
        })
        .await?;
        figures.set(name("available_s"), begin.elapsed().as_secs_f64());
        let each = f64::from(number);
        let asked = by_provider(self.testbed, mark)?;
        requests::print(&asked, each);
        figures.set(name("requests_per_cluster"), count(&asked)? / each);
        figures.set(name("cpu_s_per_cluster"), (provider.cpu()? - cpu) / each);
        figures.set(name("rss_empty_mib"), empty);
        figures.set(name("rss_mib"), provider.memory("VmRSS")?);
        figures.set(name("rss_peak_mib"), provider.memory("VmHWM")?);
        Ok(())
    }

    /// Counts the provider's requests at rest.
    async fn rest(&self, figures: &mut Figures) -> Result<()> {
        let name = |what: &str| self.servers.figure(self.number, what);
        let mark = self.testbed.audit().mark()?;
        tokio::time::sleep(REST).await;
        let mut idle = by_provider(self.testbed, mark)?;
        // API servers end a watch after some minutes; its restart does not count.
        idle.retain(|entry| entry.verb != "watch");
        figures.set(name("idle_requests_10s"), count(&idle)?);
        idle.retain(Entry::is_write);
        figures.set(name("idle_writes_10s"), count(&idle)?);
        Ok(())
    }

    /// Restarts the provider, and measures what it does over Clusters that are all as they should be.
    async fn restart(&self, figures: &mut Figures) -> Result<()> {
        let name = |what: &str| self.servers.figure(self.number, what);
        let each = f64::from(self.number);
        let mark = self.testbed.audit().mark()?;
        restart(self.testbed, self.kubectl).await?;
        let asked = by_provider(self.testbed, mark)?;
        let writes: Vec<Entry> = asked.iter().filter(|e| e.is_write()).cloned().collect();
        requests::print(&asked, each);
        let provider = Usage::of_command(&["kamaji", "provider"])?;
        figures.set(name("restart_requests_per_cluster"), count(&asked)? / each);
        figures.set(name("restart_writes"), count(&writes)?);
        figures.set(name("restart_cpu_s_per_cluster"), provider.cpu()? / each);
        figures.set(name("restart_rss_mib"), provider.memory("VmRSS")?);
        Ok(())
    }
}

/// Restarts the provider and waits until it sends no more requests.
async fn restart(testbed: &Testbed, kubectl: &Kubectl) -> Result<()> {
    let deployment = format!("-n {OPERATOR_NAMESPACE} rollout");
    for what in ["restart", "status"] {
        let line = format!("{deployment} {what} deployment capi-kamaji-controller-manager");
        kubectl.run(&line).await?;
    }
    until("the provider is at rest", LIMIT, || async {
        let mark = testbed.audit().mark()?;
        tokio::time::sleep(REST).await;
        let asked = by_provider(testbed, mark)?.len();
        ensure!(asked == 0, "{asked} requests in {REST:?}");
        Ok(())
    })
    .await
}

/// Requests of the provider since the mark, leases aside.
fn by_provider(testbed: &Testbed, mark: u64) -> Result<Vec<Entry>> {
    let mut entries = testbed.audit().since(mark)?;
    entries.retain(|entry| {
        entry
            .user
            .username
            .ends_with(":capi-kamaji-controller-manager")
            && !entry.is_of_a_lease()
    });
    Ok(entries)
}

fn count(entries: &[Entry]) -> Result<f64> {
    Ok(f64::from(u32::try_from(entries.len())?))
}

/// Objects of `number` hollow Clusters, rendered from the template.
fn clusters(testbed: &Testbed, number: u16) -> Result<Vec<Vec<Value>>> {
    let template = manifest("cluster-hollow.yaml")?;
    let version = kubernetes_version()?;
    let cluster = |index: u16| {
        let address = turns::address(testbed, index).to_string();
        let cluster = template
            .replace("${CLUSTER_NAME}", &format!("{NAMESPACE}-{index}"))
            .replace("${NAMESPACE}", NAMESPACE)
            .replace("${CONTROL_PLANE_ADDRESS}", &address)
            .replace("${KUBERNETES_VERSION}", &version)
            .replace("${CONTROL_PLANE_MACHINE_COUNT:=1}", "1")
            .replace("${WORKER_MACHINE_COUNT:=0}", "1");
        ensure!(
            !cluster.contains("${"),
            "the template has further variables"
        );
        Ok(serde_saphyr::from_multiple(&cluster)?)
    };
    (0..number).map(cluster).collect()
}

/// Number of objects of a kind whose condition Available is true.
async fn available(kubectl: &Kubectl, kind: &str) -> Result<u16> {
    let found = kubectl.json(&format!("get {kind} -n {NAMESPACE}")).await?;
    let found = found["items"].as_array().into_iter().flatten();
    let available = found.filter(|object| has_condition(object, ("Available", "True")));
    Ok(u16::try_from(available.count())?)
}
