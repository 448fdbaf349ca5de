//! An authority for one test, and the certificates it signs.

use std::path::Path;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

use kamaji_datastore::Identity;

pub struct Pki {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        Self {
            authority: CertifiedIssuer::self_signed(params, key).unwrap(),
        }
    }

    pub fn ca_pem(&self) -> Vec<u8> {
        self.authority.pem().into_bytes()
    }

    /// For 127.0.0.1 and nothing else.
    pub fn server(&self) -> Identity {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        self.sign(params, "etcd", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Writes `ca.crt`, `server.crt` and `server.key` of a server into `folder`.
    pub fn write_server(&self, folder: &Path) {
        let Identity { cert_pem, key_pem } = self.server();
        for (name, content) in [
            ("ca.crt", self.ca_pem()),
            ("server.crt", cert_pem),
            ("server.key", key_pem),
        ] {
            std::fs::write(folder.join(name), content).unwrap();
        }
    }

    pub fn client(&self, name: &str) -> Identity {
        self.client_until(name, None)
    }

    /// A client certificate that ends soon, if `end` says when.
    pub fn client_until(&self, name: &str, end: Option<SystemTime>) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        if let Some(end) = end {
            params.not_after = end.into();
        }
        self.sign(params, name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Identity {
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        Identity {
            cert_pem: certificate.pem().into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
        }
    }
}
