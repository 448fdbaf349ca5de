use kamaji_e2e::pki::Authority;

use super::*;

fn target(authority: &Authority, uid: &str) -> Target {
    let admin = authority.client("admin", None).unwrap();
    Target {
        uid: uid.to_owned(),
        host: "t.ns.svc".to_owned(),
        address: None,
        port: 6443,
        ca: authority.pair().cert.clone().into(),
        certificate: admin.cert.into(),
        key: admin.key.into(),
    }
}

fn kept(remote: &Remote) -> Vec<String> {
    let kept = remote.kept.lock().unwrap();
    kept.iter().map(|kept| kept.uid.clone()).collect()
}

#[tokio::test]
async fn a_connection_is_kept_until_its_material_changes_or_the_tenant_goes() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "u");
    remote.client(&target).unwrap();
    let first = remote.kept.lock().unwrap()[0].digest;
    remote.client(&target).unwrap();
    assert_eq!(kept(&remote), ["u"]);
    assert_eq!(remote.kept.lock().unwrap()[0].digest, first);
    target.ca = Authority::new("two").unwrap().pair().cert.clone().into();
    remote.client(&target).unwrap();
    assert_eq!(kept(&remote), ["u"], "one for each tenant");
    assert_ne!(remote.kept.lock().unwrap()[0].digest, first);
    remote.forget("u");
    assert!(kept(&remote).is_empty());
}

#[tokio::test]
async fn the_connection_that_was_used_least_recently_makes_room() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "0");
    for number in 0..KEPT {
        target.uid = number.to_string();
        remote.client(&target).unwrap();
    }
    target.uid = "0".to_owned();
    remote.client(&target).unwrap();
    target.uid = "one more".to_owned();
    remote.client(&target).unwrap();
    let kept = kept(&remote);
    assert_eq!(kept.len(), KEPT);
    assert!(kept.contains(&"0".to_owned()) && !kept.contains(&"1".to_owned()));
}

#[tokio::test]
async fn damaged_material_is_told_without_showing_it() {
    let (remote, authority) = (Remote::default(), Authority::new("one").unwrap());
    let mut target = target(&authority, "u");
    target.key = b"not a key".to_vec();
    let Err(error) = remote.client(&target) else {
        panic!("a key that is none must be refused");
    };
    assert!(
        error.to_string().contains("kubeconfig cannot be used"),
        "{error}"
    );
    assert!(!format!("{target:?}").contains("not a key"));
}
