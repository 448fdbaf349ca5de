//! Access to the management cluster: the flags that all commands for tenants share, and requests with a time limit.

use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{pki::certificate::Certificate, unquoted};
use kamaji_shell::{ObjectKey, answers::Answers};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    client::ClientBuilder,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use serde_json::Value;

use crate::{duration::seconds, failure::describe};

/// Field manager of what the command line writes.
pub const MANAGER: &str = "kamaji-cli";
/// Longest time limit of one request.
const LONGEST: Duration = Duration::from_mins(10);

/// Flags with the way to the management cluster.
#[derive(clap::Args)]
pub struct AccessFlags {
    /// Kubeconfig of the management cluster; by default KUBECONFIG, ~/.kube/config, or the pod's own account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; by default its current one
    #[arg(long)]
    context: Option<String>,
    /// Namespace of the tenant; by default that of the context
    #[arg(long, short)]
    namespace: Option<TenantName>,
    /// Time limit of one request, at most 10m
    #[arg(long, default_value = "30s", value_parser = request_timeout)]
    request_timeout: Duration,
}

fn request_timeout(text: &str) -> Result<Duration, String> {
    let read = seconds(text)?;
    if read > LONGEST {
        return Err(format!("{text:?} is more than 10m: choose less"));
    }
    Ok(read)
}

/// Name of an object, or NAMESPACE/NAME, of letters that names of Kubernetes may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantName {
    namespace: Option<String>,
    name: String,
}

impl TenantName {
    /// The name without a namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for TenantName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |text: &str| {
            let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !text.is_empty() && text.len() <= 63 && text.chars().all(usual)
        };
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if !is_name(name) || namespace.is_some_and(|namespace| !is_name(namespace)) {
            return Err("a name has up to 63 lower-case letters, digits and dashes".to_owned());
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

/// Management cluster that the flags name.
pub struct Access {
    client: Client,
    namespace: String,
    limit: Duration,
    server: String,
    /// End of the kubeconfig's client certificate, if it is over.
    ended: Option<Timestamp>,
}

impl Access {
    /// Reads the kubeconfig and makes a client; nothing is sent yet.
    pub async fn open(flags: &AccessFlags) -> anyhow::Result<Self> {
        let mut config = config(flags).await?;
        config.connect_timeout = Some(flags.request_timeout.min(Duration::from_secs(10)));
        config.read_timeout = Some(flags.request_timeout);
        config.write_timeout = Some(flags.request_timeout);
        config.reset_reader_on_write = true;
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let ended = ended(&config.auth_info, Timestamp::now());
        let namespace = match &flags.namespace {
            Some(given) if given.namespace.is_some() => bail!("--namespace takes a name"),
            Some(given) => given.name.clone(),
            None => config.default_namespace.clone(),
        };
        let builder = ClientBuilder::try_from(config).context("the kubeconfig")?;
        Ok(Self {
            client: builder.with_layer(&Answers::of_management()).build(),
            namespace,
            limit: flags.request_timeout,
            server: server.trim_end_matches('/').to_owned(),
            ended,
        })
    }

    /// Client of the cluster; [`Access::call`] gives its requests their time limit.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Namespace of the flags, or of the context.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Key of a tenant; its own namespace wins over that of the flags.
    pub fn key(&self, name: &TenantName) -> ObjectKey {
        let namespace = name.namespace.as_ref().unwrap_or(&self.namespace);
        ObjectKey::new(namespace, &name.name)
    }

    /// Waits for one request, for as long as the flags allow. `what` names it in the error.
    pub async fn call<T>(
        &self,
        what: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> anyhow::Result<T> {
        let Ok(answer) = tokio::time::timeout(self.limit, Box::pin(request)).await else {
            bail!(
                "{what}: the API server at {} has not answered within {:?}: is it reachable from here? Else raise --request-timeout",
                self.server,
                self.limit
            );
        };
        answer.map_err(|error| self.explain(what, &error))
    }

    fn explain(&self, what: &str, error: &kube::Error) -> anyhow::Error {
        let unauthorized = matches!(error, kube::Error::Api(status) if status.code == 401);
        if let Some(end) = self.ended.filter(|_| unauthorized) {
            return anyhow::anyhow!(
                "{what}: the client certificate of the kubeconfig ended at {end}: fetch a new kubeconfig of {}",
                self.server
            );
        }
        anyhow::anyhow!("{what}: {}", describe(error, &self.server))
    }

    /// Like [`Access::call`]; `None` for an object that does not exist.
    pub async fn find<T>(
        &self,
        what: &str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> anyhow::Result<Option<T>> {
        let missing = |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" && status.message.contains(" not found"));
        let request = async {
            match request.await {
                Err(error) if missing(&error) => Ok(None),
                other => other.map(Some),
            }
        };
        self.call(what, request).await
    }

    /// TenantControlPlanes of a namespace.
    pub fn tenants(&self, namespace: &str) -> Api<TenantControlPlane> {
        Api::namespaced(self.client(), namespace)
    }

    /// A tenant; `None` if there is none.
    pub async fn find_tenant(&self, key: &ObjectKey) -> anyhow::Result<Option<TenantControlPlane>> {
        let what = format!("reading the TenantControlPlane {key}");
        self.find(&what, self.tenants(&key.namespace).get(&key.name))
            .await
    }

    /// A tenant that exists.
    pub async fn tenant(&self, key: &ObjectKey) -> anyhow::Result<TenantControlPlane> {
        let found = self.find_tenant(key).await?;
        found.with_context(|| {
            format!("there is no TenantControlPlane {key}: `kamaji get -A` lists those that exist")
        })
    }

    /// A tenant that exists and is not being deleted.
    pub async fn living_tenant(&self, key: &ObjectKey) -> anyhow::Result<TenantControlPlane> {
        let tenant = self.tenant(key).await?;
        if tenant.metadata.deletion_timestamp.is_some() {
            bail!(
                "the TenantControlPlane {key} is being deleted: `kamaji wait {key} --for deleted` shows when it is gone"
            );
        }
        Ok(tenant)
    }

    /// Merges `patch` into exactly this version of a tenant; one that was changed or made again meanwhile is an error.
    pub async fn patch(
        &self,
        tenant: &TenantControlPlane,
        patch: Value,
    ) -> anyhow::Result<TenantControlPlane> {
        let metadata = &tenant.metadata;
        let patch = of_version(metadata, patch)?;
        let api = self.tenants(metadata.namespace.as_deref().unwrap_or_default());
        let name = metadata.name.as_deref().unwrap_or_default();
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let what = format!("changing the TenantControlPlane {name}");
        let patch = Patch::Merge(patch);
        self.call(&what, api.patch(name, &parameters, &patch)).await
    }
}

/// The patch for exactly the object that was read: another uid or version is a conflict.
pub fn of_version(read: &ObjectMeta, mut patch: Value) -> anyhow::Result<Value> {
    patch["metadata"]["uid"] = serde_json::to_value(&read.uid)?;
    patch["metadata"]["resourceVersion"] = serde_json::to_value(&read.resource_version)?;
    Ok(patch)
}

/// Error of a kubeconfig file without the excerpt of the file that the parser's own message has: it goes to the logs
/// of pipelines, too, and the file has keys in it.
pub fn unquoted_error(error: KubeconfigError) -> anyhow::Error {
    match error {
        KubeconfigError::Parse(error) => anyhow::anyhow!("{}", unquoted::yaml(&error)),
        other => other.into(),
    }
}

async fn config(flags: &AccessFlags) -> anyhow::Result<Config> {
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &flags.kubeconfig {
        let named = || format!("--kubeconfig {}", path.display());
        let read = Kubeconfig::read_from(path).map_err(unquoted_error);
        let read = read.with_context(named)?;
        return Config::from_custom_kubeconfig(read, &options)
            .await
            .with_context(named);
    }
    match Config::from_kubeconfig(&options).await {
        Err(_) if flags.context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
            Config::incluster().context("the account of this pod")
        }
        other => other.map_err(unquoted_error).context(
            "no cluster is known: give --kubeconfig, set KUBECONFIG to a file that exists, or choose a --context of it",
        ),
    }
}

/// End of the client certificate of a kubeconfig, if it is over at `now`.
fn ended(user: &AuthInfo, now: Timestamp) -> Option<Timestamp> {
    let pem = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(data), _) => BASE64_STANDARD.decode(data).ok()?,
        (None, Some(path)) => std::fs::read(path).ok()?,
        (None, None) => return None,
    };
    let end = Certificate::from_pem(&pem).ok()?.not_after;
    (end < now).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_for_the_object_that_was_read() {
        let read = ObjectMeta {
            uid: Some("u".to_owned()),
            resource_version: Some("7".to_owned()),
            ..ObjectMeta::default()
        };
        let patch = serde_json::json!({"metadata": {"annotations": {"k": "v"}}});
        let patch = of_version(&read, patch).unwrap();
        let expected =
            serde_json::json!({"uid": "u", "resourceVersion": "7", "annotations": {"k": "v"}});
        assert_eq!(patch["metadata"], expected);
    }

    #[test]
    fn names_take_a_namespace_and_nothing_that_leads_elsewhere() {
        let parse = |text: &str| text.parse::<TenantName>();
        assert_eq!(parse("a").unwrap().namespace, None);
        let both = parse("ns/a").unwrap();
        assert_eq!((both.namespace.as_deref(), &*both.name), (Some("ns"), "a"));
        let long = "x".repeat(64);
        for wrong in ["", "/", "a/", "/a", "a/b/c", "..", "a?x=1", "A", &long] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
