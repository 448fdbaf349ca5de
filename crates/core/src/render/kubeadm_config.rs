//! ConfigMap with the kubeadm configuration of a tenant, in the management cluster.
//!
//! Only tools made for upstream read it, so it is written byte for byte as upstream does.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kamaji_api::datastore::Driver;
use serde::Serialize;

use super::{
    facts::Facts,
    metadata::{metadata, with_checksum},
};
use crate::{endpoint::Endpoint, tenant::Tenant};

/// Renders the `ConfigMap` with `InitConfiguration` and `ClusterConfiguration`, each one line of JSON.
pub fn config_map(facts: &Facts) -> ConfigMap {
    let tenant = facts.tenant;
    let data = BTreeMap::from([
        (
            "InitConfiguration".to_owned(),
            init_configuration(facts.endpoint),
        ),
        (
            "ClusterConfiguration".to_owned(),
            cluster_configuration(facts),
        ),
    ]);
    let metadata = metadata(tenant, tenant.names.kubeadm_config(), "kubeadmconfig");
    with_checksum(metadata, data)
}

/// Names and addresses of the API server's certificate, in upstream's order.
pub fn cert_sans(tenant: &Tenant, endpoint: &Endpoint) -> Vec<String> {
    let host = tenant.service_host();
    let mut sans = vec![
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
        tenant.name.clone(),
        host.clone(),
        format!("{host}.cluster.local"),
        endpoint.assigned.to_string(),
    ];
    sans.extend(tenant.network.cert_sans.iter().cloned());
    if endpoint.advertised != endpoint.assigned {
        sans.push(endpoint.advertised.to_string());
    }
    sans
}

fn init_configuration(endpoint: &Endpoint) -> String {
    let tail = concat!(
        r#""CertificateKey":"","SkipPhases":null,"Patches":null,"#,
        r#""Timeouts":{"ControlPlaneComponentHealthCheck":"4m0s","KubeletHealthCheck":"4m0s","#,
        r#""KubernetesAPICall":"1m0s","EtcdAPICall":"2m0s","TLSBootstrap":"5m0s","#,
        r#""Discovery":"5m0s","UpgradeManifests":"5m0s"}}"#,
    );
    let head = concat!(
        r#"{"BootstrapTokens":[{"token":"abcdef.0123456789abcdef","ttl":"24h0m0s","#,
        r#""usages":["signing","authentication"],"#,
        r#""groups":["system:bootstrappers:kubeadm:default-node-token"]}],"#,
        r#""DryRun":false,"NodeRegistration":{"Name":"node","#,
        r#""CRISocket":"unix:///var/run/containerd/containerd.sock","#,
        r#""Taints":null,"KubeletExtraArgs":null,"IgnorePreflightErrors":null,"#,
        r#""imagePullPolicy":"IfNotPresent","ImagePullSerial":true},"#,
    );
    let (address, port) = (json(&endpoint.assigned), endpoint.port);
    format!(
        r#"{head}"LocalAPIEndpoint":{{"AdvertiseAddress":{address},"BindPort":{port}}},{tail}{end}"#,
        end = '\n'
    )
}

fn cluster_configuration(facts: &Facts) -> String {
    let tenant = facts.tenant;
    let etcd = if facts.store.driver == Driver::Etcd {
        json(&facts.store.endpoints)
    } else {
        json(&["127.0.0.1:2379"])
    };
    let networking = format!(
        r#"{{"ServiceSubnet":{},"PodSubnet":{},"DNSDomain":{}}}"#,
        json(&tenant.network.service_subnet()),
        json(&tenant.network.pod_subnet()),
        json(&tenant.network.cluster_domain),
    );
    let api_server = format!(
        r#"{{"ExtraArgs":[{{"Name":"etcd-compaction-interval","Value":"0s"}},{{"Name":"etcd-prefix","Value":{}}}],{NO_EXTRAS},"CertSANs":{},"TimeoutForControlPlane":"0s"}}"#,
        json(&format!("/{}", tenant.name)),
        json(&cert_sans(tenant, facts.endpoint)),
    );
    let parts = [
        r#""ComponentConfigs":null"#.to_owned(),
        format!(
            r#""Etcd":{{"Local":null,"External":{{"Endpoints":{etcd},"HTTPEndpoints":null,"CAFile":"","CertFile":"","KeyFile":""}}}}"#
        ),
        format!(r#""Networking":{networking}"#),
        format!(r#""KubernetesVersion":{}"#, json(&tenant.version.text)),
        r#""CIKubernetesVersion":"""#.to_owned(),
        format!(
            r#""ControlPlaneEndpoint":{}"#,
            json(&facts.endpoint.published.to_string())
        ),
        format!(r#""APIServer":{api_server}"#),
        format!(r#""ControllerManager":{{"ExtraArgs":null,{NO_EXTRAS}}}"#),
        format!(r#""Scheduler":{{"ExtraArgs":null,{NO_EXTRAS}}}"#),
        r#""DNS":{"ImageRepository":"","ImageTag":"","Disabled":false}"#.to_owned(),
        r#""Proxy":{"Disabled":false}"#.to_owned(),
        r#""CertificatesDir":"/etc/kubernetes/pki","ImageRepository":"registry.k8s.io""#.to_owned(),
        r#""CIImageRepository":"","FeatureGates":null"#.to_owned(),
        format!(r#""ClusterName":{}"#, json(&tenant.name)),
        format!(
            r#""EncryptionAlgorithm":{}"#,
            json(facts.settings.key_algorithm.as_str())
        ),
        r#""CertificateValidityPeriod":"8760h0m0s""#.to_owned(),
        r#""CACertificateValidityPeriod":"87600h0m0s""#.to_owned(),
    ];
    format!("{{{}}}\n", parts.join(","))
}

const NO_EXTRAS: &str = r#""ExtraVolumes":null,"ExtraEnvs":null"#;

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("text and lists of text are always JSON")
}

#[cfg(test)]
mod tests;
