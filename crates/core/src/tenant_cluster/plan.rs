//! Plans one reconcile of a tenant cluster from a snapshot.

use std::time::Duration;

use super::{
    access::{self, Access},
    availability::Availability,
    content,
    error::TenantClusterError,
    schedule::{Last, Next, Schedule},
    snapshot::TenantClusterSnapshot,
    stages::{self, Stage, Step},
    types::{TenantClusterFacts, WriteLimit},
    write_permissions,
};
use crate::{
    endpoint, object::Object, pki::kubeconfig::Credentials, render::Renderer, tenant::Tenant,
};

/// Plan of one reconcile of a tenant cluster.
#[derive(Debug)]
pub struct TenantClusterPlan {
    /// Availability of the tenant cluster: the plan may be carried out only if it is [`Availability::Since`].
    pub availability: Availability,
    /// Desired state of the tenant cluster, or why there is none.
    pub desired: Result<Desired, TenantClusterError>,
    /// Time of the next reconcile, if the snapshot was not taken for one.
    pub next: Next,
    /// Time until the next reconcile for drift, after one that carried out this plan or may not.
    pub drift: Duration,
}

/// Desired state of a tenant cluster.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The tenant whose cluster is planned.
    pub tenant: Tenant,
    /// Access to the tenant's API server.
    pub access: Access,
    /// Steps to carry out, stage by stage.
    pub stages: Vec<Stage>,
    /// State of the limit on the tenant's writes.
    pub write_limit: WriteLimit,
    /// Hash of all objects that should and should not be there.
    pub hash: String,
}

impl Desired {
    /// All objects that should be there, in the order in which they are written.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        let steps = self.stages.iter().flat_map(|stage| &stage.steps);
        steps.filter_map(Step::object)
    }

    /// Credentials for the tenant's API server. Fails if the snapshot was made without the admin Secret.
    pub fn credentials(&self) -> Result<&Credentials, TenantClusterError> {
        match &self.access {
            Access::Credentials(credentials) => Ok(credentials),
            Access::Ca(_) => Err(access::not_read(&self.tenant)),
        }
    }
}

/// Plans one reconcile of a tenant cluster. The content is planned whether or not the tenant cluster can be
/// reached now.
pub fn plan(snapshot: &TenantClusterSnapshot) -> TenantClusterPlan {
    let desired = desired(snapshot);
    let object = snapshot.object;
    let schedule = Schedule {
        uid: object.metadata.uid.as_deref().unwrap_or_default(),
        period: snapshot.resync,
        limited: write_permissions::limits_writes(&object.spec),
        availability: snapshot.availability(),
        published: snapshot.was_configured(),
        last: snapshot.last.as_ref().map(|last| Last {
            at: last.at,
            ready: last.report.ready.status == "True",
            content: &last.content,
        }),
        desired: desired.as_ref().ok().map(|desired| desired.hash.as_str()),
        now: snapshot.now,
    };
    TenantClusterPlan {
        availability: schedule.availability,
        next: schedule.next(),
        drift: schedule.drift(),
        desired,
    }
}

fn desired(snapshot: &TenantClusterSnapshot) -> Result<Desired, TenantClusterError> {
    let tenant = Tenant::parse(snapshot.object)?;
    let access = access::of(&tenant, snapshot)?;
    let endpoint = endpoint::resolve(&tenant, snapshot.service.as_ref())?;
    let store = snapshot.store.as_ref().map_err(Clone::clone)?;
    let content = content::render(&TenantClusterFacts {
        renderer: Renderer::recorded(&tenant).ok(),
        tenant: &tenant,
        settings: &snapshot.settings,
        store,
        endpoint: &endpoint,
        ca: &String::from_utf8_lossy(access.ca()),
    })?;
    Ok(Desired {
        write_limit: content.write_limit,
        hash: content::hash(&content),
        stages: stages::of(content, snapshot.was_configured()),
        tenant,
        access,
    })
}

#[cfg(test)]
mod tests;
