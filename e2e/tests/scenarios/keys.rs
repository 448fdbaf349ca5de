//! Keys, roles and users of one tenant in the tenants' etcd.

use anyhow::{Context, Result};
use etcd_client::{Certificate, Client, ConnectOptions, GetOptions, Identity, TlsOptions};
use kamaji_e2e::datastore;
use kamaji_e2e::testbed::Testbed;

/// The etcd of the DataStore `default`, as its root user.
pub struct Store(Client);

impl Store {
    pub async fn of(testbed: &Testbed) -> Result<Self> {
        let dir = testbed.bed.layout.dir("datastore");
        let read = |name: &str| std::fs::read(dir.join(name)).with_context(|| name.to_string());
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(read("ca.crt")?))
            .identity(Identity::from_pem(read("root.crt")?, read("root.key")?));
        let options = ConnectOptions::new().with_tls(tls);
        let endpoint = format!("https://{}", datastore::endpoint(&testbed.bed));
        Ok(Self(Client::connect([endpoint], Some(options)).await?))
    }

    /// Number of keys below a schema.
    pub async fn keys(&self, schema: &str) -> Result<i64> {
        let options = GetOptions::new().with_prefix().with_count_only();
        let prefix = format!("/{schema}/");
        Ok(self.0.kv_client().get(prefix, Some(options)).await?.count())
    }

    /// Remains of a tenant whose schema and user have this name: keys, role, user.
    pub async fn remains(&self, name: &str) -> Result<Vec<String>> {
        let mut remains = Vec::new();
        let keys = self.keys(name).await?;
        if keys > 0 {
            remains.push(format!("{keys} keys"));
        }
        let mut auth = self.0.auth_client();
        if auth.role_list().await?.roles().iter().any(|r| r == name) {
            remains.push("the role".to_owned());
        }
        if auth.user_list().await?.users().iter().any(|u| u == name) {
            remains.push("the user".to_owned());
        }
        Ok(remains)
    }
}
