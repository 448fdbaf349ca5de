//! Volumes of a control plane's pods, and their mounts in the Kubernetes components.
//!
//! The order is the one that upstream's Deployments end up with, so that pods of a control plane that is taken
//! over are not restarted.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, ProjectedVolumeSource,
    SecretProjection, SecretVolumeSource, Volume, VolumeMount, VolumeProjection,
};
use kamaji_api::datastore::Driver;

use super::component::Component;
use crate::{
    render::facts::Facts,
    secret_role::{SecretRole, TLS_PAIR},
    tenant::Tenant,
};

/// Permissions of mounted files: 0644.
const MODE: i32 = 420;

/// Directories of certificates and keys.
const PKI: [&str; 4] = [
    "/etc/kubernetes/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];
const KUBECONFIG: &str = "/etc/kubernetes";
const KONNECTIVITY_SOCKET: &str = "/run/konnectivity";
const EGRESS_SELECTOR: &str = "/etc/kubernetes/konnectivity/configurations";
const KINE_SOCKET: &str = "/uds";

/// File below `/etc/kubernetes/pki` with the certificate of the CA that signs, mounted where `ca.crt` has others, too.
pub const SIGNER_FILE: &str = "ca-signer.crt";

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

/// Mounts of kube-apiserver, the user's first.
pub fn api_server_mounts(facts: &Facts) -> Vec<VolumeMount> {
    let deployment = &facts.tenant.spec.control_plane.deployment;
    let mut mounts = Component::ApiServer.additional_mounts(deployment).to_vec();
    mounts.extend(pki_mounts());
    if facts.tenant.spec.addons.konnectivity.is_some() {
        mounts.push(mount("konnectivity-uds", KONNECTIVITY_SOCKET));
        mounts.push(mount("egress-selector-configuration", EGRESS_SELECTOR));
    }
    if facts.store.driver != Driver::Etcd {
        mounts.push(mount("kine-uds", KINE_SOCKET));
    }
    mounts
}

/// Mounts of kube-controller-manager, the user's first.
pub fn controller_manager_mounts(tenant: &Tenant) -> Vec<VolumeMount> {
    let deployment = &tenant.spec.control_plane.deployment;
    let user = Component::ControllerManager.additional_mounts(deployment);
    let mut mounts = user.to_vec();
    mounts.push(read_only("controller-manager-kubeconfig", KUBECONFIG));
    mounts.extend(pki_mounts());
    mounts
}

/// Mounts of kube-scheduler, the user's first.
pub fn scheduler_mounts(tenant: &Tenant) -> Vec<VolumeMount> {
    let deployment = &tenant.spec.control_plane.deployment;
    let mut mounts = Component::Scheduler.additional_mounts(deployment).to_vec();
    mounts.push(read_only("scheduler-kubeconfig", KUBECONFIG));
    mounts
}

fn pki_mounts() -> [VolumeMount; 4] {
    [
        read_only("etc-kubernetes-pki", PKI[0]),
        read_only("etc-ca-certificates", PKI[1]),
        read_only("usr-share-ca-certificates", PKI[2]),
        read_only("usr-local-share-ca-certificates", PKI[3]),
    ]
}

/// Names of the volumes that the operator adds, whatever the datastore and the addons: no additional volume may
/// have one of them.
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

/// Paths at which the container of `component` has mounts, whatever the datastore and the addons: no additional
/// mount may have one of them.
pub fn mount_paths(component: Component) -> &'static [&'static str] {
    match component {
        Component::ApiServer => &[
            PKI[0],
            PKI[1],
            PKI[2],
            PKI[3],
            KONNECTIVITY_SOCKET,
            EGRESS_SELECTOR,
            KINE_SOCKET,
        ],
        Component::ControllerManager => &[PKI[0], PKI[1], PKI[2], PKI[3], KUBECONFIG],
        Component::Scheduler => &[KUBECONFIG],
    }
}

/// Volumes of the pods, the user's first.
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
        secret("etc-ca-certificates", names.secret(SecretRole::Ca)),
        secret("usr-share-ca-certificates", names.secret(SecretRole::Ca)),
        secret(
            "usr-local-share-ca-certificates",
            names.secret(SecretRole::Ca),
        ),
        secret(
            "scheduler-kubeconfig",
            names.secret(SecretRole::SchedulerKubeconfig),
        ),
        secret(
            "controller-manager-kubeconfig",
            names.secret(SecretRole::ControllerManagerKubeconfig),
        ),
    ]);
    if facts.store.driver != Driver::Etcd {
        volumes.extend(vec![
            empty_dir("kine-uds", Some("Memory")),
            secret(
                "kine-config",
                names.secret(SecretRole::DatastoreCertificate),
            ),
            empty_dir("kine-certs", None),
        ]);
    }
    if tenant.spec.addons.konnectivity.is_some() {
        volumes.extend(vec![
            empty_dir("konnectivity-uds", Some("Memory")),
            config_map("egress-selector-configuration", names.konnectivity_egress()),
            secret(
                "konnectivity-server-kubeconfig",
                names.secret(SecretRole::KonnectivityKubeconfig),
            ),
        ]);
    }
    volumes
}

/// Secrets whose files are mounted below `/etc/kubernetes/pki`, in the order of the projection.
const PKI_SECRETS: [SecretRole; 6] = [
    SecretRole::ApiServer,
    SecretRole::Ca,
    SecretRole::KubeletClient,
    SecretRole::FrontProxyCa,
    SecretRole::FrontProxyClient,
    SecretRole::ServiceAccount,
];

/// The volume of /etc/kubernetes/pki, which has of each Secret the files that are used.
fn pki(facts: &Facts) -> Volume {
    let names = &facts.tenant.names;
    let secret = |role: SecretRole, directory| {
        let files = role.files().iter();
        let mut items: Vec<_> = files
            .map(|file| item(file, format!("{directory}{file}")))
            .collect();
        if role == SecretRole::Ca && facts.signer_apart {
            items.push(item(TLS_PAIR.0, SIGNER_FILE.to_owned()));
        }
        projection(names.secret(role), items)
    };
    let mut sources: Vec<_> = PKI_SECRETS
        .into_iter()
        .map(|role| secret(role, ""))
        .collect();
    if facts.store.driver == Driver::Etcd {
        sources.push(secret(SecretRole::DatastoreCertificate, "etcd/"));
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

/// File at `path` with the content of `key`.
fn item(key: &str, path: String) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path,
        ..KeyToPath::default()
    }
}

fn projection(secret: String, items: Vec<KeyToPath>) -> VolumeProjection {
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
mod tests;
