//! Datastore of the tenants, and its DataStore object.
//!
//! An etcd with TLS, client certificates and users on the management node, and the DataStore
//! `default` that names it, with its certificates in Secrets.

use anyhow::Result;
use serde_json::json;

use crate::audit::OPERATOR_NAMESPACE;
use crate::bed::Bed;
use crate::kubectl::Kubectl;
use crate::management::NODE;
use crate::node::Node;
use crate::tls_etcd::{Identities, command_line, enable_auth};

/// Process name of the tenants' etcd.
pub const PROCESS: &str = "datastore-etcd";

/// Starts the etcd and waits until it answers.
pub async fn start(bed: &Bed) -> Result<()> {
    let dir = bed.layout.dir("datastore");
    let address = bed.layout.management_ip().to_string();
    Identities::new(&[&address, "127.0.0.1"])?.write(&dir)?;
    let node = Node::named(bed, NODE)?;
    let mut etcd = node.command(bed.tools.path("etcd")?)?;
    let url = format!("https://{}", endpoint(bed));
    etcd.args(command_line(&dir, &url, "http://127.0.0.1:12380"));
    // Tenants leave compaction to etcd, which does it as that of the chart.
    etcd.args([
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=5m",
    ]);
    bed.processes.spawn(PROCESS, etcd)?;
    enable_auth(&dir, &url, || crate::command::words("curl --noproxy *")).await
}

/// Endpoint of the etcd as a DataStore names it, `ADDRESS:PORT`.
pub fn endpoint(bed: &Bed) -> String {
    format!(
        "{}:{}",
        bed.layout.management_ip(),
        bed.layout.datastore_port
    )
}

/// Applies the DataStore `default` and its Secrets; the operator's definitions must exist.
pub async fn apply(bed: &Bed, kubectl: &Kubectl) -> Result<()> {
    let dir = bed.layout.dir("datastore");
    let read = |name: &str| std::fs::read_to_string(dir.join(name));
    let secret = |name: &str, data: serde_json::Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": {"name": name, "namespace": OPERATOR_NAMESPACE},
        })
    };
    let reference = |name: &str, key: &str| {
        json!({"secretReference": {
            "name": name, "namespace": OPERATOR_NAMESPACE, "keyPath": key}})
    };
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        secret("etcd-ca", json!({"ca.crt": read("ca.crt")?, "ca.key": read("ca.key")?})),
        secret("etcd-root", json!({"tls.crt": read("root.crt")?, "tls.key": read("root.key")?})),
        {
            "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
            "metadata": {"name": "default"},
            "spec": {"driver": "etcd", "endpoints": [endpoint(bed)], "tlsConfig": {
                "certificateAuthority": {
                    "certificate": reference("etcd-ca", "ca.crt"),
                    "privateKey": reference("etcd-ca", "ca.key")},
                "clientCertificate": {
                    "certificate": reference("etcd-root", "tls.crt"),
                    "privateKey": reference("etcd-root", "tls.key")}}},
        },
    ]});
    kubectl.apply(&objects.to_string()).await
}
