//! Clusters that cannot be used: one sentence each that says what is wrong and what to do.

use std::fs;

use kamaji_e2e::{kubeconfig::kubeconfig, pki::Authority, ports::free_port};

use crate::support::{Cluster, sentence};

#[tokio::test]
async fn a_cluster_without_our_definitions_is_told_from_one_without_the_tenant() {
    let cluster = Cluster::bare().await;
    for verb in [
        &["get"][..],
        &["get", "one"],
        &["wait", "one"],
        &["sleep", "one"],
    ] {
        let text = cluster.fails(verb, 1);
        assert!(text.contains("kamaji crds | kubectl apply"), "{text}");
    }
}

#[tokio::test]
async fn credentials_that_are_not_accepted_or_have_ended_are_named() {
    let cluster = Cluster::bare().await;
    let ca = fs::read_to_string(cluster.kubeconfig().with_file_name("ca.crt")).unwrap();
    let stranger = Authority::new("another").unwrap();
    let user = stranger.client("admin", Some("system:masters")).unwrap();
    let path = cluster.home().join("stranger");
    fs::write(&path, kubeconfig(cluster.url(), &ca, &user).to_string()).unwrap();
    let get = || {
        let mut command = cluster.command(&["get", "--kubeconfig"]);
        sentence(&command.arg(&path).output().unwrap(), 1)
    };
    let text = get();
    assert!(text.contains("does not accept the credentials"), "{text}");

    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let ended = kamaji_e2e::pki::Pair {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    };
    fs::write(&path, kubeconfig(cluster.url(), &ca, &ended).to_string()).unwrap();
    let text = get();
    assert!(
        text.contains("ended at 2021-01-01") && text.contains("fetch a new kubeconfig"),
        "{text}"
    );
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_named_with_what_to_do() {
    let cluster = Cluster::bare().await;
    let mut command = cluster.command(&["get"]);
    let output = command.env_remove("KUBECONFIG").output().unwrap();
    let text = sentence(&output, 1);
    assert!(text.contains("give --kubeconfig"), "{text}");

    let port = free_port().unwrap();
    let admin = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let gone = format!("https://127.0.0.1:{port}");
    let path = cluster.home().join("gone");
    fs::write(&path, admin.replace(cluster.url(), &gone)).unwrap();
    let output = cluster
        .command(&["get", "--kubeconfig"])
        .arg(&path)
        .output();
    let text = sentence(&output.unwrap(), 1);
    assert!(
        text.contains(&gone) && text.contains("is the cluster running"),
        "{text}"
    );

    let output = cluster.command(&["get", "--context", "nowhere"]).output();
    let text = sentence(&output.unwrap(), 1);
    assert!(text.contains("nowhere"), "{text}");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_time_limit() {
    let cluster = Cluster::bare().await;
    // Connections are accepted and never answered.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let silent = format!("https://{}", listener.local_addr().unwrap());
    let path = cluster.home().join("silent");
    fs::write(&path, admin.replace(cluster.url(), &silent)).unwrap();
    let begin = std::time::Instant::now();
    let mut command = cluster.command(&["get", "--request-timeout", "2s", "--kubeconfig"]);
    let text = sentence(&command.arg(&path).output().unwrap(), 1);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    assert!(text.contains(&silent), "{text}");
}
