//! Keys of snapshots: what opens a file, what is refused, and what it proves.

use kamaji_snapshot::{Error, Keys, Proof, Seal};

use crate::{check, file, holder, ops, read, sealed, written};

#[test]
fn a_plain_snapshot_is_refused_by_whoever_has_a_key() {
    let bytes = written(&Seal::Plain, &ops()).0;
    let mut passphrase = Keys::default();
    passphrase.add_passphrase("open".to_owned());
    for keys in [holder(), passphrase] {
        let refused = check(&bytes, &keys).err().unwrap();
        assert!(matches!(refused, Error::Unencrypted), "{refused}");
        assert!(matches!(read(&bytes, &keys), Err(Error::Unencrypted)));
    }
}

#[test]
fn a_check_tells_what_opened_the_file() {
    let by_passphrase = written(&Seal::passphrase("open".to_owned()), &ops()).0;
    let mut keys = holder();
    keys.add_passphrase("open".to_owned());
    let proof = |bytes: &[u8], keys: &Keys| check(bytes, keys).unwrap().proof;
    assert_eq!(proof(&by_passphrase, &keys), Proof::Passphrase);
    assert_eq!(proof(&sealed().1, &keys), Proof::Recipient);
    let plain = written(&Seal::Plain, &ops()).0;
    assert_eq!(proof(&plain, &Keys::default()), Proof::None);
}

#[test]
fn an_encrypted_snapshot_opens_for_its_recipient_alone() {
    let bytes = &sealed().1;
    assert_eq!(read(bytes, &holder()).unwrap().1, ops());
    assert!(!bytes.windows(6).any(|window| window == b"second"));
    assert!(file(bytes).header().unwrap().encrypted);
    let mut stranger = Keys::default();
    stranger.add_identity(age::x25519::Identity::generate());
    for keys in [Keys::default(), stranger] {
        assert!(matches!(check(bytes, &keys), Err(Error::Locked(_))));
    }
}

#[test]
fn a_snapshot_by_passphrase_opens_with_that_passphrase_alone() {
    let (bytes, _) = written(&Seal::passphrase("open".to_owned()), &ops());
    let opened = |text: &str| {
        let mut keys = Keys::default();
        keys.add_passphrase(text.to_owned());
        read(&bytes, &keys).map(|(_, ops, _)| ops)
    };
    assert_eq!(opened("open").unwrap(), ops());
    assert!(matches!(opened("shut"), Err(Error::Locked(_))));
    assert!(matches!(check(&bytes, &holder()), Err(Error::Locked(_))));
}
