//! The small parts of the testbed, which need neither root nor a cluster.

use std::collections::BTreeSet;
use std::net::{TcpListener, UdpSocket};
use std::time::Instant;

use k8s_openapi::api::core::v1::ConfigMap;
use kamaji_e2e::envtest::{ApiServer, Options};
use kamaji_e2e::ports::free_port;
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

#[test]
fn reserved_ports_differ_and_lie_below_those_of_outgoing_connections() {
    let ports: BTreeSet<u16> = (0..200).map(|_| free_port().unwrap()).collect();
    assert_eq!(ports.len(), 200);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    assert!(ports.iter().all(|port| *port < first), "{ports:?} {first}");
}

#[test]
fn reserved_port_stays_reserved_and_can_be_listened_on_again_and_again() {
    let port = free_port().unwrap();
    for _ in 0..2 {
        TcpListener::bind(("127.0.0.1", port)).unwrap();
        UdpSocket::bind(("127.0.0.1", port)).unwrap_err();
    }
}
