use serde_json::{Value, json};

use super::*;

fn patched(document: &Value, patches: &Value) -> Result<Value, String> {
    let patches: Vec<JsonPatch> = serde_json::from_value(patches.clone()).unwrap();
    let mut value = document.clone();
    apply(&mut value, &patches).map_err(|error| error.to_string())?;
    Ok(value)
}

fn copies(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"op": "copy", "from": "", "path": format!("/x{n}")}))
        .collect()
}

#[test]
fn copies_of_the_document_into_itself_stop_at_the_limit() {
    let document = json!({"kind": "KubeletConfiguration", "text": "x".repeat(4000)});
    let error = patched(&document, &copies(20)).unwrap_err();
    assert!(error.contains("the copies add up to"), "{error}");
    assert!(error.ends_with("correct or remove it"), "{error}");
    let three = patched(&document, &copies(3)).expect("some copies are of use");
    assert_eq!(three["x2"]["x1"]["x0"]["text"], document["text"]);
}

#[test]
fn sizes_of_copies_add_up() {
    let document = json!({"text": "x".repeat(8 << 10), "to": []});
    let one = json!({"op": "copy", "from": "/text", "path": "/to/0"});
    let error = patched(&document, &vec![one; 200].into()).unwrap_err();
    assert!(error.contains("configurationJSONPatches[127]"), "{error}");
    assert!(error.contains("the copies add up to"), "{error}");
}

#[test]
fn sizes_of_given_values_add_up_before_they_are_copied() {
    // Each empty object counts for six bytes, and is a map in memory.
    let dense = json!(vec![json!({}); 60_000]);
    for op in ["add", "replace"] {
        let one = json!({"op": op, "path": "/to", "value": dense});
        let error = patched(&json!({"to": []}), &json!([one, one, one])).unwrap_err();
        assert!(error.contains("configurationJSONPatches[2]"), "{error}");
        assert!(error.contains("the values add up to"), "{error}");
    }
}

#[test]
fn result_beyond_the_size_of_an_object_is_refused() {
    let large = json!("x".repeat(LARGEST));
    let add = json!([{"op": "add", "path": "/text", "value": large}]);
    let error = patched(&json!({}), &add).unwrap_err();
    assert!(error.contains("what comes out has"), "{error}");
    let and_away = json!([add[0], {"op": "remove", "path": "/text"}]);
    assert_eq!(patched(&json!({}), &and_away), Ok(json!({})));
}

#[test]
fn document_depth_is_limited() {
    // Each copy is added at the deepest level, so that the depth doubles.
    let mut path = "/a".to_owned();
    let mut patches = Vec::new();
    for _ in 0..16 {
        patches.push(json!({"op": "copy", "from": "", "path": path}));
        path = format!("{path}{path}");
        if path.len() > 1 << 12 {
            break;
        }
    }
    let error = patched(&json!({"b": 1}), &patches.into()).unwrap_err();
    assert!(error.contains("deep, of which there may be 64"), "{error}");

    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }));
    let add = |depth| json!([{"op": "add", "path": "/a", "value": nested(depth)}]);
    assert!(patched(&json!({}), &add(DEEPEST - 1)).is_ok());
    assert!(patched(&json!({}), &add(DEEPEST)).is_err());
    let moved = json!([
        {"op": "add", "path": "/a", "value": nested(40)},
        {"op": "add", "path": "/b", "value": nested(40)},
        {"op": "move", "from": "/b", "path": "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/b"},
    ]);
    assert!(patched(&json!({}), &moved).is_err());
}

#[test]
fn number_of_patches_is_limited() {
    let test = json!({"op": "test", "path": "/a", "value": 1});
    let of = |count| patched(&json!({"a": 1}), &vec![test.clone(); count].into());
    assert!(of(MOST).is_ok());
    let error = of(MOST + 1).unwrap_err();
    assert!(error.contains("one of 257 patches"), "{error}");
}
