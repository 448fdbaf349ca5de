//! `kamaji wait`: progress, goals, and the ends of a wait that has no goal any more.

use std::{process::Stdio, time::Duration};

use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::support::{Cluster, sentence};

#[tokio::test]
async fn wait_names_the_condition_and_ends_when_the_tenant_is_ready() {
    let cluster = Cluster::start().await;
    cluster.tenant("one", &json!({})).await;
    cluster
        .set_condition("one", "ControlPlaneAvailable", "NoReplicaReady")
        .await;
    let wait = cluster
        .command(&["wait", "one", "--timeout", "60s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    cluster
        .set_condition("one", "ControlPlaneAvailable", "AsPlanned")
        .await;
    let output = wait.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let expected = "ControlPlaneAvailable=False NoReplicaReady: because \\u{1b}[31m";
    assert!(errors.contains(expected), "{errors}");
    assert_eq!(errors.lines().count(), 1, "one line a change: {errors}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "default/one is ready\n"
    );
}

#[tokio::test]
async fn wait_ends_with_its_own_codes_in_time_and_at_once_when_stalled() {
    let cluster = Cluster::start().await;
    cluster.tenant("one", &json!({})).await;
    let late = cluster.fails(&["wait", "one", "--timeout", "2s"], 3);
    assert!(
        late.contains("not ready within 2s") && late.contains("has not reported"),
        "{late}"
    );
    cluster
        .set_condition("one", "UpgradeAllowed", "MinorSkipped")
        .await;
    let stalled = cluster.fails(&["wait", "one"], 4);
    assert!(
        stalled.contains("UpgradeAllowed=False MinorSkipped"),
        "{stalled}"
    );
    cluster
        .set_condition("one", "UpgradeAllowed", "AsPlanned")
        .await;
    let other = cluster.fails(&["wait", "one", "--for", "version=v1.36.3"], 4);
    assert!(other.contains("kamaji upgrade"), "{other}");
    let status = json!({"kubernetesResources": {"version": {"version": "v1.35.1"}}});
    cluster.set_status("one", status).await;
    cluster.ok(&["wait", "one", "--for", "version=1.35.1"]);
}

#[tokio::test]
async fn wait_for_deletion_ends_when_the_object_is_gone_or_was_never_there() {
    let cluster = Cluster::start().await;
    assert_eq!(
        cluster.ok(&["wait", "none", "--for", "deleted"]),
        "default/none is gone\n"
    );
    let kept = json!({"metadata": {"finalizers": ["example.com/kept"]}});
    cluster.tenant("one", &kept).await;
    let tenants = cluster.tenants();
    tenants
        .delete("one", &DeleteParams::default())
        .await
        .unwrap();
    for verb in [
        &["wait", "one"][..],
        &["wait", "one", "--for", "version=v1.35.1"],
    ] {
        assert!(cluster.fails(verb, 4).contains("is being deleted"));
    }
    let mut wait = cluster.command(&["wait", "one", "--for", "deleted"]);
    let wait = wait.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let freed = tenants.patch("one", &PatchParams::default(), &free).await;
    freed.unwrap();
    let output = wait.unwrap().wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && errors.contains("example.com/kept"),
        "{errors}"
    );
}

#[tokio::test]
async fn verbs_on_a_tenant_that_is_missing_or_leaves_say_so_in_one_sentence() {
    let cluster = Cluster::start().await;
    let kept = json!({"metadata": {"finalizers": ["example.com/kept"]}});
    cluster.tenant("leaving", &kept).await;
    let tenants = cluster.tenants();
    tenants
        .delete("leaving", &DeleteParams::default())
        .await
        .unwrap();
    let verbs: [&[&str]; 6] = [
        &["kubeconfig"],
        &["join"],
        &["upgrade"],
        &["rotate", "--all-leaves"],
        &["sleep"],
        &["wake"],
    ];
    for verb in verbs {
        let of = |name| {
            let mut arguments = verb.to_vec();
            arguments.push(name);
            if verb[0] == "upgrade" {
                arguments.push("v1.36.3");
            }
            sentence(&cluster.command(&arguments).output().unwrap(), 1)
        };
        assert!(of("none").contains("there is no TenantControlPlane default/none"));
        assert!(of("leaving").contains("default/leaving is being deleted"));
    }
    for verb in ["get", "wait", "pause", "resume"] {
        let text = cluster.fails(&[verb, "none"], 1);
        assert!(
            text.contains("there is no TenantControlPlane default/none"),
            "{text}"
        );
    }
    let secrets = cluster.secrets("default");
    let left = secrets.list(&ListParams::default()).await.unwrap().items;
    assert!(left.is_empty());
}
