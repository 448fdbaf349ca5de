//! What in a tenant's text will not come out as it was written, because it is ours?
//!
//! Rendering never fails over it: ours wins, as in upstream. Each finding is a sentence for
//! an admission warning or a condition.

use std::collections::BTreeSet;

use kamaji_api::tenant::TenantControlPlaneSpec;

use super::{
    Renderer,
    deployment::{api_server, args, controller_manager, kine, konnectivity, scheduler, volumes},
};
use crate::tenant::Tenant;

/// Every finding, in the order of the fields.
pub fn collisions(tenant: &Tenant) -> Vec<String> {
    let mut found = flags(tenant);
    found.extend(containers(&tenant.spec));
    found.extend(ports(tenant));
    found
}

fn flags(tenant: &Tenant) -> Vec<String> {
    let spec = &tenant.spec;
    let mut found = Vec::new();
    if let Some(extra) = &spec.control_plane.deployment.extra_args {
        let field = |name| format!("spec.controlPlane.deployment.extraArgs.{name}");
        found.extend(ignored(&field("apiServer"), &extra.api_server, |n| {
            owned(tenant, n)
        }));
        found.extend(ignored(
            &field("controllerManager"),
            &extra.controller_manager,
            |_| false,
        ));
        found.extend(ignored(&field("scheduler"), &extra.scheduler, |name| {
            let ours = tenant.status.renderer.as_deref() == Some(Renderer::V1.number());
            ours && scheduler::MANAGED.iter().any(|arg| args::name(arg) == name)
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

/// True if kube-apiserver's flag of this name is ours.
fn owned(tenant: &Tenant, name: &str) -> bool {
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

/// Names that the API server refuses to see twice.
fn containers(spec: &TenantControlPlaneSpec) -> Vec<String> {
    let deployment = &spec.control_plane.deployment;
    let containers = deployment
        .additional_containers
        .iter()
        .map(|c| ("additionalContainers", &c.name));
    let inits = deployment
        .additional_init_containers
        .iter()
        .map(|c| ("additionalInitContainers", &c.name));
    let reserved = [
        api_server::NAME,
        scheduler::NAME,
        controller_manager::NAME,
        kine::NAME,
        kine::CHMOD,
        konnectivity::NAME,
    ];
    let containers = containers
        .chain(inits)
        .filter(|(_, name)| reserved.contains(&name.as_str()))
        .filter(|(list, name)| *list != "additionalContainers" || *name != kine::NAME);
    let volumes = deployment
        .additional_volumes
        .iter()
        .map(|volume| ("additionalVolumes", &volume.name))
        .filter(|(_, name)| volumes::NAMES.contains(&name.as_str()));
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
#[path = "collisions_tests.rs"]
mod tests;
