//! The same image as an OCI archive, as registries and other runtimes take it.
//!
//! The archive depends on the content alone: no times, and everything in order.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::Builder;

use super::{Image, sha256, text_entry};

impl Image {
    /// Writes the image into one file that `ctr images import`, `skopeo copy oci-archive:` and `podman load` read.
    pub fn write_oci(&self, path: &Path) -> Result<()> {
        let layer = path.with_extension("layer");
        self.write_layer(&layer)?;
        let diff = sha256(&layer)?;
        let size = fs::metadata(&layer)?.len();
        let config = self.config(&diff);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("config.v1+json", &config),
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": format!("sha256:{diff}"), "size": size}],
        })
        .to_string();
        let entries: Vec<Value> = self
            .names
            .iter()
            .map(|name| {
                let mut entry = described("manifest.v1+json", &manifest);
                let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
                entry["annotations"] = json!({
                    "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag,
                });
                entry
            })
            .collect();
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries,
        });
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let mut archive = Builder::new(file);
        archive.mode(tar::HeaderMode::Deterministic);
        let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
        text_entry(&mut archive, "oci-layout", version)?;
        text_entry(&mut archive, "index.json", &index.to_string())?;
        for text in [&manifest, &config] {
            let name = format!("blobs/sha256/{:x}", Sha256::digest(text));
            text_entry(&mut archive, &name, text)?;
        }
        archive.append_path_with_name(&layer, format!("blobs/sha256/{diff}"))?;
        archive.into_inner()?.flush()?;
        fs::remove_file(layer)?;
        Ok(())
    }
}

/// Descriptor of a blob: type, digest and size.
fn described(kind: &str, blob: &str) -> Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": format!("sha256:{:x}", Sha256::digest(blob)), "size": blob.len(),
    })
}
