//! Pod template of a control plane: metadata with checksums, containers, volumes and scheduling.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, PodSpec, PodTemplateSpec, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kamaji_api::labels;

use super::{api_server, controller_manager, kine, konnectivity, scheduler, volumes};
use crate::{
    render::{
        facts::{Checksums, Facts},
        renderer::Change,
        user,
    },
    secret_role::{PodChecksum, SecretRole},
    tenant::{Hold, Tenant},
};

/// Renders the pod template. A changed checksum rolls the pods.
pub fn template(facts: &Facts, checksums: &Checksums) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(metadata(facts, checksums)),
        spec: Some(pod(facts)),
    }
}

/// Selects the pods of a tenant's control plane.
pub fn selector(tenant: &Tenant) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(
            labels::NAME.to_owned(),
            tenant.name.clone(),
        )])),
        ..LabelSelector::default()
    }
}

fn metadata(facts: &Facts, checksums: &Checksums) -> ObjectMeta {
    let deployment = &facts.tenant.spec.control_plane.deployment;
    let user = deployment
        .pod_additional_metadata
        .clone()
        .unwrap_or_default();
    let mut ours = BTreeMap::from([(
        format!("{}datastore", labels::COMPONENT_CHECKSUM),
        facts.store.name.clone(),
    )]);
    let mut annotations = user.annotations;
    let wanted = SecretRole::ALL
        .into_iter()
        .filter(|role| role.is_wanted(&facts.tenant.spec))
        .filter(|role| !role.is_optional() || facts.renderer.has(Change::KonnectivityChecksums));
    for role in wanted {
        let checksum = checksums.of(role).to_owned();
        match role.pod_checksum() {
            Some(PodChecksum::Label(suffix)) => {
                ours.insert(format!("{}{suffix}", labels::COMPONENT_CHECKSUM), checksum);
            }
            Some(PodChecksum::Annotation(key)) => {
                annotations.insert(key.to_owned(), checksum);
            }
            None => {}
        }
    }
    ours.insert(labels::NAME.to_owned(), facts.tenant.name.clone());
    ours.insert(labels::COMPONENT.to_owned(), "deployment".to_owned());
    ObjectMeta {
        labels: Some(user::labels(ours, &user.labels)),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

fn pod(facts: &Facts) -> PodSpec {
    let deployment = &facts.tenant.spec.control_plane.deployment;
    PodSpec {
        affinity: deployment.affinity.clone(),
        automount_service_account_token: deployment.automount_service_account_token,
        containers: containers(facts),
        init_containers: Some(init_containers(facts)).filter(|list| !list.is_empty()),
        node_selector: Some(deployment.node_selector.clone()).filter(|map| !map.is_empty()),
        runtime_class_name: deployment
            .runtime_class_name
            .clone()
            .filter(|name| !name.is_empty()),
        security_context: deployment.pod_security_context.clone(),
        service_account_name: deployment
            .service_account_name
            .clone()
            .filter(|name| !name.is_empty())
            .or_else(|| Some("default".to_owned())),
        tolerations: Some(deployment.tolerations.clone()).filter(|list| !list.is_empty()),
        topology_spread_constraints: Some(spread(facts.tenant)).filter(|list| !list.is_empty()),
        volumes: Some(volumes::volumes(facts)),
        ..PodSpec::default()
    }
}

fn containers(facts: &Facts) -> Vec<Container> {
    let user = &facts
        .tenant
        .spec
        .control_plane
        .deployment
        .additional_containers;
    // A container named `kine` sets the image of kine and is no container of its own.
    let user = user.iter().filter(|container| container.name != kine::NAME);
    let mut containers: Vec<Container> = user.cloned().map(complete).collect();
    containers.push(api_server::container(facts));
    if facts.tenant.hold != Hold::Fenced {
        containers.extend([
            scheduler::container(facts),
            controller_manager::container(facts),
        ]);
    }
    containers.extend(kine::container(facts));
    containers.extend(konnectivity::container(facts.tenant));
    containers
}

fn init_containers(facts: &Facts) -> Vec<Container> {
    let user = &facts
        .tenant
        .spec
        .control_plane
        .deployment
        .additional_init_containers;
    let mut containers: Vec<Container> = user.iter().cloned().map(complete).collect();
    containers.extend(kine::init_container(facts));
    containers
}

/// A user's container with the protocol of each port: server-side apply needs it as a key.
fn complete(mut container: Container) -> Container {
    for port in container.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
    container
}

/// Constraints of the user; those without a selector select the pods of this control plane.
fn spread(tenant: &Tenant) -> Vec<TopologySpreadConstraint> {
    let constraints = tenant
        .spec
        .control_plane
        .deployment
        .topology_spread_constraints
        .clone();
    constraints
        .into_iter()
        .map(|constraint| TopologySpreadConstraint {
            label_selector: constraint.label_selector.or_else(|| Some(selector(tenant))),
            ..constraint
        })
        .collect()
}
