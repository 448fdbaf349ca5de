//! Check of the operator: a Deployment that is available.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::ListParams};

use crate::access::Access;

use super::finding::{Finding, Level};

/// Labels of the operator's Deployment, by our manifests and charts.
const SELECTOR: &str = "app.kubernetes.io/name=kamaji";

/// Looks for Deployments of the operator in all namespaces.
pub async fn check(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let api: Api<Deployment> = Api::all(access.client());
    let page = ListParams::default().labels(SELECTOR).limit(20);
    let found = access.call("listing Deployments", api.list(&page)).await?;
    if found.items.is_empty() {
        let text =
            "no Deployment has the label app.kubernetes.io/name=kamaji: install the operator";
        return Ok(vec![Finding::new(Level::Failed, "operator", text)]);
    }
    Ok(found.items.iter().map(available).collect())
}

fn available(deployment: &Deployment) -> Finding {
    let metadata = &deployment.metadata;
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let name = format!("{}/{}", text(&metadata.namespace), text(&metadata.name));
    let status = deployment.status.as_ref();
    let conditions = status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut conditions = conditions.filter(|condition| condition.type_ == "Available");
    match conditions.next() {
        Some(condition) if condition.status == "True" => {
            Finding::new(Level::Ok, "operator", &format!("{name} is available"))
        }
        Some(condition) => {
            let message = condition.message.as_deref().unwrap_or_default();
            let text =
                format!("{name} is not available: {message}: look at its pods and their logs");
            Finding::new(Level::Failed, "operator", &text)
        }
        None => {
            let text = format!("{name} has no status yet: does a controller manager run?");
            Finding::new(Level::Failed, "operator", &text)
        }
    }
}
