//! Tests of clients of tenants: a server is dialled at its address and its certificate is verified.

use k8s_openapi::api::core::v1::Namespace;
use kamaji_e2e::{envtest::ApiServer, pki::Authority};
use kamaji_shell::remote::{Remote, Target};
use kube::Api;
use serde_json::Value;

use crate::support::server;

/// Target of the API server, as a tenant with the host name `host`.
fn target(server: &ApiServer, host: &str) -> Target {
    let text = std::fs::read_to_string(server.kubeconfig()).unwrap();
    let config: Value = serde_saphyr::from_str(&text).unwrap();
    let data = |value: &Value| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.decode(value.as_str().unwrap()).unwrap()
    };
    let (cluster, user) = (
        &config["clusters"][0]["cluster"],
        &config["users"][0]["user"],
    );
    Target {
        uid: host.to_owned(),
        host: host.to_owned(),
        address: Some("127.0.0.1".parse().unwrap()),
        port: server.url().rsplit(':').next().unwrap().parse().unwrap(),
        ca: data(&cluster["certificate-authority-data"]),
        certificate: data(&user["client-certificate-data"]),
        key: data(&user["client-key-data"]),
    }
}

/// Error of a request to `target`.
async fn request_error(remote: &Remote, target: &Target) -> String {
    let namespaces: Api<Namespace> = Api::all(remote.client(target).unwrap());
    format!("{:?}", namespaces.get("default").await.unwrap_err())
}

#[tokio::test]
async fn a_server_dialled_by_address_must_have_the_name_and_the_authority_of_the_tenant() {
    let server = server().await;
    let remote = Remote::default();
    let named = target(&server, "kubernetes.default.svc");
    let namespaces: Api<Namespace> = Api::all(remote.client(&named).unwrap());
    namespaces.get("default").await.unwrap();

    let other = target(&server, "neighbour.ns.svc");
    let why = request_error(&remote, &other).await;
    assert!(why.contains("NotValidForName"), "{why}");
    let mut untrusted = target(&server, "kubernetes.default.svc");
    untrusted.uid = "one more".to_owned();
    let authority = Authority::new("another").unwrap();
    untrusted.ca = authority.pair().cert.clone().into();
    let why = request_error(&remote, &untrusted).await;
    assert!(why.contains("UnknownIssuer"), "{why}");
}
