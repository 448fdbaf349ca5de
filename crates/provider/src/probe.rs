//! Probes of tenants' API servers with exactly the kubeconfig that is published, and clients of kubeconfigs that users
//! provide.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use http::Request;
use kamaji_api::{
    condition::{self, ConditionType},
    tenant::{TenantControlPlane, VersionPhase},
};
use kamaji_core::{checksum, cluster_api::Probe, error_chain::chain, unquoted};
use kamaji_shell::{ObjectKey, answers::Answers, lock::lock};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

/// Limit for connecting to a tenant's API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest kubeconfig in bytes: a usual one has some 6,000.
const LARGEST: usize = 256 << 10;
/// Limit for a probe as a whole.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);

/// Memory limits for the responses of all tenants' API servers together.
static TENANTS: LazyLock<Answers> = LazyLock::new(Answers::of_tenants);
/// Memory limits for the responses of all other management clusters together.
pub static EXTERNALS: LazyLock<Answers> = LazyLock::new(Answers::of_externals);

/// Result of the last probe of each control plane, with the hash of the kubeconfig.
#[derive(Debug, Default)]
pub struct Probes {
    last: Mutex<HashMap<ObjectKey, (String, Probe)>>,
}

impl Probes {
    /// Result of the last probe with this kubeconfig; `Untried` if the last probe was with another one.
    pub fn known(&self, key: &ObjectKey, kubeconfig: &[u8]) -> Probe {
        let hash = hash(kubeconfig);
        match self.locked().get(key) {
            Some((had, probe)) if *had == hash => probe.clone(),
            _ => Probe::Untried,
        }
    }

    /// Records the result of a probe.
    pub fn remember(&self, key: &ObjectKey, kubeconfig: &[u8], probe: Probe) {
        self.locked().insert(key.clone(), (hash(kubeconfig), probe));
    }

    /// Removes a deleted control plane.
    pub fn forget(&self, key: &ObjectKey) {
        self.locked().remove(key);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, (String, Probe)>> {
        lock(&self.last)
    }
}

fn hash(kubeconfig: &[u8]) -> String {
    checksum::content(&serde_json::json!(kubeconfig))
}

/// Requests `/version` with the published kubeconfig, within 6 seconds.
pub async fn probe(kubeconfig: &[u8]) -> Probe {
    let result = tokio::time::timeout(PROBE_TIMEOUT, version(kubeconfig)).await;
    match result {
        Ok(Ok(())) => Probe::Works,
        Ok(Err(why)) => Probe::Fails(why),
        Err(_) => Probe::Fails(format!("no answer within {PROBE_TIMEOUT:?}")),
    }
}

async fn version(kubeconfig: &[u8]) -> Result<(), String> {
    let options = ClientOptions {
        connect_timeout: CONNECT_TIMEOUT,
        read_timeout: Some(PROBE_TIMEOUT),
        answers: &TENANTS,
    };
    let client = client(kubeconfig, options).await?;
    let request = Request::get("/version").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = client.request_text(request).await;
    answer.map(drop).map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        other => chain(&other),
    })
}

/// Limits of a client that is made from a kubeconfig.
#[derive(Clone, Copy)]
pub struct ClientOptions<'a> {
    /// Limit for establishing a connection.
    pub connect_timeout: Duration,
    /// Limit for waiting for data of a response; `None` for clients that watch.
    pub read_timeout: Option<Duration>,
    /// Memory limits for responses.
    pub answers: &'a Answers,
}

/// Client of the API server that a kubeconfig names. The error says why the kubeconfig cannot be used.
pub async fn client(kubeconfig: &[u8], options: ClientOptions<'_>) -> Result<Client, String> {
    if kubeconfig.len() > LARGEST {
        let bytes = kubeconfig.len();
        return Err(format!(
            "it has {bytes} bytes, of which there may be {LARGEST}"
        ));
    }
    let text = std::str::from_utf8(kubeconfig).map_err(|_| "it is not text".to_owned())?;
    let read = Kubeconfig::from_yaml(text).map_err(|error| unusable(&error))?;
    check(&read)?;
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .map_err(|error| unusable(&error))?;
    config.connect_timeout = Some(options.connect_timeout);
    config.read_timeout = options.read_timeout;
    // The time that a connection was idle in the pool must not count.
    config.reset_reader_on_write = true;
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).map_err(|error| no_client(&error).to_owned())?;
    Ok(client.with_layer(options.answers).build())
}

/// Cause why a kubeconfig cannot be used, in words that quote nothing of it. The condition that has them is read by
/// more people than the Secret, and whoever writes a control plane may name any Secret as the kubeconfig.
fn unusable(error: &KubeconfigError) -> String {
    use KubeconfigError as E;
    let what = match error {
        E::Parse(error) => return format!("it is no kubeconfig: {}", unquoted::yaml(error)),
        E::CurrentContextNotSet => "it has no current-context",
        E::LoadContext(_) => "it lacks the context that current-context names",
        E::LoadClusterOfContext(_) => "it lacks the cluster of the current context",
        E::MissingClusterUrl => "the cluster of the current context has no server",
        E::ParseClusterUrl(_) => "the server of the current context's cluster is no URL",
        E::ParseProxyUrl(_) => "the proxy-url of the current context's cluster is no URL",
        E::LoadCertificateAuthority(_) => "its certificate-authority-data is not base64",
        E::LoadClientCertificate(_) => "its client-certificate-data is not base64",
        E::LoadClientKey(_) => "its client-key-data is not base64",
        E::ParseCertificates(_) => "its certificate-authority-data is not PEM",
        E::KindMismatch | E::ApiVersionMismatch => "its documents differ in kind or apiVersion",
        _ => "no client can be configured by it",
    };
    what.to_owned()
}

/// Cause why no client can be made with a kubeconfig's credentials, as [`unusable`] says it.
fn no_client(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::RustlsTls(_) => {
            "its CA, client certificate or client key cannot be used: each must be PEM in base64, and the key that of the certificate"
        }
        kube::Error::Auth(_) => "the credentials of its user cannot be used",
        _ => "no client can be made with it",
    }
}

/// Refuses kubeconfigs with commands, which would run in the provider's pod, and with paths of files: the pod's files,
/// among them its ServiceAccount token, would be sent to the server that the kubeconfig names.
fn check(kubeconfig: &Kubeconfig) -> Result<(), String> {
    let users = kubeconfig.auth_infos.iter();
    for user in users.filter_map(|user| user.auth_info.as_ref()) {
        if user.exec.is_some() || user.auth_provider.is_some() {
            let why = "it has an exec or auth-provider user: use a certificate or a token";
            return Err(why.to_owned());
        }
        let files = [&user.token_file, &user.client_certificate, &user.client_key];
        if files.iter().any(|file| file.is_some()) {
            let why = "a user of it names files (tokenFile, client-certificate, client-key): put their content into it";
            return Err(why.to_owned());
        }
    }
    let mut clusters = kubeconfig.clusters.iter();
    if clusters.any(|named| {
        let cluster = named.cluster.as_ref();
        cluster.is_some_and(|cluster| cluster.certificate_authority.is_some())
    }) {
        let why = "a cluster of it names a file (certificate-authority): put its content into certificate-authority-data";
        return Err(why.to_owned());
    }
    Ok(())
}

/// True if an API server runs, according to the status of the TenantControlPlane.
pub fn may_answer(tenant: &TenantControlPlane) -> bool {
    let Some(status) = &tenant.status else {
        return false;
    };
    if let Some(available) = condition::find(
        &status.conditions,
        ConditionType::ControlPlaneAvailable.as_str(),
    ) {
        return available.status == "True";
    }
    // The operator of upstream has no conditions.
    let version = status.kubernetes_resources.as_ref();
    let phase = version.and_then(|resources| resources.version.as_ref()?.status);
    !matches!(
        phase,
        None | Some(
            VersionPhase::Provisioning
                | VersionPhase::NotReady
                | VersionPhase::Sleeping
                | VersionPhase::Unknown
        )
    )
}

#[cfg(test)]
mod tests;
