//! Cache of successful checks: verifying a signature or a pair of keys takes a hundred times longer than a look-up.
//!
//! The result of a check depends on the bytes alone, so that the cache changes nothing but the time it takes. Only
//! success is cached, by a hash of the bytes; failures are checked again.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

/// Entries at which the cache is cleared; two thousand tenants have so many.
const MOST: usize = 50_000;

static VERIFIED: LazyLock<Mutex<HashSet<[u8; 16]>>> = LazyLock::new(Mutex::default);

/// Runs `check`, unless it succeeded for the same `purpose` and `parts` before.
pub fn once<E>(
    purpose: &str,
    parts: &[&[u8]],
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let digest = digest(purpose, parts);
    if locked().contains(&digest) {
        return Ok(());
    }
    check()?;
    let mut known = locked();
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(digest);
    Ok(())
}

fn locked() -> std::sync::MutexGuard<'static, HashSet<[u8; 16]>> {
    VERIFIED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_cached_and_failure_is_checked_again() {
        let parts: [&[u8]; 2] = [b"part", b"another part"];
        assert_eq!(once("test", &parts, || Err(1)), Err(1));
        assert_eq!(once("test", &parts, || Ok::<_, u8>(())), Ok(()));
        assert_eq!(once("test", &parts, || Err(2)), Ok(()), "it is cached");
        assert_eq!(once("another", &parts, || Err(3)), Err(3));
    }

    #[test]
    fn digests_differ_by_the_boundaries_of_parts() {
        assert_ne!(digest("a", &[b"b", b"c"]), digest("a", &[b"bc", b""]));
        assert_ne!(digest("ab", &[b"c"]), digest("a", &[b"bc"]));
    }
}
