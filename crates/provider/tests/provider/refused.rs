//! Changes that the rules of the definition refuse, while the Cluster keeps working.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, definition_of, owner_of};

/// The API server's words on a change of a control plane, or `Ok`.
async fn change(environment: &Environment, name: &str, patch: Value) -> Result<(), String> {
    let params = PatchParams::default();
    let changed = environment
        .control_planes()
        .patch(name, &params, &Patch::Merge(patch))
        .await;
    changed.map(|_| ()).map_err(|error| error.to_string())
}

async fn version(environment: &Environment, name: &str, version: &str) -> Result<(), String> {
    change(environment, name, json!({"spec": {"version": version}})).await
}

/// A control plane whose status says what runs.
async fn runs(environment: &Environment, name: &str, version: &str) {
    let status = json!({"status": {
        "externalManagedControlPlane": true, "ready": true, "version": version,
        "versions": [{"version": version, "replicas": 2}],
    }});
    let params = PatchParams::default();
    let patch = Patch::Merge(status);
    environment
        .control_planes()
        .patch_status(name, &params, &patch)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_version_is_refused_with_the_next_step() {
    let environment = Environment::new().await;
    environment
        .create_control_plane("cp", json!([]), &json!({"version": "v1.35.2"}))
        .await;
    let newest = kamaji_api::NEWEST_MINOR;
    for (bad, part) in [
        ("latest", "no version of Kubernetes"),
        ("v1.36", "no version of Kubernetes"),
        ("v1.36.3-01", "no version of Kubernetes"),
        ("v1.036.3", "no version of Kubernetes"),
        ("", "no version of Kubernetes"),
        (
            &format!("v1.{}.0", newest + 1),
            "install a newer release of Kamaji",
        ),
        ("v2.0.0", "install a newer release of Kamaji"),
        ("v1.999999999999.0", "no version of Kubernetes"),
        (
            &format!("v1.36.3-{}", "a".repeat(256)),
            "may not be more than 256",
        ),
    ] {
        let why = version(&environment, "cp", bad).await.unwrap_err();
        assert!(why.contains(part), "{bad}: {why}");
        assert!(why.contains("spec.version"), "{bad}: {why}");
    }
    for valid in ["1.36.3", "v1.36.3-rc.1+build.5", "v1.35.2"] {
        version(&environment, "cp", valid).await.unwrap();
    }
    // Objects that a topology applies are subject to the same rules.
    let mut applied = json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
        "metadata": {"name": "cp", "namespace": NAMESPACE}, "spec": {"version": "v1.99.0"},
    });
    let params = PatchParams::apply("capi-topology").force();
    let api = environment.api_of(&applied);
    assert!(
        api.patch("cp", &params, &Patch::Apply(&applied))
            .await
            .is_err()
    );
    applied["metadata"]["name"] = json!("new");
    assert!(
        api.patch("new", &params, &Patch::Apply(&applied))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsupported_step_from_the_running_version_is_refused() {
    let environment = Environment::new().await;
    environment
        .create_control_plane("cp", json!([]), &json!({"version": "v1.33.1"}))
        .await;
    // Without a running version any version is accepted.
    version(&environment, "cp", "v1.36.1").await.unwrap();
    version(&environment, "cp", "v1.34.2").await.unwrap();
    runs(&environment, "cp", "v1.34.2").await;
    for (bad, part) in [
        (
            "v1.33.9",
            "a downgrade from v1.34.2 to v1.33.9 is not supported",
        ),
        (
            "v1.36.0",
            "the step from v1.34.2 to v1.36.0 is more than one minor",
        ),
    ] {
        let why = version(&environment, "cp", bad).await.unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    // Patches go both ways; during a rollout neither back nor further.
    for valid in ["v1.34.1", "v1.34.3", "v1.35.0"] {
        version(&environment, "cp", valid).await.unwrap();
    }
    for bad in ["v1.34.3", "v1.36.0"] {
        version(&environment, "cp", bad).await.unwrap_err();
    }
    runs(&environment, "cp", "v1.35.0").await;
    version(&environment, "cp", "v1.36.0").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_version_of_an_earlier_release_stays_editable_and_can_be_corrected() {
    let environment = Environment::new().await;
    // Its definition took anything.
    let mut lax = definition_of("KamajiControlPlane");
    for version in lax["spec"]["versions"].as_array_mut().unwrap() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        schema["x-kubernetes-validations"] = json!([]);
        let fields = &mut schema["properties"]["spec"]["properties"];
        fields["version"] = json!({"type": "string"});
    }
    let strict = definition_of("KamajiControlPlane");
    environment.apply(lax).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let stored = json!({"version": "v1.99.0"});
    environment
        .create_control_plane("cp", json!([]), &stored)
        .await;
    runs(&environment, "cp", "v1.35.0").await;
    environment.apply(strict).await;
    // Each attempt is a change of its own: one that came before the rules would be no change afterwards.
    let mut patch = 0;
    let refused = async || {
        patch += 1;
        let other = json!({"spec": {"version": format!("v1.98.{patch}")}});
        change(&environment, "cp", other).await.err()
    };
    crate::waiting::until("the rules to be in force", refused).await;

    let label = json!({"metadata": {"labels": {"team": "blue"}}});
    change(&environment, "cp", label).await.unwrap();
    change(
        &environment,
        "cp",
        json!({"spec": {"registry": "example.com"}}),
    )
    .await
    .unwrap();
    // Steps are checked from the running version, not from v1.99.0, which was never rolled out.
    version(&environment, "cp", "v1.34.0").await.unwrap_err();
    version(&environment, "cp", "v1.35.1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn negative_replicas_are_refused_also_by_the_scale_subresource() {
    let environment = Environment::new().await;
    environment
        .create_control_plane("cp", json!([owner_of("c", "u")]), &json!({}))
        .await;
    let scale = async |replicas: i32| {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let params = PatchParams::default();
        environment
            .control_planes()
            .patch_scale("cp", &params, &patch)
            .await
    };
    assert!(scale(-1).await.is_err());
    assert!(
        change(&environment, "cp", json!({"spec": {"replicas": -1}}))
            .await
            .is_err()
    );
    scale(0).await.unwrap();
    assert_eq!(
        environment
            .control_planes()
            .get("cp")
            .await
            .unwrap()
            .spec
            .replicas,
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_version_starts_no_upgrade() {
    let environment = Environment::new().await;
    let _provider = environment.start_provider();
    environment.create_cluster("c", "cp", None).await;
    environment.start_tenant("cp").await;
    environment.wait_until_available("cp").await;
    version(&environment, "cp", "v1.99.0").await.unwrap_err();
    // By these words Cluster API decides whether workers may be made.
    let live = environment.control_planes().get("cp").await.unwrap();
    let status = live.status.unwrap();
    let running: Vec<_> = status.versions.iter().map(|v| v.version.as_str()).collect();
    assert_eq!(
        running,
        [format!("v{}", live.spec.version.trim_start_matches('v'))]
    );
    assert_eq!(status.version, running[0]);
}
