use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::Time};
use kamaji_api::{
    condition::{self, Reason},
    datastore::{Driver, TenantSoftLimit},
};
use serde_json::json;

use crate::{
    check::violations,
    data_store::{
        ResolvedDataStore, StoreTls,
        usage::{Measured, Usage},
    },
    object::Kind,
    pki::{authority, key::KeyAlgorithm},
    plan::{
        Plan, Step, deletion,
        fixture::{NOW, after, planned, snapshot, store},
        plan,
    },
    rng::Seed,
    snapshot::{Snapshot, StoreFault, StoreWait},
    tenant::Tenant,
};

const CERTIFICATE: &str = "full-datastore-certificate";

/// Index of a step in a plan.
fn position_of(plan: &Plan, is: impl Fn(&Step) -> bool) -> Option<usize> {
    plan.steps.iter().position(is)
}

fn certificate(plan: &Plan) -> Option<usize> {
    position_of(
        plan,
        |step| matches!(step, Step::Write(object) if object.key.name == CERTIFICATE),
    )
}

fn bound(plan: &Plan) -> Vec<&str> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::Bind(store, _) => Some(store.name.as_str()),
            Step::Write(_) => None,
        })
        .collect()
}

fn reason(plan: &Plan) -> (&str, &str) {
    let found = condition::find(&plan.status.conditions, "DataStoreReady").unwrap();
    (&found.reason, &found.message)
}

fn another(name: &str) -> ResolvedDataStore {
    let mut entropy = Seed::from_text(name).for_purpose("ca");
    let now = NOW.parse().unwrap();
    let ca = authority::issue(name, KeyAlgorithm::EcdsaP256, now, &mut entropy);
    ResolvedDataStore {
        name: name.to_owned(),
        tls: Some(StoreTls {
            ca: ca.certificate_pem().to_vec(),
            ca_key: Some(ca.key_pem().to_vec()),
            client: None,
        }),
        ..store()
    }
}

/// Snapshot of a tenant whose `/events` are in the store `other`.
fn overridden(other: ResolvedDataStore) -> Snapshot {
    let items = json!([{"resource": "/events", "dataStore": other.name}]);
    let mut fixture = snapshot(json!({"spec": {"dataStoreOverrides": items}}));
    fixture.overrides = Ok(vec![("/events".to_owned(), other)]);
    fixture
}

#[test]
fn tenant_without_an_address_is_bound_before_its_certificate_is_signed() {
    let pending = json!({"networkProfile": {"address": null}});
    for changes in [json!({}), json!({ "spec": pending })] {
        let plan = plan(&snapshot(changes)).unwrap();
        let bind = position_of(&plan, |step| matches!(step, Step::Bind(..))).unwrap();
        assert!(bind < certificate(&plan).unwrap());
        assert_eq!(violations(&plan), Vec::<String>::new());
    }
}

#[test]
fn certificate_signed_before_the_claim_violates_the_invariants() {
    let mut plan = plan(&snapshot(json!({}))).unwrap();
    let bind = position_of(&plan, |step| matches!(step, Step::Bind(..))).unwrap();
    let certificate = certificate(&plan).unwrap();
    plan.steps.swap(bind, certificate);
    assert!(violations(&plan)[0].contains("signed before"));
}

#[test]
fn refused_name_gets_no_binding_no_certificate_and_no_finalizer() {
    for spec in [
        json!({"dataStoreUsername": "root"}),
        json!({"dataStoreSchema": "kamaji.clastix.io"}),
    ] {
        let fixture = snapshot(json!({ "spec": spec }));
        let plan = plan(&fixture).unwrap();
        assert!(bound(&plan).is_empty() && certificate(&plan).is_none());
        assert_eq!(plan.finalizers, None);
        assert_eq!(reason(&plan).0, "DataStoreNameRefused");
        let tenant = Tenant::parse(&fixture.object).unwrap();
        assert!(deletion(&tenant, &fixture).unwrap().unbind.is_empty());
    }
}

#[test]
fn deletion_of_an_unbound_tenant_does_not_wait_for_a_missing_datastore() {
    let mut fixture =
        snapshot(json!({"metadata": {"finalizers": ["finalizer.kamaji.clastix.io"]}}));
    fixture.store = Err(StoreWait::Missing("gone".to_owned()));
    assert_eq!(plan(&fixture).unwrap().finalizers, None);
    let tenant = |fixture: &Snapshot| Tenant::parse(&fixture.object).unwrap();
    assert!(
        deletion(&tenant(&fixture), &fixture)
            .unwrap()
            .unbind
            .is_empty()
    );
    let mut fixture = after(snapshot(json!({})), &plan(&snapshot(json!({}))).unwrap());
    fixture.store = Err(StoreWait::Missing("gone".to_owned()));
    let wait = deletion(&tenant(&fixture), &fixture).unwrap_err();
    assert_eq!(wait.reason, "DataStoreMissing");
}

#[test]
fn recorded_overrides_stay_while_the_spec_asks_for_what_cannot_move() {
    let mut other = store();
    other.name = "events".to_owned();
    let fixture = overridden(other);
    let first = plan(&fixture).unwrap();
    assert_eq!(bound(&first), ["default", "events"]);
    let mut fixture = after(fixture, &first);
    let storage = first.status.storage.unwrap();
    assert_eq!(storage.overrides.as_ref().unwrap()[0].data_store, "events");
    let unknown = json!([{"resource": "example.com/widgets", "dataStore": "events"}]);
    fixture.object.spec.data_store_overrides = serde_json::from_value(unknown).unwrap();
    let second = plan(&fixture).unwrap();
    let (why, message) = reason(&second);
    assert!(why == "OverridesChanged" && message.contains("/events in events"));
    let kept = second.status.storage.as_ref().unwrap();
    assert_eq!(kept.overrides, storage.overrides);
    let pods = |plan: &Plan| {
        let mut objects = plan.objects();
        objects
            .find(|o| o.key.kind == Kind::Deployment)
            .map(|o| o.hash.clone())
    };
    assert_eq!(
        pods(&second),
        pods(&plan(&overridden_again(&fixture)).unwrap())
    );
}

/// The same snapshot with the original overrides in the spec.
fn overridden_again(fixture: &Snapshot) -> Snapshot {
    let spec = overridden(another("events")).object.spec;
    let mut again = fixture.clone();
    again.object.spec.data_store_overrides = spec.data_store_overrides;
    again
}

#[test]
fn override_whose_etcd_refuses_the_tenants_client_is_refused() {
    let plan = plan(&overridden(another("events"))).unwrap();
    assert!(bound(&plan).is_empty() && certificate(&plan).is_none());
    let (why, message) = reason(&plan);
    assert!(
        why == "OverrideAuthorityDiffers" && message.contains("events"),
        "{message}"
    );
}

#[test]
fn override_beside_a_database_behind_kine_is_refused_before_anything_is_bound() {
    let mut fixture = overridden(another("events"));
    fixture.store = Ok(ResolvedDataStore {
        driver: Driver::PostgreSql,
        ..store()
    });
    let plan = plan(&fixture).unwrap();
    assert!(bound(&plan).is_empty());
    let (reason, message) = reason(&plan);
    assert_eq!(reason, "OverrideDriverNotEtcd");
    assert!(message.contains("has the driver PostgreSQL"), "{message}");
}

#[test]
fn authorities_of_overrides_are_mounted_beside_the_main_one() {
    let main = store().tls.unwrap().ca;
    let mut other = another("events");
    let tls = other.tls.as_mut().unwrap();
    tls.ca.extend_from_slice(&main);
    let theirs = tls.ca.clone();
    let mounted = |fixture: &Snapshot| {
        let fixture = after(fixture.clone(), &plan(fixture).unwrap());
        fixture.secrets[CERTIFICATE].data.as_ref().unwrap()["ca.crt"]
            .0
            .clone()
    };
    assert_eq!(
        mounted(&snapshot(json!({}))),
        main,
        "no byte changes without overrides"
    );
    let bundle = mounted(&overridden(other));
    assert!(bundle.starts_with(&main));
    let number = |text: &[u8]| pem::parse_many(text).unwrap().len();
    assert_eq!((number(&bundle), number(&theirs)), (2, 2));
}

#[test]
fn datastore_fault_is_reported_and_the_tenant_keeps_running() {
    let mut fixture = snapshot(json!({}));
    fixture.store_fault = Some(StoreFault {
        reason: Reason::AccessControlOff,
        message: "off".to_owned(),
    });
    let plan = plan(&fixture).unwrap();
    assert_eq!(reason(&plan), ("AccessControlOff", "off"));
    assert_eq!(plan.objects().count(), 17);
}

/// Snapshot of a tenant with 12 keys and 5000 bytes in its DataStore, and a soft limit of 10 keys.
fn beyond_its_limit() -> Snapshot {
    let mut fixture = snapshot(json!({}));
    fixture.usage = Usage {
        measured: Some(Measured {
            keys: 12,
            bytes: Some(5000),
            at: NOW.parse().unwrap(),
        }),
        soft_limit: Some(TenantSoftLimit {
            keys: Some(10),
            bytes: None,
        }),
    };
    fixture
}

#[test]
fn a_tenant_beyond_the_soft_limit_is_warned_and_planned_like_any_other() {
    let fixture = beyond_its_limit();
    let warned = plan(&fixture).unwrap();
    let (found, message) = reason(&warned);
    assert_eq!(found, "SoftLimitExceeded");
    assert!(message.contains("12 keys"), "{message}");
    let conditions = &warned.status.conditions;
    assert!(condition::is_true(conditions, "DataStoreReady"));
    assert_eq!(warned.objects().count(), 17);
    let mut next = after(fixture, &warned);
    next.usage.soft_limit = None;
    assert_eq!(reason(&plan(&next).unwrap()).0, "AsPlanned");
}

#[test]
fn the_size_of_a_tenant_stays_in_its_status_and_is_dropped_with_the_datastore() {
    let fixture = beyond_its_limit();
    let first = plan(&fixture).unwrap();
    let usage = |plan: &Plan| plan.status.storage.clone().unwrap().usage;
    let found = usage(&first).unwrap();
    assert_eq!((found.keys, found.bytes), (12, Some(5000)));
    // A restarted operator has not measured yet.
    let mut next = after(fixture, &first);
    next.usage.measured = None;
    let again = plan(&next).unwrap();
    assert_eq!(usage(&again), Some(found));
    assert_eq!(reason(&again).0, "SoftLimitExceeded");
    next.store = Ok(another("other"));
    assert_eq!(usage(&plan(&next).unwrap()), None);
}

#[test]
fn a_rotated_authority_of_etcd_signs_a_new_client_certificate_and_rolls_the_pods() {
    let fixture = snapshot(json!({}));
    let first = plan(&fixture).unwrap();
    let mut next = after(fixture, &first);
    let rotated = another("rotated").tls;
    next.store = Ok(ResolvedDataStore {
        tls: rotated,
        ..store()
    });
    let second = plan(&next).unwrap();
    let data = |plan: &Plan| planned(plan, CERTIFICATE).body["data"].clone();
    for key in ["ca.crt", "server.crt"] {
        assert_ne!(data(&second)[key], data(&first)[key], "{key}");
    }
    let template = |plan: &Plan| {
        let mut objects = plan.objects();
        let deployment = objects.find(|object| object.key.kind == Kind::Deployment);
        deployment.unwrap().body["spec"]["template"].clone()
    };
    assert_ne!(template(&second)["metadata"], template(&first)["metadata"]);
    assert_eq!(template(&second)["spec"], template(&first)["spec"]);
}

/// Snapshot of a tenant that has another uid, and no status, beside the restored Secret of the former one's names.
fn restored(spec: serde_json::Value) -> Snapshot {
    let former = json!({"metadata": {"uid": "99999999-2222-3333-4444-555555555555"}});
    let mut secrets = after(snapshot(former.clone()), &plan(&snapshot(former)).unwrap()).secrets;
    for secret in secrets.values_mut() {
        secret.metadata.owner_references = None;
    }
    let mut fixture = snapshot(json!({ "spec": spec }));
    fixture.secrets = secrets;
    fixture
}

#[test]
fn restored_secret_whose_schema_nothing_names_keeps_a_tenant_from_starting_empty() {
    let fixture = restored(json!({}));
    let waiting = plan(&fixture).unwrap();
    let (why, message) = reason(&waiting);
    assert_eq!(why, "DataStoreUnrecorded");
    let old = "99999999-2222-3333-4444-555555555555";
    for part in [
        "Secret c2/full-datastore-config".to_owned(),
        format!("spec.dataStoreSchema to {old:?}"),
        format!("spec.dataStoreUsername to {old:?}"),
    ] {
        assert!(message.contains(&part), "{message}");
    }
    assert!(bound(&waiting).is_empty() && certificate(&waiting).is_none());
    assert_eq!(waiting.finalizers, None);
    let writes = |plan: &Plan, name: &str| plan.objects().any(|object| object.key.name == name);
    assert!(!writes(&waiting, "full-datastore-config") && writes(&waiting, "full-ca"));
    let again = plan(&after(fixture, &waiting)).unwrap();
    assert_eq!(reason(&again).0, "DataStoreUnrecorded", "it stays so");
}

#[test]
fn restored_secret_is_no_obstacle_once_its_schema_is_named_or_it_is_deleted_or_it_names_none() {
    let old = "99999999-2222-3333-4444-555555555555";
    let named = json!({"dataStoreSchema": old, "dataStoreUsername": old});
    assert_eq!(bound(&plan(&restored(named)).unwrap()), ["default"]);

    let mut recorded = restored(json!({}));
    let status = json!({"storage": {"setup": {"schema": old, "user": old}}});
    recorded.object.status = serde_json::from_value(status).unwrap();
    assert_eq!(bound(&plan(&recorded).unwrap()), ["default"]);

    let mut nonsense = restored(json!({}));
    let secret = nonsense.secrets.get_mut("full-datastore-config").unwrap();
    let data = secret.data.get_or_insert_default();
    data.insert("DB_SCHEMA".to_owned(), ByteString(vec![b'x'; 100_000]));
    assert_eq!(bound(&plan(&nonsense).unwrap()), ["default"]);

    let mut deleted = restored(json!({}));
    let secret = deleted.secrets.get_mut("full-datastore-config").unwrap();
    secret.metadata.deletion_timestamp = Some(Time(NOW.parse().unwrap()));
    assert_eq!(bound(&plan(&deleted).unwrap()), ["default"]);
}
