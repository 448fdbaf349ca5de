//! `kamaji kubeconfig` and `kamaji join`, with the API server of the test as that of the tenant.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use k8s_openapi::jiff::Timestamp;
use kamaji_api::tenant::TenantControlPlane;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::support::Cluster;

/// A tenant whose administrators' Secret leads to the API server of the test.
async fn tenant(cluster: &Cluster, name: &str) -> TenantControlPlane {
    let tenant = cluster.tenant(name, &json!({})).await;
    let admin = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let secret = format!("{name}-admin-kubeconfig");
    cluster
        .secret(&tenant, &secret, &[("admin.conf", &admin)])
        .await;
    tenant
}

#[tokio::test]
async fn kubeconfig_prints_a_file_that_works_with_nothing_but_known_fields() {
    let cluster = Cluster::start().await;
    let made = cluster.tenant("one", &json!({})).await;
    let admin = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let mut planted: Value = serde_json::from_str(&admin).unwrap();
    planted["users"][0]["user"]["exec"] = json!({"command": "planted", "apiVersion": "v1"});
    planted["clusters"][0]["cluster"]["proxy-url"] = json!("http://planted");
    let planted = planted.to_string();
    let files = [("admin.conf", planted.as_str())];
    cluster.secret(&made, "one-admin-kubeconfig", &files).await;
    let text = cluster.ok(&["kubeconfig", "one"]);
    assert!(!text.contains("planted"), "{text}");
    let path = cluster.home().join("tenant.conf");
    fs::write(&path, &text).unwrap();
    let get = cluster
        .command(&["get", "-o", "name", "--kubeconfig"])
        .arg(&path)
        .env_remove("KUBECONFIG")
        .output()
        .unwrap();
    assert!(
        get.status.success(),
        "{}",
        String::from_utf8_lossy(&get.stderr)
    );
    let missing = cluster.fails(&["kubeconfig", "one", "--key", "super-admin.conf"], 1);
    assert!(missing.contains("super-admin.conf"), "{missing}");
}

#[tokio::test]
async fn kubeconfig_merges_into_the_users_file_and_takes_over_no_other_entry() {
    let cluster = Cluster::start().await;
    Box::pin(tenant(&cluster, "one")).await;
    let path = cluster.home().join(".kube/config");
    let management = cluster.kubeconfig();
    let merge = |more: &[&str]| -> Command {
        let mut command = cluster.command(&["kubeconfig", "one", "--merge", "--kubeconfig"]);
        command.arg(&management).args(more).env_remove("KUBECONFIG");
        command
    };
    assert!(merge(&[]).status().unwrap().success());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = || serde_saphyr::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(read()["contexts"][0]["name"], "default/one");
    assert_eq!(read()["clusters"][0]["cluster"]["server"], cluster.url());
    let get = cluster
        .command(&["get", "--context", "default/one", "--kubeconfig"])
        .arg(&path)
        .output();
    assert!(get.unwrap().status.success());

    let mut foreign = read();
    foreign["clusters"][0]["cluster"]["certificate-authority-data"] = json!("b3RoZXI=");
    fs::write(&path, foreign.to_string()).unwrap();
    let output = merge(&[]).output().unwrap();
    let refused = crate::support::sentence(&output, 1);
    assert!(
        refused.contains("--force") && refused.contains("left as it was"),
        "{refused}"
    );
    assert_eq!(read(), foreign);
    assert!(merge(&["--force"]).status().unwrap().success());
    assert_ne!(read(), foreign);
}

#[tokio::test]
async fn a_secret_that_the_tenant_does_not_own_is_not_used() {
    let cluster = Cluster::start().await;
    let tenant = Box::pin(tenant(&cluster, "one")).await;
    let uid = tenant.metadata.uid.unwrap();
    let background = DeleteParams::background();
    cluster.tenants().delete("one", &background).await.unwrap();
    let again = cluster.tenant("one", &json!({})).await;
    assert_ne!(again.metadata.uid.unwrap(), uid);
    for verb in ["kubeconfig", "join"] {
        let refused = cluster.fails(&[verb, "one"], 1);
        assert!(
            refused.contains("does not belong to this tenant"),
            "{refused}"
        );
    }
    assert_eq!(tokens(&cluster).await, Vec::<Value>::new());
}

/// Bootstrap tokens in the API server.
async fn tokens(cluster: &Cluster) -> Vec<Value> {
    let api = cluster.secrets("kube-system");
    let listed = api.list(&ListParams::default()).await.unwrap();
    let text = |secret: &k8s_openapi::api::core::v1::Secret| {
        let data = secret.data.clone().unwrap_or_default();
        let text = data
            .into_iter()
            .map(|(key, value)| (key, String::from_utf8(value.0).unwrap().into()));
        Value::Object(text.collect())
    };
    listed.items.iter().map(text).collect()
}

#[tokio::test]
async fn join_prints_the_line_of_a_token_that_ends() {
    let cluster = Cluster::start().await;
    Box::pin(tenant(&cluster, "one")).await;
    let line = cluster.ok(&["join", "one", "--ttl", "2h"]);
    let words: Vec<&str> = line.split_whitespace().collect();
    let server = cluster.url().strip_prefix("https://").unwrap();
    assert_eq!(words[..3], ["kubeadm", "join", server]);
    assert_eq!(
        (words[3], words[5]),
        ("--token", "--discovery-token-ca-cert-hash")
    );
    assert_eq!(words[6], openssl_hash(&cluster));
    let token = &tokens(&cluster).await[0];
    let (id, secret) = (
        token["token-id"].as_str().unwrap(),
        token["token-secret"].as_str().unwrap(),
    );
    assert_eq!(words[4], format!("{id}.{secret}"));
    let end: Timestamp = token["expiration"].as_str().unwrap().parse().unwrap();
    let left = end.as_second() - Timestamp::now().as_second();
    assert!((7000..=7200).contains(&left), "{left}");
    assert_eq!(
        token["auth-extra-groups"],
        "system:bootstrappers:kubeadm:default-node-token"
    );

    let data: Value =
        serde_saphyr::from_str(&cluster.ok(&["join", "one", "--cloud-init"])).unwrap();
    assert_eq!(data["runcmd"][0][2], server);
    assert_eq!(tokens(&cluster).await.len(), 2);
    let long = cluster
        .command(&["join", "one", "--ttl", "10000h"])
        .output();
    assert_eq!(long.unwrap().status.code(), Some(2));
}

/// Hash of the CA's public key, as the documentation of kubeadm computes it.
fn openssl_hash(cluster: &Cluster) -> String {
    let ca = cluster.kubeconfig().with_file_name("ca.crt");
    let script = format!(
        "openssl x509 -pubkey -noout -in {} | openssl pkey -pubin -outform der | sha256sum",
        ca.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let hash = text.split_whitespace().next().unwrap();
    assert_eq!(hash.len(), 64);
    format!("sha256:{hash}")
}

#[tokio::test]
async fn join_of_a_tenant_that_sleeps_or_cannot_be_reached_makes_nothing() {
    let cluster = Cluster::start().await;
    let asleep = json!({"spec": {"controlPlane": {"deployment": {"replicas": 0}}}});
    cluster.tenant("asleep", &asleep).await;
    let text = cluster.fails(&["join", "asleep"], 1);
    assert!(text.contains("kamaji wake default/asleep"), "{text}");
    let away = cluster.tenant("away", &json!({})).await;
    let port = kamaji_e2e::ports::free_port().unwrap();
    let admin = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let admin = admin.replace(cluster.url(), &format!("https://127.0.0.1:{port}"));
    let files = [("admin.conf", admin.as_str())];
    cluster.secret(&away, "away-admin-kubeconfig", &files).await;
    let text = cluster.fails(&["join", "away"], 1);
    assert!(
        text.contains(&format!("https://127.0.0.1:{port} cannot be used")),
        "{text}"
    );
    assert_eq!(tokens(&cluster).await, Vec::<Value>::new());
}
