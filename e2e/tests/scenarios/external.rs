//! A Cluster whose tenant is in another management cluster, reached by a kubeconfig with no more
//! rights than the documentation lists.
//!
//! The other management cluster is a tenant of this one, with a worker that runs the operator and
//! the tenants there. Two steps: created, rotated and deleted; and deleted when the tenant is gone
//! already.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::catalogue;
use kamaji_e2e::cluster_api::{self, Clusterctl};
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::management::{AT_HAND, archives};
use kamaji_e2e::operator;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use kamaji_e2e::worker::Worker;
use serde_json::{Value, json};

use super::manifest::version;
use super::objects::{Objects, cluster};

/// Name and namespace of the Cluster.
const FAR: (&str, &str) = ("far", "far");
/// Namespace of the tenant in the other management cluster.
const TENANT_NAMESPACE: &str = "tenants";
/// Port of the tenant's API server, above the range of NodePorts.
const PORT: u16 = 45443;
/// Name of the Secret with the other management cluster's kubeconfig, and the key in it.
const KUBECONFIG: (&str, &str) = ("other", "kubeconfig");

pub async fn run(testbed: Testbed) -> Result<()> {
    let clusterctl = cluster_api::install(&testbed).await?;
    let other = Other::start(&testbed).await?;
    let objects = Objects::of(&testbed, FAR.1)?;
    objects.namespace().await?;
    let case = Case {
        clusterctl: &clusterctl,
        objects: &objects,
        other: &other,
    };
    case.is_created().await?;
    case.kubeconfig_is_rotated().await?;
    case.is_deleted().await?;
    case.is_deleted_after_its_tenant().await?;
    objects.run("delete namespace far").await?;
    other.stop().await
}

/// The other management cluster: a tenant of the testbed with one worker.
struct Other {
    tenant: Tenant,
    worker: Worker,
    kubectl: Kubectl,
    testbed: Testbed,
}

impl Other {
    /// Creates the tenant, joins its worker, and installs the operator and the service accounts.
    async fn start(testbed: &Testbed) -> Result<Self> {
        let tenant = Tenant::apply(testbed, &other_manifest(testbed)).await?;
        tenant.wait_ready(Duration::from_mins(2)).await?;
        let kubectl = tenant.kubectl().await?;
        let worker = Worker::join(&testbed.bed, 3, &kubectl).await?;
        let node = worker.node();
        let images = catalogue::management(&testbed.bed.tools)?;
        node.import(&archives(images).await?).await?;
        operator::deploy_into(testbed, &kubectl, node).await?;
        kubectl.apply(AT_HAND).await?;
        kubectl.apply(&accounts().to_string()).await?;
        Ok(Self {
            tenant,
            worker,
            kubectl,
            testbed: testbed.clone(),
        })
    }

    /// Kubeconfig with a new token of a service account of the other cluster.
    async fn kubeconfig(&self, account: &str) -> Result<String> {
        let text = fs::read_to_string(self.kubectl.kubeconfig())?;
        let mut config: Value = serde_saphyr::from_str(&text)?;
        let line = format!("-n {TENANT_NAMESPACE} create token {account}");
        let token = self.kubectl.run(&line).await?;
        let name = config["users"][0]["name"].take();
        config["users"] = json!([{"name": name, "user": {"token": token.trim()}}]);
        Ok(config.to_string())
    }

    /// Lists the TenantControlPlanes of the other cluster.
    async fn tenants(&self) -> Result<Vec<Value>> {
        let list = self
            .kubectl
            .json(&format!("-n {TENANT_NAMESPACE} get tcp"))
            .await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until the other cluster has no object of a tenant.
    async fn wait_empty(&self) -> Result<()> {
        let kinds = "tcp,deployment,pod,service,secret,ingress";
        let line = format!("-n {TENANT_NAMESPACE} get {kinds} -o name");
        until("nothing is left", Duration::from_mins(1), || async {
            let left = self.kubectl.run(&line).await?;
            ensure!(left.trim().is_empty(), "{left} is left");
            Ok(())
        })
        .await
    }

    /// Removes the worker and deletes the tenant.
    async fn stop(self) -> Result<()> {
        self.worker.remove().await?;
        self.tenant.delete().await
    }
}

struct Case<'a> {
    clusterctl: &'a Clusterctl,
    objects: &'a Objects,
    other: &'a Other,
}

impl Case<'_> {
    /// The tenant is created in the other cluster, and the Cluster becomes available.
    async fn is_created(&self) -> Result<()> {
        self.apply_kubeconfig(&self.other.kubeconfig("first").await?)
            .await?;
        self.objects
            .apply(&cluster_manifest(&self.other.worker))
            .await?;
        for condition in ["RemoteConnectionProbe", "ControlPlaneAvailable"] {
            self.objects
                .condition("cluster far", (condition, "True"))
                .await?;
        }
        let cluster = self.objects.get("cluster far").await?;
        let endpoint = &cluster["spec"]["controlPlaneEndpoint"];
        let expected = json!({"host": self.other.worker.ip().to_string(), "port": PORT});
        ensure!(*endpoint == expected, "{endpoint}");
        let tenant = self.clusterctl.tenant(FAR).await?;
        tenant.run("get --raw /readyz").await?;
        let described = self.clusterctl.run("describe cluster far -n far").await?;
        ensure!(described.contains("KamajiControlPlane"), "{described}");
        let here = self.objects.run("get tcp,deployment -o name").await?;
        ensure!(
            here.trim().is_empty(),
            "{here} is in this management cluster"
        );
        ensure!(self.other.tenants().await?.len() == 1);
        Ok(())
    }

    /// The kubeconfig is replaced and the first one revoked: changes still reach the same tenant.
    async fn kubeconfig_is_rotated(&self) -> Result<()> {
        let before = self.other.tenants().await?;
        let first = self.kubectl_of("first").await?;
        self.apply_kubeconfig(&self.other.kubeconfig("second").await?)
            .await?;
        let line = format!("-n {TENANT_NAMESPACE} delete serviceaccount first");
        self.other.kubectl.run(&line).await?;
        let line = format!("-n {TENANT_NAMESPACE} get tcp");
        until(
            "the first account is refused",
            Duration::from_secs(30),
            || async {
                ensure!(first.run(&line).await.is_err(), "it still reads tenants");
                Ok(())
            },
        )
        .await?;
        let team = json!({"metadata": {"labels": {"team": "blue"}}});
        self.objects.patch("ktcp far-cp", team).await?;
        until("the label arrives", Duration::from_secs(20), || async {
            let after = self.other.tenants().await?;
            let (before, after) = (&before[0]["metadata"], &after[0]["metadata"]);
            ensure!(after["labels"]["team"] == "blue", "{}", after["labels"]);
            ensure!(before["uid"] == after["uid"], "it is another tenant");
            Ok(())
        })
        .await?;
        let found = ("FoundExternalReferenceClient", "True");
        self.objects.condition("ktcp far-cp", found).await
    }

    /// The deletion of the Cluster deletes the tenant in the other cluster.
    async fn is_deleted(&self) -> Result<()> {
        self.objects
            .run("delete cluster far --timeout=120s")
            .await?;
        self.leaves_no_objects().await?;
        self.other.wait_empty().await
    }

    /// The Cluster can be deleted after its tenant was deleted in the other cluster.
    async fn is_deleted_after_its_tenant(&self) -> Result<()> {
        self.objects
            .apply(&cluster_manifest(&self.other.worker))
            .await?;
        until("the tenant is created", Duration::from_mins(1), || async {
            ensure!(self.other.tenants().await?.len() == 1, "there is no tenant");
            Ok(())
        })
        .await?;
        let paused =
            |value: Value| json!({"metadata": {"annotations": {"cluster.x-k8s.io/paused": value}}});
        self.objects.patch("ktcp far-cp", paused(json!(""))).await?;
        self.objects
            .condition("ktcp far-cp", ("Paused", "True"))
            .await?;
        let line = format!("-n {TENANT_NAMESPACE} delete tcp --all --timeout=120s");
        self.other.kubectl.run(&line).await?;
        self.objects.run("delete cluster far --wait=false").await?;
        until(
            "the control plane is being deleted",
            Duration::from_mins(1),
            || async {
                let found = self.objects.get("ktcp far-cp").await?;
                ensure!(found["metadata"]["deletionTimestamp"].is_string());
                Ok(())
            },
        )
        .await?;
        self.objects
            .patch("ktcp far-cp", paused(Value::Null))
            .await?;
        self.objects
            .run("wait --for=delete cluster/far --timeout=60s")
            .await?;
        self.leaves_no_objects().await?;
        self.other.wait_empty().await
    }

    /// Applies the Secret that the control plane refers to.
    async fn apply_kubeconfig(&self, kubeconfig: &str) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KUBECONFIG.0},
            "stringData": {KUBECONFIG.1: kubeconfig},
        });
        self.objects.apply(&secret.to_string()).await
    }

    /// kubectl for the other cluster with the rights of one account.
    async fn kubectl_of(&self, account: &str) -> Result<Kubectl> {
        let bed = &self.other.testbed.bed;
        let path: PathBuf = bed.layout.dir("tenants").join(format!("{account}.conf"));
        fs::write(&path, self.other.kubeconfig(account).await?)
            .with_context(|| format!("write {}", path.display()))?;
        Kubectl::new(&bed.tools, &path)
    }

    /// Fails if anything of the Cluster is left in this management cluster; the kubeconfig's Secret was
    /// created by the test and stays.
    async fn leaves_no_objects(&self) -> Result<()> {
        let left = self
            .objects
            .run("get cluster,ktcp,tcp,secret -o name")
            .await?;
        let expected = format!("secret/{}", KUBECONFIG.0);
        ensure!(left.trim() == expected, "{left} is left");
        Ok(())
    }
}

/// Service accounts of the other cluster with the rights that `docs/cluster-api.md` lists.
fn accounts() -> Value {
    let account = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": TENANT_NAMESPACE},
        })
    };
    let subject =
        |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": TENANT_NAMESPACE});
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "kamaji-provider", "namespace": TENANT_NAMESPACE});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT_NAMESPACE}},
        account("first"),
        account("second"),
        {
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [
                {
                    "apiGroups": ["kamaji.clastix.io"], "resources": ["tenantcontrolplanes"],
                    "verbs": ["get", "list", "watch", "create", "patch", "delete"],
                },
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
            ],
        },
        {
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "kamaji-provider"},
            "subjects": [subject("first"), subject("second")],
        },
    ]})
}

/// Manifest of the tenant that becomes the other management cluster.
fn other_manifest(testbed: &Testbed) -> String {
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}),
        json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
            "metadata": {"name": "other", "namespace": "other"},
            "spec": {
                "controlPlane": {
                    "deployment": {"replicas": 1}, "service": {"serviceType": "ClusterIP"},
                },
                "kubernetes": {"version": version(), "kubelet": {"cgroupfs": "cgroupfs"}},
                "networkProfile": {
                    "address": testbed.bed.layout.vip(24), "port": 6443, "allowAddressAsExternalIP": true,
                    "serviceCidr": "10.126.0.0/16", "podCidr": "10.127.0.0/16",
                    "dnsServiceIPs": ["10.126.0.10"],
                },
                "addons": {
                    "coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}},
                },
            },
        }),
    ];
    objects.map(|object| object.to_string()).join("\n---\n")
}

/// Manifest of the Cluster, whose API server is reached at the address of the worker that runs it.
fn cluster_manifest(worker: &Worker) -> String {
    let network = json!({
        "apiServerPort": PORT,
        "services": {"cidrBlocks": ["10.128.0.0/16"]},
        "pods": {"cidrBlocks": ["10.129.0.0/16"]},
    });
    let control_plane = json!({
        "version": version().trim_start_matches('v'), "replicas": 1, "dataStoreName": "default",
        "network": {
            "serviceType": "ClusterIP", "serviceAddress": worker.ip(), "allowAddressAsExternalIP": true,
        },
        "deployment": {"externalClusterReference": {
            "kubeconfigSecretName": KUBECONFIG.0, "kubeconfigSecretKey": KUBECONFIG.1,
            "deploymentNamespace": TENANT_NAMESPACE,
        }},
    });
    cluster("far", &network, &control_plane)
}
