//! Reads the mounted serving certificate, again whenever it may have changed: kubelets replace such files
//! while they are in use.

use std::path::{Path, PathBuf};

use kamaji_core::pki::webhook_certificate::Material;

/// A reason for which a mounted certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; mount a certificate there, or let the operator make its own by mounting none", path.display())]
pub struct DirectoryError {
    path: PathBuf,
    source: std::io::Error,
}

/// Reads `tls.crt`, `tls.key` and, where there is one, `ca.crt`.
pub async fn read(directory: &Path) -> Result<Material, DirectoryError> {
    let file = async |name: &str| {
        let path = directory.join(name);
        tokio::fs::read(&path)
            .await
            .map_err(|source| DirectoryError { path, source })
    };
    let authorities = match file("ca.crt").await {
        Ok(bytes) => bytes,
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Material {
        certificate: file("tls.crt").await?,
        key: file("tls.key").await?,
        authorities,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn mounted_certificate_is_read_with_or_without_its_authority() {
        let directory = std::env::temp_dir().join(format!("kamaji-serving-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let missing = read(&directory).await.unwrap_err().to_string();
        assert!(missing.contains("tls.crt"), "{missing}");
        std::fs::write(directory.join("tls.crt"), "certificate").unwrap();
        std::fs::write(directory.join("tls.key"), "key").unwrap();
        assert!(read(&directory).await.unwrap().authorities.is_empty());
        std::fs::write(directory.join("ca.crt"), "authority").unwrap();
        let material = read(&directory).await.unwrap();
        assert_eq!(
            (material.certificate, material.key, material.authorities),
            (
                b"certificate".to_vec(),
                b"key".to_vec(),
                b"authority".to_vec()
            )
        );
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
