//! One case of the comparison with upstream: its input, and the objects that this operator makes of
//! it.

use std::path::Path;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use kamaji_api::labels::RENDERER;
use kamaji_core::render::Renderer;
use kamaji_e2e::command::command;
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::pki::{Authority, Pair};
use kamaji_e2e::tools::Tools;
use serde_json::{Value, json};

use crate::dump;

/// Range of the Services of the management cluster that the dumps come from.
const MANAGEMENT_SERVICES: &str = "10.96.0.0/16";

/// Tenant as it was when the dump was made, and its DataStore.
pub struct Case {
    tenant: Value,
    store: Value,
    tenant_services: String,
    /// True if the dump has objects of the tenant cluster, too.
    with_tenant_cluster: bool,
}

impl Case {
    /// Reads the case from its folder of the dumps.
    pub fn read(dir: &Path, name: &str) -> Result<Self> {
        let read = |file: &str| {
            let path = dir.join(file);
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        let input: Vec<Value> = serde_saphyr::from_multiple(&read("input.yaml")?)?;
        let mut tenant = input
            .into_iter()
            .find(|document| document["kind"] == "TenantControlPlane")
            .with_context(|| format!("{name}/input.yaml has no TenantControlPlane"))?;
        let spec: Value = serde_saphyr::from_str(&read("spec_after_defaulting.yaml")?)?;
        let status: Value = serde_saphyr::from_str(&read("status.yaml")?)?;
        // Addons that were switched off before the dump was made are still in the input.
        if let Some(addons) = tenant
            .pointer_mut("/spec/addons")
            .and_then(Value::as_object_mut)
        {
            addons.retain(|addon, _| spec["addons"].get(addon).is_some());
        }
        let status = &status["status"];
        // The address of a Service is drawn by the cluster.
        let endpoint = &status["controlPlaneEndpoint"];
        tenant["status"] = json!({"controlPlaneEndpoint": endpoint});
        // The dumps are older than what newer renderers change: they are held against the first one,
        // which renders what upstream rendered then.
        tenant["metadata"]["annotations"][RENDERER] = json!(Renderer::V1.number());
        tenant["metadata"]["uid"] = status["storage"]["setup"]["schema"].clone();
        let services = spec["networkProfile"]["serviceCidr"].as_str();
        Ok(Self {
            with_tenant_cluster: dir.join("tenant").is_dir(),
            tenant_services: services.unwrap_or(MANAGEMENT_SERVICES).to_owned(),
            store: store(spec["dataStore"].as_str().unwrap_or("default"))?,
            tenant,
        })
    }

    /// Writes this operator's objects for the management cluster and for the tenant cluster below
    /// `out`.
    pub async fn dump(&self, tools: &Tools, kamaji: &Path, out: &Path) -> Result<()> {
        if out.exists() {
            std::fs::remove_dir_all(out).with_context(|| format!("empty {}", out.display()))?;
        }
        std::fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
        std::fs::write(out.join("input.json"), self.tenant.to_string())?;
        std::fs::write(out.join("store.json"), self.store.to_string())?;
        let render = async |extra: &[&str]| -> Result<Vec<Value>> {
            let mut render = command(kamaji, ["render", "--key-algorithm", "RSA-2048"]);
            render
                .arg("-f")
                .arg(out.join("input.json"))
                .arg("-f")
                .arg(out.join("store.json"));
            render.args(extra);
            let text = kamaji_e2e::command::output(render).await?;
            serde_saphyr::from_multiple(&text).context("read what kamaji rendered")
        };
        let start = async |services: &str| {
            let args = vec![format!("--service-cluster-ip-range={services}")];
            ApiServer::start(
                tools,
                Options {
                    args,
                    ..Options::default()
                },
            )
            .await
        };
        let (management, tenant) =
            tokio::try_join!(start(MANAGEMENT_SERVICES), start(&self.tenant_services))?;
        let outside = render(&[]).await?;
        dump::write(&management.client().await?, &outside, &out.join("mgmt")).await?;
        if !self.with_tenant_cluster {
            return Ok(());
        }
        let tenant_cluster = render(&["--tenant-cluster"]).await?;
        dump::write(
            &tenant.client().await?,
            &tenant_cluster,
            &out.join("tenant"),
        )
        .await
    }
}

/// The DataStore of this name in the dumps, with certificates of the testbed's own.
fn store(name: &str) -> Result<Value> {
    let authority = Authority::new("etcd-ca")?;
    let content = |pem: &str| json!({"content": BASE64_STANDARD.encode(pem)});
    let pair =
        |pair: &Pair| json!({"certificate": content(&pair.cert), "privateKey": content(&pair.key)});
    let tls = |user: &str| -> Result<Value> {
        Ok(json!({
            "certificateAuthority": pair(authority.pair()),
            "clientCertificate": pair(&authority.client(user, None)?),
        }))
    };
    let (driver, endpoint, tls) = match name {
        "postgres" => ("PostgreSQL", "172.30.0.1:15432", Some(tls("postgres")?)),
        "mysql" => ("MySQL", "127.0.0.1:13306", None),
        _ => ("etcd", "172.30.0.1:12379", Some(tls("root")?)),
    };
    Ok(json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
        "metadata": {"name": name},
        "spec": {"driver": driver, "endpoints": [endpoint], "tlsConfig": tls, "basicAuth": {
            "username": content("root"), "password": content("root")}},
    }))
}
