//! Tenants that upstream's operator runs: ours takes them over without a rollout, once upstream's does not lead any more.
//!
//! `upstream/` has the Deployment, the status and the spec of two tenants as upstream made them. Its Secrets are not
//! there, since they are keys; they are made by this operator with RSA keys, of which `make compat` shows that they are
//! made as upstream makes them, and are written as upstream writes: by updates, without the marks of this operator.

use std::{collections::BTreeMap, time::Duration};

use etcd_client::{Client as Etcd, Permission, PermissionType, UserAddOptions};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::{ConfigMap, Secret, Service},
    },
    jiff::Timestamp,
};
use kamaji_core::{checksum, object::CONTENT_HASH, pki::key::KeyAlgorithm, settings};
use kamaji_operator::settings::Settings;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, wait_until};

/// What upstream made of one tenant.
struct Case {
    name: &'static str,
    /// Schema and user in the dump: the uid that the tenant had.
    uid: &'static str,
    deployment: &'static str,
    status: &'static str,
    spec: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        name: "minimal",
        uid: "8ae5245d-379d-455e-83e8-d995a234f5f5",
        deployment: include_str!("upstream/minimal/deployment.yaml"),
        status: include_str!("upstream/minimal/status.yaml"),
        spec: include_str!("upstream/minimal/spec.yaml"),
    },
    Case {
        name: "full",
        uid: "3e96b822-bd84-41b6-97ed-5b6be0f82324",
        deployment: include_str!("upstream/full/deployment.yaml"),
        status: include_str!("upstream/full/status.yaml"),
        spec: include_str!("upstream/full/spec.yaml"),
    },
];

/// The etcd of the dumps.
const ETCD: &str = "172.30.0.1:12379";

/// Labels of the pods that carry the checksum of a Secret, and the end of the Secret's name.
const HASHED: [(&str, &str); 8] = [
    ("api-server-certificate", "api-server-certificate"),
    (
        "api-server-kubelet-client-certificate",
        "api-server-kubelet-client-certificate",
    ),
    ("ca", "ca"),
    (
        "controller-manager-kubeconfig",
        "controller-manager-kubeconfig",
    ),
    ("front-proxy-ca-certificate", "front-proxy-ca-certificate"),
    (
        "front-proxy-client-certificate",
        "front-proxy-client-certificate",
    ),
    ("scheduler-kubeconfig", "scheduler-kubeconfig"),
    ("service-account", "sa-certificate"),
];

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// Kinds of a tenant's objects beside its Deployment.
fn kinds() -> [ApiResource; 3] {
    [
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Service>(&()),
    ]
}

fn api(client: &Client, kind: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, kind)
}

fn upstreams_writes() -> PostParams {
    PostParams {
        field_manager: Some("kamaji".to_owned()),
        ..PostParams::default()
    }
}

/// Makes a tenant's Secrets, ConfigMaps and Service with RSA keys, removes it, and returns them with their kinds, and
/// the tenant's last status.
async fn make_and_forget(
    environment: &Environment,
    case: &Case,
) -> (Vec<(ApiResource, DynamicObject)>, Value) {
    let core = settings::Settings {
        key_algorithm: KeyAlgorithm::Rsa2048,
        ..Environment::settings().core
    };
    let operator = environment.run(Settings {
        core,
        ..Environment::settings()
    });
    create_tenant(environment, case).await;
    environment.wait_for_objects(case.name).await;
    drop(operator);
    let status = environment.tenants().get(case.name).await.unwrap().status;
    let mut objects = Vec::new();
    for kind in kinds() {
        for object in environment.owned(&kind, case.name).await {
            objects.push((kind.clone(), object));
        }
    }
    let tenants = environment.tenants();
    release(&environment.untyped(), case.name).await;
    tenants
        .delete(case.name, &DeleteParams::default())
        .await
        .ok();
    for (kind, object) in &objects {
        release(&api(&environment.client, kind), &object.name_any()).await;
        let api = api(&environment.client, kind);
        api.delete(&object.name_any(), &DeleteParams::default())
            .await
            .ok();
    }
    let deployments: Api<Deployment> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let gone = deployments
        .delete(case.name, &DeleteParams::default())
        .await;
    gone.unwrap();
    environment.wait_deleted(case.name).await;
    (objects, serde_json::to_value(status).unwrap())
}

/// Removes the finalizers of an object.
async fn release(api: &Api<DynamicObject>, name: &str) {
    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(name, &PatchParams::default(), &none)
        .await
        .unwrap();
}

async fn create_tenant(environment: &Environment, case: &Case) -> String {
    let object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane",
        "metadata": {"name": case.name, "namespace": NAMESPACE},
        "spec": yaml(case.spec),
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let made = environment
        .untyped()
        .create(&PostParams::default(), &object)
        .await;
    made.unwrap().uid().unwrap()
}

/// Role and user of a tenant as upstream makes them, without any record of the owner.
async fn set_up_etcd(etcd: &mut Etcd, uid: &str) {
    etcd.role_add(uid).await.unwrap();
    let mut own = Permission::new(PermissionType::Readwrite, format!("/{uid}/"));
    own = own.with_range_end(format!("/{uid}0"));
    etcd.role_grant_permission(uid, own).await.unwrap();
    let options = UserAddOptions::new().with_no_pwd();
    etcd.user_add(uid, "", Some(options)).await.unwrap();
    etcd.user_grant_role(uid, uid).await.unwrap();
    etcd.put(format!("/{uid}/registry/x"), "kept", None)
        .await
        .unwrap();
}

/// Client certificate of a tenant in etcd, of the profile that upstream has: ten years, no key encipherment.
fn etcd_certificate(environment: &Environment, uid: &str) -> (String, String) {
    let authority = &environment.etcd.identities.authority;
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name = DistinguishedName::new();
    ca.distinguished_name.push(DnType::CommonName, "etcd-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, KeyPair::from_pem(&authority.key).unwrap());
    let mut own = CertificateParams::new(Vec::new()).unwrap();
    own.distinguished_name = DistinguishedName::new();
    own.distinguished_name.push(DnType::CommonName, uid);
    own.distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    own.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::CodeSigning,
    ];
    own.use_authority_key_identifier_extension = true;
    let now = Timestamp::now().as_second();
    let at = |seconds: i64| std::time::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    own.not_before = at(now - 60).into();
    own.not_after = at(now + 3653 * 86400).into();
    let key = KeyPair::generate().unwrap();
    let certificate = own.signed_by(&key, &issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Content of a Secret by key.
type Data = BTreeMap<String, Vec<u8>>;

fn data(object: &Value) -> Data {
    let secret: Secret = serde_json::from_value(object.clone()).unwrap();
    let data = secret.data.unwrap_or_default().into_iter();
    data.map(|(key, bytes)| (key, bytes.0)).collect()
}

/// Writes the tenant's objects as upstream does, and returns the checksum of each by the end of its name.
async fn write_as_upstream(
    environment: &Environment,
    (case, uid): (&Case, &str),
    objects: Vec<(ApiResource, DynamicObject)>,
) -> BTreeMap<String, String> {
    let mut sums = BTreeMap::new();
    for (kind, object) in objects {
        let mut body = serde_json::to_value(&object).unwrap();
        let name = object.name_any();
        let role = name.strip_prefix(&format!("{}-", case.name)).unwrap_or("");
        let mut annotation = object
            .annotations()
            .get("kamaji.clastix.io/checksum")
            .cloned();
        let changed: Vec<(&str, Vec<u8>)> = match role {
            "datastore-config" => ["DB_SCHEMA", "DB_USER"]
                .map(|key| (key, uid.as_bytes().to_vec()))
                .to_vec(),
            "datastore-certificate" => {
                let (certificate, key) = etcd_certificate(environment, uid);
                vec![
                    ("server.crt", certificate.into()),
                    ("server.key", key.into()),
                ]
            }
            _ => Vec::new(),
        };
        if kind.kind == "Secret" {
            let mut content = data(&body);
            let rewritten = !changed.is_empty();
            content.extend(
                changed
                    .into_iter()
                    .map(|(key, bytes)| (key.to_owned(), bytes)),
            );
            let sum = checksum::map(&content);
            if rewritten {
                annotation = Some(sum.clone());
            }
            sums.insert(role.to_owned(), sum);
            let bytes = |(key, value): (String, Vec<u8>)| (key, k8s_openapi::ByteString(value));
            let content: BTreeMap<_, _> = content.into_iter().map(bytes).collect();
            body["data"] = serde_json::to_value(content).unwrap();
        }
        let had = body["metadata"].take();
        body["metadata"] = json!({
            "name": name, "namespace": NAMESPACE, "labels": had["labels"], "finalizers": had["finalizers"],
            "ownerReferences": [owner(case.name, uid)],
        });
        if let Some(sum) = annotation {
            body["metadata"]["annotations"] = json!({"kamaji.clastix.io/checksum": sum});
        }
        let body: DynamicObject = serde_json::from_value(body).unwrap();
        let api = api(&environment.client, &kind);
        api.create(&upstreams_writes(), &body).await.unwrap();
    }
    sums
}

fn owner(name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "TenantControlPlane", "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Writes upstream's Deployment, with the names and checksums of this cluster in the places of the dump's.
async fn write_deployment(
    environment: &Environment,
    (case, uid): (&Case, &str),
    sums: &BTreeMap<String, String>,
) {
    let text = case.deployment.replace(case.uid, uid);
    let mut object = yaml(&text.replace(ETCD, &environment.etcd.endpoint));
    object.as_object_mut().unwrap().remove("status");
    object["metadata"]["namespace"] = NAMESPACE.into();
    object["metadata"]["ownerReferences"] = json!([owner(case.name, uid)]);
    let pod = &mut object["spec"]["template"]["metadata"];
    for (label, secret) in HASHED {
        let label = format!("component.kamaji.clastix.io/{label}");
        assert!(pod["labels"][&label].is_string(), "{label}");
        pod["labels"][&label] = sums[secret].clone().into();
    }
    for what in ["certificate", "config"] {
        let sum = &sums[&format!("datastore-{what}")];
        pod["annotations"][format!("storage.kamaji.clastix.io/{what}")] = sum.clone().into();
    }
    let body: DynamicObject = serde_json::from_value(object).unwrap();
    let api = api(&environment.client, &ApiResource::erase::<Deployment>(&()));
    api.create(&upstreams_writes(), &body).await.unwrap();
}

/// Keeps of `have` what `model` has, too: fields that only this operator writes go.
fn narrow(have: &mut Value, model: &Value) {
    if let (Value::Object(have), Value::Object(model)) = (have, model) {
        have.retain(|key, _| model.contains_key(key));
        for (key, value) in have {
            narrow(value, &model[key]);
        }
    }
}

/// Writes the status as upstream does: the one of the objects, with the fields of upstream's.
async fn write_status(
    environment: &Environment,
    (case, uid): (&Case, &str),
    (mut status, sums): (Value, &BTreeMap<String, String>),
) {
    narrow(&mut status, &yaml(case.status)["status"]);
    let storage = &mut status["storage"];
    storage["setup"]["schema"] = uid.into();
    storage["setup"]["user"] = uid.into();
    storage["setup"]["checksum"] = sums["datastore-config"].clone().into();
    for what in ["certificate", "config"] {
        storage[what]["checksum"] = sums[&format!("datastore-{what}")].clone().into();
    }
    let tenants = environment.untyped();
    let mut object = tenants.get(case.name).await.unwrap();
    object.data["status"] = status;
    let params = upstreams_writes();
    let written = tenants.replace_status(case.name, &params, &object).await;
    let mut object = written.unwrap();
    object.finalizers_mut().extend(
        [
            "finalizer.kamaji.clastix.io",
            "finalizer.kamaji.clastix.io/soot",
        ]
        .map(str::to_owned),
    );
    let written = tenants.replace(case.name, &params, &object).await;
    written.unwrap();
}

/// Puts a tenant into the cluster and the etcd as upstream has it, and returns its uid.
async fn install(environment: &Environment, case: &Case) -> String {
    let (objects, status) = Box::pin(make_and_forget(environment, case)).await;
    let uid = create_tenant(environment, case).await;
    let mut etcd = environment.etcd_client().await;
    forget_in_etcd(&mut etcd).await;
    set_up_etcd(&mut etcd, &uid).await;
    let sums = write_as_upstream(environment, (case, &uid), objects).await;
    write_deployment(environment, (case, &uid), &sums).await;
    write_status(environment, (case, &uid), (status, &sums)).await;
    uid
}

/// Removes every record and every tenant's user and role that this operator made.
async fn forget_in_etcd(etcd: &mut Etcd) {
    let all = etcd_client::DeleteOptions::new().with_prefix();
    etcd.delete("/kamaji.clastix.io/", Some(all)).await.unwrap();
    let users = etcd.user_list().await.unwrap().users().to_vec();
    for user in users.iter().filter(|name| *name != "root") {
        let own = etcd.get(
            format!("/{user}/"),
            Some(etcd_client::GetOptions::new().with_prefix()),
        );
        // A tenant of upstream has keys, and the one that was made for its Secrets has none.
        if own.await.unwrap().count() == 0 {
            etcd.user_delete(user).await.unwrap();
            etcd.role_delete(user).await.unwrap();
        }
    }
}

/// What a rollout or a renewal would change.
struct Facts {
    secrets: BTreeMap<String, Data>,
    deployment: Deployment,
}

async fn facts(environment: &Environment, name: &str) -> Facts {
    let kind = ApiResource::erase::<Secret>(&());
    let secrets = environment.owned(&kind, name).await;
    let secrets = secrets.iter().map(|secret| {
        let body = serde_json::to_value(secret).unwrap();
        (secret.name_any(), data(&body))
    });
    let deployments: Api<Deployment> = Api::namespaced(environment.client.clone(), NAMESPACE);
    Facts {
        secrets: secrets.collect(),
        deployment: deployments.get(name).await.unwrap(),
    }
}

/// Lets this operator take a tenant over, and asserts that nothing of it is made anew.
async fn assert_taken_over(case: &Case) {
    let environment = Environment::new().await;
    let uid = Box::pin(install(&environment, case)).await;
    let before = facts(&environment, case.name).await;
    assert_eq!(before.deployment.annotations().get(CONTENT_HASH), None);
    let operator = environment.operator();
    environment.wait_for_objects(case.name).await;
    environment.assert_quiescent(5).await;
    let now = facts(&environment, case.name).await;
    // Its annotations have changed, and with them the generation; pods follow the spec.
    assert!(now.deployment.annotations().contains_key(CONTENT_HASH));
    assert_eq!(now.deployment.uid(), before.deployment.uid());
    assert_eq!(now.deployment.spec, before.deployment.spec);
    for (name, content) in &before.secrets {
        assert!(now.secrets[name] == *content, "{name} has another content");
    }
    let object = environment.tenants().get(case.name).await.unwrap();
    assert_eq!(object.status.unwrap().renderer.as_deref(), Some("1"));
    // Recorded for the tenant and for nobody else; what it had written is there.
    let tenancy = environment.tenancy(case.name, &uid, &uid).await;
    let admin = environment.etcd_admin().await;
    assert!(admin.ensure(&tenancy).await.unwrap().is_empty());
    assert_eq!(admin.usage(&tenancy).await.unwrap(), 1);
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_tenant_of_upstream_is_taken_over_without_a_rollout_and_with_its_keys() {
    Box::pin(assert_taken_over(&CASES[0])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_upstream_with_addons_is_taken_over_without_a_rollout_and_with_its_keys() {
    Box::pin(assert_taken_over(&CASES[1])).await;
}

/// Lease of upstream's leader: client-go writes it by updates, under a name that both operators have.
fn upstreams_lease(renewed: Timestamp) -> Lease {
    let time = renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    serde_json::from_value(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "kamaji.clastix.io", "namespace": "kamaji-system"},
        "spec": {
            "holderIdentity": "kamaji-6d4cf56db6-x2vqp_d5f1a0a4-3f0e-4f0f-9a39-6f3d4f5f6d10",
            "leaseDurationSeconds": 15, "leaseTransitions": 0,
            "acquireTime": "2026-11-23T09:15:00.000000Z", "renewTime": time,
        },
    }))
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_upstream_is_not_written_while_upstreams_operator_leads() {
    let environment = Environment::new().await;
    let case = &CASES[0];
    Box::pin(install(&environment, case)).await;
    let leases: Api<Lease> = Api::namespaced(environment.client.clone(), "kamaji-system");
    let params = PostParams::default();
    let now = Timestamp::now();
    leases.create(&params, &upstreams_lease(now)).await.unwrap();
    let mark = environment.api.audit().mark().unwrap();
    let _operator = environment.run(Settings {
        leader_elect: true,
        ..Environment::settings()
    });
    // Longer than the lease lasts without a renewal.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut lease = upstreams_lease(Timestamp::now());
        let live = leases.get("kamaji.clastix.io").await.unwrap();
        lease.metadata.resource_version = live.resource_version();
        let name = "kamaji.clastix.io";
        leases.replace(name, &params, &lease).await.unwrap();
    }
    let writes = environment.writes(mark);
    let uris: Vec<_> = writes.iter().map(|entry| &entry.uri).collect();
    assert!(uris.is_empty(), "{uris:?}");
    // Upstream's pod was deleted: its lease is not renewed any more, and nobody releases it.
    environment.wait_for_objects(case.name).await;
    wait_until("the lease", async || {
        let lease = leases.get("kamaji.clastix.io").await.ok()?;
        (lease.spec?.holder_identity? == "alone").then_some(())
    })
    .await;
}
