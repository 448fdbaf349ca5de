//! The next status of a tenant, from its plan and the snapshot.

mod conditions;
mod secrets;

use k8s_openapi::api::apps::v1::DeploymentStatus as LiveDeploymentStatus;
use kamaji_api::datastore::Driver;
use kamaji_api::tenant::{
    AddonsStatus, ConfigMapStatus, DeploymentStatus, IngressStatus, KonnectivityStatus,
    KubernetesResourcesStatus, MigrationPhase, RouteReference, RouteStatus, ServiceStatus,
    StorageConfigStatus, StorageMigrationStatus, StorageOverrideStatus, StorageSetupStatus,
    StorageStatus, TenantControlPlaneStatus, VersionPhase, VersionStatus,
};

use self::secrets::secret_status;
use super::{builder::PlanBuilder, migrating, types::Step};
use crate::{
    binding,
    data_store::{ResolvedDataStore, usage},
    endpoint::Endpoint,
    object::Kind,
    render,
    secret_role::SecretRole,
    tenant::Tenant,
    tenant_cluster,
};

/// The next status. What this reconcile could not determine stays as it was.
pub(super) fn next(endpoint: Option<&Endpoint>, builder: &PlanBuilder) -> TenantControlPlaneStatus {
    let tenant = builder.tenant;
    let mut status = tenant.status.clone();
    if builder.waits.is_empty() {
        status.observed_generation = Some(tenant.generation);
    }
    if let Some(endpoint) = endpoint {
        let host = endpoint.assigned.to_string();
        status.control_plane_endpoint = Some(
            crate::endpoint::HostPort {
                host,
                port: endpoint.port,
            }
            .to_string(),
        );
    }
    secrets::secrets(&mut status, builder);
    secrets::kubeadm_config(&mut status, builder);
    storage(&mut status, builder);
    if let Some(renderer) = builder.renderer.filter(|_| builder.complete) {
        status.renderer = Some(renderer.number().to_owned());
    }
    resources(&mut status, builder);
    addons(&mut status, builder);
    conditions::conditions(&mut status, builder);
    status
}

fn storage(status: &mut TenantControlPlaneStatus, builder: &PlanBuilder) {
    let tenant = builder.tenant;
    let (Ok(store), Some(config)) = (
        &builder.snapshot.store,
        builder.secrets.get(&SecretRole::DatastoreConfig),
    ) else {
        return;
    };
    let old = status.storage.take().unwrap_or_default();
    let certificate = SecretRole::DatastoreCertificate;
    let bound = builder
        .steps
        .iter()
        .any(|step| matches!(step, Step::Bind(..)));
    let setup = if bound {
        let before = old.setup.unwrap_or_default();
        let same = before.checksum.as_ref() == Some(&config.annotated);
        Some(StorageSetupStatus {
            checksum: Some(config.annotated.clone()),
            last_update: if same {
                before.last_update
            } else {
                Some(builder.time())
            },
            schema: Some(tenant.schema().to_owned()),
            user: Some(bound_user(builder, store)),
        })
    } else {
        old.setup
    };
    let migration = migration(old.migration, builder);
    let same_store = old.data_store_name.as_ref() == Some(&store.name);
    let usage = old.usage.filter(|_| same_store);
    let overrides = if bound {
        Some(overrides(builder))
    } else {
        old.overrides
    };
    status.storage = Some(StorageStatus {
        overrides,
        certificate: secret_status(certificate, old.certificate.as_ref(), builder),
        config: Some(StorageConfigStatus {
            checksum: Some(config.annotated.clone()),
            secret_name: Some(tenant.names.secret(SecretRole::DatastoreConfig)),
        }),
        data_store_name: Some(store.name.clone()),
        driver: Some(store.driver.as_str().to_owned()),
        former: old.former,
        migration,
        setup,
        usage: usage::published(usage.as_ref(), builder.snapshot.usage.measured.as_ref()),
    });
}

/// The record of a migration, which the operator's migrations write, until the pods have changed over to the target.
fn migration(
    old: Option<StorageMigrationStatus>,
    builder: &PlanBuilder,
) -> Option<StorageMigrationStatus> {
    let switched = |record: &StorageMigrationStatus| record.phase == MigrationPhase::Switched;
    let ended = builder.complete && !is_progressing(builder.tenant.replicas(), builder);
    old.filter(|record| !switched(record) || !ended)
}

/// The overrides that are in force; each is an etcd.
fn overrides(builder: &PlanBuilder) -> Vec<StorageOverrideStatus> {
    binding::overrides::effective(&builder.snapshot.object)
        .into_iter()
        .map(|(resource, data_store)| StorageOverrideStatus {
            data_store,
            resource,
            schema: builder.tenant.schema().to_owned(),
            user: builder.tenant.data_store_user(Driver::Etcd).into_owned(),
        })
        .collect()
}

/// The user that was bound to `store`: NATS has one of its own.
fn bound_user(builder: &PlanBuilder, store: &ResolvedDataStore) -> String {
    builder
        .steps
        .iter()
        .find_map(|step| match step {
            Step::Bind(_, binding) => Some(binding.user.clone()),
            Step::Write(_) => None,
        })
        .unwrap_or_else(|| builder.tenant.data_store_user(store.driver).into_owned())
}

fn resources(status: &mut TenantControlPlaneStatus, builder: &PlanBuilder) {
    let tenant = builder.tenant;
    let old = status.kubernetes_resources.take().unwrap_or_default();
    let snapshot = builder.snapshot;
    let live = snapshot.deployment.as_ref();
    let deployment = match live {
        Some(view) => Some(deployment(
            tenant,
            builder,
            &view.status,
            old.deployment.as_ref(),
        )),
        None if builder.complete => Some(deployment(
            tenant,
            builder,
            &LiveDeploymentStatus::default(),
            old.deployment.as_ref(),
        )),
        None => old.deployment,
    };
    let version = version(tenant, builder, old.version.unwrap_or_default());
    status.kubernetes_resources = Some(KubernetesResourcesStatus {
        deployment,
        gateway: route(builder, &tenant.names.control_plane()),
        ingress: snapshot
            .ingress
            .as_ref()
            .filter(|_| wants_ingress(tenant))
            .map(|live| IngressStatus {
                load_balancer: live.load_balancer.clone().unwrap_or_default(),
                name: tenant.names.control_plane(),
                namespace: tenant.namespace.clone(),
            }),
        service: Some(service(tenant, builder, i32::from(tenant.network.port))),
        version: Some(version),
    });
}

fn wants_ingress(tenant: &Tenant) -> bool {
    tenant.spec.control_plane.ingress.is_some()
}

fn deployment(
    tenant: &Tenant,
    builder: &PlanBuilder,
    live: &LiveDeploymentStatus,
    old: Option<&DeploymentStatus>,
) -> DeploymentStatus {
    let mut next = DeploymentStatus {
        available_replicas: live.available_replicas,
        collision_count: live.collision_count,
        conditions: live.conditions.clone().unwrap_or_default(),
        last_update: old.and_then(|old| old.last_update.clone()),
        name: tenant.names.control_plane(),
        namespace: tenant.namespace.clone(),
        observed_generation: live.observed_generation,
        ready_replicas: live.ready_replicas,
        replicas: live.replicas,
        selector: format!("{}={}", kamaji_api::labels::NAME, tenant.name),
        terminating_replicas: old.and_then(|old| old.terminating_replicas),
        unavailable_replicas: live.unavailable_replicas,
        updated_replicas: live.updated_replicas,
    };
    if old != Some(&next) {
        next.last_update = Some(builder.time());
    }
    next
}

fn service(tenant: &Tenant, builder: &PlanBuilder, port: i32) -> ServiceStatus {
    let live = builder
        .snapshot
        .service
        .as_ref()
        .and_then(|s| s.status.as_ref());
    let mut load_balancer = live
        .and_then(|s| s.load_balancer.clone())
        .unwrap_or_default();
    for ingress in load_balancer.ingress.iter_mut().flatten() {
        ingress.ports = None;
    }
    ServiceStatus {
        conditions: live.and_then(|s| s.conditions.clone()).unwrap_or_default(),
        load_balancer,
        name: tenant.names.control_plane(),
        namespace: tenant.namespace.clone(),
        port,
    }
}

fn route(builder: &PlanBuilder, name: &str) -> Option<RouteStatus> {
    let route = builder.snapshot.routes.get(name)?;
    Some(RouteStatus {
        access_points: render::gateway::access_points(route, &builder.snapshot.gateways),
        parents: route
            .status
            .as_ref()
            .map(|s| s.parents.clone())
            .unwrap_or_default(),
        route_ref: Some(RouteReference {
            name: name.to_owned(),
        }),
    })
}

/// Section 11.3, first match wins.
fn version(tenant: &Tenant, builder: &PlanBuilder, old: VersionStatus) -> VersionStatus {
    let installed = tenant.installed_version();
    let wanted = tenant.replicas();
    let live = builder.snapshot.deployment.as_ref();
    let ready = live.and_then(|view| view.status.ready_replicas);
    // Of a time when there was a Deployment: the status came back from a backup.
    let served = |phase| phase == VersionPhase::Ready || phase == VersionPhase::WriteLimited;
    let phase =
        if builder.ca_rotating && old.status.is_some_and(|s| s != VersionPhase::Provisioning) {
            VersionPhase::CertificateAuthorityRotating
        } else if live.is_none() && !old.status.is_some_and(served) {
            old.status.unwrap_or_default()
        } else if wanted == 0 {
            VersionPhase::Sleeping
        } else if ready.unwrap_or_default() == 0 {
            VersionPhase::NotReady
        } else if migrating::is_under_way(builder) {
            VersionPhase::Migrating
        } else if write_limited(tenant, builder, &old) {
            VersionPhase::WriteLimited
        } else if !is_progressing(wanted, builder) {
            VersionPhase::Ready
        } else {
            match &installed {
                None => VersionPhase::Provisioning,
                Some(installed) if installed.text != tenant.version.text => VersionPhase::Upgrading,
                Some(_) => VersionPhase::Unknown,
            }
        };
    let settled = matches!(phase, VersionPhase::Ready | VersionPhase::Sleeping)
        || (phase == VersionPhase::WriteLimited && !is_progressing(wanted, builder));
    VersionStatus {
        status: Some(phase),
        version: if settled && builder.complete {
            Some(tenant.version.text.clone())
        } else {
            old.version
        },
    }
}

/// True if writes are to be limited and the limit exists in the tenant cluster.
fn write_limited(tenant: &Tenant, builder: &PlanBuilder, old: &VersionStatus) -> bool {
    let report = builder.snapshot.tenant_cluster.as_ref();
    let stands = report
        .and_then(|report| report.write_limited)
        .unwrap_or(old.status == Some(VersionPhase::WriteLimited));
    tenant_cluster::limits_writes(&tenant.spec) && stands
}

/// True while a rollout is under way, or is about to be: this pass changes the pod template.
fn is_progressing(wanted: i32, builder: &PlanBuilder) -> bool {
    let Some(view) = &builder.snapshot.deployment else {
        return true;
    };
    let status = &view.status;
    let count = |value: Option<i32>| value.unwrap_or_default();
    let planned = builder.steps.iter().find_map(|step| match step {
        Step::Write(object) if object.key.kind == Kind::Deployment => Some(&object.hash),
        _ => None,
    });
    planned.is_some_and(|hash| view.stamped.as_ref() != Some(hash))
        || status.observed_generation != Some(view.generation)
        || count(status.unavailable_replicas) > 0
        || [
            status.updated_replicas,
            status.ready_replicas,
            status.replicas,
        ]
        .into_iter()
        .any(|value| count(value) != wanted)
}

fn addons(status: &mut TenantControlPlaneStatus, builder: &PlanBuilder) {
    let tenant = builder.tenant;
    let old = status.addons.take().unwrap_or_default();
    let tenant_cluster = builder
        .snapshot
        .tenant_cluster
        .as_ref()
        .and_then(|report| report.addons.clone());
    let seen = tenant_cluster.unwrap_or_else(|| old.clone());
    let konnectivity = konnectivity(tenant, builder, &old, &seen);
    status.addons = Some(AddonsStatus {
        core_dns: Some(seen.core_dns.unwrap_or_default()),
        konnectivity: Some(konnectivity),
        kube_proxy: Some(seen.kube_proxy.unwrap_or_default()),
    });
    if let Some(phase) = builder
        .snapshot
        .tenant_cluster
        .as_ref()
        .and_then(|r| r.kubeadm_phase.clone())
    {
        status.kubeadm_phase = Some(phase);
    }
}

fn konnectivity(
    tenant: &Tenant,
    builder: &PlanBuilder,
    old: &AddonsStatus,
    seen: &AddonsStatus,
) -> KonnectivityStatus {
    let old = old.konnectivity.clone().unwrap_or_default();
    let seen = seen.konnectivity.clone().unwrap_or_default();
    let tenant_cluster = KonnectivityStatus {
        agent: seen.agent,
        clusterrolebinding: seen.clusterrolebinding,
        sa: seen.sa,
        ..KonnectivityStatus::default()
    };
    let Some(spec) = &tenant.spec.addons.konnectivity else {
        return tenant_cluster;
    };
    let names = &tenant.names;
    let egress = names.konnectivity_egress();
    KonnectivityStatus {
        certificate: secret_status(
            SecretRole::KonnectivityCertificate,
            Some(&old.certificate),
            builder,
        )
        .unwrap_or_default(),
        config_map: match builder.config_maps.get(&egress) {
            Some(annotated) => ConfigMapStatus {
                checksum: Some(annotated.clone()),
                name: Some(egress),
            },
            None => old.config_map,
        },
        enabled: builder.complete || old.enabled,
        gateway: route(builder, &names.konnectivity_route()),
        kubeconfig: secret_status(
            SecretRole::KonnectivityKubeconfig,
            Some(&old.kubeconfig),
            builder,
        )
        .unwrap_or_default(),
        service: service(tenant, builder, spec.server.port),
        ..tenant_cluster
    }
}

#[cfg(test)]
mod tests;
