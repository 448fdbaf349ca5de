//! [`Work`]: keys of the queue.

use std::fmt;

use kamaji_shell::ObjectKey;

/// Generator and tenant of one kubeconfig, by their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair {
    /// Name of the KubeconfigGenerator.
    pub generator: String,
    /// Namespace and name of the TenantControlPlane.
    pub tenant: ObjectKey,
}

/// Item of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// The kubeconfig of one generator for one tenant.
    Kubeconfig(Pair),
    /// The status of the generator of that name.
    Status(String),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig(pair) => write!(f, "{} for {}", pair.generator, pair.tenant),
            Self::Status(name) => write!(f, "status of {name}"),
        }
    }
}
