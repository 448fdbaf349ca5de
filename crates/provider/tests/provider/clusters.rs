//! Clusters without infrastructure, with infrastructure that is patched, and with definitions that come late.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{
    environment::{Environment, fake_cluster},
    waiting::until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_infrastructure_is_initialised_only_after_its_secrets_work() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;

    let tenant = environment.wait_for_tenant("cp").await;
    assert_eq!(tenant.spec.kubernetes.version, "v1.36.3");
    let owner = &tenant.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str()),
        ("KamajiControlPlane", "cp")
    );

    // An address alone is not enough, nor is a tenant that serves.
    let mut status = environment.serving_status("cp");
    status["conditions"][0]["status"] = json!("False");
    environment.set_tenant_status("cp", &status).await;
    until("the endpoint", async || {
        environment
            .control_planes()
            .get("cp")
            .await
            .ok()?
            .spec
            .control_plane_endpoint
    })
    .await;
    environment.report_serving("cp").await;
    environment
        .wait_until_false("cp", "KubeadmResourcesCreated", "SecretPending")
        .await;
    let live = environment.control_planes().get("cp").await.unwrap();
    assert_eq!(live.status.unwrap().initialization, None);

    environment.create_tenant_secrets("cp").await;
    let live = environment.wait_until_available("cp").await;
    let status = live.status.unwrap();
    assert_eq!(
        status.initialization.unwrap().control_plane_initialized,
        Some(true)
    );
    assert!(status.ready && status.external_managed_control_plane);
    assert_eq!(
        (status.version.as_str(), status.replicas),
        ("v1.36.3", Some(2))
    );
    let published = environment.secrets().get("c-kubeconfig").await.unwrap();
    assert_eq!(published.type_.as_deref(), Some("cluster.x-k8s.io/secret"));
    assert_eq!(
        published.metadata.labels.unwrap()["cluster.x-k8s.io/cluster-name"],
        "c"
    );
    assert_eq!(
        published.data.unwrap()["value"].0,
        environment.kubeconfig().into_bytes()
    );
    assert!(
        environment
            .secrets()
            .get("c-ca")
            .await
            .unwrap()
            .data
            .unwrap()
            .contains_key("tls.key")
    );
    environment.wait_for_event("cp", "Available").await;
    environment.assert_quiescent(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infrastructure_cluster_gets_the_address_once() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    // The Cluster is first: what it refers to is waited for.
    environment.create_cluster("c", "c", Some("infra")).await;
    environment.start_tenant("c").await;
    environment
        .wait_until_false("c", "InfrastructureClusterPatched", "InfrastructureMissing")
        .await;
    let like = fake_cluster("infra", &json!({"region": "here"}));
    environment.apply(like.clone()).await;
    environment
        .wait_until_true("c", "InfrastructureClusterPatched", "Succeeded")
        .await;
    let live = environment.api_of(&like).get("infra").await.unwrap();
    let url = environment.api.url();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let endpoint = json!({"host": "127.0.0.1", "port": port});
    assert_eq!(
        live.data["spec"],
        json!({"region": "here", "controlPlaneEndpoint": endpoint})
    );
    environment.wait_until_available("c").await;

    // A removed endpoint is written again.
    let params = kube::api::PatchParams::default();
    let patch = json!({"spec": {"controlPlaneEndpoint": null}});
    let patch = kube::api::Patch::Merge(patch);
    environment
        .api_of(&like)
        .patch("infra", &params, &patch)
        .await
        .unwrap();
    until("the address to come back", async || {
        let live = environment.api_of(&like).get("infra").await.ok()?;
        (live.data["spec"]["controlPlaneEndpoint"] == endpoint).then_some(())
    })
    .await;
    environment.assert_quiescent(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_that_are_defined_after_the_provider_started_are_reconciled() {
    let environment = Environment::without_clusters().await;
    let _provider = environment.start_provider();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    environment.install_clusters().await;
    environment.create_cluster("c", "c", None).await;
    environment.wait_for_tenant("c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn published_objects_that_are_changed_or_deleted_are_restored() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.start_tenant("cp").await;
    environment.wait_until_available("cp").await;

    let delete = kube::api::DeleteParams::default();
    environment
        .secrets()
        .delete("c-kubeconfig", &delete)
        .await
        .unwrap();
    until("the kubeconfig to come back", async || {
        environment.secrets().get_opt("c-kubeconfig").await.ok()?
    })
    .await;

    // A rotation by the operator is published.
    let params = kube::api::PatchParams::default();
    let patch = kube::api::Patch::Merge(json!({"stringData": {"ca.crt": "another"}}));
    environment
        .secrets()
        .patch("cp-ca", &params, &patch)
        .await
        .unwrap();
    until("the rotated CA", async || {
        let data = environment.secrets().get("c-ca").await.ok()?.data?;
        (data["tls.crt"].0 == b"another").then_some(())
    })
    .await;

    // A control plane that does not serve any more shows it, and stays initialised.
    let mut status = environment.serving_status("cp");
    status["conditions"][0]["status"] = json!("False");
    status["conditions"][0]["message"] = json!("no replica is ready");
    environment.set_tenant_status("cp", &status).await;
    let why = environment
        .wait_until_false("cp", "Available", "NotAvailable")
        .await;
    assert_eq!(why, "no replica is ready");
    let status = environment
        .control_planes()
        .get("cp")
        .await
        .unwrap()
        .status
        .unwrap();
    assert!(!status.ready);
    assert_eq!(
        status.initialization.unwrap().control_plane_initialized,
        Some(true)
    );
    environment.assert_quiescent(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_others_set_on_the_tenant_survive() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    // Integrators set fields of the TenantControlPlane that its control plane does not have.
    let theirs = json!({
        "metadata": {"annotations": {"example.com/vpc": "blue"}},
        "spec": {
            "addons": {"coreDNS": {"imageTag": "v1.12.0"}},
            "networkProfile": {"certSANs": ["theirs.example.org"], "address": "192.0.2.5"},
            "controlPlane": {"deployment": {"nodeSelector": {"pool": "tenants"}}},
        },
    });
    let params = PatchParams::apply("integrator").force();
    let patch = Patch::Merge(theirs.clone());
    let merge = PatchParams {
        force: false,
        ..params
    };
    environment
        .tenants()
        .patch("cp", &merge, &patch)
        .await
        .unwrap();
    let ours = json!({"spec": {"replicas": 3, "registry": "registry.example.org"}});
    let params = PatchParams::default();
    let patch = Patch::Merge(ours);
    environment
        .control_planes()
        .patch("cp", &params, &patch)
        .await
        .unwrap();
    let live = until("our own change", async || {
        let live = environment.tenants().get("cp").await.ok()?;
        (live.spec.control_plane.deployment.replicas == Some(3)).then_some(live)
    })
    .await;
    let live = serde_json::to_value(live).unwrap();
    for pointer in [
        "/metadata/annotations/example.com~1vpc",
        "/spec/addons/coreDNS/imageTag",
        "/spec/networkProfile/certSANs",
        "/spec/networkProfile/address",
        "/spec/controlPlane/deployment/nodeSelector",
    ] {
        assert_eq!(live.pointer(pointer), theirs.pointer(pointer), "{pointer}");
    }
    environment.assert_quiescent(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_the_user_is_certified_and_published() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.wait_for_tenant("cp").await;
    let url = environment.api.url();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let endpoint = json!({"host": "localhost", "port": port});
    let patch = json!({"spec": {"controlPlaneEndpoint": endpoint}});
    environment.patch_cluster("c", patch).await;
    until("the name in the certificate", async || {
        let live = environment.tenants().get("cp").await.ok()?;
        (live.spec.network_profile.cert_sans == ["localhost"]).then_some(())
    })
    .await;
    environment.create_tenant_secrets("cp").await;
    environment.report_serving("cp").await;
    let live = environment.wait_until_available("cp").await;
    let endpoint = live.spec.control_plane_endpoint.unwrap();
    assert_eq!(
        (endpoint.host.as_deref(), endpoint.port),
        (Some("localhost"), Some(i32::from(port)))
    );
    let published = environment.secrets().get("c-kubeconfig").await.unwrap();
    let config = String::from_utf8(published.data.unwrap()["value"].0.clone()).unwrap();
    assert!(
        config.contains(&format!("https://localhost:{port}")),
        "{config}"
    );
    environment.assert_quiescent(3).await;
}
