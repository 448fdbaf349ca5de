//! Test of write storms: writes stop when another field manager reverts them every time.

use kamaji_shell::apply::WriteError;
use serde_json::json;

use crate::support::{change_as_rival, config_map, leading_writer, server};

#[tokio::test]
async fn a_write_storm_is_stopped_with_an_error_that_names_field_and_rival() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = leading_writer(&client);
    let (object, other) = (config_map("t-map", "ours"), config_map("t-other", "1"));
    let mut writes = 0;
    let error = loop {
        match writer.write(&object).await {
            Ok(_) => writes += 1,
            Err(error) => break error,
        }
        change_as_rival(&client, &object.key, json!({"data": {"k": "hidden"}})).await;
        assert!(writes < 100, "the storm is not stopped");
    };
    assert_eq!(writes, 20);
    assert!(matches!(error, WriteError::Storm { .. }), "{error:?}");
    let text = error.to_string();
    for part in ["default/t-map", "data.k", "rival"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(!text.contains("hidden"), "values may be secret: {text}");
    writer.write(&other).await.unwrap();
    writer.towards(client.clone()).write(&object).await.unwrap();
}
