//! A generator for thousands of tenants (`make soak`): time, requests and memory.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    pki::{
        authority::{self, Authority},
        key::KeyAlgorithm,
        kubeconfig::{Access, Kubeconfig},
    },
    rng::Seed,
    tenant::owner_reference,
};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::generators::{account, counted, generator, patch_metadata, requests};
use crate::environment::{Environment, NAMESPACE, tenant};

/// Tenants, unless `KAMAJI_SOAK_TENANTS` says otherwise.
const TENANTS: usize = 5000;
/// Objects that are created at the same time.
const AT_ONCE: usize = 32;
/// Most resident memory of the process: half the limit of its package.
const MEMORY: u64 = 256 << 20;

/// Creates a tenant with the two Secrets that its operator would make.
async fn create(environment: &Environment, number: usize, ca: &Authority) {
    let name = format!("t{number}");
    let object = serde_json::from_value(tenant(&name, &json!({}))).unwrap();
    let params = PostParams::default();
    let made: TenantControlPlane = environment
        .tenants()
        .create(&params, &object)
        .await
        .unwrap();
    let owner = owner_reference(&name, &made.metadata.uid.unwrap());
    let access = Access {
        cluster: name.clone(),
        user: "admin".to_owned(),
        server: format!("https://{name}.{NAMESPACE}.svc:6443"),
    };
    let (pem, key) = (ca.certificate_pem(), ca.key_pem());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for (suffix, data) in [
        ("ca", json!({"ca.crt": text(pem), "ca.key": text(key)})),
        (
            "admin-kubeconfig",
            json!({"admin.svc": Kubeconfig::new(&access, pem, pem, key).to_yaml()}),
        ),
    ] {
        let metadata = json!({"name": format!("{name}-{suffix}"), "ownerReferences": [owner]});
        let secret: Value = json!({"metadata": metadata, "stringData": data});
        let secret = serde_json::from_value(secret).unwrap();
        environment
            .secrets()
            .create(&params, &secret)
            .await
            .unwrap();
    }
}

/// Starts `kamaji kubeconfig-generator` with a kubeconfig.
async fn process(kubeconfig: &Path) -> Child {
    let binary = kamaji_e2e::operator::binary().await.unwrap();
    Command::new(binary)
        .args(["kubeconfig-generator", "--pod-namespace=kamaji-system"])
        .args([
            "--metrics-bind-address=0",
            "--health-probe-bind-address=0",
            "--leader-elect=false",
        ])
        .args(["--zap-log-level=error"])
        .env("KUBECONFIG", kubeconfig)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Peak of the resident memory of a process, in bytes.
fn peak_memory(child: &Child) -> u64 {
    let path = format!("/proc/{}/status", child.id().unwrap());
    let text = std::fs::read_to_string(path).unwrap();
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// Waits until the controller has sent no request for three seconds. Returns their number since `mark`, of which
/// writes.
async fn rest(environment: &Environment, mark: u64) -> (usize, usize) {
    let mut last = usize::MAX;
    loop {
        let entries = requests(environment, mark);
        if entries.len() == last {
            let writes = entries.iter().filter(|entry| entry.is_write());
            return (entries.len(), writes.count());
        }
        last = entries.len();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generator_for_thousands_of_tenants_stays_within_time_requests_and_memory() {
    if std::env::var_os("KAMAJI_SOAK").is_none() {
        println!("NOT RUN: KAMAJI_SOAK is not set, and thousands of tenants take minutes");
        return;
    }
    let number = std::env::var("KAMAJI_SOAK_TENANTS").ok();
    let number = number.map_or(TENANTS, |text| text.parse().unwrap());
    let environment = Environment::without_data_store().await;
    let mut entropy = Seed::from_text("fleet").for_purpose("ca");
    let ca = authority::issue(
        "kubernetes",
        KeyAlgorithm::EcdsaP256,
        Timestamp::now(),
        &mut entropy,
    );
    let (environment, ca) = (&environment, &ca);
    let created = stream::iter(0..number).map(|number| create(environment, number, ca));
    created.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    account(environment).await;
    let kubeconfig = environment
        .kubeconfig_of("kamaji-kubeconfig-generator")
        .await;
    generator(environment, "auditors", json!({})).await;
    let all = i64::try_from(number).unwrap();

    let (mark, started) = (environment.api.audit().mark().unwrap(), Instant::now());
    let first = process(&kubeconfig).await;
    counted(environment, "auditors", (all, all)).await;
    let converged = started.elapsed();
    let (sent, written) = rest(environment, mark).await;
    println!(
        "{number} tenants: {converged:?}, {sent} requests, {written} of them writes, {} MiB",
        peak_memory(&first) >> 20
    );
    assert!(
        (number + 1..number + 5).contains(&written),
        "{written} writes"
    );
    assert!(sent < 5 * number, "{sent} requests");
    assert!(peak_memory(&first) < MEMORY);

    let mark = environment.api.audit().mark().unwrap();
    let api: Api<TenantControlPlane> = environment.tenants();
    patch_metadata(&api, "t7", json!({"annotations": {"a": "b"}})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = requests(environment, mark);
    assert!(asked.is_empty(), "{asked:#?}");

    drop(first);
    let (mark, started) = (environment.api.audit().mark().unwrap(), Instant::now());
    let second = process(&kubeconfig).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (sent, written) = rest(environment, mark).await;
    println!(
        "restart: {:?}, {sent} requests, {written} writes, {} MiB",
        started.elapsed(),
        peak_memory(&second) >> 20
    );
    assert_eq!(written, 0);
}
