//! `kamaji support-bundle`: no secret value in it, as an archive and as a folder.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::Event;
use kamaji_api::datastore::DataStore;
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::support::Cluster;

const SECRETS: [&str; 5] = [
    "hunter22-password",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "token-of-somebody-else",
    "inline-password",
    "value-of-a-variable",
];

/// All text below a folder, one file after the other, with the names of files.
fn text_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        writeln!(text, "FILE {}", path.display()).unwrap();
        if path.is_dir() {
            text.push_str(&text_below(&path));
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

async fn fill(cluster: &Cluster) {
    let container = json!({"name": "x", "image": "x", "env": [{"name": "V", "value": SECRETS[4]}]});
    let patch =
        json!({"spec": {"controlPlane": {"deployment": {"additionalContainers": [container]}}}});
    let tenant = cluster.tenant("one", &patch).await;
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        SECRETS[1]
    );
    let data = [("DB_PASSWORD", SECRETS[0]), ("ca.key", key.as_str())];
    cluster.secret(&tenant, "one-datastore-config", &data).await;
    // Without labels, so that it is not in the bundle itself.
    let other = json!({"metadata": {"name": "other"}, "stringData": {"token": SECRETS[2]}});
    let api = cluster.secrets("default");
    let other = serde_json::from_value(other).unwrap();
    api.create(&PostParams::default(), &other).await.unwrap();
    let content = BASE64_STANDARD.encode(SECRETS[3]);
    let store = json!({
        "metadata": {"name": "db"},
        "spec": {
            "driver": "PostgreSQL", "endpoints": ["db:5432"],
            "basicAuth": {"username": {"content": "dXNlcg=="}, "password": {"content": content}},
        },
    });
    let api: Api<DataStore> = Api::all(cluster.client.clone());
    let store = serde_json::from_value(store).unwrap();
    api.create(&PostParams::default(), &store).await.unwrap();
    let message = format!("login failed with {} and {}", SECRETS[0], SECRETS[2]);
    let event = json!({
        "metadata": {"name": "e"}, "message": message, "reason": "DataStoreFailed", "type": "Warning",
        "involvedObject": {"kind": "TenantControlPlane", "name": "one", "namespace": "default"},
    });
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), "default");
    let event = serde_json::from_value(event).unwrap();
    api.create(&PostParams::default(), &event).await.unwrap();
}

#[tokio::test]
async fn a_bundle_has_objects_and_events_and_no_secret_value() {
    let cluster = Cluster::start().await;
    Box::pin(fill(&cluster)).await;
    let archive = cluster.home().join("b.tar.gz");
    let folder = cluster.home().join("b");
    cluster.ok(&["support-bundle", archive.to_str().unwrap()]);
    cluster.ok(&["support-bundle", "-A", folder.to_str().unwrap()]);
    let unpacked = cluster.home().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let tar = Command::new("tar")
        .args([
            "-xzf",
            archive.to_str().unwrap(),
            "-C",
            unpacked.to_str().unwrap(),
        ])
        .status();
    assert!(tar.unwrap().success());
    for (place, path) in [(&unpacked, &archive), (&folder, &folder)] {
        let text = text_below(place);
        for part in [
            "name: one-datastore-config",
            "DB_PASSWORD",
            "login failed with REDACTED and REDACTED",
            "name: db",
            "kind: TenantControlPlane",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret}");
            assert!(
                !text.contains(&BASE64_STANDARD.encode(secret)),
                "{secret} in base64"
            );
        }
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    let taken = cluster.fails(&["support-bundle", archive.to_str().unwrap()], 1);
    assert!(taken.contains("exists"), "{taken}");
    let nowhere = cluster.fails(&["support-bundle", "/nowhere/b.tar.gz"], 1);
    assert!(nowhere.contains("/nowhere"), "{nowhere}");
}
