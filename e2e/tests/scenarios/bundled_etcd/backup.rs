//! Snapshots of the bundled etcd by the chart's CronJob, and the restore that `docs/guides/restore-etcd.md` describes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use age::secrecy::ExposeSecret;
use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::super::helm::Helm;
use super::{DEFAULTS, LIMIT, flags, job_ends, keeps_its_data, members_are_ready, volumes};

/// Claim that snapshots are written to.
const CLAIM: &str = "backups";

/// Key that opens the snapshots, and values of the release that make them.
pub struct Backups {
    folder: PathBuf,
    /// Flag of Helm with the values.
    pub values: String,
}

impl Backups {
    /// Makes a key, and a folder for its snapshots that any user may write.
    pub fn new(testbed: &Testbed) -> Result<Self> {
        let folder = testbed.bed.layout.dir("backups");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let identity = age::x25519::Identity::generate();
        fs::write(
            folder.join("backup.key"),
            identity.to_string().expose_secret(),
        )?;
        let backup = json!({
            "enabled": true,
            "recipients": [identity.to_public().to_string()],
            "persistentVolumeClaim": CLAIM,
        });
        let values = folder.join("values.yaml");
        let content = json!({"kamaji-etcd": {"backup": backup}});
        fs::write(&values, content.to_string())?;
        Ok(Self {
            folder,
            values: format!("--values={}", values.display()),
        })
    }

    /// The claim, and the volume that is for it alone.
    pub fn claim(&self) -> Result<String> {
        let folder = self.folder.join("snapshots");
        fs::create_dir_all(&folder)?;
        super::open_to_all(&folder)?;
        let size = json!({"storage": "1Gi"});
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "etcd-backups"},
            "spec": {
                "capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": CLAIM,
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": folder, "type": "Directory"},
            },
        });
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "namespace": OPERATOR_NAMESPACE},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": CLAIM,
                "resources": {"requests": size},
            },
        });
        Ok(format!("{volume}\n---\n{claim}"))
    }

    /// Runs the CronJob's Job now; returns the name of the snapshot.
    pub async fn save(&self, helm: &Helm<'_>) -> Result<String> {
        let own = format!("-n {OPERATOR_NAMESPACE}");
        let from = "--from=cronjob/kamaji-etcd-backup";
        let line = format!("create job {own} backup-once {from}");
        helm.kubectl.run(&line).await?;
        job_ends(helm.kubectl, "backup-once").await?;
        let line = format!("logs {own} job/backup-once");
        let said = helm.kubectl.run(&line).await?;
        let name = said.split("/backup/").nth(1);
        let name = name.and_then(|rest| rest.split(':').next());
        let name = name.with_context(|| format!("no name in {said:?}"))?;
        let bytes = fs::read(self.folder.join("snapshots").join(name))?;
        ensure!(
            bytes.starts_with(b"age-encryption.org/"),
            "it is not encrypted"
        );
        let line = format!("delete job {own} backup-once --timeout=60s");
        helm.kubectl.run(&line).await?;
        Ok(name.to_owned())
    }

    /// Loses all volumes, and restores the store from a snapshot by the steps of the guide.
    pub async fn restore(
        &self,
        (testbed, helm): (&Testbed, &Helm<'_>),
        snapshot: &str,
        tenant: &Tenant,
    ) -> Result<()> {
        let kubectl = helm.kubectl;
        tenant.kubectl().await?.run("create namespace lost").await?;
        let own = format!("-n {OPERATOR_NAMESPACE}");
        let all = "-l app.kubernetes.io/name=kamaji-etcd";
        let key = self.folder.join("backup.key");
        let from_key = format!("--from-file=identity={}", key.display());
        for line in [
            format!("scale statefulset {own} kamaji-etcd --replicas=0"),
            format!("wait pod {own} {all} --for=delete --timeout=120s"),
            format!("delete pvc {own} {all} --timeout=60s"),
            // The volumes of this cluster are not made on demand.
            "delete pv etcd-0 etcd-1 etcd-2 --timeout=60s".to_owned(),
            format!("create secret generic {own} backup-key {from_key}"),
        ] {
            kubectl.run(&line).await?;
        }
        kubectl.apply(&volumes(testbed)?).await?;
        let from = format!("--set=kamaji-etcd.restore.from=/backup/{snapshot}");
        let secret = "--set=kamaji-etcd.restore.identitySecret=backup-key";
        let show = "--show-only=templates/etcd/restore.yaml";
        let values = flags(&DEFAULTS, &self.values);
        let rendered = [&values[..], &[&from, secret, show]].concat();
        kubectl
            .apply(&helm.template("kamaji", &rendered).await?)
            .await?;
        job_ends(kubectl, "kamaji-etcd-restore").await?;
        helm.install("kamaji", &values).await?;
        for line in [
            format!(
                "delete job,serviceaccount,role,rolebinding {own} -l app.kubernetes.io/component=restore"
            ),
            format!("delete secret {own} backup-key"),
            "delete pods -A -l kamaji.clastix.io/name".to_owned(),
        ] {
            kubectl.run(&line).await?;
        }
        members_are_ready(kubectl, 3).await?;
        keeps_its_data(tenant).await?;
        self.went_back(tenant).await?;
        self.refuses_former_data(testbed, helm).await
    }

    /// Asserts that writes after the snapshot are gone, and that clients see revisions that are new.
    async fn went_back(&self, tenant: &Tenant) -> Result<()> {
        let kubectl = tenant.kubectl().await?;
        // kubectl's own lists have no resource version.
        let all = kubectl.run("get --raw /api/v1/namespaces").await?;
        let all: Value = serde_json::from_str(&all).context("a list of namespaces")?;
        ensure!(!all.to_string().contains(r#""lost""#), "{all}");
        let version = all["metadata"]["resourceVersion"].as_str();
        let version: u64 = version.context("no resourceVersion")?.parse()?;
        ensure!(version > 10_000_000_000_000, "revision {version}");
        Ok(())
    }

    /// A member whose volume is not of the restore does not start, and says which claim to delete.
    async fn refuses_former_data(&self, testbed: &Testbed, helm: &Helm<'_>) -> Result<()> {
        let kubectl = helm.kubectl;
        let own = format!("-n {OPERATOR_NAMESPACE}");
        let claim = kubectl
            .json(&format!("get pvc {own} data-kamaji-etcd-2"))
            .await?;
        let volume = claim["spec"]["volumeName"].as_str();
        let index = volume.and_then(|name| name.strip_prefix("etcd-"));
        let index = index.with_context(|| format!("the volume of {claim}"))?;
        let mark = testbed.bed.layout.dir("volumes").join(index);
        let mark = mark.join("restored");
        let name = fs::read(&mark).context("the member has no mark")?;
        fs::write(&mark, "another")?;
        let pod = format!("{own} kamaji-etcd-2");
        kubectl
            .run(&format!("delete pod {pod} --timeout=60s"))
            .await?;
        until("the member refuses", Duration::from_mins(1), || async {
            let pod = kubectl.json(&format!("get pod {pod}")).await?;
            let state = &pod["status"]["initContainerStatuses"][0];
            let message = [&state["state"], &state["lastState"]]
                .map(|state| &state["terminated"]["message"])
                .into_iter()
                .find_map(Value::as_str)
                .with_context(|| format!("no message in {state}"))?;
            let words = "delete the claim data-kamaji-etcd-2";
            ensure!(message.contains(words), "{message}");
            Ok(())
        })
        .await?;
        fs::write(&mark, name)?;
        kubectl
            .run(&format!("delete pod {pod} --timeout=60s"))
            .await?;
        until("all members are ready", LIMIT, || {
            members_are_ready(kubectl, 3)
        })
        .await
    }
}
