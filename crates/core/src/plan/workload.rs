//! Plans the Deployment, what its pods mount beside Secrets, and the Ingress and routes to it.

use kamaji_api::condition::{ConditionType, Reason};

use super::{
    authorities::Authorities, builder::PlanBuilder, issuer, storage::Storage, types::Wait,
};
use crate::{
    endpoint::Endpoint,
    object::Object,
    render::{self, Checksums, Facts, Renderer},
    secret_role::PodChecksum,
};

/// Chooses the renderer of the pods, and waits if this build does not have the recorded one.
pub(super) fn choose_renderer(builder: &mut PlanBuilder) {
    match Renderer::choose(builder.tenant, builder.snapshot) {
        Ok(renderer) => builder.renderer = Some(renderer),
        Err(unknown) => builder.wait(Wait::new(
            ConditionType::Reconciled,
            Reason::RendererUnknown,
            unknown,
        )),
    }
}

/// Plans the workload. Requires that every Secret that the pods mount is planned already.
pub(super) fn plan_workload(
    authorities: &Authorities,
    storage: &Storage,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    let (tenant, renderer) = (builder.tenant, builder.renderer);
    let issuer = issuer::effective(builder);
    let live = builder.snapshot.deployment.as_ref();
    let kine_image = live.and_then(|live| live.kine_image.as_deref());
    let upgrades = render::upgrades_pods(tenant, builder.snapshot);
    let facts = Facts {
        renderer: builder.renderer_or_newest(),
        issuer: &issuer,
        tenant,
        settings: &builder.snapshot.settings,
        store: &storage.store,
        overrides: &storage.overrides,
        binding: &storage.binding,
        endpoint,
        signer_apart: authorities.signer_is_apart(builder),
        kine_image: kine_image.filter(|_| !upgrades),
    };
    builder.write_config_map(&render::kubeadm_config::config_map(&facts));
    if renderer.is_some() && tenant.spec.addons.konnectivity.is_some() {
        builder.write_config_map(&render::egress::config_map(tenant));
    }
    if builder.foreign_mount {
        return;
    }
    // Pods of an unknown renderer stay as they are.
    if renderer.is_some() {
        let deployment = render::deployment::deployment(&facts, &pod_checksums(builder));
        builder.write(Object::of(&deployment));
    }
    if let Some(ingress) = render::ingress::ingress(tenant) {
        builder.write(Object::of(&ingress));
    }
    plan_routes(builder);
    builder.complete = renderer.is_some();
}

fn plan_routes(builder: &mut PlanBuilder) {
    let tenant = builder.tenant;
    if builder.snapshot.gateway_api {
        for route in render::gateway::routes(tenant) {
            builder.write(Object::of_json(&route));
        }
    } else if tenant.spec.control_plane.gateway.is_some() {
        builder.wait(Wait::new(
            ConditionType::Reconciled,
            Reason::GatewayApiMissing,
            "spec.controlPlane.gateway asks for routes, and the API server serves no TLSRoute of gateway.networking.k8s.io/v1: install the Gateway API (the routes follow by themselves), or remove spec.controlPlane.gateway",
        ));
    }
}

/// Checksums that the pod template carries, so that a changed Secret rolls the pods.
fn pod_checksums(builder: &PlanBuilder) -> Checksums {
    let checksums = builder.secrets.iter().map(|(role, written)| {
        let checksum = match role.pod_checksum() {
            Some(PodChecksum::Annotation(_)) => &written.annotated,
            Some(PodChecksum::Label(_)) | None => &written.checksum,
        };
        (*role, checksum.clone())
    });
    checksums.collect()
}
