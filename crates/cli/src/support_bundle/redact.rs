//! Removal of secret values from objects and text.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

/// Text in the place of what was removed.
pub const REMOVED: &str = "REDACTED";
/// Bytes of a value below which text is not searched for it: it would be found everywhere.
const LEAST: usize = 6;
/// Bytes of one piece; a longer line of a value is several.
const MOST: usize = 256;
/// Bytes of all pieces, beyond which there is no bundle rather than one that was not searched for all of them.
const ALL: usize = 32 << 20;
/// Annotation in which kubectl keeps a whole former object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Secret values that were seen, as the pieces by which text is searched for them.
#[derive(Default)]
pub struct Values {
    pieces: BTreeSet<Vec<u8>>,
    bytes: usize,
}

impl Values {
    /// Notes the values of a Secret. Certificates, public keys and names in the datastore are not secret.
    pub fn note(&mut self, secret: &Secret) {
        for (key, value) in secret.data.iter().flatten() {
            let public = [".crt", ".pub"].iter().any(|end| key.ends_with(end));
            if !public && key != "DB_SCHEMA" && key != "DB_USER" {
                self.add(&value.0);
            }
        }
    }

    fn add(&mut self, value: &[u8]) {
        let encoded = BASE64_STANDARD.encode(value).into_bytes();
        let lines = value
            .split(|byte| *byte == b'\n')
            .chain([encoded.as_slice()]);
        for line in lines {
            let line = line.trim_ascii();
            if !line.starts_with(b"-----") {
                line.chunks(MOST).for_each(|piece| self.add_piece(piece));
            }
        }
    }

    fn add_piece(&mut self, piece: &[u8]) {
        if piece.len() >= LEAST && self.bytes <= ALL && self.pieces.insert(piece.to_vec()) {
            self.bytes += piece.len();
        }
    }

    /// Replacer of all noted values.
    pub fn searcher(&self) -> anyhow::Result<Searcher> {
        if self.bytes > ALL {
            bail!(
                "the Secrets have more values than text can be searched for: choose one namespace with --namespace"
            );
        }
        let built = AhoCorasick::new(&self.pieces).context("searching for secret values")?;
        Ok(Searcher(built, self.pieces.len()))
    }
}

/// Replaces secret values in text.
pub struct Searcher(AhoCorasick, usize);

impl Searcher {
    /// The text without the values.
    pub fn clean(&self, text: &str) -> String {
        let removed = vec![REMOVED; self.1];
        self.0.replace_all(text, &removed)
    }
}

/// Removes from an object what may be secret whatever its text is: values of Secrets and of environment variables, inline
/// content of DataStores, the former object that kubectl keeps, and managed fields.
pub fn strip(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove(LAST_APPLIED);
        }
    }
    for key in ["data", "stringData"] {
        for value in object[key].as_object_mut().into_iter().flatten() {
            let length = value.1.as_str().map_or(0, str::len);
            *value.1 = Value::String(format!("{REMOVED}, {length} characters of base64"));
        }
        if object[key].is_null()
            && let Some(object) = object.as_object_mut()
        {
            object.remove(key);
        }
    }
    walk(&mut object["spec"]);
    if object["spec"].is_null()
        && let Some(object) = object.as_object_mut()
    {
        object.remove("spec");
    }
}

/// Removes values of environment variables, inline content and values of flags whose names speak of secrets.
fn walk(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match key.as_str() {
                    "env" => variables(field),
                    "content" if field.is_string() => *field = Value::String(REMOVED.to_owned()),
                    _ => walk(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::String(text) => {
            if let Some((flag, _)) = text.split_once('=')
                && text.starts_with('-')
                && ["password", "token", "secret", "credential", "key"]
                    .iter()
                    .any(|word| flag.to_lowercase().contains(word))
                && !text[flag.len()..].starts_with("=/")
            {
                *text = format!("{flag}={REMOVED}");
            }
        }
        _ => {}
    }
}

fn variables(list: &mut Value) {
    for variable in list.as_array_mut().into_iter().flatten() {
        if variable["value"].is_string() {
            variable["value"] = Value::String(REMOVED.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_keeps_its_shape_and_loses_what_is_secret() {
        let mut object = json!({
            "metadata": {"name": "n", "managedFields": [1], "annotations": {LAST_APPLIED: "hush", "k": "v"}},
            "data": {"a": "aHVzaA=="},
            "spec": {
                "basicAuth": {"password": {"content": "hush"}},
                "containers": [{
                    "args": ["--token=hush", "--tls-private-key-file=/etc/x", "--v=2"],
                    "env": [{"name": "P", "value": "hush"}],
                }],
            },
        });
        strip(&mut object);
        let text = object.to_string();
        assert!(!text.contains("hush") && !text.contains("aHVzaA"), "{text}");
        let args = &object["spec"]["containers"][0]["args"];
        assert_eq!(
            *args,
            json!(["--token=REDACTED", "--tls-private-key-file=/etc/x", "--v=2"])
        );
        assert_eq!(
            object["metadata"],
            json!({"name": "n", "annotations": {"k": "v"}})
        );
    }

    #[test]
    fn text_loses_every_line_of_every_noted_value_and_its_base64() {
        let secret: Secret = serde_json::from_value(json!({"data": {
            "DB_PASSWORD": BASE64_STANDARD.encode("hunter22"),
            "DB_USER": BASE64_STANDARD.encode("tenant-user"),
            "k": BASE64_STANDARD.encode("-----BEGIN X-----\nAAAABBBBCCCC\nDDDDEEEE\n-----END X-----\n"),
        }}))
        .unwrap();
        let mut values = Values::default();
        values.note(&secret);
        let encoded = BASE64_STANDARD.encode("hunter22");
        let text = format!("a hunter22 b {encoded} AAAABBBBCCCC DDDDEEEE tenant-user");
        let clean = values.searcher().unwrap().clean(&text);
        assert_eq!(clean, "a REDACTED b REDACTED REDACTED REDACTED tenant-user");
    }
}
