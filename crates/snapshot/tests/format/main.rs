//! Format of snapshots: what was written reads back, and what was cut, altered or made up is refused.
#![expect(clippy::unwrap_used, reason = "tests, their helpers included")]

#[path = "../kit/header.rs"]
mod header;
mod keys;

use std::{io::Write, sync::OnceLock};

use kamaji_datastore::transfer::{Op, Record};
use kamaji_snapshot::{
    Checked, Encoder, Error, Footer, Header, Item, Keys, Next, Seal, SnapshotFile, limits,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use header::header;

fn put(key: &str, value: &[u8], revision: i64) -> Op {
    Op::Put(Record {
        key: key.as_bytes().to_vec(),
        value: value.to_vec(),
        created: 1,
        modified: revision,
        ttl: None,
    })
}

fn ops() -> Vec<Op> {
    vec![
        put("configmaps/a/one", b"k8s\0first", 2),
        put("secrets/a/two", b"k8s:enc:aescbc:v1:key1:\0\xff", 3),
        put("configmaps/a/one", b"k8s\0second", 4),
        Op::Delete {
            key: b"pods/a/gone".to_vec(),
            revision: 5,
        },
    ]
}

fn objects() -> Vec<Value> {
    vec![
        json!({"kind": "TenantControlPlane"}),
        json!({"kind": "Secret", "data": {"ca.key": "eA=="}}),
    ]
}

fn written(seal: &Seal, ops: &[Op]) -> (Vec<u8>, Footer) {
    let mut encoder = Encoder::create(Vec::new(), &header(), seal).unwrap();
    for object in objects() {
        encoder.object(&object).unwrap();
    }
    for op in ops {
        encoder.op(op).unwrap();
    }
    encoder.finish(9).unwrap()
}

fn file(bytes: &[u8]) -> SnapshotFile {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    SnapshotFile::of(file).unwrap()
}

fn check(bytes: &[u8], keys: &Keys) -> Result<Checked, Error> {
    file(bytes).check(keys, 1 << 20, &|_| true)
}

/// Reads everything, the hash at the end of the file left aside.
fn read(bytes: &[u8], keys: &Keys) -> Result<(Vec<Value>, Vec<Op>, Footer), Error> {
    let file = file(bytes);
    let mut decoder = file.read(keys, 1 << 20)?;
    let (mut objects, mut ops) = (Vec::new(), Vec::new());
    loop {
        match decoder.read_next()? {
            Next::Item(Item::Object(object)) => objects.push(object),
            Next::Item(Item::Op(op)) => ops.push(op),
            Next::End(footer) => return Ok((objects, ops, footer)),
        }
    }
}

/// The file with the hash that its bytes have, as an attacker makes it.
fn with_hash(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 32;
    let hash = Sha256::digest(&bytes[..end]);
    bytes[end..].copy_from_slice(&hash);
    bytes
}

/// A key pair, and a snapshot for its holder.
fn sealed() -> &'static (String, Vec<u8>) {
    static SEALED: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    SEALED.get_or_init(|| {
        use age::secrecy::ExposeSecret;
        let identity = age::x25519::Identity::generate();
        let seal = Seal::recipients([identity.to_public().to_string().as_str()]).unwrap();
        let secret = identity.to_string().expose_secret().to_owned();
        (secret, written(&seal, &ops()).0)
    })
}

fn holder() -> Keys {
    let mut keys = Keys::default();
    keys.add_identity(sealed().0.parse().unwrap());
    keys
}

/// A plain snapshot and one for [`holder`], each with the keys that read it.
fn both() -> [(Vec<u8>, Keys); 2] {
    [
        (written(&Seal::Plain, &ops()).0, Keys::default()),
        (sealed().1.clone(), holder()),
    ]
}

#[test]
fn a_plain_snapshot_reads_back_as_written() {
    let (bytes, footer) = written(&Seal::Plain, &ops());
    assert_eq!(
        read(&bytes, &Keys::default()).unwrap(),
        (objects(), ops(), footer.clone())
    );
    let checked = check(&bytes, &Keys::default()).unwrap();
    assert_eq!(
        (checked.header, checked.footer, checked.order.changed()),
        (header(), footer.clone(), 2)
    );
    assert_eq!((footer.ops, footer.objects, footer.revision), (4, 2, 9));
    assert_eq!(footer.encryption.iter().next().unwrap().name, "key1");
}

#[test]
fn every_truncation_is_refused() {
    for (bytes, keys) in both() {
        for length in 0..bytes.len() {
            let result = check(&bytes[..length], &keys);
            assert!(result.is_err(), "{length} of {} bytes", bytes.len());
        }
        assert!(check(&[bytes.as_slice(), b"x"].concat(), &keys).is_err());
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    for (bytes, keys) in both() {
        assert!(check(&bytes, &keys).is_ok());
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x41;
            assert!(
                check(&altered, &keys).is_err(),
                "byte {at} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn an_altered_header_is_refused_although_the_hash_of_the_file_was_made_anew() {
    for (bytes, keys) in both() {
        let at = bytes
            .windows(4)
            .position(|window| window == b"demo")
            .unwrap();
        let mut altered = bytes.clone();
        altered[at..at + 4].copy_from_slice(b"evil");
        let altered = with_hash(altered);
        assert_eq!(file(&altered).header().unwrap().tenant.name, "evil");
        assert!(matches!(check(&altered, &keys), Err(Error::Damaged(_))));
    }
}

/// A plain snapshot with these bytes as its frames, its hash right.
fn made_up(frames: &[u8]) -> Vec<u8> {
    let whole = written(&Seal::Plain, &[]).0;
    let json = u32::from_le_bytes(whole[20..24].try_into().unwrap()) as usize;
    let body = zstd::encode_all(frames, 3).unwrap();
    with_hash([&whole[..24 + json], &body, &[0; 32][..]].concat())
}

fn frame(kind: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &length.to_le_bytes()[..], payload].concat()
}

#[test]
fn lengths_that_lie_are_refused_without_their_memory() {
    let put_head = |key: u32| [&key.to_le_bytes()[..], &[1; 20]].concat();
    for (what, frames) in [
        ("a frame longer than any", frame(b'P', u32::MAX, b"")),
        (
            "a value longer than the file",
            frame(b'P', 30 << 20, &put_head(1)),
        ),
        (
            "a key longer than its frame",
            frame(b'P', 24, &put_head(4000)),
        ),
        ("a put without its head", frame(b'P', 3, b"abc")),
        ("a deletion without its revision", frame(b'D', 3, b"abc")),
        ("an object longer than any", frame(b'O', 5 << 20, b"")),
        ("a footer longer than any", frame(b'F', 1 << 20, b"")),
        ("an unknown kind", frame(b'X', 0, b"")),
        ("no footer", Vec::new()),
    ] {
        assert!(
            check(&made_up(&frames), &Keys::default()).is_err(),
            "{what}"
        );
    }
}

#[test]
fn a_header_longer_than_its_bound_is_refused_before_it_is_read() {
    let mut bytes = written(&Seal::Plain, &[]).0;
    bytes[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(
        check(&with_hash(bytes), &Keys::default()),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn a_newer_format_and_another_file_are_named_as_such() {
    let mut bytes = written(&Seal::Plain, &[]).0;
    bytes[16] = 2;
    assert!(matches!(
        check(&with_hash(bytes), &Keys::default()),
        Err(Error::Newer(2))
    ));
    assert!(matches!(
        check(&[b'x'; 100], &Keys::default()),
        Err(Error::NotASnapshot)
    ));
    assert!(matches!(
        check(b"", &Keys::default()),
        Err(Error::NotASnapshot)
    ));
}

#[test]
fn data_that_decompresses_to_more_than_was_asked_for_is_refused() {
    let many: Vec<Op> = (1..100)
        .map(|n| put(&format!("configmaps/a/{n:03}"), &vec![0; 100_000], n))
        .collect();
    let (bytes, _) = written(&Seal::Plain, &many[..1]);
    assert!(check(&bytes, &Keys::default()).is_ok());
    let mut encoder = Encoder::create(Vec::new(), &header(), &Seal::Plain).unwrap();
    for op in &many {
        encoder.op(op).unwrap();
    }
    let (bomb, _) = encoder.finish(100).unwrap();
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    let refused = check(&bomb, &Keys::default());
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{:?}",
        refused.err()
    );
    assert!(
        file(&bomb)
            .check(&Keys::default(), 10 << 20, &|_| true)
            .is_ok()
    );
}

#[test]
fn keys_and_revisions_that_no_api_server_makes_are_not_written() {
    let mut encoder = Encoder::create(Vec::new(), &header(), &Seal::Plain).unwrap();
    let long = "k".repeat(limits::KEY + 1);
    for op in [
        put("", b"", 1),
        put("/registry/pods/a", b"", 1),
        put(&long, b"", 1),
        put("pods/a", b"", 0),
        put("pods/a", b"", i64::MAX),
        put("pods/a", &vec![0; limits::VALUE + 1], 1),
    ] {
        assert!(encoder.op(&op).is_err());
    }
    assert_eq!(encoder.ops(), 0);
}

#[test]
fn a_revision_below_that_of_an_operation_is_refused() {
    let mut encoder = Encoder::create(Vec::new(), &header(), &Seal::Plain).unwrap();
    encoder.op(&put("pods/a", b"x", 8)).unwrap();
    let (bytes, _) = encoder.finish(7).unwrap();
    assert!(matches!(
        check(&bytes, &Keys::default()),
        Err(Error::Damaged(_))
    ));
}

#[test]
fn objects_without_end_are_refused() {
    let object = serde_json::to_vec(&json!({"kind": "Secret"})).unwrap();
    let frames = frame(b'O', u32::try_from(object.len()).unwrap(), &object);
    let many = made_up(&frames.repeat(limits::OBJECTS + 1));
    assert!(matches!(
        check(&many, &Keys::default()),
        Err(Error::TooLarge { .. })
    ));
    let deep = "[".repeat(100_000);
    let deep = made_up(&frame(
        b'O',
        u32::try_from(deep.len()).unwrap(),
        deep.as_bytes(),
    ));
    assert!(matches!(
        check(&deep, &Keys::default()),
        Err(Error::Damaged(_))
    ));
}

fn any_op() -> impl Strategy<Value = Op> {
    let key = prop::collection::vec(any::<u8>(), 1..40)
        .prop_filter("below the root", |key| key[0] != b'/');
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
    (key, value, 1i64..1_000_000, prop::option::of(1u32..)).prop_map(
        |(key, value, revision, ttl)| match value {
            Some(value) => Op::Put(Record {
                key,
                value,
                created: revision / 2,
                modified: revision,
                ttl,
            }),
            None => Op::Delete { key, revision },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_operations_read_back_as_written(ops in prop::collection::vec(any_op(), 0..50)) {
        let mut encoder = Encoder::create(Vec::new(), &header(), &Seal::Plain).unwrap();
        for op in &ops { encoder.op(op).unwrap(); }
        let (bytes, footer) = encoder.finish(1_000_000).unwrap();
        let (_, read, end) = read(&bytes, &Keys::default()).unwrap();
        prop_assert_eq!((read, end), (ops, footer));
    }

    #[test]
    fn any_bytes_as_frames_are_refused_without_a_panic(frames in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(check(&made_up(&frames), &Keys::default()).is_err());
    }

    #[test]
    fn damage_below_a_right_hash_never_passes_as_other_content(at in 0usize..1000, with in 1u8..) {
        let whole = written(&Seal::Plain, &ops()).0;
        let mut altered = whole.clone();
        let at = at % (whole.len() - 32);
        altered[at] ^= with;
        // zstd ignores some bits of its frame header; then the content is the same.
        if let Ok((objects_read, ops_read, _)) = read(&with_hash(altered), &Keys::default()) {
            prop_assert_eq!((objects_read, ops_read), (objects(), ops()));
        }
    }
}
