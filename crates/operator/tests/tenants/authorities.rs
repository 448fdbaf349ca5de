//! Certificate authorities that are lost, damaged or restored: the operator replaces one only if an annotation asks for
//! it.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret, Service},
    events::v1::Event,
};
use kube::{
    Api, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams,
        PostParams,
    },
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, wait_until};

const REPLACE: &str = "kamaji.clastix.io/replace-authority";

/// Uid and resource version of every Secret of the tenant `t`, by name.
async fn versions(environment: &Environment) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let secrets = environment
        .owned(&ApiResource::erase::<Secret>(&()), "t")
        .await;
    let version = |secret: &DynamicObject| (secret.uid(), secret.resource_version());
    let named = secrets
        .iter()
        .map(|secret| (secret.name_any(), version(secret)));
    named.collect()
}

async fn patch(environment: &Environment, name: &str, patch: Value) {
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    environment
        .secrets()
        .patch(name, &params, &patch)
        .await
        .unwrap();
}

/// Creates a saved Secret again: with `labelled` as a backup tool does, otherwise without labels and annotations.
async fn restore(environment: &Environment, saved: &Secret, labelled: bool) {
    let metadata = ObjectMeta {
        name: saved.metadata.name.clone(),
        labels: saved.metadata.labels.clone().filter(|_| labelled),
        annotations: saved.metadata.annotations.clone().filter(|_| labelled),
        ..ObjectMeta::default()
    };
    let secret = Secret {
        metadata,
        ..saved.clone()
    };
    environment
        .secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
}

/// Value of the annotation that the condition of a lost authority asks for.
async fn replacement_token(environment: &Environment) -> String {
    let message = environment
        .wait_for_condition("t", "CertificatesValid", "AuthorityLost")
        .await;
    let (_, rest) = message.split_once("replace-authority=").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

/// Waits until some tenant has an event with `reason`.
async fn wait_for_event(environment: &Environment, reason: &str) {
    let api: Api<Event> = Api::namespaced(environment.client.clone(), NAMESPACE);
    wait_until(&format!("the event {reason}"), async || {
        let events = api.list(&ListParams::default()).await.ok()?;
        let found = events
            .items
            .iter()
            .any(|event| event.reason.as_deref() == Some(reason));
        found.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_ca_stays_lost_through_a_restart_and_is_used_again_once_it_is_restored() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let saved = environment.secret("t-ca").await.unwrap();
    let delete_ca = async || {
        environment
            .secrets()
            .delete("t-ca", &DeleteParams::default())
            .await
            .unwrap();
        let token = replacement_token(&environment).await;
        let sum = &saved.annotations()["kamaji.clastix.io/checksum"];
        assert_eq!(token, format!("ca:{sum}"));
    };
    delete_ca().await;
    wait_for_event(&environment, "AuthorityLost").await;
    let before = versions(&environment).await;
    drop(operator);
    let operator = environment.operator();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(
        versions(&environment).await,
        before,
        "nothing is created or renewed"
    );
    restore(&environment, &saved, true).await;
    environment
        .wait_for_condition("t", "CertificatesValid", "AsPlanned")
        .await;
    delete_ca().await;
    drop(operator);
    restore(&environment, &saved, false).await;
    let _operator = environment.operator();
    environment
        .wait_for_condition("t", "CertificatesValid", "AsPlanned")
        .await;
    environment.wait_for_objects("t").await;
    let live = environment.secret("t-ca").await.unwrap();
    assert_eq!(live.data, saved.data);
    let leaves = |mut all: BTreeMap<_, _>| {
        all.remove("t-ca");
        all
    };
    assert_eq!(
        leaves(versions(&environment).await),
        leaves(before),
        "no leaf was issued again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_authorities_are_replaced_once_when_the_annotation_asks_for_it() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let mut saved = Vec::new();
    for name in ["t-ca", "t-sa-certificate"] {
        saved.push(environment.secret(name).await.unwrap());
        patch(&environment, name, json!({"data": null})).await;
    }
    wait_until("both to be lost", async || {
        replacement_token(&environment)
            .await
            .contains("sa:")
            .then_some(())
    })
    .await;
    drop(operator);
    let operator = environment.operator();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for name in ["t-ca", "t-sa-certificate"] {
        assert_eq!(environment.secret(name).await.unwrap().data, None, "{name}");
    }
    let annotation =
        json!({"metadata": {"annotations": {REPLACE: replacement_token(&environment).await}}});
    let (params, annotation) = (PatchParams::default(), Patch::Merge(annotation));
    environment
        .tenants()
        .patch("t", &params, &annotation)
        .await
        .unwrap();
    environment
        .wait_for_condition("t", "CertificatesValid", "AsPlanned")
        .await;
    let replaced = wait_until("the annotation to be removed", async || {
        let tenant = environment.tenants().get("t").await.ok()?;
        (!tenant.annotations().contains_key(REPLACE)).then_some(())?;
        Some(environment.secret("t-ca").await?.data)
    })
    .await;
    assert_ne!(replaced, saved[0].data);
    assert!(replaced.is_some_and(|data| data.len() == 4));
    drop(operator);
    let _operator = environment.operator();
    environment.wait_for_objects("t").await;
    let before = versions(&environment).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    environment.assert_quiescent(4).await;
    assert_eq!(versions(&environment).await, before);
}

/// Deletes the objects with the owner `uid` as the garbage collector does, which does not run here.
async fn collect_garbage(environment: &Environment, uid: &str) {
    for kind in [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
    ] {
        let api: Api<DynamicObject> =
            Api::namespaced_with(environment.client.clone(), NAMESPACE, &kind);
        for object in api.list(&ListParams::default()).await.unwrap() {
            if object
                .owner_references()
                .iter()
                .any(|owner| owner.uid == uid)
            {
                api.delete(&object.name_any(), &DeleteParams::default())
                    .await
                    .unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_waits_until_the_secrets_of_a_former_one_of_its_name_are_collected() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let former = environment.tenants().get("t").await.unwrap().uid().unwrap();
    let ca = environment.secret("t-ca").await.unwrap().data;
    environment
        .tenants()
        .delete("t", &DeleteParams::default())
        .await
        .unwrap();
    environment.wait_deleted("t").await;
    let before = versions(&environment).await;
    environment.tenant("t", json!({})).await;
    let reason = "SecretsOfAnotherOwner";
    let message = environment
        .wait_for_condition("t", "CertificatesValid", reason)
        .await;
    for part in ["t-ca", "t-admin-kubeconfig", former.as_str()] {
        assert!(message.contains(part), "{part}: {message}");
    }
    drop(operator);
    let _operator = environment.operator();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(
        versions(&environment).await,
        before,
        "none of them is taken over"
    );
    collect_garbage(&environment, &former).await;
    // The condition of the pods is no proof: it is about the former Deployment, which still exists.
    environment
        .wait_for_condition("t", "CertificatesValid", "AsPlanned")
        .await;
    environment.wait_for_objects("t").await;
    assert_ne!(environment.secret("t-ca").await.unwrap().data, ca);
}

/// Twenty Secrets, each deleted a little later in the first reconcile of its tenant: some were listed by it, and are gone
/// when it ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_goes_on_when_the_last_secret_of_a_former_one_is_collected_while_it_is_reconciled()
{
    let environment = Environment::new().await;
    let _operator = environment.operator();
    let (secrets, params) = (environment.secrets(), DeleteParams::default());
    for n in 0..20 {
        let (tenant, name) = (format!("t{n}"), format!("t{n}-front-proxy-ca-certificate"));
        environment
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {
                    "name": name, "namespace": NAMESPACE,
                    "labels": {"kamaji.clastix.io/project": "kamaji", "kamaji.clastix.io/name": tenant},
                    "ownerReferences": [{
                        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
                        "name": tenant, "uid": "former",
                    }],
                },
            }))
            .await;
        environment.tenant(&tenant, json!({})).await;
        tokio::time::sleep(Duration::from_millis(4 * n)).await;
        secrets.delete(&name, &params).await.unwrap();
        environment.wait_for_objects(&tenant).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_tenant_takes_its_secrets_back() {
    let environment = Environment::new().await;
    let operator = environment.operator();
    let setup = json!({"dataStoreSchema": "kept", "dataStoreUsername": "kept"});
    environment.tenant("t", setup.clone()).await;
    environment.wait_for_objects("t").await;
    let saved = environment.tenants().get("t").await.unwrap();
    let data = async || {
        let mut all = BTreeMap::new();
        for name in versions(&environment).await.into_keys() {
            let data = environment.secret(&name).await.unwrap().data;
            all.insert(name, data);
        }
        all
    };
    let before = data().await;
    drop(operator);
    let (params, no_finalizers) = (
        PatchParams::default(),
        json!({"metadata": {"finalizers": null}}),
    );
    environment
        .tenants()
        .patch("t", &params, &Patch::Merge(no_finalizers))
        .await
        .unwrap();
    environment
        .tenants()
        .delete("t", &DeleteParams::default())
        .await
        .unwrap();
    environment.wait_deleted("t").await;
    environment.tenant("t", setup).await;
    let status = json!({"status": saved.status});
    environment
        .tenants()
        .patch_status("t", &params, &Patch::Merge(status))
        .await
        .unwrap();
    let uid = environment.tenants().get("t").await.unwrap().uid().unwrap();
    let _operator = environment.operator();
    wait_until("every Secret to have the new owner", async || {
        let secrets = environment
            .owned(&ApiResource::erase::<Secret>(&()), "t")
            .await;
        let own = |secret: &DynamicObject| {
            secret
                .owner_references()
                .iter()
                .all(|owner| owner.uid == uid)
        };
        secrets.iter().all(own).then_some(())
    })
    .await;
    environment.wait_for_objects("t").await;
    assert_eq!(data().await, before);
}
