//! `DataStore`: a database that holds the data of tenants, and how the operator reaches it.

use k8s_openapi::{
    ByteString,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Driver, endpoints and credentials of a database that holds tenants' data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "kamaji.clastix.io",
    version = "v1alpha1",
    kind = "DataStore",
    doc = "Database that holds the data of tenant control planes, and the credentials to reach it.",
    plural = "datastores",
    status = "DataStoreStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Driver","type":"string","description":"Driver of the database","jsonPath":".spec.driver"}"#,
    printcolumn = r#"{"name":"Ready","type":"boolean","description":"True if all references of the spec resolve","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Available","type":"string","description":"True if the database answered the last probe","jsonPath":".status.conditions[?(@.type==\"kamaji.clastix.io/DataStoreAvailable\")].status"}"#,
    printcolumn = r#"{"name":"Tenants","type":"integer","description":"Tenants whose data is in this DataStore","jsonPath":".status.users"}"#,
    printcolumn = r#"{"name":"Server","type":"string","description":"Product and version of the server","jsonPath":".status.probe.version","priority":1}"#,
    printcolumn = r#"{"name":"Latency","type":"string","description":"Step within which a request was answered","jsonPath":".status.probe.latency","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","description":"Time since the object was created","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    // These come first and guard with has(). The rules after them are upstream's: on a missing key they
    // fail with an error of the CEL engine instead of a message.
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
    /// User name and password by which the operator logs in to the database. Required for NATS,
    /// where all tenants use them; drivers other than etcd need this or tlsConfig.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// Kind of the database: etcd, MySQL, PostgreSQL or NATS. All but etcd are reached through
    /// kine, a container in the control plane pods. The driver cannot change.
    #[x_kube(validation = Rule::new("self == oldSelf").message("driver cannot change: create another DataStore"))]
    pub driver: Driver,
    /// Addresses of the database as HOST:PORT without a scheme, IPv6 addresses in brackets, for
    /// example etcd-0.etcd.svc:2379; from 1 to 64. Operator and control plane pods must reach them.
    #[schemars(length(min = 1))]
    #[x_kube(validation = Rule::new("self.all(e, e.startsWith('[') || e.contains('://') || e.indexOf(':') == e.lastIndexOf(':'))").message("an IPv6 address in endpoints needs brackets, for example [2001:db8::5]:2379"))]
    pub endpoints: Vec<String>,
    /// Size of one tenant's data beyond which the condition DataStoreReady of the tenant warns.
    /// Nothing is refused. Empty: no warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_soft_limit: Option<TenantSoftLimit>,
    /// Certificates for the connection to the database. Required for etcd; drivers other than etcd
    /// need this or basicAuth. Empty: no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_config: Option<TlsConfig>,
}

/// Size of one tenant's data beyond which its condition warns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TenantSoftLimit {
    /// Bytes of one tenant's data, as status.storage.usage of the tenant counts them. Empty: no
    /// limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub bytes: Option<i64>,
    /// Keys of one tenant, as status.storage.usage of the tenant counts them. Empty: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub keys: Option<i64>,
}

/// Kind of a database that holds tenants' data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Driver {
    /// etcd, reached by kube-apiserver directly.
    #[serde(rename = "etcd")]
    Etcd,
    /// MySQL, reached through kine.
    #[serde(rename = "MySQL")]
    MySql,
    /// PostgreSQL, reached through kine.
    #[serde(rename = "PostgreSQL")]
    PostgreSql,
    /// NATS JetStream, reached through kine.
    #[serde(rename = "NATS")]
    Nats,
}

impl Driver {
    /// All drivers, in the order of the definition's list.
    pub const ALL: [Self; 4] = [Self::Etcd, Self::MySql, Self::PostgreSql, Self::Nats];

    /// The value as it is written in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::MySql => "MySQL",
            Self::PostgreSql => "PostgreSQL",
            Self::Nats => "NATS",
        }
    }
}

/// User name and password of a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BasicAuth {
    /// Password of the database user.
    pub password: ContentRef,
    /// Name of the database user.
    pub username: ContentRef,
}

/// Certificates for the connection to a database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsConfig {
    /// Certificate authority that signed the database's serving certificate. For etcd its private
    /// key is required, too: it signs the tenants' client certificates.
    pub certificate_authority: CertificateAuthority,
    /// Client certificate by which the operator logs in to the database. Required for etcd. Empty:
    /// none is presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

/// Certificate and private key of a certificate authority.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAuthority {
    /// Certificate of the authority, in PEM.
    pub certificate: ContentRef,
    /// Private key of the authority, in PEM. Required for etcd: it signs the tenants' client
    /// certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<ContentRef>,
}

/// Client certificate and its private key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// Client certificate of the operator, in PEM.
    pub certificate: ContentRef,
    /// Private key of the client certificate, in PEM.
    pub private_key: ContentRef,
}

/// Value given in place or read from a Secret; one of the two is required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentRef {
    /// Value in base64; it wins over secretReference. Prefer secretReference: this field is
    /// readable for all who may read DataStores.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "byte"))]
    pub content: Option<ByteString>,
    /// Key of a Secret that holds the value, read if content is empty. Name and namespace are
    /// required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_reference: Option<SecretKeyReference>,
}

/// Key of a Secret in the management cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Key in the data of the Secret, for example tls.crt.
    #[schemars(length(min = 1))]
    pub key_path: String,
    /// Name of the Secret. Empty: the reference is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of the Secret. Empty: the reference is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Observed state of a DataStore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStoreStatus {
    /// Conditions by type: references resolve, the database answers, access control is on, deletion
    /// is allowed. A message names the cause and the next action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation of the spec that the operator saw last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Server that answered, and how fast. Empty: none has answered yet; whether one answers now is
    /// a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeStatus>,
    /// True if all references of the spec resolve; whether the database answers is a condition.
    pub ready: bool,
    /// The first 5000 tenants whose data is in this DataStore, as NAMESPACE/NAME; while there are any it is not
    /// deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<String>,
    /// Number of tenants whose data is in this DataStore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<i64>,
}

/// Answer of a database to a probe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatus {
    /// Time within which the server answered one request, in steps: 5ms, 20ms, 100ms, 500ms, 2s,
    /// 10s or over 10s. Another step is written once an hour at most; the metric has every probe.
    pub latency: String,
    /// Time of the probe that found this. Later probes that found the same do not change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed_at: Option<Time>,
    /// Product and version of the server, for example PostgreSQL 15.14.
    pub version: String,
}
