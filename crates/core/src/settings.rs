//! Settings of the operator that plans depend on.

use std::time::Duration;

use crate::pki::key::KeyAlgorithm;

/// Image of kine unless the operator is started with another (`--kine-image`).
pub const KINE_IMAGE: &str = "rancher/kine:v0.17.5";

/// The operator's settings that decide what is rendered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DataStore` of tenants that name none (`--datastore`).
    pub default_data_store: Option<String>,
    /// Image of the kine container (`--kine-image`, default [`KINE_IMAGE`]).
    pub kine_image: String,
    /// Algorithm of new keys (`--key-algorithm`, default ECDSA P-256); existing keys stay.
    pub key_algorithm: KeyAlgorithm,
    /// Leaf certificates that end within this are issued again (`--certificate-expiration-deadline`).
    pub expiration_deadline: Duration,
    /// URL of the operator's webhook service as a tenant's API server reaches it.
    pub webhook_url: String,
    /// CA bundle that signs that service's certificate; empty until it is known.
    pub webhook_ca: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_data_store: None,
            kine_image: KINE_IMAGE.to_owned(),
            key_algorithm: KeyAlgorithm::EcdsaP256,
            expiration_deadline: Duration::from_hours(24),
            webhook_url: "https://kamaji-webhook-service.kamaji-system.svc:443".to_owned(),
            webhook_ca: Vec::new(),
        }
    }
}
