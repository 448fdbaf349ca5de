//! Reads from the API server: the Secrets of a plan, and what a deletion depends on.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kamaji_api::{kubeconfig::KubeconfigGenerator, tenant::TenantControlPlane};
use kamaji_core::{
    error_chain::chain,
    names::Names,
    object::{Kind, ObjectRef},
    secret_role::SecretRole,
};
use kamaji_shell::apply::WriteError;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::{context::Context, work::Pair};

/// Failed read of one object.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The API server did not answer, or refused.
    #[error(transparent)]
    Read(#[from] WriteError),
    /// The answer cannot be read as an object of its kind.
    #[error("{object} cannot be read: {problem}; correct the field that is named")]
    Unreadable {
        /// Kind, namespace and name.
        object: String,
        /// Message of the parser or of the API server.
        problem: String,
    },
}

/// Secrets that the plan of one kubeconfig depends on.
#[derive(Default)]
pub struct Secrets {
    /// Secret under the name of the tenant's CA.
    pub authority: Option<Secret>,
    /// Secret under the name of the tenant's administrators' kubeconfigs.
    pub admin: Option<Secret>,
    /// Secret under the name of the generated one.
    pub output: Option<Secret>,
}

/// Reads the Secrets of one kubeconfig by their names; `output` is that of the generated one.
pub async fn secrets(context: &Context, pair: &Pair, output: &str) -> Result<Secrets, ReadError> {
    let names = Names::of(&pair.tenant.name);
    Ok(Secrets {
        output: secret(context, pair, output).await?,
        authority: secret(context, pair, &names.secret(SecretRole::Ca)).await?,
        admin: secret(context, pair, &names.secret(SecretRole::AdminKubeconfig)).await?,
    })
}

/// Reads one Secret of the tenant's namespace.
pub async fn secret(
    context: &Context,
    pair: &Pair,
    name: &str,
) -> Result<Option<Secret>, ReadError> {
    let key = ObjectRef::namespaced(Kind::Secret, &pair.tenant.namespace, name);
    let Some(live) = context.writer.read(&key).await? else {
        return Ok(None);
    };
    let read = serde_json::from_value(live.body);
    read.map(Some).map_err(|error| ReadError::Unreadable {
        object: key.to_string(),
        problem: error.to_string(),
    })
}

/// Generator, tenant and namespace of one kubeconfig, as the API server has them.
pub struct Live {
    /// KubeconfigGenerator; `None` if it does not exist.
    pub generator: Option<KubeconfigGenerator>,
    /// TenantControlPlane; `None` if it does not exist.
    pub tenant: Option<TenantControlPlane>,
    /// Namespace of the tenant, with its labels.
    pub namespace: Option<Namespace>,
}

/// Reads what the deletion of a kubeconfig depends on.
pub async fn live(context: &Context, pair: &Pair) -> Result<Live, ReadError> {
    let client = || context.client.clone();
    let (namespace, name) = (&pair.tenant.namespace, &pair.tenant.name);
    Ok(Live {
        generator: get(context, Api::all(client()), &pair.generator).await?,
        tenant: get(context, Api::namespaced(client(), namespace), name).await?,
        namespace: get(context, Api::all(client()), namespace).await?,
    })
}

async fn get<K>(context: &Context, api: Api<K>, name: &str) -> Result<Option<K>, ReadError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    context.metrics.counters.request("get", &K::plural(&()));
    api.get_opt(name)
        .await
        .map_err(|error| ReadError::Unreadable {
            object: format!("{} {name}", K::kind(&())),
            problem: chain(&error),
        })
}
