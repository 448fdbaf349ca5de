//! Finds flags, names and ports in a tenant's spec that are not rendered as written, because the operator sets them
//! itself.
//!
//! Rendering does not fail over them: the operator's value wins, as in upstream. Each finding is a sentence for an
//! admission warning.

use std::collections::BTreeSet;

use super::{
    deployment::{api_server, args, kine, konnectivity, scheduler},
    renderer::Renderer,
    reserved::Reserved,
};
use crate::tenant::Tenant;

/// Lists all findings in the order of the fields. Empty if everything is rendered as written.
pub fn collisions(tenant: &Tenant) -> Vec<String> {
    let mut found = flags(tenant);
    found.extend(containers(tenant));
    found.extend(ports(tenant));
    found
}

fn flags(tenant: &Tenant) -> Vec<String> {
    let spec = &tenant.spec;
    let mut found = Vec::new();
    if let Some(extra) = &spec.control_plane.deployment.extra_args {
        let field = |name| format!("spec.controlPlane.deployment.extraArgs.{name}");
        found.extend(ignored(&field("apiServer"), &extra.api_server, |n| {
            is_managed(tenant, n)
        }));
        found.extend(ignored(
            &field("controllerManager"),
            &extra.controller_manager,
            |_| false,
        ));
        found.extend(ignored(&field("scheduler"), &extra.scheduler, |name| {
            let recorded = tenant.status.renderer.as_deref();
            let renderer = recorded.and_then(Renderer::parse);
            scheduler::is_managed(renderer.unwrap_or(Renderer::NEWEST), name)
        }));
        found.extend(ignored(&field("kine"), &extra.kine, |name| {
            name == kine::ENDPOINT_FLAG
        }));
    }
    if let Some(addon) = &spec.addons.konnectivity {
        let managed = konnectivity::managed(tenant, &addon.server);
        found.extend(ignored(
            "spec.addons.konnectivity.server.extraArgs",
            &addon.server.extra_args,
            |name| managed.iter().any(|arg| args::name(arg) == name),
        ));
    }
    found
}

/// True if the operator sets kube-apiserver's flag of this name.
fn is_managed(tenant: &Tenant, name: &str) -> bool {
    let driver = tenant
        .status
        .storage
        .as_ref()
        .and_then(|s| s.driver.as_deref());
    api_server::MANAGED.contains(&name)
        || (driver.is_none_or(|driver| driver == "etcd")
            && api_server::MANAGED_WITH_ETCD.contains(&name))
        || (!tenant.spec.data_store_overrides.is_empty() && name == api_server::OVERRIDES_FLAG)
        || (tenant.spec.addons.konnectivity.is_some() && name == api_server::EGRESS_FLAG)
}

fn ignored(field: &str, user: &[String], managed: impl Fn(&str) -> bool) -> Vec<String> {
    user.iter()
        .filter_map(|arg| {
            let name = &args::name(arg);
            if !name.starts_with('-') {
                Some(format!(
                    "{field} has {arg:?}, which is not a flag: write each flag with its value as one item, --name=value"
                ))
            } else if managed(name) {
                Some(format!("{field} has {name}, which Kamaji sets itself: it is ignored, remove it"))
            } else {
                None
            }
        })
        .collect()
}

/// Names of containers and volumes that the API server refuses to see twice.
fn containers(tenant: &Tenant) -> Vec<String> {
    let deployment = &tenant.spec.control_plane.deployment;
    let containers = deployment
        .additional_containers
        .iter()
        .map(|c| ("additionalContainers", &c.name));
    let inits = deployment
        .additional_init_containers
        .iter()
        .map(|c| ("additionalInitContainers", &c.name));
    let reserved = Reserved::of(tenant.status.renderer.as_deref());
    let containers = containers
        .chain(inits)
        .filter(|(_, name)| reserved.containers.contains(&name.as_str()))
        .filter(|(list, name)| *list != "additionalContainers" || *name != kine::NAME);
    let volumes = deployment
        .additional_volumes
        .iter()
        .map(|volume| ("additionalVolumes", &volume.name))
        .filter(|(_, name)| reserved.volumes.contains(&name.as_str()));
    containers
        .chain(volumes)
        .map(|(field, name)| {
            format!(
                "spec.controlPlane.deployment.{field} has {name}, a name that Kamaji uses itself: choose another"
            )
        })
        .collect()
}

fn ports(tenant: &Tenant) -> Vec<String> {
    let mut taken = BTreeSet::from([(i32::from(tenant.network.port), "TCP")]);
    taken.extend(
        tenant
            .spec
            .addons
            .konnectivity
            .iter()
            .map(|k| (k.server.port, "TCP")),
    );
    let mut found = Vec::new();
    for port in &tenant.spec.control_plane.service.additional_ports {
        let key = (port.port, port.protocol.as_str());
        if !taken.insert(key) {
            found.push(format!(
                "spec.controlPlane.service.additionalPorts has {} with port {}/{}, which is taken: choose another port",
                port.name, key.0, key.1
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests;
