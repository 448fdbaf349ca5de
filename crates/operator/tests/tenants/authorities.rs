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

use crate::world::{NAMESPACE, World, until};

const REPLACE: &str = "kamaji.clastix.io/replace-authority";

/// Uid and resource version of every Secret of a tenant.
async fn versions(world: &World) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let secrets = world.owned(&ApiResource::erase::<Secret>(&()), "t").await;
    let version = |secret: &DynamicObject| (secret.uid(), secret.resource_version());
    let named = secrets
        .iter()
        .map(|secret| (secret.name_any(), version(secret)));
    named.collect()
}

async fn patch(world: &World, name: &str, patch: Value) {
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    world.secrets().patch(name, &params, &patch).await.unwrap();
}

/// Puts a Secret back as it was saved; `labelled` as a backup tool does it, else by hand.
async fn restore(world: &World, saved: &Secret, labelled: bool) {
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
    world
        .secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
}

/// What the condition of a lost authority asks a person to say.
async fn word(world: &World) -> String {
    let why = world
        .reason("t", "CertificatesValid", "AuthorityLost")
        .await;
    let (_, rest) = why.split_once("replace-authority=").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

async fn told(world: &World, reason: &str) {
    let api: Api<Event> = Api::namespaced(world.client.clone(), NAMESPACE);
    until(&format!("the event {reason}"), async || {
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
async fn a_deleted_ca_stays_lost_through_a_restart_and_serves_again_once_it_is_restored() {
    let world = World::new().await;
    let operator = world.operator();
    world.tenant("t", json!({})).await;
    world.written("t").await;
    let saved = world.secret("t-ca").await.unwrap();
    let lose = async || {
        world
            .secrets()
            .delete("t-ca", &DeleteParams::default())
            .await
            .unwrap();
        let word = word(&world).await;
        let sum = &saved.annotations()["kamaji.clastix.io/checksum"];
        assert_eq!(word, format!("ca:{sum}"));
    };
    lose().await;
    told(&world, "AuthorityLost").await;
    let left = versions(&world).await;
    drop(operator);
    let operator = world.operator();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(versions(&world).await, left, "nothing is made or renewed");
    restore(&world, &saved, true).await;
    world.reason("t", "CertificatesValid", "AsPlanned").await;
    lose().await;
    drop(operator);
    restore(&world, &saved, false).await;
    let _operator = world.operator();
    world.reason("t", "CertificatesValid", "AsPlanned").await;
    world.written("t").await;
    let live = world.secret("t-ca").await.unwrap();
    assert_eq!(live.data, saved.data);
    let leaves = |mut all: BTreeMap<_, _>| {
        all.remove("t-ca");
        all
    };
    assert_eq!(
        leaves(versions(&world).await),
        leaves(left),
        "no leaf was issued again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_authorities_are_made_anew_on_a_word_once() {
    let world = World::new().await;
    let operator = world.operator();
    world.tenant("t", json!({})).await;
    world.written("t").await;
    let mut saved = Vec::new();
    for name in ["t-ca", "t-sa-certificate"] {
        saved.push(world.secret(name).await.unwrap());
        patch(&world, name, json!({"data": null})).await;
    }
    until("both to be lost", async || {
        word(&world).await.contains("sa:").then_some(())
    })
    .await;
    drop(operator);
    let operator = world.operator();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for name in ["t-ca", "t-sa-certificate"] {
        assert_eq!(world.secret(name).await.unwrap().data, None, "{name}");
    }
    let annotation = json!({"metadata": {"annotations": {REPLACE: word(&world).await}}});
    let (params, annotation) = (PatchParams::default(), Patch::Merge(annotation));
    world
        .tenants()
        .patch("t", &params, &annotation)
        .await
        .unwrap();
    world.reason("t", "CertificatesValid", "AsPlanned").await;
    let made = until("the word to be taken away", async || {
        let tenant = world.tenants().get("t").await.ok()?;
        (!tenant.annotations().contains_key(REPLACE)).then_some(())?;
        Some(world.secret("t-ca").await?.data)
    })
    .await;
    assert_ne!(made, saved[0].data);
    assert!(made.is_some_and(|data| data.len() == 4));
    drop(operator);
    let _operator = world.operator();
    world.written("t").await;
    let before = versions(&world).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.at_rest(4).await;
    assert_eq!(versions(&world).await, before);
}

/// What garbage collection does, which no API server does by itself.
async fn collect(world: &World, uid: &str) {
    for kind in [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
    ] {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), NAMESPACE, &kind);
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
    let world = World::new().await;
    let operator = world.operator();
    world.tenant("t", json!({})).await;
    world.written("t").await;
    let former = world.tenants().get("t").await.unwrap().uid().unwrap();
    let ca = world.secret("t-ca").await.unwrap().data;
    world
        .tenants()
        .delete("t", &DeleteParams::default())
        .await
        .unwrap();
    world.gone("t").await;
    let left = versions(&world).await;
    world.tenant("t", json!({})).await;
    let reason = "SecretsOfAnotherOwner";
    let why = world.reason("t", "CertificatesValid", reason).await;
    for part in ["t-ca", "t-admin-kubeconfig", former.as_str()] {
        assert!(why.contains(part), "{part}: {why}");
    }
    drop(operator);
    let _operator = world.operator();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(versions(&world).await, left, "none of them is taken over");
    collect(&world, &former).await;
    // What is said of the pods was said before: the former Deployment is still there.
    world.reason("t", "CertificatesValid", "AsPlanned").await;
    world.written("t").await;
    assert_ne!(world.secret("t-ca").await.unwrap().data, ca);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_tenant_takes_its_secrets_back() {
    let world = World::new().await;
    let operator = world.operator();
    let setup = json!({"dataStoreSchema": "kept", "dataStoreUsername": "kept"});
    world.tenant("t", setup.clone()).await;
    world.written("t").await;
    let saved = world.tenants().get("t").await.unwrap();
    let data = async || {
        let mut all = BTreeMap::new();
        for name in versions(&world).await.into_keys() {
            let data = world.secret(&name).await.unwrap().data;
            all.insert(name, data);
        }
        all
    };
    let before = data().await;
    drop(operator);
    let (params, unheld) = (
        PatchParams::default(),
        json!({"metadata": {"finalizers": null}}),
    );
    world
        .tenants()
        .patch("t", &params, &Patch::Merge(unheld))
        .await
        .unwrap();
    world
        .tenants()
        .delete("t", &DeleteParams::default())
        .await
        .unwrap();
    world.gone("t").await;
    world.tenant("t", setup).await;
    let status = json!({"status": saved.status});
    world
        .tenants()
        .patch_status("t", &params, &Patch::Merge(status))
        .await
        .unwrap();
    let uid = world.tenants().get("t").await.unwrap().uid().unwrap();
    let _operator = world.operator();
    until("every Secret to have the new owner", async || {
        let secrets = world.owned(&ApiResource::erase::<Secret>(&()), "t").await;
        let own = |secret: &DynamicObject| {
            secret
                .owner_references()
                .iter()
                .all(|owner| owner.uid == uid)
        };
        secrets.iter().all(own).then_some(())
    })
    .await;
    world.written("t").await;
    assert_eq!(data().await, before);
}
