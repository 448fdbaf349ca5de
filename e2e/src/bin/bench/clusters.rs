//! What do many Clusters of Cluster API cost our provider?
//!
//! On a testbed of their own, with real control planes and Cluster API's real core; each Cluster has one
//! worker, a hollow Node. Most of the time is what that many API servers take to start on this machine.

use std::cell::Cell;
use std::env;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::Entry;
use kamaji_e2e::bed::Bed;
use kamaji_e2e::cluster_api;
use kamaji_e2e::infrastructure;
use kamaji_e2e::kubectl::{Kubectl, says};
use kamaji_e2e::layout::{Layout, manifest};
use kamaji_e2e::management::NODE;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::kubernetes_version;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::requests;
use crate::usage::Usage;

/// Number of Clusters unless `KAMAJI_BENCH_CLUSTERS` says another one; there are addresses for 64. A control plane
/// that does nothing takes some 3 % of a core: two cores have room for about twenty.
const NUMBER: &str = "10";
/// The first of their addresses.
const ADDRESS: u8 = 32;
/// Longest wait for all of them.
const LIMIT: Duration = Duration::from_mins(40);
/// Time between two looks at them.
const LOOK: Duration = Duration::from_secs(3);
/// How long they are watched at rest.
const REST: Duration = Duration::from_secs(10);

/// Measures on a testbed for this alone.
pub async fn measure(figures: &mut Figures) -> Result<()> {
    let number = env::var("KAMAJI_BENCH_CLUSTERS").unwrap_or_else(|_| NUMBER.into());
    let number: u8 = number
        .parse()
        .context("KAMAJI_BENCH_CLUSTERS is a number")?;
    ensure!(number <= 64, "there are addresses for 64 Clusters");
    let layout = Layout::from_env()?;
    let testbed = Testbed::up(layout.clone()).await?;
    let measured = tell(&testbed, number, figures).await;
    if measured.is_err() {
        println!("{}", testbed.circumstances().await);
    }
    Testbed::down(&layout).await?;
    measured
}

async fn tell(testbed: &Testbed, number: u8, figures: &mut Figures) -> Result<()> {
    cluster_api::install(testbed).await?;
    infrastructure::define(testbed).await?;
    let bed: Bed = testbed.bed.clone();
    let providers = tokio::spawn(async move { infrastructure::run(&bed).await });
    let (kubectl, manifests) = (testbed.kubectl()?, manifests(testbed, number)?);
    let provider = Usage::of_command(&["kamaji", "provider"])?;
    let cpu = provider.cpu()?;
    let empty = provider.memory("VmRSS")?;
    let (mark, begin) = (testbed.audit().mark()?, Instant::now());
    // Under so much at once webhooks of Cluster API may refuse once, as GitOps tools know.
    until("all is applied", LIMIT, || kubectl.apply(&manifests)).await?;
    let turns = Turns {
        kubectl: &kubectl,
        number,
        begun: Cell::new(0),
    };
    until("all Clusters are available", LIMIT, || async {
        // What is asked more often takes from what is measured.
        tokio::time::sleep(LOOK).await;
        turns.next(begin).await?;
        let available = available(&kubectl, "clusters").await?;
        ensure!(available == number, "{available} of {number}");
        Ok(())
    })
    .await?;
    let name = |what: &str| format!("clusters_n{number}_{what}");
    figures.set(name("available_s"), begin.elapsed().as_secs_f64());
    let each = f64::from(number);
    let asked = by_provider(testbed, mark)?;
    requests::print(&asked, each);
    figures.set(name("requests_per_cluster"), count(&asked)? / each);
    figures.set(name("cpu_s_per_cluster"), (provider.cpu()? - cpu) / each);
    figures.set(name("rss_empty_mib"), empty);
    figures.set(name("rss_mib"), provider.memory("VmRSS")?);
    figures.set(name("rss_peak_mib"), provider.memory("VmHWM")?);
    let mark = testbed.audit().mark()?;
    tokio::time::sleep(REST).await;
    let mut idle = by_provider(testbed, mark)?;
    idle.retain(Entry::is_write);
    figures.set(name("idle_writes_10s"), count(&idle)?);
    providers.abort();
    Ok(())
}

/// The provider's requests since the mark; leases aside.
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

/// The template of hollow Clusters, so many times.
fn manifests(testbed: &Testbed, number: u8) -> Result<String> {
    let template = manifest("cluster-hollow.yaml")?;
    let metadata = json!({"name": "bench"});
    let mut items = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})];
    for index in 0..number {
        let address = testbed.bed.layout.vip(ADDRESS + index).to_string();
        let cluster = template
            .replace("${CLUSTER_NAME}", &format!("bench-{index}"))
            .replace("${NAMESPACE}", "bench")
            .replace("${CONTROL_PLANE_ADDRESS}", &address)
            .replace("${KUBERNETES_VERSION}", &kubernetes_version()?)
            .replace("${CONTROL_PLANE_MACHINE_COUNT:=1}", "1")
            .replace("${WORKER_MACHINE_COUNT:=0}", "1");
        ensure!(
            !cluster.contains("${"),
            "the template has further variables"
        );
        let objects: Vec<Value> = serde_saphyr::from_multiple(&cluster)?;
        let objects = objects.into_iter();
        items.extend(objects.map(|object| in_turn(object, index)));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    Ok(list.to_string())
}

/// How many objects of a kind are Available.
async fn available(kubectl: &Kubectl, kind: &str) -> Result<u8> {
    let found = kubectl.json(&format!("get {kind} -n bench")).await?;
    let found = found["items"].as_array().into_iter().flatten();
    let available = found.filter(|object| says(object, ("Available", "True")));
    Ok(u8::try_from(available.count())?)
}

/// Whose pods may be scheduled: API servers that all start at once starve one another on a small
/// machine. Everything else goes on at once.
struct Turns<'a> {
    kubectl: &'a Kubectl,
    number: u8,
    begun: Cell<u8>,
}

impl Turns<'_> {
    /// Lets one more begin for each that is available, and a few at first.
    async fn next(&self, begin: Instant) -> Result<()> {
        let available = available(self.kubectl, "ktcp").await?;
        let at_once = u8::try_from(available_parallelism()?.get())?.saturating_add(1);
        let turn = available.saturating_add(at_once).min(self.number);
        let begun = self.begun.replace(turn.max(self.begun.get()));
        if begun >= turn {
            return Ok(());
        }
        let elapsed = begin.elapsed().as_secs();
        println!("{available:>10} control planes available after {elapsed} s");
        let labels: Vec<String> = (begun..turn)
            .map(|turn| format!("{}=", label(turn)))
            .collect();
        let line = format!("label node {NODE} --overwrite {}", labels.join(" "));
        self.kubectl.run(&line).await.map(drop)
    }
}

fn label(turn: u8) -> String {
    format!("bench.kamaji.clastix.io/turn-{turn}")
}

/// Has the pods of a control plane wait for their turn, and gives them time. What runs without need does
/// not.
fn in_turn(mut object: Value, turn: u8) -> Value {
    if object["kind"] == "KamajiControlPlane" {
        let patient = json!({"timeoutSeconds": 10, "periodSeconds": 20, "failureThreshold": 30});
        let ready = json!({"timeoutSeconds": 10, "periodSeconds": 5});
        object["spec"]["deployment"] = json!({
            "probes": {"startup": patient, "liveness": patient, "readiness": ready},
            "nodeSelector": {label(turn): ""},
        });
        object["spec"]["controllerManager"] = json!({"extraArgs": [
            "--leader-elect=false", "--controllers=bootstrap-signer-controller,token-cleaner-controller",
        ]});
        object["spec"]["scheduler"] = json!({"extraArgs": ["--leader-elect=false"]});
    }
    object
}
