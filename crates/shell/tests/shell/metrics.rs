//! Tests of metrics over TLS: the management cluster authorizes each scrape.

use std::{net::SocketAddr, time::Duration};

use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kamaji_e2e::{pki::Authority, ports::free_port};
use kamaji_shell::{
    metrics_access::Access,
    serve::{self, Certificates},
    telemetry::Metrics,
};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use crate::support::server;

const ROLES: &str = include_str!("../../../../config/rbac/metrics_access.yaml");
const NAME: &str = "kamaji-webhook-service.kamaji-system.svc";

/// A running server of metrics.
struct Server {
    address: SocketAddr,
    authority: Authority,
    metrics: Metrics,
}

impl Server {
    /// Starts a server that authorizes requests with `reviewer`.
    async fn start(reviewer: Client) -> Self {
        let authority = Authority::new("webhooks").unwrap();
        let pair = authority.server("webhook", &[NAME]).unwrap();
        let certificates = Certificates::default();
        let (certificate, key) = (pair.cert.as_bytes(), pair.key.as_bytes());
        certificates.set(certificate, key).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let metrics = Metrics::default();
        let access = Access::new(reviewer, metrics.counters.clone());
        let secure = Some((access, certificates.clone()));
        tokio::spawn(serve::metrics(address, metrics.clone(), secure));
        while !certificates.is_served() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self {
            address,
            authority,
            metrics,
        }
    }

    /// Reads the metrics; the error is the HTTP status of a refusal.
    async fn read(&self, token: Option<&str>) -> Result<String, u16> {
        let url = format!("https://{}", self.address).parse().unwrap();
        let mut config = Config::new(url);
        let ca = self.authority.pair().cert.as_bytes();
        config.root_cert = Some(vec![CertificateDer::from_pem_slice(ca).unwrap().to_vec()]);
        config.tls_server_name = Some(NAME.to_owned());
        config.auth_info.token = token.map(|token| token.to_owned().into());
        config.default_retry = false;
        let client = Client::try_from(config).unwrap();
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        match client.request_text(request).await {
            Ok(text) => Ok(text),
            Err(kube::Error::Api(status)) => Err(status.code),
            Err(error) => panic!("{error}"),
        }
    }

    /// Number of TokenReviews that were created.
    fn reviewed(&self) -> u32 {
        let line = "kamaji_requests_total{verb=\"create\",resource=\"tokenreviews\"} ";
        let text = self.metrics.text();
        let value = text.lines().find_map(|text| text.strip_prefix(line));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

async fn apply(client: &Client, object: Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let kind = GroupVersionKind::gvk(group, version, &kind);
    let resource = kube::api::ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply("person").force();
    let name = text(&object["metadata"]["name"]);
    api.patch(&name, &params, &Patch::Apply(&object))
        .await
        .unwrap();
}

/// Creates a ServiceAccount and returns a token of it.
async fn token(client: &Client, (namespace, name): (&str, &str)) -> String {
    let meta = json!({"name": name, "namespace": namespace});
    apply(
        client,
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}),
    )
    .await;
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let (params, request) = (PostParams::default(), TokenRequest::default());
    let answer = api.create_token_request(name, &params, &request).await;
    answer.unwrap().status.unwrap().token
}

#[tokio::test]
async fn metrics_are_served_only_to_users_whom_the_cluster_authorizes() {
    let server = server().await;
    let admin = server.client().await.unwrap();
    let meta = json!({"name": "kamaji-system"});
    apply(
        &admin,
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}),
    )
    .await;
    let roles: Vec<Value> = serde_saphyr::from_multiple(ROLES).unwrap();
    for object in roles {
        apply(&admin, object).await;
    }
    let operator = token(&admin, ("kamaji-system", "kamaji-controller-manager")).await;
    let prometheus = token(&admin, ("default", "prometheus")).await;
    let other = token(&admin, ("default", "other")).await;
    apply(&admin, json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "prometheus"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kamaji-metrics-reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "default"}],
    }))
    .await;
    let text = std::fs::read_to_string(server.kubeconfig()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    config["users"] = json!([{"name": config["users"][0]["name"], "user": {"token": operator}}]);
    let text = config.to_string();
    // This client has the rights of the packaged role only.
    let reviewer = kamaji_e2e::kubeconfig::client_from(&text).await.unwrap();
    let metrics = Server::start(reviewer).await;

    assert_eq!(metrics.read(None).await, Err(401));
    assert_eq!(
        metrics.reviewed(),
        0,
        "a request without a token is not reviewed"
    );
    assert_eq!(metrics.read(Some("made-up")).await, Err(401));
    assert_eq!(metrics.read(Some(&other)).await, Err(403));
    let text = metrics.read(Some(&prometheus)).await.unwrap();
    assert!(text.contains("kamaji_build_info{"), "{text}");
    assert!(!text.contains(&prometheus));
    assert_eq!(metrics.reviewed(), 3);
    for _ in 0..5 {
        metrics.read(Some(&prometheus)).await.unwrap();
    }
    assert_eq!(metrics.reviewed(), 3, "the token is cached");
}
