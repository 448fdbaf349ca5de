use serde_json::json;

use super::*;
use crate::render::fixture::{Fixture, store};

const BASE: [&str; 6] = [
    "etc-kubernetes-pki",
    "etc-ca-certificates",
    "usr-share-ca-certificates",
    "usr-local-share-ca-certificates",
    "scheduler-kubeconfig",
    "controller-manager-kubeconfig",
];
const KINE: [&str; 3] = ["kine-uds", "kine-config", "kine-certs"];
const KONNECTIVITY: [&str; 3] = [
    "konnectivity-uds",
    "egress-selector-configuration",
    "konnectivity-server-kubeconfig",
];

fn fixture(konnectivity: bool) -> Fixture {
    let mut changes = json!({"controlPlane": {"deployment": {
        "additionalVolumes": [{"name": "mine", "emptyDir": {}}],
        "additionalVolumeMounts": {
            "apiServer": [{"name": "mine", "mountPath": "/mine"}],
            "controllerManager": [{"name": "mine", "mountPath": "/mine"}],
            "scheduler": [{"name": "mine", "mountPath": "/mine"}],
        },
    }}});
    if konnectivity {
        changes["addons"] = json!({"konnectivity": {}});
    }
    Fixture::with(changes)
}

fn with_kine(fixture: Fixture) -> Fixture {
    fixture.on(store("pg", Driver::PostgreSql, &["db:5432"]))
}

fn names(fixture: &Fixture) -> Vec<String> {
    volumes(&fixture.facts())
        .into_iter()
        .map(|volume| volume.name)
        .collect()
}

fn paths(mounts: &[VolumeMount]) -> Vec<&str> {
    mounts
        .iter()
        .map(|mount| mount.mount_path.as_str())
        .collect()
}

#[test]
fn volumes_are_the_users_then_the_base_then_kine_then_konnectivity() {
    let cases: Vec<(Fixture, &[&[&str]])> = vec![
        (fixture(false), &[&["mine"], &BASE]),
        (fixture(true), &[&["mine"], &BASE, &KONNECTIVITY]),
        (with_kine(fixture(false)), &[&["mine"], &BASE, &KINE]),
        (
            with_kine(fixture(true)),
            &[&["mine"], &BASE, &KINE, &KONNECTIVITY],
        ),
    ];
    for (fixture, expected) in cases {
        assert_eq!(names(&fixture), expected.concat());
    }
}

#[test]
fn every_managed_volume_is_a_reserved_name() {
    let ours = names(&with_kine(fixture(true)));
    assert_eq!(ours[1..], NAMES);
}

#[test]
fn the_api_server_mounts_konnectivity_after_the_authorities_and_kine_last() {
    let fixture = with_kine(fixture(true));
    assert_eq!(
        paths(&api_server_mounts(&fixture.facts())),
        [
            "/mine",
            "/etc/kubernetes/pki",
            "/etc/ca-certificates",
            "/usr/share/ca-certificates",
            "/usr/local/share/ca-certificates",
            "/run/konnectivity",
            "/etc/kubernetes/konnectivity/configurations",
            "/uds",
        ]
    );
}

#[test]
fn scheduler_and_controller_manager_mount_the_users_volumes_then_their_kubeconfig() {
    let fixture = fixture(false);
    assert_eq!(
        paths(&scheduler_mounts(&fixture.tenant)),
        ["/mine", "/etc/kubernetes"]
    );
    assert_eq!(
        paths(&controller_manager_mounts(&fixture.tenant))[..3],
        ["/mine", "/etc/kubernetes", "/etc/kubernetes/pki"]
    );
}

#[test]
fn the_client_certificate_of_etcd_is_projected_only_with_etcd() {
    let sources = |fixture: &Fixture| {
        let pki = volumes(&fixture.facts())
            .remove(1)
            .projected
            .expect("a projected volume");
        pki.sources.expect("sources").len()
    };
    assert_eq!(sources(&fixture(false)), 7);
    assert_eq!(sources(&with_kine(fixture(false))), 6);
}
