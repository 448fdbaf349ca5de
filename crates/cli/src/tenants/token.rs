//! Bootstrap tokens: random text, and the Secret by which the tenant cluster knows it.

use std::time::Duration;

use anyhow::Context;
use k8s_openapi::{
    api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp,
};
use rand_core::{OsRng, RngCore};

/// Group of workers that join with a token.
const GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";
/// Letters of a token.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A bootstrap token: a public part that names it, and a secret one.
pub struct Token {
    id: String,
    secret: String,
}

impl Token {
    /// A token of the operating system's randomness, of about 82 secret bits.
    pub fn random() -> anyhow::Result<Self> {
        Ok(Self {
            id: letters(6)?,
            secret: letters(16)?,
        })
    }

    /// Text that a worker presents, as ID.SECRET.
    pub fn text(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }

    /// The Secret in `kube-system` of the tenant cluster, valid until `end`.
    pub fn secret(&self, end: Timestamp) -> Secret {
        let end = end.to_string();
        let data = [
            ("token-id", self.id.as_str()),
            ("token-secret", &self.secret),
            ("expiration", &end),
            ("usage-bootstrap-authentication", "true"),
            ("usage-bootstrap-signing", "true"),
            ("auth-extra-groups", GROUP),
            ("description", "made by kamaji join"),
        ];
        let data = data.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Secret {
            metadata: ObjectMeta {
                name: Some(format!("bootstrap-token-{}", self.id)),
                namespace: Some("kube-system".to_owned()),
                ..ObjectMeta::default()
            },
            type_: Some("bootstrap.kubernetes.io/token".to_owned()),
            string_data: Some(data.into()),
            ..Secret::default()
        }
    }
}

/// Random letters, all equally likely.
fn letters(count: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    while text.len() < count {
        let mut byte = [0];
        OsRng
            .try_fill_bytes(&mut byte)
            .context("the operating system gives no random bytes")?;
        // 252 is the largest multiple of 36 in a byte.
        if byte[0] < 252 {
            text.push(char::from(LETTERS[usize::from(byte[0] % 36)]));
        }
    }
    Ok(text)
}

/// End of a token that is made at `now`, in whole seconds as Kubernetes reads it.
pub fn end(now: Timestamp, valid: Duration) -> anyhow::Result<Timestamp> {
    let seconds = i64::try_from(valid.as_secs()).context("the time that a token is valid")?;
    Timestamp::from_second(now.as_second().saturating_add(seconds)).context("the end of the token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_form_of_kubeadm_and_differ() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        let (id, secret) = one
            .text()
            .split_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!((id.len(), secret.len()), (6, 16));
        assert!(
            one.text()
                .bytes()
                .all(|b| b == b'.' || LETTERS.contains(&b))
        );
        assert_ne!(one.text(), other.text());
    }

    #[test]
    fn the_secret_of_a_token_ends_in_whole_seconds() {
        let now: Timestamp = "2026-01-01T00:00:00.5Z".parse().unwrap();
        let end = end(now, Duration::from_hours(2)).unwrap();
        let secret = Token::random().unwrap().secret(end);
        assert_eq!(
            secret.string_data.unwrap()["expiration"],
            "2026-01-01T02:00:00Z"
        );
    }
}
