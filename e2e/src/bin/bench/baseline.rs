//! Baseline: the time in which a bare client writes the same objects.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kamaji_e2e::command::{command, output};
use kube::Client;
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use serde_json::Value;

use crate::environment::{TENANTS, tenant};

/// Requests at the same time: as many as the operator reconciles tenants.
pub const CONCURRENCY: usize = 64;

/// Name of the tenant that the objects are rendered for.
const PATTERN: &str = "pattern-00000";

/// Writes the objects of `number` tenants by server-side apply; the bodies are made beforehand.
pub async fn measure(
    client: &Client,
    kamaji: &Path,
    number: usize,
    dir: &Path,
) -> Result<Duration> {
    let file = dir.join("pattern.json");
    std::fs::write(&file, tenant(PATTERN)?.to_string())?;
    let mut render = command(kamaji, ["render", "-f"]);
    render.arg(&file);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&output(render).await?)?;
    let mut requests = Vec::new();
    for index in 0..number {
        for object in &objects {
            requests.push(request(object, &format!("baseline-{index:05}"))?);
        }
    }
    let begin = Instant::now();
    stream::iter(requests.into_iter().map(Ok))
        .try_for_each_concurrent(CONCURRENCY, |request| async {
            let path = request.uri().to_string();
            let answer = client.request_text(request).await;
            answer.map(drop).with_context(|| format!("apply {path}"))
        })
        .await?;
    Ok(begin.elapsed())
}

/// Creates `number` tenants, with as many concurrent requests as the baseline.
pub async fn create_tenants(client: &Client, number: usize) -> Result<()> {
    let path = format!("/apis/kamaji.clastix.io/v1alpha1/namespaces/{TENANTS}/tenantcontrolplanes");
    let answers = stream::iter(0..number).map(|index| {
        let path = path.clone();
        async move {
            let body = tenant(&format!("tenant-{index:05}"))?
                .to_string()
                .into_bytes();
            let request = http::Request::post(path).header("content-type", "application/json");
            client
                .request_text(request.body(body)?)
                .await
                .context("create a tenant")
        }
    });
    answers
        .buffer_unordered(CONCURRENCY)
        .try_for_each(|_| async { Ok(()) })
        .await
}

fn request(object: &Value, name: &str) -> Result<http::Request<Vec<u8>>> {
    let types: TypeMeta = serde_json::from_value(object.clone())?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    let text = object.to_string().replace(PATTERN, name);
    let own = object["metadata"]["name"]
        .as_str()
        .context("a name")?
        .replace(PATTERN, name);
    let root = if resource.group.is_empty() {
        "/api"
    } else {
        "/apis/"
    };
    let path = format!(
        "{root}{}/{}/namespaces/{TENANTS}/{}/{own}?fieldManager=baseline&force=true",
        resource.group, resource.version, resource.plural,
    );
    let request = http::Request::patch(path).header("content-type", "application/apply-patch+yaml");
    Ok(request.body(text.into_bytes())?)
}
