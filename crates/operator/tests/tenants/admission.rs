//! Admission by the operator's webhooks behind a real API server: each mistake is refused with a message that names
//! value, field and correction.

use kamaji_e2e::ports::free_port;
use kamaji_operator::settings::Settings;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::environment::{Environment, NAMESPACE, Operator, tenant, wait_until};

const CONFIGURATIONS: &str = include_str!("../../../../config/webhook/webhooks.yaml");

/// Starts an operator whose webhooks the API server calls, with the configuration that users install and the
/// certificate that the operator creates.
async fn start_with_webhooks() -> (Environment, Operator) {
    start_with_webhooks_and(Environment::settings()).await
}

/// As [`start_with_webhooks`], with `settings`.
pub async fn start_with_webhooks_and(mut settings: Settings) -> (Environment, Operator) {
    let environment = Environment::new().await;
    let port = free_port().unwrap();
    settings.webhooks = Some(([127, 0, 0, 1], port).into());
    install_webhooks(&environment, port).await;
    let operator = environment.run(settings);
    wait_until("the webhooks to answer", async || {
        create(&environment, &tenant("dry-run", &json!({})), true)
            .await
            .ok()
    })
    .await;
    (environment, operator)
}

/// Installs the configuration that users install, for webhooks at a port of this machine.
pub async fn install_webhooks(environment: &Environment, port: u16) {
    // The API server resolves such a Service to this machine, and checks the certificate for the Service's name.
    environment
        .apply(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kamaji-webhook-service", "namespace": "kamaji-system"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }))
        .await;
    let configurations: Vec<Value> = serde_saphyr::from_multiple(CONFIGURATIONS).unwrap();
    for mut configuration in configurations {
        for webhook in configuration["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"]["service"]["port"] = port.into();
            webhook["failurePolicy"] = "Fail".into();
        }
        environment.apply(configuration).await;
    }
}

/// Creates an object. Returns the stored object and the warnings, or the message of the refusal.
pub async fn create(
    environment: &Environment,
    object: &Value,
    dry_run: bool,
) -> Result<(DynamicObject, Vec<String>), String> {
    let plural = match object["kind"].as_str() {
        Some("DataStore") => "datastores".to_owned(),
        _ => format!("namespaces/{NAMESPACE}/tenantcontrolplanes"),
    };
    let query = if dry_run { "?dryRun=All" } else { "" };
    let request = http::Request::post(format!("/apis/kamaji.clastix.io/v1alpha1/{plural}{query}"))
        .header("content-type", "application/json")
        .body(object.to_string().into_bytes().into())
        .unwrap();
    let answer = environment.client.send(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let warnings = head.headers.get_all("warning").iter();
    let warnings = warnings.map(|text| text.to_str().unwrap().to_owned());
    let warnings = warnings.collect();
    let body = axum::body::Body::new(body);
    let text = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text: Value = serde_json::from_slice(&text).unwrap();
    if head.status.is_success() {
        Ok((serde_json::from_value(text).unwrap(), warnings))
    } else {
        Err(text["message"].as_str().unwrap().to_owned())
    }
}

fn network(profile: Value) -> Value {
    json!({"networkProfile": profile})
}

/// Wrong specs, each with words of the expected refusal: the value, the field, and the correction.
type Mistakes = Vec<(Value, [&'static str; 3])>;

fn versions_and_ranges() -> Mistakes {
    let version = |text: &str| json!({"kubernetes": {"version": text}});
    let in_network = "spec.networkProfile";
    vec![
        (
            version("latest"),
            ["\"latest\"", "spec.kubernetes.version", "such as v1.36.3"],
        ),
        (
            version("v1.99.0"),
            [
                "newer than v1.37",
                "spec.kubernetes.version v1.99.0",
                "choose an older version",
            ],
        ),
        (
            network(json!({"serviceCidr": "10.98.0.0"})),
            ["must be a CIDR", "serviceCidr", "for example 10.96.0.0/16"],
        ),
        (
            network(json!({"serviceCidrs": ["10.98.0.0/40"]})),
            ["must be a CIDR", "serviceCidrs", "for example 10.96.0.0/16"],
        ),
        (
            network(json!({"podCidr": "pods"})),
            ["must be a CIDR", "podCidr", "for example 10.244.0.0/16"],
        ),
        (
            network(json!({"serviceCidr": "10.0.0.0/8", "podCidr": "10.244.0.0/16"})),
            [
                "10.0.0.0/8",
                in_network,
                "choose ranges that do not overlap",
            ],
        ),
        (
            network(json!({"dnsServiceIPs": ["10.97.0.10"]})),
            [
                "10.97.0.10",
                "spec.networkProfile.dnsServiceIPs",
                "choose an address within them",
            ],
        ),
        (
            network(json!({"serviceCidr": "10.96.0.0/30"})),
            ["too small", "10.96.0.0/30", "/28"],
        ),
    ]
}

fn addresses() -> Mistakes {
    vec![
        (
            network(json!({"address": "demo.example.com"})),
            [
                "not an IP address",
                "spec.networkProfile.address",
                "such as 192.0.2.10",
            ],
        ),
        (
            network(json!({"certSANs": ["https://demo"]})),
            [
                "https://demo",
                "spec.networkProfile.certSANs",
                "correct or remove it",
            ],
        ),
        (
            network(json!({"port": 65536})),
            ["65536", "spec.networkProfile.port", "from 1 to 65535"],
        ),
    ]
}

fn components() -> Mistakes {
    let patch = |patch: Value| {
        let patches = json!({"configurationJSONPatches": [patch]});
        json!({"kubernetes": {"kubelet": patches}})
    };
    vec![
        (
            json!({"kubernetes": {"admissionControllers": ["NoSuchPlugin"]}}),
            [
                "NoSuchPlugin",
                "spec.kubernetes.admissionControllers[0]",
                "supported values: \"AlwaysAdmit\"",
            ],
        ),
        (
            json!({"kubernetes": {"kubelet": {"preferredAddressTypes": ["Carrier"]}}}),
            [
                "Carrier",
                "spec.kubernetes.kubelet.preferredAddressTypes[0]",
                "supported values: \"Hostname\"",
            ],
        ),
        (
            patch(json!({"op": "remove", "path": "/noSuchField"})),
            [
                "does not apply",
                "spec.kubernetes.kubelet.configurationJSONPatches",
                "/noSuchField",
            ],
        ),
        (
            patch(json!({"op": "add", "path": "maxPods", "value": 1})),
            [
                "does not begin with /",
                "spec.kubernetes.kubelet.configurationJSONPatches[0]",
                "write it as /field/inner",
            ],
        ),
    ]
}

fn exposure_and_data_stores() -> Mistakes {
    vec![
        (
            json!({"controlPlane": {
                "ingress": {"hostname": "demo.example.com"},
                "gateway": {"hostname": "demo.example.com"},
            }}),
            ["exclude each other", "spec.controlPlane", "keep one"],
        ),
        (
            json!({"controlPlane": {"ingress": {}}}),
            [
                "is missing",
                "spec.controlPlane.ingress.hostname",
                "for example demo.example.com",
            ],
        ),
        (
            json!({"controlPlane": {"gateway": {"hostname": "demo.example.com"}}}),
            [
                "does not serve",
                "spec.controlPlane.gateway",
                "install the Gateway API",
            ],
        ),
        (
            json!({"dataStore": "nowhere"}),
            ["\"nowhere\"", "spec.dataStore", "create it first"],
        ),
        (
            json!({"dataStoreUsername": "root"}),
            ["root", "spec.dataStoreUsername", "choose another"],
        ),
        (
            json!({"addons": {"konnectivity": {"server": {"port": 6443}}}}),
            [
                "taken by kube-apiserver",
                "spec.addons.konnectivity.server.port 6443",
                "choose another",
            ],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_known_at_admission_are_refused_with_value_field_and_correction() {
    let (environment, _operator) = start_with_webhooks().await;
    let mut failures = Vec::new();
    let mut check = |what: String, answer: Result<_, String>, words: [&str; 3]| match answer {
        Ok(()) => failures.push(format!("{what} was accepted")),
        Err(refusal) if words.iter().all(|word| refusal.contains(word)) => {}
        Err(refusal) => failures.push(format!(
            "{what} was refused with {refusal:?}, not with {words:?}"
        )),
    };
    let mistakes = [
        versions_and_ranges(),
        addresses(),
        components(),
        exposure_and_data_stores(),
    ];
    for (spec, words) in mistakes.concat() {
        let answer = create(&environment, &tenant("wrong", &spec), false).await;
        check(spec.to_string(), answer.map(drop), words);
    }
    for name in ["a".repeat(64), "1demo".to_owned(), "demo.one".to_owned()] {
        let words = [name.as_str(), "metadata.name", "such a name"];
        let answer = create(&environment, &tenant(&name, &json!({})), false).await;
        check(name.clone(), answer.map(drop), words);
    }
    for (changes, words) in data_store_mistakes() {
        let mut store = json!({
            "apiVersion": "kamaji.clastix.io/v1alpha1",
            "kind": "DataStore",
            "metadata": {"name": "wrong"},
            "spec": {
                "driver": "PostgreSQL",
                "endpoints": ["db:5432"],
                "basicAuth": {"username": {"content": "YQ=="}, "password": {"content": "YQ=="}},
            },
        });
        crate::environment::merge(&mut store["spec"], &changes);
        let answer = create(&environment, &store, false).await;
        check(changes.to_string(), answer.map(drop), words);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        environment
            .tenants()
            .get_opt("wrong")
            .await
            .unwrap()
            .is_none()
    );
}

fn data_store_mistakes() -> Mistakes {
    vec![
        (
            json!({"endpoints": ["https://db:5432"]}),
            ["https://db:5432", "spec.endpoints", "without a scheme"],
        ),
        (
            json!({"driver": "Oracle"}),
            ["Oracle", "spec.driver", "supported values: \"etcd\""],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_upgraded_minor_by_minor_and_ignored_flags_are_warned_of() {
    let (environment, _operator) = start_with_webhooks().await;
    let kubernetes = json!({"kubernetes": {"version": "v1.34.1"}});
    environment.tenant("demo", kubernetes).await;
    let kind = ApiResource::erase::<kamaji_api::tenant::TenantControlPlane>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(environment.client.clone(), NAMESPACE, &kind);
    let upgrade_to = async |version: &str| {
        let patch = json!({"spec": {"kubernetes": {"version": version}}});
        let params = PatchParams::default();
        let patched = api.patch("demo", &params, &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| error.to_string())
    };
    let field = "spec.kubernetes.version";
    for (version, words) in [
        (
            "v1.33.9",
            ["downgrade from v1.34.1 to v1.33.9", "v1.34.1 or newer"],
        ),
        ("v1.36.0", ["more than one minor", "upgrade to v1.35 first"]),
    ] {
        let refusal = upgrade_to(version).await.unwrap_err();
        assert!(refusal.contains(field), "{refusal}");
        assert!(words.iter().all(|word| refusal.contains(word)), "{refusal}");
    }
    upgrade_to("v1.34.9").await.unwrap();
    let args = json!({"controlPlane": {"deployment": {"extraArgs": {
        "apiServer": ["--etcd-servers=https://elsewhere:2379", "nonsense"],
    }}}});
    let (_, warnings) = create(&environment, &tenant("args", &args), false)
        .await
        .unwrap();
    for words in [
        "extraArgs.apiServer has --etcd-servers, which Kamaji sets itself: it is ignored, remove it",
        "which is not a flag: write each flag with its value",
    ] {
        assert!(warnings.iter().any(|w| w.contains(words)), "{warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_operator_creation_is_refused_and_existing_tenants_can_be_labelled_and_deleted()
{
    let (environment, operator) = start_with_webhooks().await;
    environment.tenant("demo", json!({})).await;
    environment.wait_for_objects("demo").await;
    drop(operator);
    let refusal = create(&environment, &tenant("late", &json!({})), false).await;
    let refusal = refusal.unwrap_err();
    assert!(refusal.contains("failed calling webhook"), "{refusal}");
    let labels = json!({"metadata": {"labels": {"example.com/mine": "yes"}}});
    let params = PatchParams::default();
    let tenants = environment.tenants();
    tenants
        .patch("demo", &params, &Patch::Merge(labels))
        .await
        .unwrap();
    tenants
        .delete("demo", &DeleteParams::default())
        .await
        .unwrap();
    let _operator = environment.operator();
    environment.wait_deleted("demo").await;
}
