//! Alerts against faults that are really made: an operator that runs, a Prometheus that scrapes it, and one fault after the
//! other. Each alert fires once for its fault, and clears after its cure.

use std::time::Duration;

use k8s_openapi::{
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        coordination::v1::Lease,
    },
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kamaji_api::datastore::DataStore;
use kamaji_e2e::tls_etcd::Identities;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::json;
use tokio::task::JoinHandle;

use super::scene::{Requests, Scene};
use crate::{environment::Environment, unreadable::newer_definitions};

const LEASE: &str = "kamaji.clastix.io";

/// Renews the operators' Lease in a namespace for ever, under another name.
async fn held_by_another(client: &Client, namespace: &str) -> JoinHandle<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let acquired = Timestamp::now();
    let lease = move || {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE},
            "spec": {
                "holderIdentity": "another", "leaseDurationSeconds": 15,
                "acquireTime": MicroTime(acquired), "renewTime": MicroTime(Timestamp::now()),
            },
        })
    };
    let params = PatchParams::apply("another").force();
    let first = leases.patch(LEASE, &params, &Patch::Apply(lease())).await;
    first.unwrap();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = leases.patch(LEASE, &params, &Patch::Apply(lease())).await;
        }
    })
}

async fn release(client: &Client, namespace: &str) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let deleted = leases.delete(LEASE, &DeleteParams::default()).await;
    deleted.unwrap();
}

/// Certificates of the environment's etcd, whose CA certificate ends in so many days.
fn identities(environment: &Environment, days: u64) -> Identities {
    let mut ids = environment.etcd.identities.clone();
    let key = KeyPair::from_pem(&ids.authority.key).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "etcd-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_after = (std::time::SystemTime::now() + Duration::from_hours(24 * days)).into();
    ids.authority.cert = params.self_signed(&key).unwrap().pem();
    ids
}

async fn delete_data_store(environment: &Environment, name: &str) {
    let stores: Api<DataStore> = Api::all(environment.client.clone());
    stores.delete(name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_once_for_a_real_fault_and_clears_after_its_cure() {
    let dir = tempfile::tempdir().unwrap();
    let mut scene = Scene::start(dir.path()).await;
    scene.environment.tenant("well", json!({})).await;
    scene.ready("well", true).await;
    let tested = [
        tenants(&mut scene).await,
        data_stores(&mut scene).await,
        reconciles(&mut scene).await,
        operators(&mut scene).await,
        unreadable(&mut scene).await,
    ];
    let tested: Vec<&str> = tested.into_iter().flatten().collect();
    for alert in super::alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(tested.contains(&name), "no fault is made for {name}");
    }
}

async fn tenants(scene: &mut Scene) -> Vec<&'static str> {
    scene
        .expect(
            "KamajiTenantNotReady{tcp_name=\"well\"}",
            async |scene| scene.ready("well", false).await,
            async |scene| scene.ready("well", true).await,
        )
        .await;
    let many = ["a", "b", "c", "d", "e", "f"];
    scene
        .expect(
            "KamajiTenantsNotReady",
            async |scene| {
                for name in many {
                    scene.environment.tenant(name, json!({})).await;
                }
            },
            async |scene| {
                for name in many {
                    scene.ready(name, true).await;
                }
            },
        )
        .await;
    scene
        .expect(
            "KamajiCertificatesInvalid{tcp_name=\"well\"}",
            async |scene| {
                scene.make(Requests::Refused);
                scene.spoil("well").await;
            },
            async |scene| scene.make(Requests::Pass),
        )
        .await;
    vec![
        "KamajiTenantNotReady",
        "KamajiTenantsNotReady",
        "KamajiCertificatesInvalid",
    ]
}

async fn data_stores(scene: &mut Scene) -> Vec<&'static str> {
    scene
        .expect(
            "KamajiDataStoreNotReady{datastore_name=\"dark\"}",
            async |scene| {
                let environment = &scene.environment;
                let ids = &environment.etcd.identities;
                environment.data_store_at("dark", "127.0.0.1:1", ids).await;
            },
            async |scene| delete_data_store(&scene.environment, "dark").await,
        )
        .await;
    for (alert, days) in [
        ("KamajiCertificateEnds{kind=\"datastore-ca\"}", 20),
        ("KamajiCertificateEndsInAWeek{kind=\"datastore-ca\"}", 5),
    ] {
        scene
            .expect(
                alert,
                async |scene| {
                    let environment = &scene.environment;
                    let (ids, endpoint) =
                        (identities(environment, days), &environment.etcd.endpoint);
                    environment.data_store_at("ends", endpoint, &ids).await;
                },
                async |scene| delete_data_store(&scene.environment, "ends").await,
            )
            .await;
    }
    vec![
        "KamajiDataStoreNotReady",
        "KamajiCertificateEnds",
        "KamajiCertificateEndsInAWeek",
    ]
}

async fn reconciles(scene: &mut Scene) -> Vec<&'static str> {
    scene
        .expect(
            "KamajiReconcileErrors{controller=\"tenantcontrolplane\"}",
            async |scene| {
                scene.make(Requests::Refused);
                for name in ["well", "a", "b", "c"] {
                    scene.spoil(name).await;
                }
            },
            async |scene| scene.make(Requests::Pass),
        )
        .await;
    scene
        .expect(
            "KamajiReconcileHangs",
            async |scene| {
                scene.make(Requests::Hang);
                scene.spoil("well").await;
            },
            async |scene| scene.make(Requests::Pass),
        )
        .await;
    scene
        .expect(
            "KamajiQueueWaits",
            async |scene| {
                scene.make(Requests::Hang);
                for name in ["well", "a", "b", "c"] {
                    scene.spoil(name).await;
                }
                tokio::time::sleep(Duration::from_secs(4)).await;
                scene.make(Requests::Pass);
            },
            async |_| {},
        )
        .await;
    vec![
        "KamajiReconcileErrors",
        "KamajiReconcileHangs",
        "KamajiQueueWaits",
    ]
}

async fn operators(scene: &mut Scene) -> Vec<&'static str> {
    let client = scene.environment.client.clone();
    scene
        .expect(
            "KamajiWebhookErrors",
            async |scene| {
                scene.make(Requests::Blind);
                scene.restart();
            },
            async |scene| scene.make(Requests::Pass),
        )
        .await;
    scene
        .expect(
            "KamajiDown",
            async |scene| scene.operator = None,
            async |scene| scene.restart(),
        )
        .await;
    // Only who has the rights of an operator is waited for.
    scene
        .environment
        .apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "another"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "kamaji-manager-role",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "another", "namespace": "default"}],
        }))
        .await;
    for (alert, namespace) in [
        ("KamajiWithoutLeader", "kamaji-system"),
        ("KamajiWaitsForAnotherOperator", "default"),
    ] {
        scene
            .expect(
                alert,
                async |scene| {
                    scene.operator = None;
                    // Of two that lead, the one goes on that led first.
                    release(&client, "kamaji-system").await;
                    scene.holder = Some(held_by_another(&client, namespace).await);
                    scene.restart();
                },
                async |scene| {
                    let holder = scene.holder.take().unwrap();
                    holder.abort();
                    let _ = holder.await;
                    release(&client, namespace).await;
                },
            )
            .await;
    }
    vec![
        "KamajiWebhookErrors",
        "KamajiDown",
        "KamajiWithoutLeader",
        "KamajiWaitsForAnotherOperator",
    ]
}

/// Objects of newer definitions, which the operator's own webhooks refuse: it is tested without them.
async fn unreadable(scene: &mut Scene) -> Vec<&'static str> {
    let client = scene.environment.client.clone();
    let all = (DeleteParams::default(), ListParams::default());
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    mutating.delete_collection(&all.0, &all.1).await.unwrap();
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client);
    validating.delete_collection(&all.0, &all.1).await.unwrap();
    newer_definitions(&scene.environment).await;
    scene
        .expect(
            "KamajiUnreadableObjects",
            async |scene| scene.expose("f", "FromTheFuture").await,
            async |scene| scene.expose("f", "ClusterIP").await,
        )
        .await;
    vec!["KamajiUnreadableObjects"]
}
