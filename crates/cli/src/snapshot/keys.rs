//! Flags with the keys of snapshots, and the notice about files without encryption. A passphrase is read from the environment, since arguments are shown to every
//! process of a machine.

use std::path::PathBuf;

use anyhow::bail;
use kamaji_snapshot::{Keys, Proof, Seal, limits};

use crate::terminal::note;

/// Variable with the passphrase of a snapshot.
const PASSPHRASE: &str = "KAMAJI_SNAPSHOT_PASSPHRASE";

fn passphrase() -> Option<String> {
    std::env::var(PASSPHRASE)
        .ok()
        .filter(|text| !text.is_empty())
}

/// Encryption of a snapshot that is written.
#[derive(clap::Args)]
pub struct SealFlags {
    /// Public key (age1...) that the snapshot is encrypted for; may be given several times. Without one, the
    /// passphrase in KAMAJI_SNAPSHOT_PASSPHRASE encrypts it
    #[arg(long)]
    recipient: Vec<String>,
    /// Write the snapshot without encryption: whoever reads it has all secrets in it
    #[arg(long, conflicts_with = "recipient")]
    plain: bool,
}

impl SealFlags {
    /// The encryption that the flags ask for.
    pub fn seal(&self) -> anyhow::Result<Seal> {
        if self.plain {
            return Ok(Seal::Plain);
        }
        if !self.recipient.is_empty() {
            return Ok(Seal::recipients(self.recipient.iter().map(String::as_str))?);
        }
        match passphrase() {
            Some(text) => Ok(Seal::passphrase(text)),
            None => bail!(
                "a snapshot holds secrets of tenants and is encrypted: give --recipient age1..., or a passphrase in {PASSPHRASE}, or --plain"
            ),
        }
    }
}

/// Keys and bounds of a snapshot that is read.
#[derive(clap::Args)]
pub struct KeyFlags {
    /// File of age-keygen with a key that opens the snapshot; may be given several times. A passphrase is read
    /// from KAMAJI_SNAPSHOT_PASSPHRASE
    #[arg(long)]
    identity: Vec<PathBuf>,
    /// Read a snapshot without encryption, which whoever can write to where it lies can have made; no key is used
    #[arg(long, conflicts_with = "identity")]
    plain: bool,
    /// Most bytes of the snapshot after decompression
    #[arg(long, default_value_t = limits::DATA)]
    pub max_data: u64,
}

impl KeyFlags {
    /// The keys that were given; none with --plain, so that only a file without encryption can be read.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        let mut keys = Keys::default();
        if self.plain {
            return Ok(keys);
        }
        for path in &self.identity {
            keys.add_file(path)?;
        }
        if let Some(text) = passphrase() {
            keys.add_passphrase(text);
        }
        Ok(keys)
    }

    /// The keys of a snapshot that is restored. Fails without any, unless --plain says that nothing has to prove the
    /// file's origin.
    pub fn keys_to_restore(&self) -> anyhow::Result<Keys> {
        let keys = self.keys()?;
        if keys.is_empty() && !self.plain {
            bail!(
                "a snapshot is restored with what opens it: give --identity FILE, or its passphrase in {PASSPHRASE}, or --plain if it was saved without encryption"
            );
        }
        Ok(keys)
    }
}

/// Says on standard error that nothing proves who wrote a file, if so.
pub fn warn_if_unproven(location: &str, proof: Proof) {
    if proof == Proof::None {
        note(&format!("kamaji: {location} is {proof}"));
    }
}
