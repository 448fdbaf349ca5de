//! Release of Secrets whose TenantControlPlane is gone: deleted by force, or while no operator ran. Their
//! finalizer would keep them, and their namespace, for ever. No data is touched.

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    names::Names,
    object::{Kind, ObjectRef},
    orphan::{self, Namesake},
    secret_role::SecretRole,
    snapshot::Snapshot,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
};

use crate::context::Context;
use kamaji_shell::{ObjectKey, apply::WriteError, queue::Outcome};

/// A reason for which a Secret is not released.
#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    /// The Secret or its owner cannot be read.
    #[error(
        "the Secret {0} waits to be deleted and its owner cannot be read: {1}; it is tried again by itself"
    )]
    Read(String, Box<kube::Error>),
    /// The finalizers cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// One reconcile of a name that no TenantControlPlane has.
pub async fn reconcile(context: &Context, key: &ObjectKey) -> Outcome {
    let name = Names::of(&key.name).secret(SecretRole::DatastoreConfig);
    let known = ObjectRef::namespaced(Kind::Secret, &key.namespace, &name);
    if context.index.entry(&known).is_none() {
        return Outcome::Done {
            requeue_after: None,
        };
    }
    match read(context, key, &name).await {
        Ok(()) => Outcome::Done {
            requeue_after: None,
        },
        Err(error) => {
            tracing::warn!(tenant = %key, %error, "an orphaned Secret is not released");
            Outcome::Retry
        }
    }
}

/// Releases what an earlier TenantControlPlane of the same name left, if anything.
pub async fn release_predecessor(
    context: &Context,
    key: &ObjectKey,
    snapshot: &Snapshot,
) -> Result<(), OrphanError> {
    let name = Names::of(&key.name).secret(SecretRole::DatastoreConfig);
    let Some(secret) = snapshot.secrets.get(&name) else {
        return Ok(());
    };
    let object = &snapshot.object;
    let storage = object.status.as_ref().and_then(|s| s.storage.as_ref());
    let setup = storage.and_then(|storage| storage.setup.as_ref());
    let schema = setup.and_then(|setup| setup.schema.as_deref());
    let live = Namesake::new(object.metadata.uid.as_deref(), schema);
    if orphan::is_left(secret, Some(live)) {
        release(context, key, secret).await?;
    }
    Ok(())
}

async fn read(context: &Context, key: &ObjectKey, name: &str) -> Result<(), OrphanError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &key.namespace);
    context.metrics.counters.request("get", "secrets");
    let found = api.get_opt(name).await;
    let found = found.map_err(|error| OrphanError::Read(name.to_owned(), Box::new(error)))?;
    match found {
        Some(secret) => release(context, key, &secret).await,
        None => Ok(()),
    }
}

/// Releases `secret` if its tenant does not exist in the API server, whatever the watch has reported.
async fn release(context: &Context, key: &ObjectKey, secret: &Secret) -> Result<(), OrphanError> {
    if !orphan::is_left(secret, None) {
        return Ok(());
    }
    // As it comes: an owner that cannot be read is there all the same.
    let resource = ApiResource::erase::<TenantControlPlane>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &key.namespace, &resource);
    context
        .metrics
        .counters
        .request("get", "tenantcontrolplanes");
    let live = api.get_opt(&key.name).await;
    let live = live.map_err(|error| OrphanError::Read(key.to_string(), Box::new(error)))?;
    let live = live.as_ref().map(|live| {
        let setup = &live.data["status"]["storage"]["setup"];
        Namesake::new(live.metadata.uid.as_deref(), setup["schema"].as_str())
    });
    if !orphan::is_left(secret, live) {
        return Ok(());
    }
    match context
        .writer
        .set_finalizers(secret, &orphan::released(secret))
        .await
    {
        Ok(_) => {
            tracing::info!(tenant = %key, "its Secret is released: the TenantControlPlane is gone");
            Ok(())
        }
        Err(WriteError::Gone(_) | WriteError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
