//! Application of a plan: its writes, in order, each bound to the version of the object that was observed.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_core::{
    cluster_api::{Infrastructure, Owner, Plan, Probe, takeover},
    object::{Intent, Kind, Object, Version},
};
use kamaji_shell::{
    ObjectKey,
    apply::{Address, WriteError, Writer},
    live::Live,
};
use kube::api::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use crate::{
    context::Context,
    dependencies::Dependency,
    management::MANAGER,
    observe::Observation,
    probe, remote_clusters,
    report::{Failures, Step},
};

/// One reconcile of a control plane: the observation, which each write updates, and the failed writes.
pub struct Reconcile<'a> {
    /// State of the provider.
    pub context: &'a Context,
    /// Key of the control plane.
    pub key: &'a ObjectKey,
    /// Observation that the next plan is made from.
    pub observation: Observation,
    /// Failures of this reconcile's writes.
    pub failures: Failures,
}

impl Reconcile<'_> {
    /// Carries out a plan; true if the observation has changed by it.
    pub async fn apply(&mut self, plan: &Plan) -> bool {
        let mut changed = false;
        if let Some(patch) = &plan.own {
            match self.patch_control_plane(patch.clone()).await {
                Ok(()) => changed = true,
                Err(error) => {
                    self.failures.add(Step::Own, error);
                    // Without its finalizer it must not get a tenant, which could be left behind.
                    return false;
                }
            }
        }
        changed |= self.write_objects(plan).await;
        if let Some(uid) = &plan.delete
            && let Err(error) = self.delete_tenant(uid).await
        {
            self.failures.add(Step::Tenant, error);
        }
        changed |= self.patch_infrastructure(plan).await;
        changed | self.probe(plan).await
    }

    /// Patches metadata and endpoint of the control plane itself.
    async fn patch_control_plane(&mut self, patch: Value) -> Result<(), WriteError> {
        let metadata = &self.observation.snapshot.control_plane.metadata;
        let patch = bound_to(&json!(metadata), patch);
        let kind = ApiResource::erase::<KamajiControlPlane>(&());
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        let address = Address::namespaced(kind, namespace, name);
        let writer = &self.context.management.writer;
        let live = writer.merge(&address, patch, false).await?;
        let live: KamajiControlPlane = serde_json::to_value(live)
            .and_then(serde_json::from_value)
            .map_err(|error| WriteError::Api {
                object: address.to_string(),
                problem: error.to_string(),
            })?;
        if live.metadata.deletion_timestamp.is_none() {
            let replaced = Arc::new(live.clone());
            let control_planes = &self.context.control_planes;
            control_planes.replace(self.key.clone(), replaced);
        }
        self.observation.snapshot.control_plane = live;
        Ok(())
    }

    /// Writes the TenantControlPlane to its cluster, and the published Secrets to the provider's own.
    ///
    /// A Secret that comes before the TenantControlPlane is the CA that a user made for it: without it, the operator
    /// would make another CA, so that the TenantControlPlane waits until the Secret exists.
    async fn write_objects(&mut self, plan: &Plan) -> bool {
        let mut changed = false;
        for (index, object) in plan.objects.iter().enumerate() {
            let step = Step::of(object);
            let written = match step {
                Step::Tenant => self.write_tenant(object, plan.take_over).await,
                _ => self.context.management.writer.write(object).await,
            };
            match written {
                Ok(live) => {
                    changed = true;
                    self.observe_write(object, live.body);
                }
                Err(error) => {
                    if step == Step::Secret && is_conflict(&error) {
                        let secrets = &self.context.dependents.secrets;
                        secrets.changed(&self.secret(object), None);
                    }
                    let exists = matches!(error, WriteError::AlreadyExists(_));
                    self.failures.add(step, error);
                    let mut later = plan.objects[index + 1..].iter();
                    if !exists && later.any(|object| Step::of(object) == Step::Tenant) {
                        return changed;
                    }
                }
            }
        }
        changed
    }

    /// Writes the TenantControlPlane, after taking over the fields of upstream.
    async fn write_tenant(&self, object: &Object, take_over: bool) -> Result<Live, WriteError> {
        let writer = self.tenant_writer();
        let write = async {
            if take_over {
                let bound = taken_over(writer, &self.observation.tenant, object).await?;
                return writer.write(&bound).await;
            }
            writer.write(object).await
        };
        let written = if self.observation.connection.is_some() {
            remote_clusters::with_timeout(object.key.to_string(), write).await
        } else {
            write.await
        };
        written.map_err(namespace_missing)
    }

    async fn delete_tenant(&self, uid: &str) -> Result<(), WriteError> {
        let tenant = &self.observation.tenant;
        let deletion = self.tenant_writer().remove(tenant, uid);
        if self.observation.connection.is_none() {
            return deletion.await;
        }
        remote_clusters::with_timeout(tenant.to_string(), deletion).await
    }

    /// Write door of the management cluster that the tenant is in.
    fn tenant_writer(&self) -> &Writer {
        let connection = self.observation.connection.as_ref();
        connection.map_or(&self.context.management.writer, |remote| &remote.writer)
    }

    /// Patches the infrastructure cluster and then its status.
    async fn patch_infrastructure(&mut self, plan: &Plan) -> bool {
        let address = self.observation.infrastructure.clone();
        let (Some(planned), Some(address)) = (&plan.infrastructure, address) else {
            return false;
        };
        let writer = &self.context.management.writer;
        let mut changed = false;
        for (patch, status) in [(&planned.spec, false), (&planned.status, true)] {
            let Some(patch) = patch.clone() else { continue };
            let Infrastructure::Found { object, .. } = &self.observation.snapshot.infrastructure
            else {
                continue;
            };
            let patch = bound_to(&object["metadata"], patch);
            match writer.merge(&address, patch, status).await {
                Ok(live) => {
                    changed = true;
                    self.observe_infrastructure(live);
                }
                Err(error) => {
                    if let (Owner::Cluster(cluster), true) =
                        (&self.observation.snapshot.owner, is_conflict(&error))
                    {
                        self.context.infrastructures.conflicted(cluster);
                    }
                    self.failures.add(Step::Infrastructure, error);
                }
            }
        }
        changed
    }

    /// Probes the published kubeconfig, unless it is known to work or no API server runs; true if the result is new.
    async fn probe(&mut self, plan: &Plan) -> bool {
        let snapshot = &self.observation.snapshot;
        let (Some(bytes), Some(tenant)) = (&plan.probe, &snapshot.tenant) else {
            return false;
        };
        let published = !plan.objects.iter().any(|o| o.key.kind == Kind::Secret);
        if snapshot.probe == Probe::Works || !published || !probe::may_answer(tenant) {
            return false;
        }
        let result = probe::probe(bytes).await;
        let changed = result != snapshot.probe;
        self.context.probes.remember(self.key, bytes, result);
        changed
    }

    /// Takes a written object into the observation and the caches.
    fn observe_write(&mut self, object: &Object, live: Value) {
        let snapshot = &mut self.observation.snapshot;
        if object.key.kind == Kind::TenantControlPlane {
            if let Ok(tenant) = serde_json::from_value::<TenantControlPlane>(live) {
                if self.observation.connection.is_none() {
                    let made = Arc::new(tenant.clone());
                    self.context.tenants.created(self.key.clone(), made);
                }
                snapshot.tenant = Some(tenant);
            }
        } else if let Ok(secret) = serde_json::from_value::<Secret>(live) {
            let name = object.key.name.clone();
            snapshot.secrets.insert(name, secret.clone());
            let secrets = &self.context.dependents.secrets;
            secrets.wrote(&self.secret(object), secret);
        }
    }

    fn observe_infrastructure(&mut self, live: DynamicObject) {
        let snapshot = &mut self.observation.snapshot;
        if let Infrastructure::Found { object, .. } = &mut snapshot.infrastructure {
            *object = serde_json::to_value(&live).unwrap_or_default();
        }
        if let Owner::Cluster(cluster) = &snapshot.owner {
            self.context.infrastructures.wrote(cluster, live);
        }
    }

    fn secret(&self, object: &Object) -> Dependency {
        Dependency::Secret(ObjectKey::new(&self.key.namespace, &object.key.name))
    }
}

/// Binds a merge patch to the object that was read, by uid and resourceVersion. The API server answers 409 if it has
/// changed since: a replica that slept past its lease must not undo what its successor has written.
fn bound_to(metadata: &Value, mut patch: Value) -> Value {
    for key in ["uid", "resourceVersion"] {
        if !metadata[key].is_null() {
            patch["metadata"][key] = metadata[key].clone();
        }
    }
    patch
}

/// True if a write was refused because the object is not the one that was observed.
fn is_conflict(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::Conflict { .. } | WriteError::AlreadyExists(_)
    )
}

/// Takes over the fields that upstream owns, and returns the object bound to the version that results. If the
/// TenantControlPlane has changed since it was observed, nothing is taken over, and the write that follows is
/// refused.
async fn taken_over(
    writer: &Writer,
    tenant: &Address,
    object: &Object,
) -> Result<Object, WriteError> {
    let Some(live) = writer.find(tenant).await? else {
        return Ok(object.clone());
    };
    if object.intent.version() != Some(&Version::of(&live.metadata)) {
        return Ok(object.clone());
    }
    let live = serde_json::to_value(live).unwrap_or_default();
    let Some(fields) = takeover::managed_fields(&live, MANAGER) else {
        return Ok(object.clone());
    };
    let patch = json!({"metadata": {"managedFields": fields}});
    let patch = bound_to(&live["metadata"], patch);
    let taken = writer.merge(tenant, patch, false).await?;
    let version = Version::of(&taken.metadata);
    Ok(object.clone().with(Intent::Update(version)))
}

/// A TenantControlPlane that is to be created cannot be gone; its namespace or its definition can.
fn namespace_missing(error: WriteError) -> WriteError {
    let WriteError::Gone(object) = error else {
        return error;
    };
    let message = "its namespace or the definition of TenantControlPlanes is missing: create the namespace, and install Kamaji there";
    WriteError::Invalid {
        object,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
