#![expect(
    clippy::needless_pass_by_value,
    reason = "json! makes values, not references"
)]

use serde_json::{Value, json};

use crate::admission::fixture::{all_pass, all_refused};

fn deployment(deployment: Value) -> Value {
    json!({"controlPlane": {"deployment": deployment}})
}

fn containers(containers: Value) -> Value {
    deployment(json!({ "additionalContainers": containers }))
}

fn mounts(component: &str, mounts: Value) -> Value {
    deployment(json!({
        "additionalVolumes": [{"name": "data", "emptyDir": {}}],
        "additionalVolumeMounts": {component: mounts},
    }))
}

fn patch(patch: Value) -> Value {
    json!({"kubernetes": {"kubelet": {"configurationJSONPatches": [patch]}}})
}

#[test]
fn valid_additions_pass() {
    all_pass([
        deployment(json!({"replicas": 0, "strategy": {"type": "Recreate"}})),
        deployment(json!({
            "additionalVolumes": [{"name": "data", "emptyDir": {}}],
            "additionalInitContainers": [{"name": "prepare", "image": "busybox"}],
            "additionalContainers": [{
                "name": "side",
                "image": "busybox",
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "etc-kubernetes-pki", "mountPath": "/pki"},
                ],
            }],
            "additionalVolumeMounts": {
                "apiServer": [{"name": "data", "mountPath": "/data"}],
                "scheduler": [{"name": "data", "mountPath": "/data"}],
            },
        })),
        patch(json!({"op": "add", "path": "/a", "value": false})),
        patch(json!({"op": "remove", "path": "/maxPods"})),
        patch(json!({"op": "move", "from": "/maxPods", "path": "/b"})),
    ]);
}

#[test]
fn a_container_of_kines_name_may_replace_its_image() {
    all_pass([containers(
        json!([{"name": "kine", "image": "mirror.example.com/kine:v1"}]),
    )]);
}

#[test]
fn names_that_the_api_server_would_refuse_are_refused() {
    all_refused([
        (deployment(json!({"replicas": -1})), "deployment.replicas"),
        (
            deployment(json!({"strategy": {"type": "Slowly"}})),
            "strategy.type",
        ),
        (
            containers(json!([{"name": "kube-apiserver", "image": "x"}])),
            "Kamaji uses itself",
        ),
        (
            deployment(json!({"additionalInitContainers": [{"name": "kine", "image": "x"}]})),
            "Kamaji uses itself",
        ),
        (
            containers(json!([{"name": "kine", "image": "x", "args": ["--v"]}])),
            "only the image can be replaced",
        ),
        (
            containers(json!([{"name": "kine"}])),
            "only the image can be replaced",
        ),
        (
            containers(json!([{"name": "konnectivity-server", "image": "x"}])),
            "Kamaji uses itself",
        ),
        (
            containers(json!([{"name": "Side", "image": "x"}])),
            "additionalContainers[0].name",
        ),
        (
            containers(json!([{"name": "side"}])),
            "additionalContainers[0].image is missing",
        ),
        (
            containers(json!([{"name": "side", "image": "x"}, {"name": "side", "image": "y"}])),
            "additionalContainers[1].name \"side\" is there twice",
        ),
        (
            deployment(json!({
                "additionalContainers": [{"name": "side", "image": "x"}],
                "additionalInitContainers": [{"name": "side", "image": "x"}],
            })),
            "there twice",
        ),
        (
            deployment(json!({"additionalInitContainers": [{"name": "chmod", "image": "x"}]})),
            "Kamaji uses itself",
        ),
        (
            deployment(json!({"additionalVolumes": [{"name": "kine-uds", "emptyDir": {}}]})),
            "additionalVolumes[0].name",
        ),
        (
            deployment(json!({"additionalVolumes": [{"name": "a"}, {"name": "a"}]})),
            "there twice",
        ),
    ]);
}

#[test]
fn mounts_and_patches_that_cannot_work_are_refused() {
    all_refused([
        (
            containers(json!([{
                "name": "side", "image": "x",
                "volumeMounts": [{"name": "none", "mountPath": "/x"}],
            }])),
            "mounts the volume \"none\"",
        ),
        (
            mounts(
                "apiServer",
                json!([
                    {"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/a"},
                ]),
            ),
            "apiServer[1].mountPath \"/a\" is there twice",
        ),
        (
            mounts(
                "apiServer",
                json!([{"name": "data", "mountPath": "/etc/kubernetes/pki"}]),
            ),
            "Kamaji uses itself",
        ),
        (
            mounts(
                "scheduler",
                json!([{"name": "data", "mountPath": "/etc/kubernetes"}]),
            ),
            "Kamaji uses itself",
        ),
        (
            mounts(
                "controllerManager",
                json!([{"name": "none", "mountPath": "/a"}]),
            ),
            "does not exist",
        ),
        (
            mounts("scheduler", json!([{"name": "data", "mountPath": "a:b"}])),
            "is not a path",
        ),
        (
            patch(json!({"op": "add", "path": "a", "value": 1})),
            "does not begin with /",
        ),
        (patch(json!({"op": "add", "path": "/a"})), "add needs value"),
        (
            patch(json!({"op": "remove", "path": "/a"})),
            "does not apply",
        ),
        (
            patch(json!({"op": "copy", "path": "/a"})),
            "copy needs from",
        ),
    ]);
}

#[test]
fn every_mount_path_of_the_renderer_is_known() {
    use crate::render::{
        deployment::{component::Component, volumes},
        fixture,
        reserved::Reserved,
    };
    let known = |component| {
        let mut known = Reserved::of(None).mount_paths(component);
        known.sort_unstable();
        known
    };
    let tenant = fixture::tenant(json!({}));
    let paths = |mounts: Vec<k8s_openapi::api::core::v1::VolumeMount>| {
        let mut paths: Vec<String> = mounts.into_iter().map(|mount| mount.mount_path).collect();
        paths.sort();
        paths
    };
    assert_eq!(
        paths(volumes::controller_manager_mounts(&tenant)),
        known(Component::ControllerManager)
    );
    assert_eq!(
        paths(volumes::scheduler_mounts(&tenant)),
        known(Component::Scheduler)
    );
    let fixture = fixture::Fixture::with(
        json!({"addons": {"konnectivity": {"server": {"port": 8132}}}}),
    )
    .on(fixture::store(
        "pg",
        kamaji_api::datastore::Driver::PostgreSql,
        &["pg:5432"],
    ));
    assert_eq!(
        paths(volumes::api_server_mounts(&fixture.facts())),
        known(Component::ApiServer)
    );
}
