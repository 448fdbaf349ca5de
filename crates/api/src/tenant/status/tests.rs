use serde_json::{Value, json};

use super::*;

/// A status with every member that upstream writes.
const UPSTREAM: &str = r#"
addons:
  coreDNS: {enabled: false}
  konnectivity:
    agent: {lastUpdate: "2026-01-02T03:04:05Z", mode: DaemonSet, name: konnectivity-agent, namespace: kube-system}
    certificate: {checksum: aa, lastUpdate: "2026-01-02T03:04:05Z", secretName: t-konnectivity-certificate}
    clusterrolebinding: {name: "system:konnectivity-server"}
    configMap: {checksum: bb, name: t-konnectivity-egress-selector-configuration}
    enabled: true
    gateway: {parents: [], routeRef: {name: t-konnectivity}}
    kubeconfig: {checksum: cc, lastUpdate: "2026-01-02T03:04:05Z", secretName: t-konnectivity-kubeconfig}
    sa: {name: konnectivity-agent, namespace: kube-system}
    service: {loadBalancer: {}, name: t, namespace: ns, port: 8132}
  kubeProxy: {enabled: true, lastUpdate: "2026-01-02T03:04:05Z"}
certificates:
  apiServer: {checksum: dd, lastUpdate: "2026-01-02T03:04:05Z", secretName: t-api-server-certificate}
  apiServerKubeletClient: {checksum: dd, secretName: a}
  ca: {checksum: dd, secretName: b}
  frontProxyCA: {checksum: dd, secretName: c}
  frontProxyClient: {checksum: dd, secretName: d}
  sa: {checksum: dd, secretName: e}
conditions:
- {lastTransitionTime: "2026-01-02T03:04:05Z", message: "", observedGeneration: 2, reason: Served, status: "True", type: Ready}
controlPlaneEndpoint: 192.0.2.1:6443
kubeadmPhase: {bootstrapToken: {checksum: ee, lastUpdate: "2026-01-02T03:04:05Z"}}
kubeadmconfig: {checksum: ff, configmapName: t-kubeadmconfig, lastUpdate: "2026-01-02T03:04:05Z"}
kubeconfig:
  admin: {checksum: gg, secretName: f}
  controllerManager: {checksum: gg, secretName: g}
  scheduler: {checksum: gg, secretName: h}
kubernetesResources:
  deployment:
    availableReplicas: 2
    collisionCount: 1
    conditions:
    - {lastTransitionTime: "2026-01-02T03:04:05Z", lastUpdateTime: "2026-01-02T03:04:06Z", message: m, reason: r, status: "True", type: Available}
    lastUpdate: "2026-01-02T03:04:05Z"
    name: t
    namespace: ns
    observedGeneration: 3
    readyReplicas: 2
    replicas: 3
    selector: kamaji.clastix.io/name=t
    terminatingReplicas: 0
    unavailableReplicas: 1
    updatedReplicas: 2
  gateway:
    accessPoints:
    - {port: 6443, type: Hostname, value: "https://a.example:6443"}
    parents:
    - conditions:
      - {lastTransitionTime: "2026-01-02T03:04:05Z", message: "", reason: Accepted, status: "True", type: Accepted}
      controllerName: example.com/gateway
      parentRef: {group: gateway.networking.k8s.io, kind: Gateway, name: gw, namespace: g, port: 6443, sectionName: kube-apiserver}
    routeRef: {name: t}
  ingress: {loadBalancer: {ingress: [{hostname: a.example}]}, name: t, namespace: ns}
  service:
    loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}]}
    name: t
    namespace: ns
    port: 6443
  version: {status: Ready, version: v1.33.0}
observedGeneration: 2
renderer: "1"
storage:
  certificate: {checksum: hh, secretName: t-datastore-certificate}
  config: {checksum: ii, secretName: t-datastore-config}
  dataStoreName: default
  driver: etcd
  setup: {checksum: ii, lastUpdate: "2026-01-02T03:04:05Z", schema: s, user: u}
"#;

#[test]
fn a_status_of_upstream_survives_reading_and_writing() {
    let value: Value = serde_saphyr::from_str(UPSTREAM).unwrap();
    let status: TenantControlPlaneStatus = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(status).unwrap(), value);
}

fn written<T: Serialize>(status: &T) -> Value {
    serde_json::to_value(status).unwrap()
}

#[test]
fn members_that_are_required_are_written_when_empty() {
    assert_eq!(
        written(&DeploymentStatus::default()),
        json!({"name": "", "namespace": "", "selector": ""})
    );
    assert_eq!(
        written(&ServiceStatus::default()),
        json!({"loadBalancer": {}, "name": "", "namespace": "", "port": 0})
    );
    assert_eq!(
        written(&KubeadmPhaseStatus::default()),
        json!({"bootstrapToken": {}})
    );
    assert_eq!(written(&AddonStatus::default()), json!({"enabled": false}));
    assert_eq!(
        written(&KonnectivityStatus::default())["enabled"],
        json!(false)
    );
    assert_eq!(written(&RouteStatus::default()), json!({"parents": []}));
    assert_eq!(written(&VersionStatus::default()), json!({}));
    assert_eq!(written(&TenantControlPlaneStatus::default()), json!({}));
}

#[test]
fn a_time_that_is_null_is_absent() {
    let status: AddonStatus =
        serde_json::from_value(json!({"enabled": true, "lastUpdate": null})).unwrap();
    assert_eq!(status.last_update, None);
}
