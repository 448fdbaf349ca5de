use super::*;

fn credentials(ca: &str, server: &str) -> Credentials {
    Credentials {
        server: server.to_owned(),
        ca: ca.as_bytes().to_vec(),
        certificate: b"certificate".to_vec(),
        key: b"key".to_vec(),
    }
}

fn add(file: &mut Value, credentials: &Credentials, force: bool) -> anyhow::Result<()> {
    let addition = Addition {
        name: "ns/one",
        credentials,
        force,
    };
    merge(file, &addition)
}

fn others() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "work", "preferences": {"colors": true},
        "clusters": [{"name": "work", "cluster": {"server": "https://w", "proxy-url": "http://p"}}],
        "users": [{"name": "work", "user": {"exec": {"command": "login", "args": ["0123", "yes"]}}}],
        "contexts": [{"name": "work", "context": {"cluster": "work", "user": "work", "namespace": "x"}}],
        "extensions": [{"name": "e", "extension": {"k": 1}}],
    })
}

#[test]
fn an_empty_file_gets_one_context_and_no_current_one() {
    let mut file = Value::Null;
    add(&mut file, &credentials("ca", "https://a:1"), false).unwrap();
    assert_eq!(file["current-context"], "");
    assert_eq!(file["contexts"][0]["name"], "ns/one");
    assert_eq!(file["clusters"][0]["cluster"]["server"], "https://a:1");
}

#[test]
fn all_else_of_the_file_stays() {
    let mut file = others();
    add(&mut file, &credentials("ca", "https://a:1"), false).unwrap();
    for list in ["clusters", "users", "contexts"] {
        assert_eq!(file[list][0], others()[list][0], "{list}");
        assert_eq!(file[list].as_array().unwrap().len(), 2, "{list}");
    }
    for key in ["current-context", "preferences", "extensions"] {
        assert_eq!(file[key], others()[key], "{key}");
    }
}

#[test]
fn the_same_tenant_is_renewed_at_its_new_address_and_keeps_its_namespace() {
    let mut file = others();
    add(&mut file, &credentials("ca", "https://a:1"), false).unwrap();
    file["contexts"][1]["context"]["namespace"] = json!("mine");
    add(&mut file, &credentials("ca", "https://b:1"), false).unwrap();
    assert_eq!(file["clusters"].as_array().unwrap().len(), 2);
    assert_eq!(file["clusters"][1]["cluster"]["server"], "https://b:1");
    assert_eq!(file["contexts"][1]["context"]["namespace"], "mine");
}

#[test]
fn entries_of_another_cluster_stay_unless_forced() {
    let mut file = others();
    add(&mut file, &credentials("ca", "https://a:1"), false).unwrap();
    let before = file.clone();
    let other = credentials("other", "https://b:1");
    assert!(add(&mut file, &other, false).is_err());
    assert_eq!(file, before);
    add(&mut file, &other, true).unwrap();
    assert_eq!(file["clusters"][1]["cluster"]["server"], "https://b:1");
}

#[test]
fn a_user_or_context_of_that_name_alone_is_not_taken_over() {
    let user = json!({"users": [{"name": "ns/one", "user": {"token": "t"}}]});
    let context =
        json!({"contexts": [{"name": "ns/one", "context": {"cluster": "w", "user": "w"}}]});
    for mut file in [user, context] {
        let before = file.clone();
        assert!(add(&mut file, &credentials("ca", "https://a:1"), false).is_err());
        assert_eq!(file, before);
    }
}

#[test]
fn what_is_no_kubeconfig_is_refused() {
    for mut file in [json!([]), json!("text"), json!({"clusters": "x"})] {
        assert!(add(&mut file, &credentials("ca", "https://a:1"), true).is_err());
    }
}
