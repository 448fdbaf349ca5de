//! Checksums: md5 over data, as clients of upstream see them, and the operator's own hash of content.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde_json::Value;
use sha2::Sha256;

fn hex(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write;
    bytes.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The checksum of a Secret's or ConfigMap's data: md5 over its values in the order of its keys.
pub fn map<V: AsRef<[u8]>>(data: &BTreeMap<String, V>) -> String {
    let mut digest = Md5::new();
    for value in data.values() {
        digest.update(value);
    }
    hex(digest.finalize())
}

/// The checksum of a list of arguments: md5 over each of them and a NUL.
pub fn slice(items: &[String]) -> String {
    let mut digest = Md5::new();
    for item in items {
        digest.update(item);
        digest.update([0]);
    }
    hex(digest.finalize())
}

/// md5 over several pieces.
pub fn pieces(pieces: &[&[u8]]) -> String {
    let mut digest = Md5::new();
    for piece in pieces {
        digest.update(piece);
    }
    hex(digest.finalize())
}

/// Hash of a whole object, 16 hexadecimal digits of SHA-256; the order of keys does not count.
pub fn content(body: &Value) -> String {
    let mut text = hex(Sha256::digest(body.to_string()));
    text.truncate(16);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_checksum_ignores_keys_and_is_the_md5_of_nothing_for_an_empty_map() {
        let data = |key: &str| BTreeMap::from([(key.to_owned(), b"ab".to_vec())]);
        assert_eq!(map(&data("x")), "187ef4436122d1cc2f40dc2b92f0eba0");
        assert_eq!(map(&data("x")), map(&data("y")));
        assert_eq!(
            map(&BTreeMap::<String, Vec<u8>>::new()),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
    }

    #[test]
    fn arguments_are_separated() {
        let list = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_ne!(slice(&list(&["ab", "c"])), slice(&list(&["a", "bc"])));
        // printf 'a\0b\0' | md5sum
        assert_eq!(
            slice(&list(&["a", "b"])),
            "aa3a791e273bce9cf4a2a7caa9028b36"
        );
        assert_eq!(slice(&[]), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn map_checksum_takes_values_in_the_order_of_keys() {
        let data = BTreeMap::from([("b".to_owned(), "2"), ("a".to_owned(), "1")]);
        assert_eq!(map(&data), pieces(&[b"1", b"2"]));
        assert_eq!(pieces(&[b"1", b"2"]), pieces(&[b"12"]));
    }

    #[test]
    fn content_hash_ignores_the_order_of_keys() {
        let one: Value =
            serde_json::from_str(r#"{"a": 1, "b": {"c": [1, 2], "d": null}}"#).unwrap();
        let two: Value =
            serde_json::from_str(r#"{"b": {"d": null, "c": [1, 2]}, "a": 1}"#).unwrap();
        assert_eq!(content(&one), content(&two));
        // printf '{"a":1,"b":{"c":[1,2],"d":null}}' | sha256sum
        assert_eq!(content(&one), "6146dd4938e3bf91");
        assert_ne!(content(&one), content(&serde_json::json!({"a": 1})));
    }
}
