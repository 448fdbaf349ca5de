use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::render::fixture::{Fixture, store};

fn with(extra: &[&str]) -> Fixture {
    Fixture::with(json!({
        "controlPlane": {"deployment": {"extraArgs": {"apiServer": extra}}},
    }))
}

/// Splits the flags into the operator's, which are sorted and end with the TLS key, and the user's.
fn split(fixture: &Fixture) -> (Vec<String>, Vec<String>) {
    let args = args(&fixture.facts());
    let last = args
        .iter()
        .position(|arg| name(arg) == "--tls-private-key-file");
    let (ours, user) = args.split_at(last.expect("a managed flag") + 1);
    assert!(ours.is_sorted());
    (ours.to_vec(), user.to_vec())
}

#[test]
fn without_extra_args_all_flags_are_sorted_and_unique() {
    let (ours, user) = split(&Fixture::with(json!({})));
    assert_eq!(user, Vec::<String>::new());
    let names: BTreeSet<_> = ours.iter().map(|arg| name(arg)).collect();
    assert_eq!(names.len(), ours.len());
    assert!(
        ours.contains(&"--etcd-servers=https://10.0.0.5:2379,https://10.0.0.6:2379".to_owned())
    );
    assert!(ours.contains(&"--etcd-prefix=/5c8e4a9e-0d7c-4d0c-9a51-9c6c6f8f4c1e".to_owned()));
}

#[test]
fn every_flag_is_either_a_default_or_listed_as_managed() {
    let mut fixture = Fixture::with(json!({"addons": {"konnectivity": {}}}));
    fixture.overrides = vec![(
        "/events".to_owned(),
        store("events", Driver::Etcd, &["a:1"]),
    )];
    let fixture = fixture.newest();
    let defaults = SAFE_DEFAULTS.into_iter().chain([ISSUER, RECONCILER]);
    let defaults: Vec<_> = defaults.map(name).collect();
    let listed: BTreeSet<_> = MANAGED
        .into_iter()
        .chain(MANAGED_WITH_ETCD)
        .chain([EGRESS_FLAG, OVERRIDES_FLAG])
        .map(std::borrow::Cow::Borrowed)
        .collect();
    let args = args(&fixture.facts());
    let rendered: BTreeSet<_> = args
        .iter()
        .map(|arg| name(arg))
        .filter(|name| !defaults.contains(name))
        .collect();
    assert_eq!(rendered, listed);
}

#[test]
fn user_flags_follow_ours_verbatim_and_repeated() {
    let given = ["--z=1", "--feature-gates=B=true", "--a", "--z=1"];
    let (_, user) = split(&with(&given));
    assert_eq!(user, given);
}

#[test]
fn a_managed_flag_of_the_user_is_left_out() {
    let (ours, user) = split(&with(&["--secure-port=1", "--v=2", "--etcd-prefix=/x"]));
    assert_eq!(user, ["--v=2"]);
    assert!(ours.contains(&"--secure-port=6443".to_owned()));
}

#[test]
fn a_default_yields_to_the_user() {
    let (ours, user) = split(&with(&["--allow-privileged=false"]));
    assert_eq!(user, ["--allow-privileged=false"]);
    assert!(!ours.iter().any(|arg| name(arg) == "--allow-privileged"));
}

#[test]
fn the_authorization_mode_yields_to_an_authorization_config_too() {
    let (ours, _) = split(&with(&["--authorization-config=/x"]));
    assert!(!ours.iter().any(|arg| name(arg) == "--authorization-mode"));
}

#[test]
fn the_egress_selector_is_managed_only_with_konnectivity() {
    let user = ["--egress-selector-config-file=/mine"];
    let (ours, kept) = split(&with(&user));
    assert_eq!(kept, user);
    assert!(!ours.contains(&EGRESS.to_owned()));
    let (ours, kept) = split(&Fixture::with(json!({
        "addons": {"konnectivity": {}},
        "controlPlane": {"deployment": {"extraArgs": {"apiServer": user}}},
    })));
    assert_eq!(kept, Vec::<String>::new());
    assert!(ours.contains(&EGRESS.to_owned()));
}

#[test]
fn an_empty_list_renders_no_bare_flag() {
    let fixture = Fixture::with(json!({"kubernetes": {"admissionControllers": []}}));
    let args = args(&fixture.facts());
    assert!(
        !args
            .iter()
            .any(|arg| name(arg) == "--enable-admission-plugins")
    );
}

#[test]
fn kine_needs_no_etcd_flags_and_leaves_them_to_the_user() {
    let (ours, user) = split(&with(&["--etcd-compaction-interval=5m"]).on(store(
        "pg",
        Driver::PostgreSql,
        &["db:5432"],
    )));
    assert_eq!(user, ["--etcd-compaction-interval=5m"]);
    let etcd: Vec<&String> = ours
        .iter()
        .filter(|arg| arg.starts_with("--etcd"))
        .collect();
    assert_eq!(etcd, ["--etcd-servers=unix:///uds/kine"]);
}

#[test]
fn overrides_name_resource_and_servers_and_sort_before_the_servers() {
    let mut fixture = Fixture::with(json!({}));
    fixture.overrides = vec![
        (
            "/events".to_owned(),
            store("events", Driver::Etcd, &["a:1", "b:2"]),
        ),
        (
            "/leases".to_owned(),
            store("leases", Driver::Etcd, &["c:3"]),
        ),
    ];
    let (ours, _) = split(&fixture);
    let at = ours
        .iter()
        .position(|arg| name(arg) == OVERRIDES_FLAG)
        .expect("the flag");
    assert_eq!(
        ours[at],
        "--etcd-servers-overrides=/events#https://a:1;https://b:2,/leases#https://c:3"
    );
    assert_eq!(name(&ours[at + 1]), "--etcd-servers");
}

#[test]
fn ipv6_is_advertised_without_brackets() {
    let fixture = Fixture::with(json!({"networkProfile": {"advertiseAddress": "2001:db8::10"}}));
    assert!(args(&fixture.facts()).contains(&"--advertise-address=2001:db8::10".to_owned()));
}

#[test]
fn the_endpoints_of_the_service_are_the_operators_unless_the_user_says_otherwise() {
    let flags = |fixture: &Fixture| {
        let args = args(&fixture.facts());
        let flags = args.into_iter().filter(|arg| name(arg) == RECONCILER);
        flags.collect::<Vec<_>>()
    };
    assert_eq!(flags(&Fixture::with(json!({}))), [""; 0]);
    assert_eq!(
        flags(&Fixture::with(json!({})).newest()),
        ["--endpoint-reconciler-type=none"]
    );
    let lease = "--endpoint-reconciler-type=lease";
    assert_eq!(flags(&with(&[lease]).newest()), [lease]);
}

#[test]
fn tags_have_an_underscore_where_versions_have_a_plus() {
    let fixture = Fixture::with(json!({
        "kubernetes": {"version": "v1.35.4+vendor.1"},
        "controlPlane": {"deployment": {"registrySettings": {"tagSuffix": "+a"}}},
        "addons": {"konnectivity": {"server": {"port": 8132, "version": "v0.35.0+b"}}},
    }));
    let image = container(&fixture.facts()).image.unwrap();
    assert!(image.ends_with(":v1.35.4_vendor.1_a"), "{image}");
    let pods = crate::render::deployment::deployment(
        &fixture.facts(),
        &crate::render::fixture::checksums(),
    );
    let pods = serde_json::to_value(pods).unwrap();
    let containers = pods["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    assert_eq!(containers.len(), 4);
    for container in containers {
        assert!(
            !container["image"].as_str().unwrap().contains('+'),
            "{container}"
        );
    }
}
