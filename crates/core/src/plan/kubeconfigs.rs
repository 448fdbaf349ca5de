//! Which kubeconfigs does a control plane have, and which of them are due?
//! (management-cluster specification, sections 5.1, 5.8 and 5.11)

use super::{
    PlanBuilder,
    authorities::Authorities,
    secret::{Lifecycle, Planned},
};
use crate::{
    binding::Data,
    checksum,
    endpoint::Endpoint,
    pki::{
        kubeconfig::{self, Access, Expected, Kubeconfig, Verdict},
        leaves, renew,
    },
    tenant::Tenant,
};

/// One file of a Secret: whose it is and where it leads.
struct File {
    name: &'static str,
    user: &'static str,
    group: Option<&'static str>,
    server: String,
}

/// Plans the Secrets with kubeconfigs.
pub(super) fn settle(
    tenant: &Tenant,
    authorities: &Authorities,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    let names = &tenant.names;
    let public = format!("https://{}", endpoint.published);
    let service = format!("https://{}:{}", tenant.service_host(), endpoint.port);
    let local = format!("https://127.0.0.1:{}", endpoint.port);
    let file = |name, user, group, server: &String| File {
        name,
        user,
        group,
        server: server.clone(),
    };
    let (admins, masters) = (Some("kubeadm:cluster-admins"), Some("system:masters"));
    let list = [
        (
            names.admin_kubeconfig(),
            "admin-kubeconfig",
            endpoint.assigned.to_string(),
            vec![
                file("admin.conf", "kubernetes-admin", admins, &public),
                file("admin.svc", "kubernetes-admin", admins, &service),
                file(
                    "super-admin.conf",
                    "kubernetes-super-admin",
                    masters,
                    &public,
                ),
                file(
                    "super-admin.svc",
                    "kubernetes-super-admin",
                    masters,
                    &service,
                ),
            ],
        ),
        (
            names.controller_manager_kubeconfig(),
            "controller-manager-kubeconfig",
            "127.0.0.1".to_owned(),
            vec![file(
                "controller-manager.conf",
                "system:kube-controller-manager",
                None,
                &local,
            )],
        ),
        (
            names.scheduler_kubeconfig(),
            "scheduler-kubeconfig",
            "127.0.0.1".to_owned(),
            vec![file(
                "scheduler.conf",
                "system:kube-scheduler",
                None,
                &local,
            )],
        ),
    ];
    for (name, component, local_address, files) in list {
        let requested = builder.rotation_requested(&name);
        let live = builder.live(&name).unwrap_or_default();
        let data = match builder.paused_data(&name) {
            Some(data) => data,
            None => files
                .into_iter()
                .map(|file| {
                    let text = one(tenant, authorities, (&file, &live, requested), builder);
                    (file.name.to_owned(), text)
                })
                .collect(),
        };
        let sum = kubeconfig_checksum(authorities, &data, (&local_address, endpoint.port));
        let planned = Planned {
            checksum: Some(sum),
            rotated: requested,
            ..Planned::new(name, component, data).lifecycle(Lifecycle::Kubeconfig)
        };
        builder.secret(tenant, planned);
    }
    if tenant.spec.addons.konnectivity.is_some() {
        konnectivity(tenant, authorities, endpoint, builder);
    }
}

/// Keeps the file if everything in it is as it should be, else makes it with a new certificate.
fn one(
    tenant: &Tenant,
    authorities: &Authorities,
    (file, live, rotate): (&File, &Data, bool),
    builder: &mut PlanBuilder,
) -> Vec<u8> {
    let request = leaves::user(
        file.user,
        file.group,
        builder.snapshot.settings.key_algorithm,
    );
    let access = Access {
        cluster: tenant.name.clone(),
        user: file.user.to_owned(),
        server: file.server.clone(),
    };
    let expected = Expected {
        access: &access,
        request: &request,
        authority: &authorities.ca,
        rotate,
    };
    let text = live.get(file.name);
    let (now, threshold) = (builder.snapshot.now, builder.threshold());
    let verdict = kubeconfig::evaluate(text.map(Vec::as_slice), &expected, now, threshold);
    if let (Verdict::Keep { due }, Some(text)) = (verdict, text) {
        builder.due(due);
        return text.clone();
    }
    // One that only leads elsewhere keeps its certificate.
    let have = text.and_then(|text| kubeconfig::credentials(text).ok());
    let leaf = builder.leaf(renew::Subject {
        purpose: file.name,
        request: &request,
        authority: &authorities.ca,
        certificate: have.as_ref().map(|c| c.certificate.as_slice()),
        key: have.as_ref().map(|c| c.key.as_slice()),
        rotate,
    });
    let ca = authorities.ca.certificate_pem();
    Kubeconfig::new(&access, ca, &leaf.certificate, &leaf.key)
        .to_yaml()
        .into_bytes()
}

/// The konnectivity server logs in with its own certificate.
fn konnectivity(
    tenant: &Tenant,
    authorities: &Authorities,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    let name = tenant.names.konnectivity_kubeconfig();
    let certificate = tenant.names.konnectivity_certificate();
    let Some(data) = builder.planned(&certificate) else {
        return;
    };
    let file = |key: &str| data.get(key).cloned().unwrap_or_default();
    let access = Access {
        cluster: "kubernetes".to_owned(),
        user: "system:konnectivity-server".to_owned(),
        server: format!("https://localhost:{}", endpoint.port),
    };
    let ca = authorities.ca.certificate_pem();
    let config = Kubeconfig::new(&access, ca, &file("tls.crt"), &file("tls.key"));
    // Rebuilt each time from what it is made of, so it can never be stale.
    let data = Data::from([(
        "konnectivity-server.conf".to_owned(),
        config.to_yaml().into_bytes(),
    )]);
    let rotated = builder.rotation_requested(&name);
    let planned = Planned {
        rotated,
        ..Planned::new(name, "konnectivity-kubeconfig", data).lifecycle(Lifecycle::Kubeconfig)
    };
    builder.secret(tenant, planned);
}

/// The checksum that clients of upstream see, byte for byte (section 5.1).
fn kubeconfig_checksum(
    authorities: &Authorities,
    data: &Data,
    (address, port): (&str, u16),
) -> String {
    let init = INIT_CONFIGURATION
        .replace("{address}", address)
        .replace("{port}", &port.to_string());
    let configuration = checksum::pieces(&[
        init.as_bytes(),
        KUBECONFIG.as_bytes(),
        PARAMETERS.as_bytes(),
    ]);
    checksum::pieces(&[
        authorities.ca.certificate_pem(),
        authorities.ca.key_pem(),
        configuration.as_bytes(),
        checksum::map(data).as_bytes(),
    ])
}

const KUBECONFIG: &str =
    r#"{"preferences":{},"clusters":null,"users":null,"contexts":null,"current-context":""}"#;

const PARAMETERS: &str = r#"{"TenantControlPlaneName":"","TenantControlPlaneNamespace":"","TenantControlPlaneEndpoint":"","TenantControlPlaneAddress":"","TenantControlPlaneCertSANs":null,"TenantControlPlanePort":0,"TenantControlPlaneClusterDomain":"","TenantControlPlanePodCIDR":null,"TenantControlPlaneServiceCIDR":null,"TenantDNSServiceIPs":null,"TenantControlPlaneVersion":"","TenantControlPlaneCGroupDriver":"","ETCDs":null,"CertificatesDir":"","KubeconfigDir":"","KubeProxyOptions":null,"CoreDNSOptions":null}"#;

const INIT_CONFIGURATION: &str = r#"BootstrapTokens:
- groups:
  - system:bootstrappers:kubeadm:default-node-token
  token: abcdef.0123456789abcdef
  ttl: 24h0m0s
  usages:
  - signing
  - authentication
CertificateKey: ""
DryRun: false
LocalAPIEndpoint:
  AdvertiseAddress: {address}
  BindPort: {port}
NodeRegistration:
  CRISocket: unix:///var/run/containerd/containerd.sock
  IgnorePreflightErrors: null
  ImagePullSerial: true
  KubeletExtraArgs: null
  Name: node
  Taints: null
  imagePullPolicy: IfNotPresent
Patches: null
SkipPhases: null
Timeouts:
  ControlPlaneComponentHealthCheck: 4m0s
  Discovery: 5m0s
  EtcdAPICall: 2m0s
  KubeletHealthCheck: 4m0s
  KubernetesAPICall: 1m0s
  TLSBootstrap: 5m0s
  UpgradeManifests: 5m0s
"#;
