//! TenantControlPlanes in another management cluster.

use kamaji_api::tenant::TenantControlPlane;
use kamaji_e2e::{
    envtest::{ApiServer, Options},
    tools::Tools,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    environment::{Environment, NAMESPACE, Provider, apply_to, owner_of},
    operator::release,
    waiting::until,
};

const ABANDON: &str = "kamaji.clastix.io/abandon-external";
/// Status and reason of a condition about a cluster that cannot be reached.
const UNREACHABLE: &str = "ExternalClusterUnreachable";

/// The provider's management cluster and another one, and a provider that may use both.
struct TwoClusters {
    environment: Environment,
    other: ApiServer,
    remote: Client,
    _provider: Provider,
}

impl TwoClusters {
    async fn new() -> Self {
        let environment = Environment::new().await;
        let tools = Tools::api_server().await.unwrap();
        let other = ApiServer::start(&tools, Options::default()).await.unwrap();
        let remote = other.client().await.unwrap();
        for (name, definition) in kamaji_api::crd::all() {
            if name.starts_with("tenantcontrolplanes") {
                apply_to(&remote, definition).await;
            }
        }
        let mut settings = Environment::settings();
        settings.core.external = true;
        let provider = environment.start_provider_with(settings);
        Self {
            environment,
            other,
            remote,
            _provider: provider,
        }
    }

    fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.other.kubeconfig()).unwrap()
    }

    /// Writes the Secret that control planes refer to.
    async fn set_kubeconfig(&self, kubeconfig: &str) {
        self.environment
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "other", "namespace": NAMESPACE},
                "stringData": {"config": kubeconfig},
            }))
            .await;
    }

    /// Changes the control plane so that it asks for a remote tenant.
    async fn ask_for_remote(&self, namespace: &str) {
        self.environment.create_cluster("c", "cp", None).await;
        let reference = reference(namespace);
        self.environment
            .patch_control_plane(
                "cp",
                json!({"spec": {"deployment": {"externalClusterReference": reference}}}),
            )
            .await;
    }

    fn tenants(&self) -> Api<TenantControlPlane> {
        Api::namespaced(self.remote.clone(), "default")
    }

    /// Waits for the TenantControlPlane in the other cluster; returns its name.
    async fn wait_for_tenant(&self) -> String {
        let found = until("the remote TenantControlPlane", async || {
            let list = self.tenants().list(&ListParams::default()).await.ok()?;
            list.items.into_iter().next()
        });
        found.await.metadata.name.unwrap()
    }

    /// Creates a control plane whose tenant is remote and serves; returns the tenant's name.
    async fn start_tenant(&self) -> String {
        self.set_kubeconfig(&self.kubeconfig()).await;
        self.create_control_plane("default").await;
        let name = self.wait_for_tenant().await;
        self.publish(&name).await;
        self.environment.wait_until_available("cp").await;
        name
    }

    /// Plays the operator in the other cluster: creates the tenant's Secrets and reports that it serves.
    async fn publish(&self, name: &str) {
        for (suffix, data) in [
            ("admin-kubeconfig", json!({"admin.conf": self.kubeconfig()})),
            ("ca", json!({"ca.crt": "certificate", "ca.key": "key"})),
        ] {
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": format!("{name}-{suffix}"), "namespace": "default"},
                "stringData": data,
            });
            apply_to(&self.remote, secret).await;
        }
        self.report_serving(name).await;
    }

    async fn report_serving(&self, name: &str) {
        let patch = Patch::Merge(json!({"status": self.environment.serving_status(name)}));
        let params = PatchParams::default();
        self.tenants()
            .patch_status(name, &params, &patch)
            .await
            .unwrap();
    }

    /// Creates a control plane whose tenant is remote from the beginning, in that namespace.
    async fn create_control_plane(&self, namespace: &str) {
        let cluster: Value = json!({
            "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
            "metadata": {"name": "c", "namespace": NAMESPACE},
            "spec": {"controlPlaneRef": {
                "apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KamajiControlPlane", "name": "cp",
            }},
        });
        let owner = self.environment.apply(cluster).await.metadata.uid.unwrap();
        let reference = reference(namespace);
        let spec = json!({"deployment": {"externalClusterReference": reference}});
        let owners = json!([owner_of("c", &owner)]);
        self.environment
            .create_control_plane("cp", owners, &spec)
            .await;
    }
}

/// Value of `spec.deployment.externalClusterReference`.
fn reference(namespace: &str) -> Value {
    json!({
        "kubeconfigSecretName": "other", "kubeconfigSecretKey": "config",
        "deploymentNamespace": namespace,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_tenant_is_created_once_its_kubeconfig_appears_and_is_published() {
    let two = TwoClusters::new().await;
    two.create_control_plane("default").await;
    let why = two
        .environment
        .wait_until_false("cp", "FoundExternalReferenceClient", UNREACHABLE)
        .await;
    assert!(why.contains("create the Secret"), "{why}");
    two.environment
        .wait_for_event("cp", "ExternalClusterUnreachable")
        .await;
    two.environment.assert_quiescent(4).await;

    let name = two.start_tenant().await;
    assert!(name.starts_with("kcp-cp-"), "{name}");
    let published = two.environment.secrets().get("c-kubeconfig").await.unwrap();
    assert_eq!(
        published.data.unwrap()["value"].0,
        two.kubeconfig().into_bytes()
    );
    two.environment.assert_quiescent(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_that_changes_is_used_unless_it_is_invalid_or_of_another_cluster() {
    let two = TwoClusters::new().await;
    two.start_tenant().await;
    two.set_kubeconfig("users: hunter22").await;
    let why = two
        .environment
        .wait_until_false("cp", "FoundExternalReferenceClient", UNREACHABLE)
        .await;
    assert!(
        why.contains("no kubeconfig") && !why.contains("hunter22"),
        "{why}"
    );
    two.set_kubeconfig(&format!("# rotated\n{}", two.kubeconfig()))
        .await;
    two.environment.wait_until_available("cp").await;

    // A kubeconfig of another cluster would lead to a second tenant.
    two.set_kubeconfig(&two.environment.kubeconfig()).await;
    until("the refusal of the other cluster", async || {
        let found = two
            .environment
            .condition("cp", "FoundExternalReferenceClient");
        let found = found.await?;
        let why = found.message.contains("leads to another cluster");
        (found.status == "False" && found.reason == UNREACHABLE && why).then_some(())
    })
    .await;
    let local = two.environment.tenants().list(&ListParams::default()).await;
    assert!(
        local.unwrap().items.is_empty(),
        "a local tenant was created"
    );
    two.set_kubeconfig(&two.kubeconfig()).await;
    two.environment.wait_until_available("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_tenant_that_is_deleted_is_created_again_and_ends_with_its_control_plane() {
    let two = TwoClusters::new().await;
    let name = two.start_tenant().await;
    let uid = two.tenants().get(&name).await.unwrap().metadata.uid;
    two.tenants()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    until("the tenant to be created again", async || {
        let live = two.tenants().get_opt(&name).await.ok()??;
        (live.metadata.uid != uid).then_some(())
    })
    .await;

    two.environment.delete_control_plane("cp").await;
    release(&two.tenants(), &name).await;
    two.environment.wait_deleted("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_tenant_that_was_deleted_does_not_block_the_deletion_of_its_control_plane() {
    let two = TwoClusters::new().await;
    two.set_kubeconfig(&two.kubeconfig()).await;
    two.create_control_plane("default").await;
    let name = two.wait_for_tenant().await;
    two.environment
        .patch_cluster("c", json!({"spec": {"paused": true}}))
        .await;
    two.environment
        .wait_until_true("cp", "Paused", "Paused")
        .await;
    two.tenants()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    two.environment.assert_quiescent(2).await;
    two.environment.delete_control_plane("cp").await;
    // A paused control plane is not even deleted.
    two.environment.assert_quiescent(2).await;
    two.environment
        .patch_cluster("c", json!({"spec": {"paused": false}}))
        .await;
    two.environment.wait_deleted("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_cluster_blocks_the_deletion_until_a_person_abandons_the_tenant() {
    let two = TwoClusters::new().await;
    two.set_kubeconfig(&two.kubeconfig()).await;
    two.create_control_plane("default").await;
    two.wait_for_tenant().await;
    let api = two.environment.secrets();
    api.delete("other", &DeleteParams::default()).await.unwrap();
    two.environment
        .wait_until_false("cp", "FoundExternalReferenceClient", UNREACHABLE)
        .await;
    two.environment.delete_control_plane("cp").await;
    let why = two
        .environment
        .wait_until_true("cp", "Deleting", "ExternalClusterUnreachable")
        .await;
    assert!(why.contains(ABANDON), "{why}");
    two.environment.assert_quiescent(4).await;
    two.environment
        .patch_control_plane("cp", json!({"metadata": {"annotations": {ABANDON: ""}}}))
        .await;
    two.environment.wait_deleted("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_remote_namespace_is_reported() {
    let two = TwoClusters::new().await;
    two.set_kubeconfig(&two.kubeconfig()).await;
    two.create_control_plane("nowhere").await;
    let why = two
        .environment
        .wait_until_false("cp", "TenantControlPlaneCreated", "WriteRefused")
        .await;
    assert!(why.contains("create the namespace"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_tenant_is_not_moved_to_another_cluster() {
    let two = TwoClusters::new().await;
    two.set_kubeconfig(&two.kubeconfig()).await;
    let environment = &two.environment;
    environment.create_cluster("c", "cp", None).await;
    let uid = environment.wait_for_tenant("cp").await.metadata.uid;
    // Neither before it is available nor after.
    for available_first in [false, true] {
        if available_first {
            environment.create_tenant_secrets("cp").await;
            environment.report_serving("cp").await;
            environment.wait_until_available("cp").await;
        }
        two.ask_for_remote("default").await;
        let invalid = "ExternalReferenceInvalid";
        let created = "TenantControlPlaneCreated";
        let why = environment.wait_until_false("cp", created, invalid).await;
        assert!(why.contains("remove the reference"), "{why}");
        environment.assert_quiescent(3).await;
        environment.wait_until_false("cp", created, invalid).await;
        if available_first {
            environment.wait_until_available("cp").await;
        }
        let remote = two.tenants().list(&ListParams::default()).await.unwrap();
        assert!(remote.items.is_empty(), "a remote tenant was created");
        let none = json!({"spec": {"deployment": {"externalClusterReference": null}}});
        environment.patch_control_plane("cp", none).await;
        environment
            .wait_until_true("cp", created, "Succeeded")
            .await;
        assert_eq!(environment.wait_for_tenant("cp").await.metadata.uid, uid);
    }
    environment.wait_until_available("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_without_rights_on_secrets_is_reported() {
    let two = TwoClusters::new().await;
    let config: Value = serde_saphyr::from_str(&two.kubeconfig()).unwrap();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "tenants", "namespace": "default"},
        "rules": [{"apiGroups": ["kamaji.clastix.io"], "resources": ["tenantcontrolplanes"], "verbs": ["*"]}],
    });
    let subject = json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "poor"});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "tenants", "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenants"},
        "subjects": [subject],
    });
    apply_to(&two.remote, role).await;
    apply_to(&two.remote, binding).await;
    let mut poor = config;
    poor["users"][0]["user"]["as"] = json!("poor");
    two.set_kubeconfig(&poor.to_string()).await;
    two.create_control_plane("default").await;
    let name = two.wait_for_tenant().await;
    two.report_serving(&name).await;
    let why = two
        .environment
        .wait_until_false("cp", "KubeadmResourcesCreated", "ReadFailed")
        .await;
    assert!(why.contains("poor"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_tenant_of_another_management_cluster_is_left_alone() {
    let two = TwoClusters::new().await;
    two.set_kubeconfig(&two.kubeconfig()).await;
    two.create_control_plane("default").await;
    let name = two.wait_for_tenant().await;
    let mark = "kamaji.clastix.io/control-plane";
    let live = two.tenants().get(&name).await.unwrap();
    let ours = live.metadata.annotations.unwrap()[mark].clone();
    let theirs = json!({"metadata": {"annotations": {mark: format!("{NAMESPACE}/cp/of-another")}}});
    let params = PatchParams::default();
    let patch = Patch::Merge(theirs);
    two.tenants().patch(&name, &params, &patch).await.unwrap();
    let expected = "TenantControlPlaneForeign";
    let why = two
        .environment
        .wait_until_false("cp", "TenantControlPlaneCreated", expected)
        .await;
    assert!(why.contains(&ours), "{why}");
    two.environment.assert_quiescent(2).await;
    two.environment.delete_control_plane("cp").await;
    two.environment.wait_deleted("cp").await;
    let left = two.tenants().get(&name).await.unwrap();
    assert_eq!(left.metadata.deletion_timestamp, None);
}
