//! Keys of encryption at rest: kube-apiserver writes `k8s:enc:PROVIDER:VERSION:NAME:` before a value that it encrypted.

use serde::{Deserialize, Serialize};

use crate::limits;

const PREFIX: &[u8] = b"k8s:enc:";
/// Longest name of a provider, version or key that is shown, in bytes.
const WORD: usize = 128;
/// Longest example key, in bytes.
const EXAMPLE: usize = 512;

/// One key of the tenant's `EncryptionConfiguration`, and one value that needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionKey {
    /// Provider, for example `aescbc`, `aesgcm`, `secretbox` or `kms`.
    pub provider: String,
    /// Name of the key, or of the KMS plugin.
    pub name: String,
    /// Key in the datastore of one of the values, below the root.
    pub example: String,
}

impl EncryptionKey {
    /// True if values are encrypted together with their full key, so that they can be read below the same root
    /// only. Providers that this build does not know count as such.
    pub fn is_bound_to_root(&self) -> bool {
        !matches!(self.provider.as_str(), "aescbc" | "secretbox")
    }
}

impl std::fmt::Display for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "key {:?} of provider {} (for example {:?})",
            self.name, self.provider, self.example
        )
    }
}

/// Keys of encryption at rest that the values of a snapshot need, in the order of their first use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionKeys(Vec<EncryptionKey>);

impl EncryptionKeys {
    /// Adds the key that `value` needs, if it is encrypted. Past 64 keys, further ones of a provider that is
    /// known already are not told apart.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let Some((provider, name)) = parse(value) else {
            return;
        };
        let full = self.0.len() >= limits::ENCRYPTION_KEYS;
        let known =
            |known: &EncryptionKey| known.provider == provider && (full || known.name == name);
        if self.0.iter().any(known) || self.0.len() >= 2 * limits::ENCRYPTION_KEYS {
            return;
        }
        self.0.push(EncryptionKey {
            provider,
            name,
            example: shown(key, EXAMPLE),
        });
    }

    /// The keys, in the order of their first use.
    pub fn iter(&self) -> impl Iterator<Item = &EncryptionKey> {
        self.0.iter()
    }

    /// The first key whose values cannot be read below another root.
    pub fn bound_to_root(&self) -> Option<&EncryptionKey> {
        self.0.iter().find(|key| key.is_bound_to_root())
    }
}

/// Provider and name of the key that a value needs; `None` for a value that is not encrypted.
fn parse(value: &[u8]) -> Option<(String, String)> {
    let mut words = value.strip_prefix(PREFIX)?.splitn(4, |byte| *byte == b':');
    let provider = shown(words.next()?, WORD);
    let (_version, name) = (words.next(), words.next().unwrap_or_default());
    Some((provider, shown(name, WORD)))
}

fn shown(bytes: &[u8], most: usize) -> String {
    let bytes = &bytes[..bytes.len().min(most)];
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_named_once_with_its_provider() {
        let mut keys = EncryptionKeys::default();
        keys.add(b"secrets/a/one", b"k8s:enc:aescbc:v1:key1:\x00\x01");
        keys.add(b"secrets/a/two", b"k8s:enc:aescbc:v1:key1:\x02");
        keys.add(b"secrets/a/three", b"k8s:enc:kms:v2:vault:\x02:x");
        keys.add(b"pods/a/plain", b"k8s\0plain");
        let names: Vec<_> = keys
            .iter()
            .map(|key| (&*key.provider, &*key.name))
            .collect();
        assert_eq!(names, [("aescbc", "key1"), ("kms", "vault")]);
        let bound = keys.bound_to_root().unwrap();
        assert_eq!(bound.example, "secrets/a/three");
    }

    #[test]
    fn an_unknown_provider_counts_as_bound_to_the_root() {
        let mut keys = EncryptionKeys::default();
        keys.add(b"secrets/a/one", b"k8s:enc:later:v9");
        assert!(keys.bound_to_root().is_some());
    }

    #[test]
    fn values_with_countless_keys_keep_the_list_short() {
        let mut keys = EncryptionKeys::default();
        for number in 0..10_000 {
            keys.add(b"secrets/a", format!("k8s:enc:p{number}:v1:n:").as_bytes());
        }
        assert!(keys.iter().count() <= 2 * limits::ENCRYPTION_KEYS);
        keys.add(&[b'k'; 9999], &[PREFIX, &[b'x'; 9999][..]].concat());
        let longest = keys
            .iter()
            .map(|key| key.example.len() + key.provider.len());
        assert!(longest.max().unwrap() <= EXAMPLE + WORD);
    }
}
