//! Which database may hold the data of tenants, and how is it reached?

use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which database it is, and how it is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kamaji.clastix.io",
    version = "v1alpha1",
    kind = "DataStore",
    doc = "A database that holds the data of tenants.",
    plural = "datastores",
    status = "DataStoreStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Driver","type":"string","description":"Kind of database","jsonPath":".spec.driver"}"#,
    printcolumn = r#"{"name":"Ready","type":"boolean","description":"Whether it can be used","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Age","type":"date","description":"Age","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    // These come first and guard with has(): the rules after them are the reference's, whose first words
    // on a key that is not there are those of the engine.
    validation = Rule::new(r#"self.driver != "etcd" || (has(self.tlsConfig) && has(self.tlsConfig.certificateAuthority.privateKey))"#).message("driver etcd needs tlsConfig.certificateAuthority.privateKey: tenants' client certificates are signed with it"),
    validation = Rule::new(r#"self.driver != "etcd" || (has(self.tlsConfig) && has(self.tlsConfig.clientCertificate))"#).message("driver etcd needs tlsConfig.clientCertificate: the operator logs in with it"),
    validation = Rule::new(r#"(self.driver == "etcd") ? (self.tlsConfig != null && (has(self.tlsConfig.certificateAuthority.privateKey.secretReference) || has(self.tlsConfig.certificateAuthority.privateKey.content))) : true"#).message("driver etcd needs tlsConfig.certificateAuthority.privateKey: tenants' client certificates are signed with it"),
    validation = Rule::new(r#"(self.driver == "etcd") ? (self.tlsConfig != null && (has(self.tlsConfig.clientCertificate.certificate.secretReference) || has(self.tlsConfig.clientCertificate.certificate.content))) : true"#).message("driver etcd needs tlsConfig.clientCertificate.certificate: the operator logs in with it"),
    validation = Rule::new(r#"(self.driver == "etcd") ? (self.tlsConfig != null && (has(self.tlsConfig.clientCertificate.privateKey.secretReference) || has(self.tlsConfig.clientCertificate.privateKey.content))) : true"#).message("driver etcd needs tlsConfig.clientCertificate.privateKey: the operator logs in with it"),
    validation = Rule::new(r#"(self.driver != "etcd" && has(self.tlsConfig) && has(self.tlsConfig.clientCertificate)) ? (((has(self.tlsConfig.clientCertificate.certificate.secretReference) || has(self.tlsConfig.clientCertificate.certificate.content)))) : true"#).message("tlsConfig.clientCertificate.certificate has neither content nor secretReference: give one"),
    validation = Rule::new(r#"(self.driver != "etcd" && has(self.basicAuth)) ? ((has(self.basicAuth.username.secretReference) || has(self.basicAuth.username.content))) : true"#).message("basicAuth.username has neither content nor secretReference: give one"),
    validation = Rule::new(r#"(self.driver != "etcd" && has(self.basicAuth)) ? ((has(self.basicAuth.password.secretReference) || has(self.basicAuth.password.content))) : true"#).message("basicAuth.password has neither content nor secretReference: give one"),
    validation = Rule::new(r#"(self.driver != "etcd") ? (has(self.tlsConfig) || has(self.basicAuth)) : true"#).message("drivers other than etcd need tlsConfig or basicAuth: give the one that the database asks for"),
    validation = Rule::new("oldSelf == null || self.driver == oldSelf.driver").message("driver cannot change: create another DataStore")
)]
pub struct DataStoreSpec {
    /// User and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Kind of database; it cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("driver cannot change: create another DataStore"))]
    pub driver: Driver,
    /// Where it is: host:port, without a scheme.
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self.all(e, e.startsWith('[') || e.contains('://') || e.indexOf(':') == e.lastIndexOf(':'))").message("an IPv6 address in endpoints needs brackets, for example [2001:db8::5]:2379"))]
    pub endpoints: Vec<String>,
    /// Certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Driver {
    /// etcd
    #[serde(rename = "etcd")]
    Etcd,
    /// MySQL, through kine
    #[serde(rename = "MySQL")]
    MySql,
    /// PostgreSQL, through kine
    #[serde(rename = "PostgreSQL")]
    PostgreSql,
    /// NATS, through kine
    #[serde(rename = "NATS")]
    Nats,
}

impl Driver {
    /// The word as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::MySql => "MySQL",
            Self::PostgreSql => "PostgreSQL",
            Self::Nats => "NATS",
        }
    }
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BasicAuth {
    /// The password.
    pub password: ContentRef,
    /// The user.
    pub username: ContentRef,
}

/// Certificates of a DataStore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// The CA that signed the server's certificate.
    pub certificate_authority: CertificateAuthority,
    /// The operator's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

/// A CA with or without its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAuthority {
    /// Its certificate.
    pub certificate: ContentRef,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<ContentRef>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: ContentRef,
    /// Its key.
    pub private_key: ContentRef,
}

/// Bytes, here or in a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentRef {
    /// The bytes; they win over the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "byte"))]
    pub content: Option<ByteString>,
    /// A key of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_reference: Option<SecretKeyReference>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// The key.
    #[schemars(length(min = 1))]
    pub key_path: String,
    /// Name of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What the operator says about a DataStore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStoreStatus {
    /// Whether its references resolve, and whether it may be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// True if it can be used.
    pub ready: bool,
    /// Tenants that have data in it, as namespace/name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
}
