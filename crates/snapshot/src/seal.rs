//! Encryption of the body by age.

use std::{
    io::{self, BufReader, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use age::{
    Decryptor, Encryptor, Identity, Recipient,
    stream::{StreamReader, StreamWriter},
};
use kamaji_datastore::Secret;

use crate::{error::Error, limits};

/// Encryption of a snapshot that is written.
#[derive(Clone)]
pub enum Seal {
    /// No encryption: whoever reads the file has the keys of the tenant's CA.
    Plain,
    /// Encryption for the holders of these keys, at least one.
    Recipients(Vec<age::x25519::Recipient>),
    /// Encryption by a passphrase.
    Passphrase(Secret),
}

impl Seal {
    /// Encryption for recipients as text, `age1…` each.
    pub fn recipients<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let parse = |text: &str| {
            let parsed = text.trim().parse::<age::x25519::Recipient>();
            parsed.map_err(|reason| Error::Key {
                text: text.to_owned(),
                reason: format!("{reason}; give the public key, age1…, that age-keygen prints"),
            })
        };
        let recipients: Vec<_> = texts.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self::Recipients(recipients))
    }

    /// Encryption by a passphrase.
    pub fn passphrase(text: String) -> Self {
        Self::Passphrase(Secret::new(text))
    }

    /// True unless the file is written without encryption.
    pub fn encrypts(&self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// Starts the encryption of what is written to the result.
    pub(crate) fn wrap<W: Write>(&self, out: W) -> Result<Sealed<W>, Error> {
        let encryptor = match self {
            Self::Plain => return Ok(Sealed::Plain(out)),
            Self::Passphrase(text) => Encryptor::with_user_passphrase(text.expose().into()),
            Self::Recipients(all) => {
                let all = all.iter().map(|one| one as &dyn Recipient);
                Encryptor::with_recipients(all).map_err(|reason| Error::Key {
                    text: "of the recipients".to_owned(),
                    reason: reason.to_string(),
                })?
            }
        };
        let stream = encryptor.wrap_output(out);
        Ok(Sealed::Age(
            stream.map_err(Error::io("encrypting the snapshot"))?,
        ))
    }
}

/// Writer of a body with or without encryption.
pub(crate) enum Sealed<W: Write> {
    Plain(W),
    Age(StreamWriter<W>),
}

impl<W: Write> Sealed<W> {
    /// Writes the end of the encryption.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Age(stream) => stream.finish(),
        }
    }
}

impl<W: Write> Write for Sealed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Age(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Age(stream) => stream.flush(),
        }
    }
}

/// Proof of the writer of a file, by what opened it. None proves the time: an older file opens as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The file is not encrypted.
    None,
    /// The key of a recipient opened it.
    Recipient,
    /// The passphrase opened it.
    Passphrase,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => {
                "not encrypted: whoever can write to where it lies can have made or altered it"
            }
            Self::Recipient => {
                "encrypted for an age key: whoever knows the public key can have made it"
            }
            Self::Passphrase => {
                "encrypted by a passphrase: only who knows the passphrase can have made it"
            }
        })
    }
}

/// Keys that may open a snapshot. Whoever has a key relies on encryption: with one, a file without encryption is refused.
#[derive(Default)]
pub struct Keys {
    identities: Vec<age::x25519::Identity>,
    passphrase: Option<Secret>,
}

impl Keys {
    /// Adds the identities of a file that `age-keygen` wrote.
    pub fn add_file(&mut self, path: &Path) -> Result<(), Error> {
        let refused = |reason: String| Error::Key {
            text: path.display().to_string(),
            reason: format!("{reason}; give a file that age-keygen wrote"),
        };
        let file = std::fs::File::open(path).map_err(|error| refused(error.to_string()))?;
        let mut text = String::new();
        let read = file.take(limits::SEAL).read_to_string(&mut text);
        read.map_err(|error| refused(error.to_string()))?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let identity = line.parse::<age::x25519::Identity>();
            self.add_identity(identity.map_err(|reason| refused(reason.to_owned()))?);
        }
        Ok(())
    }

    /// Adds one identity of age.
    pub fn add_identity(&mut self, identity: age::x25519::Identity) {
        self.identities.push(identity);
    }

    /// Adds the passphrase that files without recipients have.
    pub fn add_passphrase(&mut self, text: String) {
        self.passphrase = Some(Secret::new(text));
    }

    /// True without any key.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.passphrase.is_none()
    }

    /// Refuses a file without encryption if there is a key: whoever can write to where the file lies could otherwise
    /// replace an encrypted one by a plain one.
    pub(crate) fn require_plain(&self) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Error::Unencrypted)
    }

    /// Opens an encrypted body.
    pub(crate) fn open<R: Read>(&self, body: R) -> Result<Opened<R>, Error> {
        let budget = Arc::new(AtomicU64::new(limits::SEAL));
        let body = BufReader::new(Bounded {
            body,
            budget: budget.clone(),
        });
        let decryptor = Decryptor::new_buffered(body).map_err(refused)?;
        budget.store(u64::MAX, Ordering::Relaxed);
        let proof = if decryptor.is_scrypt() {
            Proof::Passphrase
        } else {
            Proof::Recipient
        };
        let stream = if proof == Proof::Passphrase {
            let text = self.passphrase.as_ref();
            let text = text.ok_or(Error::Locked(
                "give its passphrase by KAMAJI_SNAPSHOT_PASSPHRASE",
            ))?;
            let identity = age::scrypt::Identity::new(text.expose().into());
            decryptor.decrypt(std::iter::once(&identity as &dyn Identity))
        } else {
            let all = self.identities.iter();
            decryptor.decrypt(all.map(|one| one as &dyn Identity))
        };
        Ok(Opened {
            stream: stream.map_err(refused)?,
            proof,
        })
    }
}

fn refused(error: age::DecryptError) -> Error {
    match error {
        age::DecryptError::NoMatchingKeys => {
            Error::Locked("give the key of one of its recipients by --identity")
        }
        age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
            Error::Locked("the passphrase or the key is another one")
        }
        age::DecryptError::ExcessiveWork { .. } => {
            Error::Damaged("its passphrase asks for too much work".to_owned())
        }
        age::DecryptError::Io(source) => Error::body(source),
        other => Error::Damaged(other.to_string()),
    }
}

/// Reader of a decrypted body.
pub(crate) struct Opened<R: Read> {
    stream: StreamReader<BufReader<Bounded<R>>>,
    proof: Proof,
}

impl<R: Read> Opened<R> {
    /// Kind of the key that opened the body.
    pub fn proof(&self) -> Proof {
        self.proof
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }
}

/// Reader that ends with an error once its budget is used up: the header of age has no bound of its own.
pub(crate) struct Bounded<R> {
    body: R,
    budget: Arc<AtomicU64>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.load(Ordering::Relaxed);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 && !into.is_empty() {
            return Err(io::Error::other("the header of its encryption is too long"));
        }
        let read = self.body.read(&mut into[..most])?;
        if left < u64::MAX {
            self.budget.fetch_sub(read as u64, Ordering::Relaxed);
        }
        Ok(read)
    }
}
