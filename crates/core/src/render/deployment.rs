//! Deployment of a control plane.
//!
//! A change of the pod template restarts every control plane, so whatever alters the template of a
//! running tenant is a [`Change`] of a newer [`Renderer`](super::renderer::Renderer).

use std::collections::BTreeMap;

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kamaji_api::labels;

use super::{
    facts::{Checksums, Facts},
    metadata::metadata,
    renderer::Change,
    user,
};
use crate::{checksum, tenant::Tenant};

pub mod api_server;
pub mod args;
pub mod component;
pub mod controller_manager;
pub mod core_container;
pub mod kine;
pub mod konnectivity;
pub mod probes;
pub mod scheduler;
pub mod template;
pub mod volumes;

/// Renders the Deployment with the containers of the control plane, kine and konnectivity.
pub fn deployment(facts: &Facts, checksums: &Checksums) -> Deployment {
    let tenant = facts.tenant;
    let wanted = &tenant.spec.control_plane.deployment;
    let mut ours = metadata(tenant, tenant.names.control_plane(), "deployment");
    ours.annotations = wanted.extra_args.as_ref().map(|extra| {
        BTreeMap::from([(
            labels::API_SERVER_ARGS.to_owned(),
            checksum::slice(&extra.api_server),
        )])
    });
    let mut metadata = user::metadata(ours, wanted.additional_metadata.as_ref());
    if facts.renderer.has(Change::NamesItself) {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(
            labels::RENDERER.to_owned(),
            facts.renderer.number().to_owned(),
        );
    }
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(tenant.replicas()),
            selector: template::selector(tenant),
            strategy: Some(strategy(tenant)),
            template: template::template(facts, checksums),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// Strategy of the tenant; by default all new pods start before old ones stop.
fn strategy(tenant: &Tenant) -> DeploymentStrategy {
    let wanted = &tenant.spec.control_plane.deployment.strategy;
    if wanted.type_.as_deref() == Some("Recreate") {
        return DeploymentStrategy {
            type_: wanted.type_.clone(),
            rolling_update: None,
        };
    }
    // Defaults of the API server are written out: a value that server-side apply does not own would stay
    // when the tenant changes to Recreate, and be refused.
    let quarter = || Some(IntOrString::String("25%".to_owned()));
    let rolling_update = match wanted.rolling_update.clone() {
        Some(rolling) => RollingUpdateDeployment {
            max_surge: rolling.max_surge.or_else(quarter),
            max_unavailable: rolling.max_unavailable.or_else(quarter),
        },
        None => RollingUpdateDeployment {
            max_surge: Some(IntOrString::String("100%".to_owned())),
            max_unavailable: Some(IntOrString::Int(0)),
        },
    };
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(rolling_update),
    }
}

#[cfg(test)]
mod tests;
