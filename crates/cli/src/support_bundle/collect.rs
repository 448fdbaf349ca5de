//! Content of a bundle, read with bounds on objects and bytes.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kamaji_api::labels;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, LogParams},
};
use serde_json::{Value, json};

use crate::access::Access;

use super::redact::{Values, strip};

/// Objects in one page: one has up to 1.5 MiB, and an answer of the API server is read up to 64 MiB.
const PAGE: u32 = 30;
/// Bytes of one kind's file.
const FILE: usize = 16 << 20;
/// Bytes of the log of one container.
const LOG: i64 = 1 << 20;
/// Pods of the operator whose logs are read.
const PODS: u32 = 10;

/// Files of a bundle.
#[derive(Default)]
pub struct Collected {
    /// Names and texts, without secret values.
    pub files: Vec<(String, String)>,
    /// Number of Secrets whose values were left out.
    pub secrets: usize,
}

/// Kind of objects that is collected: file, group, version, kind, plural, and label selector.
type Source = (&'static str, [&'static str; 4], &'static str);

const OURS: &str = "kamaji.clastix.io/project=kamaji";
const OPERATOR: &str = "app.kubernetes.io/name=kamaji";

/// Kinds in the namespace of the bundle.
const NAMESPACED: [Source; 9] = [
    (
        "tenants",
        [
            "kamaji.clastix.io",
            "v1alpha1",
            "TenantControlPlane",
            "tenantcontrolplanes",
        ],
        "",
    ),
    (
        "control-planes",
        [
            "controlplane.cluster.x-k8s.io",
            "v1alpha1",
            "KamajiControlPlane",
            "kamajicontrolplanes",
        ],
        "",
    ),
    ("secrets", ["", "v1", "Secret", "secrets"], OURS),
    ("services", ["", "v1", "Service", "services"], OURS),
    (
        "deployments",
        ["apps", "v1", "Deployment", "deployments"],
        OURS,
    ),
    (
        "ingresses",
        ["networking.k8s.io", "v1", "Ingress", "ingresses"],
        OURS,
    ),
    ("pods", ["", "v1", "Pod", "pods"], labels::NAME),
    ("events", ["", "v1", "Event", "events"], ""),
    (
        "replica-sets",
        ["apps", "v1", "ReplicaSet", "replicasets"],
        labels::NAME,
    ),
];

/// Kinds of the whole cluster, and the operator's own objects wherever they are.
const CLUSTER: [Source; 6] = [
    (
        "datastores",
        ["kamaji.clastix.io", "v1alpha1", "DataStore", "datastores"],
        "",
    ),
    (
        "operator-deployments",
        ["apps", "v1", "Deployment", "deployments"],
        OPERATOR,
    ),
    ("operator-pods", ["", "v1", "Pod", "pods"], OPERATOR),
    ("nodes", ["", "v1", "Node", "nodes"], ""),
    (
        "mutating-webhooks",
        [
            "admissionregistration.k8s.io",
            "v1",
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
        ],
        "",
    ),
    (
        "validating-webhooks",
        [
            "admissionregistration.k8s.io",
            "v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
        ],
        "",
    ),
];

/// Reads everything. What cannot be read is named in the bundle, except for the version, without which there is none.
pub async fn all(access: &Access, namespace: Option<&str>) -> anyhow::Result<Collected> {
    let client = access.client();
    let version = access
        .call("asking for the version", client.apiserver_version())
        .await?;
    let version = json!({"kamaji": env!("CARGO_PKG_VERSION"), "kubernetes": version.git_version});
    let mut raw = vec![("version.json".to_owned(), version.to_string())];
    let (values, secrets) = values(access, namespace).await?;
    for source in &NAMESPACED {
        raw.push(file(source, list(access, source, namespace).await));
    }
    for source in &CLUSTER {
        raw.push(file(source, list(access, source, None).await));
    }
    raw.extend(logs(access).await);
    let searcher = values.searcher()?;
    let clean = |(name, text): (String, String)| (name, searcher.clean(&text));
    Ok(Collected {
        files: raw.into_iter().map(clean).collect(),
        secrets,
    })
}

fn file(source: &Source, listed: anyhow::Result<String>) -> (String, String) {
    match listed {
        Ok(text) => (format!("{}.yaml", source.0), text),
        Err(error) => (format!("{}.error.txt", source.0), format!("{error:#}\n")),
    }
}

/// Values of all Secrets of the namespaces, whatever their labels are. Where they cannot be read there is no bundle, since
/// events and logs could not be searched for them.
async fn values(access: &Access, namespace: Option<&str>) -> anyhow::Result<(Values, usize)> {
    let api: Api<Secret> = match namespace {
        Some(namespace) => Api::namespaced(access.client(), namespace),
        None => Api::all(access.client()),
    };
    let (mut values, mut number) = (Values::default(), 0);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let what = "listing Secrets, whose values are removed from events and logs";
        let listed = access.call(what, api.list(&page)).await?;
        for secret in &listed.items {
            values.note(secret);
            number += 1;
        }
        match listed.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok((values, number)),
        }
    }
}

/// YAML of all objects of a kind, one document each, up to the limit of a file.
async fn list(access: &Access, source: &Source, namespace: Option<&str>) -> anyhow::Result<String> {
    let (name, [group, version, kind, plural], selector) = source;
    let resource = ApiResource {
        group: (*group).to_owned(),
        version: (*version).to_owned(),
        api_version: if group.is_empty() {
            (*version).to_owned()
        } else {
            format!("{group}/{version}")
        },
        kind: (*kind).to_owned(),
        plural: (*plural).to_owned(),
    };
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(access.client(), namespace, &resource),
        None => Api::all_with(access.client(), &resource),
    };
    let mut page = ListParams::default().limit(PAGE).labels(selector);
    let mut text = String::new();
    loop {
        let what = format!("listing {name}");
        let listed = access.call(&what, api.list(&page)).await?;
        for object in listed.items {
            let mut object = serde_json::to_value(object)?;
            object["kind"] = Value::String((*kind).to_owned());
            strip(&mut object);
            text.push_str("---\n");
            text.push_str(&serde_saphyr::to_string(&object)?);
            if text.len() > FILE {
                text.push_str("# The rest is left out: this file has its largest size.\n");
                return Ok(text);
            }
        }
        match listed.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(text),
        }
    }
}

/// The last part of the logs of the operator's containers.
async fn logs(access: &Access) -> Vec<(String, String)> {
    let pods: Api<Pod> = Api::all(access.client());
    let page = ListParams::default().labels(OPERATOR).limit(PODS);
    let Ok(listed) = access.call("listing pods", pods.list(&page)).await else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for pod in listed.items {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let (namespace, name) = (text(&pod.metadata.namespace), text(&pod.metadata.name));
        let api: Api<Pod> = Api::namespaced(access.client(), &namespace);
        for container in pod.spec.iter().flat_map(|spec| &spec.containers) {
            let parameters = LogParams {
                container: Some(container.name.clone()),
                limit_bytes: Some(LOG),
                tail_lines: Some(5000),
                timestamps: true,
                ..LogParams::default()
            };
            let log = access
                .call("reading a log", api.logs(&name, &parameters))
                .await;
            let log = log.unwrap_or_else(|error| format!("{error:#}\n"));
            files.push((
                format!("logs/{namespace}_{name}_{}.log", container.name),
                log,
            ));
        }
    }
    files
}
