//! Wait for a control plane that does not run, and whose data has a place.

use std::time::Duration;

use anyhow::bail;
use kamaji_api::{
    condition::{self, ConditionType},
    tenant::TenantControlPlane,
};
use kamaji_shell::ObjectKey;

use super::{cluster::Cluster, tenant::set_up_in};

/// Period of the requests.
const PERIOD: Duration = Duration::from_secs(1);

/// Waits until the operator has set the tenant up in its datastore and ended all pods of its control plane. Returns
/// the tenant as it is then.
pub async fn asleep(
    cluster: &Cluster,
    key: &ObjectKey,
    limit: Duration,
) -> anyhow::Result<TenantControlPlane> {
    let mut left = limit.as_secs();
    loop {
        let object = cluster.tenant(key).await?;
        let (pods, replicas) = cluster.pods(key).await?;
        let set_up = set_up_in(&object).is_some();
        if set_up && pods == 0 && replicas == 0 {
            return Ok(object);
        }
        if left == 0 {
            let seconds = limit.as_secs();
            if set_up {
                bail!(
                    "{key} still has {pods} pods after {seconds} s: does the operator run? Run the command again once they are gone"
                );
            }
            bail!(
                "{key} was not set up in its datastore within {seconds} s: {}",
                reason(&object)
            );
        }
        left -= 1;
        tokio::time::sleep(PERIOD).await;
    }
}

/// Message of the tenant's condition DataStoreReady.
fn reason(object: &TenantControlPlane) -> String {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let type_ = ConditionType::DataStoreReady.as_str();
    let found = conditions.and_then(|conditions| condition::find(conditions, type_));
    found.map_or_else(
        || "the operator has not reported anything yet; does it run?".to_owned(),
        |condition| condition.message.clone(),
    )
}
