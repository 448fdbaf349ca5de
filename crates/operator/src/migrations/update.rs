//! Changes of the storage in a tenant's status, each to exactly the version that was read.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use kamaji_api::tenant::{StorageStatus, TenantControlPlane};
use kamaji_shell::{ObjectKey, apply::WriteError};
use kube::{Api, ResourceExt};

use super::{outcome::Stop, records::storage_of};
use crate::context::Context;

/// Pause after a request that had no definite answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Requests without a definite answer after which an update that may be given up is.
const TRIES: u32 = 20;

/// Certainty that an update needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// A failure may be reported: the transition is made again later.
    Tried,
    /// The outcome has to be known, however long the API server does not answer. It ends with the lease.
    Known,
}

/// Applies `change` to the storage of the latest version of the tenant. A change to `None` supersedes the caller; one
/// that is there already is a success. A conflict reads the tenant again.
pub(super) fn update<'a>(
    context: &'a Context,
    object: &'a TenantControlPlane,
    until: Until,
    change: impl Fn(&TenantControlPlane, &StorageStatus) -> Option<StorageStatus> + Send + Sync + 'a,
) -> BoxFuture<'a, Result<TenantControlPlane, Stop>> {
    Box::pin(async move {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let key = ObjectKey::new(&namespace, &name);
        let api: Api<TenantControlPlane> = Api::namespaced(context.client.clone(), &namespace);
        let mut tries = 0;
        loop {
            if !context.writer.is_leading() {
                return Err(Stop::Failed("this replica does not lead".to_owned()));
            }
            context
                .metrics
                .counters
                .request("get", "tenantcontrolplanes");
            let problem = match Box::pin(api.get_opt(&name)).await {
                Ok(live) => {
                    let live = live.filter(|live| live.metadata.uid == object.metadata.uid);
                    let live = live.ok_or(Stop::Superseded)?;
                    let storage = storage_of(&live).ok_or(Stop::Superseded)?;
                    let next = change(&live, storage).ok_or(Stop::Superseded)?;
                    if next == *storage {
                        return Ok(live);
                    }
                    match Box::pin(patch(context, &key, &live, next)).await {
                        Ok(patched) => return Ok(patched),
                        Err(WriteError::Conflict { .. }) => continue,
                        Err(error) => error.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            tries += 1;
            if until == Until::Tried && tries >= TRIES {
                return Err(Stop::Failed(problem));
            }
            tracing::debug!(tenant = %key, "the status of its migration is not written yet: {problem}");
            tokio::time::sleep(PAUSE).await;
        }
    })
}

async fn patch(
    context: &Context,
    key: &ObjectKey,
    live: &TenantControlPlane,
    storage: StorageStatus,
) -> Result<TenantControlPlane, WriteError> {
    let mut status = live.status.clone().unwrap_or_default();
    status.storage = Some(storage);
    let patched = context.writer.patch_status(live, &status).await?;
    context
        .tenants
        .replace(key.clone(), Arc::new(patched.clone()));
    Ok(patched)
}
