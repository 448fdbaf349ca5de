use proptest::prelude::*;
use serde_json::{Value, json};

use super::write;

#[test]
fn lists_are_indented_as_their_key() {
    let value = json!({
        "a": {"b": ["x", {"c": 1, "d": ["y"]}, ["z"], [], {}]},
        "e": null,
        "f": {},
        "g": true,
    });
    let text = "\
a:
  b:
  - x
  - c: 1
    d:
    - \"y\"
  - - z
  - []
  - {}
e: null
f: {}
g: true
";
    assert_eq!(write(&value), text);
}

#[test]
fn only_ambiguous_scalars_are_quoted() {
    let plain = [
        "v1.36.3",
        "https://192.0.2.10:6443",
        "10.0.0.1",
        "10.0.0.1:6443",
        "10.0.0.0/16",
        "0s",
        "LS0tLS1CRUdJTg+/a==",
        "87600h0m0s",
        "10Mi",
        "/etc/kubernetes/pki/ca.crt",
        "kubeadm.k8s.io/v1beta4",
    ];
    for text in plain {
        assert_eq!(write(&json!(text)), format!("{text}\n"));
    }
    for text in [
        "",
        "0",
        "0x1",
        "1e3",
        "12:30",
        "2026-01-01",
        "yes",
        "Null",
        "~",
        "-",
        "a: b",
        "a:",
        "#a",
        "a\nb",
        ".5",
        "1.2.3",
        "*a",
        "a #b",
        "https://[fd00::1]:6443",
    ] {
        assert_eq!(write(&json!(text)), format!("{}\n", Value::from(text)));
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~\n]{0,12}".prop_map(Value::from),
        "[0-9a-fmsx.:/_=+-]{1,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ -~]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn written_yaml_is_parsed_back(value in anything()) {
        let text = write(&value);
        let read: Value = serde_saphyr::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(read, value, "{}", text);
    }
}
