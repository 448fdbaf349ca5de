//! The TenantControlPlane is in another management cluster: made, followed, let go.

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

use crate::environment::{Environment, NAMESPACE, Provider, apply_to, until};

const ABANDON: &str = "kamaji.clastix.io/abandon-external";

/// Another management cluster, and a provider that may use it.
struct Two {
    environment: Environment,
    other: ApiServer,
    there: Client,
    _provider: Provider,
}

impl Two {
    async fn new() -> Self {
        let environment = Environment::new().await;
        let tools = Tools::api_server().await.unwrap();
        let other = ApiServer::start(&tools, Options::default()).await.unwrap();
        let there = other.client().await.unwrap();
        for (name, definition) in kamaji_api::crd::all() {
            if name.starts_with("tenantcontrolplanes") {
                apply_to(&there, definition).await;
            }
        }
        let mut settings = Environment::settings();
        settings.core.external = true;
        let provider = environment.run(settings);
        Self {
            environment,
            other,
            there,
            _provider: provider,
        }
    }

    fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.other.kubeconfig()).unwrap()
    }

    async fn secret(&self, kubeconfig: &str) {
        self.environment
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "other", "namespace": NAMESPACE},
                "stringData": {"config": kubeconfig},
            }))
            .await;
    }

    /// A Cluster whose control plane is to be in a namespace there.
    async fn cluster(&self, namespace: &str) {
        self.environment.cluster("c", "cp", None).await;
        let reference = json!({
            "kubeconfigSecretName": "other", "kubeconfigSecretKey": "config",
            "deploymentNamespace": namespace,
        });
        self.environment
            .change(
                "cp",
                json!({"spec": {"deployment": {"externalClusterReference": reference}}}),
            )
            .await;
    }

    fn tenants(&self) -> Api<TenantControlPlane> {
        Api::namespaced(self.there.clone(), "default")
    }

    /// Waits for the TenantControlPlane there; its name.
    async fn asked(&self) -> String {
        let found = until("the TenantControlPlane elsewhere", async || {
            let list = self.tenants().list(&ListParams::default()).await.ok()?;
            list.items.into_iter().next()
        });
        found.await.metadata.name.unwrap()
    }

    async fn gone(&self) {
        until("the control plane to be gone", async || {
            let found = self.environment.control_planes().get_opt("cp").await.ok()?;
            found.is_none().then_some(())
        })
        .await;
    }

    async fn delete(&self) {
        let api = self.environment.control_planes();
        api.delete("cp", &DeleteParams::default()).await.unwrap();
    }

    /// Plays the garbage collector there.
    async fn collected(&self, name: &str) {
        until("the tenant to be deleted", async || {
            self.tenants()
                .get(name)
                .await
                .ok()?
                .metadata
                .deletion_timestamp
        })
        .await;
        let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        self.tenants()
            .patch(name, &PatchParams::default(), &none)
            .await
            .unwrap();
    }
}

/// The control plane must be external from the beginning.
async fn external(two: &Two, namespace: &str) {
    let cluster: Value = json!({
        "apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster",
        "metadata": {"name": "c", "namespace": NAMESPACE},
        "spec": {},
    });
    let owner = two.environment.apply(cluster).await.metadata.uid.unwrap();
    let reference = json!({
        "kubeconfigSecretName": "other", "kubeconfigSecretKey": "config",
        "deploymentNamespace": namespace,
    });
    let spec = json!({"deployment": {"externalClusterReference": reference}});
    let owners = json!([crate::environment::owner_of("c", &owner)]);
    two.environment.control_plane("cp", owners, &spec).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_elsewhere_is_made_published_rotated_and_deleted() {
    let two = Two::new().await;
    external(&two, "default").await;
    let why = two
        .environment
        .says(
            "cp",
            "FoundExternalReferenceClient",
            ("False", "ExternalClusterUnreachable"),
        )
        .await;
    assert!(why.contains("create the Secret"), "{why}");
    two.environment
        .event("cp", "ExternalClusterUnreachable")
        .await;
    two.environment.at_rest(4).await;

    // The Secret comes, and nobody had to poll for it.
    two.secret(&two.kubeconfig()).await;
    let name = two.asked().await;
    assert!(name.starts_with("kcp-cp-"), "{name}");
    for (suffix, data) in [
        ("admin-kubeconfig", json!({"admin.conf": two.kubeconfig()})),
        ("ca", json!({"ca.crt": "certificate", "ca.key": "key"})),
    ] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": format!("{name}-{suffix}"), "namespace": "default"},
            "stringData": data,
        });
        apply_to(&two.there, secret).await;
    }
    let patch = Patch::Merge(json!({"status": two.environment.status(&name)}));
    let params = PatchParams::default();
    two.tenants()
        .patch_status(&name, &params, &patch)
        .await
        .unwrap();
    two.environment.available("cp").await;
    let published = two.environment.secrets().get("c-kubeconfig").await.unwrap();
    assert_eq!(
        published.data.unwrap()["value"].0,
        two.kubeconfig().into_bytes()
    );
    two.environment.at_rest(5).await;

    // A kubeconfig that is of no use is said, and the next one is taken.
    two.secret("nonsense").await;
    two.environment
        .says(
            "cp",
            "FoundExternalReferenceClient",
            ("False", "ExternalClusterUnreachable"),
        )
        .await;
    two.secret(&format!("# rotated\n{}", two.kubeconfig()))
        .await;
    two.environment.available("cp").await;

    // One of another cluster would make another tenant.
    two.secret(&two.environment.kubeconfig()).await;
    let lost = ("False", "ExternalClusterUnreachable");
    until("the other cluster to be told from this one", async || {
        let said = two
            .environment
            .condition("cp", "FoundExternalReferenceClient");
        let said = said.await?;
        let why = said.message.contains("leads to another cluster");
        ((said.status.as_str(), said.reason.as_str()) == lost && why).then_some(())
    })
    .await;
    let here = two.environment.tenants().list(&ListParams::default()).await;
    assert!(here.unwrap().items.is_empty(), "a tenant was made here");
    two.secret(&two.kubeconfig()).await;
    two.environment.available("cp").await;

    // What is deleted there comes back.
    let uid = two.tenants().get(&name).await.unwrap().metadata.uid;
    two.tenants()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    until("the tenant to come back", async || {
        let live = two.tenants().get_opt(&name).await.ok()??;
        (live.metadata.uid != uid).then_some(())
    })
    .await;

    two.delete().await;
    two.collected(&name).await;
    two.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_gone_elsewhere_does_not_hold_its_control_plane() {
    let two = Two::new().await;
    two.secret(&two.kubeconfig()).await;
    external(&two, "default").await;
    let name = two.asked().await;
    two.environment
        .change_cluster("c", json!({"spec": {"paused": true}}))
        .await;
    two.environment
        .says("cp", "Paused", ("True", "Paused"))
        .await;
    two.tenants()
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    two.environment.at_rest(2).await;
    two.delete().await;
    // Paused, it is not even deleted.
    two.environment.at_rest(2).await;
    two.environment
        .change_cluster("c", json!({"spec": {"paused": false}}))
        .await;
    two.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_lost_holds_a_control_plane_only_until_a_person_gives_it_up() {
    let two = Two::new().await;
    two.secret(&two.kubeconfig()).await;
    external(&two, "default").await;
    two.asked().await;
    let api = two.environment.secrets();
    api.delete("other", &DeleteParams::default()).await.unwrap();
    two.environment
        .says(
            "cp",
            "FoundExternalReferenceClient",
            ("False", "ExternalClusterUnreachable"),
        )
        .await;
    two.delete().await;
    let why = two
        .environment
        .says("cp", "Deleting", ("True", "ExternalClusterUnreachable"))
        .await;
    assert!(why.contains(ABANDON), "{why}");
    two.environment.at_rest(4).await;
    two.environment
        .change("cp", json!({"metadata": {"annotations": {ABANDON: ""}}}))
        .await;
    two.gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_missing_elsewhere_is_said() {
    let two = Two::new().await;
    two.secret(&two.kubeconfig()).await;
    external(&two, "nowhere").await;
    let why = two
        .environment
        .says("cp", "TenantControlPlaneCreated", ("False", "WriteRefused"))
        .await;
    assert!(why.contains("create the namespace"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_is_here_is_not_moved_elsewhere() {
    let two = Two::new().await;
    two.secret(&two.kubeconfig()).await;
    let environment = &two.environment;
    environment.cluster("c", "cp", None).await;
    let uid = environment.asked("cp").await.metadata.uid;
    // Neither before it is usable nor after.
    for usable in [false, true] {
        if usable {
            environment.tenant_secrets("cp").await;
            environment.serves("cp").await;
            environment.available("cp").await;
        }
        two.cluster("default").await;
        let invalid = ("False", "ExternalReferenceInvalid");
        let created = "TenantControlPlaneCreated";
        let why = environment.says("cp", created, invalid).await;
        assert!(why.contains("remove the reference"), "{why}");
        environment.at_rest(3).await;
        environment.says("cp", created, invalid).await;
        if usable {
            environment.available("cp").await;
        }
        let elsewhere = two.tenants().list(&ListParams::default()).await.unwrap();
        assert!(elsewhere.items.is_empty(), "it was made elsewhere");
        let none = json!({"spec": {"deployment": {"externalClusterReference": null}}});
        environment.change("cp", none).await;
        environment.says("cp", created, ("True", "Succeeded")).await;
        assert_eq!(environment.asked("cp").await.metadata.uid, uid);
    }
    environment.available("cp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_without_rights_on_secrets_is_said() {
    let two = Two::new().await;
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
    apply_to(&two.there, role).await;
    apply_to(&two.there, binding).await;
    let mut poor = config;
    poor["users"][0]["user"]["as"] = json!("poor");
    two.secret(&poor.to_string()).await;
    external(&two, "default").await;
    let name = two.asked().await;
    let patch = Patch::Merge(json!({"status": two.environment.status(&name)}));
    let params = PatchParams::default();
    two.tenants()
        .patch_status(&name, &params, &patch)
        .await
        .unwrap();
    let why = two
        .environment
        .says("cp", "KubeadmResourcesCreated", ("False", "ReadFailed"))
        .await;
    assert!(why.contains("poor"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_elsewhere_that_another_management_cluster_made_is_left_alone() {
    let two = Two::new().await;
    two.secret(&two.kubeconfig()).await;
    external(&two, "default").await;
    let name = two.asked().await;
    let mark = "kamaji.clastix.io/control-plane";
    let live = two.tenants().get(&name).await.unwrap();
    let ours = live.metadata.annotations.unwrap()[mark].clone();
    let theirs = json!({"metadata": {"annotations": {mark: format!("{NAMESPACE}/cp/of-another")}}});
    let params = PatchParams::default();
    let patch = Patch::Merge(theirs);
    two.tenants().patch(&name, &params, &patch).await.unwrap();
    let said = ("False", "TenantControlPlaneForeign");
    let why = two
        .environment
        .says("cp", "TenantControlPlaneCreated", said)
        .await;
    assert!(why.contains(&ours), "{why}");
    two.environment.at_rest(2).await;
    two.delete().await;
    two.gone().await;
    let left = two.tenants().get(&name).await.unwrap();
    assert_eq!(left.metadata.deletion_timestamp, None);
}
