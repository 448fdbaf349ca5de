use kamaji_api::datastore::Driver;
use serde_json::json;

use super::*;
use crate::render::{
    deployment::template,
    fixture::{Fixture, checksums, store},
};

/// Pods with every container, volume and mount that an operator's settings can add.
fn fullest(renderer: Renderer) -> Vec<Fixture> {
    let fixture = || Fixture {
        renderer,
        ..Fixture::with(json!({"addons": {"konnectivity": {}}}))
    };
    let postgresql = store("postgresql", Driver::PostgreSql, &["10.0.0.5:5432"]);
    vec![fixture(), fixture().on(postgresql)]
}

#[test]
fn every_renderer_reserves_the_names_and_paths_that_it_uses() {
    for renderer in Renderer::ALL {
        let reserved = Reserved::by([renderer]);
        for fixture in fullest(renderer) {
            let template = template::template(&fixture.facts(), &checksums());
            let pod = template.spec.unwrap();
            let inits = pod.init_containers.unwrap_or_default();
            for container in pod.containers.iter().chain(&inits) {
                assert!(reserved.containers.contains(&container.name.as_str()));
            }
            for volume in pod.volumes.unwrap_or_default() {
                assert!(reserved.volumes.contains(&volume.name.as_str()));
            }
            for component in Component::ALL {
                let paths = reserved.mount_paths(component);
                let mut containers = pod.containers.iter();
                let container = containers.find(|c| c.name == component.name()).unwrap();
                for mount in container.volume_mounts.iter().flatten() {
                    assert!(
                        paths.contains(&mount.mount_path.as_str()),
                        "{} of {component:?} by {renderer:?}",
                        mount.mount_path
                    );
                }
            }
        }
    }
}

#[test]
fn a_tenant_reserves_the_names_of_its_renderer_and_of_newer_ones() {
    let all = Reserved::by(Renderer::ALL);
    assert_eq!(Reserved::of(None), all);
    assert_eq!(Reserved::of(Some("1")), all);
    assert_eq!(Reserved::of(Some("7")), all);
    assert_eq!(Reserved::of(Some("2")), Reserved::by([Renderer::V2]));
}

#[test]
fn a_third_renderer_passes_through_the_dispatch_with_names_of_its_own() {
    let reserved = Reserved::by([Renderer::V2, Renderer::V3]);
    assert!(reserved.containers.contains(&"of-renderer-3"));
    assert!(reserved.containers.contains(&"kube-apiserver"));
    assert!(reserved.volumes.contains(&"of-renderer-3"));
    assert!(
        reserved
            .mount_paths(Component::Scheduler)
            .contains(&"/of-renderer-3")
    );
    assert_eq!(
        Reserved::by([Renderer::V3]).containers,
        ["of-renderer-3"],
        "names of older renderers are free again"
    );
}
