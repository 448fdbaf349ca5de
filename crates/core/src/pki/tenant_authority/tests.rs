use super::*;
use crate::pki::{
    authority,
    certificate::Certificate,
    fixture::{Foreign, authority as one, entropy, now},
    key::KeyAlgorithm,
    leaves,
};

fn another(purpose: &str) -> Authority {
    authority::issue(
        "kubernetes",
        KeyAlgorithm::EcdsaP256,
        now(),
        &mut entropy(purpose),
    )
}

#[test]
fn one_certificate_is_trusted_and_signs_byte_for_byte() {
    let (certificate, key) = Foreign::new().pems();
    let file = format!("# theirs\n{}", certificate.trim_end());
    let read = TenantAuthority::load(file.as_bytes(), key.as_bytes(), now()).unwrap();
    assert_eq!(read.trust_pem(), file.as_bytes());
    assert_eq!(read.signer().certificate_pem(), file.as_bytes());
    assert!(!read.trusts_others());
    let issued = TenantAuthority::from(one());
    assert_eq!(issued.trust_pem(), one().certificate_pem());
    assert!(!issued.trusts_others());
}

#[test]
fn the_signer_of_a_bundle_is_the_one_of_the_key() {
    let (old, new) = (one(), another("new"));
    let bundle = [old.certificate_pem(), new.certificate_pem()].concat();
    let request = leaves::kubelet_client(KeyAlgorithm::EcdsaP256);
    for signer in [&old, &new] {
        let read = TenantAuthority::load(&bundle, signer.key_pem(), now()).unwrap();
        assert_eq!(read.trust_pem(), bundle);
        assert!(read.trusts_others());
        assert_eq!(read.signer().certificate_pem(), signer.certificate_pem());
        let leaf = read.signer().sign(&request, now(), &mut entropy("leaf"));
        let leaf = Certificate::from_pem(leaf.certificate_pem.as_bytes()).unwrap();
        assert!(leaf.verifies(signer.certificate()));
    }
}

#[test]
fn a_bundle_that_cannot_sign_gives_the_reason() {
    let (old, new, stranger) = (one(), another("new"), another("stranger"));
    let load = |pems: &[&[u8]], key: &[u8]| TenantAuthority::load(&pems.concat(), key, now()).err();
    let both = [old.certificate_pem(), new.certificate_pem()];
    let mismatch = TenantAuthorityError::from(AuthorityError::Mismatch);
    assert_eq!(load(&both, stranger.key_pem()), Some(mismatch));
    let damaged: &[u8] = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let found = load(&[damaged, both[1]], new.key_pem());
    assert!(
        matches!(
            found,
            Some(TenantAuthorityError::Signer(AuthorityError::Certificate(_)))
        ),
        "{found:?}"
    );
    let ended = Foreign {
        not_after: now(),
        ..Foreign::new()
    };
    let ((ended, key), (renewed, _)) = (ended.pems(), Foreign::new().pems());
    let (ended, renewed) = (ended.as_bytes(), renewed.as_bytes());
    let found = load(&[both[0], ended], key.as_bytes());
    let ended_at = TenantAuthorityError::from(AuthorityError::Ended(now()));
    assert_eq!(found, Some(ended_at));
    assert_eq!(load(&[ended, renewed], key.as_bytes()), None);
}

#[test]
fn a_bundle_over_the_limit_is_refused() {
    let signer = one();
    let full = signer.certificate_pem().repeat(MOST_TRUSTED);
    assert!(TenantAuthority::load(&full, signer.key_pem(), now()).is_ok());
    let over = signer.certificate_pem().repeat(MOST_TRUSTED + 1);
    let error = TenantAuthority::load(&over, signer.key_pem(), now()).unwrap_err();
    assert_eq!(error, TenantAuthorityError::TooMany(MOST_TRUSTED + 1));
}
