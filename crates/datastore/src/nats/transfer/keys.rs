//! Subjects of keys, as kine makes them: each part of a key between `/` is written in Base58, and parts are joined by
//! `.`; an empty part stands as `/`. Keys of kine's own, without a `/` in front, are below `meta`. Pure code.

use super::super::bucket;
use crate::transfer::kine::{ROOT, key_of as below_root};

/// First part of every key of an API server.
const FIRST: &str = "registry";
/// Key in which kine notes the revision of its last compaction.
pub(super) const COMPACTION: &str = "compact_rev_key_apiserver";

/// Subject of the key in which kine notes its last compaction.
pub(super) fn compaction(bucket: &str) -> String {
    bucket::subject(bucket, &format!("meta.{}", part(COMPACTION.as_bytes())))
}

/// Subject of a key below the root.
pub(super) fn subject(bucket: &str, key: &[u8]) -> String {
    let mut name = part(FIRST.as_bytes());
    for piece in key.split(|byte| *byte == b'/') {
        name.push('.');
        name.push_str(&part(piece));
    }
    bucket::subject(bucket, &name)
}

/// Subject of all keys below the root.
pub(super) fn all(bucket: &str) -> String {
    bucket::subject(bucket, &format!("{}.>", part(FIRST.as_bytes())))
}

/// Key below the root that a subject stands for; `None` for a subject of another key, an error for one that stands for
/// no key.
pub(super) fn key_of(bucket: &str, subject: &str) -> Result<Option<Vec<u8>>, String> {
    let no_key = || format!("the subject {subject:?} is not that of a key of kine");
    let all = bucket::subject(bucket, "");
    let name = subject.strip_prefix(&all).ok_or_else(no_key)?;
    let mut parts = name.split('.');
    if parts.next() != Some(part(FIRST.as_bytes()).as_str()) {
        return Ok(None);
    }
    let mut key = ROOT.trim_end_matches('/').as_bytes().to_vec();
    for encoded in parts {
        let bytes = bs58::decode(encoded).into_vec().map_err(|_| no_key())?;
        key.push(b'/');
        if bytes != b"/" {
            key.extend(bytes);
        }
    }
    Ok(below_root(&key).map(<[u8]>::to_vec))
}

fn part(bytes: &[u8]) -> String {
    let bytes = if bytes.is_empty() { b"/" } else { bytes };
    bs58::encode(bytes).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_those_that_kine_makes() {
        let of = |key: &str| subject("cp-a", key.as_bytes());
        assert_eq!(of("health"), "$KV.cp-a.L8nZchjdPLL.tzCUBDXD");
        assert_eq!(of("a//b/"), "$KV.cp-a.L8nZchjdPLL.2g.p.2h.p");
        assert_eq!(all("cp-a"), "$KV.cp-a.L8nZchjdPLL.>");
        let compaction = "$KV.cp-a.meta.h1ctazrDGbqvwPuDySV8QCGFrjddCjbkRf";
        assert_eq!(super::compaction("cp-a"), compaction);
    }

    #[test]
    fn keys_are_read_back_from_their_subjects() {
        for key in [
            "health",
            "pods/default/web-1",
            "a//b/",
            "/",
            "\u{fc}.x/*/>",
            "1/2",
        ] {
            let found = key_of("cp-a", &subject("cp-a", key.as_bytes()));
            assert_eq!(found, Ok(Some(key.as_bytes().to_vec())), "{key}");
        }
    }

    #[test]
    fn subjects_of_other_keys_are_passed_over_and_those_of_none_refused() {
        assert_eq!(key_of("cp-a", &compaction("cp-a")), Ok(None));
        assert_eq!(key_of("cp-a", "$KV.cp-a.one"), Ok(None));
        assert_eq!(key_of("cp-a", &subject("cp-a", b"")), Ok(None));
        for subject in [
            format!("{}.0OIl", subject("cp-a", b"pods")),
            subject("cp-b", b"pods"),
        ] {
            assert!(key_of("cp-a", &subject).is_err(), "{subject}");
        }
    }
}
