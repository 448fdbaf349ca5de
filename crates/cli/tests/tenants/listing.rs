//! `kamaji get` with every form of output.

use serde_json::{Value, json};

use crate::support::Cluster;

/// Cells of the only row below the head that begins with a name.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let mut rows = table.lines().filter(|line| line.starts_with(name));
    let row = rows.next().unwrap();
    assert_eq!(rows.next(), None);
    row.split("   ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[tokio::test]
async fn get_shows_a_tenant_in_every_form() {
    let cluster = Cluster::start().await;
    let evil = json!({"metadata": {"annotations": {"note": "\u{1b}[2J\u{9b}31m"}}});
    let tenant = cluster.tenant("one", &evil).await;
    let admin = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
    let files = [("admin.conf", admin.as_str())];
    cluster
        .secret(&tenant, "one-admin-kubeconfig", &files)
        .await;
    let status = json!({
        "controlPlaneEndpoint": "192.0.2.1:6443",
        "kubernetesResources": {"version": {"version": "v1.34.2", "status": "Upgrading"}},
        "storage": {"dataStoreName": "default", "driver": "etcd", "usage": {"keys": 812, "bytes": 4096}},
    });
    cluster.set_status("one", status).await;

    let table = cluster.ok(&["get"]);
    let cells = row(&table, "one");
    assert_eq!(
        cells[1..5],
        [
            "v1.34.2 -> v1.35.1",
            "Upgrading",
            "192.0.2.1:6443",
            "default"
        ]
    );
    assert!(cells[6].ends_with('d'), "end of the certificate: {table}");
    assert_eq!(cells[7..9], ["812", "4KiB"]);
    assert!(!table.contains('\u{1b}'), "no colours in a pipe: {table:?}");
    assert!(cluster.ok(&["get", "one"]).contains("v1.34.2 -> v1.35.1"));
    assert!(
        cluster
            .ok(&["get", "default/one", "-o", "wide"])
            .contains("0/3")
    );
    assert!(cluster.ok(&["get", "-A"]).starts_with("NAMESPACE"));
    assert_eq!(cluster.ok(&["get", "-n", "kube-system"]), "");
    assert_eq!(
        cluster.ok(&["get", "-o", "name"]),
        "tenantcontrolplane.kamaji.clastix.io/one\n"
    );

    for form in ["json", "yaml"] {
        let text = cluster.ok(&["get", "one", "-o", form]);
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
        let object: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(
            object["metadata"]["annotations"]["note"],
            "\u{1b}[2J\u{9b}31m"
        );
        assert_eq!(object["metadata"]["managedFields"], Value::Null);
        let list: Value = serde_saphyr::from_str(&cluster.ok(&["get", "-o", form])).unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn get_reads_all_pages_and_says_where_it_stops() {
    let cluster = Cluster::start().await;
    for number in 0..45 {
        cluster.tenant(&format!("t{number}"), &json!({})).await;
    }
    assert_eq!(cluster.ok(&["get", "-o", "name"]).lines().count(), 45);
    let output = cluster
        .command(&["get", "-o", "name", "--most", "42"])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("only the first 42"), "{errors}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().lines().count(),
        42
    );
}
