use serde_json::json;

use super::*;
use crate::render::fixture::{World, store};

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

fn world(konnectivity: bool) -> World {
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
    World::with(changes)
}

fn with_kine(world: World) -> World {
    world.on(store("pg", Driver::PostgreSql, &["db:5432"]))
}

fn names(world: &World) -> Vec<String> {
    volumes(&world.facts())
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
    let cases: Vec<(World, &[&[&str]])> = vec![
        (world(false), &[&["mine"], &BASE]),
        (world(true), &[&["mine"], &BASE, &KONNECTIVITY]),
        (with_kine(world(false)), &[&["mine"], &BASE, &KINE]),
        (
            with_kine(world(true)),
            &[&["mine"], &BASE, &KINE, &KONNECTIVITY],
        ),
    ];
    for (world, expected) in cases {
        assert_eq!(names(&world), expected.concat());
    }
}

#[test]
fn every_volume_of_ours_is_a_reserved_name() {
    let ours = names(&with_kine(world(true)));
    assert_eq!(ours[1..], NAMES);
}

#[test]
fn the_api_server_mounts_konnectivity_after_the_authorities_and_kine_last() {
    let world = with_kine(world(true));
    assert_eq!(
        paths(&api_server_mounts(&world.facts())),
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
fn the_others_mount_the_users_then_their_kubeconfig() {
    let world = world(false);
    assert_eq!(
        paths(&scheduler_mounts(&world.tenant)),
        ["/mine", "/etc/kubernetes"]
    );
    assert_eq!(
        paths(&controller_manager_mounts(&world.tenant))[..3],
        ["/mine", "/etc/kubernetes", "/etc/kubernetes/pki"]
    );
}

#[test]
fn the_client_certificate_of_etcd_is_projected_only_with_etcd() {
    let sources = |world: &World| {
        let pki = volumes(&world.facts())
            .remove(1)
            .projected
            .expect("a projected volume");
        pki.sources.expect("sources").len()
    };
    assert_eq!(sources(&world(false)), 7);
    assert_eq!(sources(&with_kine(world(false))), 6);
}
