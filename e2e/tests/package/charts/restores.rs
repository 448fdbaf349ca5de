//! Job of the chart `kamaji` that restores the whole etcd.

use super::{VALUES, containers, named, pods};
use crate::package::helm::rendered;

#[tokio::test]
async fn a_restore_gives_its_token_to_the_last_container_and_the_snapshot_to_none_that_writes_it() {
    let values = VALUES
        .iter()
        .find(|(name, _)| *name == "a restore")
        .unwrap();
    let objects = rendered("kamaji", values.1).await;
    let job = named(&objects, "Job", "kamaji-etcd-restore").unwrap();
    assert_eq!(job["spec"]["backoffLimit"], 0);
    let pod = pods(job).unwrap();
    assert_eq!(pod["automountServiceAccountToken"], false);
    let mounts: Vec<(String, String)> = containers(pod)
        .map(|container| {
            let name = container["name"].as_str().unwrap().to_owned();
            (name, container["volumeMounts"].to_string())
        })
        .collect();
    for (name, mounts) in &mounts {
        assert_eq!(mounts.contains("token"), name == "adopt", "{name}");
        assert_eq!(mounts.contains("identity"), name == "open", "{name}");
        assert!(!mounts.contains("root"), "{name}");
    }
    assert!(named(&objects, "PersistentVolumeClaim", "data-kamaji-etcd-0").is_some());
    let role = named(&objects, "Role", "kamaji-etcd-restore").unwrap();
    assert!(!role["rules"].to_string().contains("secrets"), "{role}");
    // The claim outlives what is removed after the restore.
    let component = |kind: &str, name: &str| {
        let object = named(&objects, kind, name).unwrap();
        object["metadata"]["labels"]["app.kubernetes.io/component"].clone()
    };
    assert_eq!(component("Job", "kamaji-etcd-restore"), "restore");
    assert!(component("PersistentVolumeClaim", "data-kamaji-etcd-0").is_null());
}

#[tokio::test]
async fn a_restore_opens_the_snapshot_by_its_key_or_as_a_plain_one_that_the_values_name() {
    let opened = async |name: &str| {
        let values = VALUES.iter().find(|(other, _)| *other == name).unwrap();
        let objects = rendered("kamaji", values.1).await;
        let job = named(&objects, "Job", "kamaji-etcd-restore").unwrap();
        let open = containers(pods(job).unwrap()).find(|container| container["name"] == "open");
        open.unwrap()["args"].to_string()
    };
    let by_key = opened("a restore").await;
    assert!(
        by_key.contains("--identity=") && !by_key.contains("--plain"),
        "{by_key}"
    );
    let plain = opened("a restore without encryption").await;
    assert!(
        plain.contains("--plain") && !plain.contains("--identity"),
        "{plain}"
    );
}
