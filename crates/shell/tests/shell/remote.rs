//! Is a tenant reached at its address, and only if it is who it says it is?

use k8s_openapi::api::core::v1::Namespace;
use kamaji_e2e::{envtest::ApiServer, pki::Authority};
use kamaji_shell::remote::{Remote, Target};
use kube::Api;
use serde_json::Value;

use crate::support::server;

/// The lone API server as if it were a tenant of the name `host`.
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

/// Why a target is not talked to.
async fn refusal(remote: &Remote, target: &Target) -> String {
    let namespaces: Api<Namespace> = Api::all(remote.client(target).unwrap());
    format!("{:?}", namespaces.get("default").await.unwrap_err())
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_dialled_at_its_address_and_still_checked() {
    let server = server().await;
    let remote = Remote::default();
    let named = target(&server, "kubernetes.default.svc");
    let namespaces: Api<Namespace> = Api::all(remote.client(&named).unwrap());
    namespaces.get("default").await.unwrap();

    let other = target(&server, "neighbour.ns.svc");
    let why = refusal(&remote, &other).await;
    assert!(why.contains("NotValidForName"), "{why}");
    let mut stranger = target(&server, "kubernetes.default.svc");
    stranger.uid = "one more".to_owned();
    let authority = Authority::new("another").unwrap();
    stranger.ca = authority.pair().cert.clone().into();
    let why = refusal(&remote, &stranger).await;
    assert!(why.contains("UnknownIssuer"), "{why}");
}
