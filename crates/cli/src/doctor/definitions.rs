//! Check of the definitions: present, served, and with the schemas of this build.

use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::Value;

use crate::access::Access;

use super::finding::{Finding, Level};

/// Compares each definition in the cluster with that of this build.
pub async fn check(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let api: Api<CustomResourceDefinition> = Api::all(access.client());
    let mut findings = Vec::new();
    for (name, ours) in kamaji_api::crd::all() {
        let what = format!("reading the definition {name}");
        let found = access.find(&what, api.get(&name)).await?;
        findings.push(compare(&name, &ours, found.as_ref())?);
    }
    Ok(findings)
}

fn compare(
    name: &str,
    ours: &Value,
    found: Option<&CustomResourceDefinition>,
) -> anyhow::Result<Finding> {
    let short = name.split('.').next().unwrap_or(name);
    let Some(found) = found else {
        // Those of the Cluster API provider are installed by clusterctl, if at all.
        if name.contains("cluster.x-k8s.io") {
            let text =
                format!("{name} is not installed: clusterctl does it, for clusters of Cluster API");
            return Ok(Finding::new(Level::Hint, short, &text));
        }
        let text =
            format!("{name} is not installed: `kamaji crds | kubectl apply --server-side -f -`");
        return Ok(Finding::new(Level::Failed, short, &text));
    };
    let conditions = found
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let established = |type_: &str| {
        conditions
            .clone()
            .any(|c| c.type_ == type_ && c.status == "True")
    };
    if !established("Established") {
        let text =
            format!("{name} is not served: its conditions say why (`kubectl describe crd {name}`)");
        return Ok(Finding::new(Level::Failed, short, &text));
    }
    let ours: CustomResourceDefinition =
        serde_json::from_value(ours.clone()).context("the definition of this build")?;
    if schemas(&ours)? == schemas(found)? {
        return Ok(Finding::new(Level::Ok, short, "as this build has it"));
    }
    let text = format!(
        "{name} is of another release than this command: let both be of the operator's, `kamaji crds | kubectl apply --server-side -f -`"
    );
    Ok(Finding::new(Level::Failed, short, &text))
}

/// Schemas by version, as JSON.
fn schemas(definition: &CustomResourceDefinition) -> anyhow::Result<Vec<Value>> {
    let versions = definition.spec.versions.iter();
    let schemas = versions.map(|version| serde_json::to_value((&version.name, &version.schema)));
    schemas
        .collect::<Result<_, _>>()
        .context("the schema of a definition")
}
