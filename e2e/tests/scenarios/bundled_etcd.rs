//! Bundled etcd: one `helm install` gives a working tenant; the etcd grows, restarts and outlives its release.

mod backup;

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::kubectl::{Kubectl, has_condition};
use kamaji_e2e::step::step;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::tools::Tools;
use kamaji_e2e::wait::until;
use kamaji_e2e::{catalogue, management, operator};
use serde_json::{Value, json};

use backup::Backups;

use super::helm::{DEFINITIONS, Helm, IMAGE, IMAGE_TAG, namespace, require_none};
use super::manifest;

/// Volumes that the cluster has, one for each member.
const VOLUMES: usize = 3;
const LIMIT: Duration = Duration::from_mins(4);
const ROOT: &str = "kamaji-etcd-root-client-certs";
const CERTIFICATES: &str = "kamaji-etcd-certs";
const ONE: [&str; 2] = [IMAGE_TAG, "--set=kamaji-etcd.replicas=1"];
/// The chart's own values: three members.
const DEFAULTS: [&str; 1] = [IMAGE_TAG];

/// Brings what a cluster has before: the operator's and etcd's images, a namespace that restricts pods, and volumes.
pub async fn prepare(testbed: &Testbed, kubectl: &Kubectl) -> Result<()> {
    let node = testbed.node()?;
    operator::load(&node, &operator::binary().await?, IMAGE).await?;
    let etcd = catalogue::etcd(&testbed.bed.tools)?;
    node.import(&management::archives(vec![etcd]).await?)
        .await?;
    kubectl.apply(&namespace("restricted")).await?;
    kubectl.apply(&volumes(testbed)?).await
}

pub async fn run(testbed: Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    require_none(&kubectl).await?;
    prepare(&testbed, &kubectl).await?;
    let backups = Backups::new(&testbed)?;
    kubectl.apply(&backups.claim()?).await?;
    let helm = Helm {
        tools: Tools::helm().await?,
        kubectl: &kubectl,
    };

    let one = flags(&ONE, &backups.values);
    let all = flags(&DEFAULTS, &backups.values);
    let tenant = step("one member and a tenant", install(&testbed, &helm, &one)).await?;
    step("defragmentation", defragment(&kubectl)).await?;
    step(
        "growth to three members",
        grow(&helm, (&one, &all), &tenant),
    )
    .await?;
    step("deletion of all pods", restart(&kubectl, &tenant)).await?;
    let snapshot = step("a snapshot", backups.save(&helm)).await?;
    if std::env::var_os("KAMAJI_SOAK").is_some() {
        let restored = backups.restore((&testbed, &helm), &snapshot, &tenant);
        step("loss and restore", restored).await?;
    }
    step(
        "removal and return",
        remove_and_return(&helm, &all, &tenant),
    )
    .await?;
    tenant.delete().await?;
    step("removal of everything", remove(&kubectl, &helm)).await
}

/// Flags of Helm with those of the values.
fn flags<'a>(base: &[&'a str], values: &'a str) -> Vec<&'a str> {
    [base, &[values]].concat()
}

/// Installs the chart with one member, and a tenant on the DataStore that it brings.
async fn install(testbed: &Testbed, helm: &Helm<'_>, one: &[&str]) -> Result<Tenant> {
    helm.install("kamaji", one).await?;
    data_store_is_ready(helm.kubectl, 1).await?;
    let profile = json!({"networkProfile": manifest::at_address(testbed, 7)});
    let text = manifest::tenant("bundled", "bundled", profile);
    helm.kubectl.run("create namespace bundled").await?;
    helm.webhooks_answer(&text).await?;
    let tenant = Tenant::apply(testbed, &text).await?;
    tenant.wait_ready(LIMIT).await?;
    tenant.kubectl().await?.run("create namespace kept").await?;
    Ok(tenant)
}

/// Upgrades to the members that the chart has by default; fewer are refused afterwards.
async fn grow(helm: &Helm<'_>, (one, all): (&[&str], &[&str]), tenant: &Tenant) -> Result<()> {
    helm.install("kamaji", all).await?;
    data_store_is_ready(helm.kubectl, 3).await?;
    keeps_its_data(tenant).await?;
    let Err(refused) = helm.install("kamaji", one).await else {
        bail!("members were taken away");
    };
    let said = format!("{refused:#}");
    ensure!(said.contains("Set kamaji-etcd.replicas=3"), "{said}");
    Ok(())
}

/// Deletes all members' pods; they come back with their data.
async fn restart(kubectl: &Kubectl, tenant: &Tenant) -> Result<()> {
    let pods = "pod -l app.kubernetes.io/name=kamaji-etcd --timeout=120s";
    kubectl
        .run(&format!("-n {OPERATOR_NAMESPACE} delete {pods}"))
        .await?;
    members_are_ready(kubectl, 3).await?;
    keeps_its_data(tenant).await
}

/// Removes the release, which stops no tenant; then the etcd, too. A new release takes up what is left.
async fn remove_and_return(helm: &Helm<'_>, all: &[&str], tenant: &Tenant) -> Result<()> {
    let kubectl = helm.kubectl;
    let before = secret(kubectl, CERTIFICATES).await?;
    helm.uninstall("kamaji").await?;
    keeps_its_data(tenant).await?;
    remove_etcd(kubectl).await?;
    let left = kubectl
        .run(&format!("get pvc,secret -n {OPERATOR_NAMESPACE} -o name"))
        .await?;
    for name in [CERTIFICATES, ROOT, "data-kamaji-etcd-2"] {
        ensure!(left.contains(name), "{name} is gone: {left}");
    }
    helm.install("kamaji", all).await?;
    let after = secret(kubectl, CERTIFICATES).await?;
    ensure!(before == after, "the release has other certificates");
    data_store_is_ready(kubectl, 3).await?;
    keeps_its_data(tenant).await
}

/// A storage class without a provisioner, and volumes in folders that any user may write.
fn volumes(testbed: &Testbed) -> Result<String> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": "testbed",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    let mut text = class.to_string();
    for index in 0..VOLUMES {
        let folder = testbed.bed.layout.dir("volumes").join(index.to_string());
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        open_to_all(&folder)?;
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": format!("etcd-{index}")},
            "spec": {
                "capacity": {"storage": "8Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": "testbed",
                "hostPath": {"path": folder, "type": "Directory"},
            },
        });
        let _ = write!(text, "\n---\n{volume}");
    }
    Ok(text)
}

/// Lets any user write into a folder.
fn open_to_all(folder: &Path) -> Result<()> {
    Ok(fs::set_permissions(folder, Permissions::from_mode(0o777))?)
}

/// Waits until the DataStore names so many members, answers, and has access control on.
async fn data_store_is_ready(kubectl: &Kubectl, members: usize) -> Result<()> {
    until("the DataStore has access control on", LIMIT, || async {
        let store = kubectl.json("get datastore default").await?;
        let endpoints = store["spec"]["endpoints"].as_array().map(Vec::len);
        let on = ("kamaji.clastix.io/AccessControl", "True");
        if endpoints != Some(members) || !has_condition(&store, on) {
            bail!("it is {store}");
        }
        Ok(())
    })
    .await
}

async fn members_are_ready(kubectl: &Kubectl, members: u64) -> Result<()> {
    until("all members are ready", LIMIT, || async {
        let line = format!("get statefulset kamaji-etcd -n {OPERATOR_NAMESPACE}");
        let ready = kubectl.json(&line).await?["status"]["readyReplicas"].take();
        if ready != members {
            bail!("{ready} of {members} are");
        }
        Ok(())
    })
    .await
}

/// The tenant still has the namespace that it was given, and takes writes.
async fn keeps_its_data(tenant: &Tenant) -> Result<()> {
    let kubectl = tenant.kubectl().await?;
    until("the tenant has its data", LIMIT, || async {
        kubectl.run("get namespace kept").await?;
        kubectl
            .run("annotate namespace kept written=yes --overwrite")
            .await
    })
    .await?;
    Ok(())
}

/// Runs the CronJob's Job now; it is served as the administrator.
async fn defragment(kubectl: &Kubectl) -> Result<()> {
    let own = format!("-n {OPERATOR_NAMESPACE}");
    let from = "--from=cronjob/kamaji-etcd-defragment";
    kubectl
        .run(&format!("create job {own} defragment-once {from}"))
        .await?;
    job_ends(kubectl, "defragment-once").await?;
    let line = format!("delete job defragment-once {own} --timeout=60s");
    kubectl.run(&line).await.map(drop)
}

/// Waits until a Job is complete; an error has the log of one that failed.
async fn job_ends(kubectl: &Kubectl, name: &str) -> Result<()> {
    let own = format!("-n {OPERATOR_NAMESPACE}");
    until("the Job ends", LIMIT, || async {
        let line = format!("get job {name} {own}");
        let job = kubectl.json(&line).await?;
        if has_condition(&job, ("Failed", "True")) {
            let line = format!("logs job/{name} {own} --all-containers");
            let log = kubectl.run(&line).await?;
            return Ok(Err(anyhow!("{log}")));
        }
        ensure!(has_condition(&job, ("Complete", "True")), "it runs");
        Ok(Ok(()))
    })
    .await?
}

/// Data of a Secret of the operator's namespace, in base64.
async fn secret(kubectl: &Kubectl, name: &str) -> Result<Value> {
    let line = format!("get secret {name} -n {OPERATOR_NAMESPACE}");
    Ok(kubectl.json(&line).await?["data"].take())
}

/// Removes the objects of etcd that a release leaves running.
async fn remove_etcd(kubectl: &Kubectl) -> Result<()> {
    let kinds = "statefulset,service,poddisruptionbudget";
    let chosen = "-l app.kubernetes.io/name=kamaji-etcd --cascade=foreground --timeout=120s";
    let line = format!("delete -n {OPERATOR_NAMESPACE} {kinds} {chosen}");
    kubectl.run(&line).await.map(drop)
}

/// Removes everything: the next scenarios have an operator of their own.
async fn remove(kubectl: &Kubectl, helm: &Helm<'_>) -> Result<()> {
    for line in ["delete namespace bundled", "delete datastore default"] {
        kubectl.run(&format!("{line} --timeout=60s")).await?;
    }
    helm.uninstall("kamaji").await?;
    remove_what_stays(kubectl).await?;
    kubectl
        .run("delete pv etcd-backups --timeout=60s")
        .await
        .map(drop)
}

/// Removes what a release leaves, and the volumes.
pub async fn remove_what_stays(kubectl: &Kubectl) -> Result<()> {
    let own = format!("-n {OPERATOR_NAMESPACE}");
    remove_etcd(kubectl).await?;
    for line in [
        format!("delete {own} secret {CERTIFICATES} {ROOT}"),
        format!("delete {own} configmap kamaji-etcd-cluster"),
        format!("delete {own} pvc --all --timeout=60s"),
        "delete pv etcd-0 etcd-1 etcd-2 --timeout=60s".to_owned(),
        "delete storageclass testbed".to_owned(),
        format!("delete crd {} --timeout=60s", DEFINITIONS.join(" ")),
    ] {
        kubectl.run(&line).await?;
    }
    kubectl.apply(&namespace("privileged")).await
}
