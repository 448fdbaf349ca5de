use serde_json::json;

use super::*;
use crate::{
    data_store::ResolvedDataStore,
    render::fixture::{Fixture, checksums, store},
};

fn fixture(driver: Driver) -> Fixture {
    Fixture::with(json!({})).on(store("db", driver, &["db:5432"]))
}

fn endpoint(driver: Driver) -> Option<String> {
    args(&fixture(driver).facts())?
        .into_iter()
        .find(|arg| arg.starts_with(ENDPOINT_FLAG))
}

#[test]
fn the_endpoint_names_only_variables_and_no_secret() {
    let expected = [
        (
            Driver::MySql,
            Some(
                "--endpoint=mysql://$(DB_USER):$(DB_PASSWORD)@tcp($(DB_CONNECTION_STRING))/$(DB_SCHEMA)",
            ),
        ),
        (
            Driver::PostgreSql,
            Some(
                "--endpoint=postgres://$(DB_USER):$(DB_PASSWORD)@$(DB_CONNECTION_STRING)/$(DB_SCHEMA)",
            ),
        ),
        (
            Driver::Nats,
            Some(
                "--endpoint=nats://$(DB_USER):$(DB_PASSWORD)@$(DB_CONNECTION_STRING)?bucket=$(DB_SCHEMA)&noEmbed",
            ),
        ),
        (Driver::Etcd, None),
    ];
    for (driver, expected) in expected {
        assert_eq!(endpoint(driver).as_deref(), expected);
    }
}

#[test]
fn tls_flags_follow_what_the_store_has() {
    let mut fixture = fixture(Driver::MySql);
    let flags = |fixture: &Fixture| -> Vec<String> {
        let args = args(&fixture.facts()).expect("kine runs");
        args.iter()
            .map(|arg| crate::render::deployment::args::name(arg).into_owned())
            .collect()
    };
    assert_eq!(
        flags(&fixture),
        [
            "--ca-file",
            "--cert-file",
            "--endpoint",
            "--key-file",
            "--listen-address"
        ]
    );
    fixture.store.tls.as_mut().expect("TLS").client = None;
    assert_eq!(
        flags(&fixture),
        ["--ca-file", "--endpoint", "--listen-address"]
    );
    assert!(init_container(&fixture.facts()).is_some());
    fixture.store.tls = None;
    assert_eq!(flags(&fixture), ["--endpoint", "--listen-address"]);
    assert_eq!(init_container(&fixture.facts()), None);
}

#[test]
fn the_user_overrides_everything_but_the_endpoint() {
    let fixture = Fixture::with(json!({"controlPlane": {"deployment": {"extraArgs": {
        "kine": ["--endpoint=evil", "--listen-address=0.0.0.0:2379", "--debug"],
    }}}}))
    .on(ResolvedDataStore {
        tls: None,
        ..store("db", Driver::PostgreSql, &["db:5432"])
    });
    let args = args(&fixture.facts()).expect("kine runs");
    assert_eq!(args[0], "--debug");
    assert!(args[1].starts_with("--endpoint=postgres://"));
    assert_eq!(args[2], "--listen-address=0.0.0.0:2379");
}

#[test]
fn a_container_named_kine_sets_the_image_and_adds_no_container() {
    let asked = json!([{"name": "kine", "image": "mirror.example.com/kine:v1"}]);
    let changes = json!({"controlPlane": {"deployment": {"additionalContainers": asked}}});
    let mut fixture = Fixture::with(changes).on(store("db", Driver::MySql, &["db:3306"]));
    fixture.kine_image = Some("kine:old".to_owned());
    let pod = crate::render::deployment::template::template(&fixture.facts(), &checksums());
    let pod = pod.spec.unwrap();
    let all = pod
        .containers
        .into_iter()
        .chain(pod.init_containers.unwrap());
    let images: Vec<_> = all
        .filter(|container| ["kine", "chmod"].contains(&container.name.as_str()))
        .map(|container| container.image.unwrap())
        .collect();
    assert_eq!(images, ["mirror.example.com/kine:v1"; 2]);
}

#[test]
fn the_kine_image_that_runs_is_not_replaced() {
    let mut fixture = fixture(Driver::MySql);
    let image = |fixture: &Fixture| container(&fixture.facts()).and_then(|kine| kine.image);
    assert_eq!(
        image(&fixture).as_deref(),
        Some(fixture.settings.kine_image.as_str())
    );
    fixture.kine_image = Some("kine:old".to_owned());
    assert_eq!(image(&fixture).as_deref(), Some("kine:old"));
    let init = init_container(&fixture.facts()).and_then(|init| init.image);
    assert_eq!(init.as_deref(), Some("kine:old"));
}
