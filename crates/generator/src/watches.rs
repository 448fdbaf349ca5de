//! Watches of the management cluster, one per kind; an event enqueues what depends on the object.

use std::sync::Arc;

use kamaji_shell::{
    process::{RunError, Tasks},
    watch,
};

use crate::context::Context;

/// Starts the watches of generators, tenants, namespaces and generated Secrets.
pub fn start(context: &Arc<Context>, tasks: &mut Tasks) {
    let (client, of) = (context.client.clone(), context.clone());
    tasks.spawn(async move {
        let changed = |name: String| of.generator_changed(&name);
        watch::all(client, of.generators.clone(), changed).await;
        ended("KubeconfigGenerators")
    });
    let (client, of) = (context.client.clone(), context.clone());
    tasks.spawn(async move {
        watch::all(client, of.tenants.clone(), |key| of.tenant_changed(&key)).await;
        ended("TenantControlPlanes")
    });
    let (client, of) = (context.client.clone(), context.clone());
    tasks.spawn(async move {
        let changed = |name: String| of.namespace_changed(&name);
        watch::all(client, of.namespaces.clone(), changed).await;
        ended("Namespaces")
    });
    let (client, of) = (context.client.clone(), context.clone());
    tasks.spawn(async move {
        of.outputs.watch(client, |pair| of.enqueue(pair)).await;
        ended("generated Secrets")
    });
}

fn ended(what: &str) -> Result<(), RunError> {
    Err(RunError::Ended(format!("the watch of {what}")))
}
