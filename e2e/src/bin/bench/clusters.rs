//! What do many Clusters of Cluster API cost our provider?
//!
//! On a testbed of their own, with real control planes and Cluster API's real core; each Cluster has one
//! worker, a hollow Node. Most of the time is what that many API servers take to start on this machine.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::Entry;
use kamaji_e2e::bed::Bed;
use kamaji_e2e::catalogue;
use kamaji_e2e::cluster_api;
use kamaji_e2e::infrastructure;
use kamaji_e2e::layout::{Layout, crate_dir};
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::kubernetes_version;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::usage::Usage;

/// Number of Clusters unless `KAMAJI_BENCH_CLUSTERS` says another one; there are addresses for 64. On two
/// cores, twenty real control planes that start at once starve one another until their probes give up.
const NUMBER: &str = "10";
/// The first of their addresses.
const ADDRESS: u8 = 32;
/// Longest wait for all of them.
const LIMIT: Duration = Duration::from_mins(40);
/// How long they are watched at rest.
const REST: Duration = Duration::from_secs(10);
/// When the pods of the first control plane start, and how long after them the next ones.
const FIRST: Duration = Duration::from_secs(45);
const TURN: Duration = Duration::from_secs(15);

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
    kubectl.apply(&manifests).await?;
    until("all Clusters are available", LIMIT, || async {
        let clusters = kubectl.json("get clusters -n bench").await?;
        let available = clusters["items"].as_array().into_iter().flatten();
        let available = available.filter(|cluster| is_available(cluster)).count();
        ensure!(available == usize::from(number), "{available} of {number}");
        Ok(())
    })
    .await?;
    let name = |what: &str| format!("clusters_n{number}_{what}");
    figures.set(name("available_s"), begin.elapsed().as_secs_f64());
    let each = f64::from(number);
    let asked = requests(testbed, mark)?;
    print(&asked);
    figures.set(name("requests_per_cluster"), count(&asked)? / each);
    figures.set(name("cpu_s_per_cluster"), (provider.cpu()? - cpu) / each);
    figures.set(name("rss_empty_mib"), empty);
    figures.set(name("rss_mib"), provider.memory("VmRSS")?);
    figures.set(name("rss_peak_mib"), provider.memory("VmHWM")?);
    let mark = testbed.audit().mark()?;
    tokio::time::sleep(REST).await;
    let mut idle = requests(testbed, mark)?;
    idle.retain(Entry::is_write);
    figures.set(name("idle_writes_10s"), count(&idle)?);
    providers.abort();
    Ok(())
}

/// The provider's requests since the mark; leases aside.
fn requests(testbed: &Testbed, mark: u64) -> Result<Vec<Entry>> {
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

/// Prints how often what was asked for.
fn print(entries: &[Entry]) {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        let (object, code) = (&entry.object_ref, entry.response_status.code);
        let (kind, part) = (&object.resource, &object.subresource);
        let what = format!("{} {kind} {part} {code}", entry.verb);
        *kinds.entry(what).or_default() += 1;
    }
    for (what, count) in kinds {
        println!("  {count:>6} {what}");
    }
}

fn count(entries: &[Entry]) -> Result<f64> {
    Ok(f64::from(u32::try_from(entries.len())?))
}

fn is_available(cluster: &Value) -> bool {
    let conditions = cluster["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|said| said["type"] == "Available" && said["status"] == "True")
}

/// The template of hollow Clusters, so many times.
fn manifests(testbed: &Testbed, number: u8) -> Result<String> {
    let path = crate_dir().join("manifests/cluster-hollow.yaml");
    let template = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
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
        items.extend(objects.into_iter().map(|object| in_turn(object, index)));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    Ok(list.to_string())
}

/// Has the pods of a control plane wait for their turn, and gives them time: API servers that all start
/// at once starve one another on a small machine.
fn in_turn(mut object: Value, index: u8) -> Value {
    if object["kind"] == "KamajiControlPlane" {
        let turn = FIRST + TURN * u32::from(index);
        let patient = json!({"timeoutSeconds": 10, "failureThreshold": 60});
        object["spec"]["deployment"] = json!({
            "extraInitContainers": [{
                "name": "turn", "image": catalogue::BUSYBOX,
                "command": ["sleep", turn.as_secs().to_string()],
            }],
            "probes": {"startup": patient, "liveness": patient, "readiness": patient},
        });
        for component in ["controllerManager", "scheduler"] {
            object["spec"][component] = json!({"extraArgs": ["--leader-elect=false"]});
        }
    }
    object
}
