//! The small parts of the testbed, which need neither root nor a cluster.

use std::time::Instant;

use k8s_openapi::api::core::v1::ConfigMap;
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::tls_etcd::TlsEtcd;
use kamaji_e2e::tools::Tools;
use kube::Api;
use kube::api::PostParams;

#[tokio::test]
async fn an_api_server_without_kubelets_stores_objects_and_audits_the_user() {
    let tools = Tools::api_server().await.unwrap();
    let begin = Instant::now();
    let server = ApiServer::start(
        &tools,
        Options {
            audit: true,
            ..Options::default()
        },
    )
    .await
    .unwrap();
    println!("ready after {:.1} s", begin.elapsed().as_secs_f32());
    let maps: Api<ConfigMap> = Api::namespaced(server.client().await.unwrap(), "default");
    let mark = server.audit().mark().unwrap();
    let mut map = ConfigMap::default();
    map.metadata.name = Some("note".into());
    maps.create(&PostParams::default(), &map).await.unwrap();
    let seen = server.audit().since(mark).unwrap();
    assert!(
        seen.iter()
            .any(|entry| entry.verb == "create" && entry.object_ref.name == "note")
    );
}

#[tokio::test]
async fn an_etcd_with_tls_listens_and_has_client_certificates() {
    let tools = Tools::api_server().await.unwrap();
    let etcd = TlsEtcd::start(&tools).await.unwrap();
    let open = std::net::TcpStream::connect(&etcd.endpoint);
    assert!(open.is_ok());
    assert!(etcd.identities.root.cert.contains("BEGIN CERTIFICATE"));
}
