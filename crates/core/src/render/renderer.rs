//! Renderers of a tenant's pods: which one applies, and which changes a newer one has.
//!
//! A change of a pod template restarts pods, so whatever alters the template of a running tenant is a
//! [`Change`] that only a newer renderer has. A tenant keeps the renderer that made its pods until its
//! own upgrade rolls them anyway, or until a person names another one by the annotation
//! `kamaji.clastix.io/renderer`.

use kamaji_api::labels;

use super::deployment::component::Component;
use crate::{snapshot::Snapshot, tenant::Tenant};

/// A renderer of pods, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renderer {
    /// Pods as the first release rendered them, and as upstream does.
    V1,
    /// V1 with every [`Change`].
    V2,
    /// A renderer that there is not yet, so that tests show that the code has room for it.
    #[cfg(test)]
    V3,
}

/// A difference between a renderer and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The Deployment names its renderer in an annotation, so that it is known even if the process
    /// ended before the status was written.
    NamesItself,
    /// kube-scheduler and kube-controller-manager listen on IPv6, too, the controller manager has the node
    /// masks of both families, and the user's flags of the scheduler win.
    DualStack,
    /// The pods carry the checksums of konnectivity's certificate and kubeconfig, which its server reads
    /// at its start only.
    KonnectivityChecksums,
    /// The pods of konnectivity's agent carry the checksum of the CA, which the agent reads at its start only.
    AgentChecksum,
    /// kube-proxy has the pod ranges, and restarts when its configuration changes.
    ClusterCidr,
    /// The operator writes the endpoints of the Service `kubernetes`: API servers that share an address would
    /// remove it in turn.
    OwnEndpoints,
    /// The API server's certificate names every address of its Service; another certificate rolls the pods.
    ServiceSans,
    /// The issuer of tokens of a new tenant is in the tenant's own domain.
    OwnIssuer,
    /// A startup probe asks every second: the kubelet asks first before there is a container, and then once a period, so
    /// that no pod was ready before ten seconds.
    EagerStart,
}

impl Change {
    /// The first renderer that has it.
    fn since(self) -> Renderer {
        match self {
            Self::NamesItself
            | Self::DualStack
            | Self::KonnectivityChecksums
            | Self::AgentChecksum
            | Self::ClusterCidr
            | Self::OwnEndpoints
            | Self::ServiceSans
            | Self::OwnIssuer
            | Self::EagerStart => Renderer::V2,
        }
    }
}

/// Refusal of a renderer that this build does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRenderer {
    /// Recorded by a newer operator.
    #[error(
        "the pods were made by renderer {0:?}, which this operator does not have (it has 1 to {newest}): they are left as they are. Run the operator that made them, or set the annotation {annotation}: \"{newest}\" on the TenantControlPlane to have them made anew by this one, which restarts them",
        newest = Renderer::NEWEST.number(),
        annotation = labels::RENDERER
    )]
    Recorded(String),
    /// Asked for by a person.
    #[error(
        "the annotation {annotation} asks for renderer {0:?}, which this operator does not have (it has 1 to {newest}): the pods are left as they are. Correct the annotation or remove it",
        newest = Renderer::NEWEST.number(),
        annotation = labels::RENDERER
    )]
    Asked(String),
}

impl Renderer {
    /// Every renderer of this build, oldest first.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// The renderer of new tenants.
    pub const NEWEST: Self = Self::V2;

    /// Number of the renderer, as status and annotations have it.
    pub fn number(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
            #[cfg(test)]
            Self::V3 => "3",
        }
    }

    /// The renderer of a number, without leading zeros or spaces; `None` if this build does not have it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|renderer| renderer.number() == text)
    }

    /// True if the renderer has this change.
    pub fn has(self, change: Change) -> bool {
        self >= change.since()
    }

    /// The renderer that the published status records. A tenant without a record was made by upstream, or has
    /// no pods yet: that counts as V1.
    pub fn recorded(tenant: &Tenant) -> Result<Self, UnknownRenderer> {
        newest_of([tenant.status.renderer.as_deref()]).map(|renderer| renderer.unwrap_or(Self::V1))
    }

    /// The renderer for the next Deployment of a tenant: the one of the annotation, else the newest for new
    /// tenants and for those that an upgrade of their version rolls anyway, else the recorded one.
    pub fn choose(tenant: &Tenant, snapshot: &Snapshot) -> Result<Self, UnknownRenderer> {
        let annotations = snapshot.object.metadata.annotations.as_ref();
        if let Some(asked) = annotations.and_then(|all| all.get(labels::RENDERER)) {
            return Self::parse(asked).ok_or_else(|| UnknownRenderer::Asked(asked.clone()));
        }
        let pods = snapshot.deployment.as_ref();
        let recorded = newest_of([
            tenant.status.renderer.as_deref(),
            pods.and_then(|pods| pods.renderer.as_deref()),
        ])?;
        if pods.is_none() {
            return Ok(recorded.unwrap_or(Self::NEWEST));
        }
        let recorded = recorded.unwrap_or(Self::V1);
        Ok(if upgrades_pods(tenant, snapshot) {
            Self::NEWEST
        } else {
            recorded
        })
    }
}

/// True if the next Deployment rolls the pods for an upgrade of the tenant's version, so that whatever else is
/// new restarts no pod of its own.
pub fn upgrades_pods(tenant: &Tenant, snapshot: &Snapshot) -> bool {
    let live = snapshot.deployment.as_ref();
    let live = live.and_then(|pods| pods.image.as_ref());
    let rolled = live.is_some_and(|live| *live != Component::ApiServer.image(tenant));
    let upgraded = tenant
        .installed_version()
        .is_some_and(|installed| installed.text != tenant.version.text);
    rolled && upgraded
}

/// The newest of what is recorded; an unknown one counts as newer than all.
fn newest_of<const N: usize>(
    recorded: [Option<&str>; N],
) -> Result<Option<Renderer>, UnknownRenderer> {
    let mut newest = None;
    for text in recorded.into_iter().flatten() {
        let known =
            Renderer::parse(text).ok_or_else(|| UnknownRenderer::Recorded(text.to_owned()))?;
        newest = newest.max(Some(known));
    }
    Ok(newest)
}

#[cfg(test)]
mod tests;
