use kamaji_api::datastore::Driver;
use kamaji_core::binding::names;
use kamaji_core::pki::certificate::Certificate;

use super::*;
use crate::layout::example;

fn at(days: i64) -> Source {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let passed = Duration::from_hours(24 * days.unsigned_abs());
    Source {
        now: start.checked_add(passed).unwrap(),
        seed: Seed::from_text(&format!("day {days}")),
    }
}

/// The state after all writes of a plan.
fn after(observed: &Observed, source: &Source) -> Observed {
    let mut next = observed.clone();
    for write in plan(&example(), observed, source).unwrap() {
        let name = write.secret.metadata.name.clone().unwrap();
        let slot = if name == example().root_secret() {
            &mut next.root
        } else {
            &mut next.certificates
        };
        *slot = Some(write.secret);
    }
    next
}

fn data(secret: Option<&Secret>) -> Data {
    secret.unwrap().data.clone().unwrap()
}

#[test]
fn a_new_store_gets_both_secrets_and_a_second_plan_writes_nothing() {
    let made = after(&Observed::default(), &at(0));
    let certificates = data(made.certificates.as_ref());
    let keys: Vec<_> = certificates.keys().map(String::as_str).collect();
    let wanted = [
        "ca.crt",
        "ca.key",
        "peer-key.pem",
        "peer.pem",
        "server-key.pem",
        "server.pem",
    ];
    assert_eq!(keys, wanted);
    let root = data(made.root.as_ref());
    assert_eq!(root["ca.crt"], certificates["ca.crt"]);
    assert!(!root.contains_key("ca.key"));
    let client = Certificate::from_pem(&root["tls.crt"].0).unwrap();
    assert_eq!(
        (client.common_name.as_str(), client.usages),
        ("root", vec![Usage::Client])
    );
    assert!(plan(&example(), &made, &at(200)).unwrap().is_empty());
}

#[test]
fn leaves_are_renewed_when_a_third_of_their_life_is_left_and_the_ca_stays() {
    let made = after(&Observed::default(), &at(0));
    let renewed = after(&made, &at(250));
    let (old, new) = (
        data(made.certificates.as_ref()),
        data(renewed.certificates.as_ref()),
    );
    assert_eq!(
        (&old["ca.crt"], &old["ca.key"]),
        (&new["ca.crt"], &new["ca.key"])
    );
    assert_ne!(old["server.pem"], new["server.pem"]);
    assert_ne!(old["peer.pem"], new["peer.pem"]);
    assert_ne!(
        data(made.root.as_ref())["tls.crt"],
        data(renewed.root.as_ref())["tls.crt"]
    );
}

#[test]
fn members_accept_as_peers_only_a_name_that_no_tenant_can_have() {
    let made = after(&Observed::default(), &at(0));
    let peer = Certificate::from_pem(&data(made.certificates.as_ref())["peer.pem"].0).unwrap();
    assert_eq!(peer.common_name, PEER_NAME);
    for driver in [None, Some(Driver::Etcd)] {
        let refused = names::examine(names::Part::User, PEER_NAME, driver);
        assert_eq!(refused, Err(names::NameProblem::Character('/')));
    }
    let server = Certificate::from_pem(&data(made.certificates.as_ref())["server.pem"].0).unwrap();
    assert_eq!(server.usages, [Usage::Server]);
}

#[test]
fn a_lost_ca_of_a_store_that_exists_is_an_error_and_is_not_replaced() {
    let made = after(&Observed::default(), &at(0));
    let lost = Observed {
        certificates: None,
        ..made.clone()
    };
    let said = plan(&example(), &lost, &at(1)).unwrap_err().to_string();
    assert!(
        said.contains("Secret kamaji-etcd-root-client-certs exists"),
        "{said}"
    );
    let lost = Observed {
        witness: Some("PersistentVolumeClaim data-kamaji-etcd-0".to_owned()),
        ..Observed::default()
    };
    let said = plan(&example(), &lost, &at(1)).unwrap_err().to_string();
    assert!(
        said.contains("data-kamaji-etcd-0 exists: restore it"),
        "{said}"
    );
}

#[test]
fn a_damaged_ca_is_an_error_even_if_nothing_else_exists() {
    for key in [CA, CA_KEY] {
        let mut made = after(&Observed::default(), &at(0));
        made.root = None;
        let stored = made.certificates.as_mut().unwrap().data.as_mut().unwrap();
        stored.insert(key.to_owned(), ByteString(b"damaged".to_vec()));
        let said = plan(&example(), &made, &at(1)).unwrap_err().to_string();
        assert!(said.contains("restore both keys from a backup"), "{said}");
    }
}

#[test]
fn a_missing_administrators_secret_is_made_again_by_the_same_ca() {
    let mut made = after(&Observed::default(), &at(0));
    made.root = None;
    let writes = plan(&example(), &made, &at(1)).unwrap();
    assert_eq!(writes.len(), 1);
    assert_eq!(
        writes[0].secret.metadata.name,
        Some(example().root_secret())
    );
    let again = after(&made, &at(1));
    assert_eq!(
        data(again.root.as_ref())["ca.crt"],
        data(made.certificates.as_ref())["ca.crt"]
    );
}

#[test]
fn a_secret_is_replaced_at_the_version_that_was_read() {
    let mut made = after(&Observed::default(), &at(0));
    for secret in [&mut made.certificates, &mut made.root] {
        secret.as_mut().unwrap().metadata.resource_version = Some("7".to_owned());
    }
    for write in plan(&example(), &made, &at(300)).unwrap() {
        assert_eq!(write.secret.metadata.resource_version.as_deref(), Some("7"));
    }
}
