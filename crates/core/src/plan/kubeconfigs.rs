//! Plans the kubeconfigs of administrators and control plane components, and renews those that are due.

use super::{
    authorities::Authorities,
    builder::{LiveContent, PlanBuilder},
    certificates::keep_or_issue,
    secret::{DesiredSecret, plan_secret},
};
use crate::{
    binding::Data,
    checksum,
    endpoint::Endpoint,
    kubeconfig_files,
    pki::{
        kubeconfig::{self, Access, Expected, Kubeconfig, Verdict},
        leaves, renew,
    },
    secret_role::SecretRole,
};

/// A kubeconfig in a Secret: its key, its user and the URL of its server.
struct File {
    name: &'static str,
    user: &'static str,
    group: Option<&'static str>,
    server: String,
}

/// A Secret with kubeconfigs: its role, the address in its checksum, and its files.
struct Kubeconfigs {
    role: SecretRole,
    local_address: String,
    files: Vec<File>,
}

/// The Secrets with kubeconfigs that every control plane has.
fn desired(endpoint: &Endpoint, builder: &PlanBuilder) -> [Kubeconfigs; 3] {
    let public = format!("https://{}", endpoint.published);
    let host = builder.tenant.service_host();
    let service = format!("https://{host}:{}", endpoint.port);
    let local = format!("https://127.0.0.1:{}", endpoint.port);
    let file = |name, user, group, server: &String| File {
        name,
        user,
        group,
        server: server.clone(),
    };
    let (admin, super_admin) = ("kubernetes-admin", "kubernetes-super-admin");
    let (admins, masters) = (Some("kubeadm:cluster-admins"), Some("system:masters"));
    let component = |role, name, user| Kubeconfigs {
        role,
        local_address: "127.0.0.1".to_owned(),
        files: vec![file(name, user, None, &local)],
    };
    [
        Kubeconfigs {
            role: SecretRole::AdminKubeconfig,
            local_address: endpoint.assigned.to_string(),
            files: vec![
                file(kubeconfig_files::ADMIN, admin, admins, &public),
                file(kubeconfig_files::ADMIN_SERVICE, admin, admins, &service),
                file(kubeconfig_files::SUPER_ADMIN, super_admin, masters, &public),
                file(
                    kubeconfig_files::SUPER_ADMIN_SERVICE,
                    super_admin,
                    masters,
                    &service,
                ),
            ],
        },
        component(
            SecretRole::ControllerManagerKubeconfig,
            kubeconfig_files::CONTROLLER_MANAGER,
            "system:kube-controller-manager",
        ),
        component(
            SecretRole::SchedulerKubeconfig,
            kubeconfig_files::SCHEDULER,
            "system:kube-scheduler",
        ),
    ]
}

/// Plans the Secrets with kubeconfigs.
pub(super) fn plan_kubeconfigs(
    authorities: &Authorities,
    endpoint: &Endpoint,
    builder: &mut PlanBuilder,
) {
    for kubeconfigs in desired(endpoint, builder) {
        let Kubeconfigs {
            role,
            local_address,
            files,
        } = kubeconfigs;
        let live = builder.live_content(role);
        let data = match builder.paused_data(role) {
            Some(data) => data,
            None => files
                .into_iter()
                .map(|file| {
                    let text = plan_file(authorities, &file, &live, builder);
                    (file.name.to_owned(), text)
                })
                .collect(),
        };
        let sum = kubeconfig_checksum(authorities, &data, &local_address, endpoint.port);
        let desired = DesiredSecret {
            checksum: Some(sum),
            rotated: live.rotation_requested,
            ..DesiredSecret::new(role, data)
        };
        plan_secret(desired, builder);
    }
    if builder.tenant.spec.addons.konnectivity.is_some() {
        plan_konnectivity(authorities, endpoint, builder);
    }
}

/// Keeps the kubeconfig if it is valid and not due, else makes it, with a new certificate where that is due.
fn plan_file(
    authorities: &Authorities,
    file: &File,
    live: &LiveContent,
    builder: &mut PlanBuilder,
) -> Vec<u8> {
    let request = leaves::user(
        file.user,
        file.group,
        builder.snapshot.settings.key_algorithm,
    );
    let access = Access {
        cluster: builder.tenant.name.clone(),
        user: file.user.to_owned(),
        server: file.server.clone(),
    };
    let expected = Expected {
        access: &access,
        request: &request,
        authority: &authorities.ca,
        rotate: live.rotation_requested,
    };
    let text = live.file(file.name);
    let (now, threshold) = (builder.snapshot.now, builder.renewal_threshold());
    let verdict = kubeconfig::evaluate(text, &expected, now, threshold);
    if let (Verdict::Keep { due }, Some(text)) = (verdict, text) {
        builder.requeue_at(due);
        return text.to_vec();
    }
    // A kubeconfig of which only the server changed keeps its certificate.
    let have = text.and_then(|text| kubeconfig::credentials(text).ok());
    let subject = renew::Subject {
        purpose: file.name,
        request: &request,
        authority: authorities.ca.signer(),
        certificate: have.as_ref().map(|c| c.certificate.as_slice()),
        key: have.as_ref().map(|c| c.key.as_slice()),
        rotate: live.rotation_requested,
    };
    let leaf = keep_or_issue(&subject, builder);
    let ca = authorities.ca.trust_pem();
    Kubeconfig::new(&access, ca, &leaf.certificate, &leaf.key)
        .to_yaml()
        .into_bytes()
}

/// Plans the konnectivity server's kubeconfig, which carries the server's own certificate.
fn plan_konnectivity(authorities: &Authorities, endpoint: &Endpoint, builder: &mut PlanBuilder) {
    let role = SecretRole::KonnectivityKubeconfig;
    let Some(secret) = builder.secrets.get(&SecretRole::KonnectivityCertificate) else {
        return;
    };
    let file = |key: &str| secret.data.get(key).cloned().unwrap_or_default();
    let access = Access {
        cluster: "kubernetes".to_owned(),
        user: "system:konnectivity-server".to_owned(),
        server: format!("https://localhost:{}", endpoint.port),
    };
    let ca = authorities.ca.trust_pem();
    let config = Kubeconfig::new(&access, ca, &file("tls.crt"), &file("tls.key"));
    // Rebuilt from its parts by every plan, so that it is never stale.
    let data = Data::from([(
        kubeconfig_files::KONNECTIVITY.to_owned(),
        config.to_yaml().into_bytes(),
    )]);
    let rotated = builder.rotation_requested(role);
    let desired = DesiredSecret {
        rotated,
        ..DesiredSecret::new(role, data)
    };
    plan_secret(desired, builder);
}

/// Checksum as upstream computes it, byte for byte: CA, configuration of kubeadm and content of the files.
fn kubeconfig_checksum(authorities: &Authorities, data: &Data, address: &str, port: u16) -> String {
    let init = INIT_CONFIGURATION
        .replace("{address}", address)
        .replace("{port}", &port.to_string());
    let configuration = checksum::pieces(&[
        init.as_bytes(),
        KUBECONFIG.as_bytes(),
        PARAMETERS.as_bytes(),
    ]);
    checksum::pieces(&[
        authorities.ca.trust_pem(),
        authorities.ca.signer().key_pem(),
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
