use kamaji_api::labels;
use serde_json::json;

use super::*;
use crate::render::fixture::tenant;

#[test]
fn egress_selector_equals_upstreams_byte_for_byte() {
    let config = config_map(&tenant(json!({"addons": {"konnectivity": {}}})));
    let annotations = config.metadata.annotations.expect("a checksum");
    assert_eq!(
        annotations[labels::CHECKSUM],
        "e8b426b27a2452d0137b14cfbbd10a0d"
    );
    assert_eq!(
        config.metadata.name.as_deref(),
        Some("demo-konnectivity-egress-selector-configuration")
    );
}
