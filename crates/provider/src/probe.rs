//! Does a tenant's API server answer somebody who comes with the published kubeconfig? Asked with exactly
//! its bytes, and once for each of them.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use http::Request;
use kamaji_api::{
    condition,
    tenant::{TenantControlPlane, VersionPhase},
};
use kamaji_core::{checksum, cluster_api::Probe};
use kamaji_shell::{ObjectKey, answers::Answers};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Time for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Bytes of a kubeconfig: one has some 6,000.
const LARGEST: usize = 256 << 10;
/// Time for all of it.
const ANSWER: Duration = Duration::from_secs(6);

/// What the API servers of tenants may answer, all of them together.
static TENANTS: LazyLock<Answers> = LazyLock::new(Answers::of_tenants);
/// What other management clusters may.
pub static EXTERNALS: LazyLock<Answers> = LazyLock::new(Answers::of_externals);

/// Kubeconfigs that worked, by control plane.
#[derive(Debug, Default)]
pub struct Probes {
    last: Mutex<HashMap<ObjectKey, (String, Probe)>>,
}

impl Probes {
    /// What came of the last try with these bytes.
    pub fn known(&self, key: &ObjectKey, kubeconfig: &[u8]) -> Probe {
        let hash = hash(kubeconfig);
        match self.locked().get(key) {
            Some((had, probe)) if *had == hash => probe.clone(),
            _ => Probe::Untried,
        }
    }

    /// What came of a try.
    pub fn remember(&self, key: &ObjectKey, kubeconfig: &[u8], probe: Probe) {
        self.locked().insert(key.clone(), (hash(kubeconfig), probe));
    }

    /// A control plane is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.locked().remove(key);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, (String, Probe)>> {
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn hash(kubeconfig: &[u8]) -> String {
    checksum::content(&serde_json::json!(kubeconfig))
}

/// Asks for the version with the bytes that are published.
pub async fn ask(kubeconfig: &[u8]) -> Probe {
    let asked = tokio::time::timeout(ANSWER, version(kubeconfig)).await;
    match asked {
        Ok(Ok(())) => Probe::Works,
        Ok(Err(why)) => Probe::Fails(why),
        Err(_) => Probe::Fails(format!("no answer within {ANSWER:?}")),
    }
}

async fn version(kubeconfig: &[u8]) -> Result<(), String> {
    let client = client(kubeconfig, CONNECT, &TENANTS).await?;
    let request = Request::get("/version").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    let answer = client.request_text(request).await;
    answer.map(drop).map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        other => chain(&other),
    })
}

/// A client of whatever API server a kubeconfig names.
pub async fn client(
    kubeconfig: &[u8],
    connect: Duration,
    answers: &Answers,
) -> Result<Client, String> {
    if kubeconfig.len() > LARGEST {
        let bytes = kubeconfig.len();
        return Err(format!(
            "it has {bytes} bytes, of which there may be {LARGEST}"
        ));
    }
    let text = std::str::from_utf8(kubeconfig).map_err(|_| "it is not text".to_owned())?;
    let read = Kubeconfig::from_yaml(text).map_err(|error| chain(&error))?;
    refused(&read)?;
    let mut config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .map_err(|error| chain(&error))?;
    config.connect_timeout = Some(connect);
    config.default_retry = false;
    let client = ClientBuilder::try_from(config).map_err(|error| chain(&error))?;
    Ok(client.with_layer(answers).build())
}

/// What a kubeconfig may not have: commands would run in this pod, and its files, the token of its
/// ServiceAccount among them, would go to whatever server the kubeconfig names.
fn refused(kubeconfig: &Kubeconfig) -> Result<(), String> {
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

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

/// Whether anybody listens there, as the TenantControlPlane tells it.
pub fn may_answer(tenant: &TenantControlPlane) -> bool {
    let Some(status) = &tenant.status else {
        return false;
    };
    if let Some(said) = condition::find(&status.conditions, "ControlPlaneAvailable") {
        return said.status == "True";
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
#[path = "probe_tests.rs"]
mod tests;
