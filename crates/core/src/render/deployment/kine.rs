//! Containers of kine, which serves the etcd API to kube-apiserver from a database that is not etcd.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, SecretEnvSource,
};
use kamaji_api::datastore::Driver;

use super::{
    args::{flag, merged},
    volumes::{mount, read_only},
};
use crate::{kine, render::facts::Facts, secret_role::SecretRole};

/// Name of the container.
pub const NAME: &str = "kine";

/// Name of the init container that makes the TLS material private.
pub const CHMOD: &str = "chmod";

/// Flag with the URL of the database, which the operator always sets.
pub const ENDPOINT_FLAG: &str = "--endpoint";

/// Renders the container; `None` where the datastore is etcd.
pub fn container(facts: &Facts) -> Option<Container> {
    let args = args(facts)?;
    let tenant = facts.tenant;
    let resources = tenant.spec.control_plane.deployment.resources.as_ref();
    Some(Container {
        name: NAME.to_owned(),
        image: Some(image(facts)),
        image_pull_policy: Some("Always".to_owned()),
        command: Some(vec!["/bin/kine".to_owned()]),
        args: Some(args),
        env: Some(vec![EnvVar {
            name: "GODEBUG".to_owned(),
            value: Some("x509ignoreCN=0".to_owned()),
            ..EnvVar::default()
        }]),
        env_from: Some(vec![EnvFromSource {
            secret_ref: Some(SecretEnvSource {
                name: tenant.names.secret(SecretRole::DatastoreConfig),
                ..SecretEnvSource::default()
            }),
            ..EnvFromSource::default()
        }]),
        ports: Some(vec![ContainerPort {
            container_port: 2379,
            name: Some("server".to_owned()),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        resources: resources.and_then(|r| r.kine.clone()),
        volume_mounts: Some(vec![
            mount("kine-certs", "/certs"),
            mount("kine-uds", "/uds"),
        ]),
        ..Container::default()
    })
}

/// Renders the init container that copies TLS material to a volume where its mode can be changed: database
/// clients refuse keys that others can read. `None` without kine or without TLS.
pub fn init_container(facts: &Facts) -> Option<Container> {
    if facts.store.driver == Driver::Etcd || facts.store.tls.is_none() {
        return None;
    }
    Some(Container {
        name: CHMOD.to_owned(),
        image: Some(image(facts)),
        command: Some(vec!["sh".to_owned()]),
        args: Some(vec![
            "-c".to_owned(),
            "cp /kine/*.* /certs && chmod -R 600 /certs/*.*".to_owned(),
        ]),
        volume_mounts: Some(vec![
            read_only("kine-config", "/kine"),
            mount("kine-certs", "/certs"),
        ]),
        ..Container::default()
    })
}

/// The image of a container `kine` in additionalContainers; else the one that runs already and stays; else the
/// one of the operator's settings.
fn image(facts: &Facts) -> String {
    let deployment = &facts.tenant.spec.control_plane.deployment;
    let mut additional = deployment.additional_containers.iter();
    let asked = additional.find(|container| container.name == NAME);
    asked
        .and_then(|container| container.image.as_deref())
        .or(facts.kine_image)
        .unwrap_or(&facts.settings.kine_image)
        .to_owned()
}

/// Flags of the container, sorted, one of each name; the user's win except for the endpoint. `None` where the
/// datastore is etcd.
pub fn args(facts: &Facts) -> Option<Vec<String>> {
    let (driver, binding) = (facts.store.driver, facts.binding);
    let endpoint = kine::endpoint(driver, &binding.schema, &binding.user)?;
    let mut defaults = vec!["--listen-address=unix:///uds/kine".to_owned()];
    if let Some(tls) = &facts.store.tls {
        defaults.push("--ca-file=/certs/ca.crt".to_owned());
        if tls.client.is_some() {
            defaults.push("--cert-file=/certs/server.crt".to_owned());
            defaults.push("--key-file=/certs/server.key".to_owned());
        }
    }
    let extra = facts
        .tenant
        .spec
        .control_plane
        .deployment
        .extra_args
        .as_ref();
    let user = extra.map(|extra| extra.kine.as_slice()).unwrap_or_default();
    let ours = [flag(ENDPOINT_FLAG, endpoint)];
    Some(merged([defaults.as_slice(), user, &ours]))
}

#[cfg(test)]
mod tests;
