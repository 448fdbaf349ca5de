//! Migration of stored objects to the present storage version. An installation of 0.19 or earlier has v1alpha1 in etcd:
//! all objects are rewritten once, and `status.storedVersions` of the definition is reduced.

use std::time::Duration;

use kamaji_shell::apply::{Address, WriteError};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::{Value, json};

use crate::{
    certificate::{DEFINITIONS, kind},
    definitions::resource,
    management::ManagementCluster,
};

/// Storage version of the definitions.
const STORED: &str = "v1alpha2";
/// Objects per page of a list.
const PAGE: u32 = 100;
/// Time that API servers have to follow a changed definition, each of which goes on with the former one for a moment:
/// by it, an object would be stored in the old version again. kube-apiserver waits as long for the others before it
/// serves a new definition.
const FOLLOWED: Duration = Duration::from_secs(5);
/// First wait after a failure; it doubles up to [`LONGEST`].
const RETRY: Duration = Duration::from_secs(2);
/// Longest wait after a failure.
const LONGEST: Duration = Duration::from_mins(5);

/// Migrates all definitions. Failures are retried with back-off, since the API server may not trust the conversion yet.
pub async fn run(cluster: &ManagementCluster) {
    for name in DEFINITIONS {
        let mut wait = RETRY;
        cluster.writer.leading().await;
        while let Err(error) = migrate(cluster, name).await {
            tracing::warn!(definition = name, %error, "migration of the storage version failed, retrying");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST);
            cluster.writer.leading().await;
        }
    }
}

/// Migrates one definition; an absent one has nothing to migrate.
async fn migrate(cluster: &ManagementCluster, name: &str) -> Result<(), WriteError> {
    let address = Address::cluster(kind(), name);
    let Some(definition) = cluster.writer.find(&address).await? else {
        return Ok(());
    };
    let is_current = definition.data["spec"]["versions"]
        .as_array()
        .is_some_and(|versions| {
            versions
                .iter()
                .any(|v| v["name"] == STORED && v["storage"] == true)
        });
    let stored = &definition.data["status"]["storedVersions"];
    if !is_current || *stored == json!([STORED]) {
        return Ok(());
    }
    tokio::time::sleep(FOLLOWED).await;
    let number = rewrite(cluster, &definition).await?;
    // Bound to the version that was read: the definition may have changed since then.
    let patch = json!({
        "metadata": {"resourceVersion": definition.metadata.resource_version},
        "status": {"storedVersions": [STORED]},
    });
    cluster.writer.merge(&address, patch, true).await?;
    tracing::info!(
        definition = name,
        number,
        "all objects are stored as {STORED}"
    );
    Ok(())
}

/// Writes every object unchanged, so that the API server stores it in the present version; the number of objects.
async fn rewrite(
    cluster: &ManagementCluster,
    definition: &DynamicObject,
) -> Result<usize, WriteError> {
    let names = &definition.data["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource: ApiResource = resource(
        &text(&names["group"]),
        STORED,
        &text(&names["names"]["kind"]),
        text(&names["names"]["plural"]),
    );
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
    let mut params = ListParams::default().limit(PAGE);
    let mut number = 0;
    loop {
        cluster.counters.request("list", &resource.plural);
        let list = api.list(&params).await.map_err(|error| WriteError::Api {
            object: resource.plural.clone(),
            problem: kamaji_core::error_chain::chain(&error),
        })?;
        for object in &list.items {
            let address = Address::from((object, resource.clone()));
            match cluster.writer.merge(&address, json!({}), false).await {
                Ok(_) => number += 1,
                Err(WriteError::Gone(_)) => {}
                Err(error) => return Err(error),
            }
        }
        match list.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => params = params.continue_token(&more),
            None => return Ok(number),
        }
        tracing::debug!(
            last = list.items.last().map(ResourceExt::name_any),
            "rewriting"
        );
    }
}
