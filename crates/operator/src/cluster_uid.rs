//! Uid of the management cluster: that of its namespace kube-system. Nothing can be claimed without it.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::context::Context;

/// Time limit of one request.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Delay after a request that failed.
const DELAY: Duration = Duration::from_secs(2);

/// Reads the uid; retries until it is known.
pub async fn read(context: &Context) -> String {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    loop {
        context.metrics.counters.request("get", "namespaces");
        let response = namespaces.get_metadata("kube-system");
        let problem = match tokio::time::timeout(TIME_LIMIT, response).await {
            Ok(Ok(found)) => match found.metadata.uid {
                Some(uid) => return uid,
                None => "it has no uid".to_owned(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        tracing::warn!(
            problem,
            "the uid of the namespace kube-system, by which datastores know this management cluster, cannot be read: trying again"
        );
        tokio::time::sleep(DELAY).await;
    }
}
