//! Renewal of generated kubeconfigs: near the end by itself, on request, and when the tenant's CA changes.

use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kamaji_api::labels;
use kamaji_core::{
    pki::{
        authority::Authority,
        certificate::Certificate,
        key::KeyAlgorithm,
        kubeconfig::{self, Access, Kubeconfig},
        leaf::LeafRequest,
        leaves,
    },
    rng::Seed,
};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::generators::{account, controller, counted, generator, patch_metadata, text};
use crate::environment::{Environment, wait_until};

const SECRET: &str = "t-auditors";

/// Client certificate of the generated kubeconfig.
async fn certificate(environment: &Environment) -> Certificate {
    let secret = environment.secret(SECRET).await.unwrap();
    let have = kubeconfig::credentials(text(&secret).as_bytes()).unwrap();
    Certificate::from_pem(&have.certificate).unwrap()
}

/// Waits until the client certificate is another than `former`.
async fn renewed(environment: &Environment, former: &Certificate) -> Certificate {
    wait_until("another certificate", async || {
        let now = certificate(environment).await;
        (now.der != former.der).then_some(now)
    })
    .await
}

/// Certificate and key of the tenant's CA.
async fn authority(environment: &Environment) -> Authority {
    let secret = environment.secret("t-ca").await.unwrap();
    let data = secret.data.unwrap();
    Authority::load(&data["ca.crt"].0, &data["ca.key"].0, Timestamp::now()).unwrap()
}

/// A kubeconfig as the controller writes it, whose certificate lasts for `validity`.
async fn short_lived(environment: &Environment, validity: Duration) -> String {
    let secret = environment.secret(SECRET).await.unwrap();
    let have = kubeconfig::credentials(text(&secret).as_bytes()).unwrap();
    let request = LeafRequest {
        organizations: vec!["readers".to_owned()],
        validity,
        ..leaves::user("auditor", None, KeyAlgorithm::EcdsaP256)
    };
    let mut entropy = Seed::from_text("short").for_purpose("test");
    let authority = authority(environment).await;
    let pair = authority.sign(&request, Timestamp::now(), &mut entropy);
    let access = Access {
        cluster: "t".to_owned(),
        user: "auditors".to_owned(),
        server: have.server,
    };
    let (certificate, key) = (pair.certificate_pem.as_bytes(), pair.key_pem.as_bytes());
    let config = Kubeconfig::new(&access, &have.ca, certificate, key);
    config.in_context("auditors").to_yaml()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubeconfigs_are_renewed_near_their_end_on_request_and_with_their_ca() {
    let environment = Environment::new().await;
    let _operator = environment.operator();
    environment.tenant("t", json!({})).await;
    environment.wait_for_objects("t").await;
    let client = account(&environment).await;
    let _controller = controller(&client);
    generator(&environment, "auditors", json!({})).await;
    counted(&environment, "auditors", (1, 1)).await;
    let first = certificate(&environment).await;

    patch_metadata(
        &environment.secrets(),
        SECRET,
        json!({"annotations": {labels::ROTATE: ""}}),
    )
    .await;
    let second = renewed(&environment, &first).await;
    let secret = environment.secret(SECRET).await.unwrap();
    let stamp = &secret.metadata.annotations.unwrap()[labels::ROTATE];
    assert!(stamp.parse::<Timestamp>().is_ok(), "{stamp}");
    environment.assert_quiescent(3).await;

    // A certificate begins five minutes back, and is renewed after half of its life at the latest: in 12 s.
    let text = short_lived(&environment, Duration::from_secs(324)).await;
    let patch = Patch::Merge(json!({"stringData": {"value": text}}));
    let params = PatchParams::default();
    environment
        .secrets()
        .patch(SECRET, &params, &patch)
        .await
        .unwrap();
    let started = Instant::now();
    let short = certificate(&environment).await;
    assert_ne!(short.der, second.der);
    let third = renewed(&environment, &short).await;
    let after = started.elapsed().as_secs();
    assert!((8..30).contains(&after), "renewed after {after} s");
    assert!(third.not_after > short.not_after);

    let mark = environment.api.audit().mark().unwrap();
    patch_metadata(
        &environment.secrets(),
        "t-ca",
        json!({"annotations": {labels::ROTATE: ""}}),
    )
    .await;
    let fourth = renewed(&environment, &third).await;
    let ca = authority(&environment).await;
    assert!(fourth.is_signed_by(ca.certificate()));
    let written = environment.writes(mark);
    let writes = written
        .iter()
        .filter(|entry| entry.object_ref.name == SECRET);
    assert_eq!(writes.count(), 1, "{written:#?}");
    environment.assert_quiescent(3).await;
}
