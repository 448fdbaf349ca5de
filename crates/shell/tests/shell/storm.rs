//! Does a fight for a field end?

use kamaji_shell::apply::WriteError;
use serde_json::json;

use crate::support::{door, map, meddle, server};

#[tokio::test]
async fn a_fight_for_a_field_ends_and_names_the_field_and_the_rival() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let writer = door(&client);
    let (object, other) = (map("t-map", "ours"), map("t-other", "1"));
    let mut writes = 0;
    let error = loop {
        match writer.write(&object).await {
            Ok(_) => writes += 1,
            Err(error) => break error,
        }
        meddle(&client, &object.key, json!({"data": {"k": "hidden"}})).await;
        assert!(writes < 100, "it has to end");
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
