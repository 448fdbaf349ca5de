use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kamaji_api::tenant::{
    KubernetesResourcesStatus, StorageSetupStatus, StorageStatus, VersionStatus,
};

use super::*;

fn condition(type_: &str, status: &str, reason: &str) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

fn with(conditions: &[Condition]) -> TenantControlPlaneStatus {
    TenantControlPlaneStatus {
        conditions: conditions.to_vec(),
        ..TenantControlPlaneStatus::default()
    }
}

fn plan(conditions: &[Condition]) -> Plan {
    Plan {
        steps: Vec::new(),
        prunes: Vec::new(),
        finalizers: None,
        answered: false,
        status: with(conditions),
        requeue_at: None,
        expiries: Vec::new(),
        waits: Vec::new(),
    }
}

fn reasons(status: &TenantControlPlaneStatus) -> Vec<String> {
    let described = |c: &Condition| format!("{} {} {}", c.type_, c.status, c.reason);
    status.conditions.iter().map(described).collect()
}

#[test]
fn observations_replace_conditions_and_outcomes_stay_unchanged() {
    let old = with(&[
        condition("ControlPlaneAvailable", "False", "NoReplicaReady"),
        condition("Ready", "False", "WriteRefused"),
        condition("Reconciled", "False", "WriteRefused"),
    ]);
    let planned = plan(&[
        condition("CertificatesValid", "True", "AsPlanned"),
        condition("ControlPlaneAvailable", "True", "ReplicasReady"),
        condition("Ready", "True", "AsPlanned"),
        condition("Reconciled", "True", "AsPlanned"),
    ]);
    assert_eq!(
        reasons(&status(&old, &planned, true)),
        [
            "ControlPlaneAvailable True ReplicasReady",
            "Ready False WriteRefused",
            "Reconciled False WriteRefused",
        ]
    );
    let damaged = plan(&[condition("CertificatesValid", "False", "AuthorityDamaged")]);
    let next = reasons(&status(&old, &damaged, true));
    assert!(next.contains(&"CertificatesValid False AuthorityDamaged".to_owned()));
}

#[test]
fn datastore_of_an_unbound_tenant_is_unknown() {
    let ready = plan(&[condition("DataStoreReady", "True", "AsPlanned")]);
    let fresh = with(&[]);
    assert_eq!(
        reasons(&status(&fresh, &ready, false)),
        ["DataStoreReady Unknown NotBound"]
    );
    assert_eq!(
        reasons(&status(&fresh, &ready, true)),
        ["DataStoreReady True AsPlanned"]
    );
    let recorded = TenantControlPlaneStatus {
        storage: Some(StorageStatus {
            setup: Some(StorageSetupStatus::default()),
            ..StorageStatus::default()
        }),
        ..fresh.clone()
    };
    assert_eq!(
        reasons(&status(&recorded, &ready, false)),
        ["DataStoreReady True AsPlanned"]
    );
    let missing = plan(&[condition("DataStoreReady", "False", "DataStoreMissing")]);
    assert_eq!(
        reasons(&status(&fresh, &missing, false)),
        ["DataStoreReady False DataStoreMissing"]
    );
}

#[test]
fn condition_of_an_earlier_build_is_removed() {
    let old = with(&[condition("InsideReady", "True", "AsPlanned")]);
    assert!(reasons(&status(&old, &plan(&[]), true)).is_empty());
}

#[test]
fn phase_follows_whether_a_replica_is_ready_and_stays_otherwise() {
    use VersionPhase::{NotReady, Ready, Upgrading};
    let with_phase = |phase| TenantControlPlaneStatus {
        kubernetes_resources: Some(KubernetesResourcesStatus {
            version: Some(VersionStatus {
                status: Some(phase),
                version: Some("v1.36.3".to_owned()),
            }),
            ..KubernetesResourcesStatus::default()
        }),
        ..TenantControlPlaneStatus::default()
    };
    for (old, observed, expected) in [
        (Ready, NotReady, NotReady),
        (NotReady, Ready, Ready),
        (Ready, Upgrading, Ready),
    ] {
        let mut planned = plan(&[]);
        planned.status = with_phase(observed);
        planned
            .status
            .kubernetes_resources
            .as_mut()
            .unwrap()
            .version
            .as_mut()
            .unwrap()
            .version = None;
        assert_eq!(
            status(&with_phase(old), &planned, true),
            with_phase(expected)
        );
    }
}
