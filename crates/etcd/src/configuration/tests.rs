use super::*;
use crate::layout::example;

fn tuning(flags: &[&str]) -> Result<Tuning, Error> {
    let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
    Tuning::parse(&flags)
}

fn file(start: &Start, flags: &[&str], ip: &str) -> Value {
    let member = Member {
        store: &example(),
        ordinal: 1,
        pod_ip: ip.parse().unwrap(),
        data_dir: "/var/run/etcd",
        metrics_port: 2381,
    };
    let text = render(&member, start, &tuning(flags).unwrap()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_member_trusts_clients_of_the_ca_and_peers_of_one_name() {
    let file = file(&Start::Run, &[], "10.0.0.7");
    assert_eq!(file["client-transport-security"]["client-cert-auth"], true);
    assert_eq!(
        file["peer-transport-security"]["allowed-cn"],
        json!([PEER_NAME])
    );
    assert_eq!(file["listen-client-urls"], "https://0.0.0.0:2379");
    let own = "https://kamaji-etcd-1.kamaji-etcd.kamaji-system.svc.cluster.local:2380";
    assert_eq!(file["initial-advertise-peer-urls"], own);
}

#[test]
fn a_member_with_an_ipv6_address_listens_on_that_family() {
    let file = file(&Start::Run, &[], "fd00::7");
    assert_eq!(file["listen-peer-urls"], "https://[::]:2380");
    assert_eq!(file["listen-metrics-urls"], "http://[::]:2381");
}

#[test]
fn only_a_bootstrap_makes_a_new_cluster() {
    let state = |start: Start| file(&start, &[], "10.0.0.7")["initial-cluster-state"].clone();
    assert_eq!(state(Start::Bootstrap("a=b".to_owned())), "new");
    assert_eq!(state(Start::Join("a=b".to_owned())), "existing");
    assert_eq!(state(Start::Run), "existing");
}

#[test]
fn a_step_before_the_start_renders_no_file() {
    let member = Member {
        store: &example(),
        ordinal: 0,
        pod_ip: "10.0.0.7".parse().unwrap(),
        data_dir: "/var/run/etcd",
        metrics_port: 2381,
    };
    assert_eq!(render(&member, &Start::Add, &Tuning::default()), None);
}

#[test]
fn settings_get_the_types_that_the_file_wants() {
    let flags = [
        "--snapshot-count=10000",
        "--auto-compaction-retention=0",
        "--warning-apply-duration=150ms",
        "--pre-vote",
        "--log-level=debug",
        "--snapshot-count=5",
    ];
    let file = file(&Start::Run, &flags, "10.0.0.7");
    assert_eq!(file["snapshot-count"], 5);
    assert_eq!(file["auto-compaction-retention"], "0");
    assert_eq!(file["warning-apply-duration"], 150_000_000);
    assert_eq!(file["pre-vote"], true);
    assert_eq!(file["log-level"], "debug");
}

#[test]
fn settings_that_change_who_the_member_is_or_whom_it_trusts_are_refused() {
    for flag in [
        "--name=other",
        "--data-dir=/x",
        "--initial-cluster=a=b",
        "--listen-client-http-urls=http://x",
        "--client-cert-auth=false",
        "--trusted-ca-file=/x",
        "--peer-cert-allowed-cn=x",
        "--force-new-cluster",
    ] {
        let said = tuning(&[flag]).unwrap_err().to_string();
        assert!(said.contains("is set by the chart"), "{flag}: {said}");
    }
    assert!(tuning(&["--corrupt-check-time=soon"]).is_err());
    assert!(tuning(&["snapshot count"]).is_err());
}
