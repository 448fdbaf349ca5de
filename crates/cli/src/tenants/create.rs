//! `kamaji create`: creates a tenant from flags.

use kamaji_api::tenant::TenantControlPlane;
use kamaji_shell::ObjectKey;
use kube::{Resource, api::PostParams, core::Request};
use serde_json::{Value, json};

use crate::{
    access::{Access, AccessFlags, MANAGER, TenantName},
    terminal::print,
};

use super::{manifest::as_yaml, version::parse_version};

/// Arguments of `kamaji create`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The new tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// Version of Kubernetes, for example v1.36.3
    #[arg(long, value_parser = parse_version)]
    version: String,
    /// DataStore that holds the data; by default the operator's
    #[arg(long)]
    datastore: Option<String>,
    /// Number of control plane pods
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i32).range(0..=100))]
    replicas: i32,
    /// Type of the Service
    #[arg(long, default_value = "LoadBalancer")]
    service_type: Service,
    /// Address of the control plane; required with NodePort
    #[arg(long, required_if_eq("service_type", "NodePort"))]
    address: Option<std::net::IpAddr>,
    /// Port of the API server
    #[arg(long, default_value_t = 6443, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Further name or address in the API server's certificate; may be given several times
    #[arg(long = "cert-san", value_name = "NAME")]
    cert_sans: Vec<String>,
    /// Addons that are installed, separated by commas; an empty text for none
    #[arg(long, value_delimiter = ',', default_value = "coredns,kube-proxy,konnectivity", value_parser = addon)]
    addons: Vec<Option<&'static str>>,
    /// Check at the API server what would be created, and print it as YAML
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: AccessFlags,
}

/// Type of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    /// Reachable within the management cluster only.
    #[value(name = "ClusterIP")]
    ClusterIp,
    /// Reachable on a port of every node.
    #[value(name = "NodePort")]
    NodePort,
    /// Reachable at an address of a load balancer.
    #[value(name = "LoadBalancer")]
    LoadBalancer,
}

fn addon(text: &str) -> Result<Option<&'static str>, String> {
    match text {
        "" => Ok(None),
        "coredns" => Ok(Some("coreDNS")),
        "kube-proxy" => Ok(Some("kubeProxy")),
        "konnectivity" => Ok(Some("konnectivity")),
        _ => Err("choose of coredns, kube-proxy, konnectivity".to_owned()),
    }
}

/// Creates the tenant; fields that the definitions in the cluster do not have are an error.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let object = object(arguments, &key);
    let parameters = PostParams {
        dry_run: arguments.dry_run,
        field_manager: Some(MANAGER.to_owned()),
    };
    let url = TenantControlPlane::url_path(&(), Some(&key.namespace));
    let mut request = Request::new(url).create(&parameters, serde_json::to_vec(&object)?)?;
    // The parameters have no field for it.
    *request.uri_mut() = format!("{}&fieldValidation=Strict", request.uri()).parse()?;
    let what = format!("creating the TenantControlPlane {key}");
    let client = access.client();
    let mut created: Value = access.call(&what, client.request(request)).await?;
    if arguments.dry_run {
        if let Some(metadata) = created["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        return print(&as_yaml(&created)?);
    }
    print(&format!(
        "{key} is created: `kamaji wait {key}` shows when it is ready\n"
    ))
}

fn object(arguments: &Arguments, key: &ObjectKey) -> Value {
    let service = match arguments.service_type {
        Service::ClusterIp => "ClusterIP",
        Service::NodePort => "NodePort",
        Service::LoadBalancer => "LoadBalancer",
    };
    let addons = arguments.addons.iter().flatten();
    let addons: serde_json::Map<String, Value> =
        addons.map(|name| ((*name).to_owned(), json!({}))).collect();
    let mut spec = json!({
        "addons": addons,
        "controlPlane": {
            "deployment": {"replicas": arguments.replicas},
            "service": {"serviceType": service},
        },
        "kubernetes": {"version": arguments.version, "kubelet": {}},
        "networkProfile": {"port": arguments.port},
    });
    if let Some(store) = &arguments.datastore {
        spec["dataStore"] = json!(store);
    }
    if let Some(address) = arguments.address {
        spec["networkProfile"]["address"] = json!(address);
    }
    if !arguments.cert_sans.is_empty() {
        spec["networkProfile"]["certSANs"] = json!(arguments.cert_sans);
    }
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": {"namespace": key.namespace, "name": key.name},
        "spec": spec,
    })
}
