//! KubeconfigGenerators beside the operator: both run with the rights of their packages and no others.

mod fleet;
mod generators;
mod hostile;
mod renewal;
