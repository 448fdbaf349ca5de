//! A tenant's control plane without a kubelet: kube-apiserver with the Secrets that the operator created, listening
//! at the cluster IP that the operator dials.

use std::{path::Path, process::Command, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kamaji_e2e::{
    audit::{Audit, policy},
    envtest::etcd_args,
    ports::free_port,
    process_guard::Guarded,
    tools::Tools,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::{Environment, NAMESPACE, wait_until};

/// Argument of kube-apiserver for cluster IPs in the loopback range, where a process of the test can listen.
pub const LOOPBACK: &str = "--service-cluster-ip-range=127.64.0.0/16";

/// File of the audit log.
const AUDIT_LOG: &str = "audit.log";

pub struct ControlPlane {
    server: Option<Guarded>,
    _etcd: Guarded,
    command: Command,
    dir: TempDir,
    port: u16,
}

impl ControlPlane {
    /// Starts the control plane of `tenant`, with its API server at `port`.
    pub async fn start(environment: &Environment, tenant: &str, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (secret, files) in [
            ("ca", &["ca.crt"][..]),
            (
                "api-server-certificate",
                &["apiserver.crt", "apiserver.key"],
            ),
            ("sa-certificate", &["sa.pub", "sa.key"]),
        ] {
            let found = environment
                .secret(&format!("{tenant}-{secret}"))
                .await
                .unwrap();
            let data = found.data.unwrap();
            for file in files {
                std::fs::write(dir.path().join(file), &data[*file].0).unwrap();
            }
        }
        let services: Api<Service> = Api::namespaced(environment.client.clone(), NAMESPACE);
        let service = services.get(tenant).await.unwrap();
        let address = service.spec.unwrap().cluster_ip.unwrap();
        let tools = Tools::api_server().await.unwrap();
        let url = format!("http://127.0.0.1:{}", free_port().unwrap());
        let peer = format!("http://127.0.0.1:{}", free_port().unwrap());
        let mut etcd = tools.command("etcd").unwrap();
        etcd.args(etcd_args(&dir.path().join("etcd"), &url, &peer));
        std::fs::write(dir.path().join("policy.yaml"), policy()).unwrap();
        let mut command = tools.command("kube-apiserver").unwrap();
        command.args(arguments(dir.path(), &url, (&address, port)));
        let mut control_plane = Self {
            server: None,
            _etcd: Guarded::spawn(&etcd, &dir.path().join("etcd.log")).unwrap(),
            command,
            dir,
            port,
        };
        control_plane.resume();
        control_plane
    }

    /// Audit log of the API server.
    pub fn audit(&self) -> Audit {
        Audit::at(self.dir.path().join(AUDIT_LOG))
    }

    /// Kills the API server; its data stays.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the API server again.
    pub fn resume(&mut self) {
        let log = self.dir.path().join("apiserver.log");
        self.server = Some(Guarded::spawn(&self.command, &log).unwrap());
    }

    /// Sends a signal to the API server.
    pub fn signal(&self, signal: &str) {
        let pattern = format!("^[^ ]*kube-apiserver .*--secure-port={}( |$)", self.port);
        let found = Command::new("pgrep").args(["-f", &pattern]).output();
        let pid = String::from_utf8(found.unwrap().stdout).unwrap();
        let sent = Command::new("kill").args([signal, pid.trim()]).status();
        assert!(sent.unwrap().success(), "{signal} to {pid:?}");
    }
}

fn arguments(dir: &Path, etcd: &str, (address, port): (&str, u16)) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    vec![
        format!("--etcd-servers={etcd}"),
        format!("--secure-port={port}"),
        format!("--bind-address={address}"),
        "--advertise-address=192.0.2.1".into(),
        "--service-cluster-ip-range=10.98.0.0/16".into(),
        "--authorization-mode=Node,RBAC".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--disable-admission-plugins=ServiceAccount".into(),
        file("audit-policy-file", "policy.yaml"),
        file("audit-log-path", AUDIT_LOG),
        file("client-ca-file", "ca.crt"),
        file("tls-cert-file", "apiserver.crt"),
        file("tls-private-key-file", "apiserver.key"),
        file("service-account-key-file", "sa.pub"),
        file("service-account-signing-key-file", "sa.key"),
    ]
}

/// Writes the status of the Deployment `tenant` as the Deployment controller would.
pub async fn report_deployment_status(
    environment: &Environment,
    tenant: &str,
    ready: i32,
    conditions: Value,
) {
    let api: Api<Deployment> = Api::namespaced(environment.client.clone(), NAMESPACE);
    let patched = wait_until("a Deployment with that status", async || {
        let live = api.get_opt(tenant).await.ok()??;
        let status = json!({"status": {
            "observedGeneration": live.metadata.generation,
            "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready,
            "availableReplicas": ready, "unavailableReplicas": 1 - ready,
            "conditions": conditions,
        }});
        let params = PatchParams::default();
        api.patch_status(tenant, &params, &Patch::Merge(status))
            .await
            .ok()
    });
    patched.await;
    tokio::time::sleep(Duration::from_millis(100)).await;
}
