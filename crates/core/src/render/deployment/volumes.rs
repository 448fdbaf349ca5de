//! Which volumes do a control plane's pods have, and where are they mounted?
//! (management-cluster specification, sections 6.4, 6.5, 6.9 and 7.2)
//!
//! The order is the one in which upstream's Deployments settle: pods of a control plane that
//! is taken over are not restarted.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource,
    SecretProjection, SecretVolumeSource, Volume, VolumeMount, VolumeProjection,
};
use kamaji_api::datastore::Driver;

use crate::{render::Facts, tenant::Tenant};

/// Permissions of mounted files: 0644.
const MODE: i32 = 420;

/// A mount that the container may write to.
pub fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

/// A mount that the container may only read.
pub fn read_only(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(name, path)
    }
}

/// Mounts of kube-apiserver.
pub fn api_server_mounts(facts: &Facts) -> Vec<VolumeMount> {
    let user = facts
        .tenant
        .spec
        .control_plane
        .deployment
        .additional_volume_mounts
        .as_ref();
    let mut mounts = user.map(|m| m.api_server.clone()).unwrap_or_default();
    mounts.extend(pki_mounts());
    if facts.tenant.spec.addons.konnectivity.is_some() {
        mounts.push(mount("konnectivity-uds", "/run/konnectivity"));
        mounts.push(mount(
            "egress-selector-configuration",
            "/etc/kubernetes/konnectivity/configurations",
        ));
    }
    if facts.store.driver != Driver::Etcd {
        mounts.push(mount("kine-uds", "/uds"));
    }
    mounts
}

/// Mounts of kube-controller-manager.
pub fn controller_manager_mounts(tenant: &Tenant) -> Vec<VolumeMount> {
    let user = tenant
        .spec
        .control_plane
        .deployment
        .additional_volume_mounts
        .as_ref();
    let mut mounts = user
        .map(|m| m.controller_manager.clone())
        .unwrap_or_default();
    mounts.push(read_only(
        "controller-manager-kubeconfig",
        "/etc/kubernetes",
    ));
    mounts.extend(pki_mounts());
    mounts
}

/// Mounts of kube-scheduler.
pub fn scheduler_mounts(tenant: &Tenant) -> Vec<VolumeMount> {
    let user = tenant
        .spec
        .control_plane
        .deployment
        .additional_volume_mounts
        .as_ref();
    let mut mounts = user.map(|m| m.scheduler.clone()).unwrap_or_default();
    mounts.push(read_only("scheduler-kubeconfig", "/etc/kubernetes"));
    mounts
}

fn pki_mounts() -> [VolumeMount; 4] {
    [
        read_only("etc-kubernetes-pki", "/etc/kubernetes/pki"),
        read_only("etc-ca-certificates", "/etc/ca-certificates"),
        read_only("usr-share-ca-certificates", "/usr/share/ca-certificates"),
        read_only(
            "usr-local-share-ca-certificates",
            "/usr/local/share/ca-certificates",
        ),
    ]
}

/// Names of our volumes: no additional volume may have one of them.
pub const NAMES: [&str; 12] = [
    "etc-kubernetes-pki",
    "etc-ca-certificates",
    "usr-share-ca-certificates",
    "usr-local-share-ca-certificates",
    "scheduler-kubeconfig",
    "controller-manager-kubeconfig",
    "kine-uds",
    "kine-config",
    "kine-certs",
    "konnectivity-uds",
    "egress-selector-configuration",
    "konnectivity-server-kubeconfig",
];

/// The volumes: the user's first.
pub fn volumes(facts: &Facts) -> Vec<Volume> {
    let tenant = facts.tenant;
    let names = &tenant.names;
    let mut volumes = tenant
        .spec
        .control_plane
        .deployment
        .additional_volumes
        .clone();
    volumes.extend(vec![
        pki(facts),
        secret("etc-ca-certificates", names.ca()),
        secret("usr-share-ca-certificates", names.ca()),
        secret("usr-local-share-ca-certificates", names.ca()),
        secret("scheduler-kubeconfig", names.scheduler_kubeconfig()),
        secret(
            "controller-manager-kubeconfig",
            names.controller_manager_kubeconfig(),
        ),
    ]);
    if facts.store.driver != Driver::Etcd {
        volumes.extend(vec![
            empty_dir("kine-uds", Some("Memory")),
            secret("kine-config", names.datastore_certificate()),
            empty_dir("kine-certs", None),
        ]);
    }
    if tenant.spec.addons.konnectivity.is_some() {
        volumes.extend(vec![
            empty_dir("konnectivity-uds", Some("Memory")),
            config_map("egress-selector-configuration", names.konnectivity_egress()),
            secret(
                "konnectivity-server-kubeconfig",
                names.konnectivity_kubeconfig(),
            ),
        ]);
    }
    volumes
}

/// Everything below /etc/kubernetes/pki: of each Secret exactly the files that are used.
fn pki(facts: &Facts) -> Volume {
    let names = &facts.tenant.names;
    let mut sources = vec![
        projection(
            names.api_server(),
            &[("apiserver.crt", ""), ("apiserver.key", "")],
        ),
        projection(names.ca(), &[("ca.crt", ""), ("ca.key", "")]),
        projection(
            names.kubelet_client(),
            &[
                ("apiserver-kubelet-client.crt", ""),
                ("apiserver-kubelet-client.key", ""),
            ],
        ),
        projection(
            names.front_proxy_ca(),
            &[("front-proxy-ca.crt", ""), ("front-proxy-ca.key", "")],
        ),
        projection(
            names.front_proxy_client(),
            &[
                ("front-proxy-client.crt", ""),
                ("front-proxy-client.key", ""),
            ],
        ),
        projection(names.service_account(), &[("sa.pub", ""), ("sa.key", "")]),
    ];
    if facts.store.driver == Driver::Etcd {
        sources.push(projection(
            names.datastore_certificate(),
            &[
                ("ca.crt", "etcd/"),
                ("server.crt", "etcd/"),
                ("server.key", "etcd/"),
            ],
        ));
    }
    Volume {
        name: "etc-kubernetes-pki".to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}

/// Files of a Secret, as (key, directory).
fn projection(secret: String, files: &[(&str, &str)]) -> VolumeProjection {
    let items = files
        .iter()
        .map(|(key, directory)| KeyToPath {
            key: (*key).to_owned(),
            path: format!("{directory}{key}"),
            ..KeyToPath::default()
        })
        .collect();
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret,
            items: Some(items),
            ..SecretProjection::default()
        }),
        ..VolumeProjection::default()
    }
}

fn secret(name: &str, secret_name: String) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret_name),
            default_mode: Some(MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn config_map(name: &str, config_map: String) -> Volume {
    Volume {
        name: name.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map,
            default_mode: Some(MODE),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn empty_dir(name: &str, medium: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
#[path = "volumes_tests.rs"]
mod tests;
