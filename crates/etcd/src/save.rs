//! `kamaji etcd save`: the whole store as one member has it, with everything that was acknowledged before.

use std::{io::Write, path::Path};

use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    image::Checked,
    layout::Store,
    members::{Access, Member},
};

/// Store that is saved, and the way to it.
pub struct Source<'a> {
    /// Store whose members are asked.
    pub store: &'a Store,
    /// Folder with the administrator's certificate.
    pub credentials: &'a Path,
    /// URL of the one member to ask; `None` for any of the store's pods.
    pub endpoint: Option<&'a str>,
}

/// Result of a save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Bytes of the snapshot before compression.
    pub bytes: u64,
    /// Revision that the snapshot has at least.
    pub revision: i64,
    /// Version of the etcd that made it; empty before etcd 3.6.
    pub version: String,
}

impl Source<'_> {
    /// Text of eight digits that this store has and no other: from its CA, which is never replaced.
    pub async fn fingerprint(&self) -> Result<String, Error> {
        let path = self.credentials.join("ca.crt");
        let ca = tokio::fs::read(&path).await.map_err(|error| Error::File {
            path: path.display().to_string(),
            cause: error.to_string(),
        })?;
        let hash = Sha256::digest(ca);
        Ok(format!(
            "{:08x}",
            u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
        ))
    }

    /// Writes a snapshot in etcd's own form to `out`; an error unless it is whole.
    pub async fn save(&self, out: &mut (dyn Write + Send)) -> Result<Saved, Error> {
        let access = Access::read(self.credentials).await?;
        let member = self.member(&access).await?;
        // The member answers once it has everything that was acknowledged before.
        let revision = member.revision().await?;
        let mut out = Checked::new(out);
        let version = member.snapshot(&mut out).await?;
        let (_, bytes) = out.finish()?;
        Ok(Saved {
            bytes,
            revision,
            version,
        })
    }

    /// Member that is asked: one that votes.
    async fn member(&self, access: &Access) -> Result<Member, Error> {
        if let Some(url) = self.endpoint {
            return access.member(url.to_owned()).await;
        }
        let answer = access.ask(self.store, None).await;
        match answer {
            Ok((member, _)) => Ok(member),
            Err(reasons) => Err(Error::Unhealthy(format!("no member answers:\n{reasons}"))),
        }
    }
}
