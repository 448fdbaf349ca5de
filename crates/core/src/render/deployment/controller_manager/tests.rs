use serde_json::{Value, json};

use super::*;
use crate::render::fixture::Fixture;

fn pods(ranges: &Value) -> Fixture {
    Fixture::with(json!({"networkProfile": {"podCidrs": ranges}}))
}

fn masks(fixture: &Fixture) -> Vec<String> {
    let args = args(&fixture.facts());
    let masks = args
        .into_iter()
        .filter(|arg| arg.starts_with("--node-cidr-mask-size"));
    masks.collect()
}

#[test]
fn two_families_of_pods_have_a_node_mask_each_by_the_newest_renderer() {
    let both = json!(["10.244.0.0/16", "fd00:10:244::/56"]);
    assert_eq!(masks(&pods(&both)), Vec::<String>::new());
    let both = pods(&both).newest();
    assert_eq!(
        masks(&both),
        [
            "--node-cidr-mask-size-ipv4=24",
            "--node-cidr-mask-size-ipv6=64"
        ]
    );
    assert!(args(&both.facts()).contains(&"--bind-address=::".to_owned()));
    let one = pods(&json!(["10.244.0.0/16"])).newest();
    assert_eq!(masks(&one), Vec::<String>::new());
}

#[test]
fn the_users_node_masks_win() {
    let fixture = Fixture::with(json!({
        "networkProfile": {"podCidrs": ["10.244.0.0/16", "fd00:10:244::/56"]},
        "controlPlane": {"deployment": {"extraArgs": {"controllerManager": ["--node-cidr-mask-size-ipv4=26"]}}},
    }))
    .newest();
    assert_eq!(
        masks(&fixture),
        [
            "--node-cidr-mask-size-ipv4=26",
            "--node-cidr-mask-size-ipv6=64"
        ]
    );
}
